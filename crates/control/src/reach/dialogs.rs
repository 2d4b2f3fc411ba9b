//! Dialogs whose connection is gone: they go on over one of ours, where their far end can be connected to.

use std::time::{Duration, Instant};

use ringback_media::session::LegKey;
use ringback_sansio::{Flow, Transport};

use super::search::{Sought, Waiting};
use crate::exchange::{Exchange, Timer};

/// A leg whose flow is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stranded {
    pub leg: LegKey,
    /// The flow. A device that comes back by itself is on another one by then.
    pub from: Flow,
}

/// How often a leg has lost its connection lately.
#[derive(Debug)]
pub(super) struct Losses {
    count: u32,
    last: Instant,
    /// The flow that was lost last.
    from: Flow,
}

impl Losses {
    /// How long to wait before the next connection: nothing after a first loss, then twice as long each time.
    fn rest(&self) -> Duration {
        match self.count {
            0 | 1 => Duration::ZERO,
            count => Duration::from_secs(1 << (count - 2).min(6)).min(CALM),
        }
    }
}

impl Exchange {
    /// A connection is gone: looks for the far ends of the dialogs that were on it and have not moved elsewhere.
    pub(crate) fn seek_dialogs(&mut self, now: Instant, from: Flow) {
        if from.transport() == Transport::Udp {
            return;
        }
        // What it stood in for is still there.
        let datagrams = self.reach.beside.remove(&from);
        let legs = self.calls.values().flat_map(|call| call.legs()).filter(|leg| leg.flow == from);
        if let Some(datagrams) = datagrams {
            let legs = legs.filter(|leg| leg.dialog().is_some());
            let stranded: Vec<_> = legs.map(|leg| Stranded { leg: leg.key, from }).collect();
            return stranded.into_iter().for_each(|stranded| self.rejoin(stranded, datagrams));
        }
        let stranded: Vec<_> = legs.map(|leg| leg.key).collect();
        for leg in stranded {
            let losses = self.reach.losses.entry(leg).or_insert(Losses { count: 0, last: now, from });
            if now.duration_since(losses.last) > CALM {
                losses.count = 0;
            }
            losses.count += 1;
            (losses.last, losses.from) = (now, from);
            match losses.rest() {
                Duration::ZERO => self.seek_dialog(now, leg),
                rest => self.deadlines.set(Timer::Stranded(leg), now + rest),
            }
        }
    }

    /// Looks for the far end of a dialog whose connection is gone.
    pub(crate) fn seek_dialog(&mut self, now: Instant, key: LegKey) {
        let Some(&Losses { from, .. }) = self.reach.losses.get(&key) else { return };
        let leg = self.calls.get(&self.call_of(key)).and_then(|call| call.leg(key));
        // The device may have come back by itself.
        let Some(dialog) = leg.filter(|leg| leg.flow == from).and_then(|leg| leg.dialog()) else { return };
        let Some(place) = Self::place_of_dialog(dialog) else { return };
        let stranded = Stranded { leg: key, from };
        if let Sought::Found(flow) = self.seek(now, &place, Waiting::Dialog(stranded)) {
            self.rejoin(stranded, flow);
        }
    }

    /// The far end of a dialog is reached over another flow.
    pub(super) fn rejoin(&mut self, Stranded { leg: key, from }: Stranded, to: Flow) {
        let number = self.call_of(key);
        let leg = self.calls.get_mut(&number).and_then(|call| call.leg_mut(key));
        let Some(leg) = leg.filter(|leg| leg.flow == from) else { return };
        leg.flow = to;
        if let Some(dialog) = leg.dialog_mut() {
            dialog.flow = to;
        }
        self.stats.dialogs_reconnected += 1;
    }

    /// A leg is no more.
    pub(crate) fn stranded_no_more(&mut self, leg: LegKey) {
        if self.reach.losses.remove(&leg).is_some() {
            self.deadlines.cancel(&Timer::Stranded(leg));
        }
    }
}

/// Without a loss for so long a connection lasts; the longest wait for the next one.
const CALM: Duration = Duration::from_secs(60);

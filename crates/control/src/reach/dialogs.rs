//! Dialogs whose connection is gone: they go on over one of ours, where their far end can be connected to.

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sansio::{Flow, Transport};

use super::search::{Sought, Waiting};
use crate::exchange::Exchange;

/// A leg whose flow is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stranded {
    leg: LegKey,
    /// The flow. A device that comes back by itself is on another one by then.
    from: Flow,
}

impl Exchange {
    /// A connection is gone: looks for the far ends of the dialogs that were on it and have not moved elsewhere.
    pub(crate) fn seek_dialogs(&mut self, now: Instant, from: Flow) {
        if from.transport() == Transport::Udp {
            return;
        }
        let legs = self.calls.values().flat_map(|call| call.legs()).filter(|leg| leg.flow == from);
        let stranded: Vec<_> = legs
            .filter_map(|leg| Some((Stranded { leg: leg.key, from }, Self::place_of_dialog(leg.dialog()?)?)))
            .collect();
        for (stranded, place) in stranded {
            if let Sought::Found(flow) = self.seek(now, &place, Waiting::Dialog(stranded)) {
                self.rejoin(stranded, flow);
            }
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
}

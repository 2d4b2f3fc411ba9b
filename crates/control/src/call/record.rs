//! The record of a call, and what is left behind when it is forgotten: nothing.

use std::time::{Duration, Instant};

use ringback_media::session::LegKey;

use super::service::Service;
use super::{Call, Leg, LegMedia};
use crate::ask::Ask;
use crate::cdr::{Cdr, CdrLeg, EndedBy};
use crate::exchange::{Exchange, Timer};
use crate::parked::Parked;

/// How long a slow disk holds up the 200 to a BYE, which the far end repeats for 32 s.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

impl Exchange {
    /// The record of a call that begins.
    pub(crate) fn record_begun(&mut self, now: Instant, caller: String, dialled: String) -> Cdr {
        Cdr {
            id: self.random_token(),
            caller,
            dialled,
            answered_by: None,
            started: self.settings.epoch.unix_ms(now),
            answered: None,
            ended: 0,
            status: 0,
            ended_by: EndedBy::Exchange,
            reason: String::new(),
            codec: None,
            is_bypassed: false,
            recordings: Vec::new(),
            legs: Vec::new(),
        }
    }

    /// Gives out the record of a call that has ended, once. The far ends may not all know yet that it has.
    ///
    /// Who hung up gets its 200 when the record is on the disk: a call that its party knows to be over is never lost.
    pub(crate) fn record(&mut self, now: Instant, call: &mut Call) {
        if std::mem::replace(&mut call.is_recorded, true) {
            return;
        }
        self.record_parts(now, call, true);
        let Call { caller, callees, record, first, answered, silent, .. } = call;
        let (first, answered, silent) = (*first, *answered, *silent);
        record.legs = std::iter::once(caller)
            .chain(callees.iter_mut())
            .filter(|leg| leg.key == first || Some(leg.key) == answered)
            .map(|leg| {
                let media = match &mut leg.media {
                    LegMedia::Closed(report) => report.take(),
                    _ => None,
                };
                if silent == Some(leg.key)
                    && let Some(report) = &media
                {
                    // One that was never heard was never there.
                    let last = report.last_heard.map_or(0, |last| self.settings.epoch.unix_ms(last));
                    record.ended = last.max(record.answered.unwrap_or(record.started));
                }
                recorded(leg, media.map(|report| *report))
            })
            .collect();
        let record = record.clone();
        if record.answered.is_some() {
            let parties = call.legs().filter(|leg| leg.key == first || Some(leg.key) == answered);
            for (place, leg) in parties.enumerate() {
                self.ended_calls.remember(now, leg, &record.id, place);
            }
        }
        self.deadlines.cancel(&Timer::Reports(call.number));
        for (_, user) in std::mem::take(&mut call.payers) {
            self.count_out(&user);
        }
        self.stats.calls_ended += 1;
        match call.farewell.take() {
            Some((server, reply)) => {
                let id = self.ask(Parked::Farewell(server, reply), Ask::Record(Box::new(record)));
                self.deadlines.set(Timer::Farewell(id), now + FAREWELL_WITHIN);
            }
            None => {
                self.ask(Parked::Unanswered, Ask::Record(Box::new(record)));
            }
        }
    }

    /// A call no longer counts among those of a user at the same time.
    pub(crate) fn count_out(&mut self, user: &str) {
        if let Some(calls) = self.calls_by_user.get_mut(user) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.calls_by_user.remove(user);
            }
        }
    }

    /// The call is over and all know it.
    pub(crate) fn forget(&mut self, now: Instant, call: &Call) {
        self.unplace(call);
        if let Service::Conference(key) = call.service {
            self.leave_conference(now, call.number, key);
        }
        self.deadlines.cancel(&Timer::Reoffer(call.number));
        if let Some(fingerprint) = call.fingerprint {
            self.fingerprints.remove(&fingerprint);
        }
        self.deadlines.cancel(&Timer::Ring(call.number));
        self.deadlines.cancel(&Timer::Provisional(call.number));
        self.deadlines.cancel(&Timer::Fork(call.number));
        self.deadlines.cancel(&Timer::Offer(call.number));
        self.deadlines.cancel(&Timer::Probe(call.number));
        self.deadlines.cancel(&Timer::Reports(call.number));
        let keys: Vec<LegKey> = call.legs().map(|leg| leg.key).collect();
        for key in keys {
            self.cancel_timers(call.number, key);
            // A leg that has moved to another call has left its shell here.
            if self.adopted.get(&key) == Some(&call.number) {
                self.adopted.remove(&key);
            }
        }
    }

    /// The report of a leg that was closed.
    pub(crate) fn leg_closed(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        report: Option<Box<ringback_media::session::LegReport>>,
    ) {
        if let Some(leg) = call.leg_mut(key)
            && matches!(leg.media, LegMedia::Closing)
        {
            leg.media = LegMedia::Closed(report);
        }
        self.record_parts(now, call, false);
    }

    /// The media workers had their time.
    pub(crate) fn reports_timed_out(&mut self, call: &mut Call) {
        for leg in call.legs_mut() {
            if !matches!(leg.media, LegMedia::Closed(_) | LegMedia::Refused(_)) {
                self.stats.reports_missing += 1;
                leg.media = LegMedia::Closed(None);
            }
        }
    }
}

pub(super) fn recorded(leg: &Leg, media: Option<ringback_media::session::LegReport>) -> CdrLeg {
    CdrLeg {
        party: leg.aor.clone(),
        call_id: leg.call_id.clone(),
        flow: leg.flow,
        profile: leg.profile,
        media,
        reported: leg.reported.as_deref().copied(),
    }
}

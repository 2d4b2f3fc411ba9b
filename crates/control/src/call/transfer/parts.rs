//! The records of parts of a call: what two parties said to each other before one of them was transferred.

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::message::reason_phrase;

use super::super::record::recorded;
use super::super::{Call, LegMedia};
use super::{AskedBy, Transfer};
use crate::ask::Ask;
use crate::cdr::{Cdr, EndedBy};
use crate::exchange::Exchange;
use crate::parked::Parked;

/// The record of a part of a call that is over, complete when the media worker has said what the leg carried that left.
#[derive(Debug)]
pub(crate) struct Part {
    pub record: Box<Cdr>,
    /// The leg that left.
    pub leaver: LegKey,
}

impl Exchange {
    /// The record of what begins with a transfer.
    pub(super) fn record_of_transfer(&mut self, now: Instant, transferee: &str, dialled: &str) -> Box<Cdr> {
        Box::new(self.record_begun(now, transferee.to_owned(), dialled.to_owned()))
    }

    /// A transfer came to nothing: an attempt to reach somebody, which is recorded as a call that was missed is.
    pub(super) fn record_attempt(&mut self, now: Instant, call: &mut Call, transfer: Transfer, status: u16) {
        let Some(mut record) = transfer.record else {
            // The record of what began already says that it came to nothing.
            call.record.status = status;
            return;
        };
        record.ended = self.settings.epoch.unix_ms(now);
        record.status = status;
        reason_phrase(status).clone_into(&mut record.reason);
        record.legs = call.leg(transfer.transferee).map(|leg| recorded(leg, None)).into_iter().collect();
        self.ask(Parked::Unanswered, Ask::Record(record));
    }

    /// The part of the call that ends when `leaver` is replaced; `record` is that of what follows.
    pub(super) fn end_part(
        &mut self,
        now: Instant,
        call: &mut Call,
        record: Box<Cdr>,
        asked_by: AskedBy,
        ended: u64,
        leaver: LegKey,
    ) {
        let side = call.side(leaver);
        let legs = call.legs().filter(|leg| leg.key == call.first || call.answered == Some(leg.key));
        let legs = legs.map(|leg| recorded(leg, None)).collect();
        let mut over = Box::new(std::mem::replace(&mut call.record, *record));
        self.recording_goes_on(call);
        over.ended = ended;
        over.ended_by = if asked_by == AskedBy::Join { EndedBy::Exchange } else { side };
        over.reason = match asked_by {
            AskedBy::Park => "parked".to_owned(),
            AskedBy::Pickup => format!("picked up by {}", call.record.dialled),
            AskedBy::Refer | AskedBy::Attended => format!("transferred to {}", call.record.dialled),
            AskedBy::Replaces => "taken over on another phone".to_owned(),
            AskedBy::Join => "became a conference".to_owned(),
        };
        over.legs = legs;
        call.parts.push(Part { record: over, leaver });
        self.record_parts(now, call, false);
    }

    /// Gives out the records of the parts whose leavers are closed, or of all.
    pub(crate) fn record_parts(&mut self, now: Instant, call: &mut Call, all: bool) {
        for mut part in std::mem::take(&mut call.parts) {
            let leg = call.leg_mut(part.leaver);
            let call_id = leg.as_ref().map(|leg| leg.call_id.clone()).unwrap_or_default();
            let report = match leg.map(|leg| &mut leg.media) {
                Some(LegMedia::Closed(report)) => report.take(),
                Some(LegMedia::Closing | LegMedia::Open(_) | LegMedia::Opening | LegMedia::Returning(_))
                    if !all =>
                {
                    call.parts.push(part);
                    continue;
                }
                _ => None,
            };
            let mut legs = part.record.legs.iter_mut().enumerate();
            if let Some((place, recorded)) = legs.find(|(_, leg)| leg.call_id == call_id) {
                recorded.media = report.map(|report| *report);
                if let Some(leg) = call.leg(part.leaver) {
                    recorded.reported = leg.reported.as_deref().copied();
                    self.ended_calls.remember(now, leg, &part.record.id, place);
                }
            }
            self.ask(Parked::Unanswered, Ask::Record(part.record));
        }
    }
}

//! Quality reports ([RFC 6035 §3]): what phones say of how their calls sounded goes into the records of the calls.
//!
//! A report comes by PUBLISH, as desk phones send it during a call or after it, or by INFO within the call, as our page
//! does. What it says is read in `ringback_sip::event::documents::vq_report`.
//!
//! Rules:
//! - A report changes nothing but the leg of its sender. One that is published finds it by the Call-ID, and by the tags
//!   where both are given, among the calls of the user that was authenticated; one in an INFO is of the leg in whose
//!   dialog it comes. The user of another leg cannot be reached by any Call-ID.
//! - Nothing is kept as event state and nobody is notified. The 200 to a PUBLISH grants no time, so that there is nothing
//!   to refresh ([RFC 3903 §6]).
//! - A report that is of no call of its sender gets 200 as well: it was read, sending it again would not help, and
//!   which calls there are is nobody's business. It is counted.
//! - It never goes to the other side.
//! - The newest report of the call as a whole counts, else the newest of a part of it. One that tells no metric replaces
//!   none.
//! - It is what a phone says: what we have measured is not changed by it, and nothing is judged by it.
//! - Many phones report when they have hung up. A call that was answered is remembered for 30 s after its record, as far
//!   as there is room, and its record is amended. What is added while the disk takes no writes is lost, and counted.
//!
//! Left out: SUBSCRIBE to the package; reports of calls that were never answered.
//!
//! [RFC 6035 §3]: https://www.rfc-editor.org/rfc/rfc6035#section-3
//! [RFC 3903 §6]: https://www.rfc-editor.org/rfc/rfc3903#section-6

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use ringback_media::session::LegKey;
use ringback_sip::event::documents::vq_report::{BadReport, CONTENT_TYPE, Kind, Metrics, Report};
use ringback_sip::message::Message;
use ringback_sip::transaction::ServerId;

use crate::ask::Ask;
use crate::call::{Call, CallNumber, Leg};
use crate::cdr::Reported;
use crate::exchange::Exchange;
use crate::owner::LocalTag;
use crate::parked::Parked;

/// The calls that are over and may still be reported on.
#[derive(Debug, Default)]
pub(crate) struct EndedCalls {
    legs_by_user_and_call_id: HashMap<(String, String), EndedLeg>,
    /// Until when each is remembered, oldest first. One that was remembered anew stands here twice.
    order: VecDeque<(Instant, (String, String))>,
}

/// A leg that is over, in its record.
#[derive(Debug)]
struct EndedLeg {
    until: Instant,
    key: LegKey,
    record: String,
    /// The place of the leg in the record.
    place: usize,
    /// What the report covers that is in the record.
    known: Option<Kind>,
}

impl EndedCalls {
    /// The record of a call, or of a part of one, has gone out with this leg in that place.
    pub fn remember(&mut self, now: Instant, leg: &Leg, record: &str, place: usize) {
        while let Some((until, _)) = self.order.front()
            && (*until <= now || self.order.len() >= MAX_ENDED)
        {
            self.forget_oldest();
        }
        if leg.call_id.len() > MAX_CALL_ID {
            return;
        }
        let until = now + REMEMBERED;
        let name = (leg.aor.clone(), leg.call_id.clone());
        self.order.push_back((until, name.clone()));
        let known = leg.reported.as_ref().map(|reported| reported.kind);
        let ended = EndedLeg { until, key: leg.key, record: record.to_owned(), place, known };
        self.legs_by_user_and_call_id.insert(name, ended);
    }

    fn forget_oldest(&mut self) {
        let Some((until, name)) = self.order.pop_front() else { return };
        // It may have been remembered anew.
        if self.legs_by_user_and_call_id.get(&name).is_some_and(|ended| ended.until == until) {
            self.legs_by_user_and_call_id.remove(&name);
        }
    }

    /// The leg of a user that a report is about.
    fn find(&mut self, now: Instant, user: &str, report: &Report<'_>) -> Option<&mut EndedLeg> {
        let call_id = String::from_utf8(report.call_id.to_vec()).ok()?;
        let ended = self.legs_by_user_and_call_id.get_mut(&(user.to_owned(), call_id))?;
        (now < ended.until && names(report, ended.key)).then_some(ended)
    }
}

impl Exchange {
    /// Takes a report that a user has published.
    pub(crate) fn take_quality_report(&mut self, now: Instant, user: &str, report: &Report<'_>) {
        if let Some((call, key)) = self.leg_reported_on(user, report)
            && let Some(leg) = self.calls.get_mut(&call).and_then(|call| call.leg_mut(key))
        {
            self.stats.quality_reports += 1;
            leg.take_report(report);
        } else if let Some(ended) = self.ended_calls.find(now, user, report) {
            self.stats.quality_reports += 1;
            if !replaces(report, ended.known) {
                return;
            }
            ended.known = Some(report.kind);
            let (call, leg) = (ended.record.clone(), ended.place);
            self.ask(Parked::Unanswered, Ask::AmendRecord { call, leg, metrics: report.local });
        } else {
            self.stats.quality_reports_unmatched += 1;
        }
    }

    /// Takes a report that came by INFO in the dialog of leg `key`; says whether it was one.
    pub(crate) fn take_quality_report_in_dialog(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: &Message,
    ) -> bool {
        let Some(part) = request.parts().find(CONTENT_TYPE.as_bytes()) else { return false };
        match Report::parse(part.body) {
            Ok(report) => {
                match call.leg_mut(key).filter(|leg| leg.is_meant_by(&report)) {
                    Some(leg) => {
                        self.stats.quality_reports += 1;
                        leg.take_report(&report);
                    }
                    None => self.stats.quality_reports_unmatched += 1,
                }
                self.respond(now, server, self.reply(request, 200).finish());
            }
            Err(bad) => {
                self.stats.quality_reports_refused += 1;
                self.refuse(now, server, request, status_of(bad), &bad.to_string());
            }
        }
        true
    }

    /// The leg of a user, in a call whose record has not gone out, that a report is about.
    fn leg_reported_on(&self, user: &str, report: &Report<'_>) -> Option<(CallNumber, LegKey)> {
        let calls = self.event_state.calls.of(user).filter_map(|number| self.calls.get(number));
        calls.filter(|call| !call.is_recorded).find_map(|call| {
            // What a leg that has moved to another call has left here is not what its phone talks of.
            let is_here = |leg: &&Leg| call.will_record(leg.key) && self.call_of(leg.key) == call.number;
            let mut legs = call.legs().filter(is_here);
            legs.find(|leg| leg.aor == user && leg.is_meant_by(report)).map(|leg| (call.number, leg.key))
        })
    }
}

impl Call {
    /// Whether a leg will be in a record that has not gone out.
    fn will_record(&self, key: LegKey) -> bool {
        key == self.first || self.answered == Some(key) || self.parts.iter().any(|part| part.leaver == key)
    }
}

impl Leg {
    fn is_meant_by(&self, report: &Report<'_>) -> bool {
        report.call_id == self.call_id.as_bytes() && names(report, self.key)
    }

    fn take_report(&mut self, report: &Report<'_>) {
        if replaces(report, self.reported.as_ref().map(|known| known.kind)) {
            self.reported = Some(Box::new(Reported::by(report)));
        }
    }
}

/// Whether a report takes the place of what is known, if anything is.
fn replaces(report: &Report<'_>, known: Option<Kind>) -> bool {
    report.local != Metrics::default() && known.is_none_or(|known| known <= report.kind)
}

/// Whether one of the two tags of a report is ours for that leg. A single one may be the far end's, and says nothing.
fn names(report: &Report<'_>, key: LegKey) -> bool {
    match report.tags {
        [Some(a), Some(b)] => [a, b].into_iter().filter_map(LocalTag::parse).any(|tag| tag.leg == key),
        _ => true,
    }
}

/// The status of the answer to a report that cannot be read.
pub(crate) fn status_of(bad: BadReport) -> u16 {
    if bad == BadReport::TooLarge { 413 } else { 400 }
}

/// How long after its record a call may be reported on: phones do so within a few seconds of the BYE.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How many legs are remembered: those of 136 calls a second.
const MAX_ENDED: usize = 8192;

/// The longest Call-ID that is remembered, in bytes, so that all of them together take some 6 MB at most.
const MAX_CALL_ID: usize = 256;

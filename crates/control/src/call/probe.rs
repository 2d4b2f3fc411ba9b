//! Whether the far end of a silent leg is still there: OPTIONS within the dialog ([RFC 3261 §11]).
//!
//! A leg of WebRTC is judged by its ICE consent, a plain leg that may send by its media. A plain leg that was told not
//! to send, by a hold or by its own wish, need not send RTCP either: it is asked, as is one whose media goes past us,
//! and one that has a fax, which may well be silent for minutes. A far end that refreshes a session timer is judged by
//! that.
//!
//! [RFC 3261 §11]: https://www.rfc-editor.org/rfc/rfc3261#section-11

use std::time::{Duration, Instant};

use ringback_media::negotiation::Profile;
use ringback_media::session::LegKey;
use ringback_sip::message::Method;

use super::{Call, Leg, Signalling};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Silence, Timer, Use};

/// How long a leg may be silent before it is asked.
const PROBE_EVERY: Duration = Duration::from_secs(60);

impl Exchange {
    /// Begins to ask, as long as the call is answered.
    pub(crate) fn arm_probe(&mut self, now: Instant, call: &Call) {
        self.deadlines.set(Timer::Probe(call.number), now + PROBE_EVERY);
    }

    /// Asks the legs whose silence says nothing.
    pub(crate) fn probe_due(&mut self, now: Instant, call: &mut Call) {
        for leg in call.legs_mut().filter(|leg| leg.is_silent_by_right()) {
            let (key, flow) = (leg.key, leg.flow);
            let Signalling::Confirmed { dialog, .. } = &mut leg.signalling else { continue };
            let request = self.dialog_request(dialog, Method::Options).finish();
            self.send_request(now, flow, request, Use::Probe(key));
        }
        self.arm_probe(now, call);
    }

    /// A leg did not answer, or its connection is gone. The latter may come back until it is asked again.
    pub(crate) fn probe_unanswered(&mut self, now: Instant, call: &mut Call, key: LegKey, silence: Silence) {
        let side = call.side(key).word();
        let Some(leg) = call.leg_mut(key) else { return };
        if silence == Silence::FlowLost && !std::mem::replace(&mut leg.is_missed, true) {
            return;
        }
        self.stats.legs_gone += 1;
        if !call.goes_on_without(key) {
            call.silent = Some(key);
        }
        let words = format!("the {side} has gone: it no longer answers");
        self.party_lost(now, call, key, EndedBy::Exchange, &words);
    }
}

impl Leg {
    /// Whether nothing is to be heard of the far end though it may well be there.
    fn is_silent_by_right(&self) -> bool {
        let has_to_speak = || {
            let agreed = self.party().and_then(|party| party.agreed());
            agreed.is_none_or(|agreed| agreed.sends && !agreed.is_fax)
        };
        self.profile == Profile::Rtp
            && !self.session_timer.is_some_and(|timer| timer.is_theirs())
            && matches!(self.signalling, Signalling::Confirmed { .. })
            && (self.is_past_us() || !has_to_speak())
    }
}

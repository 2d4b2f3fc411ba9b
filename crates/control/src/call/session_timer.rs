//! Session timers ([RFC 4028]) of one leg.
//!
//! A timer is a matter between the exchange and one party; it never crosses to the other leg. The exchange asks for
//! none itself. When the party asks for one, it refreshes and we watch; when it wants us to refresh, we do so with a
//! re-INVITE that repeats what is agreed on, because not every client takes an UPDATE.
//!
//! [RFC 4028]: https://www.rfc-editor.org/rfc/rfc4028

use std::time::{Duration, Instant};

use ringback_media::session::LegKey;
use ringback_sip::header::{Refresher, SessionExpires};
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::transaction::ServerId;

use super::{ALLOW, Call, Leg, Renegotiation};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};

/// The shortest interval that is honoured. RFC 4028 §5 asks for 90 s and a 422 below it, which ends the call with every
/// browser client there is. Below this one no timer is granted, which is no reason for a client to refuse.
const MIN_INTERVAL: u32 = 30;
/// The longest interval that a far end can make us ask for: a day.
const MAX_INTERVAL: u32 = 86_400;

/// What was agreed for a leg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionTimer {
    seconds: u32,
    /// Whether the far end refreshes; otherwise we do.
    is_theirs: bool,
    /// The shortest interval that the far end takes, if it said so; 0 otherwise.
    least: u32,
    due: Instant,
}

impl SessionTimer {
    fn new(now: Instant, seconds: u32, is_theirs: bool) -> Self {
        let interval = Duration::from_secs(u64::from(seconds));
        // RFC 4028 §10: who does not refresh says BYE a third of the interval, at most 32 s, before it ends; who
        // refreshes does so at half of it.
        let due =
            if is_theirs { interval - (interval / 3).min(Duration::from_secs(32)) } else { interval / 2 };
        SessionTimer { seconds, is_theirs, least: 0, due: now + due }
    }

    /// Whether the far end refreshes.
    pub fn is_theirs(&self) -> bool {
        self.is_theirs
    }

    /// Makes a request of ours go on with the timer.
    pub fn ask(&self, request: Builder) -> Builder {
        let request = request.header(Name::Supported, "timer").header(Name::SessionExpires, self.asked());
        if self.least == 0 { request } else { request.header(Name::MinSe, self.least.to_string()) }
    }

    /// The value of Session-Expires in a request of ours that goes on with it.
    fn asked(&self) -> String {
        let refresher = if self.is_theirs { Refresher::Uas } else { Refresher::Uac };
        SessionExpires { seconds: self.seconds, refresher: Some(refresher) }.to_string()
    }
}

impl Exchange {
    /// Grants the timer that a request asks for: writes it into the 2xx and starts it.
    pub(crate) fn grant_session_timer(
        &mut self,
        now: Instant,
        leg: &mut Leg,
        request: &Message,
        reply: Builder,
    ) -> Builder {
        leg.session_timer = None;
        let Some(asked) = session_expires(request) else { return reply };
        let is_theirs = asked.refresher != Some(Refresher::Uas);
        leg.session_timer = Some(SessionTimer::new(now, asked.seconds, is_theirs));
        let refresher = if is_theirs { Refresher::Uac } else { Refresher::Uas };
        let granted = SessionExpires { seconds: asked.seconds, refresher: Some(refresher) };
        let reply = reply.header(Name::SessionExpires, granted.to_string());
        // RFC 4028 §9: Require when the far end is the one to refresh.
        if is_theirs { reply.header(Name::Require, "timer") } else { reply }
    }

    /// Starts the timer that a far end put into a 2xx to an INVITE of ours; a callee may do so unasked, and is then the
    /// one that refreshes.
    pub(crate) fn start_session_timer(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        response: &Message,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        let least = leg.session_timer.map_or(0, |timer| timer.least);
        leg.session_timer = session_expires(response).map(|given| {
            let timer = SessionTimer::new(now, given.seconds, given.refresher != Some(Refresher::Uac));
            SessionTimer { least, ..timer }
        });
        self.arm_session_timer(call, key);
    }

    /// A far end finds the interval of our re-INVITE too short (422, RFC 4028 §7.4): the timer takes the longer one. Says
    /// whether it did, so that the offer is worth making again.
    pub(crate) fn lengthen_session_timer(
        &mut self,
        call: &mut Call,
        key: LegKey,
        response: &Message,
    ) -> bool {
        let least = response.header(Name::MinSe).and_then(|value| SessionExpires::parse(value).ok());
        let timer = call.leg_mut(key).and_then(|leg| leg.session_timer.as_mut());
        let (Some(least), Some(timer)) = (least, timer) else { return false };
        if least.seconds <= timer.seconds || least.seconds > MAX_INTERVAL {
            return false;
        }
        timer.seconds = least.seconds;
        timer.least = least.seconds;
        true
    }

    /// Sets or clears the deadline of a leg's timer.
    pub(crate) fn arm_session_timer(&mut self, call: &Call, key: LegKey) {
        let timer = Timer::Session(call.number, key);
        match call.leg(key).and_then(|leg| leg.session_timer) {
            Some(session) => self.deadlines.set(timer, session.due),
            None => {
                self.deadlines.cancel(&timer);
            }
        }
    }

    /// A bodiless UPDATE: the far end refreshes its session.
    pub(crate) fn refresh_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: &Message,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        let reply = self
            .reply(request, 200)
            .header(Name::Contact, self.contact(&leg.flow))
            .header(Name::Allow, ALLOW);
        let reply = self.grant_session_timer(now, leg, request, reply);
        self.arm_session_timer(call, key);
        self.respond(now, server, reply.finish());
    }

    /// The deadline of a leg's timer has come: refresh, or end the call.
    pub(crate) fn session_timer_due(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(timer) = call.leg(key).and_then(|leg| leg.session_timer) else { return };
        if timer.is_theirs {
            self.stats.sessions_expired += 1;
            let words = format!("the {} stopped refreshing the session", call.side(key).word());
            return self.party_lost(now, call, key, EndedBy::Exchange, &words);
        }
        let Some(leg) = call.leg_mut(key) else { return };
        leg.session_timer =
            Some(SessionTimer { least: timer.least, ..SessionTimer::new(now, timer.seconds, false) });
        let current = leg.party().and_then(|party| party.current());
        if let (Renegotiation::Idle, Some(current)) = (&call.renegotiation, current)
            && let Some(client) = self.reinvite(now, call, key, &current)
        {
            call.renegotiation = Renegotiation::Asking { to: key, client };
        }
        self.arm_session_timer(call, key);
    }
}

/// The timer that a message names, unless it is too short to be one.
fn session_expires(message: &Message) -> Option<SessionExpires> {
    let value = message.header(Name::SessionExpires)?;
    SessionExpires::parse(value).ok().filter(|timer| timer.seconds >= MIN_INTERVAL)
}

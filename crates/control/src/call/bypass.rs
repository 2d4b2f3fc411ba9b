//! Calls whose media goes past the exchange: each phone is told where the other one receives.
//!
//! Whether a call begins so is decided before anybody is rung, by what can be known then: the caller's offer is plain
//! RTP to the address that its INVITE comes from, so it is behind no NAT; every contact that may be rung is plain too
//! and offered no keys, has registered the address that it is heard from, and reaches the caller
//! ([`reach_each_other`]). Whether it stays so is decided by every description that follows ([`Party::meets`]).
//!
//! What needs the media here brings it back: a phone that turns out to be behind a NAT or that numbers its codecs
//! otherwise, a callee that asks to be anonymous, a branch that is not plain, the echo, a pickup, a transfer, parking.
//! A worker opens our side of the legs, and who was told otherwise is told by a re-INVITE. Before the answer nobody
//! was told yet, so the answer waits for it. A phone that refuses the re-INVITE would be without audio: its call ends.
//!
//! Left out: late offers, legs that come by transfers, and calls that could go past us again; their media is here.

use std::time::Instant;

use rand::Rng;
use ringback_media::negotiation::{Local, Party, Profile, Source, Srtp, plain_address, reach_each_other};
use ringback_media::session::LegKey;
use ringback_sansio::Flow;
use ringback_sip::uri::Uri;

use super::hunt::Target;
use super::prack::Held;
use super::reoffer::{MOST_ATTEMPTS, RECONNECT};
use super::setup::{OPEN_WITHIN, profile_behind};
use super::{Call, Leg, LegMedia, Phase, Renegotiation, Reoffer, Signalling};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};
use crate::settings::{Bypass, RecordedCalls};

/// How often the legs of a call are told anew where media goes before it is brought back: some phones take another port
/// with every answer.
const MOST_READDRESSED: u8 = 6;

impl Exchange {
    /// Whether the media of a call that begins can go past us.
    pub(super) fn may_bypass(&self, call: &Call, offer: Option<&[u8]>) -> bool {
        let caller = &call.caller;
        let is_offered = self.settings.bypass == Bypass::Local
            && self.settings.recording.calls != RecordedCalls::All
            && !caller.flow.transport().is_websocket();
        // Who wants to be anonymous shows no address.
        let has_video = self.settings.video && call.has_video();
        if !is_offered || has_video || caller.is_hidden || self.srtp_of(caller.flow) == Srtp::Required {
            return false;
        }
        let source = self.source_of(caller.flow);
        let mut targets = call.hunt.targets().peekable();
        targets.peek().is_some()
            && targets.all(|target| self.is_local_to(target, source))
            && offer.and_then(plain_address) == Some(source.address)
    }

    /// Whether the media of a new branch can go past us as that of the caller does.
    pub(super) fn takes_past(&self, call: &Call, target: &Target) -> bool {
        matches!(call.caller.media, LegMedia::Bypassed(_))
            && matches!(call.phase, Phase::Opening | Phase::Ringing)
            && call.transfer.is_none()
            && self.is_local_to(target, self.source_of(call.caller.flow))
    }

    /// Whether a contact is a plain telephone, behind no NAT and no proxy, that reaches a caller there.
    fn is_local_to(&self, target: &Target, caller: Source) -> bool {
        let source = self.source_of(target.flow);
        let registered = Uri::parse(&target.uri).ok().and_then(|uri| uri.host.ip());
        profile_behind(target) == Profile::Rtp
            && target.routes.is_empty()
            // Whom we offer keys has them with us.
            && matches!(self.srtp_of(target.flow), Srtp::Never | Srtp::Offered)
            && registered == Some(source.address)
            && reach_each_other(source, caller)
    }

    fn source_of(&self, flow: Flow) -> Source {
        Source::new(flow.remote().ip(), &self.settings.own_addresses)
    }

    /// The media of a leg goes past us.
    pub(super) fn let_past(&mut self, leg: &mut Leg) {
        let session = self.random.next_u64() >> 2; // RFC 3264 §5: fits into 63 bits
        let party = Party::past_us(leg.flow.local().ip(), self.source_of(leg.flow), session);
        leg.media = LegMedia::Bypassed(Box::new(party));
    }

    /// Invites the branches that no media worker has to open anything for.
    pub(super) fn invite_past_us(&mut self, now: Instant, call: &mut Call) {
        if !call.is_local || call.phase != Phase::Ringing {
            return;
        }
        for index in 0..call.callees.len() {
            if matches!(call.callees.get(index).map(|leg| &leg.media), Some(LegMedia::Bypassed(_))) {
                self.invite(now, call, index);
            }
        }
    }

    /// Whether the media of two legs meets: past us, or here. When it does not, or when a callee wants to be anonymous,
    /// it is brought back.
    pub(super) fn joins(&mut self, call: &mut Call, a: LegKey, b: LegKey) -> bool {
        let hides = [a, b].iter().any(|key| call.leg(*key).is_some_and(|leg| leg.is_hidden));
        if !call.is_past_us(a) && !call.is_past_us(b) || call.meets(a, b) && !hides {
            return true;
        }
        self.is_by_us(call, [a, b])
    }

    /// Whether the media of all these legs comes by us. That of the others is brought back.
    pub(super) fn is_by_us(&mut self, call: &mut Call, legs: impl IntoIterator<Item = LegKey>) -> bool {
        let mut is_by_us = true;
        for key in legs {
            if call.is_past_us(key) {
                is_by_us = false;
                self.bring_back(call, key);
            }
        }
        is_by_us
    }

    /// Has a media worker open our side of a leg whose media goes past us.
    fn bring_back(&mut self, call: &mut Call, key: LegKey) {
        let (worker, has_video) = (call.worker, call.has_video());
        let Some(leg) = call.leg_mut(key) else { return };
        match std::mem::replace(&mut leg.media, LegMedia::Closing) {
            LegMedia::Bypassed(party) => leg.media = LegMedia::Returning(party),
            other => return leg.media = other,
        }
        self.stats.legs_brought_back += 1;
        self.command_open(worker, leg, has_video);
    }

    /// An answer waits until the media workers have opened what it needs.
    pub(super) fn await_media(&mut self, now: Instant, call: &mut Call, held: Held) {
        call.awaiting = Some(Box::new(held));
        self.deadlines.set(Timer::Ring(call.number), now + OPEN_WITHIN);
    }

    /// A media worker has opened our side of a leg whose media went past us, or could not.
    pub(super) fn leg_returned(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        result: Result<Local, String>,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        let LegMedia::Returning(mut party) = std::mem::replace(&mut leg.media, LegMedia::Closing) else {
            return;
        };
        match result {
            Ok(local) => {
                party.come_back(local);
                leg.media = LegMedia::Open(party);
            }
            Err(sentence) => {
                leg.media = LegMedia::Bypassed(party);
                return self.not_returned(now, call, &sentence);
            }
        }
        if call.legs().any(|leg| matches!(leg.media, LegMedia::Returning(_))) {
            return;
        }
        match call.awaiting.take() {
            Some(held) => self.goes_on_with(now, call, *held),
            None => return self.renegotiation_over(now, call),
        }
        if call.phase == Phase::Ringing && call.awaiting.is_none() {
            // Who was picking the call up has given up meanwhile: it rings on, or nobody is left.
            let ring = self.features_of(&call.hunt.user).ring(&self.settings.limits);
            self.deadlines.set(Timer::Ring(call.number), now + ring);
            self.branches_failed(now, call);
        }
    }

    fn not_returned(&mut self, now: Instant, call: &mut Call, sentence: &str) {
        if call.awaiting.take().is_some() {
            self.fail(now, call, 503, sentence);
        } else if call.transfer.is_some() {
            self.transfer_failed(now, call, 503, sentence);
        } else if matches!(call.phase, Phase::Answered(_)) {
            self.end(now, call, EndedBy::Exchange, sentence);
        }
    }

    /// Two legs have agreed, and the media of one at least goes past us.
    pub(super) fn note_bypass(&mut self, call: &mut Call, a: LegKey, b: LegKey) {
        if !call.meets(a, b) {
            return;
        }
        // Who answered last had the last word.
        let agreed = call.leg(a).and_then(Leg::party).and_then(Party::agreed);
        call.record.note_codec(agreed.map(|agreed| agreed.codec).unwrap_or_default());
        if !std::mem::replace(&mut call.record.is_bypassed, true) {
            self.stats.calls_bypassed += 1;
        }
    }

    /// Sees to it that the media of two that talk meets: brings it back when it cannot, and tells who knows of another
    /// place.
    pub(crate) fn mend_media(&mut self, now: Instant, call: &mut Call) {
        let Phase::Answered(last) = call.phase else { return };
        let is_busy = call.transfer.is_some()
            || call.reoffer.is_some()
            || !matches!(call.renegotiation, Renegotiation::Idle);
        let first = call.first;
        if !call.is_local || is_busy || first == last || !self.joins(call, first, last) {
            return;
        }
        let wrong = [(first, last), (last, first)]
            .into_iter()
            .find(|(key, other)| call.leg(*key).is_some_and(Leg::can_be_told) && !call.is_told(*key, *other));
        let Some((key, other)) = wrong else { return };
        if call.readdressed >= 2 * MOST_READDRESSED {
            return self.without_media(now, call, key);
        }
        call.readdressed += 1;
        self.follow(now, call, other, key);
    }

    /// A leg has refused an offer of ours, or was not there; it may be asked again. If its media goes nowhere then, the
    /// call is over.
    pub(super) fn readdressing_refused(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        may_again: bool,
    ) {
        if !call.is_local || call.transfer.is_some() || !matches!(call.phase, Phase::Answered(_)) {
            return;
        }
        if call.other(key).is_none_or(|other| call.is_told(key, other)) {
            return;
        }
        let attempts = call.reoffer.filter(|reoffer| reoffer.to == key).map_or(0, |reoffer| reoffer.attempts);
        if may_again && attempts < MOST_ATTEMPTS {
            call.reoffer = Some(Reoffer { to: key, attempts: attempts + 1 });
            return self.deadlines.set(Timer::Reoffer(call.number), now + RECONNECT);
        }
        self.without_media(now, call, key);
    }

    fn without_media(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        self.stats.readdressings_failed += 1;
        let words = format!("the {} does not send its media where it has to go", call.side(key).word());
        self.end(now, call, EndedBy::Exchange, &words);
    }
}

impl Call {
    /// Whether the media of a leg goes past us.
    pub fn is_past_us(&self, key: LegKey) -> bool {
        self.is_local && self.leg(key).is_some_and(Leg::is_past_us)
    }

    /// Whether the legs are still being opened that the call begins with.
    pub fn is_opening(&self) -> bool {
        self.legs().any(|leg| matches!(leg.media, LegMedia::Opening))
    }

    /// Whether two legs hear each other past us.
    fn meets(&self, a: LegKey, b: LegKey) -> bool {
        let party = |key| match &self.leg(key)?.media {
            LegMedia::Bypassed(party) => Some(party),
            _ => None,
        };
        self.readdressed < MOST_READDRESSED && party(a).zip(party(b)).is_some_and(|(a, b)| a.meets(b))
    }

    /// Whether a leg knows where its media has to go.
    fn is_told(&self, key: LegKey, other: LegKey) -> bool {
        let party = |key| self.leg(key).and_then(Leg::party);
        party(key).zip(party(other)).is_none_or(|(party, other)| party.is_told(other))
    }
}

impl Leg {
    /// Whether its media goes past us.
    pub fn is_past_us(&self) -> bool {
        matches!(self.media, LegMedia::Bypassed(_) | LegMedia::Returning(_))
    }

    /// Whether it can be sent a re-INVITE: it is in a dialog and has acknowledged ours.
    fn can_be_told(&self) -> bool {
        matches!(self.signalling, Signalling::Confirmed { unacknowledged: None, .. })
    }
}

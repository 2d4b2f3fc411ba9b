//! Keys that are pressed in a call: each far end gets them in the way that it knows.
//!
//! A far end with telephone events ([RFC 4733]) in its description takes those. One without is told by INFO if it has
//! shown that it knows them, by one of its own or by `application/dtmf-relay` in its Accept; also what the other has
//! told by INFO, unless INFO is missing in its Allow; else it hears tones. What is told by the one and heard by the
//! other is made out of audio, or into audio, by the media workers ([`patch`](ringback_media::negotiation::patch)).
//!
//! [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733

use std::collections::VecDeque;
use std::time::Instant;

use ringback_media::dtmf::Press;
use ringback_media::negotiation::{Party, Profile, Signalled, patch};
use ringback_media::session::LegKey;
use ringback_sip::message::{Message, Method, Name};

use super::{Call, Leg, Signalling};
use crate::event::Event;
use crate::exchange::{Exchange, Use};
use crate::media::MediaCommand;

/// Keys that a leg is to be told of: the first is under way. Most legs never have any.
#[derive(Debug, Default)]
pub(crate) struct Untold(VecDeque<Press>);

/// Whether who wrote a message takes keys by INFO, as it says.
pub(super) fn takes_keys(message: &Message) -> bool {
    message.values(Name::Accept).any(|value| {
        let media_type = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(RELAY)
    })
}

/// Whether who wrote a message takes no INFO: it lists what it takes, and INFO is not among it.
pub(super) fn refuses_info(message: &Message) -> bool {
    message.has(Name::Allow) && !message.values(Name::Allow).any(|method| method.trim_ascii() == b"INFO")
}

impl Exchange {
    /// Leg `key` has told a key by INFO: presses it for a telephone that it talks to, as events or as tones. `false`
    /// for who is to be told of it too: a browser, whose page hears of an INFO and not of events, and a telephone that
    /// takes no other keys, or is not to hear anything.
    pub(super) fn press(&mut self, call: &mut Call, key: LegKey, press: Press) -> bool {
        self.note_key(call, key);
        let Some(other) = call.other(key) else { return false };
        let is_listening = |leg: &&Leg| leg.profile == Profile::Rtp && !call.is_past_us(leg.key);
        let Some(leg) = call.leg(other).filter(is_listening) else { return false };
        let Some(party) = leg.party().filter(|party| !party.is_on_hold()) else { return false };
        let events = party.events();
        if events.is_none() && (call.signalled(key, other).to || !call.makes_audio(key, other)) {
            return false;
        }
        match events {
            Some(_) => self.stats.dtmf_made_events += 1,
            None => self.stats.dtmf_made_tones += 1,
        }
        self.command(call.worker, other, MediaCommand::Press { press, events, alone: None });
        true
    }

    /// A key was pressed for leg `key`, which is told of it by INFO.
    pub(crate) fn tell_key(&mut self, now: Instant, call: &mut Call, key: LegKey, press: Press) {
        let caller = key != call.first;
        let Some(leg) = call.leg_mut(key) else { return };
        let Untold(keys) = &mut **leg.keys.get_or_insert_default();
        if keys.len() >= MOST_KEYS {
            self.stats.dtmf_untold += 1;
            return;
        }
        keys.push_back(press);
        let is_alone = keys.len() == 1;
        let key_pressed = Event::KeyPressed { id: call.record.id.clone(), caller, key: press.digit.key() };
        self.events.push_back(key_pressed);
        if is_alone {
            self.tell_next_key(now, call, key);
        }
    }

    /// The leg has answered, or not: it is told of the next key. One by one, because requests may overtake each other.
    pub(crate) fn key_told(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        if let Some(keys) = call.leg_mut(key).and_then(|leg| leg.keys.as_mut()) {
            keys.0.pop_front();
        }
        self.tell_next_key(now, call, key);
    }

    fn tell_next_key(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(leg) = call.leg_mut(key) else { return };
        let Some(Untold(keys)) = leg.keys.as_deref_mut() else { return };
        let Some(Press { digit, milliseconds, .. }) = keys.front().copied() else { return };
        let flow = leg.flow;
        let Signalling::Confirmed { dialog, .. } = &mut leg.signalling else { return keys.clear() };
        let body = format!("Signal={}\r\nDuration={milliseconds}\r\n", digit.key());
        let request = self.dialog_request(dialog, Method::Info).body(RELAY, body.as_bytes());
        self.send_request(now, flow, request.finish(), Use::Key(key));
        self.stats.dtmf_told += 1;
    }

    /// Leg `key` has told a key. What was made out of its audio, or into that of the other, may be made otherwise from
    /// here on.
    fn note_key(&mut self, call: &mut Call, key: LegKey) {
        let Some(other) = call.other(key) else { return };
        let routes = |call: &Call| [call.makes_audio(key, other), call.makes_audio(other, key)];
        let before = routes(call);
        let has_known = call.leg_mut(key).map(|leg| std::mem::replace(&mut leg.signals_keys, true));
        if has_known == Some(false) && (routes(call) != before || before[1]) {
            self.configure_leg(call, key);
        }
    }
}

impl Call {
    /// Which of two legs tell and are told of keys by INFO. What is told by the one is passed on to the other unless that
    /// has said that it takes no INFO; what is found in the audio of the one, only when the other knows keys so.
    pub(super) fn signalled(&self, from: LegKey, to: LegKey) -> Signalled {
        let signals = |key| self.leg(key).is_some_and(|leg| leg.signals_keys);
        let refuses = self.leg(to).is_some_and(|leg| leg.refuses_info);
        Signalled { from: signals(from), to: signals(to) || signals(from) && !refuses }
    }

    /// Whether what one leg says is made anew for another.
    fn makes_audio(&self, from: LegKey, to: LegKey) -> bool {
        let party = |key| self.leg(key).and_then(Leg::party);
        let parties: Option<(&Party, &Party)> = party(from).zip(party(to));
        parties.is_some_and(|(of, other)| patch(of, other, self.signalled(from, to)).is_some())
    }
}

/// Keys that a leg is to be told of at the most.
const MOST_KEYS: usize = 32;

/// The content type of a key in an INFO, with its duration.
const RELAY: &[u8] = b"application/dtmf-relay";

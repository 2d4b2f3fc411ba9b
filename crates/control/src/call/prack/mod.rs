//! Reliable provisional responses ([RFC 3262]) of one leg and never of the call: what one side asks for says nothing of
//! the other.
//!
//! **Towards the caller** (`sent`). One that *requires* `100rel` gets every 101 to 199 reliably, as RFC 3262 §3 says. One
//! that *supports* it gets reliably what has a session description, and nothing else: early media that is lost is a
//! caller that hears silence, a 180 that is lost is a ringing tone that comes with the next one; and each reliable
//! response costs two messages and holds up the next. One that says nothing gets none. When a PRACK does not come the
//! call is refused with 504; while a session description waits for its PRACK, a 2xx waits with it (§3).
//!
//! A caller whose INVITE had no offer gets ours in the first reliable response and answers in the PRACK (§5); the 200
//! then has none. An answer that was given reliably binds the caller: the 200 says the same, and when somebody else
//! picks up with another codec, the caller is told by a re-INVITE after its ACK.
//!
//! **Towards a callee** (`received`). Every INVITE of ours supports `100rel` and none requires it. What comes reliably is
//! acknowledged in its own early dialog, in order and once; a PRACK that fails ends its branch and no other. As every
//! INVITE of ours has an offer, no PRACK of ours has a body.
//!
//! An offer in a PRACK, or in an UPDATE in an early dialog whose first offer was answered reliably (RFC 3311 §5.1), is
//! answered here; the other side hears of it when the call has been answered. Left out: preconditions (RFC 3312).
//!
//! [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262

mod received;
mod sent;

use bytes::Bytes;
use ringback_media::negotiation::Refusal;
use ringback_media::session::LegKey;
use ringback_sip::message::{Message, Name};
use ringback_sip::reliable::{Sender, is_listed};

use super::{Call, Leg, Phase, Signalling};
use crate::exchange::Exchange;
pub(crate) use received::EarlyDialog;

/// The reliable provisional responses to the caller, and what was agreed on by them before the answer.
#[derive(Debug, Default)]
pub(crate) struct Reliable {
    sender: Option<Sender<Message>>,
    /// The provisional response that goes out when the one before it has its PRACK.
    next: Option<Box<Message>>,
    /// Whether the caller was given a session description that is not to be changed in the 200.
    is_bound: bool,
    /// The answer that waits for a PRACK.
    held: Option<Held>,
    /// The leg that has changed its session before the answer, which the other side does not know.
    changed: Option<LegKey>,
}

/// Who has answered, while the caller has yet to acknowledge a session description.
#[derive(Debug)]
pub(crate) enum Held {
    /// A branch, with this 2xx.
    Branch(LegKey, Box<Message>),
    /// Another phone than the one that rings, and whether it has made an offer.
    Newcomer(LegKey, bool),
    /// The exchange itself.
    Alone,
}

/// What a caller makes of reliable provisional responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ability {
    None,
    Supported,
    Required,
}

impl Ability {
    fn of(invite: &Message) -> Ability {
        if is_listed(invite, Name::Require) {
            Ability::Required
        } else if is_listed(invite, Name::Supported) {
            Ability::Supported
        } else {
            Ability::None
        }
    }
}

impl Call {
    fn ability(&self) -> Ability {
        match &self.caller.signalling {
            Signalling::Invited { invite, .. } => Ability::of(invite),
            _ => Ability::None,
        }
    }

    /// Whether the caller was given a session description reliably, and the 200 cannot change it.
    pub fn is_bound(&self) -> bool {
        self.reliable.as_deref().is_some_and(|reliable| reliable.is_bound)
    }

    /// Whether somebody has answered, and the caller cannot be told yet.
    pub fn is_held(&self) -> bool {
        self.awaiting.is_some() || self.reliable.as_deref().is_some_and(|reliable| reliable.held.is_some())
    }

    /// Whether a provisional response to the caller can bring what a branch answers: as an answer, or as the offer to one
    /// who has made none.
    pub fn may_be_heard(&self, key: LegKey) -> bool {
        let is_able = self.ability() != Ability::None;
        let is_first = self.hunt.heard.is_none_or(|heard| heard == key);
        match self.is_late {
            true => is_able && is_first && !self.is_bound(),
            false => self.is_alone(key) || is_able && is_first,
        }
    }

    /// Holds an answer back while a session description waits for its PRACK; says whether it does.
    pub fn hold(&mut self, held: Held) -> bool {
        let Some(reliable) = self.reliable.as_deref_mut() else { return false };
        let holds = reliable.sender.as_ref().is_some_and(Sender::holds_2xx);
        if holds {
            reliable.held = Some(held);
        }
        holds
    }

    /// Whether the branch has answered, and the caller cannot be told yet.
    pub fn holds_answer_of(&self, key: LegKey) -> bool {
        let held = self.reliable.as_deref().and_then(|reliable| reliable.held.as_ref());
        let held = held.or(self.awaiting.as_deref());
        matches!(held, Some(Held::Branch(held, _)) if *held == key)
    }

    /// Whether the leg has changed its session since its first answer, before the call was answered.
    pub fn has_changed_early(&self, key: LegKey) -> bool {
        self.reliable.as_deref().is_some_and(|reliable| reliable.changed == Some(key))
    }

    /// What may be offered in the early dialog of a leg: that its first offer was answered reliably.
    fn takes_early_offer(&self, key: LegKey) -> bool {
        let is_agreed = |leg: &Leg| leg.party().is_some_and(|party| party.agreed().is_some());
        let sender = self.reliable.as_deref().and_then(|reliable| reliable.sender.as_ref());
        let by_caller = || self.is_bound() && !sender.is_some_and(Sender::holds_2xx);
        let leg = self.leg(key).filter(|_| self.phase == Phase::Ringing);
        leg.is_some_and(|leg| {
            is_agreed(leg) && if key == self.caller.key { by_caller() } else { leg.has_answered_early() }
        })
    }
}

impl Exchange {
    /// Answers an offer in an early dialog. The other side hears of it after the answer.
    fn answer_early(&mut self, call: &mut Call, key: LegKey, offer: &[u8]) -> Result<Bytes, Refusal> {
        let caller = call.caller.key;
        let other = if key == caller { call.hunt.heard } else { Some(caller) };
        let party = call.leg_mut(key).and_then(|leg| leg.party_mut()).ok_or(Refusal::NoOffer)?;
        party.handle_offer(offer)?;
        let is_refresh = party.repeats_itself();
        let answer = self.answer_here(call, key, other);
        match answer {
            Ok(_) => {
                self.stats.offers_early += 1;
                if let Some(other) = other {
                    self.configure(call, key, other);
                }
                if !is_refresh {
                    call.reliable.get_or_insert_default().changed = Some(key);
                }
            }
            Err(_) => self.roll_back(call, [key]),
        }
        answer
    }
}

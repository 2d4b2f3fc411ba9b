//! A leg leaves an answered call and another one takes its place: transfers by REFER ([RFC 3515], [RFC 5589]) and
//! takeovers by an INVITE with Replaces ([RFC 3891]). Or a third one joins the two ([RFC 3911]).
//!
//! The exchange carries a transfer out by itself; the party that is transferred sees a re-INVITE and no REFER. The
//! words are those of RFC 5589: the **transferor** asks and leaves, the **transferee** stays, the **target** comes.
//!
//! ```text
//! REFER of the transferor      202, NOTIFY 100                        refer
//! to a number                  INVITE to every contact, NOTIFY 180    branches
//! to a call of the transferor  its far end moves into this call       attended
//! to the code that parks       the transferee hears music             `call::park`
//! INVITE with Replaces         the leg that sends it is the target    replaces
//! INVITE to pick up            the same                               `call::pickup`, replaces
//! INVITE with Join             both parties move into a conference    join
//! REFER to such a one          the same, and the transferee as well
//! the target is there          re-INVITE of the transferee with what the target described
//! the transferee has answered  they hear each other; NOTIFY 200, BYE to the transferor
//! ```
//!
//! Rules:
//! - Until the transferee has answered, the call is that of transferor and transferee. A transfer that fails leaves it
//!   as it was; when the transferor has hung up meanwhile, the transferee is told by a BYE with the Reason.
//! - A target is called by the dial rules of the transferor, and counts among its calls. Its contacts are rung in their
//!   order, and it may have its calls forwarded, as for any caller (`call::hunt`, `call::divert`).
//! - One NOTIFY is under way at a time, so that none overtakes another. What the far end says to it does not concern the
//!   call. After a BYE of the transferor there are none: RFC 5057 §5.2 would allow them, and phones answer 481.
//! - Legs are joined on one media worker. A user's calls are placed on the same one; where that did not happen the
//!   transfer is refused.
//! - What the transferor and the transferee said to each other is a record of its own, which names the target; what
//!   follows is another one, linked by the Call-ID of the transferee's leg (docs/decisions).
//!
//! Left out: early media of the target, Target-Dialog (RFC 4538), REFER outside a dialog, methods other than INVITE, and
//! the renewal of a subscription by SUBSCRIBE.
//!
//! [RFC 3515]: https://www.rfc-editor.org/rfc/rfc3515
//! [RFC 3891]: https://www.rfc-editor.org/rfc/rfc3891
//! [RFC 3911]: https://www.rfc-editor.org/rfc/rfc3911
//! [RFC 5589]: https://www.rfc-editor.org/rfc/rfc5589

mod attended;
mod branches;
mod completion;
mod join;
mod leaving;
mod notify;
mod parts;
mod refer;
mod replaces;

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::dialog::Dialog;
use ringback_sip::transaction::{ClientId, ServerId};

use super::service::Service;
use super::{Call, Leg, Phase, Signalling};
use crate::cdr::Cdr;
pub(crate) use notify::Subscription;
pub(crate) use parts::Part;

/// A leg that is about to take another one's place.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub asked_by: AskedBy,
    /// The leg whose place is taken.
    pub transferor: LegKey,
    /// The leg that stays.
    pub transferee: LegKey,
    pub stage: Stage,
    /// The record of the part of the call that begins with it; none where that has begun already.
    pub record: Option<Box<Cdr>>,
    /// When the transferor has left, in milliseconds since 1970.
    pub left: Option<u64>,
    /// Among whose calls the target counts.
    pub payer: Option<String>,
    /// What the transferee is served with when it is not another phone that it is transferred to.
    pub alone: Service,
    /// How often the transferee was asked in vain.
    pub attempts: u8,
    /// Until when it is not to be asked again.
    pub not_before: Option<Instant>,
}

/// What a transfer was asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// A REFER to somebody who is called.
    Refer,
    /// A REFER to the code that parks.
    Park,
    /// A REFER to somebody who is in a call with the transferor.
    Attended,
    /// The target's own INVITE.
    Replaces,
    /// The INVITE of a phone that picks up what rings elsewhere, or is parked.
    Pickup,
    /// Somebody who makes a conference of the call.
    Join,
}

impl AskedBy {
    /// Whether the target comes by itself: nobody is called for it.
    pub fn is_newcomer(self) -> bool {
        matches!(self, AskedBy::Replaces | AskedBy::Pickup)
    }
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The media workers open the legs of the target.
    Opening,
    /// The target is rung.
    Ringing,
    /// The target, which had no offer, has got ours; its answer comes in the ACK.
    Awaiting { target: LegKey },
    /// The target is there; the transferee is told, or is to be told as soon as no other offer is under way. Without a
    /// target the transferee hears itself.
    Offering { target: Option<LegKey>, client: Option<ClientId> },
}

impl Transfer {
    /// The leg of the target, once it is known.
    pub fn target(&self) -> Option<LegKey> {
        match self.stage {
            Stage::Opening | Stage::Ringing => None,
            Stage::Awaiting { target } => Some(target),
            Stage::Offering { target, .. } => target,
        }
    }
}

/// Legs beyond the caller's that a call may come to have by transfers.
pub(crate) const MOST_LEGS: usize = 256;

impl Call {
    /// Whether the call rings somewhere: for its caller, or for the transferee.
    pub fn is_alerting(&self) -> bool {
        self.phase == Phase::Ringing || self.is_ringing_transfer()
    }

    /// Whether the target of a transfer is being rung.
    pub fn is_ringing_transfer(&self) -> bool {
        self.transfer.as_deref().is_some_and(|transfer| transfer.stage == Stage::Ringing)
    }

    /// Whether a request of ours told the transferee of its target.
    pub fn transfer_offered(&self, sent: ClientId) -> bool {
        let stage = self.transfer.as_deref().map(|transfer| transfer.stage);
        matches!(stage, Some(Stage::Offering { client: Some(client), .. }) if client == sent)
    }

    /// The same offer was sent again.
    pub fn transfer_offered_again(&mut self, refused: ClientId, again: ClientId) {
        if let Some(transfer) = self.transfer.as_deref_mut()
            && let Stage::Offering { client: Some(client), .. } = &mut transfer.stage
            && *client == refused
        {
            *client = again;
        }
    }

    /// Whether the call goes on when a leg leaves: that leg talks to nobody, or another one is about to take its place.
    pub fn goes_on_without(&self, key: LegKey) -> bool {
        if !matches!(self.phase, Phase::Answered(_)) {
            return false;
        }
        let talks = key == self.first || self.answered == Some(key);
        !talks || self.transfer.as_deref().is_some_and(|transfer| transfer.transferor == key)
    }

    /// The dialog that an INVITE to us is about to make; the caller's for one within a dialog.
    pub fn invited(&self, invite: ServerId) -> Option<&Dialog> {
        let is_it =
            |leg: &&Leg| matches!(&leg.signalling, Signalling::Invited { server, .. } if *server == invite);
        self.legs().find(is_it).unwrap_or(&self.caller).dialog()
    }

    /// The INVITE of one that comes to take another one's place, as long as it waits for its final response.
    pub fn newcomer(&self) -> Option<ServerId> {
        self.callees.iter().find_map(|leg| match &leg.signalling {
            Signalling::Invited { server, .. } => Some(*server),
            _ => None,
        })
    }
}

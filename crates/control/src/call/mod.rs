//! Calls: two or more legs, back to back (DESIGN: each leg a dialog of its own).
//!
//! A call goes through four phases. **Opening**: the media workers make the local side of every leg. **Ringing**: every
//! contact of the callee is alerted. **Answered**: one of them took the call, the others were cancelled. **Ending**:
//! BYEs and CANCELs are on their way. The record is complete when the media workers have said what the legs carried; the
//! call is forgotten when its far ends know too.
//!
//! Everything a call knows is data in [`Call`]; nothing of it lives on a stack between two events.
//!
//! A leg may leave an answered call and another one take its place ([`transfer`]): who talks with whom is [`Call::first`]
//! and the leg of [`Phase::Answered`], whoever they are.
//!
//! Assumptions: the offer is in the INVITE or, for a caller that sends none, ours is in the 200 and the answer in its
//! ACK; or, where provisional responses are reliable, ours is in one of them and the answer in its PRACK ([`prack`]).
//! Calls to other networks are left out.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod bypass;
pub(crate) mod conference;
pub(crate) mod divert;
pub(crate) mod dtmf;
pub(crate) mod end;
pub(crate) mod fork;
pub(crate) mod headers;
pub(crate) mod hunt;
pub(crate) mod identity;
pub(crate) mod in_dialog;
mod keys;
pub(crate) mod media;
pub(crate) mod park;
pub(crate) mod pickup;
pub(crate) mod playing;
pub(crate) mod prack;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod recording;
pub(crate) mod refused;
pub(crate) mod renegotiate;
pub(crate) mod reoffer;
pub(crate) mod service;
pub(crate) mod session_timer;
pub(crate) mod setup;
pub(crate) mod transfer;
pub(crate) mod video;

use std::sync::Arc;

use bytes::Bytes;
use ringback_media::negotiation::{Party, Patch, Profile};
use ringback_media::session::{LegKey, LegReport};
use ringback_sansio::Flow;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::Message;
use ringback_sip::transaction::{ClientId, ServerId};

use crate::cdr::{Cdr, EndedBy, Reported};
use crate::exchange::Incoming;
use divert::Diversion;
use hunt::Hunt;
use identity::Identity;
use prack::{EarlyDialog, Held, Reliable};
use recording::Recording;
use service::Service;
use session_timer::SessionTimer;
use transfer::{Part, Subscription, Transfer};

/// What every INVITE and every answer of ours within a dialog allows.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS, MESSAGE, REFER";

/// The extensions that every INVITE and every answer of ours to one supports.
pub(crate) const SUPPORTED: &str = "replaces, join, norefersub, 100rel";

/// The number of a call, unique to its control worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallNumber(pub u64);

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub number: CallNumber,
    /// The media worker that holds every leg of the call.
    pub worker: u16,
    pub phase: Phase,
    /// Whether the caller's INVITE has no offer.
    pub is_late: bool,
    /// Whether its media goes past the exchange, or went.
    pub is_local: bool,
    pub caller: Leg,
    /// The contacts that were rung, in that order; none for a number that the exchange answers. Among and after them the
    /// legs that came by pickups and transfers.
    pub callees: Vec<Leg>,
    /// The leg on the caller's side: the caller's own, until it is transferred or taken over.
    pub first: LegKey,
    /// Who is still to be rung.
    pub hunt: Box<Hunt>,
    /// What the exchange does when it answers by itself.
    pub service: Service,
    pub renegotiation: Renegotiation,
    /// A leg is about to take another one's place.
    pub transfer: Option<Box<Transfer>>,
    /// An offer of ours that met another one, to be made again.
    pub reoffer: Option<Reoffer>,
    /// What the caller is told reliably before the answer, if anything.
    pub reliable: Option<Box<Reliable>>,
    /// Who has answered, while the media workers open what the answer needs.
    pub awaiting: Option<Box<Held>>,
    /// How often its legs were told anew where media goes.
    pub readdressed: u8,
    /// What parties were promised to be told of their transfers.
    pub subscriptions: Vec<Subscription>,
    /// The users among whose calls at the same time this one counts, each by the leg that it counts for.
    pub payers: Vec<(LegKey, String)>,
    /// The users whose further calls go to the same media worker; see [`Exchange::place`].
    ///
    /// [`Exchange::place`]: crate::exchange::Exchange::place
    pub placed: Vec<String>,
    /// Records of what is over while the call goes on, until the media workers have said what was carried.
    pub parts: Vec<Part>,
    /// The leg that answered, also when the call is over.
    pub answered: Option<LegKey>,
    /// The leg whose far end vanished: the call was over when it was last heard, not when that was noticed.
    pub silent: Option<LegKey>,
    /// Who calls, as the people called see it.
    pub identity: Box<Identity>,
    /// The best final response of the branches that have failed (RFC 3261 §16.7).
    pub best_refusal: Option<Box<Message>>,
    /// The Reason that a party gave for ending the call; empty when it gave none.
    pub given_reason: Bytes,
    /// What the INVITE is known by, if it began with one; see [`crate::exchange::Exchange::fingerprint`].
    pub fingerprint: Option<u64>,
    pub record: Cdr,
    /// Its recording that is under way.
    pub recording: Option<Box<Recording>>,
    /// The 200 to the BYE that ended the call; it waits for the record.
    pub farewell: Option<(ServerId, Box<Message>)>,
    /// Whether the record has gone out.
    pub is_recorded: bool,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Ringing,
    /// The leg that answered; the caller's own for a number that the exchange answers.
    Answered(LegKey),
    Ending,
}

/// One party of a call.
#[derive(Debug)]
pub(crate) struct Leg {
    pub key: LegKey,
    /// Who it is: the user part of the AOR.
    pub aor: String,
    /// Where requests for it go.
    pub flow: Flow,
    pub profile: Profile,
    pub signalling: Signalling,
    pub media: LegMedia,
    pub session_timer: Option<SessionTimer>,
    /// Whether its connection was gone when it was asked last.
    pub is_missed: bool,
    /// The music that is played to it, by what it was told to understand.
    pub hears_music: Option<Box<Patch>>,
    /// The Call-ID of its dialog.
    pub call_id: String,
    /// Whether it does not want to be known.
    pub is_hidden: bool,
    /// Whether it tells and is told of keys by INFO, as far as it has shown.
    pub signals_keys: bool,
    /// Whether it has said that it takes no INFO.
    pub refuses_info: bool,
    /// Keys that it is to be told of: the first is under way.
    pub keys: Option<Box<keys::Untold>>,
    /// Whether its party may not be named to those that the call is sent on to (RFC 7044 §10.1).
    pub hides_history: bool,
    /// Whether we called it: its Call-ID is ours.
    pub is_called: bool,
    /// The INVITE that we sent to a callee, as long as a 2xx to it can make a dialog, also one that nobody wants.
    pub invite: Bytes,
    /// The early dialogs of a callee that sends reliable provisional responses.
    pub early_dialogs: Vec<EarlyDialog>,
    pub video: LegVideo,
    /// What its phone has said of what it heard.
    pub reported: Option<Box<Reported>>,
}

/// Where a leg's dialog stands.
#[derive(Debug)]
pub(crate) enum Signalling {
    /// A callee that was not invited yet; the request URI and the Route it will be invited by, and how the call came to
    /// be for it.
    Idle { target: Bytes, routes: Vec<Bytes>, steps: Arc<[Diversion]> },
    /// The caller, or a phone that picks the call up, waiting for a final response to its INVITE.
    Invited { server: ServerId, invite: Box<Message>, dialog: Dialog },
    /// A callee that was sent an INVITE. It has a dialog from its first response with a To tag.
    Inviting { client: ClientId, early: Option<Dialog>, cancelled: bool },
    /// The dialog is confirmed; the INVITE of the far end whose 2xx has no ACK yet, if there is one.
    Confirmed { dialog: Dialog, unacknowledged: Option<ServerId> },
    /// To be ended as soon as the ACK of that INVITE has come: RFC 3261 §15 forbids an earlier BYE.
    Leaving { dialog: Dialog, reason: Bytes, unacknowledged: ServerId },
    /// The dialog is over.
    Over,
}

/// Where the video of a leg stands.
#[derive(Debug, Default)]
pub(crate) struct LegVideo {
    pub place: VideoPlace,
    /// Whether the media worker was told what is agreed.
    pub is_configured: bool,
}

/// Whether a media worker was asked for a place for the video of a leg, beyond what the leg was opened with. Once is
/// enough: without ports there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum VideoPlace {
    #[default]
    Unasked,
    Opening,
    Answered,
}

/// Where a leg's media stands.
#[derive(Debug)]
pub(crate) enum LegMedia {
    Opening,
    Open(Box<Party>),
    /// It goes past the exchange; no media worker knows of the leg.
    Bypassed(Box<Party>),
    /// The same, while a media worker opens our side.
    Returning(Box<Party>),
    Refused(String),
    Closing,
    Closed(Option<Box<LegReport>>),
}

/// A new offer in the middle of a call.
#[derive(Debug)]
pub(crate) enum Renegotiation {
    Idle,
    /// The offer of leg `from` was passed to leg `to`, whose answer is awaited.
    Relaying {
        from: LegKey,
        server: ServerId,
        request: Box<Message>,
        to: LegKey,
        client: ClientId,
        /// How often it has met another offer.
        attempts: u8,
    },
    /// The offer of leg `from` met one of leg `to`. It is passed on again when its time has come, unless that leg offers
    /// first (RFC 3261 §14.1).
    Postponed {
        from: LegKey,
        server: ServerId,
        request: Box<Message>,
        to: LegKey,
        attempts: u8,
    },
    /// An offer of our own went to leg `to`: a refresh, or what the other leg said in an ACK. Its answer goes no further.
    Asking {
        to: LegKey,
        client: ClientId,
    },
    /// Leg `from` sent an INVITE without an offer and got ours; its answer comes in the ACK.
    Offered {
        from: LegKey,
    },
    /// The call has ended while a re-INVITE of ours was under way. A 2xx to it is still to be acknowledged.
    Orphaned {
        client: ClientId,
        dialog: Box<Dialog>,
    },
}

/// An offer of ours that met another one (RFC 3261 §14.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reoffer {
    /// Who it is for.
    pub to: LegKey,
    pub attempts: u8,
}

impl Call {
    /// A call of somebody who has reached nobody yet.
    pub fn new(number: CallNumber, worker: u16, caller: Leg, identity: Identity, record: Cdr) -> Box<Call> {
        Box::new(Call {
            number,
            worker,
            phase: Phase::Opening,
            is_late: false,
            is_local: false,
            callees: Vec::new(),
            first: caller.key,
            hunt: Box::default(),
            service: Service::Echo,
            renegotiation: Renegotiation::Idle,
            transfer: None,
            reoffer: None,
            reliable: None,
            awaiting: None,
            readdressed: 0,
            subscriptions: Vec::new(),
            payers: Vec::new(),
            placed: Vec::new(),
            parts: Vec::new(),
            best_refusal: None,
            answered: None,
            silent: None,
            identity: Box::new(identity),
            given_reason: Bytes::new(),
            fingerprint: None,
            recording: None,
            is_recorded: false,
            farewell: None,
            record,
            caller,
        })
    }

    /// The leg of that key.
    pub fn leg(&self, key: LegKey) -> Option<&Leg> {
        self.legs().find(|leg| leg.key == key)
    }

    /// The leg of that key.
    pub fn leg_mut(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.legs_mut().find(|leg| leg.key == key)
    }

    /// The leg that `key` talks to once the call is answered; none for a number that the exchange answers.
    pub fn other(&self, key: LegKey) -> Option<LegKey> {
        let Phase::Answered(callee) = self.phase else { return None };
        if callee == self.first {
            None
        } else if key == self.first {
            Some(callee)
        } else {
            (key == callee).then_some(self.first)
        }
    }

    /// Whether a leg is one of those that talk, and its dialog stands.
    pub fn is_party(&self, key: LegKey) -> bool {
        (key == self.first || self.answered == Some(key))
            && self.leg(key).is_some_and(|leg| !matches!(leg.signalling, Signalling::Over))
    }

    /// All legs, the caller's first.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.caller).chain(&self.callees)
    }

    /// All legs, the caller's first.
    pub fn legs_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        std::iter::once(&mut self.caller).chain(&mut self.callees)
    }

    /// The offer/answer states of two legs, each to be changed, while the media of both is open.
    pub fn parties_mut(&mut self, a: LegKey, b: LegKey) -> Option<(&mut Party, &mut Party)> {
        let (mut first, mut second) = (None, None);
        for leg in self.legs_mut() {
            if leg.key == a {
                first = leg.party_mut();
            } else if leg.key == b {
                second = leg.party_mut();
            }
        }
        first.zip(second)
    }

    /// Which side of the call a leg is.
    pub fn side(&self, key: LegKey) -> EndedBy {
        if key == self.first { EndedBy::Caller } else { EndedBy::Callee }
    }

    /// Moves into the last phase; says whether it was in another before.
    pub fn ending(&mut self, ended_by: EndedBy, reason: &str) -> bool {
        if self.phase == Phase::Ending {
            return false;
        }
        self.phase = Phase::Ending;
        self.record.ended_by = ended_by;
        reason.clone_into(&mut self.record.reason);
        true
    }

    /// Whether the call has ended and every media worker has said what its leg carried.
    pub fn has_reports(&self) -> bool {
        self.phase == Phase::Ending
            && self.legs().all(|leg| matches!(leg.media, LegMedia::Closed(_) | LegMedia::Refused(_)))
    }

    /// Whether nothing more can happen to the call.
    pub fn is_over(&self) -> bool {
        self.has_reports()
            && matches!(self.renegotiation, Renegotiation::Idle)
            && self.parts.is_empty()
            && self.legs().all(|leg| matches!(leg.signalling, Signalling::Over | Signalling::Idle { .. }))
    }
}

impl Leg {
    /// The leg of somebody who calls.
    pub fn invited(key: LegKey, user: &str, profile: Profile, incoming: Incoming, dialog: Dialog) -> Leg {
        let Incoming { server, flow, message: invite } = incoming;
        Leg {
            key,
            aor: user.to_owned(),
            flow,
            profile,
            media: LegMedia::Opening,
            session_timer: None,
            is_missed: false,
            hears_music: None,
            call_id: String::from_utf8_lossy(invite.call_id().unwrap_or_default()).into_owned(),
            is_hidden: identity::asks_to_hide(&invite) == Some(true),
            signals_keys: keys::takes_keys(&invite),
            refuses_info: keys::refuses_info(&invite),
            keys: None,
            hides_history: false,
            is_called: false,
            invite: Bytes::new(),
            early_dialogs: Vec::new(),
            video: LegVideo::default(),
            reported: None,
            signalling: Signalling::Invited { server, invite: Box::new(invite), dialog },
        }
    }

    /// The leg's offer/answer state, while its media is open or past us.
    pub fn party(&self) -> Option<&Party> {
        match &self.media {
            LegMedia::Open(party) | LegMedia::Bypassed(party) | LegMedia::Returning(party) => Some(party),
            _ => None,
        }
    }

    /// The leg's offer/answer state, while its media is open or past us.
    pub fn party_mut(&mut self) -> Option<&mut Party> {
        match &mut self.media {
            LegMedia::Open(party) | LegMedia::Bypassed(party) | LegMedia::Returning(party) => Some(party),
            _ => None,
        }
    }

    /// The leg's dialog, early or confirmed.
    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.signalling {
            Signalling::Invited { dialog, .. }
            | Signalling::Confirmed { dialog, .. }
            | Signalling::Leaving { dialog, .. } => Some(dialog),
            Signalling::Inviting { early, .. } => early.as_mut(),
            Signalling::Idle { .. } | Signalling::Over => None,
        }
    }

    /// The leg's dialog, early or confirmed.
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.signalling {
            Signalling::Invited { dialog, .. }
            | Signalling::Confirmed { dialog, .. }
            | Signalling::Leaving { dialog, .. } => Some(dialog),
            Signalling::Inviting { early, .. } => early.as_ref(),
            Signalling::Idle { .. } | Signalling::Over => None,
        }
    }

    /// Whether the far end has not acknowledged our 2xx yet.
    pub fn waits_for_ack(&self) -> bool {
        matches!(self.signalling, Signalling::Confirmed { unacknowledged: Some(_), .. })
    }

    /// The INVITE of the far end whose 2xx has no ACK yet.
    pub fn unacknowledged_mut(&mut self) -> Option<&mut Option<ServerId>> {
        match &mut self.signalling {
            Signalling::Confirmed { unacknowledged, .. } => Some(unacknowledged),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept for each call in progress. A whole message takes some 500 bytes beside its text, so none is kept
    /// in place.
    #[test]
    fn a_call_of_two_legs_is_small() {
        assert!(size_of::<Call>() + size_of::<Leg>() <= 2048);
        assert!(size_of::<crate::exchange::Use>() <= 48);
    }
}

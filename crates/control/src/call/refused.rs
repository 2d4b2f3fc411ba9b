//! INVITEs that nobody is called for.

use std::time::Instant;

use ringback_sip::message::{Builder, Message, Name};

use super::setup::profile_of;
use crate::ask::{Ask, User};
use crate::cdr::{Cdr, CdrLeg};
use crate::exchange::{Exchange, Incoming, warning};
use crate::parked::Parked;

/// Why an authenticated INVITE begins no call; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallRefused {
    #[error("the exchange is shutting down")]
    Draining,
    #[error("all lines are busy")]
    AllLinesBusy,
    #[error("too many calls at once for this user")]
    TooManyCalls,
    #[error("an option is required that this exchange does not have")]
    Extension(Vec<u8>),
    #[error("the call went over too many hops")]
    TooManyHops,
    #[error("the offer must be application/sdp")]
    NotSdp,
    #[error("the Request-URI cannot be read")]
    BadUri,
    #[error("only sip: and sips: addresses are served")]
    Scheme,
    #[error("this exchange does not serve that domain")]
    Domain,
    #[error("the address names nobody")]
    NoUser,
    #[error("{0}")]
    NoDialog(ringback_sip::dialog::NoDialog),
    #[error("there is nobody of that name")]
    Unknown,
    #[error("there is no such device")]
    NoDevice,
    #[error("nobody of that name is signed in")]
    Absent,
    #[error("the user has as many calls as it takes at a time")]
    Busy,
    #[error("the conference is full")]
    ConferenceFull,
    #[error("the conference is held by another media worker than this call; dial it instead")]
    ConferenceElsewhere,
    #[error("the user does not want to be disturbed")]
    DoNotDisturb,
    #[error("the call is forwarded in a circle")]
    ForwardedInCircle,
    #[error("the call was forwarded too often")]
    ForwardedTooOften,
    #[error("there is no call that this user may pick up")]
    NothingToPickUp,
    #[error("a call is parked by transferring it to this code")]
    ParkedByDialling,
    #[error("the number to forward to is missing, or cannot be one")]
    CodeIncomplete,
    #[error("the change could not be kept")]
    NotKept,
}

/// Who called, for the record.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub String);

impl CallRefused {
    pub(crate) fn status(&self) -> u16 {
        match self {
            CallRefused::Draining | CallRefused::AllLinesBusy | CallRefused::TooManyCalls => 503,
            CallRefused::Extension(_) => 420,
            CallRefused::TooManyHops => 483,
            CallRefused::NotSdp => 415,
            CallRefused::BadUri | CallRefused::NoDialog(_) => 400,
            CallRefused::Scheme => 416,
            CallRefused::Domain | CallRefused::NoUser | CallRefused::Unknown | CallRefused::NoDevice => 404,
            CallRefused::Absent | CallRefused::DoNotDisturb => 480,
            CallRefused::Busy | CallRefused::ConferenceFull | CallRefused::ConferenceElsewhere => 486,
            CallRefused::ForwardedInCircle => 482,
            CallRefused::ForwardedTooOften => 483,
            CallRefused::NothingToPickUp => 404,
            CallRefused::ParkedByDialling => 403,
            CallRefused::CodeIncomplete => 484,
            CallRefused::NotKept => 503,
        }
    }

    /// Whether it is a call that was missed, which is recorded.
    fn is_of_callee(&self) -> bool {
        matches!(
            self,
            CallRefused::Unknown
                | CallRefused::NoDevice
                | CallRefused::Absent
                | CallRefused::Busy
                | CallRefused::DoNotDisturb
                | CallRefused::ForwardedInCircle
                | CallRefused::ForwardedTooOften
        )
    }

    /// What a phone shows that shows the reason phrase; the Warning has the whole sentence.
    fn phrase(&self) -> Option<&'static str> {
        Some(match self {
            CallRefused::Busy => "Busy In Another Call",
            CallRefused::ConferenceFull => "Conference Full",
            CallRefused::ConferenceElsewhere => "Conference Out Of Reach",
            CallRefused::DoNotDisturb => "Do Not Disturb",
            CallRefused::ForwardedInCircle => "Forwarded In A Circle",
            CallRefused::ForwardedTooOften => "Forwarded Too Often",
            CallRefused::NothingToPickUp => "No Call To Pick Up",
            CallRefused::ParkedByDialling => "Transfer The Call To Park It",
            CallRefused::CodeIncomplete => "Number Missing After The Code",
            CallRefused::NotKept => "Setting Not Kept",
            _ => return None,
        })
    }
}

impl Exchange {
    /// Refuses an INVITE. An attempt to reach somebody is recorded: it is a call that was missed.
    pub(crate) fn refuse_call(
        &mut self,
        now: Instant,
        incoming: Incoming,
        caller: Caller,
        refused: CallRefused,
    ) {
        let Incoming { server, flow, message: invite } = incoming;
        self.fingerprints.remove(&self.fingerprint(&invite));
        let reply = self.refusal(&invite, &refused);
        self.respond(now, server, reply);
        self.count_refused(&refused);
        if !refused.is_of_callee() {
            return;
        }
        let begun = self.record_begun(now, caller.0.clone(), crate::routing::dialled(&invite));
        let record = Cdr {
            ended: begun.started,
            status: refused.status(),
            reason: refused.to_string(),
            legs: vec![CdrLeg {
                party: caller.0,
                call_id: String::from_utf8_lossy(invite.call_id().unwrap_or_default()).into_owned(),
                flow,
                profile: profile_of(flow),
                media: None,
                reported: None,
            }],
            ..begun
        };
        self.ask(Parked::Unanswered, Ask::Record(Box::new(record)));
    }

    /// The answer to an INVITE that begins no call, with what its status asks for.
    pub(crate) fn refusal(&mut self, invite: &Message, refused: &CallRefused) -> Message {
        let status = refused.status();
        let reply = match refused.phrase() {
            Some(phrase) => Builder::reply_with_phrase(invite, status, phrase)
                .to_tag(self.stateless_tag(invite).as_bytes()),
            None => self.reply(invite, status),
        };
        let reply = reply.header(Name::Warning, warning(&refused.to_string()));
        match refused {
            CallRefused::Extension(options) => reply.header(Name::Unsupported, options),
            CallRefused::NotSdp => reply.header(Name::Accept, super::body::SDP),
            _ if status == 503 => reply.header(Name::RetryAfter, self.retry_after()),
            _ => reply,
        }
        .finish()
    }

    /// Refuses a request other than INVITE for its Request-URI.
    pub(crate) fn refuse_uri(&mut self, request: &Message, refused: &CallRefused) -> Builder {
        self.count_refused(refused);
        self.reply(request, refused.status()).header(Name::Warning, warning(&refused.to_string()))
    }

    /// Counts a refusal by its reason.
    pub(crate) fn count_refused(&mut self, refused: &CallRefused) {
        let stats = &mut self.stats;
        *match refused {
            CallRefused::Unknown | CallRefused::NoDevice => &mut stats.callees_unknown,
            CallRefused::Absent => &mut stats.callees_absent,
            CallRefused::Busy => &mut stats.callees_busy,
            CallRefused::DoNotDisturb => &mut stats.callees_undisturbed,
            CallRefused::ForwardedInCircle | CallRefused::ForwardedTooOften => &mut stats.forwards_refused,
            CallRefused::NothingToPickUp => &mut stats.pickups_refused,
            CallRefused::CodeIncomplete | CallRefused::ParkedByDialling | CallRefused::NotKept => {
                &mut stats.codes_refused
            }
            CallRefused::Extension(_) => &mut stats.extensions_refused,
            CallRefused::Domain => &mut stats.domains_refused,
            CallRefused::Scheme | CallRefused::BadUri => &mut stats.schemes_refused,
            CallRefused::Draining
            | CallRefused::AllLinesBusy
            | CallRefused::TooManyCalls
            | CallRefused::TooManyHops
            | CallRefused::NotSdp
            | CallRefused::NoUser
            | CallRefused::ConferenceFull
            | CallRefused::ConferenceElsewhere
            | CallRefused::NoDialog(_) => &mut stats.calls_refused,
        } += 1;
    }

    /// The callee has no contact: asks whether there is such a user, so that the caller is told the right thing. The
    /// caller is authenticated, so nobody learns by it who has an account here.
    pub(crate) fn ask_for_callee(&mut self, now: Instant, incoming: Incoming, caller: &User, callee: String) {
        let caller = Caller(caller.name.clone());
        if self.parked.len() >= self.settings.limits.questions {
            return self.refuse_call(now, incoming, caller, CallRefused::Absent);
        }
        self.fingerprints.insert(self.fingerprint(&incoming.message), incoming.server);
        let realm = self.settings.realm.clone();
        self.ask(Parked::Callee(Box::new(incoming), caller), Ask::Credentials { user: callee, realm });
    }
}

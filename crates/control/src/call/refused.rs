//! INVITEs that nobody is called for.

use std::time::Instant;

use ringback_sip::message::{Builder, Message, Name};

use super::setup::profile_of;
use crate::ask::{Ask, User};
use crate::cdr::{Cdr, CdrLeg, EndedBy};
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
    #[error("nobody of that name is signed in")]
    Absent,
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
            CallRefused::Domain | CallRefused::NoUser | CallRefused::Unknown => 404,
            CallRefused::Absent => 480,
        }
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
        let (status, sentence) = (refused.status(), refused.to_string());
        let mut reply = self.reply(&invite, status).header(Name::Warning, warning(&sentence));
        reply = match &refused {
            CallRefused::Extension(options) => reply.header(Name::Unsupported, options),
            CallRefused::NotSdp => reply.header(Name::Accept, super::body::SDP),
            _ if status == 503 => reply.header(Name::RetryAfter, self.retry_after()),
            _ => reply,
        };
        self.respond(now, server, reply.finish());
        match refused {
            CallRefused::Unknown => self.stats.callees_unknown += 1,
            CallRefused::Absent => self.stats.callees_absent += 1,
            CallRefused::Extension(_) => return self.stats.extensions_refused += 1,
            CallRefused::Domain | CallRefused::Scheme | CallRefused::BadUri => {
                return self.count_uri(&refused);
            }
            _ => return self.stats.calls_refused += 1,
        }
        let at = self.settings.epoch.unix_ms(now);
        let record = Cdr {
            id: self.random_token(),
            caller: caller.0.clone(),
            dialled: crate::routing::dialled(&invite),
            answered_by: None,
            started: at,
            answered: None,
            ended: at,
            status,
            ended_by: EndedBy::Exchange,
            reason: sentence,
            codec: None,
            legs: vec![CdrLeg {
                party: caller.0,
                call_id: String::from_utf8_lossy(invite.call_id().unwrap_or_default()).into_owned(),
                flow,
                profile: profile_of(flow),
                media: None,
            }],
        };
        self.ask(Parked::Unanswered, Ask::Record(Box::new(record)));
    }

    /// Refuses a request other than INVITE for its Request-URI.
    pub(crate) fn refuse_uri(&mut self, request: &Message, refused: &CallRefused) -> Builder {
        self.count_uri(refused);
        self.reply(request, refused.status()).header(Name::Warning, warning(&refused.to_string()))
    }

    fn count_uri(&mut self, refused: &CallRefused) {
        match refused {
            CallRefused::Domain => self.stats.domains_refused += 1,
            _ => self.stats.schemes_refused += 1,
        }
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

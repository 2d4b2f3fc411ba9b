//! Why a MESSAGE is not taken.

use std::time::Instant;

use ringback_sip::message::{Message, Name};
use ringback_sip::transaction::ServerId;

use crate::call::refused::CallRefused;
use crate::exchange::{Exchange, warning};

/// Why a MESSAGE is not taken; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageRefused {
    #[error("{0}")]
    Uri(CallRefused),
    #[error("an option is required that this exchange does not have")]
    Extension(Vec<u8>),
    #[error("the message went over too many hops")]
    TooManyHops,
    #[error("the message is too large")]
    TooLarge,
    #[error("too many messages are on their way")]
    TooMany,
    #[error("there is nobody of that name")]
    Unknown,
    #[error("nobody of that name is signed in, and the message is not one to keep")]
    NotKept,
    #[error("too many messages wait for this user")]
    Full,
    #[error("the message could not be stored")]
    NotStored,
}

impl MessageRefused {
    fn status(&self) -> u16 {
        match self {
            MessageRefused::Uri(refused) => refused.status(),
            MessageRefused::Extension(_) => 420,
            MessageRefused::TooManyHops => 483,
            MessageRefused::TooLarge => 413,
            MessageRefused::Unknown => 404,
            MessageRefused::NotKept | MessageRefused::Full => 480,
            MessageRefused::TooMany | MessageRefused::NotStored => 503,
        }
    }
}

impl Exchange {
    /// Refuses a MESSAGE.
    pub(super) fn refuse_message(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Message,
        refused: &MessageRefused,
    ) {
        let stats = &mut self.stats;
        match refused {
            MessageRefused::Uri(uri) => {
                let reply = self.refuse_uri(request, uri).finish();
                return self.respond(now, server, reply);
            }
            MessageRefused::Extension(_) => stats.extensions_refused += 1,
            MessageRefused::TooManyHops | MessageRefused::TooLarge => stats.instant_messages_refused += 1,
            MessageRefused::TooMany => stats.instant_messages_overloaded += 1,
            MessageRefused::Unknown => stats.instant_messages_unknown += 1,
            MessageRefused::NotKept => stats.instant_messages_not_kept += 1,
            MessageRefused::Full => stats.instant_messages_full += 1,
            MessageRefused::NotStored => stats.persists_failed += 1,
        }
        let status = refused.status();
        let mut reply = self.reply(request, status).header(Name::Warning, warning(&refused.to_string()));
        reply = match refused {
            MessageRefused::Extension(options) => reply.header(Name::Unsupported, options),
            _ if status == 503 => reply.header(Name::RetryAfter, self.retry_after()),
            _ => reply,
        };
        self.respond(now, server, reply.finish());
    }
}

//! The rules of RFC 3261 that a message can break although every line of it can be read.

use thiserror::Error;

use super::limits::MAX_VIAS;
use super::{Builder, Message, Method, Name, StartLine, Version, reason_phrase};
use crate::header::HeaderError;
use crate::uri::{Uri, UriError};

/// A message that breaks a rule, and what must happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{cause}")]
pub struct Invalid {
    /// The rule.
    pub cause: InvalidCause,
    /// What must happen.
    pub disposition: Disposition,
}

/// What must happen to an invalid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// A request: it is answered with [`Invalid::status`].
    Reply,
    /// A response or an ACK: it is dropped and counted.
    Drop,
}

/// The rule that a message breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum InvalidCause {
    /// Another SIP version ([RFC 3261 §21.5.6](https://www.rfc-editor.org/rfc/rfc3261#section-21.5.6)).
    #[error("SIP version")]
    Version,
    /// A header that every message must have is absent or cannot be read.
    #[error("{0}")]
    Header(HeaderError),
    /// A header that may stand once stands twice.
    #[error("{} more than once", .0.as_str())]
    Duplicate(Name),
    /// The CSeq names another method than the request line.
    #[error("CSeq method differs")]
    CSeqMethod,
    /// The Request-URI cannot be read.
    #[error("Request-{0}")]
    RequestUri(UriError),
    /// The Request-URI carries headers, which it may not.
    #[error("Request-URI with headers")]
    RequestUriHeaders,
    /// More Via values than the limit.
    #[error("Too many Vias")]
    TooManyVias,
}

impl Invalid {
    /// The status code of the answer.
    pub fn status(&self) -> u16 {
        match self.cause {
            InvalidCause::Version => 505,
            InvalidCause::TooManyVias => 513,
            _ => 400,
        }
    }

    /// A name for counters and logs.
    pub fn name(&self) -> &'static str {
        match self.cause {
            InvalidCause::Version => "version",
            InvalidCause::Header(_) => "header",
            InvalidCause::Duplicate(_) => "duplicate",
            InvalidCause::CSeqMethod => "cseq_method",
            InvalidCause::RequestUri(_) => "request_uri",
            InvalidCause::RequestUriHeaders => "request_uri_headers",
            InvalidCause::TooManyVias => "too_many_vias",
        }
    }

    /// The reason phrase of the answer, with the cause.
    pub fn reason(&self) -> String {
        format!("{} ({self})", reason_phrase(self.status()))
    }

    /// The answer to the request; `None` when the message is to be dropped.
    pub fn reply(&self, request: &Message) -> Option<Message> {
        match self.disposition {
            Disposition::Reply => {
                let reply = Builder::reply_with_phrase(request, self.status(), &self.reason());
                Some(reply.stateless_to_tag(request).finish())
            }
            Disposition::Drop => None,
        }
    }
}

pub(super) fn message(message: &Message) -> Result<(), Invalid> {
    check(message).map_err(|cause| {
        let unanswerable = !message.is_request() || *message.method_ref() == Method::Ack;
        let disposition = if unanswerable { Disposition::Drop } else { Disposition::Reply };
        Invalid { cause, disposition }
    })
}

fn check(message: &Message) -> Result<(), InvalidCause> {
    let (StartLine::Request { version, .. } | StartLine::Response { version, .. }) = message.start_line();
    if *version != Version::Sip2 {
        return Err(InvalidCause::Version);
    }
    message.via().map_err(InvalidCause::Header)?;
    message.from().map_err(InvalidCause::Header)?;
    message.to().map_err(InvalidCause::Header)?;
    message.call_id().ok_or(InvalidCause::Header(HeaderError::missing(Name::CallId)))?;
    let cseq = message.cseq().map_err(InvalidCause::Header)?;
    message.max_forwards().map_err(InvalidCause::Header)?;
    check_single(message)?;
    if message.values(Name::Via).nth(MAX_VIAS).is_some() {
        return Err(InvalidCause::TooManyVias);
    }
    if cseq.method != *message.method_ref() {
        return Err(InvalidCause::CSeqMethod);
    }
    if message.is_request() {
        let uri = Uri::parse(message.request_uri()).map_err(InvalidCause::RequestUri)?;
        if uri.is_sip() && uri.headers.is_some() {
            return Err(InvalidCause::RequestUriHeaders);
        }
    }
    Ok(())
}

/// Two values where one may stand: every element on the way may choose another of them.
fn check_single(message: &Message) -> Result<(), InvalidCause> {
    let mut seen = [false; Name::all().len()];
    for line in message.lines().filter(|line| line.name().is_single()) {
        if let Some(seen) = seen.get_mut(line.name() as usize)
            && std::mem::replace(seen, true)
        {
            return Err(InvalidCause::Duplicate(line.name()));
        }
    }
    Ok(())
}

//! Request validation ([RFC 3261 §16.3]) and what a request may still do.
//!
//! [RFC 3261 §16.3]: https://www.rfc-editor.org/rfc/rfc3261#section-16.3

use super::loops::{LoopDetection, Trace};
use crate::grammar;
use crate::header::HeaderError;
use crate::message::{Builder, Message, Method, Name, reason_phrase};
use crate::uri::Uri;

/// What we ask of a request before we send it on.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The option tags of Proxy-Require that we know.
    pub options: &'a [&'a str],
    /// Our loop detection.
    pub loops: &'a LoopDetection,
}

/// What a request may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The Max-Forwards of the copies.
    pub max_forwards: u8,
    /// How many branches may be under way at once ([RFC 5393 §5]); never 0.
    ///
    /// [RFC 5393 §5]: https://www.rfc-editor.org/rfc/rfc5393#section-5
    pub breadth: u32,
    /// For the branches of the copies.
    pub trace: Trace,
}

/// Why a request is not sent on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header field that steers the request cannot be read.
    #[error("Bad Request ({0})")]
    Malformed(HeaderError),
    /// The Request-URI has a scheme that we cannot route.
    #[error("{}", reason_phrase(416))]
    Scheme,
    /// Max-Forwards is used up.
    #[error("{}", reason_phrase(483))]
    TooManyHops,
    /// The request has been here before.
    #[error("{}", reason_phrase(482))]
    Loop,
    /// Max-Breadth is used up.
    #[error("{}", reason_phrase(440))]
    MaxBreadth,
    /// An option is required of proxies that we do not have.
    #[error("{}", reason_phrase(420))]
    BadExtension {
        /// The options, separated by commas.
        unsupported: Vec<u8>,
    },
}

/// Checks a request that was received, before anything of it is changed.
pub fn check(request: &Message, rules: &Rules<'_>) -> Result<Budget, Refusal> {
    if !Uri::parse(request.request_uri()).is_ok_and(|uri| uri.is_sip()) {
        return Err(Refusal::Scheme);
    }
    let max_forwards = match request.max_forwards().map_err(Refusal::Malformed)? {
        Some(0) => return Err(Refusal::TooManyHops),
        Some(hops) => hops - 1,
        // An RFC 2543 client: §16.6 step 3.
        None => 70,
    };
    let trace = rules.loops.trace(request);
    if rules.loops.is_loop(request, &trace) {
        return Err(Refusal::Loop);
    }
    // An option that ACK and CANCEL ask for was asked for by their INVITE.
    if !matches!(request.method_ref(), Method::Ack | Method::Cancel) {
        let known =
            |tag: &[u8]| rules.options.iter().any(|option| option.as_bytes().eq_ignore_ascii_case(tag));
        let unsupported: Vec<_> = request.values(Name::ProxyRequire).filter(|tag| !known(tag)).collect();
        if !unsupported.is_empty() {
            return Err(Refusal::BadExtension { unsupported: unsupported.join(&b", "[..]) });
        }
    }
    let breadth = match request.header(Name::MaxBreadth) {
        None => MAX_BREADTH,
        Some(value) => match grammar::number(value) {
            Ok(0) => return Err(Refusal::MaxBreadth),
            Ok(breadth) => breadth.min(MAX_BREADTH),
            Err(error) => return Err(Refusal::Malformed(HeaderError::number(Name::MaxBreadth, error))),
        },
    };
    Ok(Budget { max_forwards, breadth, trace })
}

impl Refusal {
    /// The status code of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::Scheme => 416,
            Refusal::TooManyHops => 483,
            Refusal::Loop => 482,
            Refusal::MaxBreadth => 440,
            Refusal::BadExtension { .. } => 420,
        }
    }

    /// The answer; `None` to an ACK, which has none.
    pub fn answer(&self, request: &Message) -> Option<Message> {
        if *request.method_ref() == Method::Ack {
            return None;
        }
        let mut answer = Builder::reply_with_phrase(request, self.status(), &self.to_string());
        if let Refusal::BadExtension { unsupported } = self {
            answer = answer.header(Name::Unsupported, unsupported);
        }
        Some(answer.stateless_to_tag(request).finish())
    }
}

/// The most branches of one request at once ([RFC 5393 §5.3.3]).
///
/// [RFC 5393 §5.3.3]: https://www.rfc-editor.org/rfc/rfc5393#section-5.3.3
pub const MAX_BREADTH: u32 = 60;

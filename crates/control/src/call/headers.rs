//! Which header fields cross the exchange from one leg to the other.
//!
//! The legs are dialogs of their own, so whatever names a dialog, a hop, a capability or an identity is written anew.
//! What the other side may need and would lose passes. Fields that make a phone answer by itself (`Alert-Info`,
//! `Answer-Mode`, `Call-Info`) and fields that assert an identity do not come from an untrusted peer.

use ringback_sip::message::{Builder, Line, Message};

/// Names that pass in a request, lower case.
const PASSED_IN_REQUESTS: &[&[u8]] = &[
    b"accept-language",
    b"in-reply-to",
    b"organization",
    b"priority",
    b"reason",
    b"reply-to",
    b"subject",
    b"user-to-user",
];

/// Names that pass beside those in a request that carries a body from one party to the other, lower case.
const PASSED_WITH_A_BODY: &[&[u8]] =
    &[b"content-disposition", b"content-encoding", b"content-language", b"info-package", b"mime-version"];

/// Names that pass in a response, lower case.
const PASSED_IN_RESPONSES: &[&[u8]] =
    &[b"error-info", b"reason", b"retry-after", b"user-to-user", b"warning"];

/// Our own extension fields: never taken from a peer.
const INTERNAL: &[u8] = b"x-ringback-";

/// Copies what passes from a request of one leg into a request for the other.
pub(crate) fn pass_request(from: &Message, to: Builder) -> Builder {
    pass(from, to, PASSED_IN_REQUESTS)
}

/// Copies what passes from a request within a dialog, whose body goes along as it is.
pub(crate) fn pass_in_dialog(from: &Message, to: Builder) -> Builder {
    pass(from, pass(from, to, PASSED_WITH_A_BODY), PASSED_IN_REQUESTS)
}

/// Copies what passes from a response of one leg into a response for the other.
pub(crate) fn pass_response(from: &Message, to: Builder) -> Builder {
    pass(from, to, PASSED_IN_RESPONSES)
}

/// Whether a header line goes along with a body that is passed on outside of dialogs.
pub(crate) fn passed_with_body(line: &Line<'_>) -> bool {
    is_passed(line, PASSED_WITH_A_BODY) || is_passed(line, PASSED_IN_REQUESTS)
}

fn pass(from: &Message, mut to: Builder, names: &[&[u8]]) -> Builder {
    for line in from.lines() {
        if is_passed(&line, names) {
            to = to.header_named(line.raw_name(), line.value());
        }
    }
    to
}

fn is_passed(line: &Line<'_>, names: &[&[u8]]) -> bool {
    let name = line.raw_name().to_ascii_lowercase();
    let is_extension = name.starts_with(b"x-") && !name.starts_with(INTERNAL);
    is_extension || names.contains(&name.as_slice())
}

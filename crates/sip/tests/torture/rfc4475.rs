//! RFC 4475: the torture test messages.

use ringback_sip::header::{Credentials, Date, Fault};
use ringback_sip::message::{InvalidCause, Layer, Message, Name, ParseError, Unanswerable};
use ringback_sip::uri::{Scheme, Uri, UriError};

use crate::outcome::Outcome::{Header, Invalid, Refused, User, Valid};
use crate::outcome::Stream::{Closes, Framed, FramedThenCloses, Waits};
use crate::outcome::{Outcome, Row, Stream, fault};

pub const ROWS: &[Row] = &[
    // Valid messages.
    row("wsinv", "3.1.1.1", Valid, Framed),
    row("intmeth", "3.1.1.2", Valid, Framed),
    row("esc01", "3.1.1.3", Valid, Framed),
    row("escnull", "3.1.1.4", Valid, Framed),
    row("esc02", "3.1.1.5", Valid, Framed),
    row("lwsdisp", "3.1.1.6", Valid, Framed),
    row("longreq", "3.1.1.7", Valid, Framed),
    // The body of its second message is a byte longer than it says.
    row("dblreq", "3.1.1.8", Valid, FramedThenCloses(ParseError::ContentLengthMissing)),
    row("semiuri", "3.1.1.9", Valid, Framed),
    row("transports", "3.1.1.10", Valid, Framed),
    row("mpart01", "3.1.1.11", Valid, Framed),
    row("unreason", "3.1.1.12", Valid, Framed),
    row("noreason", "3.1.1.13", Valid, Framed),
    // Invalid messages.
    row("badinv01", "3.1.2.1", bad_header(Name::Via, Fault::Params), Framed),
    row("clerr", "3.1.2.2", framing(ParseError::BodyTruncated), Waits),
    row("ncl", "3.1.2.3", framing(ParseError::ContentLength), Closes(ParseError::ContentLength)),
    row("scalar02", "3.1.2.4", bad_header(Name::CSeq, Fault::TooLarge), Framed),
    row("scalarlg", "3.1.2.5", dropped_header(Name::CSeq, Fault::TooLarge), Framed),
    row("quotbal", "3.1.2.6", bad_header(Name::To, Fault::Unbalanced), Framed),
    row("ltgtruri", "3.1.2.7", bad(InvalidCause::RequestUri(UriError::Scheme)), Framed),
    row("lwsruri", "3.1.2.8", parse(ParseError::RequestLine), Framed),
    row("lwsstart", "3.1.2.9", parse(ParseError::RequestLine), Framed),
    row("trws", "3.1.2.10", parse(ParseError::RequestLine), Framed),
    row("escruri", "3.1.2.11", bad(InvalidCause::RequestUriHeaders), Framed),
    row(
        "baddate",
        "3.1.2.12",
        Header {
            fault: fault(Name::Date, Fault::Malformed),
            read: |message| Date::parse(message.header(Name::Date).unwrap()).map(|_| ()),
        },
        Framed,
    ),
    row(
        "regbadct",
        "3.1.2.13",
        Header {
            fault: fault(Name::Contact, Fault::Uri),
            read: |message| message.contacts().try_for_each(|contact| contact.map(|_| ())),
        },
        Framed,
    ),
    row("badaspec", "3.1.2.14", bad_header(Name::To, Fault::Uri), Framed),
    // Published without the empty line that ends a head; `details` reads it with one.
    row("baddn", "3.1.2.15", parse(ParseError::Unterminated), Waits),
    row("badvers", "3.1.2.16", Invalid { cause: InvalidCause::Version, status: Some(505) }, Framed),
    row("mismatch01", "3.1.2.17", bad(InvalidCause::CSeqMethod), Framed),
    row("mismatch02", "3.1.2.18", bad(InvalidCause::CSeqMethod), Framed),
    row(
        "bigcode",
        "3.1.2.19",
        Refused {
            layer: Layer::Parse,
            error: ParseError::StatusCode,
            answer: Err(Unanswerable::NotARequest),
        },
        Framed,
    ),
    // Transaction layer.
    row(
        "badbranch",
        "3.2.1",
        User {
            must: "a transaction is not found by a branch that is the magic cookie alone",
            shown: |message| message.via().unwrap().unique_branch().is_none(),
        },
        Framed,
    ),
    // Application layer.
    row("insuf", "3.3.1", bad_header(Name::From, Fault::Missing), Framed),
    row(
        "unkscm",
        "3.3.2",
        User { must: "416", shown: |message| has_other_scheme(message.request_uri()) },
        Framed,
    ),
    row(
        "novelsc",
        "3.3.3",
        User { must: "416", shown: |message| has_other_scheme(message.request_uri()) },
        Framed,
    ),
    row(
        "unksm2",
        "3.3.4",
        User {
            must: "an address of record that no registrar has",
            shown: |message| has_other_scheme(message.to().unwrap().uri),
        },
        Framed,
    ),
    row(
        "bext01",
        "3.3.5",
        User {
            must: "420 from the user agent, and from the proxy for what Proxy-Require names",
            shown: |message| {
                message.values(Name::Require).eq([&b"nothingSupportsThis"[..], b"nothingSupportsThisEither"])
                    && message.values(Name::ProxyRequire).count() == 2
            },
        },
        Framed,
    ),
    row(
        "invut",
        "3.3.6",
        User {
            must: "415",
            shown: |message| message.header(Name::ContentType) == Some(b"application/unknownformat"),
        },
        Framed,
    ),
    row(
        "regaut01",
        "3.3.7",
        User {
            must: "401, for the scheme is not ours",
            shown: |message| {
                let value = message.header(Name::Authorization).unwrap();
                !Credentials::parse(value).unwrap().is_digest()
            },
        },
        Framed,
    ),
    row("multi01", "3.3.8", bad(InvalidCause::Duplicate(Name::CSeq)), Framed),
    row(
        "mcl01",
        "3.3.9",
        framing(ParseError::ContentLengthConflict),
        Closes(ParseError::ContentLengthConflict),
    ),
    row(
        "bcast",
        "3.3.10",
        User {
            must: "a response with a second Via is not for us",
            shown: |message| message.values(Name::Via).count() == 2,
        },
        Framed,
    ),
    row(
        "zeromf",
        "3.3.11",
        User { must: "483", shown: |message| message.max_forwards() == Ok(Some(0)) },
        Framed,
    ),
    row("cparam01", "3.3.12", Valid, Framed),
    row("cparam02", "3.3.13", Valid, Framed),
    row("regescrt", "3.3.14", Valid, Framed),
    row(
        "sdp01",
        "3.3.15",
        User { must: "406", shown: |message| message.values(Name::Accept).eq([b"text/nobodyKnowsThis"]) },
        Framed,
    ),
    // Backward compatibility: without Content-Length it can only be a datagram.
    row("inv2543", "3.4.1", Valid, Closes(ParseError::ContentLengthMissing)),
    // Found beside the others in the RFC's archive: no version, no Via, a line without a colon.
    row(
        "test",
        "archive",
        Refused { layer: Layer::Parse, error: ParseError::RequestLine, answer: Err(Unanswerable::NoVia) },
        Closes(ParseError::HeaderLine),
    ),
];

const fn row(name: &'static str, section: &'static str, datagram: Outcome, stream: Stream) -> Row {
    Row { name, section, datagram, stream }
}

const fn bad(cause: InvalidCause) -> Outcome {
    Invalid { cause, status: Some(400) }
}

const fn bad_header(name: Name, what: Fault) -> Outcome {
    bad(InvalidCause::Header(fault(name, what)))
}

const fn dropped_header(name: Name, what: Fault) -> Outcome {
    Invalid { cause: InvalidCause::Header(fault(name, what)), status: None }
}

const fn parse(error: ParseError) -> Outcome {
    Refused { layer: Layer::Parse, error, answer: Ok(400) }
}

const fn framing(error: ParseError) -> Outcome {
    Refused { layer: Layer::Framing, error, answer: Ok(400) }
}

fn has_other_scheme(uri: &[u8]) -> bool {
    matches!(Uri::parse(uri).unwrap().scheme, Scheme::Other(_))
}

/// The messages of §3.1.1 and others that must come through, for tests that look closer.
pub fn valid() -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(|row| matches!(row.datagram, Valid | User { .. })).map(|row| row.name)
}

/// A message that has no row of its own because it is another with the empty line that was lost.
pub fn with_empty_line(message: &bytes::Bytes) -> Message {
    Message::parse([message, &b"\r\n"[..]].concat().into()).unwrap()
}

//! What the fuzzer drives: one plain function for each parser, with the properties that must hold of any bytes.
//!
//! `fuzz/` holds the binaries of cargo-fuzz, which need a nightly compiler; `tests/fuzz_corpus.rs` replays the corpus with
//! a stable one. A function panics when a property does not hold.

use bytes::Bytes;

use crate::framing::{Frame, StreamFramer};
use crate::header::{
    Address, CSeq, Challenge, Credentials, Date, Event, Join, Params, Rack, Reason, ReferTo, Replaces,
    RetryAfter, SessionExpires, SubscriptionState, Values, Via,
};
use crate::message::{Builder, Message, Name, ParseError};
use crate::uri::{Uri, escape_user, unescape};

/// Every target by its name, which is that of its folder of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("event_documents", crate::event::documents::fuzz::documents),
    ("sip_header_values", header_values),
    ("sip_message", message),
    ("sip_stream", stream),
    ("sip_uri", uri),
    ("vq_report", crate::event::documents::fuzz::vq_report),
];

/// A parser with the properties that must hold of any bytes.
pub type Target = fn(&[u8]);

/// One datagram: read, looked at from every side, edited, answered.
pub fn message(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    match Message::parse(bytes.clone()) {
        Ok(message) => check_message(&bytes, &message),
        Err(error) => {
            if let Ok(reply) = error.reply(&bytes) {
                check_ours(&reply);
            }
        }
    }
}

/// A stream in one read and byte by byte: the same frames, the same end.
pub fn stream(bytes: &[u8]) {
    let whole = frames_of(bytes, &[bytes.len().max(1)]);
    assert_eq!(whole, frames_of(bytes, &[1]), "chunks do not matter");
    for frame in whole.0 {
        if let Frame::Message(framed) = frame
            && let Ok(message) = Message::parse(framed.clone())
        {
            assert_eq!(message.bytes(), &framed, "framing and parsing agree on the length");
        }
    }
}

/// A URI: what is read equals itself.
pub fn uri(bytes: &[u8]) {
    if let Ok(uri) = Uri::parse(bytes) {
        assert!(uri.equals(&uri), "equality is reflexive: {}", bytes.escape_ascii());
        assert_eq!(uri.raw, bytes);
        if let Some(user) = uri.user_unescaped() {
            assert_eq!(unescape(&escape_user(&user)), user, "escapes are undone");
        }
        for (name, value) in uri.header_pairs() {
            let _ = (unescape(name), unescape(value));
        }
        let _ = (uri.host.to_string(), uri.transport(), uri.is_loose_router());
    }
}

/// A header value, as every header there is.
pub fn header_values(bytes: &[u8]) {
    for value in Values::new(bytes) {
        if let Ok(via) = Via::parse(value) {
            let _ = (via.branch(), via.unique_branch(), via.received(), via.rport());
        }
        if let Ok(address) = Address::parse(value) {
            let _ = (
                address.tag(),
                address.q(),
                address.expires(),
                address.display_unquoted(),
                address.parse_uri(),
            );
        }
        let _ = Reason::parse(value).map(|reason| (reason.cause(), reason.text()));
    }
    if let Ok(params) = Params::parse(bytes) {
        for param in params.iter() {
            assert!(params.has(param.name));
        }
    }
    let _ = Challenge::parse(bytes).map(|challenge| (challenge.realm(), challenge.offers_qop(b"auth")));
    let _ = Credentials::parse(bytes).map(|credentials| credentials.param(b"response"));
    let _ = ReferTo::parse(bytes).map(|refer_to| (refer_to.replaces(), refer_to.target()));
    if let Ok(date) = Date::parse(bytes) {
        let again = Date::parse(date.to_string().as_bytes());
        assert_eq!(again, Ok(date), "a date reads as it is written");
    }
    let _ = (CSeq::parse(bytes), Rack::parse(bytes), Event::parse(bytes), Replaces::parse(bytes));
    let _ = Join::parse(bytes);
    let _ = (RetryAfter::parse(bytes), SessionExpires::parse(bytes), SubscriptionState::parse(bytes));
}

fn check_message(received: &Bytes, message: &Message) {
    assert!(received.starts_with(message.bytes()), "the bytes are those received");
    let unedited = message.edit().finish();
    if message.has(Name::ContentLength) {
        assert_eq!(unedited.bytes(), message.bytes(), "an edit of nothing changes nothing");
    }
    check_same_reading(&unedited);
    let _ =
        (message.validate(), message.call_id(), message.max_forwards(), message.expires(), message.cseq());
    let _ = (message.contacts().count(), message.is_wildcard_contact(), message.parts().count());
    for line in message.lines() {
        let _ = line.unfolded();
        assert!(message.header_named(line.raw_name()).is_some(), "a line is found by its name");
        header_values(line.value());
    }
    let mut edit = message.edit();
    edit.push_front(Name::Via, b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKfuzz;rport");
    edit.set_body(b"text/plain", b"fuzz").replace(Name::MaxForwards, b"1");
    check_same_reading(&edit.finish());
    if let Ok(stamped) = message.with_source(([192, 0, 2, 7], 5060).into()) {
        check_same_reading(&stamped);
    }
    if message.is_request() {
        check_ours(&Builder::reply(message, 200).to_tag(b"fuzz").finish());
    }
}

/// A message that we wrote is read back line for line.
fn check_ours(message: &Message) {
    check_same_reading(message);
    assert!(message.bytes().ends_with(message.body()));
}

fn check_same_reading(message: &Message) {
    match Message::parse(message.bytes().clone()) {
        Ok(read) => {
            assert_eq!(read.method_ref(), message.method_ref());
            assert_eq!(read.body(), message.body());
            let lines = |message: &Message| {
                let lines = message
                    .lines()
                    .map(|line| (line.name(), line.raw_name().to_vec(), line.value().to_vec()));
                lines.collect::<Vec<_>>()
            };
            assert_eq!(lines(&read), lines(message), "the index says what the bytes say");
        }
        // What was added may break a limit, or there was nothing a response could copy its CSeq from.
        Err(
            ParseError::TooLarge
            | ParseError::TooManyLines
            | ParseError::LineTooLong
            | ParseError::CSeqMethod,
        ) => {}
        Err(error) => assert_eq!(Err(error), Ok(()), "a message of ours cannot be read"),
    }
}

/// The frames of a stream cut into reads of these lengths, again and again, and the error that ended it.
///
/// Pongs are left out and pings in a row are one: a read that ends between the CRLFs of a ping tells the first as a pong.
pub fn frames_of(mut stream: &[u8], reads: &[usize]) -> (Vec<Frame>, Option<ParseError>) {
    let mut framer = StreamFramer::new();
    let mut frames = Vec::new();
    let mut end = None;
    for &length in reads.iter().cycle() {
        let (read, rest) = stream.split_at_checked(length).unwrap_or((stream, b""));
        stream = rest;
        let pushed = framer.push(read);
        frames.extend(std::iter::from_fn(|| framer.next()).filter(|frame| *frame != Frame::Pong));
        if let Err(failure) = pushed {
            end = Some(failure.error);
            if let Ok(reply) = failure.reply() {
                check_ours(&reply);
            }
            break;
        }
        if stream.is_empty() {
            break;
        }
    }
    frames.dedup_by(|next, last| *next == Frame::Ping && *last == Frame::Ping);
    (frames, end)
}

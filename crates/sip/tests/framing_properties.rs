//! Framing gives the same frames however the stream is chopped up, keeps nothing while idle, and ends by the one rule.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use ringback_sip::framing::{Frame, StreamFramer};
use ringback_sip::fuzz::frames_of;
use ringback_sip::message::{ParseError, Unanswerable, limits};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn chunks_do_not_matter(pieces in prop::collection::vec(piece(), 0..8), cuts in prop::collection::vec(1usize..40, 1..30)) {
        let stream = pieces.concat();
        prop_assert_eq!(frames_of(&stream, &cuts), frames_of(&stream, &[stream.len().max(1)]));
    }

    #[test]
    fn arbitrary_bytes_are_framed_or_refused(stream in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
        prop_assert_eq!(frames_of(&stream, &[cut]), frames_of(&stream, &[stream.len().max(1)]));
    }
}

#[test]
fn keep_alives_between_messages() {
    let mut framer = StreamFramer::new();
    framer.push(b"\r\n\r\n").unwrap();
    assert_eq!(drain(&mut framer), [Frame::Ping]);
    framer.push(b"\r\n").unwrap();
    assert_eq!(drain(&mut framer), [Frame::Pong]);
    framer.push(b"\r\n").unwrap();
    assert_eq!(drain(&mut framer), [Frame::Ping], "the second half of a ping that was cut in two");
    framer.push(&[b"\r\n", message(b"body").as_slice(), b"\r\n\r\n"].concat()).unwrap();
    assert_eq!(drain(&mut framer), [Frame::Pong, Frame::Message(message(b"body").into()), Frame::Ping]);
}

#[test]
fn a_read_full_of_pings_is_one_ping() {
    let mut framer = StreamFramer::new();
    framer.push(&b"\r\n\r\n".repeat(10_000)).unwrap();
    assert_eq!(drain(&mut framer), [Frame::Ping]);
}

#[test]
fn nothing_is_kept_while_idle() {
    let mut framer = StreamFramer::new();
    assert_eq!(framer.memory(), 0);
    framer.push(&[message(b"one"), message(b"")].concat()).unwrap();
    assert_eq!(drain(&mut framer).len(), 2);
    framer.push(b"\r\n").unwrap();
    drain(&mut framer);
    assert_eq!((framer.memory(), framer.is_in_message()), (0, false));
    assert!(size_of::<StreamFramer>() <= 96);
}

#[test]
fn a_promised_length_allocates_nothing() {
    let mut framer = StreamFramer::new();
    framer.push(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 60000\r\n\r\n").unwrap();
    assert!(framer.is_in_message());
    assert!(framer.memory() < 200, "{}", framer.memory());
}

#[test]
fn what_cannot_be_cut_closes_the_connection() {
    let head = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\r\nCSeq: 1 OPTIONS\r\n";
    let long = format!("{head}X: {}", "y".repeat(limits::MAX_LINE));
    let big = format!("{head}{}", "X: 0123456789\r\n".repeat(5000));
    let cases: [(&str, ParseError, Result<u16, Unanswerable>); 11] = [
        ("\r\n\r\n", ParseError::ContentLengthMissing, Ok(400)),
        ("Content-Length: 5\r\nl: 6\r\n\r\n", ParseError::ContentLengthConflict, Ok(400)),
        ("Content-Length: -5\r\n\r\n", ParseError::ContentLength, Ok(400)),
        ("Content-Length: 65000\r\n\r\n", ParseError::BodyTooLarge, Ok(413)),
        ("Content-Length: 99999999999\r\n\r\n", ParseError::BodyTooLarge, Ok(413)),
        ("no colon\r\n\r\n", ParseError::HeaderLine, Ok(400)),
        ("X: y\n", ParseError::BareLineBreak, Ok(400)),
        ("\r\n", ParseError::ContentLengthMissing, Ok(400)),
        ("l: 0\r\n\r\n\n", ParseError::BareLineBreak, Err(Unanswerable::NotARequest)),
        ("l: 0\r\n\r\n\rX", ParseError::BareLineBreak, Err(Unanswerable::NotARequest)),
        ("l: 0\r\n\r\n\x16\x03\x01", ParseError::NotSip, Err(Unanswerable::NotARequest)),
    ];
    for (rest, error, answer) in cases {
        // The Content-Length of 65000 leaves no room for the head.
        let text = if rest.contains("65000") {
            format!("{head}S: {}\r\n{rest}", "y".repeat(600))
        } else {
            format!("{head}{rest}")
        };
        check_failure(&text, error, answer);
    }
    check_failure(&long, ParseError::LineTooLong, Ok(513));
    check_failure(&big, ParseError::TooLarge, Ok(513));
    check_failure(
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ParseError::ContentLengthMissing,
        Err(Unanswerable::NotARequest),
    );
    check_failure("SIP/2.0 200 OK\r\n\r\n", ParseError::ContentLengthMissing, Err(Unanswerable::NotARequest));
}

fn check_failure(text: &str, error: ParseError, answer: Result<u16, Unanswerable>) {
    let about = text.get(..text.len().min(200)).unwrap_or_default();
    let mut framer = StreamFramer::new();
    let failure = framer.push(text.as_bytes()).unwrap_err();
    assert_eq!(failure.error, error, "{about:?}");
    assert_eq!(failure.reply().map(|reply| reply.status().unwrap()), answer, "{about:?}");
    assert!(framer.push(&message(b"")).is_err(), "nothing is read after an error");
}

/// The largest message that fits, byte by byte: every byte is looked at once, so this takes no time worth measuring.
#[test]
fn the_largest_message_may_trickle() {
    let head = |length: usize| format!("OPTIONS sip:x SIP/2.0\r\nContent-Length: {length}\r\n\r\n");
    let length = limits::MAX_STREAM_MESSAGE - head(60_000).len();
    let stream = format!("{}{}", head(length), "b".repeat(length));
    assert_eq!(stream.len(), limits::MAX_STREAM_MESSAGE);
    let (frames, error) = frames_of(stream.as_bytes(), &[1]);
    assert_eq!((frames, error), (vec![Frame::Message(Bytes::from(stream))], None));
}

#[test]
fn an_operator_may_want_smaller_messages() {
    let text = |filler: usize, body: usize| {
        let head = format!("OPTIONS sip:x SIP/2.0\r\nX: {}\r\nl: {body}\r\n\r\n", "y".repeat(filler));
        [head.as_bytes(), "b".repeat(body).as_bytes()].concat()
    };
    let fits = text(0, 5000 - text(0, 1000).len() + 1000);
    assert_eq!(fits.len(), 5000);
    let push = |bytes: &[u8], limit: usize| {
        let mut framer = StreamFramer::with_limit(limit);
        framer.push(bytes).map_err(|failure| failure.error).map(|()| drain(&mut framer).len())
    };
    assert_eq!(push(&fits, 5000), Ok(1));
    assert_eq!(push(&fits, 4999), Err(ParseError::BodyTooLarge));
    assert_eq!(push(&text(4990, 0), 5000), Err(ParseError::TooLarge));
    assert_eq!(push(&text(0, limits::MAX_STREAM_MESSAGE), usize::MAX), Err(ParseError::BodyTooLarge));
}

fn drain(framer: &mut StreamFramer) -> Vec<Frame> {
    std::iter::from_fn(|| framer.next()).collect()
}

fn message(body: &[u8]) -> Vec<u8> {
    [format!("MESSAGE sip:x SIP/2.0\r\nl: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60).prop_map(|body| message(&body)),
        2 => Just(b"\r\n\r\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => prop::sample::select(BROKEN).prop_map(<[u8]>::to_vec),
    ]
}

const BROKEN: &[&[u8]] = &[b"\r", b"\n", b"X", b"OPTIONS x\r\n\r\n", b"\0", b"l: 5\r\n"];

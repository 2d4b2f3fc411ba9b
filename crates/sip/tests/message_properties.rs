//! What holds of every sequence of bytes: parsing never panics, an edit of nothing changes nothing, Content-Length has
//! one meaning, and a message of ours reads as it was written.

use bytes::Bytes;
use proptest::prelude::*;
use ringback_sip::fuzz;
use ringback_sip::message::{Builder, Message, Method, Name, ParseError, limits};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::message(&bytes);
        fuzz::uri(&bytes);
        fuzz::header_values(&bytes);
    }

    #[test]
    fn nearly_messages_are_read_or_refused(bytes in nearly_a_message()) {
        fuzz::message(&bytes);
    }

    #[test]
    fn nearly_values_are_read_or_refused(bytes in "[ \t\r\n\"\\\\<>;,=:/@%?&a-z0-9.\\[\\]*+-]{0,80}") {
        fuzz::uri(bytes.as_bytes());
        fuzz::header_values(bytes.as_bytes());
    }

    /// RFC 3261 §18.3 for datagrams: a longer body is cut, a shorter one refused.
    #[test]
    fn content_length_decides(declared in 0usize..200, actual in 0usize..200) {
        let parsed = Message::parse(with_length_lines(&format!("Content-Length: {declared}\r\n"), actual));
        if declared > actual {
            prop_assert_eq!(parsed, Err(ParseError::BodyTruncated));
        } else {
            prop_assert_eq!(parsed.unwrap().body().len(), declared);
        }
    }

    #[test]
    fn two_content_lengths_must_agree(one in 0u32..100, two in 0u32..100) {
        let lines = format!("l: {one}\r\nX: y\r\nContent-Length : {two}\r\n");
        let parsed = Message::parse(with_length_lines(&lines, 200));
        if one == two {
            prop_assert_eq!(parsed.unwrap().body().len(), one as usize);
        } else {
            prop_assert_eq!(parsed, Err(ParseError::ContentLengthConflict));
        }
    }

    #[test]
    fn no_value_can_start_a_line_of_its_own(value in prop::collection::vec(any::<u8>(), 0..60)) {
        let request = Builder::request(Method::Options, &value)
            .header(Name::Subject, &value)
            .header_named(b"X-Value", &value)
            .body(&value, &value)
            .finish();
        let lines = request.lines().count();
        if let Ok(read) = Message::parse(request.bytes().clone()) {
            prop_assert_eq!(read.lines().count(), lines);
            let body: &[u8] = &value;
            prop_assert_eq!(read.body(), body);
        } else {
            // A URI of nothing makes a request line that is refused, never a second line.
            prop_assert!(value.iter().all(|&byte| byte <= b' ' || byte == 0x7f));
        }
        let mut edit = request.edit();
        edit.replace(Name::Subject, &value).push_front(Name::Route, &value).push_named(b"X-Other", &value);
        prop_assert_eq!(edit.finish().lines().count(), lines + 2);
    }
}

#[test]
fn content_length_that_is_no_number() {
    for (value, error) in [
        ("-1", ParseError::ContentLength),
        ("+1", ParseError::ContentLength),
        ("0x10", ParseError::ContentLength),
        ("", ParseError::ContentLength),
        ("1 2", ParseError::ContentLength),
        ("5, 5", ParseError::ContentLength),
        ("4294967296", ParseError::BodyTooLarge),
        ("99999999999999999999999999999", ParseError::BodyTooLarge),
        ("65537", ParseError::BodyTooLarge),
        ("0000000000005", ParseError::BodyTooLarge),
    ] {
        let bytes = with_length_lines(&format!("Content-Length: {value}\r\n"), 10);
        assert_eq!(Message::parse(bytes), Err(error), "{value}");
    }
    assert_eq!(Message::parse(with_length_lines("", 10)).unwrap().body().len(), 10, "absent on a datagram");
    assert_eq!(Message::parse(with_length_lines("l:\r\n 007\r\n", 10)).unwrap().body().len(), 7, "folded");
}

#[test]
fn limits_are_errors_with_a_status() {
    let message = |line: &str| Message::parse(with_length_lines(line, 0)).map(|_| ());
    let lines = |count: usize| "X: y\r\n".repeat(count);
    // Six lines are there already.
    assert_eq!(message(&lines(limits::MAX_HEADER_LINES - 6)), Ok(()));
    assert_eq!(message(&lines(limits::MAX_HEADER_LINES - 5)), Err(ParseError::TooManyLines));
    let long = |length: usize| format!("X: {}\r\n", "y".repeat(length - 3));
    assert_eq!(message(&long(limits::MAX_LINE)), Ok(()));
    assert_eq!(message(&long(limits::MAX_LINE + 1)), Err(ParseError::LineTooLong));
    let folded = format!("X: {}\r\n", "y\r\n ".repeat(limits::MAX_LINE / 4));
    assert_eq!(message(&folded), Err(ParseError::LineTooLong), "a fold does not start a new line");
    assert_eq!(Message::parse(vec![b'x'; 65_537].into()).unwrap_err(), ParseError::TooLarge);
    let uri = format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "x".repeat(limits::MAX_LINE));
    assert_eq!(Message::parse(uri.into()).unwrap_err().status(), 414);
    for (error, status) in [
        (ParseError::TooManyLines, 513),
        (ParseError::LineTooLong, 513),
        (ParseError::TooLarge, 513),
        (ParseError::BodyTooLarge, 413),
        (ParseError::HeaderLine, 400),
    ] {
        assert_eq!(error.status(), status);
    }
}

#[test]
fn vias_are_counted_over_lines_and_commas() {
    let via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx";
    let vias = |count: usize| format!("v: {}\r\n", vec![via; count].join(","));
    // One Via is there already.
    assert_eq!(Message::parse(with_length_lines(&vias(63), 0)).unwrap().validate(), Ok(()));
    let invalid = Message::parse(with_length_lines(&vias(64), 0)).unwrap().validate().unwrap_err();
    assert_eq!(invalid.status(), 513);
}

#[test]
fn white_space_before_the_colon_hides_no_header() {
    for line in ["P-Asserted-Identity : <sip:boss@x>\r\n", "p-asserted-identity\t: <sip:boss@x>\r\n"] {
        let message = Message::parse(with_length_lines(line, 0)).unwrap();
        assert_eq!(message.header(Name::PAssertedIdentity), Some(&b"<sip:boss@x>"[..]));
        let mut edit = message.edit();
        edit.remove(Name::PAssertedIdentity);
        assert_eq!(
            edit.finish().bytes().len(),
            with_length_lines("", 0).len() + "Content-Length: 0\r\n".len()
        );
    }
    let message = Message::parse(with_length_lines("X-Internal : 1\r\nx-INTERNAL: 2\r\n", 0)).unwrap();
    assert_eq!(message.header_named(b"X-Internal"), Some(&b"1"[..]));
    let mut edit = message.edit();
    edit.remove_named(b"x-internal");
    assert_eq!(edit.finish().header_named(b"X-Internal"), None);
}

#[test]
fn line_breaks_that_peers_disagree_about_are_refused() {
    for (line, error) in [
        ("X: a\nP-Asserted-Identity: b\r\n", ParseError::BareLineBreak),
        ("X: a\rP-Asserted-Identity: b\r\n", ParseError::BareLineBreak),
        ("X: a\r\r\n", ParseError::BareLineBreak),
        ("P-Asserted\r\n-Identity: b\r\n", ParseError::HeaderLine),
        (": b\r\n", ParseError::HeaderLine),
        ("X\0: b\r\n", ParseError::HeaderLine),
        ("X y: b\r\n", ParseError::HeaderLine),
        ("X\r\n : b\r\n", ParseError::HeaderLine),
    ] {
        assert_eq!(Message::parse(with_length_lines(line, 0)), Err(error), "{line:?}");
    }
    // A line that starts with white space is a fold, and there must be something to fold.
    let first = "OPTIONS sip:x SIP/2.0\r\n X: y\r\n\r\n";
    assert_eq!(Message::parse(first.into()), Err(ParseError::HeaderLine));
}

/// A request with these Content-Length lines and that many bytes after its head.
fn with_length_lines(lines: &str, body: usize) -> Bytes {
    let head = "OPTIONS sip:bob@example.com SIP/2.0\r\n\
                Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
                From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n";
    format!("{head}{lines}\r\n{}", "b".repeat(body)).into()
}

/// Lines of a message, whole or broken, in any order.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes())
}

const PIECES: &[&str] = &[
    "INVITE sip:bob@example.com SIP/2.0\r\n",
    "SIP/2.0 200 OK\r\n",
    "ACK ",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n",
    "v : SIP / 2.0 / TCP [2001:db8::1]:5060 ;rport, SIP/2.0/WS x.invalid;received=1\r\n",
    "From: \"A, B\" <sip:a@x>;tag=1\r\n",
    "To: sip:b@x\r\n",
    "Call-ID: a@b\r\n",
    "CSeq: 1 INVITE\r\n",
    "CSeq: 1",
    "Contact: *\r\n",
    "Contact: <sip:a@x>;expires=5;q=0.5, \"x\" <sip:b@y>\r\n",
    "Content-Length: 4\r\n",
    "l:9\r\n",
    "Content-Type: multipart/mixed;boundary=b\r\n",
    "\r\n",
    "\r\n--b\r\n\r\n",
    "--b--",
    " folded\r\n",
    "\n",
    "\r",
    ":",
    "\"",
    "<",
    "\u{0}\u{ff}",
    "X: y",
];

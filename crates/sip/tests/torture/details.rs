//! What the valid messages say once they are read, and what an edit does to them.

use bytes::Bytes;
use ringback_sip::framing::{Frame, StreamFramer};
use ringback_sip::header::{Address, Fault, Via};
use ringback_sip::message::{InvalidCause, Message, Method, Name, ParseError};
use ringback_sip::uri::Uri;

use crate::outcome::fault;
use crate::{rfc4475, rfc5118, vector};

#[test]
fn wsinv_is_read_through_its_white_space() {
    let message = Message::parse(vector("rfc4475", "wsinv")).unwrap();
    assert_eq!(message.to().unwrap().tag(), Some(&b"1918181833n"[..]));
    let from = message.from().unwrap();
    assert_eq!(from.display_unquoted().as_ref(), br#"J Rosenberg \""#);
    assert_eq!((from.uri, from.tag()), (&b"sip:jdrosen@example.com"[..], Some(&b"98asjd8"[..])));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    let vias: Vec<Via<'_>> = message.values(Name::Via).map(|value| Via::parse(value).unwrap()).collect();
    let read: Vec<_> = vias.iter().map(|via| (via.transport, via.sent_by, via.branch().unwrap())).collect();
    assert_eq!(
        read,
        [
            (&b"UDP"[..], &b"192.0.2.2"[..], &b"390skdjuw"[..]),
            (b"TCP", b"spindle.example.com", b"z9hG4bK9ikj8"),
            (b"UDP", b"192.168.255.111", b"z9hG4bK30239"),
        ]
    );
    assert_eq!(message.header(Name::Subject), Some(&b""[..]));
    let folded = message.lines().find(|line| line.raw_name() == b"NewFangledHeader").unwrap();
    assert!(folded.is_folded());
    assert_eq!(folded.unfolded().as_ref(), b"newfangled value continued newfangled value");
    let contact = message.contacts().next().unwrap().unwrap();
    assert_eq!(contact.display_unquoted().as_ref(), br#"Quoted string """#);
    assert_eq!((contact.q(), contact.params.has(b"secondparam")), (330, true));
    assert_eq!(contact.params.get(b"newparam"), Some(Some(&b"newvalue"[..])));
    assert!(message.body().starts_with(b"v=0\r\n"));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn intmeth_has_a_method_of_its_own() {
    let message = Message::parse(vector("rfc4475", "intmeth")).unwrap();
    assert_eq!(message.method().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(message.cseq().unwrap().method, message.method());
    assert_eq!(message.to().unwrap().display_unquoted().as_ref(), b"BEL:\x07 NUL:\0 DEL:\x7f");
    assert_eq!(message.from().unwrap().tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(message.max_forwards(), Ok(Some(255)));
    let utf8 = "\u{feff}大停電".as_bytes();
    assert_eq!(message.header_named(b"EXTENSIONHEADER-!.%*+_`'~"), Some(utf8));
    let uri = Uri::parse(message.request_uri()).unwrap();
    assert_eq!(uri.password, Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
}

#[test]
fn escapes_are_undone_where_they_are_read_and_nowhere_else() {
    let message = Message::parse(vector("rfc4475", "esc01")).unwrap();
    let uri = Uri::parse(message.request_uri()).unwrap();
    assert_eq!(uri.user_unescaped().unwrap().as_ref(), b"sips:user@example.com");
    let to = message.to().unwrap();
    assert!(to.parse_uri().unwrap().equals(&Uri::parse(b"sip:user@example.com").unwrap()));
    let contact = message.contacts().next().unwrap().unwrap();
    assert_eq!(contact.uri, &b"sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31"[..]);

    let message = Message::parse(vector("rfc4475", "esc02")).unwrap();
    assert_eq!(message.method().as_str(), "RE%47IST%45R");
    assert_eq!(message.contacts().count(), 2, "an escaped name is another header");

    let message = Message::parse(vector("rfc4475", "escnull")).unwrap();
    let users: Vec<_> = message
        .contacts()
        .map(|contact| contact.unwrap().parse_uri().unwrap().user_unescaped().unwrap().into_owned())
        .collect();
    assert_eq!(users, [b"\0".to_vec(), b"\0\0".to_vec()]);
}

#[test]
fn longreq_has_all_its_vias() {
    let message = Message::parse(vector("rfc4475", "longreq")).unwrap();
    assert_eq!(message.values(Name::Via).count(), 34);
    assert_eq!(message.via().unwrap().sent_by, b"sip33.example.com");
}

#[test]
fn dblreq_is_one_datagram_and_two_messages_of_a_stream() {
    let bytes = vector("rfc4475", "dblreq");
    let message = Message::parse(bytes.clone()).unwrap();
    assert_eq!(message.method(), Method::Register);
    assert!(message.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
    let mut framer = StreamFramer::new();
    // The second body is a byte longer than it says, so the stream cannot go on after it.
    assert_eq!(framer.push(&bytes).unwrap_err().error, ParseError::ContentLengthMissing);
    let frames: Vec<Frame> = std::iter::from_fn(|| framer.next()).collect();
    let [Frame::Message(first), Frame::Pong, Frame::Message(second)] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(first, message.bytes());
    assert_eq!(Message::parse(second.clone()).unwrap().method(), Method::Invite);
}

#[test]
fn mpart01_has_two_parts() {
    let message = Message::parse(vector("rfc4475", "mpart01")).unwrap();
    let parts: Vec<_> = message.parts().map(Result::unwrap).collect();
    assert_eq!(parts.len(), 2);
    assert_eq!((parts[0].content_type, parts[0].body), (&b"text/plain"[..], &b"Hello"[..]));
    assert!(parts[1].is(b"application/octet-stream"));
    // What the length of its DER says.
    assert_eq!((&parts[1].body[..4], parts[1].body.len()), (&[0x30, 0x82, 0x01, 0x52][..], 0x152 + 4));
    assert_eq!(message.parts().find(b"text/plain"), Some(parts[0]));
}

#[test]
fn baddn_with_its_empty_line_has_a_bad_display_name() {
    let message = rfc4475::with_empty_line(&vector("rfc4475", "baddn"));
    let invalid = message.validate().unwrap_err();
    assert_eq!(invalid.cause, InvalidCause::Header(fault(Name::From, Fault::Malformed)));
    assert_eq!(invalid.status(), 400);
}

#[test]
fn cparam_puts_the_parameter_where_the_brackets_say() {
    let contact = |name: &str| {
        let message = Message::parse(vector("rfc4475", name)).unwrap();
        let address = message.header(Name::Contact).unwrap().to_vec();
        let address = Address::parse(&address).unwrap();
        (address.params.has(b"unknownparam"), address.parse_uri().unwrap().params.has(b"unknownparam"))
    };
    assert_eq!(contact("cparam01"), (true, false));
    assert_eq!(contact("cparam02"), (false, true));
}

#[test]
fn reason_phrases_may_be_anything_or_nothing() {
    let message = Message::parse(vector("rfc4475", "unreason")).unwrap();
    assert!(std::str::from_utf8(message.reason()).unwrap().starts_with("= 2**3 * 5**2 но"));
    let message = Message::parse(vector("rfc4475", "noreason")).unwrap();
    assert_eq!((message.status(), message.reason()), (Some(100), &b""[..]));
}

/// Each edit changes one span; taking the change back gives the bytes that came.
#[test]
fn an_edit_touches_only_its_span() {
    let names = rfc4475::valid().map(|name| ("rfc4475", name));
    let all = names.chain(rfc5118::ROWS.iter().map(|row| ("rfc5118", row.name)));
    for (folder, name) in all {
        let message = Message::parse(vector(folder, name)).unwrap();
        // An edited message has a Content-Length, so one without gets it first.
        let message = message.edit().finish();
        for header in [Name::CallId, Name::Via, Name::CSeq, Name::To] {
            let value = message.header(header).unwrap();
            let mut edit = message.edit();
            edit.replace(header, b"SOMETHING ELSE");
            let edited = edit.finish();
            assert_eq!(edited.header(header), Some(&b"SOMETHING ELSE"[..]), "{name}");
            let at = place(message.bytes(), value);
            let expected =
                [&message.bytes()[..at], b"SOMETHING ELSE", &message.bytes()[at + value.len()..]].concat();
            assert_eq!(edited.bytes(), &Bytes::from(expected), "{name}");
        }
        let mut edit = message.edit();
        edit.push_front(Name::Via, b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKnew");
        edit.push_named(b"X-Ours", b"1");
        let pushed = edit.finish();
        assert_eq!(pushed.via().unwrap().branch(), Some(&b"z9hG4bKnew"[..]), "{name}");
        assert_eq!(Message::parse(pushed.bytes().clone()).as_ref(), Ok(&pushed), "{name}");
        let mut edit = pushed.edit();
        edit.pop_value(Name::Via).remove_named(b"x-ours");
        assert_eq!(edit.finish().bytes(), message.bytes(), "{name}");
    }
}

fn place(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

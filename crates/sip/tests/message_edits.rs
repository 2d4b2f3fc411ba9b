//! Edits and answers, text in and text compared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use ringback_sip::header::HeaderError;
use ringback_sip::message::{Builder, Message, Method, Name};

/// Spellings, white space and folds that an edit must leave alone.
const REQUEST: &str = "\
INVITE sip:bob@example.com SIP/2.0
v :SIP/2.0/UDP 192.0.2.1:5070 ; rport;received=203.0.113.9 ;branch=z9hG4bKa , SIP/2.0/TCP p.example.com
   ;branch=z9hG4bKb
VIA: SIP/2.0/UDP last.example.com
f:\"Alice\" <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
i: c@x
CSeq:  7   INVITE
Max-forwards:70
X-Odd  : kept,
\tas it stands
Timestamp: 54
P-Asserted-Identity: <sip:boss@example.com>
c: text/plain
l: 4

body";

#[test]
fn the_source_of_a_request_is_written_into_its_topmost_via() {
    let received = |via: &str| {
        let message =
            message(&REQUEST.replace("192.0.2.1:5070 ; rport;received=203.0.113.9 ;branch=z9hG4bKa", via));
        let edited = message.with_source("198.51.100.4:6000".parse().unwrap()).unwrap();
        assert_eq!(edited.values(Name::Via).count(), 3);
        assert_reads_as_written(&edited);
        (edited.via().unwrap().received(), edited.via().unwrap().rport(), first_value(&edited))
    };
    let source = Some("198.51.100.4".parse().unwrap());
    assert_eq!(
        received("192.0.2.1:5070 ; rport;received=203.0.113.9 ;branch=z9hG4bKa"),
        (
            source,
            Some(Some(6000)),
            "SIP/2.0/UDP 192.0.2.1:5070 ;rport=6000 ;branch=z9hG4bKa;received=198.51.100.4".to_owned()
        )
    );
    // Nobody is told a port who has not asked for it, and a browser's sent-by stays as it is.
    assert_eq!(
        received("x8a7.invalid;branch=z9hG4bKa"),
        (source, None, "SIP/2.0/UDP x8a7.invalid;branch=z9hG4bKa;received=198.51.100.4".to_owned())
    );
    assert_eq!(
        received("a;Received=1;rport=1;RECEIVED=2;branch=b;received=\"3\""),
        (source, Some(Some(6000)), "SIP/2.0/UDP a;rport=6000;branch=b;received=198.51.100.4".to_owned())
    );
}

#[test]
fn an_ipv6_source_stands_without_brackets() {
    let message = message(REQUEST);
    let edited = message.with_source("[2001:db8::9]:5060".parse().unwrap()).unwrap();
    assert!(first_value(&edited).ends_with(";received=2001:db8::9"));
    assert_eq!(edited.via().unwrap().received(), Some("2001:db8::9".parse().unwrap()));
}

#[test]
fn a_source_needs_a_via() {
    let none = message("OPTIONS sip:x SIP/2.0\n\n");
    let source = ([192, 0, 2, 1], 1).into();
    assert_eq!(none.with_source(source).unwrap_err(), HeaderError::missing(Name::Via));
    let broken = message("OPTIONS sip:x SIP/2.0\nVia: SIP/2.0\n\n");
    assert!(broken.with_source(source).is_err());
}

#[test]
fn a_proxy_hop_changes_what_it_must_and_nothing_else() {
    let message = message(REQUEST);
    let mut edit = message.edit();
    edit.set_request_uri(b"sip:bob@192.0.2.77;transport=ws");
    edit.replace(Name::MaxForwards, b"69");
    edit.push_front(Name::Via, b"SIP/2.0/TLS edge.example.com;branch=z9hG4bKnew");
    edit.push_front(Name::RecordRoute, b"<sip:edge.example.com;lr>");
    edit.remove(Name::PAssertedIdentity);
    let expected = REQUEST
        .replace("sip:bob@example.com SIP", "sip:bob@192.0.2.77;transport=ws SIP")
        .replace("Max-forwards:70", "Max-forwards:69")
        .replace("v :", "Record-Route: <sip:edge.example.com;lr>\nVia: SIP/2.0/TLS edge.example.com;branch=z9hG4bKnew\nv :")
        .replace("P-Asserted-Identity: <sip:boss@example.com>\n", "");
    assert_text(&edit.finish(), &expected);
}

#[test]
fn values_leave_one_by_one() {
    let message = message(REQUEST);
    let mut edit = message.edit();
    edit.pop_value(Name::Via);
    let once = edit.finish();
    assert_eq!(once.values(Name::Via).count(), 2);
    assert_eq!(once.via().unwrap().branch(), Some(&b"z9hG4bKb"[..]));
    assert_reads_as_written(&once);
    let mut edit = once.edit();
    edit.pop_value(Name::Via).pop_value(Name::Via).pop_value(Name::Via).pop_value(Name::Route);
    assert!(!edit.finish().has(Name::Via));
}

#[test]
fn lines_are_kept_by_what_they_are() {
    let message = message(REQUEST);
    let mut edit = message.edit();
    edit.push_named(b"X-Ours", b"1");
    edit.retain(|line| !line.raw_name().starts_with(b"X-") && line.name() != Name::PAssertedIdentity);
    edit.remove_named(b"x-ODD").remove_named(b"Timestamp").remove_named(b"call-id");
    let edited = edit.finish();
    let names: Vec<_> =
        edited.lines().map(|line| String::from_utf8(line.raw_name().to_vec()).unwrap()).collect();
    assert_eq!(names, ["v", "VIA", "f", "To", "CSeq", "Max-forwards", "c", "l", "X-Ours"]);
}

#[test]
fn replacing_by_number_and_adding_behind() {
    let message = message(REQUEST);
    let mut edit = message.edit();
    assert!(edit.replace_nth(Name::Via, 1, b"SIP/2.0/UDP second.example.com"));
    assert!(!edit.replace_nth(Name::Via, 2, b"SIP/2.0/UDP third.example.com"));
    edit.push_back(Name::Via, b"SIP/2.0/UDP third.example.com").replace(Name::Subject, b"new\r\nX-Evil: 1");
    let edited = edit.finish();
    let vias: Vec<_> = edited.headers(Name::Via).skip(1).collect();
    assert_eq!(vias, [b"SIP/2.0/UDP second.example.com".as_slice(), b"SIP/2.0/UDP third.example.com"]);
    assert_eq!(edited.header(Name::Subject), Some(&b"new  X-Evil: 1"[..]));
    assert_reads_as_written(&edited);
}

#[test]
fn a_new_body_has_its_type_and_length() {
    let message = message(&REQUEST.replace("l: 4\n", "l: 4\nContent-Length: 4\n"));
    let mut edit = message.edit();
    edit.set_body(b"application/sdp", b"v=0\r\ns=\xc3\xb6\r\n");
    let edited = edit.finish();
    assert_eq!(edited.headers(Name::ContentLength).collect::<Vec<_>>(), [b"11"]);
    assert_eq!(edited.header(Name::ContentType), Some(&b"application/sdp"[..]));
    assert_eq!(edited.body(), b"v=0\r\ns=\xc3\xb6\r\n");
    assert_reads_as_written(&edited);
    let mut edit = edited.edit();
    edit.set_body(b"", b"");
    let empty = edit.finish();
    assert_eq!((empty.header(Name::ContentType), empty.header(Name::ContentLength)), (None, Some(&b"0"[..])));
}

#[test]
fn an_answer_copies_what_the_rfc_says_as_it_stands() {
    let request = message(REQUEST);
    let via = "v: SIP/2.0/UDP 192.0.2.1:5070 ; rport;received=203.0.113.9 ;branch=z9hG4bKa , SIP/2.0/TCP p.example.com\n   \
               ;branch=z9hG4bKb\nVIA: SIP/2.0/UDP last.example.com\n";
    let rest = "f: \"Alice\" <sip:alice@example.com>;tag=1\nTo: <sip:bob@example.com>TAG\ni: c@x\nCSeq: 7   INVITE\n";
    assert_text(
        &Builder::reply(&request, 100).finish(),
        &format!("SIP/2.0 100 Trying\n{via}{}Timestamp: 54\nContent-Length: 0\n\n", rest.replace("TAG", "")),
    );
    let answer = Builder::reply(&request, 200)
        .to_tag(b"t1")
        .to_tag(b"t2")
        .header(Name::Contact, "<sip:bob@192.0.2.7>")
        .body(b"application/sdp", b"v=0\r\n")
        .finish();
    assert_text(
        &answer,
        &format!(
            "SIP/2.0 200 OK\n{via}{}Contact: <sip:bob@192.0.2.7>\nContent-Type: application/sdp\n\
             Content-Length: 5\n\nv=0\n",
            rest.replace("TAG", ";tag=t1")
        ),
    );
    assert_eq!((answer.method(), answer.status()), (Method::Invite, Some(200)));
    assert_eq!(answer.validate(), Ok(()));
}

#[test]
fn an_answer_in_a_dialog_keeps_its_tag() {
    let request =
        message(&REQUEST.replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=theirs"));
    let answer = Builder::reply(&request, 481).to_tag(b"ours").finish();
    assert_eq!(answer.to().unwrap().tag(), Some(&b"theirs"[..]));
    assert_eq!(answer.reason(), b"Call/Transaction Does Not Exist");
}

#[test]
fn a_stateless_answer_has_the_same_tag_every_time() {
    let tag = |text: &str| {
        let request = message(text);
        let answer = Builder::reply(&request, 401).stateless_to_tag(&request).finish();
        answer.to().unwrap().tag().map(<[u8]>::to_vec)
    };
    assert_eq!(tag(REQUEST).unwrap().len(), 16);
    assert_eq!(tag(REQUEST), tag(REQUEST));
    assert_ne!(tag(REQUEST), tag(&REQUEST.replace("z9hG4bKa", "z9hG4bKc")));
    let broken = message(&REQUEST.replace("To: <sip:bob@example.com>", "To: \"Bob <sip:bob@example.com>"));
    let answer = Builder::reply(&broken, 400).to_tag(b"t").finish();
    assert_eq!(answer.header(Name::To), broken.header(Name::To), "an open quote takes no tag");
}

#[test]
fn a_response_has_the_method_of_its_cseq() {
    let response =
        Builder::response(200, "OK").header(Name::CSeq, "3 BYE").header_named(b"X-A", "b").finish();
    assert_eq!(response.method(), Method::Bye);
    assert_eq!(response.header_named(b"x-a"), Some(&b"b"[..]));
    let mut edit = response.edit();
    edit.replace(Name::CSeq, b"4 INVITE");
    assert_eq!(edit.finish().method(), Method::Invite);
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

fn assert_text(message: &Message, expected: &str) {
    assert_eq!(String::from_utf8_lossy(message.bytes()).replace("\r\n", "\n"), expected);
    assert_reads_as_written(message);
}

/// The index that we made says what the parser finds.
fn assert_reads_as_written(message: &Message) {
    let read = Message::parse(message.bytes().clone()).unwrap();
    let lines = |message: &Message| -> Vec<_> {
        message.lines().map(|line| (line.name(), line.raw_name().to_vec(), line.value().to_vec())).collect()
    };
    assert_eq!(lines(&read), lines(message));
    assert_eq!(
        (read.method(), read.status(), read.body()),
        (message.method(), message.status(), message.body())
    );
    assert_eq!((read.request_uri(), read.reason()), (message.request_uri(), message.reason()));
}

fn first_value(message: &Message) -> String {
    String::from_utf8(message.values(Name::Via).next().unwrap().to_vec()).unwrap()
}

//! Dialogs by the rules of RFC 3261 §12.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

use bytes::Bytes;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::dialog::{Dialog, DialogId, Fate, NoDialog, Reject, State};
use ringback_sip::message::{Builder, Message, Method, Name};

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.trim_start().replace('\n', "\r\n"))).unwrap()
}

fn flow() -> Flow {
    Flow::datagram("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap())
}

/// The INVITE of Alice, as she sends it and, with Record-Routes, as Bob gets it.
fn invite(record_routes: &[&str]) -> Message {
    let record_routes: String =
        record_routes.iter().map(|route| format!("Record-Route: {route}\n")).collect();
    message(&format!(
        "
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1
Max-Forwards: 70
{record_routes}From: \"Alice A.\" <sip:alice@example.com>;tag=a1
To: Bob <sip:bob@example.com>
Call-ID: call@1
CSeq: 314 INVITE
Contact: <sip:alice@192.0.2.1:5070;transport=udp>;expires=60
Content-Length: 0

"
    ))
}

fn response(status: u16, method: &str, headers: &str) -> Message {
    message(&format!(
        "
SIP/2.0 {status} Something
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1
{headers}From: \"Alice A.\" <sip:alice@example.com>;tag=a1
To: Bob <sip:bob@example.com>;tag=b1
Call-ID: call@1
CSeq: 314 {method}
Content-Length: 0

"
    ))
}

/// A request of Bob to Alice in the dialog.
fn from_bob(method: &str, cseq: u32, headers: &str) -> Message {
    message(&format!(
        "
{method} sip:alice@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKb{cseq}
Max-Forwards: 70
From: Bob <sip:bob@example.com>;tag=b1
To: \"Alice A.\" <sip:alice@example.com>;tag=a1
Call-ID: call@1
CSeq: {cseq} {method}
{headers}Content-Length: 0

"
    ))
}

const BOB_CONTACT: &str = "Contact: <sip:bob@192.0.2.2:5080>\n";

fn text(message: &Message) -> String {
    String::from_utf8(message.bytes().to_vec()).unwrap().replace("\r\n", "\n")
}

fn routes(routes: &[Bytes]) -> Vec<&str> {
    routes.iter().map(|route| std::str::from_utf8(route).unwrap()).collect()
}

#[test]
fn the_server_s_dialog_has_the_routes_as_they_stand_and_its_tags_turned_round() {
    let request = invite(&["<sip:p2;lr>, <sip:p1;lr>", "<sip:p0;lr>"]);
    let mut dialog = Dialog::uas(&request, b"b1", flow()).unwrap();
    assert_eq!(dialog.state, State::Early);
    assert_eq!(
        dialog.id,
        DialogId { call_id: "call@1".into(), local_tag: "b1".into(), remote_tag: "a1".into() }
    );
    assert_eq!((dialog.local_cseq, dialog.remote_cseq), (0, Some(314)));
    assert_eq!(dialog.remote_target, "sip:alice@192.0.2.1:5070;transport=udp");
    assert_eq!(routes(&dialog.route_set), ["<sip:p2;lr>", "<sip:p1;lr>", "<sip:p0;lr>"]);
    dialog.confirm();
    assert_eq!(dialog.state, State::Confirmed);
    let bye = dialog.request(Method::Bye, b"z9hG4bKx", b"192.0.2.2:5060").finish();
    assert_eq!(
        text(&bye),
        "BYE sip:alice@192.0.2.1:5070;transport=udp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKx;rport
Max-Forwards: 70
Route: <sip:p2;lr>
Route: <sip:p1;lr>
Route: <sip:p0;lr>
From: Bob <sip:bob@example.com>;tag=b1
To: \"Alice A.\" <sip:alice@example.com>;tag=a1
Call-ID: call@1
CSeq: 1 BYE
Content-Length: 0

"
    );
    assert_eq!(bye.validate(), Ok(()));
}

#[test]
fn the_client_s_dialog_has_the_routes_turned_round() {
    let headers = format!("Record-Route: <sip:p2;lr>\nRecord-Route: <sip:p1;lr>\n{BOB_CONTACT}");
    let mut dialog = Dialog::uac(&invite(&[]), &response(200, "INVITE", &headers), flow()).unwrap();
    assert_eq!(dialog.state, State::Confirmed);
    assert_eq!(
        dialog.id,
        DialogId { call_id: "call@1".into(), local_tag: "a1".into(), remote_tag: "b1".into() }
    );
    assert_eq!((dialog.local_cseq, dialog.remote_cseq), (314, None));
    assert_eq!(routes(&dialog.route_set), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    let ack = dialog.ack(314, b"z9hG4bKa", b"192.0.2.1").finish();
    assert_eq!(ack.request_uri(), b"sip:bob@192.0.2.2:5080");
    assert_eq!(ack.header(Name::CSeq), Some(&b"314 ACK"[..]));
    let info = dialog.request(Method::Info, b"z9hG4bKi", b"192.0.2.1").finish();
    assert_eq!(info.header(Name::CSeq), Some(&b"315 INFO"[..]), "an ACK takes no number");
    assert_eq!(info.values(Name::Route).collect::<Vec<_>>(), [&b"<sip:p1;lr>"[..], b"<sip:p2;lr>"]);
    assert_eq!(info.header(Name::To), Some(&b"Bob <sip:bob@example.com>;tag=b1"[..]));
}

/// §12.2.1.1, the example of RFC 3261 §16.12.1.2: a strict router is put into the Request-URI.
#[test]
fn a_strict_router_takes_the_place_of_the_target() {
    let record_routes = ["<sip:u@p1:5060;method=INVITE;transport=tcp?a=b>;x=1, <sip:p2;lr>"];
    let mut dialog = Dialog::uas(&invite(&record_routes), b"b1", flow()).unwrap();
    let bye = dialog.request(Method::Bye, b"z9hG4bKx", b"192.0.2.2").finish();
    assert_eq!(bye.request_uri(), b"sip:u@p1:5060;transport=tcp", "neither method nor headers go there");
    assert_eq!(
        bye.values(Name::Route).collect::<Vec<_>>(),
        [&b"<sip:p2;lr>"[..], b"<sip:alice@192.0.2.1:5070;transport=udp>"]
    );
}

#[test]
fn a_via_names_the_transport_of_the_flow_and_asks_for_the_port_over_udp_only() {
    let mut dialog = Dialog::uas(&invite(&[]), b"b1", flow()).unwrap();
    let tuple = FiveTuple::new(Transport::Wss, flow().local(), flow().remote());
    dialog.flow = Flow { tuple, connection: ConnectionId(3) };
    let bye = dialog.request(Method::Bye, b"z9hG4bKx", b"x.invalid").finish();
    assert_eq!(bye.header(Name::Via), Some(&b"SIP/2.0/WSS x.invalid;branch=z9hG4bKx"[..]));
}

#[test]
fn a_2xx_confirms_an_early_dialog_and_sets_its_route_and_target_anew() {
    let headers = format!("Record-Route: <sip:p1;lr>\n{BOB_CONTACT}");
    let mut dialog = Dialog::uac(&invite(&[]), &response(180, "INVITE", &headers), flow()).unwrap();
    assert_eq!((dialog.state, routes(&dialog.route_set)), (State::Early, vec!["<sip:p1;lr>"]));
    let ok = response(200, "INVITE", "Record-Route: <sip:p9;lr>\nContact: <sip:bob@192.0.2.3>\n");
    assert_eq!(dialog.handle_response(&ok), Ok(Fate::Lives));
    assert_eq!((dialog.state, routes(&dialog.route_set)), (State::Confirmed, vec!["<sip:p9;lr>"]));
    assert_eq!(dialog.remote_target, "sip:bob@192.0.2.3");
    // A re-INVITE moves the target and never the route.
    let again = response(200, "INVITE", "Record-Route: <sip:other;lr>\nContact: <sip:bob@192.0.2.4>\n");
    assert_eq!(dialog.handle_response(&again), Ok(Fate::Lives));
    assert_eq!(routes(&dialog.route_set), ["<sip:p9;lr>"]);
    assert_eq!(dialog.remote_target, "sip:bob@192.0.2.4");
    // Neither an INFO nor a provisional response moves anything.
    for (status, method) in [(200, "INFO"), (183, "INVITE")] {
        let other = response(status, method, "Contact: <sip:elsewhere@192.0.2.5>\n");
        assert_eq!(dialog.handle_response(&other), Ok(Fate::Lives));
        assert_eq!(dialog.remote_target, "sip:bob@192.0.2.4");
    }
}

#[test]
fn a_broken_2xx_changes_nothing() {
    let mut dialog = Dialog::uac(&invite(&[]), &response(180, "INVITE", BOB_CONTACT), flow()).unwrap();
    let before = dialog.clone();
    let broken = response(200, "INVITE", "Record-Route: <sip:p9;lr>\nContact: <tel:+1234>\n");
    assert_eq!(dialog.handle_response(&broken), Err(NoDialog::Contact));
    assert_eq!(dialog, before);
}

#[test]
fn what_ends_a_dialog() {
    let confirmed = Dialog::uac(&invite(&[]), &response(200, "INVITE", BOB_CONTACT), flow()).unwrap();
    let early = Dialog::uac(&invite(&[]), &response(180, "INVITE", BOB_CONTACT), flow()).unwrap();
    for (dialog, status, method, fate) in [
        (&confirmed, 200, "BYE", Fate::Ended),
        (&confirmed, 500, "BYE", Fate::Ended),
        (&confirmed, 481, "INFO", Fate::Ended),
        (&confirmed, 408, "INVITE", Fate::Ended),
        (&confirmed, 488, "INVITE", Fate::Lives),
        (&confirmed, 491, "INVITE", Fate::Lives),
        (&confirmed, 405, "UPDATE", Fate::Lives),
        (&early, 486, "INVITE", Fate::Ended),
        (&early, 302, "INVITE", Fate::Ended),
        (&early, 504, "UPDATE", Fate::Lives),
        (&early, 100, "INVITE", Fate::Lives),
    ] {
        let got = dialog.clone().handle_response(&response(status, method, ""));
        assert_eq!(got, Ok(fate), "{status} to {method} in {:?}", dialog.state);
    }
}

#[test]
fn requests_must_come_in_order() {
    let mut dialog = Dialog::uac(&invite(&[]), &response(200, "INVITE", BOB_CONTACT), flow()).unwrap();
    assert_eq!(dialog.handle_request(&from_bob("INFO", 5, "")), Ok(()), "any number is the first");
    assert_eq!(dialog.handle_request(&from_bob("INFO", 5, "")), Err(Reject::Repeated));
    assert_eq!(dialog.handle_request(&from_bob("BYE", 4, "")), Err(Reject::OutOfOrder));
    assert_eq!(
        dialog.handle_request(&from_bob("INFO", 9, "")),
        Ok(()),
        "a gap is no fault: a proxy challenged it"
    );
    assert_eq!(dialog.handle_request(&from_bob("ACK", 5, "")), Ok(()), "an ACK has its INVITE's number");
    assert_eq!(dialog.handle_request(&from_bob("CANCEL", 5, "")), Ok(()));
    assert_eq!(dialog.remote_cseq, Some(9));
    assert_eq!(
        (Reject::OutOfOrder.status(), Reject::Repeated.status(), Reject::Contact.status()),
        (500, 500, 400)
    );
    let unreadable = from_bob("INFO", 10, "");
    let mut edit = unreadable.edit();
    edit.replace(Name::CSeq, b"x INFO");
    let reject = dialog.handle_request(&edit.finish()).unwrap_err();
    assert!(matches!(reject, Reject::CSeq(_)));
    assert_eq!(reject.status(), 400);
}

#[test]
fn a_target_refresh_moves_the_target_and_other_requests_do_not() {
    let start = Dialog::uac(&invite(&[]), &response(200, "INVITE", BOB_CONTACT), flow()).unwrap();
    let moved = "Contact: <sip:bob@192.0.2.77>\n";
    for (method, moves) in
        [("INVITE", true), ("UPDATE", true), ("INFO", false), ("BYE", false), ("MESSAGE", false)]
    {
        let mut dialog = start.clone();
        assert_eq!(dialog.handle_request(&from_bob(method, 1, moved)), Ok(()));
        let expected = if moves { "sip:bob@192.0.2.77" } else { "sip:bob@192.0.2.2:5080" };
        assert_eq!(dialog.remote_target, expected, "{method}");
    }
    let mut dialog = start.clone();
    assert_eq!(
        dialog.handle_request(&from_bob("INVITE", 1, "")),
        Ok(()),
        "without a Contact the target stays"
    );
    assert_eq!(dialog.remote_target, start.remote_target);
    for unusable in ["Contact: *\n", "Contact: <tel:+1>\n"] {
        let mut dialog = start.clone();
        assert_eq!(dialog.handle_request(&from_bob("INVITE", 1, unusable)), Err(Reject::Contact));
        assert_eq!((dialog.remote_target, dialog.remote_cseq), (start.remote_target.clone(), Some(1)));
    }
}

#[test]
fn messages_of_the_dialog_match_and_those_of_others_do_not() {
    let dialog = Dialog::uac(&invite(&[]), &response(200, "INVITE", BOB_CONTACT), flow()).unwrap();
    let bye = from_bob("BYE", 1, "");
    let ok = response(200, "INFO", "");
    for message in [&bye, &ok] {
        assert!(dialog.matches(message));
    }
    for (name, value) in [
        (Name::CallId, "call@2"),
        (Name::From, "<sip:bob@example.com>;tag=b2"),
        (Name::From, "<sip:bob@example.com>"),
        (Name::To, "<sip:alice@example.com>;tag=b1"),
        (Name::To, "<sip:alice@example.com>"),
        (Name::To, "<<"),
    ] {
        let mut edit = bye.edit();
        edit.replace(name, value.as_bytes());
        assert!(!dialog.matches(&edit.finish()), "{value}");
    }
    assert!(!dialog.matches(&invite(&[])));
}

#[test]
fn what_establishes_no_dialog() {
    let uac = |response: &Message| Dialog::uac(&invite(&[]), response, flow()).map(|_| ());
    assert_eq!(uac(&response(100, "INVITE", BOB_CONTACT)), Err(NoDialog::Response));
    assert_eq!(uac(&response(486, "INVITE", BOB_CONTACT)), Err(NoDialog::Response));
    assert_eq!(uac(&response(200, "INVITE", "Contact: *\n")), Err(NoDialog::Contact));
    let untagged = Builder::reply(&invite(&[]), 180).finish();
    assert_eq!(uac(&untagged), Err(NoDialog::Response));
    assert!(matches!(
        uac(&response(200, "INVITE", &format!("Record-Route: <nothing>\n{BOB_CONTACT}"))),
        Err(NoDialog::Header(error)) if error.name == Name::RecordRoute
    ));
    let uas = |name: Name| {
        let request = invite(&[]);
        let mut edit = request.edit();
        edit.remove(name);
        Dialog::uas(&edit.finish(), b"b1", flow()).map(|_| ())
    };
    assert_eq!(uas(Name::Contact), Err(NoDialog::Contact));
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        assert!(matches!(uas(name), Err(NoDialog::Header(error)) if error.name == name), "{name:?}");
    }
}

/// RFC 2543 peers: no tags; and a 2xx without a Contact leaves nothing but the Request-URI to talk to.
#[test]
fn a_2xx_without_tag_and_contact_still_makes_a_dialog() {
    let untagged = Builder::reply(&invite(&[]), 200).finish();
    let dialog = Dialog::uac(&invite(&[]), &untagged, flow()).unwrap();
    assert_eq!(
        (dialog.id.remote_tag.as_ref(), dialog.remote_target.as_ref()),
        (&b""[..], &b"sip:bob@example.com"[..])
    );
    let ack = dialog.ack(314, b"z9hG4bKa", b"192.0.2.1").finish();
    assert_eq!(ack.header(Name::To), Some(&b"Bob <sip:bob@example.com>"[..]));
}

#[test]
fn only_sips_over_a_secure_transport_is_secure() {
    let secure = |uri: &[u8], transport| {
        let request = invite(&[]);
        let mut edit = request.edit();
        edit.set_request_uri(uri);
        let tuple = FiveTuple::new(transport, flow().local(), flow().remote());
        let flow = Flow { tuple, connection: ConnectionId(1) };
        Dialog::uas(&edit.finish(), b"b1", flow).unwrap().secure
    };
    assert!(secure(b"SIPS:bob@example.com", Transport::Tls));
    assert!(!secure(b"sips:bob@example.com", Transport::Tcp));
    assert!(!secure(b"sip:bob@example.com", Transport::Tls));
}

//! What a proxy does to a request: RFC 3261 §16.3, §16.4 and §16.6, RFC 5393 and RFC 5658.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use ringback_sansio::Transport;
use ringback_sip::message::{Message, Name};
use ringback_sip::proxy::{
    Budget, LoopDetection, Onward, OwnRoute, OwnVia, Refusal, RouteScheme, Routed, Rules, check, forward,
    next_hop, preprocess, record_routes,
};
use ringback_sip::uri::{Host, Uri};

/// A request with that Request-URI and those header lines beside the ones that every request has.
fn request(method: &str, uri: &str, lines: &str) -> Message {
    let own: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nf :  \"A\"  <sip:alice@ringback>;tag=1\r\n\
         To: <sip:bob@ringback>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n{own}Content-Length: 2\r\n\r\nhi"
    );
    let message = Message::parse(Bytes::from(text)).unwrap();
    message.validate().unwrap();
    message
}

fn budget(request: &Message) -> Result<Budget, Refusal> {
    check(request, &Rules { options: &["path"], loops: &LoopDetection::new(1) })
}

fn ours(uri: &Uri<'_>) -> bool {
    let host = match uri.params.get(b"maddr") {
        Some(maddr) => maddr.and_then(Host::parse),
        None => Some(uri.host),
    };
    host == Some(Host::Name(b"ringback"))
        || host.and_then(|host| host.ip()) == Some("192.0.2.1".parse().unwrap())
}

fn routed(request: &Message) -> Routed {
    preprocess(request, ours).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn texts<'m>(values: impl Iterator<Item = &'m [u8]>) -> Vec<&'m str> {
    values.map(text).collect()
}

/// Each check of §16.3, its status, and what the answer says beside it.
#[test]
fn what_is_not_sent_on_is_refused_with_its_status() {
    for (uri, lines, status, reason) in [
        ("tel:+12015550123", "", 416, "Unsupported URI Scheme"),
        ("sip:bob@ringback", "Max-Forwards: 0", 483, "Too Many Hops"),
        ("sip:bob@ringback", "Proxy-Require: path, privacy\nProxy-Require: sec-agree", 420, "Bad Extension"),
        ("sip:bob@ringback", "Max-Breadth: 0", 440, "Max-Breadth Exceeded"),
        ("sip:bob@ringback", "Max-Breadth: many", 400, "Bad Request (Max-Breadth malformed)"),
    ] {
        let request = request("MESSAGE", uri, lines);
        let answer = budget(&request).unwrap_err().answer(&request).unwrap();
        assert_eq!((answer.status(), text(answer.reason())), (Some(status), reason));
        assert_eq!(answer.has(Name::Unsupported), status == 420);
        if status == 420 {
            assert_eq!(answer.header(Name::Unsupported), Some(&b"privacy, sec-agree"[..]));
        }
    }
    let ack = request("ACK", "sip:bob@ringback", "Max-Forwards: 0");
    assert_eq!(budget(&ack).unwrap_err().answer(&ack), None, "an ACK has no answer");
    let ack = request("ACK", "sip:bob@ringback", "Proxy-Require: privacy");
    assert!(budget(&ack).is_ok(), "its INVITE was asked");
}

#[test]
fn what_a_request_may_still_do() {
    let of = |lines| {
        let budget = budget(&request("MESSAGE", "sip:bob@ringback", lines)).unwrap();
        (budget.max_forwards, budget.breadth)
    };
    assert_eq!(of(""), (70, 60), "a client of RFC 2543 has no Max-Forwards");
    assert_eq!(of("Max-Forwards: 70\nMax-Breadth: 5"), (69, 5));
    assert_eq!(of("Max-Forwards: 1\nMax-Breadth: 4000000"), (0, 60), "more than ours is ours");
}

fn sent_on(request: &Message, uri: &str, loops: &LoopDetection) -> Message {
    let budget = check(request, &Rules { options: &[], loops }).unwrap();
    let onward = Onward {
        request_uri: uri.as_bytes(),
        routes: &[],
        record_routes: &[],
        budget: &budget,
        breadth: 60,
        via: OwnVia { transport: Transport::Tcp, sent_by: "ringback", branch: b"z9hG4bKx" },
        realm: None,
    };
    forward(request, &onward).unwrap()
}

/// A user whose contact is its own address of record: the request comes back as it left.
#[test]
fn a_loop_is_found_and_a_spiral_is_none() {
    let loops = LoopDetection::new(1);
    let rules = Rules { options: &[], loops: &loops };
    let first = request("MESSAGE", "sip:bob@ringback", "Max-Forwards: 70");
    let back = sent_on(&first, "sip:bob@ringback", &loops);
    assert_eq!(check(&back, &rules), Err(Refusal::Loop));
    let spiral = sent_on(&first, "sip:carol@ringback", &loops);
    assert!(check(&spiral, &rules).is_ok(), "it comes back for somebody else");
    let around = sent_on(&spiral, "sip:bob@ringback", &loops);
    assert_eq!(check(&around, &rules), Err(Refusal::Loop), "two users who send to one another");

    let others = LoopDetection::new(2);
    assert!(
        check(&back, &Rules { options: &[], loops: &others }).is_ok(),
        "another proxy's branch means nothing"
    );
    let answered = request("MESSAGE", "sip:bob@ringback", "Proxy-Authorization: Digest realm=\"x\"");
    assert_eq!(
        loops.trace(&first),
        loops.trace(&answered),
        "who answers our challenge on each round hides no loop"
    );
}

#[test]
fn a_cancel_has_the_trace_of_its_invite() {
    let loops = LoopDetection::new(1);
    let trace = |method| loops.trace(&request(method, "sip:bob@ringback", ""));
    assert_eq!(trace("INVITE"), trace("CANCEL"));
}

/// §16.4, first case.
#[test]
fn what_a_strict_router_did_is_undone() {
    for (routes, left) in [
        ("Route: <sip:far.example;lr>, <sip:bob@192.0.2.7>", vec!["<sip:far.example;lr>"]),
        ("Route: <sip:far.example;lr>\nRoute: <sip:bob@192.0.2.7>", vec!["<sip:far.example;lr>"]),
        ("Route: \"Bob\" <sip:bob@192.0.2.7>", vec![]),
    ] {
        let routed = routed(&request("BYE", "sip:token@192.0.2.1:5060;lr", routes));
        assert_eq!(text(routed.request.request_uri()), "sip:bob@192.0.2.7", "{routes}");
        assert_eq!(texts(routed.request.values(Name::Route)), left);
        assert_eq!(routed.own[..], [Bytes::from_static(b"sip:token@192.0.2.1:5060;lr")]);
    }
    let plain = request("MESSAGE", "sip:bob@ringback", "Route: <sip:far.example;lr>");
    assert_eq!(routed(&plain).request, plain, "a request for the domain itself is no such case");
}

/// §16.4, second case.
#[test]
fn an_maddr_of_ours_is_taken_out_of_the_request_uri() {
    for (uri, without) in [
        ("sip:bob@example.com:5070;maddr=192.0.2.1;transport=tcp;x=y", "sip:bob@example.com;x=y"),
        ("sips:example.com;maddr=192.0.2.1", "sips:example.com"),
        ("sip:bob@example.com;maddr=192.0.2.77", "sip:bob@example.com;maddr=192.0.2.77"),
    ] {
        assert_eq!(text(routed(&request("MESSAGE", uri, "")).request.request_uri()), without);
    }
}

/// §16.4, third case, and RFC 5658.
#[test]
fn our_entries_are_taken_from_the_top_of_the_route() {
    let far = "<sip:far.example;lr>";
    for (routes, left, own) in [
        (format!("Route: <sip:192.0.2.1;lr>, {far}"), vec![far], 1),
        (format!("Route: <sip:192.0.2.1;lr>\nRoute: {far}"), vec![far], 1),
        (format!("Route: <sip:a@192.0.2.1;lr;r2=on>,<sip:b@ringback;lr;r2=on>, {far}"), vec![far], 2),
        ("Route: <sip:192.0.2.1;lr>, <sip:ringback;lr>".into(), vec!["<sip:ringback;lr>"], 1),
        (
            "Route: <sip:1@ringback;lr;r2=on>, <sip:2@ringback;lr;r2=on>, <sip:3@ringback;lr;r2=on>".into(),
            vec!["<sip:3@ringback;lr;r2=on>"],
            2,
        ),
        (format!("Route: {far}, <sip:192.0.2.1;lr>"), vec![far, "<sip:192.0.2.1;lr>"], 0),
    ] {
        let routed = routed(&request("BYE", "sip:bob@192.0.2.7", &routes));
        assert_eq!((texts(routed.request.values(Name::Route)), routed.own.len()), (left, own), "{routes}");
    }
    let broken = request("BYE", "sip:bob@192.0.2.7", "Route: <sip:far.example");
    assert_eq!(preprocess(&broken, ours).unwrap_err().to_string(), "Route unbalanced");
}

#[test]
fn a_copy_is_what_came_but_for_what_the_rfc_changes() {
    let request = request(
        "MESSAGE",
        "sip:bob@ringback",
        "Max-Forwards: 70\nX-Odd  :   \"kept\"\nRecord-Route: <sip:before.example;lr>\n\
         Proxy-Authorization: Digest username=\"alice\", realm=\"ringback\", nonce=\"n\"\n\
         Proxy-Authorization: Digest username=\"alice\", realm=\"far\", nonce=\"n\"",
    );
    let budget = budget(&request).unwrap();
    let came = OwnRoute {
        scheme: RouteScheme::Sip,
        token: Some("tokenA"),
        host: "192.0.2.1",
        port: Some(5060),
        transport: Transport::Udp,
    };
    let goes = OwnRoute {
        token: Some("tokenB"),
        host: "[2001:db8::1]",
        port: Some(8443),
        transport: Transport::Wss,
        ..came
    };
    let onward = Onward {
        request_uri: b"sip:bob@x.invalid;transport=ws",
        routes: &[],
        record_routes: &record_routes(&came, &goes),
        budget: &budget,
        breadth: 30,
        via: OwnVia { transport: Transport::Wss, sent_by: "[2001:db8::1]:8443", branch: b"z9hG4bKunique" },
        realm: Some(b"ringback"),
    };
    let copy = forward(&request, &onward).unwrap();
    let via = text(copy.header(Name::Via).unwrap());
    let trace = via.strip_prefix("SIP/2.0/WSS [2001:db8::1]:8443;branch=z9hG4bKunique.").unwrap();
    assert_eq!(trace.len(), 16);
    let expected = format!(
        "MESSAGE sip:bob@x.invalid;transport=ws SIP/2.0\r\n\
         Via: {via}\r\n\
         Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n\
         f :  \"A\"  <sip:alice@ringback>;tag=1\r\n\
         To: <sip:bob@ringback>\r\n\
         Call-ID: c\r\n\
         CSeq: 7 MESSAGE\r\n\
         Max-Forwards: 69\r\n\
         X-Odd  :   \"kept\"\r\n\
         Record-Route: <sip:tokenB@[2001:db8::1]:8443;transport=wss;lr;r2=on>\r\n\
         Record-Route: <sip:tokenA@192.0.2.1:5060;transport=udp;lr;r2=on>\r\n\
         Record-Route: <sip:before.example;lr>\r\n\
         Proxy-Authorization: Digest username=\"alice\", realm=\"far\", nonce=\"n\"\r\n\
         Content-Length: 2\r\n\
         Max-Breadth: 30\r\n\
         \r\n\
         hi"
    );
    assert_eq!(text(copy.bytes()), expected);
}

#[test]
fn one_record_route_is_enough_when_both_sides_reach_us_the_same_way() {
    let way = OwnRoute {
        scheme: RouteScheme::Sips,
        token: None,
        host: "ringback",
        port: None,
        transport: Transport::Tls,
    };
    assert_eq!(
        texts(record_routes(&way, &way).iter().map(Vec::as_slice)),
        ["<sips:ringback;transport=tcp;lr>"]
    );
    let other = OwnRoute { transport: Transport::Wss, ..way };
    let pair = record_routes(&way, &other);
    assert_eq!(
        texts(pair.iter().map(Vec::as_slice)),
        ["<sips:ringback;transport=tcp;lr;r2=on>", "<sips:ringback;transport=ws;lr;r2=on>"]
    );
}

/// What we write, we take out again: both directions of a dialog across us.
#[test]
fn a_pair_of_record_routes_comes_back_as_one_step() {
    let came = OwnRoute {
        scheme: RouteScheme::Sip,
        token: Some("caller"),
        host: "ringback",
        port: Some(5060),
        transport: Transport::Udp,
    };
    let goes = OwnRoute { token: Some("callee"), transport: Transport::Ws, ..came };
    let pair = record_routes(&came, &goes);
    let [caller, callee] = [&pair[0], &pair[1]].map(|value| text(value));
    for (routes, last) in [([caller, callee], "sip:callee@"), ([callee, caller], "sip:caller@")] {
        let request = request("NOTIFY", "sip:x@192.0.2.7", &format!("Route: {}", routes.join(", ")));
        let routed = routed(&request);
        assert!(!routed.request.has(Name::Route));
        assert!(
            text(routed.own.last().unwrap()).starts_with(last),
            "the last one says over which flow it goes on"
        );
    }
}

#[test]
fn the_path_of_a_binding_stands_above_the_route_and_leads_the_way() {
    let request = request("MESSAGE", "sip:bob@ringback", "Route: <sip:far.example;lr>");
    let budget = budget(&request).unwrap();
    let path =
        [Bytes::from_static(b"<sip:edge1.example;lr>"), Bytes::from_static(b"<sip:edge2.example;lr;ob>")];
    let onward = Onward {
        request_uri: b"sip:bob@192.0.2.7",
        routes: &path,
        record_routes: &[],
        budget: &budget,
        breadth: 1,
        via: OwnVia { transport: Transport::Udp, sent_by: "192.0.2.1", branch: b"z9hG4bKx" },
        realm: None,
    };
    let copy = forward(&request, &onward).unwrap();
    assert_eq!(
        texts(copy.values(Name::Route)),
        ["<sip:edge1.example;lr>", "<sip:edge2.example;lr;ob>", "<sip:far.example;lr>"]
    );
    assert_eq!(next_hop(&copy), Ok(&b"sip:edge1.example;lr"[..]));
    assert!(
        text(copy.header(Name::Via).unwrap()).starts_with("SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKx.")
    );
}

/// §16.6 step 6.
#[test]
fn a_strict_router_gets_its_own_uri_as_request_uri() {
    let from_route = request(
        "MESSAGE",
        "sip:bob@ringback",
        "Route: <sip:strict.example;method=INVITE>, <sip:b.example;lr>",
    );
    let from_path = request("MESSAGE", "sip:bob@ringback", "Route: <sip:b.example;lr>");
    let path = [Bytes::from_static(b"<sip:strict.example>")];
    for (request, routes) in [(&from_route, &[][..]), (&from_path, &path[..])] {
        let budget = budget(request).unwrap();
        let onward = Onward {
            request_uri: b"sip:bob@192.0.2.7",
            routes,
            record_routes: &[],
            budget: &budget,
            breadth: 1,
            via: OwnVia { transport: Transport::Udp, sent_by: "192.0.2.1", branch: b"z9hG4bKx" },
            realm: None,
        };
        let copy = forward(request, &onward).unwrap();
        assert_eq!(text(copy.request_uri()), "sip:strict.example");
        assert_eq!(texts(copy.values(Name::Route)), ["<sip:b.example;lr>", "<sip:bob@192.0.2.7>"]);
    }
}

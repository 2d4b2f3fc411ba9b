//! Edge proxies and the way to a binding: RFC 5626 §5 and RFC 3327.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use ringback_sansio::{Flow, Transport};
use ringback_sip::message::Name;
use ringback_sip::outbound::{FlowFailed, FlowTokens, Onwards, add_path, devices, follow, way_to};
use ringback_sip::proxy::{OwnRoute, RouteScheme};
use ringback_sip::uri::{Host, Uri};

use registrar_world::{AOR, World, message, register, text, udp, wss};

fn tokens() -> FlowTokens {
    FlowTokens::new([3; 32], 1)
}

fn edge(token: Option<&str>) -> OwnRoute<'_> {
    OwnRoute {
        scheme: RouteScheme::Sip,
        token,
        host: "edge.example",
        port: Some(5060),
        transport: Transport::Udp,
    }
}

fn own_flow(uri: &Uri<'_>) -> Option<Flow> {
    let is_ours = uri.host == Host::Name(b"edge.example");
    uri.user.filter(|_| is_ours).and_then(|token| tokens().decode(token).ok()).map(|(_, flow)| flow)
}

/// RFC 5626 §5.1: the client looks for `ob` to know that its flow is kept.
#[test]
fn the_first_hop_says_that_it_keeps_flows_and_another_does_not() {
    let token = tokens().encode(0, &wss(1));
    let request = message(&register("a", 1, "Contact: <sip:x@one.invalid>"));
    let with_path = add_path(&request, &edge(Some(token.as_str())));
    let expected = format!("<sip:{token}@edge.example:5060;transport=udp;lr;ob>");
    assert_eq!(with_path.header(Name::Path).map(text), Some(expected));

    let second = message(&register(
        "a",
        1,
        "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bKz\nPath: <sip:first.example;lr;ob>",
    ));
    let paths: Vec<_> = add_path(&second, &edge(Some("t"))).values(Name::Path).map(text).collect();
    assert_eq!(paths, ["<sip:t@edge.example:5060;transport=udp;lr>", "<sip:first.example;lr;ob>"]);
    assert!(
        !text(add_path(&request, &edge(None)).header(Name::Path).unwrap()).contains(";ob"),
        "no token, no flow"
    );
}

/// RFC 5626 §5.3, a row for each way.
#[test]
fn a_token_says_over_which_flow_a_request_goes_on() {
    let token = tokens().encode(4, &wss(1));
    let own = format!("sip:{token}@edge.example;lr");
    let ask = |own: &str, came_by: Flow, open: bool| follow(&tokens(), own.as_bytes(), &came_by, |_| open);
    assert_eq!(ask(&own, udp(1), true), Ok(Onwards::Over { owner: 4, flow: wss(1) }));
    assert_eq!(ask(&own, wss(1), true), Ok(Onwards::ByUri), "it comes from the client itself");
    assert_eq!(ask("sip:edge.example;lr", udp(1), true), Ok(Onwards::ByUri));
    assert_eq!(ask(&own, udp(1), false), Err(FlowFailed::Gone));
    assert_eq!(ask("sip:bob@edge.example;lr", udp(1), true), Err(FlowFailed::Unreadable));
    let later_run = follow(&FlowTokens::new([3; 32], 2), own.as_bytes(), &udp(1), |_| true);
    assert_eq!(later_run, Err(FlowFailed::Unreadable));

    let request = message(&register("a", 1, "").replace("REGISTER", "MESSAGE"));
    let answer = FlowFailed::Gone.answer(&request).unwrap();
    assert_eq!(
        (answer.status(), text(answer.reason())),
        (Some(430), "Flow Failed (the connection is gone)".into())
    );
    let ack = message(&register("a", 1, "").replace("REGISTER", "ACK"));
    assert_eq!(FlowFailed::Gone.answer(&ack), None);
}

#[test]
fn a_binding_without_a_path_is_reached_over_its_flow() {
    let mut world = World::new();
    world.register(wss(1), &register("a", 1, "Contact: <sip:x@one.invalid>")).unwrap();
    let way = way_to(world.location.targets(AOR).next().unwrap(), own_flow);
    assert_eq!(
        (text(&way.request_uri).as_str(), way.flow, way.routes.len()),
        ("sip:x@one.invalid", wss(1), 0)
    );
    assert_eq!(way.next_hop, None);
}

/// RFC 3327 §5.3: the Path is the Route, in its order, and its first proxy is the one that sent the REGISTER on.
#[test]
fn a_path_is_the_route_to_its_binding() {
    let mut world = World::new();
    let lines =
        "Path: <sip:second.example;lr>\nPath: <sip:t@first.example;lr;ob>\nContact: <sip:x@one.invalid>";
    world.register(udp(9), &register("a", 1, lines)).unwrap();
    let way = way_to(world.location.targets(AOR).next().unwrap(), own_flow);
    assert_eq!(way.routes, ["<sip:second.example;lr>", "<sip:t@first.example;lr;ob>"]);
    assert_eq!((way.flow, way.next_hop.as_deref()), (udp(9), Some(&b"sip:second.example;lr"[..])));
}

#[test]
fn our_own_path_is_the_flow_of_its_token_and_no_route() {
    let mut world = World::new();
    let token = tokens().encode(0, &wss(7));
    let lines = format!("Path: <sip:{token}@edge.example;lr;ob>\nContact: <sip:x@one.invalid>");
    world.register(udp(9), &register("a", 1, &lines)).unwrap();
    let way = way_to(world.location.targets(AOR).next().unwrap(), own_flow);
    assert_eq!((way.flow, way.routes.len(), way.next_hop), (wss(7), 0, None));
}

#[test]
fn a_device_with_several_flows_is_one_and_its_newest_comes_first() {
    let mut world = World::new();
    let device = |name: &str, reg_id: u32, q: &str| {
        format!(
            "Supported: outbound\nContact: <sip:{name}@x.invalid>;+sip.instance=\"<urn:uuid:1>\";reg-id={reg_id};q={q}"
        )
    };
    world.register(wss(1), &register("a", 1, &device("older", 1, "0.9"))).unwrap();
    world.register(wss(2), &register("a", 2, &device("newer", 2, "0.4"))).unwrap();
    world
        .register(wss(3), &register("b", 1, "Contact: <sip:one@y.invalid>;q=0.8, <sip:two@y.invalid>;q=0.3"))
        .unwrap();
    let devices = devices(world.location.targets(AOR));
    let names: Vec<(u16, Vec<String>)> = devices
        .iter()
        .map(|device| (device.q(), device.bindings.iter().map(|binding| text(binding.uri())).collect()))
        .collect();
    assert_eq!(
        names,
        [
            (400, vec!["sip:newer@x.invalid".to_owned(), "sip:older@x.invalid".to_owned()]),
            (800, vec!["sip:one@y.invalid".to_owned()]),
            (300, vec!["sip:two@y.invalid".to_owned()]),
        ]
    );
}

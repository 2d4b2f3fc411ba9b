//! Flows and ways: contacts behind other proxies, devices with several flows, what a client is told to do.

use ringback_sip::message::{Builder, Message, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice at a telephone, and an edge proxy that has sent on the REGISTER of Bob's browser.
fn world() -> (World, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let edge = world.add("bob", "edge", Client::Baresip);
    world.phone(alice).register();
    world.run(secs(1));
    let register = world
        .phone(edge)
        .register_request(BOB)
        .header(Name::Path, "<sip:inner.example;lr>, <sip:token@edge.example;lr;ob>")
        .finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    let told = world.phone(edge).last_header("REGISTER", Name::Path);
    assert_eq!(told.as_deref(), Some("<sip:inner.example;lr>, <sip:token@edge.example;lr;ob>"));
    world.begin();
    (world, alice, edge)
}

const BOB: &str =
    "<sip:bob8r@df7jal23ls0d.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=600";

fn routes(request: &Message) -> Vec<String> {
    request.values(Name::Route).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_contact_is_reached_along_its_path_over_the_flow_that_it_came_by() {
    let (mut world, alice, edge) = world();
    let way = ["<sip:inner.example;lr>", "<sip:token@edge.example;lr;ob>"];
    world.phone(alice).write("bob", "hello");
    world.run(secs(1));
    let message = world.phone(edge).requests("MESSAGE").pop().unwrap().clone();
    assert_eq!(message.request_uri(), b"sip:bob8r@df7jal23ls0d.invalid;transport=ws");
    assert_eq!(routes(&message), way);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let invite = world.phone(edge).requests("INVITE").pop().unwrap().clone();
    assert_eq!(routes(&invite), way);
    assert!(String::from_utf8_lossy(invite.body()).contains("UDP/TLS/RTP/SAVPF"), "a browser is behind it");
    world.phone(alice).cancel();
    world.run(ms(500));
    let cancel = world.phone(edge).requests("CANCEL").pop().unwrap().clone();
    assert_eq!(routes(&cancel), way, "it follows its INVITE");
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn outbound_through_a_first_hop_that_does_not_have_it_is_a_439() {
    let mut world = World::new(1);
    let edge = world.add("bob", "edge", Client::Baresip);
    let register = |world: &mut World, path: &str| {
        let register = world.phone(edge).register_request(BOB).header(Name::Path, path).finish();
        world.phone(edge).send(register);
        world.run(secs(1));
        world.phone(edge).last_status("REGISTER")
    };
    assert_eq!(register(&mut world, "<sip:edge.example;lr>"), Some(439));
    assert_eq!(world.exchange.bindings(), 0);
    assert_eq!(register(&mut world, "<sip:edge.example;lr;ob>"), Some(200));
}

#[test]
fn a_client_over_tcp_that_uses_outbound_is_told_how_often_to_send_a_keep_alive() {
    let mut world = World::new(1);
    let [tcp, udp] = [world.baresip_over_tcp("alice"), world.baresip("bob")];
    for id in [tcp, udp] {
        let host = world.phone(id).host();
        let contact = format!("<sip:x@{host}>;+sip.instance=\"<urn:uuid:2>\";reg-id=1;expires=600");
        world.phone(id).send_register(&contact);
        world.run(secs(1));
        assert_eq!(world.phone(id).last_header("REGISTER", Name::Require).as_deref(), Some("outbound"));
    }
    assert_eq!(world.phone(tcp).last_header("REGISTER", Name::FlowTimer).as_deref(), Some("60"));
    assert_eq!(
        world.phone(udp).last_header("REGISTER", Name::FlowTimer),
        None,
        "datagrams are not kept by CRLF"
    );
    let page = world.jssip("carol");
    world.phone(page).register();
    world.run(secs(1));
    assert_eq!(world.phone(page).last_header("REGISTER", Name::FlowTimer), None, "we ping");
}

/// Bob's browser with two connections: the same instance, two reg-ids; the second is the newest.
fn two_flows() -> (World, PhoneId, [PhoneId; 2]) {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let flows = ["first", "second"].map(|label| world.add("bob", label, Client::JsSip));
    world.phone(alice).register();
    world.phone(flows[0]).register();
    world.run(secs(1));
    let contact = world.phone(flows[1]).client.registered_contact("bob", &world.phone(flows[1]).host(), 600);
    world.phone(flows[1]).send_register(&contact.replace("reg-id=1", "reg-id=2"));
    world.run(secs(1));
    world.begin();
    (world, alice, flows)
}

#[test]
fn a_message_goes_to_a_device_once_and_over_its_other_flow_when_one_fails() {
    let (mut world, alice, [first, second]) = two_flows();
    world.phone(alice).write("bob", "one");
    world.run(secs(1));
    assert_eq!(world.phone(second).messages(), ["one"], "the newest flow");
    assert!(world.phone(first).messages().is_empty(), "not twice to one device");
    world.phone(second).manners.on_info = Some(430);
    world.phone(alice).write("bob", "two");
    world.run(secs(1));
    assert_eq!(world.phone(first).messages(), ["two"]);
    world.phone(second).manners.on_info = None;
    world.phone(alice).write("bob", "three");
    world.run(secs(1));
    world.disconnect(second);
    world.run(secs(1));
    assert_eq!(world.phone(first).messages(), ["two", "three"]);
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 200, 407, 200, 407, 200]);
    assert_eq!(world.exchange.stats().flows_failed_over, 2);
    assert!(world.store.messages.is_empty());
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

/// INTEROP: a call outlives its connection. With another flow at hand it goes on at once.
#[test]
fn a_call_goes_on_over_the_other_flow_of_its_device() {
    let (mut world, alice, [first, second]) = two_flows();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(second).answer();
    world.run(ms(500));
    world.disconnect(second);
    world.run(ms(500));
    world.phone(alice).send_in_dialog(ringback_sip::message::Method::Info, "text/plain", "still there");
    world.run(secs(1));
    let info = world.phone(first).requests("INFO").pop().expect("over the other flow");
    assert_eq!(info.body(), b"still there");
    assert_eq!(world.exchange.stats().dialogs_moved, 1);
}

/// A public GRUU leads to a device, by whichever flow there is.
#[test]
fn a_gruu_leads_to_the_flow_that_is_left() {
    let (mut world, alice, [first, second]) = two_flows();
    let gruu = "sip:bob@192.0.2.1;gr=urn:uuid:00000000-0000-0000-0000-000000000bob";
    world.phone(alice).dial(gruu);
    world.run(ms(500));
    assert!(world.phone(second).is_ringing() && world.phone(first).requests("INVITE").is_empty());
    world.phone(second).refuse(430);
    world.run(ms(500));
    assert!(world.phone(first).is_ringing(), "{}", world.ladder());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_path_that_is_no_uri_is_refused() {
    let mut world = World::new(1);
    let edge = world.add("bob", "edge", Client::Baresip);
    let register: Builder = world.phone(edge).register_request(BOB);
    let register = register.header(Name::Path, "<tel:+123>").finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    assert_eq!(world.phone(edge).last_status("REGISTER"), Some(400));
}

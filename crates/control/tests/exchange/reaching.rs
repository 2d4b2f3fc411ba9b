//! Contacts that are reached over a connection of our own: behind proxies, and where their own connection is gone.

use std::net::SocketAddr;

use ringback_control::{Features, NotConnected};
use ringback_sansio::Transport;
use ringback_sip::message::Name;
use ringback_sip::resolve::{Data, Srv};

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Everything that can go wrong on the way to a contact, and once nothing does.
pub fn hard_to_reach() -> World {
    let (mut world, alice, edge) = world("<sip:198.51.100.11:1;transport=tcp;lr>");
    for (number, server) in [
        "198.51.100.11:2;transport=tcp",
        "198.51.100.11:3;transport=ws",
        "198.51.100.11:4;transport=tls",
        "198.51.100.11:5;transport=tcp",
        "nobody.example",
        "somebody.example;transport=sctp",
        "127.0.0.1:8080",
        "198.51.100.11:6;transport=tls",
    ]
    .into_iter()
    .enumerate()
    {
        let contact = format!("<sip:bob@10.0.0.7:{}>;expires=600", 6000 + number);
        let register = world.phone(edge).register_request(&contact);
        let register = register.header(Name::Path, format!("<sip:{server};lr>")).finish();
        world.phone(edge).send(register);
        world.run(ms(200));
    }
    world.outside.silent.insert("198.51.100.11:1".parse().unwrap());
    for (port, why) in [
        (2, NotConnected::TooMany),
        (3, NotConnected::NoWebSocket),
        (4, NotConnected::Untrusted),
        (5, NotConnected::Unreachable),
        (6, NotConnected::CertificateNotTaken),
    ] {
        world.outside.refusing.insert(SocketAddr::new("198.51.100.11".parse().unwrap(), port), why);
    }
    world.disconnect(edge);
    for _ in 0..300 {
        world.phone(alice).write("bob", "hello");
    }
    world.run(secs(20));
    let carol = world.baresip_over_tcp("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.listen(carol, Transport::Tcp);
    world.phone(alice).dial("carol");
    world.run(ms(300));
    world.phone(carol).answer();
    world.run(ms(300));
    world.disconnect(carol);
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    world
}

/// A caller loses its connection while the callee rings, and takes connections.
pub fn a_lost_caller_who_listens() -> World {
    let mut world = World::new(1);
    let alice = world.baresip_over_tcp("alice");
    let bob = world.baresip("bob");
    world.register_all();
    world.listen(alice, Transport::Tcp);
    world.phone(alice).dial("bob");
    world.run(ms(300));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(180));
    world.disconnect(alice);
    world.run(ms(300));
    assert_eq!(world.outside.log, ["connect TCP 198.51.100.10:5060 as 198.51.100.10"]);
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
    world.phone(bob).hang_up();
    world.settle();
    world
}

const BOB: &str = "<sip:bob@10.0.0.7:5060>;expires=600";

/// Alice at a telephone, and a proxy that has sent on the REGISTER of Bob's telephone over TCP, with that Path.
fn world(path: &str) -> (World, PhoneId, PhoneId) {
    let mut world = World::with(1, |settings| {
        settings.listeners = vec!["0.0.0.0:5060".parse().unwrap(), "127.0.0.1:8080".parse().unwrap()];
        settings.own_addresses = vec!["192.0.2.1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    });
    let alice = world.baresip("alice");
    let edge = world.baresip_over_tcp("edge");
    world.phone(edge).user = "bob".to_owned();
    world.phone(edge).password = "bob".chars().rev().collect();
    world.store.add("bob");
    world.phone(alice).register();
    let register = world.phone(edge).register_request(BOB).header(Name::Path, path).finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    assert_eq!(world.phone(edge).last_status("REGISTER"), Some(200));
    world.begin();
    (world, alice, edge)
}

fn srv(priority: u16, weight: u16, target: &str, port: u16) -> Data {
    Data::Srv(Srv { priority, weight, port, target: target.to_owned() })
}

fn connect(world: &mut World, alice: PhoneId, edge: PhoneId) {
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.phone(edge).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(edge).is_up(), "{}", world.ladder());
}

#[test]
fn a_call_to_a_contact_behind_a_proxy_whose_connection_is_gone_makes_a_new_one() {
    let (mut world, alice, edge) = world("<sip:token@198.51.100.11:5060;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    connect(&mut world, alice, edge);
    let invite = world.phone(edge).requests("INVITE").pop().unwrap().clone();
    assert_eq!(invite.header(Name::Route).unwrap(), b"<sip:token@198.51.100.11:5060;transport=tcp;lr>");
    assert!(invite.header(Name::Via).unwrap().starts_with(b"SIP/2.0/TCP 192.0.2.1:5060;"));
    assert_eq!(invite.header(Name::Contact).unwrap(), b"<sip:ringback@192.0.2.1:5060;transport=tcp>");
    world.phone(edge).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().connections_made, 1);
    insta::assert_snapshot!(world.story());
}

#[test]
fn the_next_requests_share_the_connection_until_it_is_lost() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    for text in ["one", "two"] {
        world.phone(alice).write("bob", text);
        world.run(secs(1));
    }
    assert_eq!(world.outside.log, ["connect TCP 198.51.100.11:5060 as 198.51.100.11"]);
    world.disconnect(edge);
    world.phone(alice).write("bob", "three");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 3);
    assert_eq!(world.outside.log.len(), 2);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_proxy_known_by_name_is_found_by_srv_and_the_second_is_taken_when_the_first_refuses() {
    let (mut world, alice, edge) = world("<sip:edge.example;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    let address = |text: &str| vec![Data::Address(text.parse().unwrap())];
    world.outside.records.extend([
        (
            "SRV _sip._tcp.edge.example".to_owned(),
            vec![srv(20, 0, "two.example", 5060), srv(10, 5, "one.example", 5080)],
        ),
        ("A one.example".to_owned(), address("198.51.100.11")),
        ("A two.example".to_owned(), address("198.51.100.11")),
    ]);
    world.phone(alice).write("bob", "hello");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 1);
    assert_eq!(
        world.outside.log,
        [
            "SRV _sip._tcp.edge.example",
            "A one.example",
            "AAAA one.example",
            "A two.example",
            "AAAA two.example",
            "connect TCP 198.51.100.11:5080 as edge.example",
            "connect TCP 198.51.100.11:5060 as edge.example",
        ]
    );
    // The one that failed is not tried again while that is remembered.
    world.disconnect(edge);
    world.phone(alice).write("bob", "again");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 2);
    assert_eq!(world.outside.log.last().unwrap(), "connect TCP 198.51.100.11:5060 as edge.example");
    assert_eq!(world.exchange.stats().connects_unreachable, 1);
    world.settle();
    world.assert_nothing_is_left();
}

/// A proxy with two servers on one host, of which the first takes connections and cannot serve.
pub fn an_overloaded_proxy() -> World {
    let (mut world, alice, edge) = world("<sip:edge.example;transport=tcp;lr>");
    let second = world.baresip_over_tcp("second");
    world.disconnect(second);
    world.reconnect_from(second, "198.51.100.11:5070".parse().unwrap());
    for id in [edge, second] {
        world.listen(id, Transport::Tcp);
        world.disconnect(id);
    }
    let address = |text: &str| vec![Data::Address(text.parse().unwrap())];
    world.outside.records.extend([
        (
            "SRV _sip._tcp.edge.example".to_owned(),
            vec![srv(10, 0, "one.example", 5060), srv(20, 0, "two.example", 5070)],
        ),
        ("A one.example".to_owned(), address("198.51.100.11")),
        ("A two.example".to_owned(), address("198.51.100.11")),
    ]);
    world.phone(edge).manners.on_info = Some(503);
    world.phone(alice).write("bob", "one");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 1);
    world.phone(alice).write("bob", "two");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 1, "it is left alone");
    assert_eq!(world.phone(second).requests("MESSAGE").len(), 1);
    world.settle();
    world
}

#[test]
fn a_proxy_that_answers_503_is_left_alone_and_the_next_request_goes_to_its_other_server() {
    let mut world = an_overloaded_proxy();
    assert_eq!(world.exchange.stats().targets_failed, 1);
    world.assert_nothing_is_left();
}

#[test]
fn a_proxy_that_says_nothing_over_its_connection_is_left_for_another_one() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    world.phone(edge).manners.on_info = None;
    world.phone(alice).write("bob", "one");
    world.run(secs(40));
    assert_eq!(world.exchange.stats().targets_failed, 1);
    // There is no other one: it is tried all the same, over the connection that there is.
    world.phone(edge).manners.on_info = Some(200);
    world.phone(alice).write("bob", "two");
    world.run(secs(1));
    assert!(world.phone(edge).messages().contains(&"two".to_owned()));
    assert_eq!(world.outside.log.len(), 1);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_path_over_datagrams_that_names_another_transport_is_followed() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let edge = world.add("bob", "edge", Client::Baresip);
    world.phone(alice).register();
    let path = "<sip:198.51.100.11;transport=tcp;lr>";
    let register = world.phone(edge).register_request(BOB).header(Name::Path, path).finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    world.listen(edge, Transport::Tcp);
    world.phone(alice).write("bob", "hello");
    world.run(secs(1));
    let message = world.phone(edge).requests("MESSAGE").pop().unwrap().clone();
    assert!(message.header(Name::Via).unwrap().starts_with(b"SIP/2.0/TCP "));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_path_that_leads_nowhere_leaves_the_flow_that_the_registration_came_by() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let edge = world.add("bob", "edge", Client::Baresip);
    world.phone(alice).register();
    let register = world.phone(edge).register_request(BOB);
    let register = register.header(Name::Path, "<sip:nobody.example;lr>").finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    world.phone(alice).write("bob", "hello");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 1);
    assert_eq!(world.exchange.stats().destinations_not_found, 1);
    let asked = world.outside.log.len();
    world.phone(alice).write("bob", "again");
    world.run(secs(1));
    assert_eq!(world.outside.log.len(), asked, "that is remembered for a while");
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 2);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_telephone_that_takes_connections_is_connected_to_when_its_own_is_gone() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let bob = world.baresip_over_tcp("bob");
    world.phone(alice).register();
    let contact = format!("<sip:bob@{};transport=tcp>;expires=600", world.phone(bob).host());
    world.phone(bob).send_register(&contact);
    world.run(secs(1));
    world.listen(bob, Transport::Tcp);
    world.disconnect(bob);
    world.begin();
    connect(&mut world, alice, bob);
    // And again within the call.
    world.disconnect(bob);
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    assert!(world.phone(bob).is_idle(), "{}", world.ladder());
    assert_eq!(world.exchange.stats().dialogs_reconnected, 1);
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_path_leads_to_no_other_host_than_the_one_that_registered() {
    for (path, is_asked) in [
        ("<sip:127.0.0.1:6379;transport=tcp;lr>", false),
        ("<sip:[::ffff:127.0.0.1]:6379;transport=tcp;lr>", false),
        ("<sip:169.254.169.254:80;transport=tcp;lr>", false),
        ("<sip:192.0.2.1:5060;transport=tcp;lr>", false),
        ("<sip:224.0.1.75;transport=tcp;lr>", false),
        ("<sip:0.0.0.0;transport=tcp;lr>", false),
        ("<sip:198.51.100.99:6379;transport=tcp;lr>", false),
        ("<sip:[::ffff:198.51.100.11]:6379;transport=tcp;lr>", true),
        ("<sip:198.51.100.11:6379;transport=tcp;lr>", true),
    ] {
        let (mut world, alice, edge) = world(path);
        world.disconnect(edge);
        world.phone(alice).dial("bob");
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(480), "{path}");
        assert_eq!(!world.outside.log.is_empty(), is_asked, "{path}: {:?}", world.outside.log);
        assert_eq!(world.exchange.stats().destinations_refused, u64::from(!is_asked), "{path}");
        world.settle();
        world.assert_nothing_is_left();
    }
}

/// The places of one client do not take those of the others.
#[test]
fn one_client_has_only_so_many_places_looked_for() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11:1;transport=tcp;lr>");
    for port in 1..=16u16 {
        let contact = format!("<sip:bob@10.0.0.7:{}>;expires=600", 6000 + port);
        let path = format!("<sip:198.51.100.11:{port};transport=tcp;lr>");
        world.outside.silent.insert(SocketAddr::new("198.51.100.11".parse().unwrap(), port));
        let register = world.phone(edge).register_request(&contact).header(Name::Path, path).finish();
        world.phone(edge).send(register);
        world.run(ms(200));
    }
    let carol = world.baresip_over_tcp("carol");
    let at = world.flow(carol).remote().ip();
    world.phone(carol).send_register(&format!("<sip:carol@{at};transport=tcp>;expires=600"));
    world.run(secs(1));
    world.listen(carol, Transport::Tcp);
    world.disconnect(edge);
    world.disconnect(carol);
    world.phone(alice).write("bob", "hello");
    world.run(ms(300));
    assert_eq!(world.outside.log.len(), 8, "{:?}", world.outside.log);
    assert!(world.exchange.stats().destinations_overloaded > 0);
    world.phone(alice).write("carol", "hello");
    world.run(secs(1));
    assert_eq!(world.phone(carol).requests("MESSAGE").len(), 1);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_connection_that_does_not_last_is_made_again_more_and_more_seldom() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    connect(&mut world, alice, edge);
    let before = world.exchange.stats().connections_made;
    for _ in 0..200 {
        world.disconnect(edge);
        world.run(ms(100));
    }
    // At once, and after 1, 2, 4 and 8 s.
    assert_eq!(world.exchange.stats().connections_made - before, 5);
    world.run(secs(20));
    assert_eq!(world.exchange.stats().connections_made - before, 6);
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_that_is_gone_before_a_proxy_was_reached_rings_nobody() {
    let (mut world, _, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    let carol = world.baresip_over_tcp("carol");
    let other = world.add("bob", "other", Client::Baresip);
    for id in [carol, other] {
        world.phone(id).register();
    }
    world.run(secs(1));
    world.disconnect(edge);
    world.outside.silent.insert("198.51.100.11:5060".parse().unwrap());
    world.phone(carol).dial("bob");
    world.run(ms(200));
    assert_eq!(world.exchange.stats().requests_held, 1);
    world.disconnect(carol);
    world.run(secs(5));
    assert_eq!(world.phone(other).requests("INVITE").len(), 0);
    assert_eq!(world.exchange.stats().callers_lost, 1);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_contact_leads_to_no_other_host_than_the_one_that_registered_it() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let bob = world.baresip_over_tcp("bob");
    world.phone(alice).register();
    world.phone(bob).send_register("<sip:bob@198.51.100.99;transport=tcp>;expires=600");
    world.run(secs(1));
    world.disconnect(bob);
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(480));
    assert_eq!(world.outside.log, Vec::<String>::new());
    assert_eq!(world.exchange.stats().destinations_refused, 1);
}

#[test]
fn a_caller_waits_no_longer_than_a_moment_for_a_proxy_that_says_nothing() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.disconnect(edge);
    let silent: SocketAddr = "198.51.100.11:5060".parse().unwrap();
    world.outside.silent.insert(silent);
    world.phone(alice).dial("bob");
    world.run(secs(3));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(100));
    world.run(secs(2));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(480));
    assert_eq!(world.exchange.stats().requests_held_in_vain, 1);
    // A contact that can ring does so at once, or nearly.
    let other = world.add("bob", "other", Client::Baresip);
    world.phone(other).register();
    world.run(secs(40));
    world.begin();
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(other).requests("INVITE").len(), 1);
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_that_waits_for_a_proxy_can_be_cancelled() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.disconnect(edge);
    world.outside.silent.insert("198.51.100.11:5060".parse().unwrap());
    world.phone(alice).dial("bob");
    world.run(secs(1));
    world.phone(alice).cancel();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(487));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_certificate_that_is_not_trusted_is_counted_and_the_contact_absent() {
    let (mut world, alice, edge) = world("<sip:edge.example:5061;transport=tls;lr>");
    world.disconnect(edge);
    let address = Data::Address("198.51.100.11".parse().unwrap());
    world.outside.records.insert("A edge.example".to_owned(), vec![address]);
    world.outside.refusing.insert("198.51.100.11:5061".parse().unwrap(), NotConnected::Untrusted);
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(480));
    assert_eq!(world.outside.log.last().unwrap(), "connect TLS 198.51.100.11:5061 as edge.example");
    assert_eq!(world.exchange.stats().connects_untrusted, 1);
}

#[test]
fn a_registration_of_the_process_before_is_reached_by_its_path() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.restart();
    world.phone(alice).write("bob", "hello");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("MESSAGE").len(), 1);
}

#[test]
fn the_user_that_calls_are_forwarded_to_is_reached_as_well() {
    let (mut world, alice, edge) = world("<sip:198.51.100.11;transport=tcp;lr>");
    world.listen(edge, Transport::Tcp);
    world.disconnect(edge);
    world.store.add("carol");
    let always = Some("bob".to_owned());
    world.exchange.set_features("carol", Features { always, ..Features::default() });
    world.phone(alice).dial("carol");
    world.run(secs(1));
    assert_eq!(world.phone(edge).requests("INVITE").len(), 1, "{}", world.ladder());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn nobody_connects_to_a_browser() {
    for client in [Client::JsSip, Client::SipJs] {
        let mut world = World::new(1);
        let alice = world.baresip("alice");
        let bob = world.add("bob", "bob", client);
        world.register_all();
        world.disconnect(bob);
        world.phone(alice).dial("bob");
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(480));
        assert_eq!(world.outside.log, Vec::<String>::new());
    }
}

#[test]
fn a_caller_whose_connection_is_lost_while_it_rings_is_answered_over_a_new_one() {
    let mut world = a_lost_caller_who_listens();
    assert_eq!(world.exchange.stats().responses_reconnected, 1);
    assert_eq!(world.exchange.stats().responses_undeliverable, 0);
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_caller_whose_connection_is_lost_and_who_takes_none_is_lost_and_nobody_rings_for_it() {
    for is_silent in [false, true] {
        let mut world = World::new(1);
        let alice = world.baresip_over_tcp("alice");
        let bob = world.baresip("bob");
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(300));
        if is_silent {
            world.outside.silent.insert("198.51.100.10:5060".parse().unwrap());
        }
        world.disconnect(alice);
        world.run(ms(300));
        assert_eq!(world.phone(bob).requests("CANCEL").len(), usize::from(!is_silent));
        world.run(secs(15));
        assert_eq!(world.phone(bob).requests("CANCEL").len(), 1);
        assert_eq!(world.exchange.stats().responses_undeliverable, 1);
        assert_eq!(world.exchange.stats().callers_lost, 1);
        world.settle();
        assert_eq!(world.exchange.under_way(), 0);
    }
}

/// An answer over another connection goes to the host that asked, not to the one that a Via names.
#[test]
fn a_via_leads_to_no_other_host_than_the_one_that_the_request_came_from() {
    let mut world = World::new(1);
    let alice = world.baresip_over_tcp("alice");
    world.baresip("bob");
    world.register_all();
    world.phone(alice).sent_by = Some("198.51.100.99:6379".to_owned());
    world.phone(alice).dial("bob");
    world.run(ms(300));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(180));
    world.disconnect(alice);
    world.run(ms(300));
    // Where its Contact and where its Via say.
    assert_eq!(
        world.outside.log,
        [5060, 6379].map(|port| format!("connect TCP 198.51.100.10:{port} as 198.51.100.10"))
    );
}

//! GRUUs (RFC 5627), Flow-Timer (RFC 5626 §6) and Service-Route (RFC 3608) in the 200 to a REGISTER.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use std::sync::Arc;

use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::gruu::{Gruus, LeadsNowhere};
use ringback_sip::header::Address;
use ringback_sip::location::Binding;
use ringback_sip::message::Name;
use ringback_sip::registrar::{Rejection, Settings};
use ringback_sip::uri::Uri;

use registrar_world::{AOR, World, register, text, wss};

const DEVICE: &str = "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"";

fn gruus() -> Gruus {
    Gruus::new([9; 32])
}

fn world() -> World {
    let mut world = World::new();
    world.settings = Settings::default().with_gruus(gruus());
    world
}

/// The GRUUs in the 200: public and temporary.
fn of(world: &mut World, flow: Flow, call_id: &str, cseq: u32, contact: &str) -> (String, String) {
    let request = register(call_id, cseq, &format!("Supported: gruu\nContact: {contact}"));
    let registered = world.register(flow, &request).unwrap();
    let wanted = Address::parse(contact.as_bytes()).unwrap().uri.to_vec();
    let contacts = registered.contacts();
    let own = contacts.iter().find(|value| Address::parse(value.as_bytes()).unwrap().uri == wanted).unwrap();
    let params = Address::parse(own.as_bytes()).unwrap().params;
    let param = |name: &[u8]| text(&params.unquoted(name).unwrap());
    (param(b"pub-gruu"), param(b"temp-gruu"))
}

fn resolve(world: &World, uri: &str) -> Result<Vec<String>, LeadsNowhere> {
    let uri = Uri::parse(uri.as_bytes()).unwrap();
    let bindings = gruus().resolve(&world.location, &uri, AOR).unwrap()?;
    Ok(bindings.iter().map(|binding: &Arc<Binding>| text(binding.uri())).collect())
}

#[test]
fn a_device_that_asks_gets_both_and_they_lead_to_it_alone() {
    let mut world = world();
    let (public, temporary) = of(&mut world, wss(1), "a", 1, &format!("<sip:x@one.invalid>;{DEVICE}"));
    assert_eq!(public, "sip:alice@ringback;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    assert!(temporary.starts_with("sip:tgruu.") && temporary.ends_with("@ringback;gr"), "{temporary}");
    assert!(!temporary.contains("alice") && !temporary.contains("f81d4fae"));
    world
        .register(wss(2), &register("b", 1, "Contact: <sip:y@two.invalid>;+sip.instance=\"<urn:uuid:2>\""))
        .unwrap();
    for uri in [&public, &temporary, &public.replace("f81d4fae", "F81D4FAE")] {
        assert_eq!(resolve(&world, uri), Ok(vec!["sip:x@one.invalid".to_owned()]), "{uri}");
    }
    let plain = Uri::parse(b"sip:alice@ringback").unwrap();
    assert_eq!(gruus().resolve(&world.location, &plain, AOR), None, "it is no GRUU");
}

#[test]
fn nobody_gets_what_it_has_not_asked_for() {
    let contact = format!("Contact: <sip:x@one.invalid>;{DEVICE};expires=3600");
    let mut world = world();
    let silent = world.register(wss(1), &register("a", 1, &contact)).unwrap();
    assert_eq!(silent.contacts(), [format!("<sip:x@one.invalid>;{DEVICE};expires=3600")]);
    let nameless = world
        .register(wss(1), &register("b", 1, "Supported: gruu\nContact: <sip:z@z.invalid>;expires=3600"))
        .unwrap();
    assert!(nameless.contacts().contains(&"<sip:z@z.invalid>;expires=3600".to_owned()));
    let required = register("a", 2, &format!("Require: gruu\n{contact}"));
    assert!(world.register(wss(1), &required).unwrap().contacts()[0].contains("pub-gruu"));
    let unable = World::new().register(wss(1), &required).unwrap_err();
    assert_eq!(unable, Rejection::BadExtension { unsupported: b"gruu".to_vec() });
}

#[test]
fn each_refresh_brings_another_temporary_gruu_and_the_former_ones_hold() {
    let mut world = world();
    let contact = format!("<sip:x@one.invalid>;{DEVICE}");
    let (public, first) = of(&mut world, wss(1), "a", 1, &contact);
    let (same, second) = of(&mut world, wss(1), "a", 2, &contact);
    assert_eq!(public, same);
    assert_ne!(first, second);
    assert!(resolve(&world, &first).is_ok() && resolve(&world, &second).is_ok());
}

/// RFC 5627 §4.1.
#[test]
fn temporary_gruus_end_with_their_call_id_and_public_ones_never() {
    let mut world = world();
    let contact = format!("<sip:x@one.invalid>;{DEVICE}");
    let (public, temporary) = of(&mut world, wss(1), "a", 1, &contact);
    let (_, next) = of(&mut world, wss(1), "other", 1, &contact);
    assert_eq!(resolve(&world, &temporary), Err(LeadsNowhere::Void));
    assert!(resolve(&world, &next).is_ok() && resolve(&world, &public).is_ok());
    world.location.remove_flow(&wss(1));
    assert_eq!(resolve(&world, &next), Err(LeadsNowhere::Absent), "its connection is lost, it may come back");
    world.register(wss(2), &register("other", 2, "Expires: 0\nContact: *")).unwrap();
    assert_eq!(resolve(&world, &next), Err(LeadsNowhere::Void));
    assert_eq!(resolve(&world, &public), Err(LeadsNowhere::Absent));
}

#[test]
fn a_forged_gruu_leads_nowhere() {
    let mut world = world();
    let (_, temporary) = of(&mut world, wss(1), "a", 1, &format!("<sip:x@one.invalid>;{DEVICE}"));
    for uri in
        [temporary.replace("tgruu.", "tgruu.A").as_str(), "sip:tgruu.@ringback;gr", "sip:alice@ringback;gr"]
    {
        assert_eq!(resolve(&world, uri), Err(LeadsNowhere::Void), "{uri}");
    }
    assert_eq!(resolve(&world, "sip:alice@ringback;gr=urn:uuid:0"), Err(LeadsNowhere::Absent));
}

/// RFC 5627 §5.1: a request to it would go round for ever.
#[test]
fn a_gruu_is_no_contact_of_its_own_address_of_record() {
    let mut world = world();
    for contact in ["<sip:alice@ringback;gr=urn:uuid:1>", "<sip:tgruu.x@ringback;gr>"] {
        let refused = world.register(wss(1), &register("a", 1, &format!("Contact: {contact}"))).unwrap_err();
        assert_eq!((refused.status(), refused), (403, Rejection::ContactIsGruu));
    }
    let elsewhere = register("a", 1, "Contact: <sip:alice@elsewhere.example;gr=urn:uuid:1>");
    assert!(world.register(wss(1), &elsewhere).is_ok());
}

#[test]
fn the_device_of_several_flows_is_reached_by_the_newest() {
    let mut world = world();
    for (flow, reg_id) in [(1, 1), (2, 2)] {
        let lines =
            format!("Supported: outbound, gruu\nContact: <sip:x@f{flow}.invalid>;{DEVICE};reg-id={reg_id}");
        world.register(wss(flow), &register("a", reg_id, &lines)).unwrap();
    }
    let public = "sip:alice@ringback;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    assert_eq!(resolve(&world, public), Ok(vec!["sip:x@f2.invalid".into(), "sip:x@f1.invalid".into()]));
}

#[test]
fn a_flow_timer_goes_to_those_who_have_to_keep_their_flow_alive() {
    let flow = |transport| {
        let tuple = FiveTuple::new(
            transport,
            "192.0.2.1:5061".parse().unwrap(),
            "198.51.100.7:40000".parse().unwrap(),
        );
        let connection = if transport == Transport::Udp { ConnectionId::NONE } else { ConnectionId(5) };
        Flow { tuple, connection }
    };
    let timer = |transport, lines: &str| {
        let mut world = World::new();
        world.settings = Settings::default().with_flow_timer(120);
        let request = register("a", 1, &format!("{lines}\nContact: <sip:x@one.invalid>;{DEVICE};reg-id=1"));
        let registered = world.register(flow(transport), &request).unwrap();
        registered.response.header(Name::FlowTimer).map(text)
    };
    let outbound = "Supported: outbound, path";
    assert_eq!(timer(Transport::Tcp, outbound).as_deref(), Some("120"));
    assert_eq!(timer(Transport::Tls, outbound).as_deref(), Some("120"));
    assert_eq!(timer(Transport::Wss, outbound), None, "we ping over WebSockets");
    assert_eq!(timer(Transport::Udp, outbound), None);
    assert_eq!(timer(Transport::Tcp, "Supported: path"), None, "it does not use outbound");
}

#[test]
fn a_service_route_goes_to_everyone() {
    let mut world = World::new();
    let values = vec![b"<sip:edge.example;lr>".to_vec(), b"<sip:home.example;lr>".to_vec()];
    world.settings = Settings::default().with_service_routes(values);
    let registered = world.register(wss(1), &register("a", 1, "Contact: <sip:x@one.invalid>")).unwrap();
    let routes: Vec<_> = registered.response.headers(Name::ServiceRoute).map(text).collect();
    assert_eq!(routes, ["<sip:edge.example;lr>", "<sip:home.example;lr>"]);
}

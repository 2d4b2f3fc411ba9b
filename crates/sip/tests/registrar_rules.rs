//! RFC 3261 §10.3, step by step, with RFC 3327 and RFC 5626 where they add to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use proptest::prelude::*;
use ringback_sip::header::Address;
use ringback_sip::location::MAX_CONTACTS;
use ringback_sip::message::Name;
use ringback_sip::registrar::{Rejection, Settings};

use registrar_world::*;

/// The line with an hour for what the registrar has chosen: an hour, or less by up to a tenth.
fn in_hours(contact: &str) -> String {
    let (before, seconds) = contact.rsplit_once("expires=").unwrap();
    let seconds: u32 = seconds.parse().unwrap();
    format!("{before}expires={}", if (3240..3600).contains(&seconds) { 3600 } else { seconds })
}

/// What a client gets that has no bindings yet: the Contact lines of the 200, or the status of the refusal.
#[test]
fn a_first_register() {
    for (own, expected) in [
        ("Contact: <sip:a@192.0.2.9>", Ok(&["<sip:a@192.0.2.9>;expires=3600"][..])),
        ("Contact: <sip:a@192.0.2.9>;expires=120", Ok(&["<sip:a@192.0.2.9>;expires=120"])),
        ("Contact: <sip:a@192.0.2.9>\nExpires: 120", Ok(&["<sip:a@192.0.2.9>;expires=120"])),
        ("Contact: <sip:a@192.0.2.9>;expires=90\nExpires: 120", Ok(&["<sip:a@192.0.2.9>;expires=90"])),
        ("Contact: <sip:a@192.0.2.9>;expires=7200", Ok(&["<sip:a@192.0.2.9>;expires=3600"])),
        ("Contact: <sip:a@192.0.2.9>;expires=junk\nExpires: 120", Ok(&["<sip:a@192.0.2.9>;expires=3600"])),
        ("Contact: <sip:a@192.0.2.9>\nExpires: 99999999999", Ok(&["<sip:a@192.0.2.9>;expires=3600"])),
        ("m: \"Alice\" <sip:a@192.0.2.9> ;q=0.7", Ok(&["\"Alice\" <sip:a@192.0.2.9> ;q=0.7;expires=3600"])),
        ("Contact: sip:a@192.0.2.9;q=0.7", Ok(&["sip:a@192.0.2.9;q=0.7;expires=3600"])),
        // By preference; of equals the one that stands first.
        (
            "Contact: <sip:a@x>;q=0.2, <sip:b@x>;q=0.5\nContact: <sip:c@x>;q=0.5",
            Ok(&[
                "<sip:b@x>;q=0.5;expires=3600",
                "<sip:c@x>;q=0.5;expires=3600",
                "<sip:a@x>;q=0.2;expires=3600",
            ]),
        ),
        // The same contact twice: the later one counts.
        ("Contact: <sip:a@x>;q=0.2, <sip:a@X>;q=0.5", Ok(&["<sip:a@X>;q=0.5;expires=3600"])),
        ("Contact: <sip:a@x>;expires=60, <sip:a@x>;expires=0", Ok(&[])),
        ("Contact: <sip:a@192.0.2.9>;expires=0", Ok(&[])),
        ("Contact: <sip:a@192.0.2.9>\nExpires: 0", Ok(&[])),
        ("Contact: *\nExpires: 0", Ok(&[])),
        ("Expires: 60", Ok(&[])),
        ("Contact: *", Err(400)),
        ("Contact: *\nExpires: 1", Err(400)),
        ("Contact: *, <sip:a@192.0.2.9>\nExpires: 0", Err(400)),
        ("Contact: *\nContact: *\nExpires: 0", Err(400)),
        ("Contact: <sip:a@192.0.2.9>\nContact: *\nExpires: 0", Err(400)),
        ("Contact: <tel:+1201>", Err(400)),
        ("Contact: <sip:a@192.0.2.9", Err(400)),
        ("Contact: \"open <sip:a@192.0.2.9>", Err(400)),
        ("Contact: <sip:a@192.0.2.9>;expires=9", Err(423)),
        ("Contact: <sip:a@192.0.2.9>\nExpires: 1", Err(423)),
        ("Contact: <sip:a@192.0.2.9>\nRequire: gruu", Err(420)),
        ("Contact: <sip:a@192.0.2.9>\nRequire: path, Outbound", Ok(&["<sip:a@192.0.2.9>;expires=3600"])),
        ("Contact: <sip:a@x>;reg-id=0;+sip.instance=\"<urn:a>\"", Err(400)),
        ("Contact: <sip:a@x>\nPath: <tel:1>", Err(400)),
        ("Contact: <sip:a@x>\nPath: nowhere", Err(400)),
    ] {
        let mut world = World::new();
        let answer = world.register(udp(9), &register("c", 1, own));
        match (answer, expected) {
            (Ok(registered), Ok(contacts)) => {
                let told: Vec<String> = registered.contacts().iter().map(|line| in_hours(line)).collect();
                assert_eq!(told, contacts, "{own}");
            }
            (Err(rejection), Err(status)) => {
                assert_eq!(rejection.status(), status, "{own}");
                assert!(world.location.is_empty(), "a refusal changes nothing: {own}");
                assert_eq!(world.location.in_flight(), 0);
            }
            (answer, expected) => panic!("{own}: {answer:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn a_refusal_says_what_would_do() {
    let mut world = World::new();
    let request = register("c", 1, "Contact: <sip:a@x>;expires=5");
    let answer = world.register(udp(9), &request).unwrap_err().answer(&message(&request)).finish();
    assert_eq!((answer.status(), answer.reason()), (Some(423), &b"Interval Too Brief"[..]));
    assert_eq!(answer.header(Name::MinExpires), Some(&b"10"[..]));

    let request = register("c", 1, "Contact: <sip:a@x>\nRequire: path, gruu, x-other");
    let answer = world.register(udp(9), &request).unwrap_err().answer(&message(&request)).finish();
    assert_eq!((answer.status(), answer.header(Name::Unsupported)), (Some(420), Some(&b"gruu, x-other"[..])));

    let request = register("c", 1, "Contact: *");
    let answer = world.register(udp(9), &request).unwrap_err().answer(&message(&request)).finish();
    assert_eq!((answer.status(), answer.reason()), (Some(400), &b"Contact * needs Expires: 0"[..]));
}

/// Whatever is wrong with one contact, none of them is done.
#[test]
fn all_contacts_or_none() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>")).unwrap();
    for bad in ["<sip:b@x>;expires=3", "<tel:1>", "<sip:b@x>;reg-id=0;+sip.instance=\"<i>\"", "<sip:b@x"] {
        let own = format!("Contact: <sip:a@x>;expires=0, <sip:c@x>\nContact: {bad}");
        world.register(udp(9), &register("c", 2, &own)).unwrap_err();
        assert_eq!(world.targets(), ["sip:a@x"], "{bad}");
    }
    assert!(world.register(udp(9), &register("c", 2, "Contact: <sip:a@x>")).is_ok(), "no CSeq was used up");
}

#[test]
fn a_register_without_contact_asks_and_changes_nothing() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>;expires=100")).unwrap();
    world.pass(30);
    let outcome = world.process(udp(9), &register("other", 1, "")).unwrap();
    assert!(outcome.ticket.is_none() && outcome.changes.is_empty(), "there is nothing to store");
    let response = outcome.response.finish();
    assert_eq!(response.headers(Name::Contact).map(text).collect::<Vec<_>>(), ["<sip:a@x>;expires=70"]);

    world.now += std::time::Duration::from_millis(69_999);
    let listed = world.register(udp(9), &register("other", 2, "")).unwrap();
    assert_eq!(listed.contacts(), ["<sip:a@x>;expires=1"], "rounded up: zero would say that it is gone");
}

#[test]
fn a_contact_is_named_by_its_uri() {
    let mut world = World::new();
    let done = |world: &mut World, cseq, contact: &str| {
        world.register(udp(9), &register("c", cseq, &format!("Contact: {contact}"))).unwrap().done()
    };
    assert_eq!(done(&mut world, 1, "<sip:a@Example.com:5060;transport=udp>"), ["added"]);
    assert_eq!(done(&mut world, 2, "\"A\" <SIP:%61@example.COM:5060;Transport=UDP>;q=0.1"), ["refreshed"]);
    assert_eq!(
        done(&mut world, 3, "<sip:a@example.com;transport=udp>"),
        ["added"],
        "no port is another port"
    );
    assert_eq!(done(&mut world, 4, "<sip:A@example.com:5060;transport=udp>"), ["added"], "users have a case");
    assert_eq!(done(&mut world, 5, "<sip:a@example.com:5060;transport=udp>;expires=0"), ["unregistered"]);
    assert_eq!(world.bindings(), 2);
    assert_eq!(
        done(&mut world, 6, "<sip:nobody@x>;expires=0"),
        [""; 0],
        "removing what is not there is no error"
    );
}

#[test]
fn requests_of_one_call_id_are_done_in_order() {
    let mut world = World::new();
    let contact = "Contact: <sip:a@x>";
    world.register(udp(9), &register("c", 10, contact)).unwrap();
    for (call_id, cseq, own) in [
        ("c", 10, contact),
        ("c", 9, contact),
        ("c", 9, "Contact: <sip:a@x>;expires=0"),
        ("c", 10, "Contact: *\nExpires: 0"),
        ("c", 9, "Contact: <sip:new@x>, <sip:a@x>"),
    ] {
        let refused = world.register(udp(9), &register(call_id, cseq, own));
        assert_eq!(refused.unwrap_err(), Rejection::OutOfOrder, "{cseq} {own}");
        assert_eq!(world.targets(), ["sip:a@x"]);
    }
    assert_eq!(world.register(udp(9), &register("c", 11, contact)).unwrap().done(), ["refreshed"]);
    assert_eq!(world.register(udp(9), &register("rebooted", 1, contact)).unwrap().done(), ["refreshed"]);
    assert_eq!(
        world.register(udp(9), &register("c", 1, "Contact: *\nExpires: 0")).unwrap().done(),
        ["unregistered"]
    );
}

#[test]
fn the_wildcard_removes_every_binding() {
    let mut world = World::new();
    world.register(udp(9), &register("one", 1, "Contact: <sip:a@x>, <sip:b@x>")).unwrap();
    world.register(wss(1), &register("two", 1, "Contact: <sip:c@x>")).unwrap();
    world.location.remove_flow(&wss(1));
    let registered = world.register(udp(9), &register("three", 1, "Contact: *\nExpires: 0")).unwrap();
    assert_eq!(registered.done(), ["unregistered"; 3], "detached ones too");
    assert!(registered.contacts().is_empty() && world.location.is_empty());
    assert_eq!(world.location.poll_timeout(), None);
}

#[test]
fn a_binding_outlives_its_time_by_the_grace_and_is_not_listed_then() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>;expires=60")).unwrap();
    let due = world.location.poll_timeout().unwrap();
    assert_eq!(due, world.now + std::time::Duration::from_secs(75));
    world.pass(61);
    assert!(world.location.handle_timeout(world.now).is_empty());
    assert_eq!(world.targets(), ["sip:a@x"], "a refresh may be under way");
    let listed = world.register(udp(9), &register("other", 1, "")).unwrap();
    assert!(listed.contacts().is_empty(), "no contact is listed with a time of zero");
    world.pass(14);
    let changes = world.location.handle_timeout(world.now);
    assert_eq!(changes.iter().map(word).collect::<Vec<_>>(), ["expired"]);
    assert!(world.targets().is_empty() && world.location.is_empty());
    assert_eq!(world.location.poll_timeout(), None);
}

#[test]
fn the_latest_of_equal_preference_is_tried_first() {
    let mut world = World::new();
    for (cseq, contact) in
        [(1, "<sip:a@x>"), (2, "<sip:b@x>;q=0.5"), (3, "<sip:c@x>"), (4, "<sip:d@x>;q=0.9")]
    {
        world.register(udp(9), &register("c", cseq, &format!("Contact: {contact}"))).unwrap();
    }
    assert_eq!(world.targets(), ["sip:c@x", "sip:a@x", "sip:d@x", "sip:b@x"]);
    world.register(udp(9), &register("c", 5, "Contact: <sip:a@x>")).unwrap();
    assert_eq!(world.targets(), ["sip:a@x", "sip:c@x", "sip:d@x", "sip:b@x"]);
}

#[test]
fn the_number_of_contacts_is_limited() {
    let mut world = World::new();
    for number in 0..MAX_CONTACTS {
        let contact = format!("Contact: <sip:{number}@x>");
        world.register(wss(number as u64 + 1), &register(&format!("c{number}"), 1, &contact)).unwrap();
    }
    let one_more = register("more", 1, "Contact: <sip:more@x>");
    assert_eq!(world.register(wss(100), &one_more).unwrap_err(), Rejection::TooManyContacts);
    // A browser that went away without a word makes place; one that is there does not.
    world.location.remove_flow(&wss(3));
    world.location.remove_flow(&wss(7));
    let registered = world.register(wss(100), &one_more).unwrap();
    assert_eq!(registered.done(), ["displaced", "added"]);
    assert_eq!(registered.changes[0].binding().uri(), b"sip:2@x", "the one that was refreshed first");
    assert_eq!(world.register(wss(100), &register("c8", 2, "Contact: <sip:8@x>")).unwrap().done(), ["moved"]);
    assert_eq!(world.bindings(), MAX_CONTACTS);
}

#[test]
fn what_is_kept_of_a_contact_is_limited() {
    let mut world = World::new();
    let long = format!("Contact: <sip:a@x>;a={}", "a".repeat(5000));
    let refused = world.register(udp(9), &register("c", 1, &long)).unwrap_err();
    assert_eq!(refused.status(), 400);
    let agent = format!("User-Agent: {}\nContact: <sip:a@x>", "u".repeat(500));
    world.register(udp(9), &register("c", 1, &agent)).unwrap();
    assert_eq!(world.location.bindings(AOR)[0].user_agent().unwrap().len(), 128);
}

#[test]
fn bounds_of_time_are_settings() {
    let mut world = World::new();
    world.settings = Settings::new(60, 300, 600).unwrap();
    let contacts = |world: &mut World, cseq, own: &str| {
        world.register(udp(9), &register("c", cseq, own)).map(|registered| registered.contacts())
    };
    let mut seconds = |cseq, own: &str| -> u32 {
        let [contact] = &contacts(&mut world, cseq, own).unwrap()[..] else { panic!("one contact") };
        contact.strip_prefix("<sip:a@x>;expires=").unwrap().parse().unwrap()
    };
    // What the registrar chooses differs from one REGISTER to the next.
    let chosen: Vec<u32> = (1..20).map(|cseq| seconds(cseq, "Contact: <sip:a@x>")).collect();
    assert!(chosen.iter().all(|seconds| (270..=300).contains(seconds)), "{chosen:?}");
    assert!(chosen.iter().any(|seconds| *seconds != chosen[0]), "{chosen:?}");
    assert!((540..=600).contains(&seconds(20, "Contact: <sip:a@x>;expires=3600")));
    assert_eq!(seconds(21, "Contact: <sip:a@x>;expires=600"), 600, "it was asked for");
    assert_eq!(
        contacts(&mut world, 22, "Contact: <sip:a@x>;expires=59").unwrap_err(),
        Rejection::IntervalTooBrief { min: 60 }
    );
}

/// RFC 3327 §5.3.
#[test]
fn a_path_is_kept_and_told_to_who_knows_it() {
    let path = "Path: <sip:edge@192.0.2.50;lr;ob>, <sip:inner.example;lr>\nPath: <sip:last.example;lr>";
    for (supported, told) in [("Supported: path", true), ("Supported: outbound,\n PATH", true), ("", false)] {
        let mut world = World::new();
        let request = register("c", 1, &format!("Contact: <sip:a@x>\n{path}"));
        let request = if supported.is_empty() {
            request
        } else {
            format!("{request}\n{}", supported.replace('\n', ""))
        };
        let registered = world.register(udp(9), &request).unwrap();
        let whole = "<sip:edge@192.0.2.50;lr;ob>, <sip:inner.example;lr>, <sip:last.example;lr>";
        assert_eq!(
            registered.response.header(Name::Path).map(text),
            told.then(|| whole.to_owned()),
            "{supported}"
        );
        assert_eq!(world.location.bindings(AOR)[0].path().map(text).as_deref(), Some(whole));
    }
}

/// RFC 5626 §6.
#[test]
fn outbound_needs_a_first_hop_that_has_it() {
    let device = "Contact: <sip:a@x>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
    let through_proxy = |own: &str| {
        let request = register("c", 1, own);
        request.replace("Via: ", "Via: SIP/2.0/UDP proxy.example;branch=z9hG4bKp\nVia: ")
    };
    let direct = |own: &str| register("c", 1, own);
    for (request, expected) in [
        (direct(&format!("{device}\nSupported: outbound")), Ok((Some(1), true, true))),
        (direct(device), Ok((Some(1), true, false))),
        (direct("Contact: <sip:a@x>\nSupported: outbound"), Ok((None, false, false))),
        (direct("Contact: <sip:a@x>;reg-id=1\nSupported: outbound"), Ok((None, false, false))),
        (through_proxy(&format!("{device}\nSupported: outbound")), Err(439)),
        (through_proxy(&format!("{device}\nRequire: outbound")), Err(439)),
        (through_proxy(device), Ok((None, false, false))),
        (through_proxy(&format!("{device}\nSupported: outbound\nPath: <sip:edge;lr>")), Err(439)),
        (
            through_proxy(&format!("{device}\nSupported: outbound\nPath: <sip:b;lr;ob>, <sip:edge;lr>")),
            Err(439),
        ),
        (
            through_proxy(&format!("{device}\nSupported: outbound\nPath: <sip:b;lr>, <sip:edge;lr;ob>")),
            Ok((Some(1), true, true)),
        ),
    ] {
        let mut world = World::new();
        let answer = world.register(udp(9), &request);
        match (answer, expected) {
            (Ok(registered), Ok((reg_id, supported, required))) => {
                let binding = &world.location.bindings(AOR)[0];
                assert_eq!(binding.reg_id().map(|id| id.get()), reg_id, "{request}");
                let has = |name| registered.response.values(name).any(|option| option == b"outbound");
                assert_eq!((has(Name::Supported), has(Name::Require)), (supported, required), "{request}");
            }
            (Err(rejection), Err(status)) => assert_eq!(rejection.status(), status, "{request}"),
            (answer, expected) => panic!("{request}: {answer:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn a_device_is_known_by_instance_and_reg_id_whatever_its_uri() {
    let mut world = World::new();
    let contact = |uri: &str, instance: &str, reg_id: u32| {
        format!("Contact: <{uri}>;+sip.instance=\"<urn:uuid:{instance}>\";reg-id={reg_id}")
    };
    let mut done = |call_id: &str, cseq, flow, own: String| {
        world.register(flow, &register(call_id, cseq, &own)).unwrap().done()
    };
    assert_eq!(done("a", 1, wss(1), contact("sip:1@a.invalid", "A", 1)), ["added"]);
    assert_eq!(
        done("b", 1, wss(2), contact("sip:2@a.invalid", "A", 1)),
        ["moved"],
        "another URI and Call-ID"
    );
    assert_eq!(done("b", 2, wss(2), contact("sip:2@a.invalid", "A", 1)), ["refreshed"]);
    assert_eq!(
        done("c", 1, wss(3), contact("sip:3@a.invalid", "A", 2)),
        ["added"],
        "the second flow of the device"
    );
    assert_eq!(
        done("d", 1, wss(4), contact("sip:3@a.invalid", "B", 1)),
        ["added"],
        "the same URI, another device"
    );
    assert_eq!(done("e", 1, wss(5), "Contact: <sip:2@a.invalid>;expires=0".to_owned()), ["unregistered"]);
    assert_eq!(world.targets(), ["sip:3@a.invalid", "sip:3@a.invalid"]);
}

#[test]
fn a_device_that_is_told_to_use_outbound_keeps_its_binding() {
    let mut world = World::new();
    world.register(wss(1), &register("c", 1, "Contact: <sip:a@x>")).unwrap();
    let own = "Contact: <sip:a@x>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
    assert_eq!(world.register(wss(1), &register("c", 2, own)).unwrap().done(), ["refreshed"]);
    assert_eq!(world.bindings(), 1);
}

/// Pieces of REGISTERs, right and wrong.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<sip:a@x>",
        "<sip:b@x;transport=ws>",
        "sip:c@x",
        "\"A, B\" <sips:d@[2001:db8::1]:5061>",
        "*",
        "<tel:1>",
        "<",
        ">",
        "\"",
        "\\",
        ",",
        ", ",
        ";",
        "=",
        ";expires=60",
        ";expires=0",
        ";expires=5",
        ";expires",
        ";q=0.5",
        ";q=7",
        ";reg-id=1",
        ";reg-id=2",
        ";reg-id=99999999999",
        ";+sip.instance=\"<urn:uuid:1>\"",
        ";+sip.instance=",
        "\t",
        "é",
        ";x=\"y;expires=9\"",
        "outbound",
        "path",
        "gruu",
        "0",
        "60",
        "4294967296",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    /// Whatever the header lines hold, a REGISTER is done or refused, and what is listed can be read again.
    #[test]
    fn any_register_is_done_or_refused(
        requests in prop::collection::vec((prop::sample::select(vec![
            "Contact", "Contact", "Contact", "Expires", "Path", "Supported", "Require", "User-Agent",
        ]), pieces(), "[A-C]"), 1..20),
    ) {
        let mut world = World::new();
        for (cseq, (name, value, call_id)) in (1..).zip(requests) {
            let own = format!("Contact: <sip:own@x>;expires=100\n{name}: {value}");
            let request = register(&call_id, cseq, &own);
            match world.register(wss(u64::from(cseq % 3 + 1)), &request) {
                Ok(registered) => {
                    for contact in registered.contacts() {
                        let address = Address::parse(contact.as_bytes()).unwrap();
                        prop_assert!(address.parse_uri().unwrap().is_sip());
                        prop_assert!(address.expires().is_some_and(|seconds| seconds > 0), "{}", contact);
                        let times = address.params.iter().filter(|param| param.name.eq_ignore_ascii_case(b"expires"));
                        prop_assert_eq!(times.count(), 1, "{}", contact);
                    }
                }
                Err(rejection) => {
                    let answer = rejection.answer(&message(&request)).finish();
                    prop_assert!(matches!(answer.status(), Some(400 | 403 | 420 | 423 | 439)));
                }
            }
            prop_assert!(world.bindings() <= MAX_CONTACTS);
            prop_assert_eq!(world.location.iter().count(), world.bindings());
        }
    }
}

//! Who is calling, as the callee sees it.

use ringback_sip::message::Name;

use crate::kit::{Client, World, ms, secs};

#[test]
fn nobody_calls_in_the_name_of_somebody_else() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let phone = world.phone(alice);
    let offer = phone.client.offer(&phone.says.clone());
    let invite = phone.invite_request("bob").body(b"application/sdp", offer.as_bytes()).finish();
    let mut edit = invite.edit();
    edit.replace(Name::From, b"<sip:boss@192.0.2.1>;tag=x");
    let invite = edit.finish();
    phone.send(invite);
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(403));
    assert!(world.phone(bob).requests("INVITE").is_empty());
    world.settle();
    insta::assert_snapshot!(world.ladder());
}

/// Valid credentials, and the refusal is lost: the repeated INVITE gets the same answer.
#[test]
fn a_refusal_after_valid_credentials_is_repeated() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.store.slow = ms(100);
    world.phone(alice).dial("tel");
    world.run(ms(60));
    world.phone(alice).manners.is_deaf = true;
    world.run(ms(400));
    world.phone(alice).manners.is_deaf = false;
    world.run(secs(2));
    assert_eq!(world.phone(alice).statuses("INVITE").last(), Some(&404));
    assert_eq!(world.exchange.authentication_stats().replayed, 0);
}

#[test]
fn the_name_is_the_stores_or_the_callers_own() {
    for (stored, shown) in [
        (None, "\"alice\" <sip:alice@192.0.2.1>"),
        (Some("Alice Liddell"), "\"Alice Liddell\" <sip:alice@192.0.2.1>"),
    ] {
        let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
        world.store.users.get_mut("alice").unwrap().display = stored.map(str::to_owned);
        world.phone(alice).dial("bob");
        world.run(ms(300));
        let invite = world.phone(bob).requests("INVITE").pop().unwrap();
        let from = String::from_utf8_lossy(invite.header(Name::From).unwrap()).into_owned();
        assert_eq!(from.split(";tag=").next(), Some(shown));
    }
}

#[test]
fn with_a_domain_the_caller_is_of_the_domain() {
    let mut world = World::with(1, |settings| settings.domains = vec!["example.org".to_owned()]);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(300));
    let invite = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(invite.from().unwrap().uri, b"sip:alice@example.org");
    assert_eq!(invite.to().unwrap().uri, b"sip:bob@example.org");
}

#[test]
fn what_the_caller_asserts_does_not_pass() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial_with("bob", |invite| {
        invite
            .header(Name::PAssertedIdentity, "<sip:boss@example.org>")
            .header(Name::PPreferredIdentity, "<sip:boss@example.org>")
            .header(Name::RemotePartyId, "<sip:boss@example.org>")
            .header(Name::Diversion, "<sip:boss@example.org>")
            .header(Name::HistoryInfo, "<sip:boss@example.org>;index=1")
            .header(Name::AlertInfo, "<http://boss.example.org/ring.wav>;info=alert-autoanswer")
            .header(Name::CallInfo, "<sip:boss@example.org>;answer-after=0")
            .header_named(b"Answer-Mode", "Auto")
            .header_named(b"X-Ringback-Trunk", "boss")
            .header(Name::Route, "<sip:boss.example.org;lr>")
            .header(Name::Subject, "lunch")
            .header_named(b"X-Ticket", "42")
            .header(Name::Priority, "urgent")
    });
    world.run(ms(300));
    let invite = world.phone(bob).requests("INVITE").pop().unwrap();
    let text = String::from_utf8_lossy(invite.bytes()).into_owned();
    assert!(!text.contains("boss") && !text.contains("Auto"), "{text}");
    for line in ["Subject: lunch\r\n", "X-Ticket: 42\r\n", "Priority: urgent\r\n"] {
        assert!(text.contains(line), "{text}");
    }
}

/// INTEROP rules 4, 10 and 17: what an INVITE to a browser has to have.
#[test]
fn an_invite_that_a_browser_takes() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::JsSip);
    world.phone(alice).dial("bob");
    world.run(ms(300));
    let theirs = world.phone(alice).call.as_ref().unwrap().invite.clone();
    let host = world.phone(bob).host();
    let ours = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(ours.request_uri(), format!("sip:bob8r@{host};transport=ws").as_bytes());
    assert_ne!(ours.call_id(), theirs.call_id());
    assert!(!ours.has(Name::Require));
    assert_eq!(ours.contacts().count(), 1);
    assert_eq!(ours.header(Name::ContentType), Some(&b"application/sdp"[..]));
    let body = String::from_utf8_lossy(ours.body()).into_owned();
    for line in [
        "a=setup:actpass",
        "a=fingerprint:sha-256 ",
        "a=rtcp-mux",
        "a=mid:",
        "a=group:BUNDLE",
        "a=candidate:",
    ] {
        assert!(body.contains(line), "{line} is missing in {body}");
    }
}

//! Callers who do not want to be known, and what peers of the trust domain are told.

use std::sync::Arc;

use ringback_control::{HeaderTables, PeerTable};
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms};

fn with_users(table: PeerTable) -> (World, PhoneId, PhoneId) {
    let mut world =
        World::with(1, |settings| settings.headers = HeaderTables { users: Arc::new(table.clone()) });
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    (world, alice, bob)
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.bytes()).into_owned()
}

#[test]
fn a_caller_who_asks_for_privacy_is_anonymous() {
    for privacy in ["id", "user;critical", "header", "ID ; none-of-ours"] {
        let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
        world.phone(alice).dial_with("bob", |invite| {
            invite
                .header(Name::Privacy, privacy)
                .header(Name::PPreferredIdentity, "\"Alice\" <sip:alice@192.0.2.1>")
                .header(Name::ReplyTo, "<sip:alice@192.0.2.1>")
                .header(Name::Organization, "alice and sons")
                .header(Name::Subject, "from alice")
                .header(Name::Priority, "urgent")
        });
        world.run(ms(300));
        let invite = world.phone(bob).requests("INVITE").pop().unwrap();
        let from = String::from_utf8_lossy(invite.header(Name::From).unwrap()).into_owned();
        assert_eq!(
            from.split(";tag=").next(),
            Some("\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
            "{privacy}"
        );
        assert!(!text(invite).contains("alice"), "{privacy}: {}", text(invite));
        assert!(invite.has(Name::Priority));
        world.phone(bob).answer();
        world.run(ms(300));
        world.phone(alice).send_in_dialog(Method::Info, "text/plain", "for you");
        world.run(ms(300));
        let info = world.phone(bob).requests("INFO").pop().unwrap();
        assert!(!text(info).contains("alice"), "{}", text(info));
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs[0].caller, "alice", "the record knows");
    }
}

#[test]
fn a_caller_who_asks_for_none_is_shown() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, "none"));
    world.run(ms(300));
    let invite = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(invite.from().unwrap().uri, b"sip:alice@192.0.2.1");
}

/// A preferred identity counts when it is the user's own.
#[test]
fn a_preferred_identity_gives_the_name_if_it_is_ones_own() {
    for (preferred, shown) in [
        ("\"Alice Liddell\" <sip:alice@192.0.2.1>", "\"Alice Liddell\" <sip:alice@192.0.2.1>"),
        ("\"The Boss\" <sip:boss@192.0.2.1>", "\"alice\" <sip:alice@192.0.2.1>"),
    ] {
        let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
        world.phone(alice).dial_with("bob", |invite| invite.header(Name::PPreferredIdentity, preferred));
        world.run(ms(300));
        let invite = world.phone(bob).requests("INVITE").pop().unwrap();
        let from = String::from_utf8_lossy(invite.header(Name::From).unwrap()).into_owned();
        assert_eq!(from.split(";tag=").next(), Some(shown));
    }
}

/// The identity is asserted where the table of the peer says so, whoever the caller says it is.
#[test]
fn an_identity_is_asserted_to_peers_of_the_trust_domain_only() {
    let forged = |invite: ringback_sip::message::Builder| {
        invite.header(Name::PAssertedIdentity, "<sip:boss@192.0.2.1>")
    };
    for (asserts, expected) in [(false, None), (true, Some("\"alice\" <sip:alice@192.0.2.1>"))] {
        let (mut world, alice, bob) = with_users(PeerTable::new([], [], [], asserts).unwrap());
        world.phone(alice).dial_with("bob", forged);
        world.run(ms(300));
        let invite = world.phone(bob).requests("INVITE").pop().unwrap();
        assert_eq!(invite.header(Name::PAssertedIdentity), expected.map(str::as_bytes));
    }
    let (mut world, alice, bob) = with_users(PeerTable::new([], [], [], true).unwrap());
    world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, "id"));
    world.run(ms(300));
    assert!(!world.phone(bob).requests("INVITE").pop().unwrap().has(Name::PAssertedIdentity));
}

#[test]
fn unknown_header_fields_pass_and_the_table_of_the_peer_has_the_last_word() {
    let table = PeerTable::new(
        ["Alert-Info", "p-early-media"],
        ["S", "X-SECRET"],
        [("X-Site", "berlin"), ("Organization", "Ringback")],
        false,
    );
    let (mut world, alice, bob) = with_users(table.unwrap());
    world.phone(alice).dial_with("bob", |invite| {
        invite
            .header(Name::AlertInfo, "<http://x/ring.wav>")
            .header(Name::CallInfo, "<http://x/picture.png>")
            .header_named(b"P-Early-Media", "supported")
            .header_named(b"P-Charging-Vector", "icid-value=1")
            .header_named(b"s", "lunch")
            .header_named(b"x-secret", "1")
            .header_named(b"x-RINGBACK-trunk", "1")
            .header_named(b"X-Site", "forged")
            .header(Name::Organization, "forged")
            .header_named(b"Session-ID", "ab30317f1a784dc48ff824d0d3715d86;remote=0")
            .header_named(b"Geolocation", "<cid:x>")
    });
    world.run(ms(300));
    let invite = text(world.phone(bob).requests("INVITE").pop().unwrap());
    for line in [
        "Alert-Info: <http://x/ring.wav>",
        "P-Early-Media: supported",
        "x-site: berlin",
        "Organization: Ringback",
        "Session-ID: ab3",
        "Geolocation: <cid:x>",
    ] {
        assert!(invite.contains(line), "{line} is missing in {invite}");
    }
    for part in ["picture", "icid", "lunch", "x-secret", "RINGBACK-trunk", "forged"] {
        assert!(!invite.contains(part), "{part} stands in {invite}");
    }
}

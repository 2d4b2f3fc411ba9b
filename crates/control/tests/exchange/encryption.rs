//! Telephones with encrypted media: who is offered keys, who gets an answer with keys, and what the other side sees.

use ringback_control::Bypass;
use ringback_media::negotiation::Srtp;
use ringback_media::sdp::{Description, Section};
use ringback_sip::message::{Message, Method};

use crate::kit::{PhoneId, World, ms, secs};

const KEYS: [&str; 2] =
    ["WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"];

/// What a telephone says.
fn says(protocol: &str, lines: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\nm=audio 19834 {protocol} 8 \
         101\r\na=rtpmap:101 telephone-event/8000\r\n{lines}"
    )
}

/// What it says with a key under a tag.
fn keyed(protocol: &str, tag: u32, key: usize) -> String {
    says(protocol, &format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", KEYS[key]))
}

fn section(message: &Message) -> Section {
    Description::parse(message.body()).unwrap().sections.remove(0)
}

/// The audio section of the first INVITE that a phone was sent.
fn offered(world: &mut World, phone: PhoneId) -> Section {
    let invite = world.phone(phone).requests("INVITE").first().map(|message| section(message));
    invite.expect("an INVITE")
}

/// That of the last answer to its INVITEs.
fn answered(world: &mut World, phone: PhoneId) -> Section {
    let mut heard = world.phone(phone).heard.iter().rev();
    let answer = heard.find(|message| message.status() == Some(200) && !message.body().is_empty());
    section(answer.expect("an answer"))
}

fn is_encrypted(world: &World, label: &str) -> bool {
    world.media.settings_of(label).sdes.is_some()
}

#[test]
fn a_telephone_over_tls_is_offered_keys_and_one_over_udp_is_not() {
    for (srtp, is_tls, protocol, lines) in [
        (None, true, "RTP/AVP", 3),
        (None, false, "RTP/AVP", 0),
        (Some(Srtp::Never), true, "RTP/AVP", 0),
        (Some(Srtp::Offered), true, "RTP/AVP", 0),
        (Some(Srtp::Preferred), false, "RTP/AVP", 3),
        (Some(Srtp::Required), false, "RTP/SAVP", 3),
    ] {
        let mut world = World::with(1, |settings| settings.srtp = srtp);
        let alice = world.jssip("alice");
        let bob = if is_tls { world.baresip_over_tls("bob") } else { world.baresip("bob") };
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(300));
        let offer = offered(&mut world, bob);
        assert_eq!((offer.protocol.as_str(), offer.crypto.len()), (protocol, lines), "{srtp:?} {is_tls}");
        assert!(!offer.rtcp_mux);
        if lines > 0 {
            world.phone(bob).answer_with_body("application/sdp", &keyed(protocol, 3, 0));
        } else {
            world.phone(bob).answer();
        }
        world.run(secs(1));
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
        assert_eq!(is_encrypted(&world, "bob"), lines > 0);
        assert!(answered(&mut world, alice).crypto.is_empty(), "the browser sees nothing of it");
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_telephone_without_keys_is_called_in_the_clear_where_they_are_preferred() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip_over_tls("bob"));
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(300));
    assert_eq!(offered(&mut world, bob).crypto.len(), 3);
    world.phone(bob).answer();
    world.run(secs(1));
    assert!(!is_encrypted(&world, "bob") && !is_encrypted(&world, "alice"));
    world.phone(bob).hold();
    world.run(secs(1));
    world.phone(bob).resume();
    world.run(secs(1));
    assert!(!is_encrypted(&world, "bob"));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn what_is_offered_is_answered_and_each_side_has_keys_of_its_own() {
    for protocol in ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"] {
        let mut world = World::new(1);
        let (alice, bob) = (world.baresip("alice"), world.baresip_over_tls("bob"));
        world.register_all();
        world.phone(alice).dial_with_body("bob", "application/sdp", &keyed(protocol, 7, 0));
        world.run(ms(300));
        let to_bob = offered(&mut world, bob);
        assert_eq!((to_bob.protocol.as_str(), to_bob.crypto.len()), ("RTP/AVP", 3));
        world.phone(bob).answer_with_body("application/sdp", &keyed("RTP/AVP", 3, 1));
        world.run(secs(1));
        let to_alice = answered(&mut world, alice);
        assert_eq!((to_alice.protocol.as_str(), to_alice.crypto.len()), (protocol, 1));
        assert_eq!(to_alice.crypto[0].tag, 7);
        let [of_alice, of_bob] =
            ["alice", "bob"].map(|label| world.media.settings_of(label).sdes.clone().unwrap());
        assert_eq!(of_alice.send, to_alice.crypto[0].master);
        assert_eq!(of_bob.send, to_bob.crypto[2].master);
        let keys = [&of_alice.send, &of_alice.receive, &of_bob.send, &of_bob.receive];
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| other.key != key.key), "a key that two have");
        }
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_hold_keeps_the_keys_and_a_new_key_changes_ours() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.jssip("bob"));
    world.register_all();
    let offer = keyed("RTP/SAVP", 1, 0);
    world.phone(alice).dial_with_body("bob", "application/sdp", &offer);
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(secs(1));
    let first = world.media.settings_of("alice").sdes.clone().unwrap();

    // The other side holds: our re-INVITE has the key in force.
    world.phone(bob).hold();
    world.run(ms(100));
    let held = world.phone(alice).requests("INVITE").last().map(|message| section(message)).unwrap();
    assert_eq!(held.protocol, "RTP/SAVP");
    assert_eq!(held.crypto.iter().map(|crypto| &crypto.master).collect::<Vec<_>>(), [&first.send]);
    world.run(secs(1));
    world.phone(bob).resume();
    world.run(secs(1));

    let again = |world: &mut World, text: &str| {
        let reinvite = world.phone(alice).in_dialog(Method::Invite);
        let reinvite = reinvite.body(b"application/sdp", text.as_bytes()).finish();
        world.phone(alice).send(reinvite);
        world.run(secs(1));
        world.media.settings_of("alice").sdes.clone().unwrap()
    };
    assert_eq!(again(&mut world, &offer.replace(" 1 1 IN", " 1 9 IN")), first);
    let other = again(&mut world, &keyed("RTP/SAVP", 1, 1).replace(" 1 1 IN", " 1 10 IN"));
    assert_ne!(other.receive, first.receive);
    assert_ne!(other.send, first.send);
    assert_eq!(answered(&mut world, alice).crypto[0].master, other.send);
}

#[test]
fn what_is_not_allowed_is_refused() {
    for (srtp, offer, words) in [
        (None, says("RTP/SAVP", ""), "No a=crypto has a suite"),
        (Some(Srtp::Never), keyed("RTP/SAVP", 1, 0), "switched off"),
        (Some(Srtp::Required), says("RTP/AVP", ""), "encrypted media only"),
    ] {
        let mut world = World::with(1, |settings| settings.srtp = srtp);
        let (alice, _) = (world.baresip("alice"), world.baresip("bob"));
        world.register_all();
        world.phone(alice).dial_with_body("bob", "application/sdp", &offer);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(488));
        assert!(world.ladder().contains("488"));
        let heard = world.phone(alice).heard.iter().any(|message| {
            message.status() == Some(488) && String::from_utf8_lossy(message.bytes()).contains(words)
        });
        assert!(heard, "{words}");
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn media_with_keys_does_not_go_past_us() {
    for (bob_is_tls, offer, is_past_us) in [
        (false, says("RTP/AVP", ""), true),
        (true, says("RTP/AVP", ""), false),
        (false, keyed("RTP/AVP", 1, 0), false),
        (false, keyed("RTP/SAVP", 1, 0), false),
    ] {
        let mut world = World::with(1, |settings| settings.bypass = Bypass::Local);
        let alice = world.baresip("alice");
        let bob = if bob_is_tls { world.baresip_over_tls("bob") } else { world.baresip("bob") };
        world.register_all();
        world.phone(alice).dial_with_body("bob", "application/sdp", &offer);
        world.run(ms(300));
        let section = offered(&mut world, bob);
        let leads_to_alice = section.port == 19834;
        assert_eq!(leads_to_alice, is_past_us, "{offer}");
        world.phone(bob).answer();
        world.run(secs(1));
        assert!(world.phone(alice).is_up());
        assert_eq!(world.exchange.stats().calls_bypassed, u64::from(is_past_us));
    }
}

#[test]
fn a_call_that_goes_past_us_goes_on_without_the_keys_that_are_asked_for_within_it() {
    for (protocol, status, brought_back) in [("RTP/SAVP", 488, 0), ("RTP/AVP", 200, 2)] {
        let mut world = World::with(1, |settings| settings.bypass = Bypass::Local);
        let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
        world.register_all();
        world.phone(alice).dial_with_body("bob", "application/sdp", &says("RTP/AVP", ""));
        world.run(ms(300));
        world.phone(bob).answer();
        world.run(secs(1));
        assert_eq!(world.exchange.stats().calls_bypassed, 1);
        let reinvite = world.phone(alice).in_dialog(Method::Invite);
        let text = keyed(protocol, 1, 0).replace(" 1 1 IN", " 1 2 IN");
        let reinvite = reinvite.body(b"application/sdp", text.as_bytes()).finish();
        world.phone(alice).send(reinvite);
        world.run(secs(3));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(status), "{}", world.ladder());
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
        assert_eq!(world.exchange.stats().legs_brought_back, brought_back, "{}", world.ladder());
    }
}

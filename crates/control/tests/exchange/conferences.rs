//! Conferences, and calls between parties that share no codec.

use ringback_control::Route;
use ringback_media::insert::{ConferenceKey, MAX_MEMBERS};
use ringback_sip::message::Name;

use crate::kit::{Client, World, ms, secs};

/// The conference that a phone is in, as the media worker knows it.
fn conference(world: &World, label: &str) -> Option<ConferenceKey> {
    match world.media.legs.get(&world.media.leg_of(label))?.route {
        Some(Route::Conference { key, .. }) => Some(key),
        _ => None,
    }
}

#[test]
fn whoever_dials_the_same_name_is_in_the_same_conference() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    let carol = world.baresip("carol");
    world.register_all();
    world.phone(alice).dial("conf-sales");
    world.phone(bob).dial("CONF-Sales");
    world.phone(carol).dial("conf-other");
    world.run(secs(1));
    let [at_alice, at_bob, at_carol] = ["alice", "bob", "carol"].map(|label| conference(&world, label));
    assert!(at_alice.is_some() && at_alice == at_bob, "{at_alice:?} {at_bob:?}");
    assert!(at_carol.is_some() && at_carol != at_alice);
    for phone in [alice, bob, carol] {
        world.phone(phone).hang_up();
    }
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn all_calls_of_a_conference_are_on_one_media_worker() {
    let mut world = World::with(1, |settings| settings.workers = 4);
    let names: Vec<String> = (0..6).map(|n| format!("phone{n}")).collect();
    let phones: Vec<_> = names.iter().map(|name| world.baresip(name)).collect();
    world.register_all();
    for &phone in &phones {
        world.phone(phone).dial("conf-1");
        world.run(ms(200));
    }
    let workers: Vec<u16> =
        names.iter().map(|name| world.media.legs[&world.media.leg_of(name)].worker).collect();
    assert!(workers.iter().all(|worker| *worker == workers[0]), "{workers:?}");
    for phone in phones {
        world.phone(phone).hang_up();
    }
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_conference_that_is_full_says_so() {
    let mut world = World::with(1, |settings| settings.limits.calls_per_user = 1000);
    let alice = world.baresip("alice");
    let bob = world.baresip("bob");
    world.register_all();
    for _ in 0..MAX_MEMBERS {
        world.phone(alice).dial("conf-1");
        world.run(ms(200));
    }
    world.phone(bob).dial("conf-1");
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(486));
    assert!(
        world.phone(bob).last_header("INVITE", Name::Warning).unwrap().contains("the conference is full")
    );
}

#[test]
fn a_call_is_transferred_into_a_conference() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(alice).refer("conf-sales");
    world.run(secs(2));
    assert!(world.phone(alice).is_idle(), "{}", world.ladder());
    assert!(conference(&world, "bob").is_some());
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// An offer of Opus alone to a telephone that has G.711: it is offered that as well, and the audio is made anew both
/// ways.
#[test]
fn parties_without_a_common_codec_talk() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n";
    world.phone(alice).dial_with_body("bob", "application/sdp", offer);
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(secs(1));
    for (label, from, to) in [("alice", "opus", "PCMA"), ("bob", "PCMA", "opus")] {
        let leg = &world.media.legs[&world.media.leg_of(label)];
        let Some(Route::Patched { patch, .. }) = &leg.route else { panic!("{label}: {:?}", leg.route) };
        assert_eq!((patch.from[0].name.as_str(), patch.to[0].name.as_str()), (from, to), "{label}");
    }
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Who comes by a transfer is offered what can be mixed, and nothing else that it has.
#[test]
fn a_member_is_offered_what_can_be_mixed() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 18 8 101\r\na=rtpmap:18 G729/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                 a=rtpmap:101 telephone-event/8000\r\n";
    world.phone(bob).dial_with_body("alice", "application/sdp", offer);
    world.run(ms(300));
    world.phone(alice).answer();
    world.run(secs(1));
    world.phone(alice).refer("conf-sales");
    world.run(secs(2));
    let asked = world.phone(bob).requests("INVITE").pop().expect("a re-INVITE");
    let text = String::from_utf8_lossy(asked.body()).into_owned();
    assert!(text.contains("PCMA/8000") && !text.contains("G729"), "{text}");
    assert!(conference(&world, "bob").is_some());
}

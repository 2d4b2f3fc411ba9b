//! Keys between far ends that know them in different ways: telephone events, INFO, and tones.

use ringback_media::negotiation::{Keys, Transcoding};
use ringback_sip::message::{Method, Name};

use crate::kit::{Client, World, ms};

/// What the audio of each of two is made into, and how keys get there; `None` where it is passed on.
fn made(world: &World) -> [Option<Keys>; 2] {
    ["alice", "bob"].map(|label| world.media.keys_of(label))
}

/// What telephone events alice and bob are told of by our descriptions.
fn events(world: &World) -> [bool; 2] {
    ["alice", "bob"].map(|label| world.media.takes_events(label))
}

fn pressed(world: &World) -> Vec<&str> {
    world.media.log.iter().filter(|line| line.contains("key")).map(String::as_str).collect()
}

fn info(world: &mut World, from: crate::kit::PhoneId, key: char) {
    let body = format!("Signal={key}\r\nDuration=100");
    world.phone(from).send_in_dialog(Method::Info, "application/dtmf-relay", &body);
    world.run(ms(100));
    assert_eq!(world.phone(from).last_status("INFO"), Some(200));
}

/// Events are agreed with who has them, whatever the other has, and become what that understands.
#[test]
fn a_telephone_without_events_hears_tones_and_is_heard_as_events() {
    for (alice, bob) in [
        (Client::JsSip, Client::OldPhone),
        (Client::OldPhone, Client::JsSip),
        (Client::Baresip, Client::OldPhone),
        (Client::OldPhone, Client::Baresip),
    ] {
        let (mut world, caller, _) = World::talking(alice, bob);
        assert_eq!(made(&world), [Some(Keys::Heard); 2], "{alice:?} {bob:?}");
        assert_eq!(events(&world), [alice != Client::OldPhone, bob != Client::OldPhone]);
        world.phone(caller).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn keys_pass_as_they_are_where_both_know_them_alike() {
    for client in [Client::OldPhone, Client::Baresip] {
        let (world, ..) = World::talking(client, client);
        assert_eq!(made(&world), [None; 2], "{client:?}");
    }
}

#[test]
fn a_key_by_info_is_a_tone_for_a_telephone_that_knows_neither() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::OldPhone);
    info(&mut world, alice, '5');
    assert_eq!(pressed(&world), ["bob hears the key 5 as a tone"]);
    assert!(world.phone(bob).requests("INFO").is_empty());
    // Neither of these has events: until one tells a key, tones pass as they are.
    let (mut world, alice, bob) = World::talking(Client::OldPhone, Client::OldPhone);
    info(&mut world, alice, '7');
    assert_eq!(made(&world), [Some(Keys::Heard), Some(Keys::Told)]);
    assert_eq!(pressed(&world), ["bob hears the key 7 as a tone"]);
    assert!(world.phone(bob).requests("INFO").is_empty());
}

#[test]
fn who_tells_keys_by_info_is_told_by_info() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::OldPhone);
    info(&mut world, bob, '1');
    assert_eq!(pressed(&world), ["alice hears the key 1 as 101"]);
    assert_eq!(made(&world), [Some(Keys::Told), None], "what bob says has no tones in it");
    world.key_found("bob", '9', 240);
    world.run(ms(100));
    let told = world.phone(bob).requests("INFO").pop().unwrap();
    assert_eq!(told.header(Name::ContentType), Some(&b"application/dtmf-relay"[..]));
    assert_eq!(told.body(), b"Signal=9\r\nDuration=240\r\n");
    assert_eq!(world.keys_pressed(), [(false, '1'), (true, '9')]);
    assert!(world.phone(alice).requests("INFO").is_empty());
    let stats = world.exchange.stats();
    assert_eq!((stats.dtmf_by_info, stats.dtmf_made_events, stats.dtmf_told), (1, 1, 1));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn keys_by_info_pass_between_two_who_tell_them_so() {
    let (mut world, alice, bob) = World::talking(Client::OldPhone, Client::OldPhone);
    info(&mut world, alice, '1');
    info(&mut world, bob, '2');
    assert_eq!(world.phone(alice).requests("INFO").len(), 1, "passed on");
    info(&mut world, alice, '3');
    assert_eq!(world.phone(bob).requests("INFO").len(), 1, "passed on");
    assert_eq!(made(&world), [None; 2]);
}

#[test]
fn nothing_is_made_where_that_is_not_wanted() {
    let mut world = World::with(1, |settings| settings.transcoding = Transcoding::Never);
    let alice = world.add("alice", "alice", Client::JsSip);
    let bob = world.add("bob", "bob", Client::OldPhone);
    world.register_all();
    world.connect(alice, bob);
    assert_eq!((made(&world), events(&world)), ([None; 2], [false; 2]));
    info(&mut world, alice, '5');
    assert_eq!(world.phone(bob).requests("INFO").len(), 1, "passed on as it is");
}

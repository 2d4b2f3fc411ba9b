//! Music on hold, and numbers that are dialled to hear something.

use ringback_control::{MediaEvent, PlayNumber, Settings};
use ringback_media::insert::PlayEnd;

use crate::kit::{Client, PhoneId, World, ms, secs};

fn music(settings: &mut Settings) {
    settings.hold_music = true;
}

fn talking(from: Client, to: Client) -> (World, PhoneId, PhoneId) {
    let mut world = World::with(1, music);
    let alice = world.add("alice", "alice", from);
    let bob = world.add("bob", "bob", to);
    world.register_all();
    world.connect(alice, bob);
    (world, alice, bob)
}

/// What was said of playing, in its order.
fn heard(world: &mut World) -> Vec<String> {
    let log = std::mem::take(&mut world.media.log);
    log.into_iter().filter(|line| line.contains("hears music") || line.contains("no more")).collect()
}

fn finish(mut world: World, phone: PhoneId) {
    world.phone(phone).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn who_is_held_hears_music_until_the_call_is_resumed() {
    for (from, to) in [
        (Client::JsSip, Client::Baresip),
        (Client::Baresip, Client::JsSip),
        (Client::Baresip, Client::Baresip),
    ] {
        let (mut world, alice, _bob) = talking(from, to);
        assert_eq!(heard(&mut world), [""; 0]);
        world.phone(alice).hold();
        world.run(secs(1));
        assert_eq!(heard(&mut world), ["bob hears music, under who speaks"]);
        // A session is refreshed: it goes on.
        world.phone(alice).reinvite("sendonly");
        world.run(secs(1));
        assert_eq!(heard(&mut world), [""; 0]);
        world.phone(alice).resume();
        world.run(secs(1));
        assert_eq!(heard(&mut world), ["bob hears no more of it"]);
        finish(world, alice);
    }
}

/// Who holds by `inactive` says that nothing is sent either; who is held is told to listen all the same.
#[test]
fn who_is_held_by_inactive_is_told_to_listen() {
    let (mut world, alice, bob) = talking(Client::JsSip, Client::Baresip);
    world.phone(alice).reinvite("inactive");
    world.run(secs(1));
    let settings = ["alice", "bob"].map(|label| {
        let settings = world.media.settings_of(label);
        (settings.sends, settings.receives)
    });
    assert_eq!(settings, [(false, false), (false, true)]);
    assert_eq!(heard(&mut world), ["bob hears music, under who speaks"]);
    let offer = world.phone(bob).requests("INVITE").pop().unwrap();
    assert!(String::from_utf8_lossy(offer.body()).contains("a=sendonly"));
    finish(world, alice);
}

#[test]
fn who_holds_back_hears_no_music() {
    let (mut world, alice, bob) = talking(Client::JsSip, Client::SipJs);
    world.phone(alice).hold();
    world.run(secs(1));
    world.phone(bob).reinvite("inactive");
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["bob hears music, under who speaks", "bob hears no more of it"]);
    finish(world, alice);
}

#[test]
fn a_parked_call_hears_music_until_it_is_picked_up() {
    let (mut world, alice, bob) = talking(Client::JsSip, Client::Baresip);
    world.phone(bob).refer("*68");
    world.run(secs(2));
    assert_eq!(heard(&mut world), ["alice hears music, under who speaks"], "{}", world.ladder());
    world.phone(bob).dial("*8bob");
    world.run(secs(2));
    assert_eq!(heard(&mut world), ["alice hears no more of it"], "{}", world.ladder());
    finish(world, alice);
}

#[test]
fn a_transferee_hears_music_while_its_target_rings() {
    let (mut world, alice, bob) = talking(Client::JsSip, Client::Baresip);
    let carol = world.jssip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.phone(bob).refer("carol");
    world.run(ms(100));
    world.phone(bob).hang_up();
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["alice hears music, under who speaks"]);
    world.phone(carol).answer();
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["alice hears no more of it"], "{}", world.ladder());
    finish(world, alice);
}

#[test]
fn without_music_nothing_is_played() {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(alice).reinvite("inactive");
    world.run(secs(1));
    assert_eq!(heard(&mut world), [""; 0]);
    assert!(!world.media.settings_of("bob").receives);
    finish(world, alice);
}

#[test]
fn a_file_is_played_to_who_dials_it_and_then_the_call_is_over() {
    let mut world = World::with(1, |settings| settings.sounds = vec!["closed".into(), "open".into()]);
    let alice = world.jssip("alice");
    world.register_all();
    world.phone(alice).dial("play-open");
    world.run(secs(1));
    assert!(world.phone(alice).is_up());
    assert!(world.media.log.contains(&"alice hears the file open".to_owned()), "{:?}", world.media.log);
    let (leg, now) = (world.media.leg_of("alice"), world.now());
    world.media.tell(now, MediaEvent::Played(leg, PlayNumber(1), PlayEnd::Finished));
    world.run(secs(1));
    assert!(world.phone(alice).is_idle());
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.cdrs[0].reason, "what was dialled has been played");
    // There is no such file, and so no such number.
    world.phone(alice).dial("play-nothing");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(404));
}

#[test]
fn a_tone_is_played_for_as_long_as_one_listens() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    world.register_all();
    world.phone(alice).dial("tone-busy");
    world.run(secs(10));
    assert!(world.phone(alice).is_up());
    assert!(world.media.log.contains(&"alice hears Busy".to_owned()), "{:?}", world.media.log);
    finish(world, alice);
}

/// The tone of a recording that begins takes the place of the music, and the music goes on after it.
#[test]
fn a_beep_is_heard_between_the_music() {
    let mut world = World::with(1, |settings| {
        settings.hold_music = true;
        settings.recording.beep = true;
    });
    let alice = world.jssip("alice");
    let bob = world.baresip("bob");
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["bob hears music, under who speaks"]);
    let (leg, now) = (world.media.leg_of("bob"), world.now());
    world.media.tell(now, MediaEvent::Played(leg, PlayNumber(1), PlayEnd::Finished));
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["bob hears music, under who speaks"]);
    // Spoken over, it does not begin anew by itself, only with another hold.
    world.media.tell(now, MediaEvent::Played(leg, PlayNumber(1), PlayEnd::Interrupted));
    world.phone(alice).reinvite("sendonly");
    world.run(secs(1));
    assert_eq!(heard(&mut world), [""; 0]);
    world.phone(alice).resume();
    world.run(secs(1));
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["bob hears no more of it", "bob hears music, under who speaks"]);
    finish(world, alice);
}

//! Recording calls: by the configuration, by the parties, by whoever drives the exchange.

use ringback_control::{Bypass, RecordedCalls, Recording, RecordingRefused, Settings};
use ringback_sip::message::Method;

use crate::kit::{Client, PhoneId, World, ms, secs};

fn recorded(calls: RecordedCalls) -> impl FnOnce(&mut Settings) {
    move |settings| settings.recording = Recording { calls, ..Recording::default() }
}

fn talking(world: &mut World) -> (PhoneId, PhoneId) {
    talking_by(world, Client::JsSip, Client::Baresip)
}

fn talking_by(world: &mut World, alice: Client, bob: Client) -> (PhoneId, PhoneId) {
    let (alice, bob) = world.add_pair(alice, bob);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(ms(100));
    (alice, bob)
}

/// An INFO as the record key of a telephone sends it.
fn record_key(world: &mut World, phone: PhoneId, value: &str) -> u16 {
    let info = world.phone(phone).in_dialog(Method::Info).header_named(b"Record", value);
    world.phone(phone).send(info.finish());
    world.run(ms(100));
    world.phone(phone).last_status("INFO").unwrap()
}

/// What the telephone shows of that.
fn shown(world: &mut World, phone: PhoneId) -> String {
    world.phone(phone).last_phrase("INFO").unwrap()
}

fn finish(world: &mut World, phone: PhoneId) {
    world.phone(phone).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn every_call_is_recorded_from_its_answer_and_its_record_names_the_file() {
    let mut world = World::with(1, recorded(RecordedCalls::All));
    let (alice, bob) = talking(&mut world);
    let recordings = world.media.recordings();
    let [(name, first), (other, second)] = &recordings[..] else { panic!("{recordings:?}") };
    assert_eq!((name, first.as_str(), second.as_str()), (other, "alice", "bob"));
    assert_eq!(
        world.media.log[world.media.log.len() - 2..],
        ["alice is recorded on the First side", "bob is recorded on the Second side"]
    );
    // A party cannot stop what is recorded for the exchange.
    assert_eq!(record_key(&mut world, bob, "off"), 403);
    assert_eq!(shown(&mut world, bob), "This Recording Cannot Be Stopped");
    assert_eq!(record_key(&mut world, bob, "on"), 200);
    assert_eq!(world.media.recordings(), recordings);
    let name = name.clone();
    finish(&mut world, alice);
    let cdr = &world.cdrs[0];
    assert_eq!(cdr.recordings, std::slice::from_ref(&name));
    assert_eq!(name, format!("{}-1.wav", cdr.id));
    // Nothing that a peer has written can be a path.
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'), "{name}");
}

/// What cannot be decoded makes no file of sound, and no name of one; as packets it is kept.
#[test]
fn a_call_in_a_codec_that_is_not_ours_is_kept_as_packets_or_not_at_all() {
    for (calls, keeps_packets) in
        [(RecordedCalls::All, false), (RecordedCalls::All, true), (RecordedCalls::Asked, false)]
    {
        let recording = Recording { calls, keeps_packets, ..Recording::default() };
        let mut world = World::with(1, |settings| settings.recording = recording);
        let (alice, bob) = talking_by(&mut world, Client::Foreign, Client::Foreign);
        if calls == RecordedCalls::Asked {
            assert_eq!(record_key(&mut world, bob, "on"), 488);
            assert_eq!(shown(&mut world, bob), "Codec Cannot Be Recorded");
        }
        assert_eq!(world.media.recordings().len(), if keeps_packets { 2 } else { 0 });
        finish(&mut world, alice);
        assert_eq!(world.cdrs[0].recordings.len(), usize::from(keeps_packets));
    }
}

/// What is said later in a codec that is ours is recorded from there on, and once.
#[test]
fn what_begins_in_a_codec_that_is_not_ours_is_recorded_when_it_has_another() {
    let mut world = World::with(1, recorded(RecordedCalls::All));
    let (alice, bob) = talking_by(&mut world, Client::Foreign, Client::Foreign);
    assert_eq!(world.media.recordings(), []);
    for phone in [alice, bob] {
        world.phone(phone).client = Client::Baresip;
    }
    for direction in ["sendrecv", "sendonly", "sendrecv"] {
        world.phone(alice).reinvite(direction);
        world.run(ms(100));
        assert_eq!(world.media.recordings().len(), 2);
    }
    finish(&mut world, alice);
    assert_eq!(world.cdrs[0].recordings.len(), 1);
}

#[test]
fn nobody_is_recorded_who_is_not_to_be() {
    refused();
}

/// A call that a party would have recorded, and may not.
pub fn refused() -> World {
    let mut world = World::new(1);
    let (alice, _) = talking(&mut world);
    assert_eq!(record_key(&mut world, alice, "on"), 403);
    assert_eq!(shown(&mut world, alice), "Recording Is Not Allowed");
    assert_eq!(world.exchange.stats().recordings_refused, 1);
    assert_eq!(world.media.recordings(), []);
    finish(&mut world, alice);
    assert!(world.cdrs[0].recordings.is_empty());
    world
}

#[test]
fn the_parties_may_ask_for_it() {
    asked();
}

/// A call that its parties have recorded, twice.
pub fn asked() -> World {
    let mut world = World::with(1, recorded(RecordedCalls::Asked));
    let (alice, bob) = talking(&mut world);
    assert_eq!(world.media.recordings(), []);
    assert_eq!(record_key(&mut world, bob, "off"), 200, "it is as it should be");
    assert_eq!(record_key(&mut world, bob, "on"), 200);
    assert_eq!(world.media.recordings().len(), 2);
    assert_eq!(record_key(&mut world, bob, "on"), 200, "it stays so");
    assert_eq!(record_key(&mut world, bob, "off"), 200);
    assert_eq!(world.media.recordings(), []);
    assert_eq!(record_key(&mut world, bob, " ON "), 200);
    let recordings = world.media.recordings();
    finish(&mut world, alice);
    let cdr = &world.cdrs[0];
    assert_eq!(cdr.recordings, ["1", "2"].map(|number| format!("{}-{number}.wav", cdr.id)));
    assert_eq!(recordings[0].0, cdr.recordings[1]);
    assert_eq!(world.exchange.stats().recordings_begun, 2);
    world
}

/// An INFO without the header field, or with another value, is for the other party.
#[test]
fn an_info_of_another_kind_passes() {
    let mut world = World::with(1, recorded(RecordedCalls::Asked));
    let (alice, bob) = talking(&mut world);
    assert_eq!(record_key(&mut world, alice, "perhaps"), 200);
    assert_eq!(world.phone(bob).requests("INFO").len(), 1);
    assert_eq!(world.media.recordings(), []);
    finish(&mut world, alice);
}

#[test]
fn it_pauses_and_goes_on_and_ends_for_whoever_drives_the_exchange() {
    let mut world = World::new(1);
    let (alice, _) = talking(&mut world);
    let id = world
        .events
        .iter()
        .find_map(|event| match event {
            ringback_control::Event::CallAnswered { id } => Some(id.clone()),
            _ => None,
        })
        .unwrap();
    assert_eq!(world.exchange.pause_recording(&id), Err(RecordingRefused::NotRecorded));
    assert_eq!(world.exchange.start_recording("another"), Err(RecordingRefused::NoCall));
    world.media.log.clear();
    assert_eq!(world.exchange.start_recording(&id), Ok(()));
    assert_eq!(world.exchange.pause_recording(&id), Ok(()));
    assert_eq!(world.exchange.resume_recording(&id), Ok(()));
    assert_eq!(world.exchange.stop_recording(&id), Ok(()));
    world.run(ms(100));
    assert_eq!(
        world.media.log,
        [
            "alice is recorded on the First side",
            "bob is recorded on the Second side",
            "the recording pauses",
            "the recording goes on",
            "the recording ends",
        ]
    );
    assert_eq!(world.exchange.stop_recording(&id), Err(RecordingRefused::NotRecorded));
    finish(&mut world, alice);
}

#[test]
fn both_parties_hear_a_beep_where_that_is_wanted() {
    let beep = Recording { calls: RecordedCalls::All, beep: true, ..Recording::default() };
    let mut world = World::with(1, |settings| settings.recording = beep);
    let (alice, _) = talking(&mut world);
    let log = &world.media.log[world.media.log.len() - 2..];
    assert_eq!(log, ["alice hears a beep", "bob hears a beep"]);
    finish(&mut world, alice);
}

/// What each leg speaks may change in mid-call, and so may who it is.
#[test]
fn a_recording_follows_its_call_through_a_transfer() {
    let mut world = World::with(1, recorded(RecordedCalls::All));
    let (alice, bob) = talking(&mut world);
    let carol = world.jssip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    let before = world.media.recordings();
    world.phone(bob).refer("carol");
    world.run(ms(100));
    world.phone(carol).answer();
    world.run(secs(1));
    let after = world.media.recordings();
    let labels: Vec<&str> = after.iter().map(|(_, label)| label.as_str()).collect();
    assert_eq!(labels, ["alice", "carol"], "{}", world.ladder());
    assert!(after.iter().all(|(name, _)| *name == before[0].0), "it is one recording");
    finish(&mut world, alice);
    assert_eq!(world.cdrs.len(), 2);
    assert!(world.cdrs.iter().all(|cdr| cdr.recordings == [before[0].0.clone()]), "both records name it");
}

#[test]
fn media_that_goes_past_us_is_recorded_only_where_all_is() {
    for (calls, is_recorded) in [(RecordedCalls::All, true), (RecordedCalls::Asked, false)] {
        let mut world = World::with(1, |settings| {
            settings.bypass = Bypass::Local;
            recorded(calls)(settings);
        });
        let alice = world.baresip("alice");
        let bob = world.baresip("bob");
        world.register_all();
        world.connect(alice, bob);
        let status = record_key(&mut world, alice, "on");
        assert_eq!(status, if is_recorded { 200 } else { 488 });
        assert_eq!(!world.media.recordings().is_empty(), is_recorded);
        finish(&mut world, alice);
        assert_eq!(world.cdrs[0].is_bypassed, !is_recorded);
    }
}

#[test]
fn the_echo_and_conferences_are_not_recorded() {
    for number in ["echo", "conf-sales"] {
        let mut world = World::with(1, recorded(RecordedCalls::All));
        let alice = world.jssip("alice");
        world.register_all();
        world.phone(alice).dial(number);
        world.run(secs(1));
        assert_eq!(world.media.recordings(), []);
        finish(&mut world, alice);
    }
}

/// The call with the one that is asked about a transfer is recorded; the one that is transferred into is not.
#[test]
fn who_leaves_a_recorded_call_for_another_is_not_recorded_there() {
    let mut world = World::with(1, recorded(RecordedCalls::Asked));
    let (alice, bob) = talking(&mut world);
    let carol = world.baresip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.phone(alice).hold();
    world.run(secs(1));
    world.connect(alice, carol);
    assert_eq!(record_key(&mut world, carol, "on"), 200);
    assert_eq!(world.media.recordings().len(), 2);
    world.phone(alice).swap();
    world.phone(alice).refer_to_aside();
    world.run(secs(1));
    assert_eq!(world.media.hears("bob"), ["carol"], "{}", world.ladder());
    assert_eq!(world.media.recordings(), []);
    finish(&mut world, bob);
    assert_eq!(world.cdrs.iter().map(|cdr| cdr.recordings.len()).sum::<usize>(), 1);
}

#[test]
fn a_recording_ends_where_its_call_goes_into_a_conference() {
    let mut world = World::with(1, recorded(RecordedCalls::All));
    let (alice, bob) = talking(&mut world);
    world.phone(alice).refer("conf-sales");
    world.run(secs(2));
    assert!(world.phone(alice).is_idle(), "{}", world.ladder());
    assert_eq!(world.media.recordings(), []);
    finish(&mut world, bob);
}

#[test]
fn a_party_begins_so_many_recordings_and_no_more() {
    let mut world = World::with(1, recorded(RecordedCalls::Asked));
    let (alice, bob) = talking(&mut world);
    for _ in 0..32 {
        assert_eq!(record_key(&mut world, bob, "on"), 200);
        assert_eq!(record_key(&mut world, bob, "off"), 200);
    }
    assert_eq!(record_key(&mut world, bob, "on"), 403);
    finish(&mut world, alice);
    assert_eq!(world.cdrs[0].recordings.len(), 32);
}

/// It is as long as it may be: it does not begin anew when something is agreed anew.
#[test]
fn a_recording_that_has_ended_by_itself_does_not_begin_again() {
    let mut world = World::with(1, recorded(RecordedCalls::All));
    let (alice, bob) = talking(&mut world);
    world.recording_ends();
    assert_eq!(world.media.recordings(), []);
    world.phone(bob).hold();
    world.run(secs(1));
    assert_eq!(world.media.recordings(), []);
    finish(&mut world, alice);
}

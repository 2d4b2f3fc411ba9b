//! Faxes (T.38): passed from machine to machine, refused where none can pass, and audio again.

use ringback_control::{Bypass, RecordedCalls, Recording};
use ringback_media::sdp::{Description, MediaType};
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// What a machine says, with the fax in the line of the audio.
fn fax(version: u32, port: u16) -> String {
    format!("{}{}", top(version), image(port))
}

fn top(version: u32) -> String {
    format!(
        "v=0\r\no=- 1523874690 {version} IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\n"
    )
}

fn image(port: u16) -> String {
    format!(
        "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
         a=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
    )
}

fn audio(port: u16) -> String {
    format!("m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n")
}

/// Sends a re-INVITE with this body.
fn reinvite(world: &mut World, phone: PhoneId, body: &str) {
    let contact = world.phone(phone).contact();
    let request = world.phone(phone).in_dialog(Method::Invite).header(Name::Contact, contact);
    let request = request.body(b"application/sdp", body.as_bytes()).finish();
    world.phone(phone).send(request);
    world.run(ms(100));
}

/// Two machines that talk, of which Bob is the one that hears tones.
fn talking() -> (World, PhoneId, PhoneId) {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    (world, alice, bob)
}

/// The m= lines of a description: what and whether it is in use.
fn lines(message: &Message) -> Vec<(String, bool)> {
    let sections = Description::parse(message.body()).unwrap().sections;
    sections.iter().map(|it| (it.media.value().to_owned(), it.is_live())).collect()
}

fn last_offer(world: &mut World, phone: PhoneId) -> Message {
    (*world.phone(phone).requests("INVITE").last().expect("an INVITE")).clone()
}

fn last_answer(world: &mut World, phone: PhoneId) -> Message {
    let found =
        world.phone(phone).heard.iter().rev().find(|it| it.status() == Some(200) && !it.body().is_empty());
    found.expect("an answer").clone()
}

fn are_fax(world: &World) -> [bool; 2] {
    ["alice", "bob"].map(|label| world.media.settings_of(label).is_fax)
}

fn finish(mut world: World, phone: PhoneId) -> World {
    world.phone(phone).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    world
}

#[test]
fn a_call_becomes_a_fax_and_audio_again() {
    let (mut world, alice, bob) = talking();
    reinvite(&mut world, bob, &fax(2, 40_000));
    let offer = last_offer(&mut world, alice);
    let text = String::from_utf8(offer.body().to_vec()).unwrap();
    assert!(text.contains("udptl t38\r\n") && text.contains("a=T38FaxUdpEC:t38UDPRedundancy\r\n"), "{text}");
    assert!(!text.contains("m=audio") && !text.contains("198.51.100.10"), "{text}");
    world.phone(alice).answer_reinvite("application/sdp", &fax(2, 41_000));
    world.run(ms(100));
    assert_eq!(lines(&last_answer(&mut world, bob)), [("image".to_owned(), true)]);
    assert_eq!(are_fax(&world), [true, true]);
    let remote = |world: &World, label| world.media.settings_of(label).remote.unwrap().rtp.port();
    assert_eq!((remote(&world, "alice"), remote(&world, "bob")), (41_000, 40_000));

    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.phone(bob).says.version = 2;
    world.phone(bob).resume();
    world.run(secs(1));
    assert_eq!(are_fax(&world), [false, false]);
    let world = finish(world, alice);
    assert_eq!(world.cdrs[0].codec.as_deref(), Some("PCMA+t38"));
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_fax_beside_the_audio_that_is_rejected_or_kept() {
    for kept in [0, 40_002] {
        let (mut world, alice, bob) = talking();
        reinvite(&mut world, bob, &format!("{}{}{}", top(2), audio(kept), image(40_000)));
        assert_eq!(lines(&last_offer(&mut world, alice)), [("image".to_owned(), true)], "{kept}");
        world.phone(alice).answer_reinvite("application/sdp", &fax(2, 41_000));
        world.run(ms(100));
        let answered = [("audio".to_owned(), false), ("image".to_owned(), true)];
        assert_eq!(lines(&last_answer(&mut world, bob)), answered, "{kept}");
        assert_eq!(are_fax(&world), [true, true]);
        let world = finish(world, alice);
        assert_eq!(world.cdrs[0].codec.as_deref(), Some("PCMA+t38"));
    }
}

#[test]
fn a_call_that_begins_as_a_fax() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial_with_body("bob", "application/sdp", &fax(1, 40_000));
    world.run(ms(100));
    world.phone(bob).answer_with_body("application/sdp", &fax(1, 41_000));
    world.run(secs(1));
    assert_eq!(are_fax(&world), [true, true]);
    let world = finish(world, alice);
    assert_eq!(world.cdrs[0].codec.as_deref(), Some("t38"));
}

#[test]
fn a_browser_takes_no_fax_and_the_call_goes_on() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    reinvite(&mut world, bob, &fax(2, 40_000));
    assert_eq!(world.phone(bob).last_failure(), Some(488));
    let warning = world.phone(bob).last_header("INVITE", Name::Warning).unwrap();
    assert!(warning.contains("takes no fax"), "{warning}");
    assert!(world.phone(alice).requests("INVITE").is_empty());
    assert_eq!(are_fax(&world), [false, false]);
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    // Where there is audio beside it, that is passed on.
    reinvite(&mut world, bob, &format!("{}{}{}", top(2), audio(40_002), image(40_000)));
    world.run(secs(1));
    let answered = [("audio".to_owned(), true), ("image".to_owned(), false)];
    assert_eq!(lines(&last_answer(&mut world, bob)), answered);
    finish(world, alice);
}

#[test]
fn a_telephone_that_refuses_goes_on_with_audio() {
    let (mut world, alice, bob) = talking();
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(488);
    let before = world.media.log.len();
    reinvite(&mut world, bob, &fax(2, 40_000));
    assert_eq!(world.phone(bob).last_failure(), Some(488));
    assert_eq!(world.media.log.len(), before, "nothing has changed");
    finish(world, alice);
}

/// Some telephones list all that they can in every offer, also when they hold.
#[test]
fn audio_beside_a_fax_that_is_refused_is_passed_on_instead() {
    let (mut world, alice, bob) = talking();
    let held = format!("{}a=sendonly\r\n", audio(40_002));
    reinvite(&mut world, bob, &format!("{}{held}{}", top(2), image(40_000)));
    assert_eq!(lines(&last_offer(&mut world, alice)), [("image".to_owned(), true)]);
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.phone(alice).refuse_ignored(488, |reply| reply);
    world.run(secs(1));
    assert_eq!(lines(&last_offer(&mut world, alice)), [("audio".to_owned(), true)]);
    let answered = [("audio".to_owned(), true), ("image".to_owned(), false)];
    assert_eq!(lines(&last_answer(&mut world, bob)), answered);
    assert!(!world.media.settings_of("bob").receives, "it holds");
    finish(world, alice);
}

/// A 200 that rejects all there is leaves its telephone without media, whatever becomes of the offer.
#[test]
fn who_answers_with_port_0_gets_its_audio_back() {
    let (mut world, alice, bob) = talking();
    reinvite(&mut world, bob, &fax(2, 40_000));
    let refused = last_offer(&mut world, alice);
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.phone(alice).answer_reinvite("application/sdp", &fax(2, 0));
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_failure(), Some(488));
    let offer = last_offer(&mut world, alice);
    assert_eq!(lines(&offer), [("audio".to_owned(), true)]);
    let version = |message: &Message| Description::parse(message.body()).unwrap().origin.version;
    assert_eq!(version(&offer), version(&refused) + 1);
    assert_eq!(are_fax(&world), [false, false]);
    finish(world, alice);
}

#[test]
fn what_the_exchange_answers_itself_takes_no_fax() {
    for number in ["echo", "conf-room", "tone-busy"] {
        let mut world = World::new(1);
        let alice = world.baresip("alice");
        world.register_all();
        world.phone(alice).dial(number);
        world.run(secs(1));
        reinvite(&mut world, alice, &fax(2, 40_000));
        assert_eq!(world.phone(alice).last_failure(), Some(488), "{number}");
        assert!(!world.media.settings_of("alice").is_fax && world.phone(alice).is_up(), "{number}");
        let mut world = finish(world, alice);
        world.phone(alice).dial_with_body(number, "application/sdp", &fax(1, 40_000));
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_failure(), Some(488), "{number}");
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_recording_goes_on_behind_a_fax() {
    let (mut world, alice, bob) = {
        let mut world = World::with(1, |settings| {
            settings.recording = Recording { calls: RecordedCalls::All, ..Recording::default() };
        });
        let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
        world.register_all();
        world.connect(alice, bob);
        (world, alice, bob)
    };
    assert_eq!(world.media.recordings().len(), 2);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    reinvite(&mut world, bob, &fax(2, 40_000));
    world.phone(alice).answer_reinvite("application/sdp", &fax(2, 41_000));
    let told = world.media.log.len();
    world.run(ms(100));
    assert_eq!(are_fax(&world), [true, true]);
    let log = &world.media.log[told..];
    assert!(!log.iter().any(|line| line.contains("recorded")), "nothing is recorded of it: {log:?}");
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.phone(bob).says.version = 2;
    let told = world.media.log.len();
    world.phone(bob).resume();
    world.run(secs(1));
    let log = &world.media.log[told..];
    assert_eq!(log.iter().filter(|line| line.contains("is recorded")).count(), 2, "{log:?}");
    let world = finish(world, alice);
    assert_eq!(world.cdrs[0].recordings.len(), 1);
}

/// One machine may be silent for minutes while the other one sends: whether it is there is asked.
#[test]
fn machines_are_asked_whether_they_are_there() {
    let (mut world, alice, bob) = talking();
    reinvite(&mut world, bob, &fax(2, 40_000));
    world.phone(alice).answer_reinvite("application/sdp", &fax(2, 41_000));
    world.run(secs(1));
    world.run(secs(70));
    for phone in [alice, bob] {
        assert_eq!(world.phone(phone).requests("OPTIONS").len(), 1);
    }
    world.phone(bob).manners.on_options = None;
    world.run(secs(120));
    assert!(world.phone(alice).is_idle(), "its partner has gone");
}

/// Media that goes past the exchange may be a fax as well.
#[test]
fn a_fax_that_goes_past_the_exchange() {
    let mut world = World::with(1, |settings| settings.bypass = Bypass::Local);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    let own = |text: String, address: &str| text.replace("198.51.100.10", address);
    let address = |world: &mut World, phone| world.phone(phone).says.address.clone();
    let (at_alice, at_bob) = (address(&mut world, alice), address(&mut world, bob));
    reinvite(&mut world, bob, &own(fax(2, 40_000), &at_bob));
    let offer = last_offer(&mut world, alice);
    world.phone(alice).answer_reinvite("application/sdp", &own(fax(2, 41_000), &at_alice));
    world.run(secs(1));
    for (message, address, port) in
        [(offer, at_bob, 40_000), (last_answer(&mut world, bob), at_alice, 41_000)]
    {
        let section = Description::parse(message.body()).unwrap().sections.remove(0);
        assert_eq!((section.media, section.port), (MediaType::Image, port));
        assert_eq!(section.connection.unwrap().to_string(), address);
    }
    assert!(world.media.log.is_empty(), "{:?}", world.media.log);
    let world = finish(world, alice);
    assert!(world.cdrs[0].is_bypassed);
    assert_eq!(world.cdrs[0].codec.as_deref(), Some("PCMA+t38"));
}

//! Video in calls: places for it, offers with it, and pictures that are asked for by INFO.

use ringback_control::MediaEvent;
use ringback_media::sdp::{Description, MediaType};
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// What a video phone says, with this video behind its audio.
fn says(host: u8, version: u32, video: &str) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 198.51.100.{host}\r\ns=-\r\nc=IN IP4 198.51.100.{host}\r\nt=0 0\r\nm=audio 19834 \
         RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{video}"
    )
}

const VP8: &str = "m=video 19840 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";
const H264: &str =
    "m=video 19840 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42801f\r\n";
const NONE: &str = "m=video 0 RTP/AVP 97\r\n";
const SDP: &str = "application/sdp";

/// The ports of the sections of a body, and what they are.
fn ports(message: &Message) -> Vec<(MediaType, u16)> {
    let sections = Description::parse(message.body()).unwrap().sections;
    sections.into_iter().map(|section| (section.media, section.port)).collect()
}

fn last_answer(world: &mut World, phone: PhoneId) -> Message {
    let mut heard = world.phone(phone).heard.iter().rev();
    heard.find(|message| message.status() == Some(200) && !message.body().is_empty()).unwrap().clone()
}

/// What the media workers were told of video.
fn told(world: &World) -> Vec<&str> {
    let words = ["video", "picture"];
    world
        .media
        .log
        .iter()
        .map(String::as_str)
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .collect()
}

/// Two telephones, the first of which calls with video, which is answered so.
fn calls_with_video(offer: &str, answer: &str) -> (World, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).dial_with_body("bob", SDP, &says(10, 1, offer));
    world.run(ms(500));
    world.phone(bob).answer_with_body(SDP, &says(11, 1, answer));
    world.settle();
    (world, alice, bob)
}

#[test]
fn two_video_phones_have_a_second_pair_of_ports_each() {
    let (mut world, alice, bob) = calls_with_video(VP8, VP8);
    let offered = ports(world.phone(bob).requests("INVITE")[0]);
    assert_eq!(offered[1].0, MediaType::Video);
    let answered = ports(&last_answer(&mut world, alice));
    assert!(answered[1].1 != 0 && answered[1].1 != offered[1].1, "{answered:?} {offered:?}");
    assert_eq!(told(&world).len(), 2, "{:?}", world.media.log);
    assert!(told(&world).iter().all(|line| line.contains("video VP8 (true, true)")), "{:?}", told(&world));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_goes_on_without_video_that_is_not_shared() {
    for answer in [NONE, "", H264] {
        let (mut world, alice, bob) = calls_with_video(VP8, answer);
        assert_eq!(ports(&last_answer(&mut world, alice))[1], (MediaType::Video, 0));
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
        assert!(told(&world).is_empty(), "{:?}", told(&world));
    }
}

#[test]
fn where_video_is_switched_off_a_call_has_none() {
    let mut world = World::with(1, |settings| settings.video = false);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).dial_with_body("bob", SDP, &says(10, 1, VP8));
    world.run(ms(500));
    assert_eq!(ports(world.phone(bob).requests("INVITE")[0]).len(), 1);
    world.phone(bob).answer();
    world.settle();
    assert_eq!(ports(&last_answer(&mut world, alice))[1], (MediaType::Video, 0));
}

#[test]
fn video_comes_and_goes_in_mid_call() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    let offer = |world: &mut World, text: &str| {
        let contact = world.phone(alice).contact();
        let request = world.phone(alice).in_dialog(Method::Invite).header(Name::Contact, contact);
        world.phone(alice).send(request.body(SDP.as_bytes(), text.as_bytes()).finish());
        world.run(ms(500));
    };
    offer(&mut world, &says(10, 7, VP8));
    assert_eq!(told(&world).len(), 2, "each gets a place for it: {:?}", told(&world));
    let offered = ports(world.phone(bob).requests("INVITE").pop().unwrap());
    assert!(offered[1].1 > 0, "{offered:?}");
    world.phone(bob).answer_reinvite(SDP, &says(11, 7, VP8));
    world.run(secs(1));
    assert!(ports(&last_answer(&mut world, alice))[1].1 > 0);
    assert_eq!(told(&world).iter().filter(|line| line.contains("has video VP8")).count(), 2);

    offer(&mut world, &says(10, 8, NONE));
    assert_eq!(ports(world.phone(bob).requests("INVITE").pop().unwrap())[1], (MediaType::Video, 0));
    world.phone(bob).answer_reinvite(SDP, &says(11, 8, NONE));
    world.run(secs(1));
    assert_eq!(told(&world).iter().filter(|line| line.contains("has no video")).count(), 2);

    // The places stay: video that comes again does not ask for others.
    offer(&mut world, &says(10, 9, VP8));
    world.phone(bob).answer_reinvite(SDP, &says(11, 9, VP8));
    world.run(secs(1));
    assert_eq!(told(&world).iter().filter(|line| line.contains("gets a place")).count(), 2);
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_picture_is_asked_for_by_info_where_rtcp_does_not() {
    let (mut world, alice, bob) = calls_with_video(VP8, VP8);
    // Who sees bob needs a picture, and bob takes no RTCP that says so.
    let key = world.media.leg_of("bob");
    let now = world.now();
    world.media.tell(now, MediaEvent::PictureWanted(key));
    world.run(ms(100));
    let info = world.phone(bob).requests("INFO").pop().unwrap().clone();
    assert_eq!(info.header(Name::ContentType), Some(&b"application/media_control+xml"[..]));
    assert!(String::from_utf8_lossy(info.body()).contains("<picture_fast_update/>"));
    assert!(world.phone(bob).is_up());

    // Bob asks for one of alice, who is asked as she takes it.
    let body = String::from_utf8_lossy(info.body()).into_owned();
    world.phone(bob).send_in_dialog(Method::Info, "application/media_control+xml", &body);
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_status("INFO"), Some(200));
    assert!(world.phone(alice).requests("INFO").is_empty());
    assert_eq!(told(&world).last(), Some(&"alice is asked for a picture"));
    assert_eq!(world.exchange.stats().pictures_by_info, 2);
}

/// A picture is asked for, and there is no place for more video.
pub(crate) fn a_wish_and_no_ports() -> World {
    let (mut world, _, _) = calls_with_video(VP8, VP8);
    let (key, now) = (world.media.leg_of("bob"), world.now());
    world.media.tell(now, MediaEvent::PictureWanted(key));
    world.media.tell(now, MediaEvent::VideoOpened(key, Err("all ports are in use".to_owned())));
    world.settle();
    world
}

#[test]
fn a_phone_that_refuses_the_info_stays_in_the_call() {
    let (mut world, alice, bob) = calls_with_video(VP8, VP8);
    world.phone(bob).manners.on_info = Some(481);
    let key = world.media.leg_of("bob");
    let now = world.now();
    world.media.tell(now, MediaEvent::PictureWanted(key));
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
}

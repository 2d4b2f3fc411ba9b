//! One leg that sends, and others that watch it: copies with numbers of their own, and what viewers ask for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod session_world;

use ringback_media::negotiation::PayloadMap;
use ringback_media::rtcp::{self, Feedback, Request};
use ringback_media::sdp;
use ringback_media::session::{LegKey, Medium, Reason, Socket, Verdict, Way};
use session_world::video::*;
use session_world::*;

const C: LegKey = LegKey(3);
const D: LegKey = LegKey(4);
const PHONE_C: &str = "198.51.100.30:4000";
const VIDEO_C: &str = "198.51.100.30:4010";
const RTCP_C: &str = "198.51.100.30:4011";
const PHONE_D: &str = "198.51.100.40:4000";
const VIDEO_D: &str = "198.51.100.40:4010";
const RTCP_D: &str = "198.51.100.40:4011";
const E: LegKey = LegKey(5);
const PHONE_E: &str = "198.51.100.50:4000";
const VIDEO_E: &str = "198.51.100.50:4010";
const RTCP_B: &str = "203.0.113.20:5011";

fn open(world: &mut World, leg: LegKey, audio: &str, video: &str) {
    world.phone(leg, audio);
    let (now, signalling) = (world.clock.now(), at(video).ip());
    world.worker.open(now, leg.video(), Medium::Rtp { signalling }).unwrap();
    world.worker.configure_video(
        now,
        leg,
        Some(phone_video(video, sdp::Feedback::ALL)),
        PayloadMap::default(),
    );
}

/// B publishes, C and D watch; D knows PCMU as another number.
fn stage() -> World {
    let mut world = World::new();
    for (leg, audio, video) in [(B, PHONE_B, VIDEO_B), (C, PHONE_C, VIDEO_C), (D, PHONE_D, VIDEO_D)] {
        open(&mut world, leg, audio, video);
    }
    let now = world.clock.now();
    world.worker.configure(now, B, phone_settings(Some(PHONE_B)), Way::Audience);
    world.worker.configure_video(
        now,
        B,
        Some(phone_video(VIDEO_B, sdp::Feedback::ALL)),
        PayloadMap::default(),
    );
    world.worker.watch(C, B, phone_map(), map());
    world.worker.watch(D, B, [(0, 8)].into_iter().collect(), map());
    world
}

fn publish(world: &mut World, n: u32) -> Verdict {
    world.rtp(B, PHONE_B, &Rtp::nth(9, n)).0
}

fn publish_picture(world: &mut World, n: u16) -> Verdict {
    world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, n).bytes()).0
}

/// The packets that came to an address.
fn come(world: &mut World, to: &str) -> Vec<Rtp> {
    world.take_sent(to).iter().map(|bytes| Rtp::parse(bytes)).collect()
}

/// What one who watches says of the pictures that it is sent as `ssrc`.
fn tell(world: &mut World, leg: LegKey, from: &str, ssrc: u32, requests: &[Request<'_>]) {
    let verdict = world.deliver(Socket::Rtcp(leg.video()), OURS, from, &compound(requests, ssrc)).0;
    assert_eq!(verdict, Verdict::Consumed);
}

/// What the publisher is asked for.
fn asked(world: &mut World) -> Vec<u8> {
    world.take_sent(RTCP_B).concat()
}

fn wants_picture(compound: &[u8]) -> bool {
    rtcp::feedback(compound).any(|feedback| matches!(feedback, Feedback::PictureLoss { .. }))
}

#[test]
fn each_of_an_audience_gets_a_copy_under_numbers_of_its_own() {
    let mut world = stage();
    assert_eq!(publish(&mut world, 0), Verdict::Shown);
    assert_eq!(publish(&mut world, 1), Verdict::Shown);
    let (at_c, at_d) = (come(&mut world, PHONE_C), come(&mut world, PHONE_D));
    assert_eq!((at_c.len(), at_d.len()), (2, 2));
    for (packets, payload_type) in [(&at_c, 0), (&at_d, 8)] {
        assert_eq!(packets[0].payload_type, payload_type);
        assert_eq!(packets[1].sequence, packets[0].sequence.wrapping_add(1));
        assert_eq!(packets[1].timestamp, packets[0].timestamp.wrapping_add(160));
        assert_eq!(packets[1].payload, Rtp::nth(9, 1).payload);
    }
    assert_ne!(at_c[0].ssrc, at_d[0].ssrc);
    assert!(world.take_sent(PHONE_B).is_empty(), "who publishes hears nothing");
    let stats = world.worker.stats();
    assert_eq!((stats.shown, stats.copied, stats.forwarded), (2, 4, 0));
    assert_eq!(world.worker.report(C).unwrap().packets_out, 2);
}

#[test]
fn what_a_viewer_does_not_know_is_counted_and_the_others_get_it() {
    let mut world = stage();
    world.rtp(B, PHONE_B, &Rtp { payload_type: 8, ..Rtp::nth(9, 0) });
    assert_eq!((come(&mut world, PHONE_C).len(), come(&mut world, PHONE_D).len()), (1, 0));
    assert_eq!(world.drops(D).of(Reason::NoPayloadType), 1);
}

#[test]
fn a_leg_that_nobody_watches_is_sent_nowhere() {
    let mut world = stage();
    let now = world.clock.now();
    world.worker.close(now, C);
    publish(&mut world, 0);
    assert_eq!(come(&mut world, PHONE_D).len(), 1, "the other one goes on");
    world.worker.part(D);
    assert_eq!(publish(&mut world, 1), Verdict::Drop(Reason::NotJoined));
    world.worker.watch(D, B, phone_map(), map());
    assert_eq!(publish(&mut world, 2), Verdict::Shown);
    world.worker.close(now, B);
    // What takes the place of who published is heard by nobody.
    open(&mut world, E, PHONE_E, VIDEO_E);
    world.drain();
    world.take_sent(PHONE_D);
    let verdict = world.rtp(E, PHONE_E, &Rtp::nth(10, 0)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NotJoined));
    assert!(world.take_sent(PHONE_D).is_empty());
}

#[test]
fn who_begins_to_watch_gets_a_whole_picture_and_many_ask_once() {
    let mut world = stage();
    assert_eq!(publish_picture(&mut world, 0), Verdict::Shown);
    let (at_c, at_d) = (come(&mut world, VIDEO_C), come(&mut world, VIDEO_D));
    assert_eq!((at_c.len(), at_d.len()), (1, 1));
    assert!(wants_picture(&asked(&mut world)), "both have seen nothing yet");
    // It was asked for a moment ago on behalf of one of them, and is asked for the other when that is over.
    publish_picture(&mut world, 1);
    assert!(!wants_picture(&asked(&mut world)));
    world.pass(secs(1));
    publish_picture(&mut world, 2);
    assert!(wants_picture(&asked(&mut world)));
    publish_picture(&mut world, 3);
    world.pass(secs(1));
    publish_picture(&mut world, 4);
    asked(&mut world);
    tell(&mut world, C, RTCP_C, at_c[0].ssrc, &[Request::PictureLoss]);
    tell(&mut world, D, RTCP_D, at_d[0].ssrc, &[Request::PictureLoss]);
    let told = asked(&mut world);
    let count = rtcp::feedback(&told).filter(|it| matches!(it, Feedback::PictureLoss { .. })).count();
    assert_eq!(count, 1, "two who lost a picture are one request");
}

#[test]
fn who_misses_a_packet_gets_it_again_and_what_nobody_has_is_asked_for() {
    let mut world = stage();
    publish_picture(&mut world, 0);
    publish_picture(&mut world, 1);
    publish_picture(&mut world, 3);
    let (at_c, at_d) = (come(&mut world, VIDEO_C), come(&mut world, VIDEO_D));
    world.pass(secs(1));
    asked(&mut world);
    let (ssrc, missing) = (at_c[0].ssrc, at_c[1].sequence);
    tell(&mut world, C, RTCP_C, ssrc, &[Request::Nack(&[missing, missing.wrapping_add(1)])]);
    let again = come(&mut world, VIDEO_C);
    assert_eq!(again, at_c[1..2], "it has this one, the very same bytes");
    assert!(world.take_sent(VIDEO_D).is_empty(), "nobody else has asked");
    let told = asked(&mut world);
    let nack = rtcp::feedback(&told).find_map(|feedback| match feedback {
        Feedback::Nack { pairs, .. } => Some(rtcp::missing(pairs).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(nack, Some(vec![3002]), "the other was lost before us");
    publish_picture(&mut world, 2);
    let (late_c, late_d) = (come(&mut world, VIDEO_C), come(&mut world, VIDEO_D));
    assert_eq!(late_c[0].sequence, missing.wrapping_add(1));
    assert_eq!(late_d[0].sequence, at_d[1].sequence.wrapping_add(1));
}

#[test]
fn of_what_viewers_can_receive_the_least_is_told() {
    let mut world = stage();
    publish_picture(&mut world, 0);
    let (at_c, at_d) = (come(&mut world, VIDEO_C), come(&mut world, VIDEO_D));
    asked(&mut world);
    let bitrate = |world: &mut World| {
        let told = asked(world);
        rtcp::feedback(&told).find_map(|feedback| match feedback {
            Feedback::Bitrate(bits) => Some(bits),
            _ => None,
        })
    };
    tell(&mut world, D, RTCP_D, at_d[0].ssrc, &[Request::Bitrate(512_000)]);
    assert_eq!(bitrate(&mut world), Some(512_000));
    tell(&mut world, C, RTCP_C, at_c[0].ssrc, &[Request::Bitrate(2_048_000)]);
    assert_eq!(bitrate(&mut world), Some(512_000));
    let now = world.clock.now();
    world.worker.close(now, D);
    tell(&mut world, C, RTCP_C, at_c[0].ssrc, &[Request::Bitrate(2_048_000)]);
    assert_eq!(bitrate(&mut world), Some(2_048_000));
}

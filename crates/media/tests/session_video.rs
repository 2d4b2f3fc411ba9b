//! Video beside audio: which section a packet belongs to, what is sent again, and who is asked for a picture.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod session_world;

use ringback_media::dtls::Role;
use ringback_media::negotiation::PayloadMap;
use ringback_media::rtcp::{self, Feedback, Request};
use ringback_media::sdp;
use ringback_media::session::{Event, FeedbackCounts, LegReport, Reason, Socket, Verdict};
use session_world::video::*;
use session_world::*;

#[test]
fn audio_and_video_of_one_port_go_to_their_own_sections() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let (verdict, bytes) = browser.send(&mut world, &Rtp::nth(7, 0));
    let Verdict::Forward(audio) = verdict else { panic!("{verdict:?}") };
    assert_eq!((audio.socket, audio.remote), (Socket::Rtp(B), at(PHONE_B)));
    let audio = Rtp::parse(&bytes);
    let (verdict, bytes) = browser.send(&mut world, &picture(8, 0));
    let Verdict::Forward(video) = verdict else { panic!("{verdict:?}") };
    assert_eq!((video.socket, video.remote), (Socket::Rtp(B.video()), at(VIDEO_B)));
    let video = Rtp::parse(&bytes);
    assert_eq!((video.payload_type, video.payload), (VP8, picture(8, 0).payload));
    assert_ne!(audio.ssrc, video.ssrc);

    let shown = from_phone(&mut world, &mut browser, 0);
    assert_eq!((shown.ssrc, shown.payload), (OURS_TO_BROWSER.0, picture(9, 0).payload));
    let verdict = browser.send(&mut world, &Rtp { payload_type: 55, ..picture(8, 1) }).0;
    assert_eq!(verdict, Verdict::Drop(Reason::PayloadType));
    assert_eq!(world.worker.stats().legs, 2, "a section is no leg of its own");
}

/// Who asks for a picture twice within a moment is counted twice, and asks its sender once.
#[test]
fn what_is_asked_for_is_counted_on_either_side_of_us() {
    let all = sdp::Feedback { nack: true, pli: true, ..sdp::Feedback::default() };
    let (mut world, mut browser) = browser_and_phone(true, all);
    let sent: Vec<Rtp> = [0, 1, 3].map(|n| from_phone(&mut world, &mut browser, n)).into();
    browser.send(&mut world, &picture(8, 0));
    world.pass(secs(1));
    phone_asked(&mut world);
    let before = world.worker.report(B).unwrap().video.unwrap().feedback;
    let lost = sent[1].sequence.wrapping_add(1);
    browser.tell(&mut world, &[Request::Nack(&[sent[0].sequence, lost]), Request::PictureLoss]);
    browser.tell(&mut world, &[Request::PictureLoss, Request::FullIntra(1)]);
    phone_asked(&mut world);
    let check = |a: LegReport, b: LegReport| {
        let (seen, shown) = (a.video.unwrap(), b.video.unwrap());
        let of_browser = FeedbackCounts {
            nacks_in: 1,
            plis_in: 2,
            firs_in: 1,
            repeated_out: 1,
            // It is asked for a picture when the phone begins to see.
            plis_out: seen.feedback.plis_out,
            ..FeedbackCounts::default()
        };
        assert_eq!(seen.feedback, of_browser);
        let of_phone = FeedbackCounts { nacks_out: 1, plis_out: before.plis_out + 1, ..before };
        assert_eq!(shown.feedback, of_phone);
        assert_eq!((seen.section.packets_out, shown.section.packets_in), (3, 3));
        assert_eq!((shown.section.lost, shown.section.ssrc), (1, Some(9)));
        assert_eq!((seen.section.octets_out, seen.section.packets_in), (2700, 1));
        assert_eq!(
            (&seen.section.video, a.packets_in),
            (&None, 0),
            "the audio beside it is counted by itself"
        );
        assert!(a.rtcp_in > 0 && seen.section.rtcp_in == 0, "the RTCP of a bundle is counted once");
    };
    let worker = &mut world.worker;
    check(worker.report(A).unwrap(), worker.report(B).unwrap());
    let now = world.clock.now();
    check(worker.close(now, A).unwrap(), worker.close(now, B).unwrap());
    assert_eq!(worker.report(A.video()), None);
}

#[test]
fn what_a_browser_misses_is_sent_again_in_a_stream_of_its_own() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let sent: Vec<Rtp> = (0..5).map(|n| from_phone(&mut world, &mut browser, n)).collect();
    world.take_sent(browser.address);
    browser.tell(&mut world, &[Request::Nack(&[sent[1].sequence, sent[3].sequence])]);
    let again: Vec<Rtp> = world
        .take_sent(browser.address)
        .iter()
        .filter(|bytes| !(192..224).contains(&bytes[1]))
        .map(|bytes| browser.unprotect(bytes))
        .collect();
    assert_eq!(again.len(), 2);
    for (repeat, original) in again.iter().zip([&sent[1], &sent[3]]) {
        assert_eq!((repeat.payload_type, repeat.ssrc), (RTX, OURS_TO_BROWSER.1));
        assert_eq!(repeat.timestamp, original.timestamp);
        assert_eq!(repeat.payload[..2], original.sequence.to_be_bytes());
        assert_eq!(repeat.payload[2..], original.payload);
    }
    assert_eq!(again[1].sequence, again[0].sequence.wrapping_add(1));
    // The same loss, told again at once, is mended already.
    browser.tell(&mut world, &[Request::Nack(&[sent[1].sequence])]);
    assert!(world.take_sent(browser.address).is_empty());
}

#[test]
fn without_such_a_stream_the_very_same_bytes_are_sent_again() {
    let (mut world, browser) = browser_and_phone(false, sdp::Feedback::default());
    let mut browser = browser;
    let (_, bytes) = world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, 0).bytes());
    let sequence = u16::from_be_bytes([bytes[2], bytes[3]]);
    world.take_sent(browser.address);
    browser.tell(&mut world, &[Request::Nack(&[sequence])]);
    let again = world.take_sent(browser.address);
    assert_eq!(again, std::slice::from_ref(&bytes), "encrypted twice it would give the key stream away");
    assert_eq!(browser.unprotect(&again[0]).payload, picture(9, 0).payload);
}

/// What is kept is in the clear for a stream of repairs, and protected without one.
#[test]
fn what_was_kept_for_repairs_is_not_sent_in_the_clear_when_there_are_none_any_more() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let sent = from_phone(&mut world, &mut browser, 0);
    let now = world.clock.now();
    world.worker.configure_video(now, A, Some(browser_video(&browser, false)), map());
    world.drain();
    world.take_sent(browser.address);
    browser.tell(&mut world, &[Request::Nack(&[sent.sequence])]);
    assert!(world.take_sent(browser.address).is_empty());
    // The numbers of repairs go on where they were, or the key stream would be given away.
    world.worker.configure_video(now, A, Some(browser_video(&browser, true)), map());
    let again = |world: &mut World, browser: &mut Browser, n| {
        let sent = from_phone(world, browser, n);
        world.take_sent(browser.address);
        browser.tell(world, &[Request::Nack(&[sent.sequence])]);
        let bytes =
            world.take_sent(browser.address).into_iter().find(|bytes| !(192..224).contains(&bytes[1]));
        browser.unprotect(&bytes.unwrap()).sequence
    };
    let first = again(&mut world, &mut browser, 1);
    assert_eq!(again(&mut world, &mut browser, 2), first.wrapping_add(1));
}

#[test]
fn what_was_lost_before_us_is_asked_of_who_sends_it_in_its_own_numbers() {
    let feedback = sdp::Feedback { nack: true, ..sdp::Feedback::default() };
    let (mut world, mut browser) = browser_and_phone(true, feedback);
    let first = from_phone(&mut world, &mut browser, 0);
    from_phone(&mut world, &mut browser, 3);
    phone_asked(&mut world);
    let missing = [first.sequence.wrapping_add(1), first.sequence.wrapping_add(2)];
    browser.tell(&mut world, &[Request::Nack(&missing)]);
    let asked = phone_asked(&mut world);
    let nack = rtcp::feedback(&asked).find_map(|feedback| match feedback {
        Feedback::Nack { ssrc, pairs } => Some((ssrc, rtcp::missing(pairs).collect::<Vec<_>>())),
        _ => None,
    });
    assert_eq!(nack, Some((9, vec![3001, 3002])));
    // It comes late, and takes its place.
    let late = from_phone(&mut world, &mut browser, 1);
    assert_eq!(late.sequence, missing[0]);
    // What has not been yet is nobody's to send again.
    browser.tell(&mut world, &[Request::Nack(&[first.sequence.wrapping_add(40)])]);
    assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 0);
}

#[test]
fn what_a_browser_sends_again_becomes_what_it_repeats() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let first = Rtp::parse(&browser.send(&mut world, &picture(8, 0)).1);
    browser.send(&mut world, &picture(8, 2));
    let repeat =
        |payload: Vec<u8>, sequence| Rtp { payload_type: RTX, ssrc: 88, sequence, payload, ..picture(8, 1) };
    let payload = [&3001u16.to_be_bytes()[..], &picture(8, 1).payload].concat();
    let (verdict, bytes) = browser.send(&mut world, &repeat(payload.clone(), 500));
    let Verdict::Forward(destination) = verdict else { panic!("{verdict:?}") };
    assert_eq!(destination.remote, at(VIDEO_B));
    let mended = Rtp::parse(&bytes);
    assert_eq!((mended.ssrc, mended.sequence), (first.ssrc, first.sequence.wrapping_add(1)));
    assert_eq!((mended.payload_type, mended.payload), (VP8, picture(8, 1).payload));
    // Once is enough, and padding repeats nothing.
    let verdict = browser.send(&mut world, &repeat(payload, 501)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::Duplicate));
    let verdict = browser.send(&mut world, &repeat(vec![0, 7], 502)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NothingRepeated));
    let video = world.worker.report(A).unwrap().video.unwrap();
    assert_eq!((video.feedback.repeated_in, video.section.packets_in), (2, 2));
}

#[test]
fn a_lost_picture_is_told_to_who_sends_it_as_it_understands() {
    let pli = sdp::Feedback { pli: true, ..sdp::Feedback::default() };
    let fir = sdp::Feedback { fir: true, ..sdp::Feedback::default() };
    for feedback in [pli, fir] {
        let (mut world, mut browser) = browser_and_phone(true, feedback);
        from_phone(&mut world, &mut browser, 0);
        world.pass(secs(1));
        phone_asked(&mut world);
        browser.tell(&mut world, &[Request::PictureLoss]);
        let asked = phone_asked(&mut world);
        match rtcp::feedback(&asked).collect::<Vec<_>>()[..] {
            [Feedback::PictureLoss { ssrc: 9 }] if feedback == pli => {}
            [Feedback::FullIntra { entries }] if feedback == fir => {
                assert!(rtcp::request_for(9, entries).is_some());
            }
            ref other => panic!("{feedback:?}: {other:?}"),
        }
        // Every wish within a moment is the same wish; a later one is not.
        browser.tell(&mut world, &[Request::PictureLoss]);
        assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 0);
        world.pass(secs(1));
        browser.tell(&mut world, &[Request::FullIntra(1)]);
        assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 1);
        world.pass(secs(1));
        browser.tell(&mut world, &[Request::FullIntra(1)]);
        assert_eq!(
            rtcp::feedback(&phone_asked(&mut world)).count(),
            0,
            "the number of a request is its name"
        );
    }
}

#[test]
fn a_phone_that_takes_no_feedback_is_asked_by_its_signalling() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    from_phone(&mut world, &mut browser, 0);
    world.pass(secs(1));
    world.take_events();
    browser.tell(&mut world, &[Request::PictureLoss]);
    assert_eq!(world.take_events(), [Event::PictureWanted { leg: B }]);
    assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 0);
}

#[test]
fn how_much_can_be_received_passes_to_a_browser_that_heeds_it() {
    let mut world = World::new();
    let mut alice = Browser::connect(&mut world, A);
    let mut bob = Browser::open_at(&mut world, B, Role::Server, "198.51.100.88:50000");
    bob.configure(&mut world, Role::Server);
    bob.check(&mut world, true);
    bob.shake(&mut world);
    let now = world.clock.now();
    for (leg, browser) in [(A, &alice), (B, &bob)] {
        world.worker.configure_video(now, leg, Some(browser_video(browser, true)), map());
    }
    world.worker.join(A, B);
    world.drain();
    alice.send(&mut world, &picture(8, 0));
    world.pass(secs(1));
    alice.asked(&mut world);
    bob.tell(&mut world, &[Request::Bitrate(400_000)]);
    let asked = alice.asked(&mut world);
    assert_eq!(rtcp::feedback(&asked).collect::<Vec<_>>(), [Feedback::Bitrate(400_000)]);
}

#[test]
fn whoever_begins_to_see_gets_a_whole_picture() {
    let pli = sdp::Feedback { pli: true, ..sdp::Feedback::default() };
    let (mut world, mut browser) = browser_and_phone(true, pli);
    from_phone(&mut world, &mut browser, 0);
    assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 1, "the first that it sees may be any");
    from_phone(&mut world, &mut browser, 1);
    assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 0);
    // Another one comes to see the phone.
    world.pass(secs(1));
    world.worker.join(A, B);
    from_phone(&mut world, &mut browser, 2);
    assert_eq!(rtcp::feedback(&phone_asked(&mut world)).count(), 1);
}

#[test]
fn reports_tell_of_each_stream_by_its_own_numbers() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    browser.send(&mut world, &Rtp::nth(7, 0));
    browser.send(&mut world, &picture(8, 0));
    from_phone(&mut world, &mut browser, 0);
    world.take_sent(browser.address);
    world.pass(secs(6));
    let mut reported = Vec::new();
    for mut bytes in world.take_sent(browser.address) {
        let len = browser.keys.as_mut().unwrap().1.unprotect_rtcp(&mut bytes).unwrap();
        let packets: Vec<_> =
            rtcp_types::Compound::parse(&bytes[..len]).unwrap().map(Result::unwrap).collect();
        match &packets[0] {
            rtcp_types::Packet::Sr(report) => {
                reported.push((report.ssrc(), report.report_blocks().next().map(|block| block.ssrc())));
            }
            rtcp_types::Packet::Rr(report) => {
                reported.push((0, report.report_blocks().next().map(|block| block.ssrc())));
            }
            other => panic!("{other:?}"),
        }
    }
    reported.sort_unstable();
    reported.dedup();
    assert_eq!(reported, [(0, Some(7)), (OURS_TO_BROWSER.0, Some(8))]);
}

#[test]
fn a_phone_without_its_camera_is_no_phone_that_has_gone() {
    let (mut world, _browser) = browser_and_phone(true, sdp::Feedback::default());
    for n in 0..40 {
        world.rtp(B, PHONE_B, &Rtp::nth(5, n));
        world.pass(secs(2));
    }
    let gone =
        world.take_events().into_iter().filter(|event| matches!(event, Event::Gone { leg, .. } if *leg == B));
    assert_eq!(gone.count(), 0);
}

#[test]
fn video_that_is_over_drops_what_comes_and_comes_again_under_the_same_numbers() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let before = from_phone(&mut world, &mut browser, 0);
    let now = world.clock.now();
    world.worker.configure_video(now, A, None, PayloadMap::default());
    let verdict = world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, 1).bytes()).0;
    assert_eq!(verdict, Verdict::Drop(Reason::PeerNotReady));
    let verdict = browser.send(&mut world, &picture(8, 1)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NotConfigured));
    world.worker.configure_video(now, A, Some(browser_video(&browser, true)), map());
    let after = from_phone(&mut world, &mut browser, 2);
    assert_eq!(after.ssrc, before.ssrc);
    assert!(after.sequence.wrapping_sub(before.sequence) < 100, "an SRTP index is used once");
}

#[test]
fn a_leg_takes_its_video_with_it() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    from_phone(&mut world, &mut browser, 0);
    let now = world.clock.now();
    world.worker.close(now, A);
    let verdict = world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, 1).bytes()).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NotJoined));
    world.worker.close(now, B);
    let verdict = world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, 2).bytes()).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NoLeg));
    assert_eq!(world.worker.stats().legs, 0);
}

#[test]
fn a_flood_of_wishes_is_bounded() {
    let (mut world, mut browser) = browser_and_phone(true, sdp::Feedback::default());
    let sent: Vec<u16> = (0..200).map(|n| from_phone(&mut world, &mut browser, n).sequence).collect();
    world.take_sent(browser.address);
    browser.tell(&mut world, &[Request::Nack(&sent)]);
    assert_eq!(world.take_sent(browser.address).len(), 64);
}

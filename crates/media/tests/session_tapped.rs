//! Legs that are recorded or played to while their packets are passed on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::insert::Manner;
use ringback_media::negotiation::{LegSettings, Payload};
use ringback_media::session::{Event, Reason, Socket, Verdict};
use session_world::*;

#[test]
fn a_tapped_leg_is_passed_on_and_copied_as_it_came() {
    let mut world = World::phones();
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    assert!(world.worker.poll_copy().is_none());
    world.worker.tap(A, true);
    let said = Rtp::nth(7, 1);
    world.forwarded(A, PHONE_A, &said);
    let (leg, copy) = world.worker.poll_copy().unwrap();
    assert_eq!((leg, copy), (A, &*said.bytes()));
    assert!(world.worker.poll_copy().is_none(), "once");
    world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert!(world.worker.poll_copy().is_none(), "the other leg is not tapped");
    world.worker.tap(A, false);
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 2));
    assert!(world.worker.poll_copy().is_none());
}

#[test]
fn the_reports_of_a_tapped_leg_are_copied_opened() {
    let mut world = World::new();
    let mut browser = Browser::connect(&mut world, A);
    let report = |ssrc: u32| [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
    let mut tell = |world: &mut World, is_forged: bool| {
        let mut bytes = report(7);
        bytes.resize(64, 0);
        let len = browser.keys.as_mut().unwrap().0.protect_rtcp(&mut bytes, 8).unwrap();
        bytes[len - 1] ^= u8::from(is_forged);
        world.deliver(Socket::Shared, SHARED, browser.address, &bytes[..len]).0
    };
    assert_eq!(tell(&mut world, false), Verdict::Consumed);
    assert!(world.worker.poll_copy().is_none());
    world.worker.tap(A, true);
    assert!(matches!(tell(&mut world, true), Verdict::Drop(_)));
    assert!(world.worker.poll_copy().is_none(), "what is not authentic is no report");
    assert_eq!(tell(&mut world, false), Verdict::Consumed);
    assert_eq!(world.worker.poll_copy(), Some((A, &report(7)[..])));
    assert!(world.worker.poll_copy().is_none(), "once");
}

#[test]
fn what_is_said_under_an_announcement_is_dropped() {
    let mut world = World::phones();
    world.worker.set_played(B, Some(Manner::Over));
    for n in 0..50 {
        let said = Rtp { payload: vec![0x10; 160], ..Rtp::nth(7, n) };
        assert_eq!(world.dropped(A, PHONE_A, &said), Reason::PlayedOver);
    }
    world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    world.worker.set_played(B, None);
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 50));
}

#[test]
fn music_ends_when_who_holds_is_heard_and_not_for_silence_or_a_click() {
    let mut world = World::phones();
    world.worker.set_played(B, Some(Manner::Under));
    world.take_events();
    let mut n = 0;
    let mut say = |world: &mut World, code: u8| {
        n += 1;
        world.rtp(A, PHONE_A, &Rtp { payload: vec![code; 160], ..Rtp::nth(7, n) }).0
    };
    for code in
        [[0xff; 50], [0x10; 50]].concat().into_iter().enumerate().filter(|(n, _)| *n < 59).map(|(_, c)| c)
    {
        assert_eq!(say(&mut world, code), Verdict::Drop(Reason::PlayedOver));
    }
    assert_eq!(say(&mut world, 0xff), Verdict::Drop(Reason::PlayedOver), "a pause begins it anew");
    for _ in 0..9 {
        assert_eq!(say(&mut world, 0x10), Verdict::Drop(Reason::PlayedOver));
    }
    assert!(matches!(say(&mut world, 0x10), Verdict::Forward(_)));
    assert!(matches!(say(&mut world, 0xff), Verdict::Forward(_)));
    assert!(world.take_events().contains(&Event::Interrupted { leg: B }));
}

#[test]
fn what_is_silenced_is_silence_for_all_who_hear_it() {
    let mut world = World::phones();
    let silence = |world: &mut World, is_silenced: bool| {
        let settings = LegSettings { is_silenced, ..phone_settings(Some(PHONE_A)) };
        let payloads = settings
            .payloads
            .iter()
            .map(|(number, it)| (number, Payload { silence: (number == 0).then_some(0xff), ..it }));
        let payloads = payloads.collect();
        let now = world.clock.now();
        world.worker.configure(now, A, LegSettings { payloads, ..settings }, phone_map());
    };
    silence(&mut world, true);
    world.worker.tap(A, true);
    let said = Rtp { payload: vec![0x10; 160], ..Rtp::nth(7, 0) };
    let sent = world.forwarded(A, PHONE_A, &said);
    assert_eq!(sent.1.payload, [0xff; 160]);
    assert_eq!(world.worker.poll_copy().unwrap().1[12..], [0xff; 160]);
    // How much of a packet is padding is only said by who sends it: nothing of it is heard.
    for padding in [1, 100, 160, 161, 255] {
        let mut bytes = Rtp { payload: vec![padding; 160], ..Rtp::nth(7, u32::from(padding)) }.bytes();
        bytes[0] |= 0x20;
        let (verdict, sent) = world.deliver(Socket::Rtp(A), OURS, PHONE_A, &bytes);
        assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
        assert_eq!((sent[0], &sent[12..]), (0x80, &[0xff; 160][..]), "{padding}");
    }
    // The other one is heard, and so is this one from when it may be.
    let other = Rtp { payload: vec![0x10; 160], ..Rtp::nth(9, 0) };
    assert_eq!(world.forwarded(B, PHONE_B, &other).1.payload, [0x10; 160]);
    silence(&mut world, false);
    let said = Rtp { payload: vec![0x10; 160], ..Rtp::nth(7, 300) };
    assert_eq!(world.forwarded(A, PHONE_A, &said).1.payload, [0x10; 160]);
}

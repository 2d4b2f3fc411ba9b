//! Plain RTP legs: who may speak for them, renumbering, hold, silence.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::negotiation::PayloadMap;
use ringback_media::session::{Event, Gone, LegKey, Medium, OpenError, Reason, Socket, Verdict};
use session_world::*;

#[test]
fn a_packet_goes_to_the_other_leg_under_our_numbers() {
    let mut world = World::phones();
    let (to, first) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    assert_eq!((to.socket, to.remote), (Socket::Rtp(B), at(PHONE_B)));
    assert_eq!(to.local, at("0.0.0.0:0"), "nothing has come to B's port yet");
    assert_ne!(first.ssrc, 7);
    assert!(first.sequence <= 0x8000);
    assert_eq!(first.payload, [0; 160]);
    let (_, second) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 1));
    assert_eq!(second.ssrc, first.ssrc);
    assert_eq!(second.sequence, first.sequence + 1);
    assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));

    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert_eq!((to.socket, to.local, to.remote), (Socket::Rtp(A), at(OURS), at(PHONE_A)));
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }, Event::FirstPacket { leg: B }]);
    let report = world.worker.report(A).unwrap();
    assert_eq!((report.packets_in, report.octets_in), (2, 320));
    assert_eq!((report.packets_out, report.octets_out), (1, 160));
    assert_eq!(report.first_media, report.last_media);
}

#[test]
fn payload_types_follow_the_map_and_others_do_not_pass() {
    let mut world = World::phones();
    let map: PayloadMap = [(0, 0), (101, 96)].into_iter().collect();
    world.worker.configure(world.clock.now(), A, phone_settings(Some(PHONE_A)), map);
    let event = Rtp { payload_type: 101, marker: true, payload: vec![5, 0x0a, 0, 160], ..Rtp::nth(7, 0) };
    let (_, out) = world.forwarded(A, PHONE_A, &event);
    assert_eq!((out.payload_type, out.marker, &out.payload), (96, true, &event.payload), "RFC 4733 passes");
    let pcma = Rtp { payload_type: 8, ..Rtp::nth(7, 1) };
    assert_eq!(world.dropped(A, PHONE_A, &pcma), Reason::NoPayloadType);
    let unknown = Rtp { payload_type: 18, ..Rtp::nth(7, 2) };
    assert_eq!(world.dropped(A, PHONE_A, &unknown), Reason::PayloadType);
    let drops = world.drops(A);
    assert_eq!((drops.of(Reason::NoPayloadType), drops.of(Reason::PayloadType), drops.total()), (1, 1, 2));
    assert_eq!(world.worker.stats().drops, drops);
}

#[test]
fn header_extensions_stay_on_their_leg() {
    let mut world = World::phones();
    let extended = Rtp { extension: vec![0x10, 0x55, 0, 0, 0x20, 1, 2, 3], ..Rtp::nth(7, 0) };
    let (_, out) = world.forwarded(A, PHONE_A, &extended);
    assert_eq!(out.payload, extended.payload);
    assert_eq!(world.worker.report(B).unwrap().octets_out, 160);
}

#[test]
fn a_change_of_source_is_one_stream_for_the_other_side() {
    let mut world = World::phones();
    let (_, early) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    world.pass(ms(20));
    let (_, late) = world.forwarded(A, PHONE_A, &Rtp { sequence: 40_000, timestamp: 9, ..Rtp::nth(8, 1) });
    assert_eq!(late.ssrc, early.ssrc);
    assert_eq!(late.sequence, early.sequence + 1);
    assert_eq!(late.timestamp, early.timestamp.wrapping_add(160));
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 1)), Reason::FormerSource);
}

#[test]
fn injection_from_elsewhere_is_dropped_before_and_after_the_first_packet() {
    let mut world = World::phones();
    for stranger in ["198.51.100.11:4000", "203.0.113.20:4000", "192.0.2.99:4000"] {
        assert_eq!(world.dropped(A, stranger, &Rtp::nth(7, 0)), Reason::WrongSource, "{stranger}");
    }
    let (_, first) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    assert_eq!(world.dropped(A, "198.51.100.11:4000", &Rtp::nth(7, 1)), Reason::WrongSource);
    assert_eq!(world.dropped(A, "198.51.100.10:4002", &Rtp::nth(7, 1)), Reason::WrongSource, "same host");
    let (_, second) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 1));
    assert_eq!(second.sequence, first.sequence + 1, "the injected packets left no gap");
    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert_eq!(to.remote, at(PHONE_A), "nor did they turn the media away");
}

#[test]
fn a_phone_behind_nat_is_learnt_and_then_locked() {
    let mut world = World::new();
    let now = world.clock.now();
    let signalling = "198.51.100.10".parse().unwrap();
    world.worker.open(now, A, Medium::Rtp { signalling }).unwrap();
    world.worker.configure(now, A, phone_settings(Some("192.168.1.5:4000")), phone_map());
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert_eq!(to.remote, at("198.51.100.10:4000"), "a guess, never the private address");
    let (natted, neighbour) = ("198.51.100.12:61000", "198.51.100.13:61000");
    let odd = Rtp { payload_type: 18, ..Rtp::nth(7, 0) };
    assert_eq!(world.dropped(A, neighbour, &odd), Reason::PayloadType);
    world.forwarded(A, natted, &Rtp::nth(7, 0));
    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 1));
    assert_eq!(
        (to.remote, to.local),
        (at(natted), at(OURS)),
        "a payload type that does not fit teaches nothing"
    );
    assert_eq!(world.dropped(A, neighbour, &Rtp::nth(8, 1)), Reason::WrongSource, "another SSRC");
    world.forwarded(A, neighbour, &Rtp::nth(7, 1));
    world.pass(secs(3));
    assert_eq!(world.dropped(A, natted, &Rtp::nth(7, 2)), Reason::WrongSource, "locked");
    world.worker.configure(world.clock.now(), A, phone_settings(Some("192.168.1.5:4000")), phone_map());
    world.forwarded(A, natted, &Rtp::nth(7, 3));
}

/// A phone behind NAT that sends nothing for a minute gets its audio, and no neighbour gets it instead.
#[test]
fn a_phone_behind_nat_that_starts_late_is_heard_and_hears() {
    let mut world = World::new();
    let now = world.clock.now();
    let signalling = "198.51.100.10".parse().unwrap();
    world.worker.open(now, A, Medium::Rtp { signalling }).unwrap();
    world.worker.configure(now, A, phone_settings(Some("192.168.1.5:4000")), phone_map());
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    world.pass(secs(60));
    assert_eq!(world.dropped(A, "198.51.100.13:61000", &Rtp::nth(8, 0)), Reason::WrongSource);
    world.forwarded(A, "198.51.100.10:61000", &Rtp::nth(7, 0));
    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 1));
    assert_eq!(to.remote, at("198.51.100.10:61000"));
    assert_eq!(world.dropped(A, "198.51.100.10:61002", &Rtp::nth(8, 1)), Reason::WrongSource, "locked");
}

#[test]
fn hold_stops_each_direction_by_itself_and_leaves_no_gap() {
    let mut world = World::phones();
    let (_, before) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    let mut held = phone_settings(Some(PHONE_A));
    held.sends = false;
    world.worker.configure(world.clock.now(), A, held, phone_map());
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 1)), Reason::MayNotSend);
    world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    let mut deaf = phone_settings(Some(PHONE_A));
    deaf.receives = false;
    world.worker.configure(world.clock.now(), A, deaf, phone_map());
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 1)), Reason::MayNotReceive);
    for n in 2..400 {
        world.pass(ms(20));
        let verdict = world.rtp(A, PHONE_A, &Rtp::nth(7, n)).0;
        assert!(matches!(verdict, Verdict::Forward(_)), "{n} {verdict:?}");
    }
    world.worker.configure(world.clock.now(), A, phone_settings(Some(PHONE_A)), phone_map());
    let (_, after) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 400));
    assert_eq!(after.sequence, before.sequence + 400);
}

#[test]
fn an_old_hold_with_no_address_keeps_the_learnt_source() {
    let mut world = World::phones();
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    let mut held = phone_settings(None);
    held.receives = false;
    world.worker.configure(world.clock.now(), A, held, phone_map());
    world.pass(secs(10));
    world.worker.configure(world.clock.now(), A, phone_settings(Some(PHONE_A)), phone_map());
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 1));
    let (to, _) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert_eq!(to.remote, at(PHONE_A));
}

#[test]
fn echo_comes_back_under_our_numbers() {
    let mut world = World::new();
    world.phone(A, PHONE_A);
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 0)), Reason::NotJoined);
    world.worker.echo(A);
    let (to, out) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 1));
    assert_eq!((to.socket, to.remote), (Socket::Rtp(A), at(PHONE_A)));
    assert_ne!(out.ssrc, 7);
    world.worker.part(A);
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 2)), Reason::NotJoined);
}

#[test]
fn joining_anew_parts_the_old_pair_and_keeps_the_stream() {
    let mut world = World::phones();
    let third = LegKey(3);
    world.phone(third, "203.0.113.30:6000");
    let (_, before) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    world.worker.join(third, B);
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 1)), Reason::NotJoined);
    let (to, after) = world.forwarded(third, "203.0.113.30:6000", &Rtp::nth(8, 50));
    assert_eq!(to.remote, at(PHONE_B));
    assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence + 1));
    assert!(world.worker.close(world.clock.now(), third).is_some());
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 0)), Reason::NotJoined);
}

#[test]
fn before_an_answer_nothing_passes_either_way() {
    let mut world = World::new();
    let now = world.clock.now();
    world.worker.open(now, A, Medium::Rtp { signalling: at(PHONE_A).ip() }).unwrap();
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 0)), Reason::NotConfigured);
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 0)), Reason::PeerNotReady);
}

#[test]
fn a_reused_port_keeps_its_former_far_end_out_for_30_seconds() {
    let mut world = World::phones();
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    world.worker.close(world.clock.now(), A);
    world.pass(secs(1));
    // The next call gets the port, and its far end is at the same address, behind the same NAT.
    let next = LegKey(3);
    let now = world.clock.now();
    world.worker.open(now, next, Medium::Rtp { signalling: at(PHONE_A).ip() }).unwrap();
    world.worker.configure(now, next, phone_settings(Some("192.168.7.7:4100")), phone_map());
    world.worker.join(next, B);
    assert_eq!(world.dropped(next, PHONE_A, &Rtp::nth(8, 0)), Reason::FormerPeer, "its address");
    assert_eq!(world.dropped(next, "198.51.100.10:7777", &Rtp::nth(7, 1)), Reason::FormerPeer, "its SSRC");
    world.forwarded(next, "198.51.100.10:4100", &Rtp::nth(8, 1));
}

#[test]
fn silence_of_a_leg_that_may_send_is_told_after_65_seconds_and_again() {
    let mut world = World::phones();
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    let last = world.clock.now();
    world.take_events();
    for n in 1..100 {
        world.pass(secs(1));
        world.rtp(B, PHONE_B, &Rtp::nth(9, n));
        let expected = if n == 65 { vec![gone(A, Gone::NoMedia)] } else { vec![] };
        assert_eq!(world.take_events(), expected, "after {n} s");
    }
    assert_eq!(world.worker.report(A).unwrap().last_media, Some(last));
    world.pass(secs(31));
    assert_eq!(world.take_events(), [gone(A, Gone::NoMedia)], "told again while it lasts");
}

#[test]
fn a_phone_that_never_sends_is_silent_from_its_answer_on_and_a_held_one_is_not_judged() {
    let mut world = World::phones();
    world.pass(secs(10));
    let mut held = phone_settings(Some(PHONE_A));
    held.sends = false;
    world.worker.configure(world.clock.now(), A, held, phone_map());
    world.pass(secs(200));
    assert!(world.take_events().iter().all(|event| *event == gone(B, Gone::NoMedia)));
    world.worker.configure(world.clock.now(), A, phone_settings(Some(PHONE_A)), phone_map());
    world.pass(ms(64_900));
    assert!(!world.take_events().contains(&gone(A, Gone::NoMedia)));
    world.pass(ms(200));
    assert!(world.take_events().contains(&gone(A, Gone::NoMedia)));
}

#[test]
fn rtcp_is_a_sign_of_life() {
    let mut world = World::phones();
    let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    for _ in 0..20 {
        world.pass(secs(10));
        let rtcp = "192.0.2.1:20001";
        let (verdict, _) = world.deliver(Socket::Rtcp(A), rtcp, "198.51.100.10:4001", &receiver_report);
        assert_eq!(verdict, Verdict::Consumed);
    }
    let events = world.take_events();
    assert!(
        !events.contains(&gone(A, Gone::NoMedia)) && events.contains(&gone(B, Gone::NoMedia)),
        "{events:?}"
    );
    let (verdict, _) = world.deliver(Socket::Rtcp(A), OURS, "198.51.100.11:4001", &receiver_report);
    assert_eq!(verdict, Verdict::Drop(Reason::WrongSource));
}

#[test]
fn what_does_not_belong_on_a_plain_socket_is_dropped_by_name() {
    let mut world = World::phones();
    for (bytes, reason) in [
        (&[0u8, 1, 0, 0][..], Reason::WrongSocket),
        (&[22, 254, 253], Reason::WrongSocket),
        (&[200, 0], Reason::UnknownProtocol),
        (&[], Reason::UnknownProtocol),
        (&[0x40, 0, 0, 0], Reason::UnknownProtocol),
        (&[0x80, 0, 0, 1], Reason::Malformed),
    ] {
        let (verdict, _) = world.deliver(Socket::Rtp(A), OURS, PHONE_A, bytes);
        assert_eq!(verdict, Verdict::Drop(reason), "{bytes:?}");
    }
    let (verdict, _) = world.deliver(Socket::Rtcp(A), OURS, PHONE_A, &Rtp::nth(7, 0).bytes());
    assert_eq!(verdict, Verdict::Drop(Reason::WrongSocket));
    let (verdict, _) = world.deliver(Socket::Rtp(LegKey(99)), OURS, PHONE_A, &Rtp::nth(7, 0).bytes());
    assert_eq!(verdict, Verdict::Drop(Reason::NoLeg));
}

#[test]
fn a_leg_is_opened_and_closed_once() {
    let mut world = World::phones();
    let now = world.clock.now();
    let medium = Medium::Rtp { signalling: at(PHONE_A).ip() };
    assert_eq!(world.worker.open(now, A, medium), Err(OpenError::LegExists));
    assert_eq!(world.worker.stats().legs, 2);
    assert_eq!(world.worker.close(now, A).map(|report| report.leg), Some(A));
    assert_eq!(world.worker.close(now, A), None);
    assert_eq!(world.worker.stats().legs, 1);
    world.pass(secs(600));
}

#[test]
fn the_same_seed_and_input_give_the_same_output() {
    let run = |seed: u8| {
        let mut world = World::seeded([seed; 32]);
        world.phone(A, PHONE_A);
        world.phone(B, PHONE_B);
        world.worker.join(A, B);
        let mut out = Vec::new();
        for n in 0..50 {
            world.pass(ms(20 * u64::from(n)));
            out.push(world.rtp(A, PHONE_A, &Rtp::nth(7, n)));
            out.push(world.rtp(B, PHONE_B, &Rtp::nth(9, n)));
        }
        (out, std::mem::take(&mut world.sent), world.take_events())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

//! Conferences at the desk: who hears whom, and how wide.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod insert_kit;

use std::time::Duration;

use insert_kit::loudness;
use insert_kit::phones::{A, B, C, G722, OPUS, PCMU, Phone, World, patch};
use ringback_media::insert::{ConferenceKey, TICK};
use ringback_media::session::LegKey;

#[test]
fn each_in_a_conference_hears_the_others() {
    let tones = [440.0, 1000.0, 1620.0];
    let mut world = World::new(vec![
        Phone::new(A, OPUS, tones[0]),
        Phone::new(B, PCMU, tones[1]),
        Phone::new(C, G722, tones[2]),
    ]);
    let key = ConferenceKey(1);
    for (leg, codec) in [(A, OPUS), (B, PCMU), (C, G722)] {
        world.desk.join(world.now, leg, key, &patch(&[codec], &[codec])).unwrap();
    }
    for _ in 0..100 {
        world.step(&[0, 1, 2]);
    }
    for (own, phone) in world.phones.iter().enumerate() {
        for (other, &hertz) in tones.iter().enumerate() {
            let share = phone.share(hertz);
            match own == other {
                true => assert!(share < 0.02, "{own} hears itself: {share}"),
                false => assert!(share > 0.3, "{own} hears too little of {other}: {share}"),
            }
        }
    }
    // Who leaves is not heard, and the last one ends the clock.
    world.desk.close(C);
    world.phones.pop();
    for _ in 0..50 {
        world.step(&[0, 1]);
    }
    assert!(world.phones[0].share(1620.0) < 0.01 && world.phones[0].share(1000.0) > 0.9);
    world.desk.close(A);
    world.desk.close(B);
    world.desk.handle_timeout(world.now + Duration::from_secs(1));
    assert_eq!(world.desk.poll_timeout(), None);
}

/// Two browsers hear all of each other in a conference, whoever else is in it and whenever they came.
#[test]
fn a_conference_is_as_wide_as_two_of_its_members_are() {
    let tones = [9_000.0, 1_000.0, 11_000.0];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2]] {
        let mut world = World::new(vec![
            Phone::at(48_000, A, OPUS, tones[0]),
            Phone::new(B, PCMU, tones[1]),
            Phone::at(48_000, C, OPUS, tones[2]),
        ]);
        let mut present = Vec::new();
        for phone in order {
            let (leg, codec) = [(A, OPUS), (B, PCMU), (C, OPUS)][phone];
            world.desk.join(world.now, leg, ConferenceKey(1), &patch(&[codec], &[codec])).unwrap();
            present.push(phone);
            for _ in 0..50 {
                world.step(&present);
            }
        }
        for (own, other) in [(0, 2), (2, 0)] {
            let phone = &world.phones[own];
            let (narrow, wide) = (phone.share(tones[1]), phone.share(tones[other]));
            assert!(narrow > 0.3 && wide > 0.3, "{order:?}: {own} hears {narrow} and {wide}");
            assert!(phone.share(tones[own]) < 0.02, "{order:?}: {own} hears itself");
            assert_eq!(gaps(phone), 0, "{order:?}: {own}");
        }
        // Of what a narrow voice cannot carry nothing is heard, folded down or not; nor itself.
        let heard = &world.phones[1].heard;
        assert!(loudness(&heard[heard.len() / 2..]) < 100.0, "{order:?}");
    }
}

/// Where many have come, a frame for each of them is worth more than what only children hear.
#[test]
fn a_conference_of_many_is_no_wider_than_wide_band() {
    let mut world = World::new((1..=17).map(|leg| Phone::at(48_000, LegKey(leg), OPUS, 9_000.0)).collect());
    let key = ConferenceKey(1);
    for leg in 1..=16 {
        world.desk.join(world.now, LegKey(leg), key, &patch(&[OPUS], &[OPUS])).unwrap();
    }
    for _ in 0..50 {
        world.step(&[0]);
    }
    assert!(world.phones[5].share(9_000.0) > 0.9, "{}", world.phones[5].share(9_000.0));
    world.desk.join(world.now, LegKey(17), key, &patch(&[OPUS], &[OPUS])).unwrap();
    world.phones[0].mouth.hertz = 3_000.0;
    for _ in 0..50 {
        world.step(&[0, 1]);
    }
    assert!(world.phones[5].share(3_000.0) > 0.9, "{}", world.phones[5].share(3_000.0));
    assert!(world.phones[5].share(9_000.0) < 0.01, "{}", world.phones[5].share(9_000.0));
    assert_eq!(gaps(&world.phones[5]), 0);
}

/// How often the packets that a phone got did not follow each other in number and time.
fn gaps(phone: &Phone) -> usize {
    let step = phone.clock_rate() / 50;
    let follows = |pair: &&[(u16, u32)]| {
        pair[1].0 == pair[0].0.wrapping_add(1) && pair[1].1 == pair[0].1.wrapping_add(step)
    };
    phone.stamps.windows(2).filter(|pair| !follows(pair)).count()
}

/// Whose audio is made for each other come into a conference one after the other, in either order.
#[test]
fn two_who_were_patched_hear_all_in_a_conference() {
    let tones = [440.0, 1000.0, 1620.0];
    for order in [[(A, OPUS), (B, PCMU)], [(B, PCMU), (A, OPUS)]] {
        let mut world = World::new(vec![
            Phone::new(A, OPUS, tones[0]),
            Phone::new(B, PCMU, tones[1]),
            Phone::new(C, G722, tones[2]),
        ]);
        world.desk.patch(A, B, &patch(&[OPUS], &[PCMU])).unwrap();
        world.desk.patch(B, A, &patch(&[PCMU], &[OPUS])).unwrap();
        for _ in 0..10 {
            world.step(&[0, 1]);
        }
        let key = ConferenceKey(1);
        for (leg, codec) in [(C, G722)].into_iter().chain(order) {
            world.desk.join(world.now, leg, key, &patch(&[codec], &[codec])).unwrap();
            for _ in 0..10 {
                world.step(&[0, 1, 2]);
            }
        }
        for _ in 0..100 {
            world.step(&[0, 1, 2]);
        }
        for (own, phone) in world.phones.iter().enumerate() {
            for (other, &hertz) in tones.iter().enumerate().filter(|(other, _)| *other != own) {
                let share = phone.share(hertz);
                assert!(share > 0.3, "{own} hears too little of {other}: {share}");
            }
        }
    }
}

/// An offer to be heard in packets of 60 ms, of which some has been said when the rate changes.
#[test]
fn packets_go_on_without_a_gap_when_a_conference_widens() {
    let mut world = World::new(vec![
        Phone::at(48_000, A, OPUS, 9_000.0),
        Phone::new(B, PCMU, 1_000.0),
        Phone::at(48_000, C, OPUS, 11_000.0),
    ]);
    let key = ConferenceKey(1);
    let mut slow = patch(&[OPUS], &[OPUS]);
    slow.ptime = 60;
    world.desk.join(world.now, A, key, &slow).unwrap();
    world.desk.join(world.now, B, key, &patch(&[PCMU], &[PCMU])).unwrap();
    // Not a whole number of packets.
    for _ in 0..31 {
        world.step(&[0, 1]);
    }
    world.desk.join(world.now, C, key, &patch(&[OPUS], &[OPUS])).unwrap();
    for _ in 0..60 {
        world.step(&[0, 1, 2]);
    }
    let phone = &world.phones[0];
    assert!(phone.share(11_000.0) > 0.3, "{}", phone.share(11_000.0));
    let follows = |pair: &&[(u16, u32)]| {
        pair[1].0 == pair[0].0.wrapping_add(1) && pair[1].1 == pair[0].1.wrapping_add(60 * 48)
    };
    assert_eq!(phone.stamps.windows(2).filter(|pair| !follows(pair)).count(), 0, "{:?}", phone.stamps);
}

/// What a far end loses is told when it changes, which a change of the rate is not.
#[test]
fn opus_protects_itself_in_a_conference_that_widens() {
    let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, OPUS, 1_000.0)]);
    let key = ConferenceKey(1);
    let mut of_b = patch(&[OPUS], &[OPUS]);
    of_b.to[0].fmtp = Some("useinbandfec=1;maxplaybackrate=16000".to_owned());
    world.desk.join(world.now, A, key, &patch(&[PCMU], &[PCMU])).unwrap();
    world.desk.join(world.now, B, key, &of_b).unwrap();
    world.desk.expect_loss(B, 20);
    world.desk.join(world.now, C, key, &patch(&[G722], &[G722])).unwrap();
    let mut protected = 0;
    for _ in 0..50 {
        let packet = world.phones[0].say();
        world.desk.handle_packet(world.now, A, &packet);
        world.now += TICK;
        world.desk.handle_timeout(world.now);
        while let Some(made) = world.desk.poll_made() {
            // The flag for the copy of a mono SILK frame (RFC 6716 §4.2.3).
            protected += usize::from(made.leg == B && made.bytes()[13] & 0x40 != 0);
        }
    }
    assert!(protected > 20, "{protected}");
}

/// A telephone that says 160 ms in a packet is heard to the end of each in a conference of browsers.
#[test]
fn the_longest_packets_are_heard_whole_in_a_wide_conference() {
    let mut world = World::new(vec![
        Phone::new(A, PCMU, 1_000.0),
        Phone::at(48_000, B, OPUS, 440.0),
        Phone::at(48_000, C, OPUS, 440.0),
    ]);
    for (leg, codec) in [(A, PCMU), (B, OPUS), (C, OPUS)] {
        world.desk.join(world.now, leg, ConferenceKey(1), &patch(&[codec], &[codec])).unwrap();
    }
    for _ in 0..30 {
        let frames: Vec<Vec<u8>> = (0..8).map(|_| world.phones[0].say()).collect();
        let mut long = frames[0].clone();
        frames[1..].iter().for_each(|frame| long.extend(&frame[12..]));
        world.desk.handle_packet(world.now, A, &long);
        (0..8).for_each(|_| world.pass());
    }
    // The jitter buffer is not made for such packets and has nothing between some of them; of the last 40 ms of each
    // nothing would be heard at all.
    let heard = &world.phones[1].heard;
    let last = heard[heard.len() - 48_000..].chunks(960);
    let loud = last.filter(|frame| loudness(frame) > 5_000.0).count();
    assert!(loud >= 32, "{loud} of 50 frames");
}

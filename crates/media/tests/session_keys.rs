//! Keys that we press for a leg: telephone events between the packets that are passed on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::dtmf::{Digit, Press, TelephoneEvent};
use ringback_media::rtp::Header;
use session_world::*;

/// The events that were sent to a phone: marker, sequence, timestamp, and what they say.
fn events(world: &World, to: &str) -> Vec<(bool, u16, u32, TelephoneEvent)> {
    let sent = world.sent.iter().filter(|(destination, _)| destination.remote == at(to));
    sent.filter_map(|(_, bytes)| {
        let header = Header::parse(bytes).filter(|header| header.payload_type == 96)?;
        let event = TelephoneEvent::read(&bytes[header.payload..])?;
        Some((header.marker, header.sequence, header.timestamp, event))
    })
    .collect()
}

fn press(world: &mut World, key: char, milliseconds: u32) {
    let press = Press::new(Digit::from_char(key).unwrap(), milliseconds);
    world.worker.press(world.clock.now(), B, press, 96, 8000).unwrap();
}

#[test]
fn a_key_goes_between_the_packets_of_the_stream() {
    let mut world = World::phones();
    let (_, first) = world.forwarded(A, PHONE_A, &Rtp::nth(7, 1));
    press(&mut world, '5', 100);
    let mut last = first.sequence;
    for n in 2..12 {
        world.pass(ms(20));
        let sent = events(&world, PHONE_B).len() as u16;
        let (_, audio) = world.forwarded(A, PHONE_A, &Rtp::nth(7, n));
        assert_eq!(audio.ssrc, first.ssrc);
        assert_eq!(audio.sequence, first.sequence + n as u16 - 1 + sent, "every number once");
        last = audio.sequence;
    }
    let events = events(&world, PHONE_B);
    assert_eq!(events.iter().filter(|(marker, ..)| *marker).count(), 1);
    assert!(events.iter().all(|(_, sequence, timestamp, event)| {
        *sequence < last && *timestamp == events[0].2 && event.event == 5
    }));
    let ends: Vec<u16> =
        events.iter().filter(|(.., event)| event.end).map(|(.., event)| event.duration).collect();
    assert_eq!(ends, [800; 3]);
}

#[test]
fn a_far_end_that_is_on_hold_hears_no_key() {
    let mut world = World::phones();
    let held = ringback_media::negotiation::LegSettings { receives: false, ..phone_settings(Some(PHONE_B)) };
    world.worker.configure(world.clock.now(), B, held, phone_map());
    press(&mut world, '1', 60);
    world.pass(secs(1));
    assert_eq!(events(&world, PHONE_B), []);
}

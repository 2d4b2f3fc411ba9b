//! Faxes: datagrams that are passed on as they are, and who may send them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::negotiation::{LegSettings, PayloadMap, Payloads};
use ringback_media::quality::judge;
use ringback_media::session::{Event, Gone, LegKey, Medium, Reason, Socket, Verdict};
use session_world::*;

fn fax_settings(address: &str) -> LegSettings {
    LegSettings {
        is_fax: true,
        payloads: Payloads::default(),
        codec: "t38".into(),
        ..phone_settings(Some(address))
    }
}

fn to_fax(world: &mut World, leg: LegKey, address: &str) {
    let now = world.clock.now();
    world.worker.configure(now, leg, fax_settings(address), PayloadMap::default());
    world.drain();
}

fn to_audio(world: &mut World, leg: LegKey, address: &str) {
    let now = world.clock.now();
    world.worker.configure(now, leg, phone_settings(Some(address)), phone_map());
    world.drain();
}

/// Two telephones whose talk has become a fax.
fn faxes() -> World {
    let mut world = World::phones();
    to_fax(&mut world, A, PHONE_A);
    to_fax(&mut world, B, PHONE_B);
    world
}

/// The same, of which A is behind NAT and has not been heard.
fn faxes_behind_nat() -> World {
    let mut world = World::new();
    let now = world.clock.now();
    world.worker.open(now, A, Medium::Rtp { signalling: at(PHONE_A).ip() }).unwrap();
    to_fax(&mut world, A, "192.168.1.5:4000");
    world.phone(B, PHONE_B);
    to_fax(&mut world, B, PHONE_B);
    world.worker.join(A, B);
    world
}

/// A datagram of UDPTL.
fn udptl(sequence: u16) -> Vec<u8> {
    let mut bytes = sequence.to_be_bytes().to_vec();
    bytes.extend([3, 0xd0, 0x01, sequence as u8, 0, 1, 2, 0xff]);
    bytes
}

fn send(world: &mut World, leg: LegKey, from: &str, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    world.deliver(Socket::Rtp(leg), OURS, from, bytes)
}

#[test]
fn every_datagram_passes_byte_for_byte_whatever_it_looks_like() {
    let mut world = faxes();
    // The first byte of these is that of STUN, of nothing, of DTLS, of TURN, of RTP and of RTCP.
    let datagrams: Vec<Vec<u8>> =
        [0, 1, 0x0500, 0x1616, 0x4001, 0x8000, 0x80c8, 0xbfff, 0xffff].map(udptl).to_vec();
    for datagram in &datagrams {
        for (leg, from, to, at_leg) in [(A, PHONE_A, PHONE_B, B), (B, PHONE_B, PHONE_A, A)] {
            let (verdict, bytes) = send(&mut world, leg, from, datagram);
            let Verdict::Forward(destination) = verdict else { panic!("{datagram:x?}: {verdict:?}") };
            assert_eq!((destination.socket, destination.remote), (Socket::Rtp(at_leg), at(to)));
            assert_eq!(&bytes, datagram);
        }
    }
    let (count, octets) = (datagrams.len() as u64, datagrams.iter().map(|it| it.len() as u64).sum());
    for leg in [A, B] {
        let report = world.worker.report(leg).unwrap();
        assert_eq!((report.packets_in, report.octets_in), (count, octets));
        assert_eq!((report.packets_out, report.octets_out), (count, octets));
        assert_eq!((report.drops.total(), report.ssrc, report.rtcp_in), (0, None, 0));
        assert!(report.history.has_fax && report.first_media.is_some());
    }
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }, Event::FirstPacket { leg: B }]);
}

#[test]
fn a_datagram_from_elsewhere_is_dropped_and_counted() {
    let mut world = faxes();
    for stranger in ["198.51.100.11:4000", "203.0.113.20:5000", "192.0.2.99:4000"] {
        let verdict = send(&mut world, A, stranger, &udptl(0)).0;
        assert_eq!(verdict, Verdict::Drop(Reason::WrongSource), "{stranger}");
    }
    assert!(matches!(send(&mut world, A, PHONE_A, &udptl(0)).0, Verdict::Forward(_)));
    let verdict = send(&mut world, A, "198.51.100.10:4002", &udptl(1)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::WrongSource), "another port of the same host");
    assert_eq!(world.drops(A).of(Reason::WrongSource), 4);
    assert_eq!(world.worker.report(A).unwrap().packets_in, 1);
}

#[test]
fn behind_nat_the_first_source_is_learnt_and_no_other_after_it() {
    let mut world = faxes_behind_nat();
    let Verdict::Forward(to) = send(&mut world, B, PHONE_B, &udptl(0)).0 else { panic!("not sent on") };
    assert_eq!(to.remote, at("198.51.100.10:4000"), "where it signals from");
    assert!(matches!(send(&mut world, A, "198.51.100.10:61000", &udptl(0)).0, Verdict::Forward(_)));
    // Without an SSRC nothing shows that another source is the same machine.
    let verdict = send(&mut world, A, "198.51.100.10:61002", &udptl(1)).0;
    assert_eq!(verdict, Verdict::Drop(Reason::WrongSource));
    let Verdict::Forward(to) = send(&mut world, B, PHONE_B, &udptl(1)).0 else { panic!("not sent on") };
    assert_eq!(to.remote, at("198.51.100.10:61000"));
}

#[test]
fn what_comes_between_audio_and_fax_is_neither() {
    let mut world = World::phones();
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
    world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(0)).0, Verdict::Drop(Reason::WrongSocket), "too early");
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(0x0500)).0, Verdict::Drop(Reason::UnknownProtocol));
    to_fax(&mut world, A, PHONE_A);
    // B has not answered yet.
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(0)).0, Verdict::Drop(Reason::PeerNotReady));
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 1)), Reason::NotFax, "audio for a fax");
    to_fax(&mut world, B, PHONE_B);
    assert_eq!(world.dropped(A, PHONE_A, &Rtp::nth(7, 1)), Reason::NotFax, "late audio");
    let rtcp = [&[0x80, 201, 0, 1][..], &7u32.to_be_bytes()].concat();
    assert_eq!(send(&mut world, A, PHONE_A, &rtcp).0, Verdict::Drop(Reason::NotFax), "late RTCP");
    let verdict = world.deliver(Socket::Rtcp(A), "192.0.2.1:20001", "198.51.100.10:4001", &rtcp).0;
    assert_eq!(verdict, Verdict::Drop(Reason::NotFax));
    for wrong in [vec![], vec![0, 1, 2], vec![0; 1473]] {
        assert_eq!(
            send(&mut world, A, PHONE_A, &wrong).0,
            Verdict::Drop(Reason::Malformed),
            "{}",
            wrong.len()
        );
    }
    assert!(matches!(send(&mut world, A, PHONE_A, &vec![0; 1472]).0, Verdict::Forward(_)));

    // Audio again: one stream for the other side, and the fax is over.
    to_audio(&mut world, A, PHONE_A);
    to_audio(&mut world, B, PHONE_B);
    world.forwarded(A, PHONE_A, &Rtp::nth(7, 200));
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(2)).0, Verdict::Drop(Reason::WrongSocket));
}

#[test]
fn a_held_fax_does_not_pass() {
    let mut world = faxes();
    let now = world.clock.now();
    let held = LegSettings { receives: false, ..fax_settings(PHONE_B) };
    world.worker.configure(now, B, held, PayloadMap::default());
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(0)).0, Verdict::Drop(Reason::MayNotReceive));
    let mute = LegSettings { sends: false, ..fax_settings(PHONE_A) };
    world.worker.configure(now, A, mute, PayloadMap::default());
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(1)).0, Verdict::Drop(Reason::MayNotSend));
    world.worker.part(A);
    to_fax(&mut world, A, PHONE_A);
    assert_eq!(send(&mut world, A, PHONE_A, &udptl(2)).0, Verdict::Drop(Reason::NotJoined));
}

#[test]
fn a_fax_has_no_rtcp_and_may_be_one_sided_for_long() {
    let mut world = World::phones();
    for n in 0..50 {
        world.forwarded(A, PHONE_A, &Rtp::nth(7, n));
        world.forwarded(B, PHONE_B, &Rtp::nth(9, n));
        world.pass(ms(20));
    }
    world.pass(secs(10));
    assert!(!world.take_sent("198.51.100.10:4001").is_empty(), "reports of the audio");
    to_fax(&mut world, A, PHONE_A);
    to_fax(&mut world, B, PHONE_B);
    world.take_events();
    world.sent.clear();
    for n in 0..300 {
        assert!(matches!(send(&mut world, A, PHONE_A, &udptl(n)).0, Verdict::Forward(_)));
        world.pass(secs(1));
    }
    assert_eq!(world.take_events(), [], "B is not gone");
    assert_eq!(world.sent, [], "no report");
    world.pass(secs(301));
    assert_eq!(world.take_events(), [gone(B, Gone::NoMedia)], "ten minutes are too long for a page");
    to_audio(&mut world, A, PHONE_A);
    to_audio(&mut world, B, PHONE_B);
    world.pass(secs(66));
    let gone_of = |leg| gone(leg, Gone::NoMedia);
    let events = world.take_events();
    assert!(events.contains(&gone_of(A)) && events.contains(&gone_of(B)), "silence tells again: {events:?}");
    to_fax(&mut world, A, PHONE_A);
    world.sent.clear();
    let now = world.clock.now();
    let a = world.worker.close(now, A).unwrap();
    world.drain();
    assert_eq!(world.sent, [], "no BYE into a fax");
    let b = world.worker.close(now, B).unwrap();
    assert!(!judge(&a, &b).is_trouble(), "{:?}", judge(&a, &b));
}

#[test]
fn a_call_of_a_fax_alone_is_not_called_silent() {
    let mut world = World::new();
    for (leg, address) in [(A, PHONE_A), (B, PHONE_B)] {
        let signalling = at(address).ip();
        world.worker.open(world.clock.now(), leg, Medium::Rtp { signalling }).unwrap();
        to_fax(&mut world, leg, address);
    }
    world.worker.join(A, B);
    for n in 0..500 {
        send(&mut world, A, PHONE_A, &udptl(n));
        send(&mut world, B, PHONE_B, &udptl(n));
        world.pass(ms(30));
    }
    let now = world.clock.now();
    let (a, b) = (world.worker.close(now, A).unwrap(), world.worker.close(now, B).unwrap());
    assert!(!judge(&a, &b).is_trouble() && !judge(&b, &a).is_trouble());
    assert_eq!(a.quality, b.quality, "nothing to score");
    // Whoever had the port before is kept out by its address, SSRC or not.
    world.phone(LegKey(9), PHONE_B);
    assert_eq!(world.dropped(LegKey(9), PHONE_B, &Rtp::nth(7, 0)), Reason::FormerPeer);
}

/// The telephone beside a machine keeps the port of its audio open.
#[test]
fn a_few_bytes_that_keep_a_port_open_are_no_source_of_a_fax() {
    let mut world = faxes_behind_nat();
    for bytes in [&b"\r\n\r\n"[..], &[0; 4], &[0; 160], &[0, 1, 3, 9, 9, 9]] {
        let verdict = send(&mut world, A, "198.51.100.10:41000", bytes).0;
        assert_eq!(verdict, Verdict::Drop(Reason::NotFax), "{bytes:?}");
    }
    let long = [&[0, 1, 0x81, 0x00][..], &[7; 256], &[0, 0]].concat();
    for datagram in [&udptl(0), &long] {
        assert!(matches!(send(&mut world, A, "198.51.100.10:41002", datagram).0, Verdict::Forward(_)));
    }
}

#[test]
fn nothing_that_an_insert_makes_goes_into_a_fax() {
    let mut world = faxes();
    let mut made = ringback_media::session::Packet::new();
    assert!(made.fill(&Rtp::nth(5, 0).bytes()));
    let now = world.clock.now();
    let verdict = world.worker.handle_made(now, A, 8000, &mut made);
    assert_eq!(verdict, Verdict::Drop(Reason::NotFax));
}

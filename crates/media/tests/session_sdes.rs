//! Legs with ports of their own that are encrypted: by SDES, and by DTLS without ICE.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::dtls::{Endpoint, Role};
use ringback_media::negotiation::PayloadMap;
use ringback_media::session::{Event, Gone, Reason, Socket, Verdict};
use ringback_media::srtp::Suite;
use session_world::encrypted::{FarEnd, Kind, forwarded, protect};
use session_world::*;

const SDES: Kind = Kind::Sdes("RTP/SAVP", Suite::AesCm128HmacSha1_80);

/// A line with two keys.
const SEVERAL: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4;\
                       inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|2:4\r\n";

/// A far end of this kind that talks with a plain phone at B.
fn with_phone(kind: Kind) -> (World, FarEnd) {
    let mut world = World::new();
    let far = FarEnd::connect(&mut world, A, kind, PHONE_A);
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    (world, far)
}

fn reason((verdict, _): (Verdict, Vec<u8>)) -> Reason {
    match verdict {
        Verdict::Drop(reason) => reason,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn every_pair_carries_audio_both_ways_as_each_has_agreed() {
    let kinds = [
        Kind::Clear("RTP/AVP"),
        Kind::Clear("RTP/AVPF"),
        Kind::Sdes("RTP/AVP", Suite::AeadAes256Gcm),
        Kind::Sdes("RTP/SAVP", Suite::AesCm128HmacSha1_80),
        Kind::Sdes("RTP/SAVP", Suite::AesCm128HmacSha1_32),
        Kind::Sdes("RTP/SAVPF", Suite::AesCm256HmacSha1_80),
        Kind::Sdes("RTP/SAVPF", Suite::AeadAes128Gcm),
        Kind::Sdes("RTP/AVPF", Suite::AesCm256HmacSha1_32),
        Kind::Dtls("UDP/TLS/RTP/SAVP"),
        Kind::Dtls("UDP/TLS/RTP/SAVPF"),
        Kind::WebRtc,
    ];
    for kind_a in kinds {
        for kind_b in kinds {
            let mut world = World::new();
            let mut a = FarEnd::connect(&mut world, A, kind_a, PHONE_A);
            let mut b = FarEnd::connect(&mut world, B, kind_b, PHONE_B);
            world.worker.join(A, B);
            for n in 0..3 {
                for ssrc in [7, 9] {
                    let (from, to) = if ssrc == 7 { (&mut a, &mut b) } else { (&mut b, &mut a) };
                    let packet = Rtp::nth(ssrc, n + 1);
                    let (destination, bytes) = forwarded(from.send(&mut world, &packet));
                    assert_eq!((destination.socket, destination.remote), to.destination());
                    assert_eq!(bytes.len(), 12 + 160 + to.overhead(), "{kind_a:?} {kind_b:?}");
                    let is_seen = bytes.windows(160).any(|window| window == packet.payload);
                    assert_eq!(is_seen, matches!(to.kind, Kind::Clear(_)), "{kind_a:?} {kind_b:?}");
                    let out = to.read(&bytes);
                    assert_eq!((out.payload, out.payload_type), (packet.payload, 0), "{kind_a:?} {kind_b:?}");
                }
            }
            let suite = |leg| world.worker.report(leg).unwrap().suite;
            assert_eq!(suite(A).is_some(), !matches!(kind_a, Kind::Clear(_)));
            assert_eq!((world.drops(A).total(), world.drops(B).total()), (0, 0), "{kind_a:?} {kind_b:?}");
        }
    }
}

/// Each packet says which key it is under, and so do those that it gets.
#[test]
fn a_far_end_takes_its_next_key_without_a_word() {
    let mut world = World::new();
    let mut far = FarEnd::connect(&mut world, A, Kind::Clear("RTP/AVP"), PHONE_A);
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    let settings = far.offer(&mut world, 2, SEVERAL);
    let sdes = settings.sdes.unwrap();
    for (n, key) in [&sdes.receive, &sdes.receive.others[0], &sdes.receive].into_iter().enumerate() {
        let packet = Rtp::nth(7, n as u32 + 1);
        let wire = protect(&mut key.sender().unwrap(), &packet);
        assert_eq!(wire.len(), 12 + 160 + 10 + 4, "with an identifier");
        let (_, bytes) = forwarded(far.send_bytes(&mut world, &wire));
        assert_eq!(Rtp::parse(&bytes).payload, packet.payload);
        let mut unnamed = protect(&mut key.sender().unwrap(), &Rtp::nth(7, n as u32 + 2));
        let at = unnamed.len() - 11;
        unnamed[at] ^= 4;
        assert_eq!(reason(far.send_bytes(&mut world, &unnamed)), Reason::Unauthentic);
    }
    let packet = Rtp::nth(9, 1);
    let (_, bytes) = forwarded(world.deliver(Socket::Rtp(B), OURS, PHONE_B, &packet.bytes()));
    assert_eq!(bytes.len(), 12 + 160 + 10 + 4);
    assert_eq!(bytes[12 + 160..][..4], [0, 0, 0, 1], "the identifier of its first key");
    assert_eq!(far.read(&bytes).payload, packet.payload);
    assert_eq!(world.drops(A).of(Reason::Unauthentic), 3);
}

#[test]
fn what_is_not_authentic_changes_nothing_but_a_counter() {
    for kind in [SDES, Kind::Sdes("RTP/SAVP", Suite::AeadAes128Gcm), Kind::Dtls("UDP/TLS/RTP/SAVP")] {
        let (mut world, mut far) = with_phone(kind);
        let mut good = far.wire(&Rtp::nth(7, 1));
        let mut forged = good.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(reason(far.send_bytes(&mut world, &forged)), Reason::Unauthentic);
        let clear = Rtp::nth(7, 1).bytes();
        assert_eq!(reason(far.send_bytes(&mut world, &clear)), Reason::Unauthentic, "not encrypted at all");
        let key = far.key(Suite::AesCm128HmacSha1_80, 9);
        let other = protect(&mut key.sender().unwrap(), &Rtp::nth(7, 1));
        assert_eq!(reason(far.send_bytes(&mut world, &other)), Reason::Unauthentic);
        let report = world.worker.report(A).unwrap();
        assert_eq!(
            (report.packets_in, report.last_heard, report.drops.of(Reason::Unauthentic)),
            (0, None, 3)
        );
        assert_eq!(world.take_events(), []);

        forwarded(far.send_bytes(&mut world, &good));
        assert_eq!(reason(far.send_bytes(&mut world, &good)), Reason::Replayed);
        good = far.wire(&Rtp::nth(7, 2));
        forwarded(far.send_bytes(&mut world, &good));
        assert_eq!(world.worker.report(A).unwrap().packets_in, 2);
        assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }]);
    }
}

#[test]
fn a_source_is_learnt_from_what_is_authentic_only() {
    let (mut world, mut far) = with_phone(SDES);
    // Another port of the phone's address, within the time of learning.
    let other = "198.51.100.10:4444";
    let forged = vec![far.wire(&Rtp::nth(7, 1)), Rtp::nth(7, 1).bytes()];
    for mut bytes in forged {
        *bytes.last_mut().unwrap() ^= 1;
        let dropped = world.deliver(Socket::Rtp(A), OURS, other, &bytes);
        assert_eq!(reason(dropped), Reason::Unauthentic);
    }
    let (to, _) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1)));
    assert_eq!(to.remote, at(PHONE_A), "nothing was learnt");
    let bytes = far.wire(&Rtp::nth(7, 2));
    forwarded(world.deliver(Socket::Rtp(A), OURS, other, &bytes));
    let (to, _) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 2)));
    assert_eq!(to.remote, at(other));
    // The keys do not make a stranger's address the phone's.
    world.pass(secs(4));
    let bytes = far.wire(&Rtp::nth(7, 3));
    let elsewhere = world.deliver(Socket::Rtp(A), OURS, "192.0.2.200:4444", &bytes);
    assert_eq!(reason(elsewhere), Reason::WrongSource);
    forwarded(world.deliver(Socket::Rtp(A), OURS, other, &bytes));
}

#[test]
fn a_hold_keeps_the_contexts() {
    let (mut world, mut far) = with_phone(SDES);
    let packet = far.wire(&Rtp::nth(7, 1));
    forwarded(far.send_bytes(&mut world, &packet));
    let (_, first) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1)));
    let held = far.agree(1, "a=sendonly\r\n");
    world.worker.configure(world.clock.now(), A, held, [(0, 0)].into_iter().collect::<PayloadMap>());
    assert_eq!(reason(world.rtp(B, PHONE_B, &Rtp::nth(9, 2))), Reason::MayNotReceive);
    assert_eq!(reason(far.send_bytes(&mut world, &packet)), Reason::Replayed);
    let resumed = far.agree(1, "");
    world.worker.configure(world.clock.now(), A, resumed, [(0, 0)].into_iter().collect::<PayloadMap>());
    let (_, second) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 3)));
    assert_eq!(far.read(&first).ssrc, far.read(&second).ssrc);
}

#[test]
fn another_key_counts_at_once_and_the_old_one_for_a_short_while() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let (mut world, mut far) = with_phone(Kind::Sdes("RTP/SAVP", suite));
        forwarded(far.send(&mut world, &Rtp::nth(7, 1)));
        let (_, bytes) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1)));
        let before = far.read(&bytes);
        let on_its_way = far.wire(&Rtp::nth(7, 2));
        let too_late = far.wire(&Rtp::nth(7, 3));
        let stranger = far.wire(&Rtp::nth(8, 2));

        far.offer(&mut world, 2, "");
        assert_eq!(
            reason(far.send_bytes(&mut world, &stranger)),
            Reason::Unauthentic,
            "an SSRC of no old stream"
        );
        forwarded(far.send_bytes(&mut world, &on_its_way));
        assert_eq!(reason(far.send_bytes(&mut world, &on_its_way)), Reason::Unauthentic);
        let (_, bytes) = forwarded(far.send(&mut world, &Rtp::nth(7, 4)));
        assert_eq!(Rtp::parse(&bytes).payload, Rtp::nth(7, 4).payload);
        assert_eq!(
            reason(far.send_bytes(&mut world, &too_late)),
            Reason::Unauthentic,
            "the new one has come"
        );
        // Ours has changed with it, and starts a stream of its own.
        let (_, bytes) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 2)));
        let after = far.read(&bytes);
        assert_ne!(after.ssrc, before.ssrc);
        assert!(after.sequence <= 0x8000);
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 160);

        // A key before that was not followed by a packet is forgotten.
        let late = far.wire(&Rtp::nth(7, 5));
        far.offer(&mut world, 3, "");
        world.pass(secs(3));
        assert_eq!(reason(far.send_bytes(&mut world, &late)), Reason::Unauthentic);
        forwarded(far.send(&mut world, &Rtp::nth(7, 6)));
    }
}

#[test]
fn a_fork_that_takes_up_a_key_again_gets_no_index_twice() {
    let (mut world, mut far) = with_phone(SDES);
    let first = far.agree(1, "");
    let mut other = first.clone();
    other.sdes.as_mut().unwrap().send = far.key(Suite::AeadAes128Gcm, 5);
    let mut seen = Vec::new();
    for (n, settings) in [&first, &other, &first, &other].into_iter().enumerate() {
        world.worker.configure(
            world.clock.now(),
            A,
            settings.clone(),
            [(0, 0)].into_iter().collect::<PayloadMap>(),
        );
        let (_, bytes) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1 + n as u32)));
        let head = (bytes[2..4].to_vec(), bytes[8..12].to_vec());
        assert!(!seen.contains(&head));
        seen.push(head);
    }
    let (_, bytes) = forwarded(far.send(&mut world, &Rtp::nth(7, 1)));
    assert_eq!(bytes.len(), 172);
}

#[test]
fn reports_are_protected_by_the_same_keys() {
    for (kind, lines, to) in [
        (SDES, "", "198.51.100.10:4001"),
        (Kind::Sdes("RTP/SAVP", Suite::AesCm128HmacSha1_32), "a=rtcp-mux\r\n", PHONE_A),
        (Kind::Dtls("UDP/TLS/RTP/SAVP"), "a=rtcp-mux\r\n", PHONE_A),
    ] {
        let (mut world, mut far) = with_phone(kind);
        far.offer(&mut world, 1, lines);
        forwarded(far.send(&mut world, &Rtp::nth(7, 1)));
        world.pass(secs(6));
        let (sender, receiver) = far.keys.as_mut().unwrap();
        let sent = world.take_sent(to);
        assert!(!sent.is_empty(), "{kind:?}");
        for report in sent {
            let mut bytes = report.clone();
            let len = receiver.unprotect_rtcp(&mut bytes).unwrap();
            assert_eq!((bytes[1], len + sender.suite().rtcp_overhead()), (201, report.len()), "{kind:?}");
        }

        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        report.resize(8 + 32, 0);
        let len = sender.protect_rtcp(&mut report, 8).unwrap();
        report.truncate(len);
        let socket = if to == PHONE_A { Socket::Rtp(A) } else { Socket::Rtcp(A) };
        let mut forged = report.clone();
        forged[len - 1] ^= 1;
        let dropped = reason(world.deliver(socket, OURS, to, &forged));
        assert!(matches!(dropped, Reason::Unauthentic | Reason::Unencrypted), "{kind:?} {dropped:?}");
        assert_eq!(world.deliver(socket, OURS, to, &report).0, Verdict::Consumed, "{kind:?}");
        assert_eq!(reason(world.deliver(socket, OURS, to, &report)), Reason::Replayed);
        let clear = [0x80, 201, 0, 1, 0, 0, 0, 7];
        assert!(matches!(world.deliver(socket, OURS, to, &clear).0, Verdict::Drop(_)));
    }
}

/// A far end that has agreed on DTLS and has not begun, and a phone it is joined with.
fn before_the_handshake(lines: &str) -> (World, FarEnd) {
    let mut world = World::new();
    world.phone(B, PHONE_B);
    let kind = Kind::Clear("RTP/AVP");
    let mut far = FarEnd::connect(&mut world, A, kind, PHONE_A);
    far.kind = Kind::Dtls("UDP/TLS/RTP/SAVP");
    far.offer(&mut world, 1, lines);
    world.worker.join(A, B);
    (world, far)
}

#[test]
fn before_the_handshake_nothing_is_taken_or_sent() {
    let (mut world, far) = before_the_handshake("a=rtcp-mux\r\n");
    let clear = Rtp::nth(7, 1).bytes();
    assert_eq!(reason(far.send_bytes(&mut world, &clear)), Reason::NoKeys);
    assert_eq!(reason(world.rtp(B, PHONE_B, &Rtp::nth(9, 1))), Reason::PeerNotReady);
    world.pass(secs(6));
    assert!(world.take_sent(PHONE_A).is_empty());
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: B }]);
    world.pass(secs(30));
    assert_eq!(world.take_events(), [gone(A, Gone::DtlsFailed)]);
}

#[test]
fn a_handshake_is_taken_from_where_the_phone_is_expected_only() {
    let (mut world, far) = before_the_handshake("a=rtcp-mux\r\n");
    assert!(far.shake(&mut world, "192.0.2.200:4000", Socket::Rtp(A), BROWSER).is_none());
    assert!(world.drops(A).of(Reason::WrongSource) > 0);
    // One with another certificate may think that it has keys; we do not.
    let (mut stranger, _) = far.shake(&mut world, PHONE_A, Socket::Rtp(A), STRANGER).unwrap();
    let bytes = protect(&mut stranger, &Rtp::nth(7, 1));
    assert_eq!(reason(far.send_bytes(&mut world, &bytes)), Reason::NoKeys);
    assert_eq!(world.take_events(), []);
    // It may come from another port than the description has, and media goes there.
    let moved = "198.51.100.10:4444";
    assert!(far.shake(&mut world, moved, Socket::Rtp(A), BROWSER).is_some());
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    let (to, _) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1)));
    assert_eq!(to.remote, at(moved));
    // Once there are keys nobody else begins another.
    assert!(far.shake(&mut world, PHONE_A, Socket::Rtp(A), BROWSER).is_none());
    assert!(world.drops(A).of(Reason::DtlsRefused) > 0);
    world.worker.close(world.clock.now(), A).unwrap();
    world.drain();
    let farewell = world.take_sent(moved);
    assert!(farewell.iter().any(|bytes| (20..64).contains(&bytes[0])), "it says goodbye by DTLS too");
}

/// Who may forge the host of the phone must not be able to turn our flights away.
#[test]
fn a_handshake_stays_where_it_began() {
    let (mut world, _) = before_the_handshake("a=rtcp-mux\r\n");
    let now = world.clock.now();
    let mut endpoint = Endpoint::new(&identity(BROWSER), Role::Client, now);
    endpoint.expect(vec![identity(WORKER).fingerprint()]);
    let mut out = [0; 1500];
    let mut flight = |world: &mut World, endpoint: &mut Endpoint| -> Vec<Vec<u8>> {
        for bytes in world.take_sent(PHONE_A) {
            endpoint.handle_datagram(now, &bytes).unwrap();
        }
        std::iter::from_fn(|| endpoint.poll_transmit(&mut out).map(|len| out[..len].to_vec())).collect()
    };
    let hello = flight(&mut world, &mut endpoint);
    let deliver =
        |world: &mut World, from: &str, bytes: &[u8]| world.deliver(Socket::Rtp(A), OURS, from, bytes).0;
    for bytes in &hello {
        assert_eq!(deliver(&mut world, PHONE_A, bytes), Verdict::Consumed);
    }
    let moved = "198.51.100.10:4444";
    let answer = flight(&mut world, &mut endpoint);
    assert_eq!(deliver(&mut world, moved, &answer[0]), Verdict::Drop(Reason::DtlsRefused));
    for bytes in &answer {
        assert_eq!(deliver(&mut world, PHONE_A, bytes), Verdict::Consumed);
    }
    assert!(world.take_sent(moved).is_empty());
    // A HelloVerifyRequest or the like may cost one more round.
    for _ in 0..3 {
        for bytes in flight(&mut world, &mut endpoint) {
            deliver(&mut world, PHONE_A, &bytes);
        }
    }
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
}

#[test]
fn three_handshakes_that_fail_are_told() {
    let (mut world, far) = before_the_handshake("a=rtcp-mux\r\n");
    for _ in 0..3 {
        far.shake(&mut world, PHONE_A, Socket::Rtp(A), STRANGER);
    }
    assert_eq!(world.take_events(), [gone(A, Gone::DtlsFailed)]);
    assert!(far.shake(&mut world, PHONE_A, Socket::Rtp(A), BROWSER).is_some(), "and the leg is usable");
}

#[test]
fn rtcp_on_a_port_of_its_own_has_a_handshake_of_its_own() {
    let (mut world, mut far) = before_the_handshake("");
    let rtcp_at = "198.51.100.10:4001";
    far.keys = far.shake(&mut world, PHONE_A, Socket::Rtp(A), BROWSER);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    forwarded(far.send(&mut world, &Rtp::nth(7, 1)));
    world.pass(secs(6));
    assert!(world.take_sent(rtcp_at).is_empty());
    let (_, mut receiver) = far.shake(&mut world, rtcp_at, Socket::Rtcp(A), BROWSER).unwrap();
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }]);
    world.pass(secs(6));
    let mut report = world.take_sent(rtcp_at).remove(0);
    receiver.unprotect_rtcp(&mut report).unwrap();
}

#[test]
fn dtls_on_a_leg_in_the_clear_is_of_no_use() {
    let (mut world, far) = with_phone(Kind::Clear("RTP/AVP"));
    assert!(far.shake(&mut world, PHONE_A, Socket::Rtp(A), BROWSER).is_none());
    assert!(world.drops(A).of(Reason::WrongSocket) > 0);
}

#[test]
fn a_leg_goes_from_the_clear_to_keys_and_back() {
    let mut world = World::new();
    let mut far = FarEnd::connect(&mut world, A, Kind::Clear("RTP/AVP"), PHONE_A);
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    forwarded(far.send(&mut world, &Rtp::nth(7, 1)));
    far.kind = SDES;
    far.offer(&mut world, 1, "");
    assert_eq!(reason(far.send_bytes(&mut world, &Rtp::nth(7, 2).bytes())), Reason::Unauthentic);
    forwarded(far.send(&mut world, &Rtp::nth(7, 3)));
    far.kind = Kind::Clear("RTP/AVP");
    far.keys = None;
    far.offer(&mut world, 1, "");
    forwarded(far.send(&mut world, &Rtp::nth(7, 4)));
    let (_, bytes) = forwarded(world.rtp(B, PHONE_B, &Rtp::nth(9, 1)));
    assert_eq!(far.read(&bytes).payload, Rtp::nth(9, 1).payload);
}

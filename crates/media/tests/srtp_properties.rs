//! Properties of SRTP contexts, for every suite.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use ringback_media::srtp::{MasterKey, Mki, Receiver, Sender, SrtpError, Suite, TAIL_ROOM};
use serde_json::Value;

#[test]
fn whole_packets_of_the_published_vectors() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp/vectors.json")).unwrap();
    for (name, suite) in [
        ("packet_aes_cm_128_hmac_sha1_80", Suite::AesCm128HmacSha1_80),
        ("packet_aes_cm_128_hmac_sha1_32", Suite::AesCm128HmacSha1_32),
        ("packet_roc_1", Suite::AesCm128HmacSha1_80),
        ("packet_aead_aes_128_gcm", Suite::AeadAes128Gcm),
    ] {
        let vector = &vectors[name];
        let (key, salt) = (bytes(vector, "master_key"), bytes(vector, "master_salt"));
        let (plain, protected) = (bytes(vector, "plain_packet"), bytes(vector, "protected_packet"));
        let mut sender = Sender::new(suite, &key, &salt).unwrap();
        let mut receiver = Receiver::new(suite, &key, &salt).unwrap();
        if vector["roc"] == 1 {
            // The sequence has to roll over once before the packet's own number comes.
            for sequence in [0x8000, 0xffff] {
                let mut packet = protect(&mut sender, &numbered(&plain, sequence)).unwrap();
                receiver.unprotect_rtp(&mut packet).unwrap();
            }
        }
        let mut packet = protect(&mut sender, &plain).unwrap();
        assert_eq!(packet, protected, "{name}");
        let len = receiver.unprotect_rtp(&mut packet).unwrap();
        assert_eq!(packet[..len], plain, "{name}");
    }
}

#[test]
fn the_roll_over_counter_goes_on_over_several_wraps() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for step in 0..600u32 {
            let sequence = (step * 500) as u16;
            let plain = packet(1, sequence, &[7; 20]);
            let mut packet = protect(&mut sender, &plain).unwrap();
            let len = receiver.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(packet[..len], plain, "{suite:?} step {step}");
        }
    }
}

#[test]
fn under_a_new_key_the_roll_over_counter_may_go_on_or_start_over() {
    for suite in Suite::ALL {
        for goes_on in [true, false] {
            let key = |of: u8| {
                let (key, salt) = (vec![of; suite.key_len()], vec![of; suite.salt_len()]);
                (Sender::new(suite, &key, &salt).unwrap(), Receiver::new(suite, &key, &salt).unwrap())
            };
            let ((mut before, mut receiver), (mut after, mut next)) = (key(1), key(2));
            for sequence in [0x6000, 0xd000, 0x3000] {
                let mut packet = protect(&mut before, &packet(1, sequence, b"old")).unwrap();
                receiver.unprotect_rtp(&mut packet).unwrap();
                if goes_on {
                    protect(&mut after, &self::packet(1, sequence, b"counted")).unwrap();
                }
            }
            next.follow(&receiver);
            for sequence in [0x3001, 0x3002] {
                let plain = packet(1, sequence, b"new");
                let mut packet = protect(&mut after, &plain).unwrap();
                let mut forged = packet.clone();
                *forged.last_mut().unwrap() ^= 1;
                assert_eq!(next.unprotect_rtp(&mut forged), Err(SrtpError::Unauthentic), "{suite:?}");
                let len = next.unprotect_rtp(&mut packet).unwrap();
                assert_eq!(packet[..len], plain, "{suite:?} {goes_on}");
            }
        }
    }
}

#[test]
fn an_identifier_is_taken_off_what_it_is_named_for() {
    for suite in Suite::ALL {
        let material: Vec<u8> = vec![3; suite.key_len() + suite.salt_len()];
        let mut key = MasterKey::split(suite, &material).unwrap();
        let mut sender = key.sender().unwrap();
        key.mki = Some(Mki { value: 0x0102, len: 4 });
        let mut receiver = key.receiver().unwrap();
        let is_aead = suite.rtp_overhead() == 16;
        let marked = |packet: Vec<u8>, tag: usize| {
            let at = packet.len() - if is_aead { 0 } else { tag };
            [&packet[..at], &[0, 0, 1, 2], &packet[at..]].concat()
        };
        let plain = packet(1, 7, b"marked");
        let bare = protect(&mut sender, &plain).unwrap();
        let mut wire = marked(bare.clone(), suite.rtp_overhead());
        assert!(receiver.unprotect_rtp(&mut bare.clone()).is_err(), "{suite:?}");
        let len = receiver.unprotect_rtp(&mut wire).unwrap();
        assert_eq!(wire[..len], plain, "{suite:?}");
        let plain = report(5);
        let mut wire = marked(protect_rtcp(&mut sender, &plain).unwrap(), 10);
        let len = receiver.unprotect_rtcp(&mut wire).unwrap();
        assert_eq!(wire[..len], plain, "{suite:?}");
    }
}

/// The place of the identifier is that of RFC 3711 §3.1 and RFC 7714 §8.2: before the tag of AES-CM, behind that of GCM.
#[test]
fn a_sender_writes_the_identifier_of_its_key() {
    for suite in Suite::ALL {
        let mut key = MasterKey::split(suite, &vec![3; suite.key_len() + suite.salt_len()]).unwrap();
        let mut bare = key.sender().unwrap();
        key.mki = Some(Mki { value: 0x0102, len: 4 });
        let mut sender = key.sender().unwrap();
        let is_aead = suite.rtp_overhead() == 16;
        let marked = |packet: Vec<u8>, tag: usize| {
            let at = packet.len() - if is_aead { 0 } else { tag };
            [&packet[..at], &[0, 0, 1, 2], &packet[at..]].concat()
        };
        let plain = packet(1, 7, b"marked");
        let expected = marked(protect(&mut bare, &plain).unwrap(), suite.rtp_overhead());
        assert_eq!(protect(&mut sender, &plain).unwrap(), expected, "{suite:?}");
        let expected = marked(protect_rtcp(&mut bare, &report(5)).unwrap(), 10);
        assert_eq!(protect_rtcp(&mut sender, &report(5)).unwrap(), expected, "{suite:?}");
        // Without room the index is not used up.
        let mut short = packet(1, 8, b"next");
        let len = short.len();
        short.resize(len + suite.rtp_overhead() + 3, 0);
        assert_eq!(sender.protect_rtp(&mut short, len), Err(SrtpError::NoTailRoom));
        assert!(protect(&mut sender, &packet(1, 8, b"next")).is_ok());
    }
}

/// The far end takes the next key whenever it likes, and goes on counting.
#[test]
fn several_keys_are_told_apart_by_their_identifiers() {
    for suite in Suite::ALL {
        let key = |number: u8| {
            let mut key = MasterKey::split(suite, &vec![number; suite.key_len() + suite.salt_len()]).unwrap();
            key.mki = Some(Mki { value: number.into(), len: 2 });
            key
        };
        let mut keys = key(1);
        keys.others = vec![key(2), key(3)];
        let mut receiver = keys.receiver().unwrap();
        let mut sender = keys.sender().unwrap();
        let mut sequence = 0xfff0u16;
        let mut last = Vec::new();
        for number in [1, 2, 1, 3, 2] {
            let mut own = key(number).sender().unwrap();
            // All of them know how often the sequence has rolled over.
            for earlier in [0xfff0u16, sequence] {
                let _ = protect(&mut own, &packet(1, earlier, b"counted"));
            }
            for _ in 0..8 {
                sequence = sequence.wrapping_add(1);
                let plain = packet(1, sequence, b"under one of several keys");
                let mut wire = protect(&mut own, &plain).unwrap();
                let mut forged = wire.clone();
                *forged.last_mut().unwrap() ^= 1;
                assert_eq!(receiver.unprotect_rtp(&mut forged), Err(SrtpError::Unauthentic), "{suite:?}");
                last = wire.clone();
                let len = receiver
                    .unprotect_rtp(&mut wire)
                    .unwrap_or_else(|why| panic!("{suite:?} {number} {sequence}: {why}"));
                assert_eq!(wire[..len], plain, "{suite:?} {number}");
            }
        }
        assert_eq!(receiver.unprotect_rtp(&mut last), Err(SrtpError::Replayed), "{suite:?}");
        // An index that was accepted under one key is not under another.
        let again = packet(1, sequence, b"again");
        let mut of_first = key(1).sender().unwrap();
        for earlier in [0xfff0u16, sequence - 1] {
            let _ = protect(&mut of_first, &packet(1, earlier, b"counted"));
        }
        assert_eq!(
            receiver.unprotect_rtp(&mut protect(&mut of_first, &again).unwrap()),
            Err(SrtpError::Replayed)
        );
        // The first key is what is sent with, and another number is no key of ours.
        let mut first = key(1).receiver().unwrap();
        assert!(first.unprotect_rtp(&mut protect(&mut sender, &packet(9, 1, b"first")).unwrap()).is_ok());
        let mut other = protect(&mut key(4).sender().unwrap(), &packet(1, sequence + 1, b"other")).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut other), Err(SrtpError::Unauthentic));
        for number in [3, 1] {
            let mut wire = protect_rtcp(&mut key(number).sender().unwrap(), &report(number.into())).unwrap();
            let len = receiver.unprotect_rtcp(&mut wire).unwrap();
            assert_eq!(wire[..len], report(number.into()), "{suite:?}");
        }
    }
}

#[test]
fn reordering_over_a_wrap_is_accepted_within_the_window() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut packets: Vec<_> = (0..128u16)
            .map(|n| protect(&mut sender, &packet(1, 65_500u16.wrapping_add(n), b"late")).unwrap())
            .collect();
        // The last first: everything else is up to 127 behind it, on both sides of the wrap.
        receiver.unprotect_rtp(&mut packets[0].clone()).unwrap();
        receiver.unprotect_rtp(&mut packets[127]).unwrap();
        for (n, packet) in packets.iter_mut().enumerate().take(127).skip(1).rev() {
            receiver.unprotect_rtp(packet).unwrap_or_else(|error| panic!("{suite:?} {n}: {error}"));
        }
        let mut older = protect(&mut sender, &packet(1, 65_500u16.wrapping_add(300), b"new")).unwrap();
        receiver.unprotect_rtp(&mut older).unwrap();
        let (mut again, _) = pair(suite);
        let mut stale = protect(&mut again, &packet(1, 65_500, b"late")).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut stale), Err(SrtpError::TooOld), "{suite:?}");
    }
}

#[test]
fn seventeen_sources_push_out_the_one_idle_for_longest() {
    for suite in Suite::ALL {
        let (_, mut receiver) = pair(suite);
        let from = |ssrc, sequence| {
            let (mut sender, _) = pair(suite);
            protect(&mut sender, &packet(ssrc, sequence, b"x")).unwrap()
        };
        for ssrc in 0..16 {
            receiver.unprotect_rtp(&mut from(ssrc, 1)).unwrap();
        }
        receiver.unprotect_rtp(&mut from(0, 2)).unwrap();
        let mut forged = from(99, 1);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(receiver.unprotect_rtp(&mut forged), Err(SrtpError::Unauthentic));
        assert_eq!(receiver.evicted(), 0, "what is not authentic pushes nobody out");
        receiver.unprotect_rtp(&mut from(16, 1)).unwrap();
        assert_eq!(receiver.evicted(), 1);
        assert_eq!(
            receiver.unprotect_rtp(&mut from(0, 2)),
            Err(SrtpError::Replayed),
            "0 was not idle, 1 was"
        );
        assert_eq!(receiver.unprotect_rtp(&mut from(2, 1)), Err(SrtpError::Replayed));
        assert!(receiver.unprotect_rtp(&mut from(1, 1)).is_ok());
    }
}

#[test]
fn rtcp_counts_apart_from_rtp_and_wants_the_e_bit() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let plain = report(5);
        let mut first = protect_rtcp(&mut sender, &plain).unwrap();
        let mut second = protect_rtcp(&mut sender, &plain).unwrap();
        assert_ne!(first, second, "the index counts");
        assert_eq!(first.len(), plain.len() + suite.rtcp_overhead());
        assert_eq!(first[..8], plain[..8]);
        assert_ne!(first[8..plain.len()], plain[8..]);
        let mut replayed = second.clone();
        let len = receiver.unprotect_rtcp(&mut second).unwrap();
        assert_eq!(second[..len], plain);
        receiver.unprotect_rtcp(&mut first).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut replayed.clone()), Err(SrtpError::Replayed));
        let at = match suite {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => replayed.len() - 4,
            _ => replayed.len() - 14,
        };
        replayed[at] &= 0x7f;
        assert_eq!(receiver.unprotect_rtcp(&mut replayed), Err(SrtpError::Unencrypted));
    }
}

#[test]
fn a_key_of_one_direction_does_not_open_the_other() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        let (key, salt) = (vec![9; suite.key_len()], vec![3; suite.salt_len()]);
        let mut receiver = Receiver::new(suite, &key, &salt).unwrap();
        let mut protected = protect(&mut sender, &packet(1, 1, b"x")).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut protected), Err(SrtpError::Unauthentic));
    }
}

fn suites() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_is_protected_opens_to_what_it_was(
        suite in suites(), ssrc: u32, sequence: u16, payload in prop::collection::vec(any::<u8>(), 0..1400),
        csrcs in 0usize..16, extension in prop::option::of(0usize..8),
    ) {
        let (mut sender, mut receiver) = pair(suite);
        let mut plain = packet(ssrc, sequence, &[]);
        plain[0] |= csrcs as u8;
        plain.extend(vec![0xcc; 4 * csrcs]);
        if let Some(words) = extension {
            plain[0] |= 0x10;
            plain.extend([0xbe, 0xde, 0, words as u8]);
            plain.extend(vec![0xee; 4 * words]);
        }
        let header = plain.len();
        plain.extend(&payload);
        let mut protected = protect(&mut sender, &plain).unwrap();
        prop_assert_eq!(protected.len(), plain.len() + suite.rtp_overhead());
        prop_assert_eq!(&protected[..header], &plain[..header]);
        let len = receiver.unprotect_rtp(&mut protected).unwrap();
        prop_assert_eq!(&protected[..len], &plain[..]);

        let mut compound = report(ssrc);
        compound.extend(&payload[..payload.len() & !3]);
        let mut protected = protect_rtcp(&mut sender, &compound).unwrap();
        let len = receiver.unprotect_rtcp(&mut protected).unwrap();
        prop_assert_eq!(&protected[..len], &compound[..]);
    }

    #[test]
    fn a_flipped_bit_is_refused_and_changes_nothing(
        suite in suites(), sequence: u16, at: prop::sample::Index, bit in 0u8..8, rtcp: bool,
    ) {
        let (mut sender, mut receiver) = pair(suite);
        let (first, second) = if rtcp {
            (protect_rtcp(&mut sender, &report(1)).unwrap(), protect_rtcp(&mut sender, &report(1)).unwrap())
        } else {
            let next = sequence.wrapping_add(1);
            (
                protect(&mut sender, &packet(1, sequence, b"payload")).unwrap(),
                protect(&mut sender, &packet(1, next, b"payload")).unwrap(),
            )
        };
        let mut open = |packet: &mut [u8]| {
            if rtcp { receiver.unprotect_rtcp(packet) } else { receiver.unprotect_rtp(packet) }
        };
        open(&mut first.clone()).unwrap();
        let mut changed = second.clone();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        prop_assert!(open(&mut changed).is_err());
        prop_assert!(open(&mut second.clone()).is_ok(), "the packet itself still counts as new");
        prop_assert_eq!(open(&mut second.clone()), Err(SrtpError::Replayed));
        prop_assert_eq!(open(&mut first.clone()), Err(SrtpError::Replayed));
    }

    #[test]
    fn any_bytes_are_refused_without_panic(suite in suites(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut receiver) = pair(suite);
        prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
    }

    /// In any order, with losses and repetitions, each packet opens exactly once as long as it is in the window.
    #[test]
    fn each_packet_opens_once(suite in suites(), order in prop::collection::vec(0usize..100, 1..300)) {
        let (mut sender, mut receiver) = pair(suite);
        let packets: Vec<_> = (0..100u16)
            .map(|n| protect(&mut sender, &packet(1, 65_480u16.wrapping_add(n), b"x")).unwrap())
            .collect();
        // Index 0 before the first makes everything after it knowable.
        receiver.unprotect_rtp(&mut packets[0].clone()).unwrap();
        let mut opened = std::collections::BTreeSet::from([0]);
        for at in order {
            let result = receiver.unprotect_rtp(&mut packets[at].clone());
            prop_assert_eq!(result.is_ok(), opened.insert(at), "packet {}: {:?}", at, result);
        }
    }
}

fn pair(suite: Suite) -> (Sender, Receiver) {
    let key: Vec<u8> = (0..suite.key_len() as u8).collect();
    let salt: Vec<u8> = (0..suite.salt_len() as u8).map(|n| n ^ 0xa5).collect();
    (Sender::new(suite, &key, &salt).unwrap(), Receiver::new(suite, &key, &salt).unwrap())
}

fn protect(sender: &mut Sender, plain: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TAIL_ROOM, 0);
    let len = sender.protect_rtp(&mut buffer, plain.len())?;
    buffer.truncate(len);
    Ok(buffer)
}

fn protect_rtcp(sender: &mut Sender, plain: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TAIL_ROOM, 0);
    let len = sender.protect_rtcp(&mut buffer, plain.len())?;
    buffer.truncate(len);
    Ok(buffer)
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 160]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn numbered(plain: &[u8], sequence: u16) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

/// A sender report.
fn report(ssrc: u32) -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    report.extend(ssrc.to_be_bytes());
    report.extend([0x11; 20]);
    report
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    let text = vector[field].as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

//! Our walk over a message against the reader of `stun-types`, and never a panic on any bytes.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use ringback_nat::demux::{Class, classify};
use ringback_nat::stun::{Algorithm, BindingRequest, Key, Message, Role};
use ringback_sansio::sim::Clock;
use stun_types::message as oracle;

/// Attributes as they might come, known and unknown, in any order and of any length.
fn attributes() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let kind = prop_oneof![
        Just(0x0006u16),
        Just(0x0008),
        Just(0x001c),
        Just(0x0024),
        Just(0x0025),
        Just(0x8022),
        Just(0x8029),
        Just(0x802a),
        any::<u16>(),
    ];
    let value = prop_oneof![
        Just(vec![0; 20]),
        Just(vec![0; 32]),
        prop::collection::vec(any::<u8>(), 0..24),
        Just(b"evtj:h6vY".to_vec())
    ];
    prop::collection::vec((kind, value), 0..8)
}

fn message(first: u8, second: u8, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![first & 0x3f, second, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend_from_slice(&[5; 12]);
    for (kind, value) in attributes {
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

proptest! {
    /// What we take the crate takes too, and it sees the same in it.
    #[test]
    fn what_we_accept_reads_the_same(first in 0u8..2, second in any::<u8>(), attributes in attributes()) {
        let bytes = message(first, second, &attributes);
        if let Ok(ours) = Message::parse(&bytes) {
            let theirs = oracle::Message::from_bytes(&bytes).unwrap();
            prop_assert_eq!(ours.class(), theirs.class());
            prop_assert_eq!(ours.transaction(), theirs.transaction_id());
            prop_assert_eq!(ours.is_binding(), theirs.has_method(oracle::BINDING));
            let value = |kind: u16| theirs.raw_attribute(kind.into()).map(|raw| raw.value.to_vec());
            prop_assert_eq!(ours.username().map(<[u8]>::to_vec), value(0x0006));
            prop_assert_eq!(ours.has_use_candidate(), value(0x0025).is_some());
            let priority = value(0x0024).and_then(|v| v.try_into().ok()).map(u32::from_be_bytes);
            prop_assert_eq!(ours.priority(), priority);
        }
    }

    /// The crate verifies what we protect, and we what it protects.
    #[test]
    fn integrity_agrees(id in any::<u128>(), password in "[a-zA-Z0-9+/]{22,40}", sha256 in any::<bool>()) {
        let (ours, theirs) = if sha256 {
            (Algorithm::Sha256, oracle::IntegrityAlgorithm::Sha256)
        } else {
            (Algorithm::Sha1, oracle::IntegrityAlgorithm::Sha1)
        };
        let request = BindingRequest {
            transaction: id.into(),
            username: Some("abcd:efgh"),
            priority: Some(7),
            role: Some((Role::Controlling, 9)),
            use_candidate: true,
        };
        let mut bytes = [0; 200];
        let length = request.write(Some((&Key::new(&password), ours)), &mut bytes).unwrap();
        let credentials = oracle::ShortTermCredentials::new(password.clone()).into();
        let read = oracle::Message::from_bytes(&bytes[..length]).unwrap();
        prop_assert_eq!(read.validate_integrity(&credentials).unwrap(), theirs);
        prop_assert_eq!(Message::parse(&bytes[..length]).unwrap().verify(&Key::new(&password)), Ok(ours));
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        ringback_nat::fuzz::stun(&data, Clock::new().now());
    }

    #[test]
    fn any_attributes(first in 0u8..2, second in any::<u8>(), attributes in attributes()) {
        ringback_nat::fuzz::stun(&message(first, second, &attributes), Clock::new().now());
    }

    #[test]
    fn what_is_not_stun_is_no_stun_message(data in prop::collection::vec(any::<u8>(), 0..64)) {
        if classify(&data) != Class::Stun {
            prop_assert!(Message::parse(&data).is_err());
        }
    }
}

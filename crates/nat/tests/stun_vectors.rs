//! The test vectors of RFC 5769 and RFC 8489 B.1, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use ringback_nat::stun::{Algorithm, Key, Malformed, Message, MessageClass, Unauthenticated, username};
use ringback_nat::turn::PasswordAlgorithm;
use serde_json::Value;
use stun_types::message::{IntegrityAlgorithm, LongTermKeyCredentials};

#[test]
fn every_vector_has_a_row_here_and_reads_as_published() {
    let vectors = vectors();
    for name in ["req", "resp4", "resp6", "reqltc", "reqltc_sha256", "reqltc_sha256_fixed"] {
        assert!(vectors.iter().any(|vector| vector["name"] == name), "{name} is missing");
    }
    assert_eq!(vectors.len(), 6, "a vector without a row");
    for vector in &vectors {
        assert_eq!(hex(vector["hex"].as_str().unwrap()), file(vector["file"].as_str().unwrap()));
    }
}

#[test]
fn rfc5769_2_1_request() {
    let bytes = file("req.bin");
    assert_eq!(username(&bytes), Some((&b"evtj"[..], &b"h6vY"[..])));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), MessageClass::Request);
    assert!(message.is_binding() && message.has_fingerprint());
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.controlling(), None);
    assert!(!message.has_use_candidate());
    assert_eq!(message.unknown_attributes().count(), 0);
    assert_eq!(message.verify(&Key::new(PASSWORD)), Ok(Algorithm::Sha1));
    assert_eq!(message.verify(&Key::new("VOkJxbRl1RmTxUk/WvJxBT")), Err(Unauthenticated::Mismatch));
}

#[test]
fn rfc5769_2_1_request_with_any_bit_turned_is_refused() {
    let bytes = file("req.bin");
    let key = Key::new(PASSWORD);
    // Up to the FINGERPRINT, the padding of SOFTWARE and USERNAME included; and the FINGERPRINT's own value. Its type and
    // length stand behind what is hashed.
    let fingerprint = bytes.len() - 8;
    for bit in (0..fingerprint * 8).chain((fingerprint + 4) * 8..bytes.len() * 8) {
        let mut turned = bytes.clone();
        turned[bit / 8] ^= 1 << (bit % 8);
        let accepted = Message::parse(&turned).is_ok_and(|message| message.verify(&key).is_ok());
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn rfc5769_2_2_response_ipv4() {
    let bytes = file("resp4.bin");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), MessageClass::Success);
    assert_eq!(message.mapped_address(), Some("192.0.2.1:32853".parse().unwrap()));
    assert_eq!(message.verify(&Key::new(PASSWORD)), Ok(Algorithm::Sha1));
    assert_eq!(username(&bytes), None);
}

#[test]
fn rfc5769_2_3_response_ipv6() {
    let bytes = file("resp6.bin");
    let message = Message::parse(&bytes).unwrap();
    let mapped = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(message.mapped_address(), Some(mapped));
    assert_eq!(message.verify(&Key::new(PASSWORD)), Ok(Algorithm::Sha1));
}

#[test]
fn rfc5769_2_4_long_term_request() {
    let bytes = file("reqltc.bin");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username(), Some("マトリックス".as_bytes()));
    assert!(message.has_integrity() && !message.has_fingerprint());
    assert_eq!(message.unknown_attributes().count(), 0, "REALM and NONCE are known");
    assert_eq!(username(&bytes), None, "no colon: not a check");
    assert_eq!(message.verify(&key(PasswordAlgorithm::Md5)), Ok(Algorithm::Sha1));
    assert_eq!(message.verify(&key(PasswordAlgorithm::Sha256)), Err(Unauthenticated::Mismatch));
    let oracle = stun_types::message::Message::from_bytes(&bytes).unwrap();
    assert!(oracle.validate_integrity(&long_term()).is_ok());
}

#[test]
fn rfc8489_b_1_as_published_is_refused_for_its_length() {
    assert_eq!(Message::parse(&file("reqltc_sha256.bin")).unwrap_err(), Malformed::Length);
}

#[test]
fn rfc8489_b_1_corrected() {
    let bytes = file("reqltc_sha256_fixed.bin");
    let message = Message::parse(&bytes).unwrap();
    assert!(message.has_integrity());
    assert_eq!(message.username(), None, "it names its user by USERHASH");
    assert_eq!(message.unknown_attributes().count(), 0);
    assert_eq!(message.verify(&Key::new("TheMatrIX")), Err(Unauthenticated::Mismatch), "a long-term key");
    assert_eq!(message.verify(&key(PasswordAlgorithm::Sha256)), Ok(Algorithm::Sha256));
    assert_eq!(message.verify(&key(PasswordAlgorithm::Md5)), Err(Unauthenticated::Mismatch));
    let oracle = stun_types::message::Message::from_bytes(&bytes).unwrap();
    assert_eq!(oracle.validate_integrity(&long_term()).unwrap(), IntegrityAlgorithm::Sha256);
}

fn key(algorithm: PasswordAlgorithm) -> Key {
    algorithm.key("マトリックス".as_bytes(), "example.org", b"TheMatrIX")
}

fn long_term() -> stun_types::message::MessageIntegrityCredentials {
    LongTermKeyCredentials::new("マトリックス".into(), "TheMatrIX".into(), "example.org".into()).into()
}

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn vectors() -> Vec<Value> {
    let index: Value = serde_json::from_slice(&file("vectors.json")).unwrap();
    index["vectors"].as_array().unwrap().clone()
}

#[allow(clippy::disallowed_methods, reason = "a test reads its vectors")]
fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/stun");
    std::fs::read(folder.join(name)).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

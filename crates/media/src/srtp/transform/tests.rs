//! The packets of RFC 7714, whose session keys are given, and the derived keys of RFC 3711 and RFC 6188.

use serde_json::Value;

use super::*;

#[test]
fn rfc7714_section_16_and_17() {
    let vectors = vectors();
    let mut seen = 0;
    for (name, vector) in vectors.as_object().unwrap() {
        let Some(suite) = vector.get("profile").map(|profile| suite(profile.as_str().unwrap())) else {
            continue;
        };
        seen += 1;
        let salt: [u8; 12] = bytes(vector, "session_salt").try_into().unwrap();
        let gcm = Gcm::new(suite, &bytes(vector, "session_key"), salt).unwrap();
        let ssrc = u32::from_str_radix(vector["ssrc"].as_str().unwrap(), 16).unwrap();
        let (plain, protected) = (bytes(vector, "plain_packet"), bytes(vector, "protected_packet"));
        let srtcp = vector["kind"] == "srtcp";
        let index = if srtcp {
            vector["srtcp_index"].as_u64().unwrap()
        } else {
            vector["roc"].as_u64().unwrap() << 16 | vector["seq"].as_u64().unwrap()
        };

        if vector["encrypted"] == false {
            // Authentication only is never sent or taken here, but the primitive has to compute it.
            let tag = gcm.seal(ssrc, index, &bytes(vector, "aad"), &mut []).unwrap();
            assert_eq!(&protected[plain.len()..plain.len() + 16], tag, "{name}");
            continue;
        }
        let transform = Transform::Gcm(gcm);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 32, 0);
        let len = if srtcp {
            transform.seal_rtcp(ssrc, index as u32, &mut buffer, plain.len())
        } else {
            transform.seal_rtp(ssrc, index, &mut buffer, 12, plain.len())
        };
        buffer.truncate(len.unwrap());
        assert_eq!(buffer, protected, "{name}");
        let len = if srtcp {
            assert_eq!(transform.rtcp_index(&buffer), Ok(index as u32));
            transform.open_rtcp(ssrc, index as u32, &mut buffer)
        } else {
            transform.open_rtp(ssrc, index, &mut buffer, 12)
        };
        buffer.truncate(len.unwrap());
        assert_eq!(buffer, plain, "{name}");
    }
    assert_eq!(seen, 12);
}

#[test]
fn rfc3711_appendix_b2_aes_cm_key_stream() {
    let vector = &vectors()["rfc3711_B2_aes_cm_keystream"];
    let salt = bytes(vector, "session_salt_shifted");
    let key: [u8; 16] = bytes(vector, "session_key").try_into().unwrap();
    let keys = AesCm::with_128(&key, salt[..14].try_into().unwrap(), &[0; 20], 10);
    let mut stream = vec![0; 0xff02 * 16];
    keys.apply(0, 0, &mut stream);
    for (counter, block) in vector["keystream_blocks"].as_object().unwrap() {
        let at = usize::from_str_radix(counter, 16).unwrap() * 16;
        assert_eq!(hex(&stream[at..at + 16]), block.as_str().unwrap(), "block {counter}");
    }
}

#[test]
fn rfc6188_section_7_1_aes_256_cm_key_stream() {
    let session = "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98";
    let session = serde_json::json!({ "key": session, "salt": "f0f1f2f3f4f5f6f7f8f9fafbfcfd" });
    let key: [u8; 32] = bytes(&session, "key").try_into().unwrap();
    let salt: [u8; 14] = bytes(&session, "salt").try_into().unwrap();
    let keys = AesCm::with_256(&key, &salt, &[0; 20], 10);
    let mut stream = vec![0; 0xff02 * 16];
    keys.apply(0, 0, &mut stream);
    for (counter, block) in [
        (0, "92bdd28a93c3f52511c677d08b5515a4"),
        (1, "9da71b2378a854f67050756ded165bac"),
        (2, "63c4868b7096d88421b563b8c94c9a31"),
        (0xfeff, "cea518c90fd91ced9cbb18c078a54711"),
        (0xff00, "3dbc4814f4da5f00a08772b63c6a046d"),
        (0xff01, "6eb246913062a16891433e97dd01a57f"),
    ] {
        assert_eq!(hex(&stream[counter * 16..][..16]), block, "block {counter:x}");
    }
}

#[test]
fn rfc3711_appendix_b3_key_derivation() {
    let vector = &vectors()["rfc3711_B3_kdf"];
    let derivation = derivation(Suite::AesCm128HmacSha1_80, vector);
    assert_eq!(derived::<16>(&derivation, Label::RtpEncryption), vector["cipher_key"]);
    assert_eq!(derived::<14>(&derivation, Label::RtpSalt), vector["cipher_salt"]);
    assert_eq!(derived::<94>(&derivation, Label::RtpAuthentication), vector["auth_key_94"]);
}

#[test]
fn rfc6188_section_7_2_key_derivation_with_256_bits() {
    let vector = &vectors()["rfc6188_7_2_kdf256"];
    let derivation = derivation(Suite::AesCm256HmacSha1_80, vector);
    assert_eq!(derived::<32>(&derivation, Label::RtpEncryption), vector["cipher_key"]);
    assert_eq!(derived::<14>(&derivation, Label::RtpSalt), vector["cipher_salt"]);
    assert_eq!(derived::<20>(&derivation, Label::RtpAuthentication), vector["auth_key"]);
}

#[test]
fn a_packet_too_short_for_its_parts_is_malformed() {
    for suite in Suite::ALL {
        let derivation =
            Derivation::new(suite, &vec![7; suite.key_len()], &vec![8; suite.salt_len()]).unwrap();
        let (rtp, rtcp) =
            (Transform::rtp(suite, &derivation).unwrap(), Transform::rtcp(suite, &derivation).unwrap());
        for len in 0..12 + suite.rtp_overhead() {
            assert_eq!(rtp.open_rtp(1, 1, &mut vec![0x80; len], 12), Err(SrtpError::Malformed), "{len}");
        }
        for len in 0..8 + suite.rtcp_overhead() {
            let mut packet = vec![0xff; len];
            let opened = rtcp.rtcp_index(&packet).and_then(|index| rtcp.open_rtcp(1, index, &mut packet));
            assert_eq!(opened, Err(SrtpError::Malformed), "{len}");
        }
    }
}

fn derived<const N: usize>(derivation: &Derivation, label: Label) -> String {
    hex(&derivation.derive::<N>(label).0)
}

fn derivation(suite: Suite, vector: &Value) -> Derivation {
    Derivation::new(suite, &bytes(vector, "master_key"), &bytes(vector, "master_salt")).unwrap()
}

fn suite(profile: &str) -> Suite {
    match profile {
        "AEAD_AES_128_GCM" => Suite::AeadAes128Gcm,
        "AEAD_AES_256_GCM" => Suite::AeadAes256Gcm,
        other => panic!("no suite for {other}"),
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../../tests/vectors/srtp/vectors.json")).unwrap()
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    let text = vector[field].as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

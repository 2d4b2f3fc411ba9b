//! tests/vectors/digest: the examples of the RFCs, and SIP-shaped ones derived from them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use ringback_sansio::Transport;
use ringback_sansio::sim::Clock;
use ringback_sip::digest::{
    Algorithm, Authenticator, Credentials, Ha1, Login, Purpose, Realm, Refusal, Settings, Staleness,
    Unanswerable, answer,
};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let text = include_str!("../../../tests/vectors/digest/vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

/// Reads a field; what a vector does not have is empty.
fn field<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_default()
}

/// The challenge that the vector is an answer to.
fn challenge(vector: &Value) -> String {
    let mut challenge = format!(
        "Digest realm=\"{}\", nonce=\"{}\", algorithm={}",
        field(vector, "realm"),
        field(vector, "nonce"),
        field(vector, "algorithm")
    );
    if !field(vector, "qop").is_empty() {
        challenge += &format!(", qop=\"{}\"", field(vector, "qop"));
    }
    challenge
}

fn answer_to(vector: &Value) -> Result<String, Unanswerable> {
    let login = Login {
        realm: Some(field(vector, "realm").as_bytes()),
        user: field(vector, "username").as_bytes(),
        password: field(vector, "password").as_bytes(),
    };
    let purpose = Purpose {
        method: field(vector, "method").as_bytes(),
        uri: field(vector, "uri").as_bytes(),
        cnonce: field(vector, "cnonce"),
        nc: u32::from_str_radix(field(vector, "nc"), 16).unwrap(),
    };
    answer([challenge(vector).as_bytes()], &login, &purpose).map(|value| String::from_utf8(value).unwrap())
}

/// Every vector has an outcome: its response, or the reason for which we do not answer such a challenge.
#[test]
fn every_vector() {
    let mut answered = 0;
    for vector in vectors() {
        let name = field(&vector, "name");
        let expected = match (field(&vector, "algorithm"), field(&vector, "qop")) {
            (algorithm, _) if algorithm.ends_with("-sess") => Err(Unanswerable::UnknownAlgorithm),
            (_, "auth-int") => Err(Unanswerable::UnknownQop),
            _ => Ok(format!("response=\"{}\"", field(&vector, "response"))),
        };
        match (answer_to(&vector), expected) {
            (Ok(value), Ok(response)) => {
                assert!(value.contains(&response), "{name}: {value}");
                answered += 1;
            }
            (answer, expected) => assert_eq!(answer.err(), expected.err(), "{name}"),
        }
    }
    assert_eq!(answered, 10, "of 16 vectors");
}

/// SHA-512/256 is not SHA-512 cut short, which is what the example in RFC 7616 §3.9.2 was computed with.
#[test]
fn the_erratum_is_not_matched() {
    let vectors = vectors();
    let wrong: Vec<_> =
        vectors.iter().filter(|vector| vector["published_matches"] == Value::Bool(false)).collect();
    assert_eq!(wrong.len(), 1);
    for vector in wrong {
        assert!(!answer_to(vector).unwrap().contains(field(vector, "published")));
    }
}

/// The same through the side that verifies, with a nonce of its own, from a stored secret.
#[test]
fn both_sides_agree() {
    for vector in vectors().iter().filter(|vector| answer_to(vector).is_ok()) {
        let name = field(vector, "name");
        let now = Clock::new().now();
        let source = "192.0.2.9".parse().unwrap();
        let realm = Realm::new(field(vector, "realm")).unwrap();
        let algorithm = Algorithm::from_token(field(vector, "algorithm").as_bytes()).unwrap();
        let settings =
            Settings { algorithms: vec![algorithm], lifetime: Duration::from_secs(60), nonces: 64 };
        let mut authenticator = Authenticator::new(realm, [1; 32], now, &settings);
        let [value] = &authenticator.challenge(now, source, Transport::Udp, Staleness::Unsaid)[..] else {
            panic!("one challenge")
        };
        let challenge = String::from_utf8(value.as_ref().to_vec()).unwrap();
        let challenge = match field(vector, "qop") {
            "" => challenge.replace(", qop=\"auth\"", ""),
            _ => challenge,
        };
        let (user, password) = (field(vector, "username").as_bytes(), field(vector, "password").as_bytes());
        let (method, uri) = (field(vector, "method").as_bytes(), field(vector, "uri").as_bytes());
        let login = Login { realm: None, user, password };
        let purpose = Purpose { method, uri, cnonce: "x", nc: 1 };
        let value = answer([challenge.as_bytes()], &login, &purpose).unwrap();
        let credentials = Credentials::parse(&value).unwrap().unwrap();
        assert_eq!(credentials.username(), user);
        let stored = Ha1::of_password(algorithm, user, field(vector, "realm").as_bytes(), password);
        let stored = Ha1::from_bytes(algorithm, stored.reveal());
        let wrong = Ha1::of_password(algorithm, user, field(vector, "realm").as_bytes(), b"wrong");
        let mut verify = |method: &[u8], secret| {
            let claim = authenticator.examine(now, source, method, &credentials)?;
            authenticator.verify(&claim, secret)
        };
        assert_eq!(verify(method, Some(&wrong)), Err(Refusal::BadCredentials), "{name}");
        assert_eq!(
            verify(b"BYE", stored.as_ref()),
            Err(Refusal::BadCredentials),
            "{name}: the method is bound"
        );
        assert_eq!(verify(method, stored.as_ref()), Ok(()), "{name}");
        assert_eq!(verify(method, stored.as_ref()), Err(Refusal::Replayed), "{name}");
    }
}

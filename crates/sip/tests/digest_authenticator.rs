//! The side that asks: what it lets in, what it tells, and what it remembers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringback_sansio::Transport;
use ringback_sansio::sim::Clock;
use ringback_sip::digest::{
    Algorithm, Authenticator, Credentials, Defect, Ha1, Login, Purpose, Realm, Refusal, Reply, Settings,
    Staleness, answer,
};

const REALM: &str = "ringback";

/// An authenticator with one user, `alice`, who has a secret for MD5 and for SHA-256.
struct Door {
    authenticator: Authenticator,
    now: Instant,
    source: IpAddr,
}

impl Door {
    fn new() -> Self {
        Door::with(&Settings::default())
    }

    fn with(settings: &Settings) -> Self {
        let now = Clock::new().now();
        let authenticator = Authenticator::new(Realm::new(REALM).unwrap(), [5; 32], now, settings);
        Door { authenticator, now, source: "192.0.2.9".parse().unwrap() }
    }

    fn challenges(&mut self, transport: Transport) -> Vec<String> {
        self.authenticator
            .challenge(self.now, self.source, transport, Staleness::Unsaid)
            .iter()
            .map(|value| String::from_utf8(value.as_ref().to_vec()).unwrap())
            .collect()
    }

    /// What a client answers to the last of the challenges, which is MD5.
    fn answer(&mut self, user: &str, password: &str, nc: u32) -> String {
        let challenge = self.challenges(Transport::Wss).pop().unwrap();
        answer_to(&challenge, user, password, nc)
    }

    fn verify(&mut self, authorization: &str) -> Result<(), Refusal> {
        self.verify_method(b"REGISTER", authorization)
    }

    fn verify_method(&mut self, method: &[u8], authorization: &str) -> Result<(), Refusal> {
        let credentials = self.authenticator.select([authorization.as_bytes()])?;
        let claim = self.authenticator.examine(self.now, self.source, method, &credentials)?;
        let secret = secret_of(&credentials);
        self.authenticator.verify(&claim, secret.as_ref())
    }
}

fn secret_of(credentials: &Credentials<'_>) -> Option<Ha1> {
    let algorithm = credentials.algorithm()?;
    let known = credentials.username() == b"alice" && algorithm != Algorithm::Sha512_256;
    known.then(|| Ha1::of_password(algorithm, b"alice", REALM.as_bytes(), b"secret"))
}

fn answer_to(challenge: &str, user: &str, password: &str, nc: u32) -> String {
    let login = Login { realm: None, user: user.as_bytes(), password: password.as_bytes() };
    let purpose = Purpose { method: b"REGISTER", uri: b"sip:ringback", cnonce: "c", nc };
    String::from_utf8(answer([challenge.as_bytes()], &login, &purpose).unwrap()).unwrap()
}

#[test]
fn right_credentials_are_let_in_once_for_each_count() {
    let mut door = Door::new();
    let challenge = door.challenges(Transport::Udp).pop().unwrap();
    let answered = |nc| answer_to(&challenge, "alice", "secret", nc);
    for (nc, expected) in [
        (1, Ok(())),
        (1, Err(Refusal::Replayed)),
        (2, Ok(())),
        (7, Ok(())),
        (6, Err(Refusal::Replayed)),
        (0, Err(Refusal::Replayed)),
        (8, Ok(())),
    ] {
        assert_eq!(door.verify(&answered(nc)), expected, "nc {nc}");
    }
}

#[test]
fn a_wrong_answer_uses_up_nothing() {
    let mut door = Door::new();
    let challenge = door.challenges(Transport::Udp).pop().unwrap();
    for _ in 0..3 {
        assert_eq!(door.verify(&answer_to(&challenge, "alice", "wrong", 1)), Err(Refusal::BadCredentials));
    }
    assert_eq!(door.verify(&answer_to(&challenge, "alice", "secret", 1)), Ok(()));
}

/// SECURITY, enumeration: the same for a user that there is not, for a wrong password and for a user without a secret
/// for that algorithm, in every count that shows outside.
#[test]
fn nobody_can_tell_users_from_nobodies() {
    let settings = Settings {
        algorithms: vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5],
        ..Settings::default()
    };
    for (user, password) in [("alice", "wrong"), ("nobody", "secret"), ("", ""), ("alice\"", "x")] {
        let mut door = Door::with(&settings);
        for challenge in door.challenges(Transport::Udp) {
            let refusal = door.verify(&answer_to(&challenge, user, password, 1)).unwrap_err();
            assert_eq!(refusal, Refusal::BadCredentials, "{user}");
            assert_eq!(refusal.reply(), Reply::Challenge(Staleness::Unsaid));
            assert!(refusal.is_failed_guess());
        }
        assert_eq!(door.authenticator.stats().bad_credentials, 3);
    }
    let mut door = Door::with(&settings);
    let sha512 = door.challenges(Transport::Udp).remove(0);
    assert!(sha512.contains("SHA-512-256"));
    assert_eq!(door.verify(&answer_to(&sha512, "alice", "secret", 1)), Err(Refusal::BadCredentials));
}

/// A challenge is the same whoever asks: nothing of the request but its address and transport goes into it.
#[test]
fn each_transport_has_its_challenges() {
    let all = vec![Algorithm::Md5, Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    for (algorithms, transport, expected) in [
        (Settings::default().algorithms, Transport::Udp, &["SHA-256", "MD5"][..]),
        (Settings::default().algorithms, Transport::Tls, &["SHA-256", "MD5"]),
        (Settings::default().algorithms, Transport::Ws, &["MD5"]),
        (Settings::default().algorithms, Transport::Wss, &["MD5"]),
        (all.clone(), Transport::Tcp, &["SHA-512-256", "SHA-256", "MD5"]),
        (all, Transport::Wss, &["MD5"]),
        (vec![Algorithm::Md5], Transport::Udp, &["MD5"]),
        (vec![Algorithm::Sha256], Transport::Wss, &["SHA-256"]),
        (vec![], Transport::Udp, &["MD5"]),
    ] {
        let mut door = Door::with(&Settings { algorithms, ..Settings::default() });
        let challenges = door.challenges(transport);
        assert_eq!(challenges.len(), expected.len());
        for (challenge, algorithm) in challenges.iter().zip(expected) {
            let nonce = challenge.split('"').nth(3).unwrap();
            assert_eq!(
                challenge,
                &format!("Digest realm=\"ringback\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"")
            );
        }
    }
}

#[test]
fn a_stale_challenge_says_so() {
    let mut door = Door::new();
    let values = door.authenticator.challenge(door.now, door.source, Transport::Wss, Staleness::Stale);
    assert!(values[0].as_ref().ends_with(b", qop=\"auth\", stale=true"));
}

#[test]
fn each_refusal_has_its_reply() {
    let stale = Reply::Challenge(Staleness::Stale);
    let again = Reply::Challenge(Staleness::Unsaid);
    let mut door = Door::new();
    let good = door.answer("alice", "secret", 1);
    let mut other = Door::with(&Settings::default());
    other.authenticator =
        Authenticator::new(Realm::new(REALM).unwrap(), [6; 32], other.now, &Settings::default());
    let foreign = other.answer("alice", "secret", 1);
    for (authorization, refusal, reply) in [
        ("Basic YWxpY2U6c2VjcmV0".to_owned(), Refusal::NoCredentials, again),
        (good.replace("realm=\"ringback\"", "realm=\"Ringback\""), Refusal::WrongRealm, again),
        (good.replace("algorithm=MD5", "algorithm=MD5-sess"), Refusal::UnsupportedAlgorithm, again),
        (good.replace("algorithm=MD5", "algorithm=SHA-512-256"), Refusal::UnsupportedAlgorithm, again),
        (good.replace("qop=auth", "qop=auth-int"), Refusal::UnsupportedQop, again),
        (good.replace("response=\"", "response=\"0"), Refusal::BadCredentials, again),
        (good.replace("uri=\"sip:ringback\"", "uri=\"sip:other\""), Refusal::BadCredentials, again),
        (foreign, Refusal::ForeignNonce, stale),
        (good.replace("nonce=\"", "nonce=\"x"), Refusal::ForeignNonce, stale),
        (good.replace("nc=00000001", "nc=1"), Refusal::Malformed(Defect::NonceCount), Reply::BadRequest),
        (good.replace(", uri=", ", x="), Refusal::Malformed(Defect::Missing("uri")), Reply::BadRequest),
        (good.replace("\"alice\"", "\"alice"), Refusal::Malformed(Defect::Syntax), Reply::BadRequest),
    ] {
        assert_eq!(door.verify(&authorization), Err(refusal), "{authorization}");
        assert_eq!(refusal.reply(), reply, "{refusal}");
        assert_eq!(refusal.is_failed_guess(), refusal == Refusal::BadCredentials, "{refusal}");
    }
    assert_eq!(door.authenticator.select([]).unwrap_err(), Refusal::NoCredentials);
    assert_eq!(door.verify_method(b"INVITE", &good), Err(Refusal::BadCredentials), "the method is bound");
    assert_eq!(door.verify(&good), Ok(()), "none of that used it up");
    let stats = *door.authenticator.stats();
    assert_eq!((stats.accepted, stats.malformed, stats.no_credentials, stats.foreign_nonce), (1, 3, 2, 2));
    assert_eq!((stats.bad_credentials, stats.unsupported_algorithm, stats.unsupported_qop), (3, 2, 1));
}

#[test]
fn ours_is_found_among_others() {
    let mut door = Door::new();
    let good = door.answer("alice", "secret", 1);
    let other = good.replace("realm=\"ringback\"", "realm=\"elsewhere\"");
    let values = ["Basic x", &other, "Digest broken", &good];
    let credentials = door.authenticator.select(values.map(str::as_bytes)).unwrap();
    assert_eq!((credentials.realm(), credentials.username()), (REALM.as_bytes(), &b"alice"[..]));
    let without = door.authenticator.select([&other, "Basic x"].map(|value: &str| value.as_bytes()));
    assert_eq!(without.unwrap_err(), Refusal::WrongRealm);
}

#[test]
fn a_nonce_is_good_at_the_address_that_it_was_sent_to() {
    let mut door = Door::new();
    let good = door.answer("alice", "secret", 1);
    door.source = "192.0.2.10".parse().unwrap();
    assert_eq!(door.verify(&good), Err(Refusal::ForeignNonce));
    door.source = "::ffff:192.0.2.9".parse().unwrap();
    assert_eq!(door.verify(&good), Ok(()), "the same address, from a socket of both families");
}

#[test]
fn a_nonce_lasts_as_long_as_is_set() {
    let lifetime = Duration::from_secs(20);
    let mut door = Door::with(&Settings { lifetime, ..Settings::default() });
    let challenge = door.challenges(Transport::Udp).pop().unwrap();
    door.now += Duration::from_millis(19_999);
    assert_eq!(door.verify(&answer_to(&challenge, "alice", "secret", 1)), Ok(()));
    door.now += Duration::from_millis(1);
    assert_eq!(door.verify(&answer_to(&challenge, "alice", "secret", 2)), Err(Refusal::Expired));
}

/// RFC 2069: old phones answer without qop. Such a response is good for one request.
#[test]
fn an_answer_without_qop_is_taken_once() {
    let mut door = Door::new();
    let challenge = door.challenges(Transport::Udp).pop().unwrap();
    let legacy = answer_to(&challenge.replace(", qop=\"auth\"", ""), "alice", "secret", 1);
    assert!(!legacy.contains("nc="));
    assert_eq!(door.verify(&legacy), Ok(()));
    assert_eq!(door.verify(&legacy), Err(Refusal::Replayed));
    assert_eq!(door.verify(&answer_to(&challenge, "alice", "secret", 2)), Err(Refusal::Replayed));
}

/// The table of counts is small: a client whose nonce was evicted is asked again, and no response is taken twice.
#[test]
fn an_evicted_nonce_is_asked_for_again() {
    let mut door = Door::with(&Settings { nonces: 8, ..Settings::default() });
    let first = door.answer("alice", "secret", 1);
    assert_eq!(door.verify(&first), Ok(()));
    for _ in 0..8 {
        let next = door.answer("alice", "secret", 1);
        assert_eq!(door.verify(&next), Ok(()));
    }
    assert_eq!(door.verify(&first), Err(Refusal::Replayed));
    assert_eq!(Refusal::Replayed.reply(), Reply::Challenge(Staleness::Stale));
}

/// SECURITY, flood: what a request without credentials leaves behind is a number.
#[test]
fn a_flood_leaves_no_trace() {
    let mut door = Door::with(&Settings { nonces: 8, ..Settings::default() });
    let challenge = door.challenges(Transport::Wss).pop().unwrap();
    assert_eq!(door.verify(&answer_to(&challenge, "alice", "secret", 1)), Ok(()));
    for number in 0..10_000u32 {
        door.source = IpAddr::V4(std::net::Ipv4Addr::from(number.wrapping_mul(2_654_435_761)));
        let guess = door.answer("alice", "wrong", 1);
        assert_eq!(door.verify(&guess), Err(Refusal::BadCredentials));
    }
    door.source = "192.0.2.9".parse().unwrap();
    assert_eq!(
        door.verify(&answer_to(&challenge, "alice", "secret", 2)),
        Ok(()),
        "no count was evicted by a guess"
    );
}

/// Clients behind one address, challenged in the same millisecond, do not spoil each other's counts.
#[test]
fn one_address_many_clients() {
    let mut door = Door::new();
    let challenges: Vec<_> = (0..100).map(|_| door.challenges(Transport::Wss).pop().unwrap()).collect();
    for challenge in &challenges {
        assert_eq!(door.verify(&answer_to(challenge, "alice", "secret", 1)), Ok(()));
    }
    assert_eq!(door.authenticator.stats().replayed, 0);
}

#[test]
fn debug_shows_no_secret() {
    let door = Door::new();
    let text = format!("{:?}", door.authenticator);
    assert!(text.contains("realm") && !text.contains("5, 5") && !text.contains("0505"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One byte of right credentials changed: they are refused, unless they still say the same (the case of a letter,
    /// white space, the name of a parameter that need not be there).
    #[test]
    fn changed_credentials_are_refused(at: prop::sample::Index, byte in 0x20u8..0x7f) {
        let mut door = Door::new();
        let good = door.answer("alice", "secret", 1);
        let mut changed = good.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != good);
        let said = |text: &str| Credentials::parse(text.as_bytes()).ok().flatten().map(|credentials| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(credentials.username()), text(credentials.realm()), text(credentials.uri()), credentials.algorithm())
        });
        if door.verify(&changed).is_ok() {
            prop_assert_eq!(said(&changed), said(&good), "{}", changed);
            prop_assert!(!good[..at].ends_with("response=\"") && !good[..at].ends_with("nonce=\""), "{}", changed);
        }
    }

    #[test]
    fn any_credentials_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut value = b"Digest ".to_vec();
        value.extend(text);
        if let Ok(Some(credentials)) = Credentials::parse(&value) {
            prop_assert!(!credentials.realm().is_empty() || value.windows(5).any(|window| window == b"realm"));
        }
    }
}

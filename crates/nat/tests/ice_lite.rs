//! The lite agent: checks, nomination, consent, restart, and a full agent as its peer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_nat::ice::{Check, Credentials, Event, Lite, Pair, Reason};
use ringback_nat::stun::{Algorithm, BindingRequest, Key, Message, MessageClass, REPLY_ROOM, Role};
use ringback_sansio::sim::Clock;

#[test]
fn an_authenticated_check_is_answered_with_the_address_it_came_from() {
    let mut leg = Leg::new();
    let answer = leg.check(&Peer::new(), HOME);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.class(), MessageClass::Success);
    assert_eq!(answer.transaction(), TRANSACTION.into());
    assert_eq!(answer.mapped_address(), Some(address(HOME)));
    assert_eq!(answer.verify(&Key::new(&ours().pwd)), Ok(Algorithm::Sha1));
    assert!(answer.has_fingerprint());
    assert!(leg.agent.is_validated(pair(HOME)));
    assert!(!leg.agent.is_validated(pair(ELSEWHERE)));
    assert_eq!(leg.agent.nominated(), None, "no USE-CANDIDATE");
    assert_eq!(leg.agent.poll_event(), None);
}

#[test]
fn a_check_with_sha256_is_answered_with_sha256() {
    let mut leg = Leg::new();
    let answer = leg.check(&Peer { algorithm: Algorithm::Sha256, ..Peer::new() }, HOME);
    assert_eq!(Message::parse(&answer).unwrap().verify(&Key::new(&ours().pwd)), Ok(Algorithm::Sha256));
}

#[test]
fn a_check_may_come_before_the_answer_of_the_far_end() {
    let mut leg = Leg::new();
    let stranger = Peer { username: "ouRsUfrg:whoever".into(), nominates: true, ..Peer::new() };
    assert_eq!(leg.code(&stranger, HOME), None);
    assert_eq!(leg.agent.nominated(), Some(pair(HOME)));
    leg.agent.set_remote(theirs());
    assert_eq!(leg.code(&stranger, HOME), Some(401), "from here on the fragment has to be theirs");
    assert_eq!(leg.code(&Peer::new(), HOME), None);
}

#[test]
fn nomination_is_followed_to_any_pair_at_any_time_whatever_its_priority() {
    let mut leg = Leg::new();
    leg.agent.set_remote(theirs());
    let high = Peer { nominates: true, priority: u32::MAX / 2, ..Peer::new() };
    let low = Peer { nominates: true, priority: 1, ..Peer::new() };
    leg.check(&high, HOME);
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(HOME))));
    leg.check(&high, HOME);
    assert_eq!(leg.agent.poll_event(), None, "a repeated nomination is no news");
    leg.check(&low, ELSEWHERE);
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(ELSEWHERE))));
    assert_eq!(leg.agent.nominated(), Some(pair(ELSEWHERE)));
    leg.check(&Peer::new(), HOME);
    assert_eq!(leg.agent.nominated(), Some(pair(ELSEWHERE)), "a check without USE-CANDIDATE moves nothing");
    leg.check(&high, HOME);
    leg.check(&low, ELSEWHERE);
    leg.check(&high, HOME);
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(HOME))), "of several the last");
    assert_eq!(leg.agent.poll_event(), None);
}

#[test]
fn a_mapped_ipv6_address_is_the_same_pair() {
    let mut leg = Leg::new();
    leg.check(&Peer { nominates: true, ..Peer::new() }, "[::ffff:198.51.100.7]:40000");
    assert_eq!(leg.agent.nominated(), Some(pair(HOME)));
    let mapped = Pair { local: address("[::ffff:192.0.2.1]:8443"), remote: address(HOME) };
    assert!(leg.agent.is_validated(mapped));
}

#[test]
fn what_is_wrong_is_said_and_validates_nothing() {
    let rows: [(&str, Peer, u16); 6] = [
        ("another password", Peer { password: "x".repeat(24), ..Peer::new() }, 401),
        ("another fragment of ours", Peer { username: "another1:theirs1".into(), ..Peer::new() }, 401),
        ("another fragment of theirs", Peer { username: "ouRsUfrg:another1".into(), ..Peer::new() }, 401),
        ("no colon", Peer { username: "ouRsUfrg".into(), ..Peer::new() }, 401),
        ("no integrity", Peer { password: String::new(), ..Peer::new() }, 400),
        ("the controlled role", Peer { role: Role::Controlled, ..Peer::new() }, 487),
    ];
    for (what, peer, code) in rows {
        let mut leg = Leg::new();
        leg.agent.set_remote(theirs());
        assert_eq!(leg.code(&Peer { nominates: true, ..peer }, HOME), Some(code), "{what}");
        assert!(!leg.agent.is_validated(pair(HOME)), "{what}");
        assert_eq!(leg.agent.nominated(), None, "{what}");
        assert_eq!(leg.agent.poll_timeout(), None, "{what}: no consent");
    }
}

/// RFC 8489 §9.1.3: who is authenticated gets the errors that follow under integrity, who is not gets them bare.
#[test]
fn errors_are_protected_once_the_peer_is_known() {
    let mut leg = Leg::new();
    let conflict = leg.check(&Peer { role: Role::Controlled, ..Peer::new() }, HOME);
    let conflict = Message::parse(&conflict).unwrap();
    assert_eq!(conflict.verify(&Key::new(&ours().pwd)), Ok(Algorithm::Sha1));
    let stranger = leg.check(&Peer { password: "x".repeat(24), ..Peer::new() }, HOME);
    assert!(!Message::parse(&stranger).unwrap().has_integrity());
}

#[test]
fn an_attribute_that_must_be_understood_is_named_in_420() {
    let mut leg = Leg::new();
    // RESPONSE-PORT of RFC 5780, under a right integrity.
    let bytes = signed_with_attribute(0x0027);
    let Some(answer) = leg.packet(&bytes, HOME) else { panic!("no answer") };
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(420));
    assert!(answer.verify(&Key::new(&ours().pwd)).is_ok());
    assert!(!leg.agent.is_validated(pair(HOME)));
    assert_eq!(leg.agent.stats().unknown_attribute, 1);
    // NETWORK-COST of Chromium is optional.
    let Some(answer) = leg.packet(&signed_with_attribute(0xc057), HOME) else { panic!("no answer") };
    assert_eq!(Message::parse(&answer).unwrap().class(), MessageClass::Success);
}

#[test]
fn what_is_no_check_is_dropped_with_its_reason() {
    let mut leg = Leg::new();
    let mut response = Peer::new().bytes();
    response[0] = 1;
    response.truncate(20);
    response[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(leg.drop_reason(&response), Reason::Response);
    let mut indication = response.clone();
    indication[..2].copy_from_slice(&[0, 0x11]);
    assert_eq!(leg.drop_reason(&indication), Reason::Indication);
    let mut allocate = response;
    allocate[..2].copy_from_slice(&[0, 3]);
    assert_eq!(leg.drop_reason(&allocate), Reason::NotBinding);
    assert!(matches!(leg.drop_reason(b"noise"), Reason::Malformed(_)));
    let mut small = [0; 40];
    let check = leg.agent.handle_check(
        leg.clock.now(),
        address(SERVER),
        address(HOME),
        &Peer::new().bytes(),
        &mut small,
    );
    assert_eq!(check, Check::Drop(Reason::NoRoom));
    assert!(!leg.agent.is_validated(pair(HOME)), "what was not answered did not happen");
    assert_eq!(leg.agent.stats().dropped, 5);
}

#[test]
fn consent_lasts_thirty_seconds_from_the_last_authenticated_check() {
    let mut leg = Leg::new();
    assert_eq!(leg.agent.poll_timeout(), None, "before the first check the layer above waits");
    leg.check(&Peer { nominates: true, ..Peer::new() }, HOME);
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(HOME))));
    for _ in 0..10 {
        leg.clock.advance(Duration::from_secs(29));
        leg.agent.handle_timeout(leg.clock.now());
        leg.check(&Peer::new(), HOME);
    }
    let last = leg.clock.now();
    leg.clock.advance(Duration::from_secs(20));
    leg.check(&Peer { password: "x".repeat(24), ..Peer::new() }, HOME);
    assert_eq!(leg.agent.poll_timeout(), Some(last + Duration::from_secs(30)), "401 gives no consent");
    leg.agent.handle_timeout(last + Duration::from_millis(29_999));
    assert_eq!(leg.agent.poll_event(), None);
    leg.agent.handle_timeout(last + Duration::from_secs(30));
    assert_eq!(leg.agent.poll_event(), Some(Event::ConsentLost));
    assert_eq!(leg.agent.poll_event(), None);
    assert_eq!(leg.agent.nominated(), None);
    assert!(!leg.agent.is_validated(pair(HOME)));
    assert_eq!(leg.agent.poll_timeout(), None);
}

/// RFC 7675 §5.1: the credentials that lost consent do not bring it back.
#[test]
fn only_a_restart_brings_consent_back() {
    let mut leg = Leg::new();
    leg.check(&Peer { nominates: true, ..Peer::new() }, HOME);
    leg.clock.advance(Duration::from_secs(31));
    assert_eq!(leg.drop_reason(&Peer::new().bytes()), Reason::ConsentLost, "also without handle_timeout");
    assert_eq!(leg.agent.poll_event(), Some(Event::ConsentLost));
    leg.agent.restart(renewed(), leg.clock.now());
    assert_eq!(leg.code(&Peer::new(), HOME), Some(401), "the spent credentials");
    assert_eq!(leg.code(&Peer { nominates: true, ..Peer::renewed() }, HOME), None);
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(HOME))));
}

#[test]
fn a_restart_keeps_the_old_credentials_until_the_first_check_with_the_new() {
    let mut leg = Leg::new();
    leg.agent.set_remote(theirs());
    leg.check(&Peer { nominates: true, ..Peer::new() }, HOME);
    leg.clock.advance(Duration::from_secs(20));
    leg.agent.restart(renewed(), leg.clock.now());
    let again = leg.clock.now() + Duration::from_secs(30);
    assert_eq!(leg.agent.poll_timeout(), Some(again), "another 30 s for a far end whose network has gone");
    assert_eq!(leg.agent.nominated(), Some(pair(HOME)), "media stays where it is");
    assert_eq!(leg.code(&Peer::new(), HOME), None, "the old credentials");
    let answer = leg.check(&Peer::new(), HOME);
    assert!(
        Message::parse(&answer).unwrap().verify(&Key::new(&ours().pwd)).is_ok(),
        "under the old password"
    );
    leg.agent.set_remote(Credentials { ufrag: "theirs2".into(), pwd: "y".repeat(24) });
    assert_eq!(leg.code(&Peer::new(), HOME), None, "the far end's new fragment is for the new ones only");
    let new = Peer { username: "reNewed1:theirs2".into(), nominates: true, ..Peer::renewed() };
    assert_eq!(leg.code(&new, ELSEWHERE), None);
    assert_eq!(leg.agent.nominated(), Some(pair(ELSEWHERE)));
    assert_eq!(leg.code(&Peer::new(), HOME), Some(401), "the old ones are gone");
}

#[test]
fn many_pairs_are_bounded_and_the_nominated_one_stays() {
    let mut leg = Leg::new();
    leg.check(&Peer { nominates: true, ..Peer::new() }, HOME);
    for port in 1..2000 {
        leg.clock.advance(Duration::from_millis(1));
        leg.check(&Peer::new(), &format!("198.51.100.8:{port}"));
    }
    assert!(leg.agent.is_validated(pair(HOME)));
    let validated =
        (1..2000).filter(|port| leg.agent.is_validated(pair(&format!("198.51.100.8:{port}")))).count();
    assert_eq!(validated, 31);
    assert!(leg.agent.is_validated(pair("198.51.100.8:1999")), "the latest");
}

/// A full agent of another make, against ours: it checks, takes our answers and nominates, also after a restart.
#[test]
fn a_full_agent_connects_and_restarts() {
    let mut leg = Leg::new();
    leg.agent.set_remote(theirs());
    let creds = |own: &Credentials| is::IceCreds { ufrag: own.ufrag.clone(), pass: own.pwd.clone() };
    let mut full = is::IceAgent::new(creds(&theirs()));
    full.set_controlling(true);
    full.set_remote_credentials(creds(&ours()));
    full.add_local_candidate(is::Candidate::host(address(HOME), "udp").unwrap());
    full.add_remote_candidate(is::Candidate::host(address(SERVER), "udp").unwrap());
    drive(&mut full, &mut leg);
    assert!(full.state().is_connected(), "{:?}", full.state());
    assert_eq!(leg.agent.poll_event(), Some(Event::Nominated(pair(HOME))));

    let theirs_anew = Credentials { ufrag: "theirs2".into(), pwd: "z".repeat(24) };
    full.ice_restart(creds(&theirs_anew), true);
    full.set_remote_credentials(creds(&renewed()));
    full.add_remote_candidate(is::Candidate::host(address(SERVER), "udp").unwrap());
    leg.agent.restart(renewed(), leg.clock.now());
    leg.agent.set_remote(theirs_anew);
    drive(&mut full, &mut leg);
    assert!(full.state().is_connected(), "{:?}", full.state());
    assert_eq!(leg.code(&Peer::new(), HOME), Some(401), "it uses the new credentials");
}

/// The full agent takes the controlled role by mistake: 487 turns it round (RFC 8445 §7.2.5.1).
#[test]
fn a_full_agent_in_the_wrong_role_is_put_right_by_487() {
    let mut leg = Leg::new();
    let creds = |own: &Credentials| is::IceCreds { ufrag: own.ufrag.clone(), pass: own.pwd.clone() };
    let mut full = is::IceAgent::new(creds(&theirs()));
    full.set_controlling(false);
    full.set_remote_credentials(creds(&ours()));
    full.add_local_candidate(is::Candidate::host(address(HOME), "udp").unwrap());
    full.add_remote_candidate(is::Candidate::host(address(SERVER), "udp").unwrap());
    drive(&mut full, &mut leg);
    assert!(full.controlling());
    assert!(leg.agent.stats().role_conflict >= 1);
    assert_eq!(leg.agent.nominated(), Some(pair(HOME)));
}

/// Ten seconds of the full agent's checks and our answers.
fn drive(full: &mut is::IceAgent, leg: &mut Leg) {
    for _ in 0..200 {
        let now = leg.clock.now();
        full.handle_timeout(now);
        while let Some(sent) = full.poll_transmit() {
            let Some(answer) = leg.packet(&sent.contents, HOME) else { continue };
            let packet = is::stun::StunPacket {
                proto: is::Protocol::Udp,
                source: address(SERVER),
                destination: address(HOME),
                message: is::stun::StunMessage::parse(&answer).unwrap(),
            };
            full.handle_packet(now, packet);
        }
        leg.clock.advance(Duration::from_millis(50));
    }
}

const SERVER: &str = "192.0.2.1:8443";
const HOME: &str = "198.51.100.7:40000";
const ELSEWHERE: &str = "203.0.113.9:50000";
const TRANSACTION: u128 = 0x0102_0304_0506_0708_090a_0b0c;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn pair(remote: &str) -> Pair {
    Pair { local: address(SERVER), remote: address(remote) }
}

fn ours() -> Credentials {
    Credentials { ufrag: "ouRsUfrg".into(), pwd: "oursPasswordOf24ice/char".into() }
}

fn renewed() -> Credentials {
    Credentials { ufrag: "reNewed1".into(), pwd: "renewedPasswordOf24+char".into() }
}

fn theirs() -> Credentials {
    Credentials { ufrag: "theirs1".into(), pwd: "theirPasswordIsNotUsed22".into() }
}

/// Our agent and its clock.
struct Leg {
    agent: Lite,
    clock: Clock,
}

impl Leg {
    fn new() -> Self {
        let clock = Clock::new();
        let now: Instant = clock.now();
        Leg { agent: Lite::new(ours(), now), clock }
    }

    fn packet(&mut self, bytes: &[u8], remote: &str) -> Option<Vec<u8>> {
        let mut reply = [0; REPLY_ROOM];
        let now = self.clock.now();
        match self.agent.handle_check(now, address(SERVER), address(remote), bytes, &mut reply) {
            Check::Reply(length) => Some(reply[..length].to_vec()),
            Check::Drop(_) => None,
        }
    }

    fn drop_reason(&mut self, bytes: &[u8]) -> Reason {
        let mut reply = [0; REPLY_ROOM];
        let now = self.clock.now();
        match self.agent.handle_check(now, address(SERVER), address(HOME), bytes, &mut reply) {
            Check::Reply(length) => panic!("answered with {:?}", &reply[..length]),
            Check::Drop(reason) => reason,
        }
    }

    fn check(&mut self, peer: &Peer, remote: &str) -> Vec<u8> {
        self.packet(&peer.bytes(), remote).expect("an answer")
    }

    /// The error code of the answer; `None` for success.
    fn code(&mut self, peer: &Peer, remote: &str) -> Option<u16> {
        let answer = self.check(peer, remote);
        Message::parse(&answer).unwrap().error_code()
    }
}

/// What the far end puts into a check.
#[derive(Clone)]
struct Peer {
    username: String,
    /// Empty for no MESSAGE-INTEGRITY.
    password: String,
    algorithm: Algorithm,
    role: Role,
    priority: u32,
    nominates: bool,
}

impl Peer {
    fn new() -> Self {
        Peer {
            username: format!("{}:{}", ours().ufrag, theirs().ufrag),
            password: ours().pwd,
            algorithm: Algorithm::Sha1,
            role: Role::Controlling,
            priority: 0x6e7f_1eff,
            nominates: false,
        }
    }

    fn renewed() -> Self {
        Peer { username: format!("{}:theirs2", renewed().ufrag), password: renewed().pwd, ..Peer::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        let request = BindingRequest {
            transaction: TRANSACTION.into(),
            username: Some(&self.username),
            priority: Some(self.priority),
            role: Some((self.role, 0x1234)),
            use_candidate: self.nominates,
        };
        let key = Key::new(&self.password);
        let key = (!self.password.is_empty()).then_some((&key, self.algorithm));
        let mut bytes = vec![0; 200];
        let length = request.write(key, &mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }
}

/// A check with one more attribute, protected as it should be.
fn signed_with_attribute(kind: u16) -> Vec<u8> {
    use stun_types::attribute::{RawAttribute, Username};
    use stun_types::message as stun;
    use stun_types::message::{MessageWrite, MessageWriteExt};

    let mut message = stun::Message::builder_request(stun::BINDING, stun::MessageWriteVec::new());
    message.add_attribute(&Username::new(&Peer::new().username).unwrap()).unwrap();
    message.add_attribute(&RawAttribute::new(kind.into(), &[0, 1, 0, 10])).unwrap();
    let credentials = stun::ShortTermCredentials::new(ours().pwd).into();
    message.add_message_integrity(&credentials, stun::IntegrityAlgorithm::Sha1).unwrap();
    message.add_fingerprint().unwrap();
    message.finish()
}

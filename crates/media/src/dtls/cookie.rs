//! The cookie exchange of DTLS 1.2 ([RFC 6347 §4.2.1]) without state: who says hello is kept nothing of until it has
//! shown that it receives what is sent to it.
//!
//! A cookie is an HMAC, under a secret of this process, over the half-minute, both addresses and the ClientHello without
//! its cookie. So it is good for one client, one hello and half a minute to a minute, and a second hello cannot ask for
//! anything else than the first. The answer is shorter than any ClientHello, and nothing amplifies.
//!
//! A ClientHello has to come in one datagram: pieces of one would have to be kept for whoever sends them.
//!
//! [RFC 6347 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use aws_lc_rs::hmac;
use ringback_sansio::as_ipv6;

use super::record::{HANDSHAKE_HEADER, Kind, RECORD_HEADER, Record, records};

/// Makes cookies and tells its own from others', without keeping any.
pub struct Cookies {
    key: hmac::Key,
    start: Instant,
}

/// What becomes of a ClientHello.
#[derive(Debug)]
pub enum Greeting {
    /// It is answered with this HelloVerifyRequest.
    Asked([u8; HELLO_VERIFY_REQUEST]),
    /// It brings the cookie back.
    Verified(Verified),
}

/// A ClientHello whose sender has shown that it receives what is sent to it.
#[derive(Debug)]
pub struct Verified {
    /// Its record.
    pub(super) record: Vec<u8>,
    /// The same hello as it was the first time, without a cookie.
    pub(super) first: Vec<u8>,
    pub(super) cookie: [u8; COOKIE],
    /// The number of its record.
    pub(super) sequence: u64,
    random: [u8; RANDOM],
}

impl Verified {
    /// The random of the hello, which tells one handshake of a client from the next.
    pub fn random(&self) -> [u8; 32] {
        self.random
    }
}

/// Why a datagram is no hello that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotGreeted {
    /// It begins with no ClientHello in the clear.
    #[error("no ClientHello")]
    NoHello,
    /// It is one that cannot be read.
    #[error("a ClientHello that cannot be read")]
    Malformed,
    /// It is a piece of one.
    #[error("a ClientHello in pieces")]
    InPieces,
    /// Its cookie is too old, or none of ours for this client and this hello.
    #[error("the cookie is not the one that was given")]
    WrongCookie,
}

impl Cookies {
    /// Under a secret that is new with each start. `start` is any instant before the first use.
    pub fn new(secret: &[u8; 32], start: Instant) -> Self {
        Cookies { key: hmac::Key::new(hmac::HMAC_SHA256, secret), start }
    }

    /// Answers a ClientHello that came to `local` from `remote`, or takes it as verified.
    pub fn greet(
        &self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Result<Greeting, NotGreeted> {
        let hello = ClientHello::read(datagram)?;
        let half_minute = now.saturating_duration_since(self.start).as_secs() / HALF_MINUTE;
        let tag = |half_minute: u64| {
            let mut signing = hmac::Context::with_key(&self.key);
            signing.update(&half_minute.to_be_bytes());
            for address in [local, remote] {
                signing.update(&as_ipv6(address.ip()).octets());
                signing.update(&address.port().to_be_bytes());
            }
            // What stands before the cookie says by itself where it ends.
            signing.update(hello.before);
            signing.update(hello.after);
            signing.sign()
        };
        if hello.cookie.is_empty() {
            return Ok(Greeting::Asked(hello_verify_request(hello.sequence, tag(half_minute).as_ref())));
        }
        let is_ours = |half_minute| {
            aws_lc_rs::constant_time::verify_slices_are_equal(tag(half_minute).as_ref(), hello.cookie).is_ok()
        };
        // The second message of a client has the number 1 (RFC 6347 §4.2.2).
        let is_second = hello.message_sequence == 1;
        let is_fresh = is_ours(half_minute) || half_minute.checked_sub(1).is_some_and(is_ours);
        let cookie = <[u8; COOKIE]>::try_from(hello.cookie).ok().filter(|_| is_second && is_fresh);
        let cookie = cookie.ok_or(NotGreeted::WrongCookie)?;
        Ok(Greeting::Verified(Verified {
            record: hello.record.to_vec(),
            first: hello.without_cookie(),
            cookie,
            sequence: hello.sequence,
            random: hello.random,
        }))
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies")
    }
}

/// Whether a datagram begins with a ClientHello in the clear: with an association or without one, its sender may want
/// another ([RFC 6347 §4.2.8]).
///
/// [RFC 6347 §4.2.8]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.8
pub fn is_client_hello(datagram: &[u8]) -> bool {
    first_hello(datagram).is_ok()
}

/// A ClientHello ([RFC 6347 §4.2.1]), and where its cookie stands.
///
/// [RFC 6347 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1
struct ClientHello<'a> {
    record: &'a [u8],
    /// The number of the record.
    sequence: u64,
    message_sequence: u16,
    random: [u8; RANDOM],
    /// Its version, random and session.
    before: &'a [u8],
    cookie: &'a [u8],
    /// Its cipher suites, compression methods and extensions.
    after: &'a [u8],
}

impl<'a> ClientHello<'a> {
    fn read(datagram: &'a [u8]) -> Result<Self, NotGreeted> {
        let (record, message_sequence, total) = first_hello(datagram)?;
        let (header, message) = record.bytes.split_at_checked(RECORD_HEADER).ok_or(NotGreeted::Malformed)?;
        let (_, body) = message.split_at_checked(HANDSHAKE_HEADER).ok_or(NotGreeted::Malformed)?;
        if usize::try_from(total).ok() != Some(body.len()) {
            return Err(NotGreeted::InPieces);
        }
        let &[.., s1, s2, s3, s4, s5, s6, _, _] = header else { return Err(NotGreeted::Malformed) };
        let sequence = u64::from_be_bytes([0, 0, s1, s2, s3, s4, s5, s6]);
        let random = body.get(VERSION..VERSION + RANDOM).and_then(|random| random.try_into().ok());
        let random = random.ok_or(NotGreeted::Malformed)?;
        let (before, rest) = split_behind(body, VERSION + RANDOM).ok_or(NotGreeted::Malformed)?;
        let (cookie, after) = split_behind(rest, 0).ok_or(NotGreeted::Malformed)?;
        let cookie = cookie.get(1..).unwrap_or_default();
        if after.len() < LEAST_AFTER {
            return Err(NotGreeted::Malformed);
        }
        Ok(ClientHello { record: record.bytes, sequence, message_sequence, random, before, cookie, after })
    }

    /// The record of the hello before it: message and record number 0, and no cookie.
    fn without_cookie(&self) -> Vec<u8> {
        let body = self.before.len() + 1 + self.after.len();
        let [_, b1, b2, b3] = u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes();
        let record = u16::try_from(HANDSHAKE_HEADER + body).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = Vec::with_capacity(RECORD_HEADER + HANDSHAKE_HEADER + body);
        bytes.extend_from_slice(&[HANDSHAKE, 0xfe, 0xfd]);
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&record);
        bytes.extend_from_slice(&[CLIENT_HELLO, b1, b2, b3, 0, 0, 0, 0, 0, b1, b2, b3]);
        bytes.extend_from_slice(self.before);
        bytes.push(0);
        bytes.extend_from_slice(self.after);
        bytes
    }
}

/// The first record, when it has a ClientHello in the clear; its message number, and how long it is as a whole.
fn first_hello(datagram: &[u8]) -> Result<(Record<'_>, u16, u32), NotGreeted> {
    let record = records(datagram).next().and_then(Result::ok).ok_or(NotGreeted::NoHello)?;
    match record.kind {
        Kind::Handshake(fragment) if fragment.is_any_client_hello() => {
            Ok((record, fragment.sequence, fragment.total))
        }
        _ => Err(NotGreeted::NoHello),
    }
}

/// Splits behind a vector of up to 255 bytes whose length stands at `at`.
fn split_behind(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(at + 1 + usize::from(*bytes.get(at)?))
}

/// The HelloVerifyRequest with this cookie. Its record has the number of the hello's ([RFC 6347 §4.2.1]) and, as that says,
/// the version of DTLS 1.0.
///
/// [RFC 6347 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1
fn hello_verify_request(sequence: u64, cookie: &[u8]) -> [u8; HELLO_VERIFY_REQUEST] {
    let [_, _, s1, s2, s3, s4, s5, s6] = sequence.to_be_bytes();
    let mut bytes = [0; HELLO_VERIFY_REQUEST];
    let (head, room) = bytes.split_at_mut(HELLO_VERIFY_REQUEST - COOKIE);
    let body = 3 + COOKIE as u8;
    head.copy_from_slice(&[
        // The record: handshake, DTLS 1.0, epoch 0, number, length.
        HANDSHAKE,
        0xfe,
        0xff,
        0,
        0,
        s1,
        s2,
        s3,
        s4,
        s5,
        s6,
        0,
        HANDSHAKE_HEADER as u8 + body,
        // The message: length, number 0, the whole of it.
        HELLO_VERIFY,
        0,
        0,
        body,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        body,
        // DTLS 1.0, and the cookie.
        0xfe,
        0xff,
        COOKIE as u8,
    ]);
    room.copy_from_slice(cookie);
    bytes
}

/// Bytes of a HelloVerifyRequest with its record.
pub const HELLO_VERIFY_REQUEST: usize = RECORD_HEADER + HANDSHAKE_HEADER + 3 + COOKIE;
/// The engine takes cookies of this length only.
const COOKIE: usize = 32;
const RANDOM: usize = 32;
/// Bytes of a version.
const VERSION: usize = 2;
/// A cipher suite and a compression method, with their lengths.
const LEAST_AFTER: usize = 4 + 2;
/// How long a cookie is given out, in seconds; it is taken for as long after that.
const HALF_MINUTE: u64 = 30;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY: u8 = 3;

// A forged hello makes of us less than it costs.
const _: () =
    assert!(HELLO_VERIFY_REQUEST < RECORD_HEADER + HANDSHAKE_HEADER + VERSION + RANDOM + 2 + LEAST_AFTER);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringback_sansio::sim::Clock;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A ClientHello with a session, a cookie, one suite, one compression method and `extensions`.
    fn hello(message: u8, record: u8, cookie: &[u8], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend_from_slice(&[7; RANDOM]);
        body.extend_from_slice(&[2, 5, 5]);
        body.push(cookie.len() as u8);
        body.extend_from_slice(cookie);
        body.extend_from_slice(&[0, 2, 0xc0, 0x2b, 1, 0]);
        body.extend_from_slice(extensions);
        let length = body.len() as u8;
        let mut bytes = vec![HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, record, 0, 12 + length];
        bytes.extend_from_slice(&[CLIENT_HELLO, 0, 0, length, 0, message, 0, 0, 0, 0, 0, length]);
        bytes.extend_from_slice(&body);
        bytes
    }

    struct World {
        cookies: Cookies,
        clock: Clock,
        local: SocketAddr,
        remote: SocketAddr,
    }

    impl World {
        fn new() -> Self {
            let clock = Clock::new();
            let cookies = Cookies::new(&[9; 32], clock.now());
            World { cookies, clock, local: address("192.0.2.1:5349"), remote: address("198.51.100.7:4000") }
        }

        fn greet(&self, datagram: &[u8]) -> Result<Greeting, NotGreeted> {
            self.cookies.greet(self.clock.now(), self.local, self.remote, datagram)
        }

        fn cookie(&self, first: &[u8]) -> Vec<u8> {
            let Ok(Greeting::Asked(answer)) = self.greet(first) else { panic!("it is asked for a cookie") };
            assert!(answer.len() < first.len(), "nothing amplifies");
            assert_eq!(answer[5..11], first[5..11], "the number of its record");
            let fragment = records(&answer).next().unwrap().unwrap();
            assert!(
                matches!(fragment.kind, Kind::Handshake(fragment) if fragment.is_from(crate::dtls::Role::Server))
            );
            answer[HELLO_VERIFY_REQUEST - COOKIE..].to_vec()
        }
    }

    #[test]
    fn a_hello_that_brings_its_cookie_back_is_verified() {
        let world = World::new();
        let cookie = world.cookie(&hello(0, 3, &[], &[]));
        let second = hello(1, 4, &cookie, &[]);
        let Ok(Greeting::Verified(verified)) = world.greet(&second) else { panic!("it is verified") };
        assert_eq!((verified.record.clone(), verified.sequence, verified.random()), (second, 4, [7; 32]));
        let mut first = hello(0, 0, &[], &[]);
        first[2] = 0xfd;
        assert_eq!(verified.first, first);
    }

    #[test]
    fn a_cookie_is_good_for_one_client_one_hello_and_a_minute() {
        let mut world = World::new();
        let first = hello(0, 0, &[], &[]);
        let cookie = world.cookie(&first);
        let second = hello(1, 1, &cookie, &[]);
        let is_verified = |world: &World, hello: &[u8]| match world.greet(hello) {
            Ok(Greeting::Verified(_)) => true,
            Err(NotGreeted::WrongCookie) => false,
            other => panic!("{other:?}"),
        };
        for elsewhere in [address("198.51.100.8:4000"), address("198.51.100.7:4001")] {
            let other = World { remote: elsewhere, ..World::new() };
            assert!(!is_verified(&other, &second));
        }
        let to_another = World { local: address("192.0.2.2:5349"), ..World::new() };
        assert!(!is_verified(&to_another, &second));
        assert!(!is_verified(&world, &hello(1, 1, &cookie, &[0, 0])), "another hello");
        assert!(!is_verified(&world, &hello(0, 1, &cookie, &[])), "the first hello has none");
        assert!(!is_verified(&world, &hello(1, 1, &cookie[1..], &[])), "a part of it");
        world.clock.advance(Duration::from_secs(30));
        assert!(is_verified(&world, &second));
        world.clock.advance(Duration::from_secs(30));
        assert!(!is_verified(&world, &second));
    }

    #[test]
    fn what_is_no_whole_hello_is_not_answered() {
        let world = World::new();
        let whole = hello(0, 0, &[], &[]);
        let because = |datagram: &[u8]| world.greet(datagram).map(|_| ()).unwrap_err();
        let mut longer = whole.clone();
        longer[16] += 1;
        assert_eq!(because(&longer), NotGreeted::InPieces);
        let mut long_session = whole.clone();
        long_session[59] = 200;
        assert_eq!(because(&long_session), NotGreeted::Malformed);
        let mut server_hello = whole.clone();
        server_hello[13] = 2;
        for datagram in [&[][..], &[22; 13], &[0, 1, 0, 0], &server_hello, &whole[..whole.len() - 1]] {
            assert_eq!(because(datagram), NotGreeted::NoHello);
            assert!(!is_client_hello(datagram));
        }
        assert!(is_client_hello(&whole) && is_client_hello(&longer));
    }
}

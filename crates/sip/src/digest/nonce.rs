//! Nonces that need no memory.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ringback_sansio::as_ipv6;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Makes nonces and tells its own from others', without keeping any.
///
/// A nonce is the time at which it was issued, a serial number, and an HMAC over both and the client's address under a
/// secret of this process, in 32 characters. The serial number keeps apart the nonces that clients behind one address
/// are given in the same millisecond: without it the nonce counts of one would spoil those of the other.
#[derive(Clone)]
pub struct Nonces {
    /// The HMAC with its key schedule done.
    mac: Hmac<Sha256>,
    start: Instant,
    lifetime: Duration,
    serial: u32,
}

/// What a nonce that a client sent back is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Ours, issued to this address, and young enough.
    Fresh(Stamp),
    /// Ours, issued to this address, and too old.
    Stale,
    /// Not ours, of another process, or issued to another address.
    Foreign,
}

/// The number of a nonce, higher for every later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp(pub(super) u64);

/// A nonce, ready to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; ENCODED]);

impl Nonces {
    /// Nonces under a secret, for `lifetime` from the time of issue. `start` is any instant before the first use.
    pub fn new(secret: [u8; 32], start: Instant, lifetime: Duration) -> Self {
        Nonces { mac: keyed(&secret), start, lifetime, serial: 0 }
    }

    /// Issues a nonce to the address.
    pub fn issue(&mut self, now: Instant, source: IpAddr) -> Nonce {
        // Milliseconds in 40 bits last for 34 years, serial numbers for 16 million nonces in one of them.
        let time = self.milliseconds(now) & TIME_MASK;
        self.serial = self.serial.wrapping_add(1) & SERIAL_MASK;
        let stamp = Stamp(time << SERIAL_BITS | u64::from(self.serial));
        let mut plain = [0; PLAIN];
        let (head, tag) = plain.split_at_mut(size_of::<u64>());
        head.copy_from_slice(&stamp.0.to_be_bytes());
        tag.copy_from_slice(&self.tag(stamp, source));
        let mut encoded = [b'A'; ENCODED];
        // The length is what 24 bytes always take.
        let written = URL_SAFE_NO_PAD.encode_slice(plain, &mut encoded);
        debug_assert_eq!(written, Ok(ENCODED));
        Nonce(encoded)
    }

    /// Tells what a nonce sent from the address is.
    pub fn check(&self, now: Instant, source: IpAddr, nonce: &[u8]) -> Freshness {
        let mut plain = [0; PLAIN];
        if nonce.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(nonce, &mut plain) != Ok(PLAIN) {
            return Freshness::Foreign;
        }
        let Some((head, tag)) = plain.split_first_chunk() else { return Freshness::Foreign };
        let stamp = Stamp(u64::from_be_bytes(*head));
        if !bool::from(self.tag(stamp, source).ct_eq(tag)) {
            return Freshness::Foreign;
        }
        let age = self.milliseconds(now).saturating_sub(stamp.0 >> SERIAL_BITS);
        if Duration::from_millis(age) < self.lifetime { Freshness::Fresh(stamp) } else { Freshness::Stale }
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn tag(&self, stamp: Stamp, source: IpAddr) -> [u8; TAG] {
        let mut mac = self.mac.clone();
        mac.update(&stamp.0.to_be_bytes());
        mac.update(&as_ipv6(source).octets());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; TAG];
        tag.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        tag
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Nonce {
    /// The characters.
    pub fn as_str(&self) -> &str {
        // The base64 alphabet is ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The characters as bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
    Hmac::new(&block)
}

const SERIAL_BITS: u32 = 24;
const SERIAL_MASK: u32 = (1 << SERIAL_BITS) - 1;
const TIME_MASK: u64 = (1 << 40) - 1;
/// The shortest truncation that RFC 2104 §5 recommends for a 256-bit hash.
const TAG: usize = 16;
const PLAIN: usize = size_of::<u64>() + TAG;
const ENCODED: usize = PLAIN / 3 * 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringback_sansio::sim::Clock;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_nonce_is_fresh_for_its_lifetime_and_then_stale() {
        let start = Clock::new().now();
        let mut nonces = Nonces::new([7; 32], start, LIFETIME);
        let issued = start + Duration::from_millis(1234);
        let client = address("192.0.2.7");
        let nonce = nonces.issue(issued, client);
        let check = |now| nonces.check(now, client, nonce.as_bytes());
        assert!(matches!(check(issued), Freshness::Fresh(_)));
        assert!(matches!(check(issued + LIFETIME - Duration::from_millis(1)), Freshness::Fresh(_)));
        assert_eq!(check(issued + LIFETIME), Freshness::Stale);
    }

    #[test]
    fn a_nonce_is_of_one_address_and_of_one_secret() {
        let start = Clock::new().now();
        let mut nonces = Nonces::new([7; 32], start, LIFETIME);
        for client in ["192.0.2.7", "2001:db8::7"] {
            let nonce = nonces.issue(start, address(client));
            let fresh = |source| nonces.check(start, address(source), nonce.as_bytes()) != Freshness::Foreign;
            assert!(fresh(client));
            assert!(!fresh("192.0.2.8"));
            assert!(!fresh("2001:db8::8"), "the whole IPv6 address counts");
            let other = Nonces::new([8; 32], start, LIFETIME);
            assert_eq!(other.check(start, address(client), nonce.as_bytes()), Freshness::Foreign);
        }
        let nonce = nonces.issue(start, address("192.0.2.7"));
        assert!(matches!(
            nonces.check(start, address("::ffff:192.0.2.7"), nonce.as_bytes()),
            Freshness::Fresh(_)
        ));
    }

    #[test]
    fn nonces_of_one_millisecond_differ_and_rise() {
        let start = Clock::new().now();
        let mut nonces = Nonces::new([7; 32], start, LIFETIME);
        let client = address("127.0.0.1");
        let mut last = Stamp(0);
        for step in 0..1000u64 {
            let now = start + Duration::from_micros(step);
            let nonce = nonces.issue(now, client);
            let Freshness::Fresh(stamp) = nonces.check(now, client, nonce.as_bytes()) else {
                panic!("fresh")
            };
            assert!(stamp > last);
            last = stamp;
        }
    }

    #[test]
    fn the_same_secret_and_times_make_the_same_nonces() {
        let start = Clock::new().now();
        let issue = || Nonces::new([7; 32], start, LIFETIME).issue(start, address("192.0.2.7"));
        assert_eq!(issue(), issue());
        assert_eq!(issue().as_str().len(), 32);
    }

    #[test]
    fn debug_shows_no_secret() {
        let nonces = Nonces::new([7; 32], Clock::new().now(), LIFETIME);
        assert_eq!(format!("{nonces:?}"), "Nonces { lifetime: 300s, .. }");
    }

    proptest! {
        #[test]
        fn any_other_text_is_foreign(text in "\\PC{0,40}", at in 0usize..32, bit in 0u8..7) {
            let start = Clock::new().now();
            let mut nonces = Nonces::new([7; 32], start, LIFETIME);
            let client = address("192.0.2.7");
            prop_assert_eq!(nonces.check(start, client, text.as_bytes()), Freshness::Foreign);
            let mut changed = nonces.issue(start, client).0;
            changed[at] ^= 1 << bit;
            prop_assert_eq!(nonces.check(start, client, &changed), Freshness::Foreign);
        }
    }
}

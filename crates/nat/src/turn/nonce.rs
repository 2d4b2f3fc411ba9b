//! Nonces that need no memory, with the nonce cookie of [RFC 8489 §9.2].
//!
//! [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ringback_sansio::as_ipv6;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Makes nonces and tells its own from others', without keeping any.
///
/// Behind the cookie stand the last two bytes of the second of issue, and an HMAC over the whole of it and over the
/// client's address and port, under a secret of this process: two clients never get the same nonce ([RFC 8489 §9.2.4]).
/// It is short, because a challenge goes to whomever a datagram says that it is from.
///
/// A nonce that comes back shows that its client receives what is sent to it, also when it is too old.
///
/// [RFC 8489 §9.2.4]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4
#[derive(Clone)]
pub(super) struct Nonces {
    /// The HMAC with its key schedule done.
    mac: Hmac<Sha256>,
    start: Instant,
    lifetime: Duration,
}

/// What a nonce that a client sent back is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Ours, issued to this client, and young enough.
    Fresh,
    /// Ours, issued to this client, and too old by less than 18 hours.
    Stale,
    /// Not ours, of another process, issued to another client, or from the future.
    Foreign,
}

impl Nonces {
    /// Nonces for `lifetime` from the time of issue. `start` is any instant before the first use.
    pub(super) fn new(secret: &[u8; 32], start: Instant, lifetime: Duration) -> Self {
        Nonces { mac: keyed(secret), start, lifetime }
    }

    /// Issues a nonce to the client.
    pub(super) fn issue(&self, now: Instant, client: SocketAddr) -> [u8; LENGTH] {
        let issued = self.seconds(now);
        let mut plain = [0; PLAIN];
        let (time, tag) = plain.split_at_mut(TIME);
        time.copy_from_slice(&(issued as u16).to_be_bytes());
        tag.copy_from_slice(&self.tag(issued, client));
        let mut nonce = [b'A'; LENGTH];
        let (cookie, encoded) = nonce.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        // The length is what 11 bytes always take.
        let written = URL_SAFE_NO_PAD.encode_slice(plain, encoded);
        debug_assert_eq!(written, Ok(ENCODED));
        nonce
    }

    /// Tells what a nonce that the client sent is.
    pub(super) fn check(&self, now: Instant, client: SocketAddr, nonce: &[u8]) -> Freshness {
        let Some(encoded) = nonce.strip_prefix(COOKIE) else { return Freshness::Foreign };
        let mut plain = [0; PLAIN];
        if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut plain) != Ok(PLAIN) {
            return Freshness::Foreign;
        }
        let Some((&time, tag)) = plain.split_first_chunk::<TIME>() else { return Freshness::Foreign };
        let now = self.seconds(now);
        // The latest second that ends so. None that is still to come can be meant, and one before our start is not ours.
        let age = u64::from((now as u16).wrapping_sub(u16::from_be_bytes(time)));
        let Some(issued) = now.checked_sub(age) else { return Freshness::Foreign };
        if !bool::from(self.tag(issued, client).ct_eq(tag)) {
            return Freshness::Foreign;
        }
        if Duration::from_secs(age) < self.lifetime { Freshness::Fresh } else { Freshness::Stale }
    }

    fn seconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }

    fn tag(&self, issued: u64, client: SocketAddr) -> [u8; TAG] {
        let mut mac = self.mac.clone();
        mac.update(&issued.to_be_bytes());
        mac.update(&as_ipv6(client.ip()).octets());
        mac.update(&client.port().to_be_bytes());
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

/// A secret for one purpose out of that of a server: what becomes known of one says nothing of another.
pub(super) fn derive(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut mac = keyed(secret);
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

/// An HMAC under a secret, with its key schedule done.
pub(super) fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
    Hmac::new(&block)
}

/// Whether the nonce says that its server offered password algorithms: as ours do, and as one that was changed on its way
/// to hide the better ones may not say any more.
pub(super) fn offers_algorithms(nonce: &[u8]) -> bool {
    nonce.starts_with(COOKIE)
}

/// The nonce cookie and 24 security features in base64. Of those only the first is set, "Password algorithms", which is the
/// leftmost bit ([RFC 8489 §18.1]).
///
/// [RFC 8489 §18.1]: https://www.rfc-editor.org/rfc/rfc8489#section-18.1
const COOKIE: &[u8; 13] = b"obMatJos2gAAA";
const TIME: usize = size_of::<u16>();
/// 72 bits, where RFC 2104 §5 recommends 128. A nonce only shows that somebody receives, each guess at one is a
/// datagram, and what comes with it is asked for credentials besides.
const TAG: usize = 9;
const PLAIN: usize = TIME + TAG;
const ENCODED: usize = (PLAIN * 4).div_ceil(3);
/// 28 bytes, which an attribute has without padding.
pub(super) const LENGTH: usize = COOKIE.len() + ENCODED;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringback_sansio::sim::Clock;

    use super::Freshness::{Foreign, Fresh, Stale};
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);
    /// For how long a nonce that is too old is still known to be ours.
    const MEMORY: Duration = Duration::from_secs(1 << 16);
    const SECOND: Duration = Duration::from_secs(1);

    fn client() -> SocketAddr {
        "192.0.2.7:4000".parse().unwrap()
    }

    #[test]
    fn a_nonce_is_fresh_for_its_lifetime_and_then_known_for_a_while() {
        let start = Clock::new().now();
        let nonces = Nonces::new(&[7; 32], start, LIFETIME);
        for issued in [Duration::ZERO, SECOND * 5, MEMORY - SECOND, MEMORY * 3 + SECOND] {
            let issued = start + issued;
            let nonce = nonces.issue(issued, client());
            assert!(offers_algorithms(&nonce) && nonce.len().is_multiple_of(4));
            let check = |after| nonces.check(issued + after, client(), &nonce);
            assert_eq!([check(Duration::ZERO), check(LIFETIME - SECOND)], [Fresh, Fresh]);
            assert_eq!([check(LIFETIME), check(MEMORY - SECOND)], [Stale, Stale]);
            assert_eq!(
                [check(MEMORY), check(MEMORY + SECOND), check(MEMORY * 2)],
                [Foreign; 3],
                "never fresh again"
            );
        }
    }

    #[test]
    fn a_nonce_is_of_one_address_one_port_and_one_secret() {
        let start = Clock::new().now();
        let nonces = Nonces::new(&[7; 32], start, LIFETIME);
        let nonce = nonces.issue(start, client());
        for other in ["192.0.2.8:4000", "192.0.2.7:4001", "[2001:db8::7]:4000"] {
            assert_eq!(nonces.check(start, other.parse().unwrap(), &nonce), Foreign, "{other}");
        }
        assert_eq!(nonces.check(start, "[::ffff:192.0.2.7]:4000".parse().unwrap(), &nonce), Fresh);
        assert_eq!(Nonces::new(&[8; 32], start, LIFETIME).check(start, client(), &nonce), Foreign);
        assert_eq!(format!("{nonces:?}"), "Nonces { lifetime: 600s, .. }");
    }

    /// Such as one of a former process that had the same secret.
    #[test]
    fn a_nonce_from_the_future_is_none() {
        let start = Clock::new().now();
        let nonces = Nonces::new(&[7; 32], start, LIFETIME);
        for ahead in [SECOND, LIFETIME, MEMORY - SECOND, MEMORY, MEMORY + SECOND * 50] {
            let now = start + SECOND * 100;
            let nonce = nonces.issue(now + ahead, client());
            assert_eq!(nonces.check(now, client(), &nonce), Foreign, "{ahead:?}");
        }
    }

    #[test]
    fn the_features_are_the_leftmost_bit() {
        let (_, features) = COOKIE.split_at(9);
        let bits = base64::engine::general_purpose::STANDARD.decode(features).unwrap();
        assert_eq!(bits, [0x80, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_other_text_is_not(text in "\\PC{0,50}", at in 0usize..LENGTH, bit in 0u8..7) {
            let start = Clock::new().now();
            let nonces = Nonces::new(&[7; 32], start, LIFETIME);
            prop_assert_eq!(nonces.check(start, client(), text.as_bytes()), Foreign);
            let mut changed = nonces.issue(start, client());
            changed[at] ^= 1 << bit;
            prop_assert_eq!(nonces.check(start, client(), &changed), Foreign);
        }
    }
}

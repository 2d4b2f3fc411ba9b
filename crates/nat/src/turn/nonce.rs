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
/// Behind the cookie stand the time of issue and an HMAC over it and over the client's address and port, under a secret of
/// this process: two clients never get the same nonce ([RFC 8489 §9.2.4]).
///
/// [RFC 8489 §9.2.4]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4
#[derive(Clone)]
pub(super) struct Nonces {
    /// The HMAC with its key schedule done.
    mac: Hmac<Sha256>,
    start: Instant,
    lifetime: Duration,
}

impl Nonces {
    /// Nonces for `lifetime` from the time of issue. `start` is any instant before the first use.
    pub(super) fn new(secret: &[u8; 32], start: Instant, lifetime: Duration) -> Self {
        Nonces { mac: keyed(secret), start, lifetime }
    }

    /// Issues a nonce to the client.
    pub(super) fn issue(&self, now: Instant, client: SocketAddr) -> [u8; LENGTH] {
        let time = self.milliseconds(now).to_be_bytes();
        let mut plain = [0; PLAIN];
        let (head, tag) = plain.split_at_mut(TIME);
        // Milliseconds in 40 bits last for 34 years.
        head.iter_mut().zip(time.iter().skip(time.len() - TIME)).for_each(|(to, from)| *to = *from);
        tag.copy_from_slice(&self.tag(head, client));
        let mut nonce = [b'A'; LENGTH];
        let (cookie, encoded) = nonce.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        // The length is what 21 bytes always take.
        let written = URL_SAFE_NO_PAD.encode_slice(plain, encoded);
        debug_assert_eq!(written, Ok(ENCODED));
        nonce
    }

    /// Whether a nonce is ours, was issued to this client, and is young enough.
    pub(super) fn is_fresh(&self, now: Instant, client: SocketAddr, nonce: &[u8]) -> bool {
        let Some(encoded) = nonce.strip_prefix(COOKIE) else { return false };
        let mut plain = [0; PLAIN];
        if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut plain) != Ok(PLAIN) {
            return false;
        }
        let (head, tag) = plain.split_at(TIME);
        let is_ours = bool::from(self.tag(head, client).ct_eq(tag));
        let issued = head.iter().fold(0, |time, &byte| time << 8 | u64::from(byte));
        let age = self.milliseconds(now).saturating_sub(issued);
        is_ours && Duration::from_millis(age) < self.lifetime
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn tag(&self, head: &[u8], client: SocketAddr) -> [u8; TAG] {
        let mut mac = self.mac.clone();
        mac.update(head);
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

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
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
const TIME: usize = 5;
/// The shortest truncation that RFC 2104 §5 recommends for a 256-bit hash.
const TAG: usize = 16;
const PLAIN: usize = TIME + TAG;
const ENCODED: usize = PLAIN / 3 * 4;
const LENGTH: usize = COOKIE.len() + ENCODED;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringback_sansio::sim::Clock;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);

    fn client() -> SocketAddr {
        "192.0.2.7:4000".parse().unwrap()
    }

    #[test]
    fn a_nonce_is_fresh_for_its_lifetime() {
        let start = Clock::new().now();
        let nonces = Nonces::new(&[7; 32], start, LIFETIME);
        let issued = start + Duration::from_millis(1234);
        let nonce = nonces.issue(issued, client());
        assert!(offers_algorithms(&nonce));
        let is_fresh = |now| nonces.is_fresh(now, client(), &nonce);
        assert!(is_fresh(issued) && is_fresh(issued + LIFETIME - Duration::from_millis(1)));
        assert!(!is_fresh(issued + LIFETIME));
    }

    #[test]
    fn a_nonce_is_of_one_address_one_port_and_one_secret() {
        let start = Clock::new().now();
        let nonces = Nonces::new(&[7; 32], start, LIFETIME);
        let nonce = nonces.issue(start, client());
        for other in ["192.0.2.8:4000", "192.0.2.7:4001", "[2001:db8::7]:4000"] {
            assert!(!nonces.is_fresh(start, other.parse().unwrap(), &nonce), "{other}");
        }
        assert!(nonces.is_fresh(start, "[::ffff:192.0.2.7]:4000".parse().unwrap(), &nonce));
        assert!(!Nonces::new(&[8; 32], start, LIFETIME).is_fresh(start, client(), &nonce));
        assert_eq!(format!("{nonces:?}"), "Nonces { lifetime: 600s, .. }");
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
            prop_assert!(!nonces.is_fresh(start, client(), text.as_bytes()));
            let mut changed = nonces.issue(start, client());
            changed[at] ^= 1 << bit;
            prop_assert!(!nonces.is_fresh(start, client(), &changed));
        }
    }
}

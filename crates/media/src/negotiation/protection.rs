//! How the media of a leg with ports of its own is protected: not at all, by SDES ([RFC 4568]) or by DTLS-SRTP ([RFC
//! 5764]) without ICE.
//!
//! What an offer says decides, within what [`Srtp`] allows. `RTP/SAVP` and `RTP/SAVPF` want keys: those of `a=crypto`,
//! or else a handshake. `UDP/TLS/RTP/SAVP` and `SAVPF` want a handshake. `RTP/AVP` and `RTP/AVPF` leave it open ([RFC
//! 8643]): with `a=crypto` or `a=fingerprint` they are encrypted, without they are not. The answer has the protocol of
//! its offer.
//!
//! `a=crypto` shows the keys to everyone who carries the signalling ([RFC 4568 §8.2]): over SIP that is not encrypted they
//! keep nothing from who can read it, and only the media's own path is worse off.
//!
//! [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
//! [RFC 4568 §8.2]: https://www.rfc-editor.org/rfc/rfc4568#section-8.2
//! [RFC 5764]: https://www.rfc-editor.org/rfc/rfc5764
//! [RFC 8643]: https://www.rfc-editor.org/rfc/rfc8643

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

use super::{Local, Profile, Refusal};
use crate::dtls::Secret;
use crate::sdp::{Crypto, Section, Setup};
use crate::srtp::{MasterKey, Suite};

/// Whether the media of a leg with ports of its own is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Srtp {
    /// Not even when the far end offers it: `RTP/SAVP` is refused, and `a=crypto` beside `RTP/AVP` passed over.
    Never,
    /// When the far end offers it; our own offers are `RTP/AVP` in the clear.
    Offered,
    /// When the far end can: our own offers are `RTP/AVP` with `a=crypto` ([RFC 8643]).
    ///
    /// [RFC 8643]: https://www.rfc-editor.org/rfc/rfc8643
    Preferred,
    /// Always: our own offers are `RTP/SAVP`, and what is not encrypted is refused.
    Required,
    /// Always, by DTLS-SRTP without ICE in our own offers, which are `UDP/TLS/RTP/SAVP` ([RFC 5764 §8]).
    ///
    /// [RFC 5764 §8]: https://www.rfc-editor.org/rfc/rfc5764#section-8
    Handshake,
}

impl Srtp {
    /// Whether what is not encrypted is refused.
    pub(super) const fn is_required(self) -> bool {
        matches!(self, Srtp::Required | Srtp::Handshake)
    }
}

/// 32 random bytes that the SDES keys of a leg are derived from; `Debug` shows nothing of them.
///
/// Each `a=crypto` line has a key of its own ([RFC 4568 §6.1]) that stays the same in every description until the far end
/// changes its own.
///
/// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
#[derive(Debug, Clone)]
pub struct Seed(Secret);

/// The keys of a leg that is protected by SDES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdes {
    /// Protects what we send.
    pub send: MasterKey,
    /// Protects what the far end sends.
    pub receive: MasterKey,
}

/// How an offer is to be answered, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    Clear,
    /// By the key of this line of the offer, and one of ours.
    Sdes(Crypto),
    Dtls,
}

impl Seed {
    /// The seed of these random bytes.
    pub fn new(random: [u8; 32]) -> Seed {
        // 32 bytes are what a secret holds.
        Seed(Secret::new(&random).unwrap_or_else(|| unreachable!("a secret of 32 bytes")))
    }

    /// Our line of this tag and suite, with the key that is in force after so many changes.
    pub(super) fn crypto(&self, tag: u32, suite: Suite, changes: u32) -> Option<Crypto> {
        struct Len(usize);
        impl KeyType for Len {
            fn len(&self) -> usize {
                self.0
            }
        }
        let len = suite.key_len() + suite.salt_len();
        let mut material = [0; MAX_MATERIAL];
        let material = material.get_mut(..len)?;
        let (tag_bytes, changes) = (tag.to_be_bytes(), changes.to_be_bytes());
        let info = [b"SDES", suite.name().as_bytes(), &tag_bytes, &changes];
        let key = Salt::new(HKDF_SHA256, &[]).extract(&self.0);
        key.expand(&info, Len(len)).ok()?.fill(material).ok()?;
        let master = MasterKey::split(suite, material);
        material.fill(0);
        std::hint::black_box(&material);
        Some(Crypto { tag, master: master? })
    }
}

impl fmt::Display for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Srtp::Never => "never",
            Srtp::Offered => "offered",
            Srtp::Preferred => "preferred",
            Srtp::Required => "required",
            Srtp::Handshake => "handshake",
        })
    }
}

/// How an offer of this section wants its media protected.
pub(super) fn wanted(section: &Section, srtp: Srtp) -> Result<Protection, Refusal> {
    let secure = is_secure(&section.protocol);
    if srtp == Srtp::Never {
        return if secure { Err(Refusal::SrtpNever) } else { Ok(Protection::Clear) };
    }
    let has_handshake = !section.fingerprints.is_empty() && section.setup != Some(Setup::HoldConn);
    if is_tls(&section.protocol) {
        return if has_handshake { Ok(Protection::Dtls) } else { Err(no_handshake(section)) };
    }
    match section.crypto.first() {
        Some(crypto) => Ok(Protection::Sdes(crypto.clone())),
        None if has_handshake => Ok(Protection::Dtls),
        None if secure => Err(Refusal::NoCrypto),
        None if srtp.is_required() => Err(Refusal::SrtpRequired),
        None => Ok(Protection::Clear),
    }
}

/// How we answer an offer of this section: as it wants, as far as we have a certificate and a seed. Those who offer
/// `RTP/AVP` can do without.
pub(super) fn to_answer(
    section: &Section,
    local: &Local,
    seed: Option<&Seed>,
) -> Result<Protection, Refusal> {
    let (protection, refusal) = match wanted(section, local.srtp)? {
        Protection::Sdes(_) if seed.is_none() => (Protection::Clear, Refusal::NoCrypto),
        Protection::Dtls if local.fingerprint.is_none() => (Protection::Clear, Refusal::SrtpNever),
        wanted => return Ok(wanted),
    };
    let is_open = !is_secure(&section.protocol) && !local.srtp.is_required();
    if is_open { Ok(protection) } else { Err(refusal) }
}

/// The lines of an offer and its answer that keys are taken from: the answer's names one of the offer by tag and suite
/// ([RFC 4568 §7.1.3]). One that has the tag wrong is understood by its suite.
///
/// [RFC 4568 §7.1.3]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.3
pub(super) fn chosen<'a>(offer: &'a Section, answer: &'a Section) -> Option<(&'a Crypto, &'a Crypto)> {
    let answered = answer.crypto.first()?;
    let of_suite = || offer.crypto.iter().filter(|crypto| crypto.master.suite == answered.master.suite);
    let offered = of_suite().find(|crypto| crypto.tag == answered.tag).or_else(|| of_suite().next())?;
    Some((offered, answered))
}

/// Whether offer and answer agree on a handshake.
pub(super) fn shakes_hands(offer: &Section, answer: &Section) -> bool {
    !offer.fingerprints.is_empty() && !answer.fingerprints.is_empty()
}

/// Checks that an answer protects what our offer wanted protected.
pub(super) fn check_answered(offer: &Section, answer: &Section) -> Result<(), Refusal> {
    if shakes_hands(offer, answer) || chosen(offer, answer).is_some() {
        return Ok(());
    }
    if is_tls(&offer.protocol) {
        return Err(no_handshake(answer));
    }
    // Keys that we cannot use are in use there all the same.
    let wants_keys = answer.has_crypto && !offer.crypto.is_empty();
    if is_secure(&offer.protocol) || is_secure(&answer.protocol) || wants_keys {
        return Err(Refusal::NoCrypto);
    }
    Ok(())
}

/// The lines of our first offer.
pub(super) fn first_lines(local: &Local) -> Vec<Crypto> {
    let offers = matches!(local.srtp, Srtp::Preferred | Srtp::Required) && local.profile == Profile::Rtp;
    let Some(seed) = local.seed.as_ref().filter(|_| offers) else { return Vec::new() };
    (1..).zip(OFFERED).filter_map(|(tag, suite)| seed.crypto(tag, suite, 0)).collect()
}

/// The lines of our first offer of video beside audio that has some.
pub(super) fn video_lines(seed: Option<&Seed>) -> Vec<Crypto> {
    let lines = seed.map(|seed| (1..).zip(OFFERED).filter_map(|(tag, suite)| seed.crypto(tag, suite, 0)));
    lines.into_iter().flatten().collect()
}

/// Whether a transport protocol has SRTP in its name.
pub(super) fn is_secure(protocol: &str) -> bool {
    ["RTP/SAVP", "RTP/SAVPF"].iter().any(|known| protocol.eq_ignore_ascii_case(known)) || is_tls(protocol)
}

fn is_tls(protocol: &str) -> bool {
    ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"].iter().any(|known| protocol.eq_ignore_ascii_case(known))
}

fn no_handshake(section: &Section) -> Refusal {
    if section.setup == Some(Setup::HoldConn) {
        Refusal::HoldConn
    } else if section.has_unusable_fingerprint {
        Refusal::WeakFingerprint
    } else {
        Refusal::NoFingerprint
    }
}

/// The suites of our own offers, the best first; the last is the one that every phone with SDES has.
const OFFERED: [Suite; 3] = [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80];

/// The longest key and salt of a suite.
const MAX_MATERIAL: usize = 46;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_has_a_key_of_its_own_and_always_the_same() {
        let (seed, other) = (Seed::new([7; 32]), Seed::new([8; 32]));
        let mut seen = BTreeSet::new();
        for suite in Suite::ALL {
            for (tag, changes) in [(1, 0), (2, 0), (1, 1)] {
                let crypto = seed.crypto(tag, suite, changes).unwrap();
                assert_eq!(seed.crypto(tag, suite, changes), Some(crypto.clone()));
                assert_ne!(other.crypto(tag, suite, changes), Some(crypto.clone()));
                assert!(seen.insert(crypto.master.key[..16].to_vec()), "{suite:?} {tag} {changes}");
            }
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_seed() {
        let shown = format!("{:?}", Seed::new([0x5a; 32]));
        assert!(!shown.contains("90") && !shown.contains("5a"), "{shown}");
    }
}

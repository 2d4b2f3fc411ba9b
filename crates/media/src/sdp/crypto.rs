//! `a=crypto`: the key of one direction of SRTP ([RFC 4568]).
//!
//! [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::srtp::{MasterKey, Mki, Suite};

/// An `a=crypto` line that can be used: with its key the writer protects what it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// What an answer names the line by.
    pub tag: u32,
    /// The key and its suite; the first of several, with the others.
    pub master: MasterKey,
}

impl Crypto {
    /// Reads a value; `None` when the line cannot be used, which leaves the others to choose from
    /// ([RFC 4568 §7.1.2]): an unknown suite, several keys that packets cannot tell apart, or a session parameter
    /// that asks for what we do not do.
    ///
    /// [RFC 4568 §7.1.2]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.2
    pub(super) fn parse(value: &str) -> Option<Crypto> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next().filter(|tag| tag.len() <= MAX_TAG_LEN)?;
        let tag = digits(tag)?.try_into().ok()?;
        let suite = Suite::from_name(fields.next()?)?;
        let master = keys(suite, fields.next()?)?;
        fields.all(is_harmless).then_some(Crypto { tag, master })
    }

    /// The value as it is written. It holds the key, so it is not what `Display` shows.
    pub(super) fn value(&self) -> String {
        let parameter = |MasterKey { key, salt, mki, .. }: &MasterKey| {
            let key = BASE64.encode([&key[..], &salt[..]].concat());
            let mki = mki.map(|Mki { value, len }| format!("|{value}:{len}")).unwrap_or_default();
            format!("inline:{key}{mki}")
        };
        let keys = std::iter::once(&self.master).chain(&self.master.others).map(parameter);
        format!("{} {} {}", self.tag, self.master.suite.name(), keys.collect::<Vec<_>>().join(";"))
    }

    /// The same line with another identifier for its key, or none.
    pub(crate) fn with_mki(mut self, mki: Option<Mki>) -> Crypto {
        self.master.mki = mki;
        self
    }
}

/// The keys of a line. Several have an MKI each, of one length, by which packets tell them apart
/// ([RFC 4568 §6.1], [RFC 3711 §3.1]).
///
/// [RFC 3711 §3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.1
/// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
fn keys(suite: Suite, parameters: &str) -> Option<MasterKey> {
    let mut parameters = parameters.split(';');
    let mut first = key(suite, parameters.next()?)?;
    for parameter in parameters {
        let other = key(suite, parameter)?;
        let (mki, of_first) = (other.mki?, first.mki?);
        let is_taken = mki == of_first || first.others.iter().any(|key| key.mki == Some(mki));
        if is_taken
            || mki.len != of_first.len
            || mki.len > Mki::MAX_SENT
            || first.others.len() + 1 >= MAX_KEYS
        {
            return None;
        }
        first.others.push(other);
    }
    Some(first)
}

/// One key of the key parameters: `inline:` key and salt, a lifetime, an MKI ([RFC 4568 §6.1]).
///
/// The lifetime is the sender's to keep, so it only has to be one.
///
/// [RFC 4568 §6.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.1
fn key(suite: Suite, parameters: &str) -> Option<MasterKey> {
    let (method, info) = parameters.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || info.len() > MAX_KEY_LEN {
        return None;
    }
    let mut parts = info.split('|');
    let mut master = MasterKey::split(suite, &BASE64.decode(parts.next()?).ok()?)?;
    let mut next = parts.next();
    if let Some(lifetime) = next.filter(|part| !part.contains(':')) {
        lifetime_of(lifetime)?;
        next = parts.next();
    }
    if let Some(part) = next {
        let (value, len) = part.split_once(':')?;
        let (value, len) = (digits(value)?, digits(len)?);
        let len = u8::try_from(len).ok().filter(|len| (1..=MAX_MKI_LEN).contains(len))?;
        master.mki = Some(Mki { value, len }).filter(|mki| mki.fits());
        master.mki?;
    }
    parts.next().is_none().then_some(master)
}

fn lifetime_of(text: &str) -> Option<u64> {
    match text.strip_prefix("2^") {
        Some(exponent) => 1u64.checked_shl(digits(exponent)?.try_into().ok()?),
        None => digits(text).filter(|packets| *packets > 0),
    }
}

/// Whether a session parameter asks for nothing that we do not do ([RFC 4568 §6.3]). One that may be passed over begins
/// with `-`; any other that is not known makes the line unusable.
///
/// [RFC 4568 §6.3]: https://www.rfc-editor.org/rfc/rfc4568#section-6.3
fn is_harmless(parameter: &str) -> bool {
    if parameter.starts_with('-') {
        return true;
    }
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match name.to_ascii_uppercase().as_str() {
        // No derivation but the first, which is what there is without it.
        "KDR" => value == "0",
        // A hint at how wide our replay window should be.
        "WSH" => digits(value).is_some(),
        // We neither send nor understand forward error correction, so its order is nothing to us.
        "FEC_ORDER" => true,
        _ => false,
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Some phones leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The longest tag: nine digits (RFC 4568 §9.1).
const MAX_TAG_LEN: usize = 9;

/// The longest key parameter that is read.
const MAX_KEY_LEN: usize = 256;

/// The keys of a line that is used: as many as a far end could take in the longest of calls.
const MAX_KEYS: usize = 4;

/// The longest field of an MKI (RFC 4568 §6.1).
const MAX_MKI_LEN: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    const OTHER: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn the_examples_of_rfc_4568() {
        for line in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4 FEC_ORDER=FEC_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20|1:4"),
            format!("2 aes_cm_128_hmac_sha1_32 INLINE:{KEY} WSH=128 KDR=0 -UNHEARD_OF=1"),
            format!("999999999 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|3:128"),
        ] {
            let crypto = Crypto::parse(&line).unwrap();
            assert_eq!(&*crypto.master.key, b"YS___semctl () {", "{line}");
            assert_eq!(&*crypto.master.salt, b"\t220;}\n}\nunles", "{line}");
            assert_eq!(Crypto::parse(&crypto.value()), Some(crypto), "{line}");
        }
        let crypto = Crypto::parse(&format!("7 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^48|258:4")).unwrap();
        assert_eq!((crypto.tag, crypto.master.mki), (7, Some(Mki { value: 258, len: 4 })));
    }

    /// The key parameters of the second line are those of the examples of RFC 4568 with two keys.
    #[test]
    fn several_keys_are_told_apart() {
        for (line, expected) in [
            (format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{OTHER}|2^20|2:4"), vec![1, 2]),
            (
                "2 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;\
                 inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP"
                    .to_owned(),
                vec![1, 2],
            ),
            (
                format!(
                    "7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|9:1;INLINE:{OTHER}|0:1;inline:{KEY}|2^9|8:1;inline:{KEY}|7:1"
                ),
                vec![9, 0, 8, 7],
            ),
        ] {
            let crypto = Crypto::parse(&line).unwrap_or_else(|| panic!("{line}"));
            let keys: Vec<_> = std::iter::once(&crypto.master).chain(&crypto.master.others).collect();
            assert_eq!(keys.iter().map(|key| key.mki.unwrap().value).collect::<Vec<_>>(), expected, "{line}");
            assert!(keys.iter().all(|key| key.suite == crypto.master.suite && key.key.len() == 16));
            assert_ne!(keys[0].key, keys[1].key, "{line}");
            assert_eq!(Crypto::parse(&crypto.value()), Some(crypto), "{line}");
        }
    }

    #[test]
    fn every_suite_is_written_and_read() {
        for suite in Suite::ALL {
            let material: Vec<u8> =
                (0..suite.key_len() + suite.salt_len()).map(|at| (at as u8).wrapping_mul(7)).collect();
            let crypto = Crypto { tag: 3, master: MasterKey::split(suite, &material).unwrap() };
            let value = crypto.value();
            assert!(value.starts_with(&format!("3 {} inline:", suite.name())), "{value}");
            assert_eq!(Crypto::parse(&value), Some(crypto.clone()));
            assert_eq!(Crypto::parse(value.trim_end_matches('=')), Some(crypto), "without padding");
        }
    }

    #[test]
    fn a_line_that_asks_for_more_than_we_do_cannot_be_used() {
        for line in [
            String::new(),
            "1".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            format!("one AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1000000000 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}A"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", &KEY[1..]),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{OTHER}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{OTHER}|2^20"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{OTHER}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{OTHER}|2^20|2:2"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:5;inline:{OTHER}|2^20|2:5"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;{OTHER}|2^20|2:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;uri:{OTHER}|2^20|2:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;"),
            format!(
                "1 AES_CM_128_HMAC_SHA1_80 {}",
                (1..=5).map(|n| format!("inline:{KEY}|{n}:1")).collect::<Vec<_>>().join(";")
            ),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|256:1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^64"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|soon"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:129"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4|2^20"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=5"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_KEY=inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNHEARD_OF=1"),
        ] {
            assert_eq!(Crypto::parse(&line), None, "{line}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let crypto = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        let shown = format!("{crypto:?}");
        assert!(!shown.contains("WVN") && !shown.contains("89") && !shown.contains("semctl"), "{shown}");
    }
}

//! Certificate fingerprints.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;

/// The fingerprint of a certificate, as in `a=fingerprint` ([RFC 8122 §5]): `sha-256 AB:CD:…`.
///
/// [RFC 8122 §5]: https://www.rfc-editor.org/rfc/rfc8122#section-5
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function.
    pub hash: HashAlgorithm,
    /// The hash of the certificate in DER.
    pub value: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8], hash: HashAlgorithm) -> Self {
        Fingerprint { hash, value: digest::digest(hash.digest(), certificate).as_ref().to_vec() }
    }

    /// Whether `expected` holds the fingerprint of `certificate`.
    ///
    /// Of several the strongest hash decides, and of that any may match ([RFC 8122 §5.1]): one that is right in a weak
    /// hash does not outweigh one that is wrong in a strong one. The comparison takes the same time for every value.
    ///
    /// [RFC 8122 §5.1]: https://www.rfc-editor.org/rfc/rfc8122#section-5.1
    pub fn is_among(certificate: &[u8], expected: &[Fingerprint]) -> bool {
        let Some(strongest) = expected.iter().map(|fingerprint| fingerprint.hash).max() else {
            return false;
        };
        let actual = Fingerprint::of(certificate, strongest);
        let candidates = expected.iter().filter(|fingerprint| fingerprint.hash == strongest);
        candidates.fold(false, |found, candidate| found | bool::from(candidate.value.ct_eq(&actual.value)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (index, byte) in self.value.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digits) = text.trim().split_once(' ').ok_or(ParseFingerprintError::Malformed)?;
        let hash: HashAlgorithm = name.parse()?;
        let value: Vec<u8> = digits
            .trim()
            .split(':')
            // `from_str_radix` takes a sign, so the length alone does not make it two digits.
            .map(|pair| match pair.as_bytes() {
                [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    u8::from_str_radix(pair, 16).ok()
                }
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or(ParseFingerprintError::Malformed)?;
        if value.len() != hash.digest_len() {
            return Err(ParseFingerprintError::Malformed);
        }
        Ok(Fingerprint { hash, value })
    }
}

/// The hash functions that are taken, the weaker first; MD5, SHA-1 and SHA-224 are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Bytes of a hash.
    pub const fn digest_len(self) -> usize {
        match self {
            HashAlgorithm::Sha256 => 32,
            HashAlgorithm::Sha384 => 48,
            HashAlgorithm::Sha512 => 64,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HashAlgorithm::Sha256 => "sha-256",
            HashAlgorithm::Sha384 => "sha-384",
            HashAlgorithm::Sha512 => "sha-512",
        })
    }
}

impl FromStr for HashAlgorithm {
    type Err = ParseFingerprintError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" => Ok(HashAlgorithm::Sha256),
            "sha-384" => Ok(HashAlgorithm::Sha384),
            "sha-512" => Ok(HashAlgorithm::Sha512),
            "md2" | "md5" | "sha-1" | "sha-224" => Err(ParseFingerprintError::WeakHash),
            _ => Err(ParseFingerprintError::UnknownHash),
        }
    }
}

/// Why a fingerprint was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseFingerprintError {
    /// MD2, MD5, SHA-1 or SHA-224.
    #[error("the hash function is too weak")]
    WeakHash,
    /// A name that is not in the registry, or not known here.
    #[error("the hash function is unknown")]
    UnknownHash,
    /// Not pairs of hexadecimal digits with colons, or not as many as the hash has bytes.
    #[error("the fingerprint is not the hexadecimal form of a hash")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = b"not a certificate, and hashed all the same";

    #[test]
    fn writes_and_reads_the_form_of_sdp() {
        for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
            let fingerprint = Fingerprint::of(CERTIFICATE, hash);
            let text = fingerprint.to_string();
            assert!(text.starts_with(&format!("{hash} ")), "{text}");
            assert_eq!(text.len(), hash.to_string().len() + 3 * hash.digest_len());
            assert_eq!(text.parse(), Ok(fingerprint.clone()));
            assert_eq!(text.to_ascii_lowercase().parse(), Ok(fingerprint.clone()));
            assert_eq!(text.to_ascii_uppercase().parse(), Ok(fingerprint), "the name in any case");
        }
    }

    #[test]
    fn sha_256_of_the_empty_string() {
        let text = "sha-256 E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(Fingerprint::of(b"", HashAlgorithm::Sha256).to_string(), text);
    }

    #[test]
    fn what_is_weak_unknown_or_malformed_is_refused() {
        use ParseFingerprintError::{Malformed, UnknownHash, WeakHash};
        let rows = [
            ("sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB", WeakHash),
            ("SHA-1 00", WeakHash),
            ("md5 00", WeakHash),
            ("sha-224 00", WeakHash),
            ("sha-3 00", UnknownHash),
            ("sha-256", Malformed),
            ("sha-256 ", Malformed),
            ("sha-256 00:11", Malformed),
            (
                "sha-384 E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55",
                Malformed,
            ),
            (
                "sha-256 +3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55",
                Malformed,
            ),
            ("sha-256 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", Malformed),
            ("", Malformed),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_strongest_hash_decides_and_any_of_it_may_match() {
        let right = |hash| Fingerprint::of(CERTIFICATE, hash);
        let wrong = |hash| Fingerprint::of(b"another", hash);
        let (weak, strong) = (HashAlgorithm::Sha256, HashAlgorithm::Sha512);
        assert!(Fingerprint::is_among(CERTIFICATE, &[right(weak)]));
        assert!(Fingerprint::is_among(CERTIFICATE, &[wrong(weak), right(weak)]));
        assert!(Fingerprint::is_among(CERTIFICATE, &[wrong(weak), right(strong)]));
        assert!(!Fingerprint::is_among(CERTIFICATE, &[right(weak), wrong(strong)]));
        assert!(!Fingerprint::is_among(CERTIFICATE, &[wrong(weak)]));
        assert!(!Fingerprint::is_among(CERTIFICATE, &[]));
        let cut = Fingerprint { hash: weak, value: right(weak).value[..31].to_vec() };
        assert!(!Fingerprint::is_among(CERTIFICATE, &[cut]));
    }
}

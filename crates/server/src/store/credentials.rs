//! What is kept of a password.

use std::fmt;

use ringback_sip::digest::{Algorithm, Ha1};
use rusqlite::Row;

use crate::secret::Secret;

/// The HA1 hashes of a password, one for each digest algorithm ([RFC 7616 §3.4.2], [RFC 8760]). Each opens the account as
/// the password would: `Debug` shows the realm only.
///
/// [RFC 7616 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.2
/// [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The realm the hashes were made for.
    pub realm: String,
    /// MD5 of `name:realm:password`.
    pub ha1_md5: [u8; 16],
    /// SHA-256 of the same.
    pub ha1_sha256: [u8; 32],
    /// SHA-512/256 of the same.
    pub ha1_sha512_256: [u8; 32],
}

impl Credentials {
    /// Hashes a password.
    pub fn derive(name: &str, realm: &str, password: &Secret) -> Self {
        let ha1 = |algorithm| {
            Ha1::of_password(algorithm, name.as_bytes(), realm.as_bytes(), password.expose().as_bytes())
        };
        Credentials {
            realm: realm.to_owned(),
            ha1_md5: sized(&ha1(Algorithm::Md5)),
            ha1_sha256: sized(&ha1(Algorithm::Sha256)),
            ha1_sha512_256: sized(&ha1(Algorithm::Sha512_256)),
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Credentials {
            realm: row.get("realm")?,
            ha1_md5: row.get("ha1_md5")?,
            ha1_sha256: row.get("ha1_sha256")?,
            ha1_sha512_256: row.get("ha1_sha512_256")?,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// The hash as an array of the length that its algorithm has.
fn sized<const N: usize>(ha1: &Ha1) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(ha1.reveal());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The account of [RFC 7616 §3.9.1](https://www.rfc-editor.org/rfc/rfc7616#section-3.9.1).
    #[test]
    fn hashes_are_those_of_the_rfc() {
        let credentials =
            Credentials::derive("Mufasa", "http-auth@example.org", &Secret::new("Circle of Life"));
        assert_eq!(hex(&credentials.ha1_md5), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            hex(&credentials.ha1_sha256),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
    }

    #[test]
    fn debug_shows_no_hash() {
        let credentials = Credentials::derive("alice", "ringback", &Secret::new("orange-7"));
        assert_eq!(format!("{credentials:?}"), "Credentials { realm: \"ringback\", .. }");
    }
}

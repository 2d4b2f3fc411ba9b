//! The SRTP master keys and salts that a handshake gives.

use std::fmt;
use std::hint::black_box;
use std::ops::Deref;

use super::Role;
use crate::srtp::Suite;

/// The master keys and salts of both directions ([RFC 5764 §4.2]).
///
/// [RFC 5764 §4.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Protects what we send.
    pub local_key: Secret,
    /// The salt of what we send.
    pub local_salt: Secret,
    /// Protects what the far end sends.
    pub remote_key: Secret,
    /// The salt of what the far end sends.
    pub remote_salt: Secret,
}

impl Keys {
    /// Splits exported keying material: client key, server key, client salt, server salt. `None` when it has not the
    /// length that `suite` needs.
    pub(super) fn split(material: &[u8], suite: Suite, role: Role) -> Option<Self> {
        let (client_key, rest) = material.split_at_checked(suite.key_len())?;
        let (server_key, rest) = rest.split_at_checked(suite.key_len())?;
        let (client_salt, server_salt) = rest.split_at_checked(suite.salt_len())?;
        if server_salt.len() != suite.salt_len() {
            return None;
        }
        let client = (Secret::new(client_key)?, Secret::new(client_salt)?);
        let server = (Secret::new(server_key)?, Secret::new(server_salt)?);
        let ((local_key, local_salt), (remote_key, remote_salt)) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        Some(Keys { local_key, local_salt, remote_key, remote_salt })
    }
}

/// Up to 32 bytes that are overwritten when they go out of use; `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Secret {
    /// Copies the secret; `None` when it is longer than 32 bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_LEN];
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Secret { bytes, len: secret.len() })
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // Without a reader the compiler might leave out the writes.
        black_box(&self.bytes);
    }
}

/// The longest master key, that of AEAD_AES_256_GCM.
const MAX_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_first_then_salts_and_the_client_before_the_server() {
        for suite in Suite::ALL {
            let (key, salt) = (suite.key_len(), suite.salt_len());
            let parts = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]];
            let material = parts.concat();
            let client = Keys::split(&material, suite, Role::Client).unwrap();
            let server = Keys::split(&material, suite, Role::Server).unwrap();
            assert_eq!((&*client.local_key, &*client.local_salt), (&*parts[0], &*parts[2]));
            assert_eq!((&*client.remote_key, &*client.remote_salt), (&*parts[1], &*parts[3]));
            assert_eq!((client.local_key, client.remote_salt), (server.remote_key, server.local_salt));
            assert_eq!(Keys::split(&material[1..], suite, Role::Client), None);
            assert_eq!(Keys::split(&[&material[..], &[0]].concat(), suite, Role::Client), None);
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let material = [0x5a; 60];
        let keys = Keys::split(&material, Suite::AesCm128HmacSha1_80, Role::Client).unwrap();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("90") && !shown.contains("5a"), "{shown}");
    }
}

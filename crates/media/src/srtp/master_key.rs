//! What protects one direction of a leg.

use super::{KeyError, Mki, Receiver, Sender, Suite};
use crate::dtls::Secret;

/// A master key with its salt and the suite that it is for; `Debug` shows neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// The suite.
    pub suite: Suite,
    /// The master key.
    pub key: Secret,
    /// The master salt.
    pub salt: Secret,
    /// The identifier that packets under this key carry.
    pub mki: Option<Mki>,
}

impl MasterKey {
    /// Splits a key and the salt behind it; `None` when they have not the length that the suite needs.
    pub fn split(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let (key, salt) = key_and_salt.split_at_checked(suite.key_len())?;
        if salt.len() != suite.salt_len() {
            return None;
        }
        Some(MasterKey { suite, key: Secret::new(key)?, salt: Secret::new(salt)?, mki: None })
    }

    /// What protects packets under this key. They carry no identifier, because our own keys have none.
    pub fn sender(&self) -> Result<Sender, KeyError> {
        Sender::new(self.suite, &self.key, &self.salt)
    }

    /// What opens packets under this key.
    pub fn receiver(&self) -> Result<Receiver, KeyError> {
        let receiver = Receiver::new(self.suite, &self.key, &self.salt)?;
        Ok(receiver.with_mki(self.mki))
    }
}

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
    /// Other keys of the suite that the same far end may take at any moment: packets under them carry other identifiers of
    /// the same length.
    pub others: Vec<MasterKey>,
}

impl MasterKey {
    /// Splits a key and the salt behind it; `None` when they have not the length that the suite needs.
    pub fn split(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let (key, salt) = key_and_salt.split_at_checked(suite.key_len())?;
        if salt.len() != suite.salt_len() {
            return None;
        }
        let (key, salt) = (Secret::new(key)?, Secret::new(salt)?);
        Some(MasterKey { suite, key, salt, mki: None, others: Vec::new() })
    }

    /// What protects packets under this key, not under the others.
    pub fn sender(&self) -> Result<Sender, KeyError> {
        let sender = Sender::new(self.suite, &self.key, &self.salt)?;
        Ok(sender.with_mki(self.mki))
    }

    /// What opens packets under this key and under the others.
    pub fn receiver(&self) -> Result<Receiver, KeyError> {
        let mut receiver = Receiver::new(self.suite, &self.key, &self.salt)?.with_mki(self.mki);
        for other in &self.others {
            receiver.add_key(&other.key, &other.salt, other.mki)?;
        }
        Ok(receiver)
    }
}

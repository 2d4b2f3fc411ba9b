//! `[dns]`: who is asked for names.

use serde::{Deserialize, Serialize};

use super::Addresses;

/// The name servers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Each with its port; empty for those of the machine.
    pub servers: Addresses,
}

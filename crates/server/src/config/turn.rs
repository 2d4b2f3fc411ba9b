//! `[turn]`: relaying for browsers and phones that cannot reach each other.

use ringback_sansio::Prefix;
use serde::{Deserialize, Serialize};

use super::media::PortRange;
use super::texts;

/// What the TURN server relays, for whom and to where. It is on where `listen.turn` or `listen.turn_tls` names an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// The UDP ports of allocations.
    pub relay_ports: PortRange,
    /// Private networks whose addresses may be peers.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub allow_peers: Vec<Prefix>,
    /// How many allocations a user may have at once.
    pub quota: u32,
}

impl Turn {
    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 1] {
        [("turn.quota", self.quota, 1, 10_000)]
    }
}

impl Default for Turn {
    fn default() -> Self {
        // A call of a browser takes one or two, and a page has a handful of calls and rooms at the most.
        Turn { relay_ports: PortRange { first: 40_000, last: 49_999 }, allow_peers: Vec::new(), quota: 16 }
    }
}

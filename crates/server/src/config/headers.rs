//! `[[headers]]`: which header fields a kind of peer gets, where that differs from the table of all.

use ringback_control::PeerTable;
use serde::{Deserialize, Serialize};

use super::texts;

/// The table of one kind of peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Which peers.
    pub peer: Peer,
    /// Names that pass although they do not by themselves.
    #[serde(default, deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub pass: Vec<String>,
    /// Names that do not pass.
    #[serde(default, deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub drop: Vec<String>,
    /// Lines that are written in place of whatever came.
    #[serde(default, deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub set: Vec<String>,
    /// Whether the peers are told the identity of callers in P-Asserted-Identity.
    #[serde(default)]
    pub assert_identity: bool,
}

/// A kind of peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The phones of users.
    Users,
}

impl Headers {
    /// The table, or why there can be none.
    pub fn table(&self) -> Result<PeerTable, String> {
        let mut set = Vec::new();
        for line in &self.set {
            let Some((name, value)) = line.split_once(':') else {
                return Err(format!("`{line}` in `set` is no header line; write it as `Name: value`"));
            };
            set.push((name.trim(), value.trim()));
        }
        let (pass, drop) = (self.pass.iter().map(String::as_str), self.drop.iter().map(String::as_str));
        PeerTable::new(pass, drop, set, self.assert_identity).map_err(|invalid| invalid.to_string())
    }

    /// A table for examples.
    pub(super) fn example() -> Self {
        Headers {
            peer: Peer::Users,
            pass: Vec::new(),
            drop: Vec::new(),
            set: Vec::new(),
            assert_identity: false,
        }
    }
}

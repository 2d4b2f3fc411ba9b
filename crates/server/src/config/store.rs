//! `[store]`: the database.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The database file; a relative path starts in the data directory.
    pub file: PathBuf,
    /// How many writes may wait for their commit; beyond it registrations are answered 500.
    pub queue: u32,
    /// How many call records may wait for a disk that takes no writes.
    pub waiting_cdrs: u32,
}

impl StoreSettings {
    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 2] {
        [("store.queue", self.queue, 1, 1_000_000), ("store.waiting_cdrs", self.waiting_cdrs, 1, 1_000_000)]
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings { file: PathBuf::from("ringback.db"), queue: 16_384, waiting_cdrs: 10_000 }
    }
}

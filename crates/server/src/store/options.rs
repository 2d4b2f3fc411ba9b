//! How the store is opened.

use crate::config::StoreSettings;

/// How the store is opened and how much may wait in it.
#[derive(Debug, Clone)]
pub struct Options {
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// What happens to a file that fails its check.
    pub recovery: Recovery,
    /// How many writes may wait for their commit.
    pub queue: usize,
    /// How many call records may wait for a disk that takes no writes.
    pub waiting_cdrs: usize,
}

impl Options {
    /// The options of a configuration, with `RINGBACK_TEST_SQLITE_SYNCHRONOUS` of the environment over them.
    ///
    /// The variable exists for one test: that without the fsync the test of durability fails. It is not a setting, is in
    /// no file, and says so in the log.
    pub fn new(settings: &StoreSettings, recovery: Recovery) -> Self {
        let synchronous = match std::env::var(SYNCHRONOUS_VARIABLE) {
            Ok(value) if value.eq_ignore_ascii_case("off") => {
                tracing::warn!(
                    "{SYNCHRONOUS_VARIABLE}=OFF: acknowledged writes can be lost; this is for tests only"
                );
                Synchronous::Off
            }
            _ => Synchronous::Full,
        };
        Options {
            synchronous,
            recovery,
            queue: settings.queue as usize,
            waiting_cdrs: settings.waiting_cdrs as usize,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let settings = StoreSettings::default();
        Options {
            synchronous: Synchronous::Full,
            recovery: Recovery::Refuse,
            queue: settings.queue as usize,
            waiting_cdrs: settings.waiting_cdrs as usize,
        }
    }
}

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// When the disk has it.
    Full,
    /// At once. For tests of durability, which must fail with it.
    Off,
}

impl Synchronous {
    pub(super) fn pragma(self) -> &'static str {
        match self {
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        }
    }
}

/// What happens to a file that fails its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// It is refused.
    #[default]
    Refuse,
    /// What can be read is copied to a fresh file, and the old one is kept beside it (`--recover`).
    Salvage,
}

const SYNCHRONOUS_VARIABLE: &str = "RINGBACK_TEST_SQLITE_SYNCHRONOUS";

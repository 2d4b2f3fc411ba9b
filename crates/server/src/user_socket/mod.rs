//! How `ringback user` changes the users of a running server: a socket in the data directory that only its owner can
//! open (mode 0600), one request and one reply of a line of JSON each.
//!
//! Without a server the command does the same to the store itself: both go through [`Directory`].

mod client;
mod directory;
mod protocol;
mod server;
mod setting;

use std::path::{Path, PathBuf};

pub use client::{AskError, ask};
pub use directory::{AccountChange, Directory};
pub use protocol::{Listed, Refusal, Reply, Request, Settings};
pub use server::{OnChange, UserSocket};
pub use setting::Setting;

/// Where the socket of a data directory is.
fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("users.sock")
}

//! `ringback bench sip|wss`: many phones of one process against a SIP server, to see what it can carry and what that costs;
//! [`media`], many calls' worth of RTP through a media engine; and [`turn`], packets through a TURN server.
//!
//! [`load`] is the phones; it has no socket and no clock. [`drive`] gives it both, with the [`connections`], begins
//! registrations and calls at the rate asked for, and reads from the kernel what the server's processes use ([`gauge`]).
//! The [`report`] is what is printed.
//!
//! Assumptions and what is left out:
//! - It is not for the servers of others: an address that is neither of this machine nor of a private network is refused
//!   ([`consent`]) unless somebody says that the server is theirs. Every load is bounded in count and in time.
//! - Over UDP all phones share one socket; over the others each has a connection of its own, as phones have.
//! - The first tenth of idle phones registers as often as the others will, before the first look at the memory: what a server
//!   keeps of a registration for a while is then no part of what a contact takes.
//! - Phones answer at once, and no media is sent: a media server gets descriptions of peers that stay silent.
//! - The rate is what is begun, whether or not the server keeps up. When every phone is registering, or
//!   20 000 calls stand, less is begun than was asked for, and the report says how much.

pub(crate) mod accounts;
mod connections;
mod consent;
mod drive;
mod error;
mod gauge;
mod load;
pub mod media;
mod pacing;
mod progress;
mod report;
mod sockets;
mod times;
mod traffic;
pub mod turn;

pub use accounts::AccountsError;
pub use error::BenchError;
pub use load::Failure;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::upstream::Target;

/// What the phones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// Sign in, again and again
    Register,
    /// Call each other, the first half of the users the second
    Call,
    /// Sign in and stay connected, to see the memory that it takes
    Idle,
}

impl Work {
    /// The word on the command line.
    fn word(self) -> &'static str {
        match self {
            Work::Register => "register",
            Work::Call => "call",
            Work::Idle => "idle",
        }
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// What the phones do.
    pub work: Work,
    /// The server.
    pub to: Target,
    /// The host of every address of record; without one, that of `to`.
    pub domain: Option<String>,
    /// Users and their passwords.
    pub accounts: PathBuf,
    /// How many of the users take part; without a number, all of them.
    pub users: Option<usize>,
    /// Registrations or calls that begin within a second.
    pub rate: u32,
    /// How long they begin, in seconds; of idle phones, how long they stand before each look.
    pub seconds: u32,
    /// How long the same load runs before what counts, in seconds.
    pub warm_up: u32,
    /// How long a call stands.
    pub talk: Duration,
    /// How long a registration may take, and a call beyond `talk`.
    pub within: Duration,
    /// Whether idle phones only connect.
    pub is_anonymous: bool,
    /// Certificates of authorities to trust, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Whether the server's certificate is not looked at.
    pub is_insecure: bool,
    /// The server's processes, whose CPU and memory are read.
    pub pids: Vec<u32>,
    /// Whether the server may be one of the internet.
    pub is_consented: bool,
    /// Whether the report is JSON.
    pub is_json: bool,
}

/// Runs a load, prints what came of it, and says whether all of it succeeded.
pub fn run(options: &Options) -> Result<ExitCode, BenchError> {
    let accounts = accounts::read(&options.accounts, options.users)?;
    if options.work == Work::Call && accounts.len() < 2 {
        return Err(BenchError::OneUser);
    }
    crate::serve::allow_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.map_err(BenchError::Threads)?.block_on(drive::run(options, accounts))?;
    report.print(options.is_json).map_err(BenchError::Print)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

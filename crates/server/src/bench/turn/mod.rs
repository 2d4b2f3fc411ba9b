//! `ringback bench turn`: allocations of a TURN server, and packets through them.
//!
//! [`drive`] makes the allocations, one socket for each client, with a channel to a peer of its own; then clients and peers send
//! at the rate asked for, as many in the one direction as in the other. What comes out is counted and timed; the CPU and
//! memory of the server's processes are read from the kernel. [`report`] is what is printed.
//!
//! Assumptions and what is left out:
//! - It is not for the servers of others: an address that is neither of this machine nor of a private network is refused.
//! - Clients and peers are this process, so that the time of a packet is read off one clock. A server that relays to no
//!   address of its own machine, as ours does, stands in another network namespace, or on another machine.
//! - UDP to the server, and channels: what browsers use. Twenty-five peers share a socket.
//! - The load has a thread and wants a processor for itself. Packets that it could not begin in time are told.

mod drive;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{BenchError, consent};

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// The server, over UDP.
    pub to: SocketAddr,
    /// Users and their passwords: allocations are made in the name of each in turn.
    pub accounts: PathBuf,
    /// How many allocations stand.
    pub allocations: u32,
    /// Packets a second in both directions together; 0 only allocates.
    pub rate: u32,
    /// The bytes of data in each.
    pub size: u16,
    /// How long packets count, in seconds.
    pub seconds: u32,
    /// The same load for so long before it counts, in seconds.
    pub warm_up: u32,
    /// The addresses that clients have in turn, and peers the first of: a server answers one source only so often in a second.
    pub from: Vec<IpAddr>,
    /// The server's processes, whose CPU and memory are read.
    pub pids: Vec<u32>,
    /// Whether the server may be one of the internet.
    pub is_consented: bool,
    /// Whether the report is JSON.
    pub is_json: bool,
}

/// Runs a load, prints what came of it, and says whether every allocation was made and packets came through.
pub fn run(options: &Options) -> Result<ExitCode, BenchError> {
    if let Some(address) = consent::stranger(&[options.to]).filter(|_| !options.is_consented) {
        return Err(BenchError::StrangeServer(options.to, address));
    }
    crate::serve::allow_files();
    let report = drive::run(options)?;
    report.print(options.is_json).map_err(BenchError::Print)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

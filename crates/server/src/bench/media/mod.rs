//! `ringback bench media`: many calls' worth of RTP through a media engine that speaks rtpengine's ng protocol.
//!
//! [`calls`] asks the engine ([`ng`]) for each call, with the descriptions of [`description`], and brings both [`ends`](end)
//! to where media flows ([`browser`]). [`drive`] gives them sockets and a clock, and then has each end send a packet
//! every 20 ms. What comes out at the other end is counted and timed; the CPU and memory of the engine's processes are
//! read from the kernel. [`report`] is what is printed.
//!
//! Assumptions and what is left out:
//! - It is not for the engines of others: an address that is neither of this machine nor of a private network is refused.
//! - The caller's end is of the kind that is asked for, the callee's is plain RTP with PCMU; both are this process, so
//!   that the time of a packet is read off one clock. That of a packet that is transcoded is not known.
//! - Plain ends share sockets, twenty-five to each; a browser has one of its own. No RTCP is sent, and what comes is let
//!   pass.
//! - The load has a thread and wants a processor for itself. Packets that it could not begin in time are told, and those
//!   that its own sockets dropped are not held against the engine.

mod browser;
mod calls;
mod description;
mod drive;
mod end;
mod ng;
mod report;

mod stream;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use super::{BenchError, consent};

/// What the caller's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// RTP with PCMU
    Plain,
    /// SRTP under keys of the description (RFC 4568), with PCMU
    Sdes,
    /// A browser: ICE, DTLS-SRTP and rtcp-mux, with PCMU
    Webrtc,
    /// RTP with Opus, which the engine makes PCMU of
    Opus,
}

impl Kind {
    /// The word on the command line.
    fn word(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Sdes => "sdes",
            Kind::Webrtc => "webrtc",
            Kind::Opus => "opus",
        }
    }

    /// Whether a payload comes out as it went in.
    fn is_passed_on(self) -> bool {
        self != Kind::Opus
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// What the caller's end is.
    pub kind: Kind,
    /// Where the engine listens for the ng protocol.
    pub to: SocketAddr,
    /// How many calls stand.
    pub calls: u32,
    /// How long packets count, in seconds.
    pub seconds: u32,
    /// The same load for so long before it counts, in seconds.
    pub warm_up: u32,
    /// The address that both ends have.
    pub from: IpAddr,
    /// The engine's processes, whose CPU and memory are read.
    pub pids: Vec<u32>,
    /// Whether the engine may be one of the internet.
    pub is_consented: bool,
    /// Whether the report is JSON.
    pub is_json: bool,
}

/// Runs a load, prints what came of it, and says whether every call had its media.
pub fn run(options: &Options) -> Result<ExitCode, BenchError> {
    if let Some(address) = consent::stranger(&[options.to]).filter(|_| !options.is_consented) {
        return Err(BenchError::StrangeEngine(options.to, address));
    }
    crate::serve::allow_files();
    let report = drive::run(options)?;
    report.print(options.is_json).map_err(BenchError::Print)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

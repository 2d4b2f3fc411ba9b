//! How far a resolution is, and how far any may go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ringback_sansio::Transport;

use super::destination::DnsName;
use super::outcome::NotFound;
use super::question::{Naptr, Question, Srv};
use super::target::Targets;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) question: Question,
    /// Which name was asked for first, before aliases.
    pub(super) original: DnsName,
    pub(super) aliases: u32,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// NAPTR records of TARGET, after so many records without a flag.
    Naptr {
        found: Vec<Naptr>,
        depth: u32,
    },
    /// The SRV records of each way, the best way first.
    Srv(Vec<Way>),
    /// The addresses of each hop.
    Addresses {
        hops: Vec<Hop>,
        known: BTreeMap<DnsName, Vec<IpAddr>>,
    },
    Over(Result<Targets, NotFound>),
}

/// A transport and where its servers are to be found.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) transport: Transport,
    pub(super) name: DnsName,
    /// `None` for a way that leads to addresses at once.
    pub(super) found: Option<Vec<Srv>>,
}

/// A host and port to be tried.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) transport: Transport,
    pub(super) name: DnsName,
    pub(super) port: u16,
}

/// Questions of one resolution.
pub(super) const MAX_QUESTIONS: u32 = 64;
/// Records of one answer.
pub(super) const MAX_RECORDS: usize = 32;
/// NAPTR records without a flag in a row.
pub(super) const MAX_NAPTR_DEPTH: u32 = 4;
/// Aliases in a row.
pub(super) const MAX_ALIASES: u32 = 8;
/// Services that are looked up.
pub(super) const MAX_WAYS: usize = 8;
/// Hosts that are looked up.
pub(super) const MAX_HOPS: usize = 16;
/// Addresses of one host.
pub(super) const MAX_ADDRESSES: usize = 8;
/// Targets of one resolution.
pub(super) const MAX_TARGETS: usize = 32;

/// Seconds: whatever a record says, its name is not asked for more often than this, nor believed for longer than that.
pub(super) const SHORTEST: u32 = 5;
pub(super) const LONGEST: u32 = 3600;
/// Seconds that an absence is remembered for when nothing says how long, and at most.
pub(super) const ABSENT: u32 = 30;
pub(super) const LONGEST_ABSENT: u32 = 300;

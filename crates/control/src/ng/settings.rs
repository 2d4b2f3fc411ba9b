//! What an engine is made with, and what it counts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::command::shown;
use super::message::AnswerLimits;
use crate::settings::{Epoch, Recording};

/// What an engine is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What calendar time it is.
    pub epoch: Epoch,
    /// How many media workers there are.
    pub workers: u16,
    /// Our addresses, by the names that `direction` and `interface` have for them. The first is the default.
    pub interfaces: Vec<Interface>,
    /// How many calls there may be.
    pub max_calls: usize,
    /// How long media flows on after a delete that says nothing else.
    pub delete_delay: Duration,
    /// How long the media workers may take to open a side.
    pub open_within: Duration,
    /// When a call that was never answered is over.
    pub offer_timeout: Duration,
    /// Whether calls may have video.
    pub video: bool,
    /// How calls are recorded; which of them is for the proxy to say.
    pub recording: Recording,
    /// How many calls may be recorded at once.
    pub max_recordings: usize,
    /// How much is kept of what was answered.
    pub answers: AnswerLimits,
    /// What random numbers are drawn from.
    pub seed: [u8; 32],
}

/// A name for some of our addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name.
    pub name: Bytes,
    /// The addresses, the preferred one of each family first.
    pub addresses: Vec<Address>,
}

/// One of our addresses, and what the world is told in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub local: IpAddr,
    /// What stands in descriptions; `None` to leave that to the media workers, which know the public addresses and, for
    /// ICE, all others.
    pub advertised: Option<IpAddr>,
}

impl From<IpAddr> for Address {
    fn from(local: IpAddr) -> Address {
        Address { local, advertised: None }
    }
}

impl Settings {
    /// The usual settings for one media worker and one address.
    pub fn new(epoch: Epoch, address: IpAddr, seed: [u8; 32]) -> Settings {
        let name = Bytes::from_static(b"default");
        Settings {
            epoch,
            workers: 1,
            interfaces: vec![Interface { name, addresses: vec![address.into()] }],
            max_calls: 20_000,
            delete_delay: Duration::from_secs(30),
            open_within: Duration::from_secs(4),
            offer_timeout: Duration::from_secs(3_600),
            video: true,
            recording: Recording::default(),
            max_recordings: 100,
            answers: AnswerLimits::default(),
            seed,
        }
    }
}

/// What an engine counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commands taken, those that are errors included.
    pub commands: u64,
    /// Commands answered with an error.
    pub errors: u64,
    /// Datagrams without a cookie, which cannot be answered.
    pub no_cookie: u64,
    /// Requests repeated after their answer, which was sent again.
    pub repeated: u64,
    /// Requests repeated before it.
    pub repeated_early: u64,
    /// Answers that were forgotten because too many were kept.
    pub answers_pushed_out: u64,
    /// Calls begun.
    pub calls: u64,
    /// Calls refused because there were too many.
    pub calls_refused: u64,
    /// Calls that ended by a delete.
    pub calls_deleted: u64,
    /// Calls that ended because their media did.
    pub calls_silent: u64,
    /// Calls that ended because they were never answered.
    pub calls_unanswered: u64,
    /// Of the commands taken, those to say that we are there.
    pub pings: u64,
    /// Those to pass an offer on.
    pub offers: u64,
    /// Those to pass an answer on.
    pub answers: u64,
    /// Those to end a call or a branch.
    pub deletes: u64,
    /// Those to tell of a call.
    pub queries: u64,
    /// Those to list the calls.
    pub lists: u64,
    /// Recordings that were begun, or will be when their calls are answered.
    pub recordings_begun: u64,
    /// Recordings that were asked for and refused.
    pub recordings_refused: u64,
    /// RTP packets taken from the far ends of the legs that are closed.
    pub packets: u64,
    /// Their bytes, without headers.
    pub octets: u64,
    /// What came from them and was dropped.
    pub packets_dropped: u64,
    /// Places for video that could not be had; the calls went on without.
    pub video_unopened: u64,
    /// Whole pictures that a far end could only have been asked for by an INFO.
    pub pictures_unasked: u64,
    /// Mistakes of ours that were contained.
    pub panics: u64,
    /// News of legs that are gone.
    pub stray_news: u64,
    /// Flags that are not known, by name.
    pub unknown_flags: BTreeMap<String, u64>,
    /// Flags that are not known, beyond those that are kept by name.
    pub unknown_flags_beyond: u64,
}

impl Stats {
    pub(super) fn count_unknown(&mut self, name: &[u8]) {
        let name = shown(name);
        if let Some(count) = self.unknown_flags.get_mut(&name) {
            *count += 1;
        } else if self.unknown_flags.len() < MAX_NAMES {
            self.unknown_flags.insert(name, 1);
        } else {
            self.unknown_flags_beyond += 1;
        }
    }
}

/// How many names of flags that are not known are kept.
const MAX_NAMES: usize = 256;

//! What is counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Drops, LegKey};
use crate::quality::{History, Summary};
use crate::srtp::Suite;

/// The counters of one leg, for the CDR and for whoever asks why there is no sound.
#[derive(Debug, Clone, PartialEq)]
pub struct LegReport {
    /// The leg.
    pub leg: LegKey,
    /// RTP packets taken from the far end, and datagrams of a fax.
    pub packets_in: u64,
    /// Their payload in bytes; that of a fax is the whole datagram.
    pub octets_in: u64,
    /// RTP packets sent to the far end, and datagrams of a fax.
    pub packets_out: u64,
    /// Their payload in bytes.
    pub octets_out: u64,
    /// RTCP packets taken from the far end.
    pub rtcp_in: u64,
    /// Their bytes.
    pub rtcp_octets_in: u64,
    /// The SSRC that the far end sends with, as soon as it has sent.
    pub ssrc: Option<u32>,
    /// Packets of the far end that did not arrive.
    pub lost: u64,
    /// The jitter with which the far end's packets arrive.
    pub jitter: Duration,
    /// What the far end says about what it receives, as far as it has said.
    pub far: Option<FarReport>,
    /// The round trip time to the far end, when its RTCP tells it.
    pub round_trip: Option<Duration>,
    /// Packets from the far end that were dropped, by reason.
    pub drops: Drops,
    /// When the first of these packets was taken.
    pub first_media: Option<Instant>,
    /// When the last was.
    pub last_media: Option<Instant>,
    /// When the far end was last heard, by RTP or RTCP.
    pub last_heard: Option<Instant>,
    /// Where RTP to the far end goes.
    pub remote: Option<SocketAddr>,
    /// How its media is protected; `None` on a plain leg and before the handshake.
    pub suite: Option<Suite>,
    /// SSRCs of the far end that were forgotten because it used too many.
    pub evicted: u64,
    /// What has happened to the leg, and when.
    pub history: History,
    /// How good it was in both directions, over its whole time.
    pub quality: Summary,
    /// The video beside it, if it has or had any.
    pub video: Option<Box<VideoReport>>,
}

/// The counters of the video of a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoReport {
    /// What is counted of every section. With BUNDLE the RTCP of all sections, and what was dropped, is counted with the
    /// audio.
    pub section: LegReport,
    /// What was asked for.
    pub feedback: FeedbackCounts,
}

/// What the two ends of a leg have asked each other for, in packets of feedback ([RFC 4585], [RFC 5104]).
///
/// [RFC 4585]: https://www.rfc-editor.org/rfc/rfc4585
/// [RFC 5104]: https://www.rfc-editor.org/rfc/rfc5104
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedbackCounts {
    /// NACKs of the far end.
    pub nacks_in: u64,
    /// NACKs to the far end.
    pub nacks_out: u64,
    /// PLIs of the far end.
    pub plis_in: u64,
    /// PLIs to the far end.
    pub plis_out: u64,
    /// FIRs of the far end, one that is sent again and again included.
    pub firs_in: u64,
    /// FIRs to the far end.
    pub firs_out: u64,
    /// RTP packets that came again in a stream of their own ([RFC 4588]), which are counted nowhere else.
    ///
    /// [RFC 4588]: https://www.rfc-editor.org/rfc/rfc4588
    pub repeated_in: u64,
    /// RTP packets that were sent again.
    pub repeated_out: u64,
}

/// What a far end says in its last report about the stream that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FarReport {
    /// The share lost in the last interval, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all.
    pub lost: i32,
    /// The jitter it sees.
    pub jitter: Duration,
}

/// The counters of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Legs that are open.
    pub legs: u64,
    /// RTP packets and datagrams of faxes sent on.
    pub forwarded: u64,
    /// RTP packets given to inserts.
    pub inserted: u64,
    /// RTP packets of watched legs, taken for their audiences.
    pub shown: u64,
    /// Copies of those that were sent.
    pub copied: u64,
    /// RTP packets of inserts, sent.
    pub made: u64,
    /// Checks answered.
    pub replied: u64,
    /// Packets that were for us: DTLS and RTCP.
    pub consumed: u64,
    /// Packets dropped, by reason, those of no leg included.
    pub drops: Drops,
    /// Goodbyes to far ends of closed legs that were left out because too many were waiting to be sent.
    pub farewells_left_out: u64,
    /// Mistakes of ours that were contained.
    pub panics: u64,
}

//! The machine of one media worker: the legs it serves, and the way of a packet from one leg to the other.
//!
//! A [`Worker`] owns one socket that all its WebRTC legs share and, for each plain RTP leg, one socket or a pair. Its
//! driver hands it every datagram in a [`Packet`] and does what the [`Verdict`] says; the bytes to send lie in the same
//! packet. On the way a packet is classified ([RFC 7983]), given to its leg (by socket, by the remote address, or by
//! the ICE user name of a check), checked for its source, opened in place, renumbered for the other leg, protected in
//! place. Nothing on that way allocates.
//!
//! Who may speak for a leg:
//! - WebRTC: addresses come from authenticated connectivity checks and never from media. DTLS and media are taken from
//!   validated pairs, media is sent to the nominated pair. Before the handshake nothing is taken or sent.
//! - Ports of its own: the address in the SDP, or the source of the signalling where the SDP's cannot be right; the rest is
//!   learnt from the first packets and then locked (`latch.rs` has the rules).
//!
//! A leg goes to one other leg, to an insert, or to an audience of legs that only receive (`joining.rs`).
//!
//! Assumptions: one stream of audio, or a fax (`fax.rs`), and one of video (`video/`) for each direction of a leg;
//! control joins legs of one worker only; the driver drains `poll_transmit` and `poll_event` after every call.
//!
//! Left out: what inserts do, which is [`crate::insert`]'s; TURN and STUN for anyone but our legs.
//!
//! [RFC 7983]: https://www.rfc-editor.org/rfc/rfc7983

mod association;
mod containment;
mod drops;
mod fax;
mod former;
#[doc(hidden)]
pub mod fuzz;
mod joining;
mod keys;
mod latch;
mod leg;
mod packet;
mod path;
mod plain;
mod random;
mod report;
mod rtcp;
mod secure;
mod transit;
#[doc(hidden)]
pub mod video;
mod webrtc;
mod worker;

pub use drops::{Drops, Reason};
pub use packet::{HEAD_ROOM, Packet, SLOT_LEN};
pub use report::{FarReport, FeedbackCounts, LegReport, Stats, VideoReport};
pub use transit::Way;
pub use worker::{OpenError, Settings, Worker};

use std::net::{IpAddr, SocketAddr};

use ringback_nat::ice;

/// The name of a leg, chosen by control and unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegKey(pub u64);

impl LegKey {
    /// The name of the video of a leg: a section with a way of its own, which the worker serves like a leg.
    pub const fn video(self) -> LegKey {
        LegKey(self.0 | VIDEO)
    }

    /// The leg that a section belongs to.
    pub const fn owner(self) -> LegKey {
        LegKey(self.0 & !VIDEO)
    }

    /// Whether it names the video of a leg.
    pub const fn is_video(self) -> bool {
        self.0 & VIDEO != 0
    }
}

/// The mark of video in a name; those that control gives are shorter.
const VIDEO: u64 = 1 << 61;

/// Which of the worker's sockets a packet came by or goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Socket {
    /// The one that all WebRTC legs share.
    Shared,
    /// The RTP socket of a plain leg; RTCP too when it is multiplexed.
    Rtp(LegKey),
    /// The RTCP socket of a plain leg.
    Rtcp(LegKey),
}

/// How the media of a leg travels.
#[derive(Debug, Clone)]
pub enum Medium {
    /// ICE, DTLS-SRTP and rtcp-mux over the shared socket.
    WebRtc {
        /// Our credentials.
        ice: ice::Credentials,
    },
    /// RTP and RTCP over sockets of the leg; what was agreed says whether they are in the clear.
    Rtp {
        /// Where the far end's SIP comes from.
        signalling: IpAddr,
    },
    /// The path of the WebRTC leg that a [`LegKey::video`] belongs to.
    Bundled,
}

/// What to do with a packet that was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it on: it goes to another far end (with echo, back to the same).
    Forward(Destination),
    /// Send it back: it was replaced by an answer to who sent it.
    Reply(Destination),
    /// Hand it to the insert of its leg: the packet is opened, its source checked. What the insert makes of it comes
    /// back by [`Worker::handle_made`].
    Insert(LegKey),
    /// Send it to everybody who watches its leg: the copies come by [`Worker::poll_transmit`].
    Shown,
    /// Nothing to send.
    Consumed,
    /// Nothing to send, and it was worth nothing. The reason is counted.
    Drop(Reason),
}

/// Where the bytes of a packet go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Destination {
    /// By which socket.
    pub socket: Socket,
    /// From which of our addresses; unspecified, with port 0, where the system has to choose because nothing has come
    /// from there yet.
    pub local: SocketAddr,
    /// To whom.
    pub remote: SocketAddr,
}

/// News for control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The DTLS handshake of a leg is complete: media may flow.
    Connected {
        /// The leg.
        leg: LegKey,
    },
    /// The first RTP packet that the leg may send has come, or the first datagram of a fax.
    FirstPacket {
        /// The leg.
        leg: LegKey,
    },
    /// Whoever sees the leg needs a whole picture, and its far end takes no RTCP that says so.
    PictureWanted {
        /// The leg.
        leg: LegKey,
    },
    /// The far end loses another part than before of what we send.
    Loss {
        /// The leg.
        leg: LegKey,
        /// How much of it, in percent.
        percent: u8,
    },
    /// Somebody has spoken to a leg that something was played to: it is played no more.
    Interrupted {
        /// The leg.
        leg: LegKey,
    },
    /// The far end seems to be gone. The leg stays until it is closed, unless it has failed; while nothing changes,
    /// `NoMedia`, and the failures of a leg that never came up, are told again, so that control may pass over them
    /// while a call rings.
    Gone {
        /// The leg.
        leg: LegKey,
        /// What tells it.
        why: Gone,
    },
}

/// What tells that a far end is gone. When it was last heard stands in its [`LegReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gone {
    /// No authenticated connectivity check for 30 s, be it after the last one or after the answer.
    ConsentLost,
    /// The far end closed the DTLS association.
    DtlsClosed,
    /// No DTLS association came up, in time or with the expected certificate.
    DtlsFailed,
    /// Neither RTP nor RTCP for 65 s from a plain leg that may send audio.
    NoMedia,
    /// Nothing tells it: a mistake of ours happened to the leg, and the worker has closed it.
    Failed,
}

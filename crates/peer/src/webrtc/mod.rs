//! Audio and data channels with a browser, or with whoever else speaks WebRTC.
//!
//! A [`Peer`] is the machine: ICE, DTLS-SRTP and SCTP by `str0m`, audio by [`crate::audio`]. It neither gathers nor signals: it is
//! told its addresses, and its session descriptions and candidates are text for you to carry. A [`Connection`] drives a peer on
//! tokio: it binds sockets, asks a STUN server what they look like from outside and a TURN server for an address that it relays,
//! and gives the events one by one.
//!
//! Assumptions: one section of audio at most, and one BUNDLE; candidates over UDP. A browser may hide its addresses behind
//! `.local` names: those candidates are passed over, since its checks show where it is.
//!
//! Left out: video (what is offered is rejected for want of a codec), TURN over TCP and TLS, candidates over TCP, and
//! going back from an own offer that asks for something new: who meets another one then makes a new peer.

mod connection;
mod gather;
mod peer;
mod relay;

pub use connection::{Connection, OpenError};
pub use peer::{Peer, PeerCounts};

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ringback_media::sdp::ParseError;
pub use ringback_nat::turn::client::Refused as NotRelayed;
pub use str0m::channel::ChannelId;

use crate::audio::NoCodec;

/// What a peer is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether its offers have audio. What is offered to it is taken in any case.
    pub has_audio: bool,
    /// Data channels that both sides make by themselves (`negotiated: true`), before the first offer.
    pub channels: Vec<Negotiated>,
    /// Our addresses; none are found out by themselves: that of the default route, and loopback.
    pub addresses: Vec<IpAddr>,
    /// STUN servers to ask what our addresses look like from outside.
    pub stun: Vec<SocketAddr>,
    /// TURN servers that relay for us where there is no direct way.
    pub turn: Vec<TurnServer>,
    /// The longest message on a data channel that is sent or taken, in bytes.
    pub most_message: u32,
}

/// A TURN server, over UDP ([RFC 8656](https://www.rfc-editor.org/rfc/rfc8656)).
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Who we are to it.
    pub name: String,
    /// What proves it.
    pub password: String,
}

impl fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            has_audio: true,
            channels: Vec::new(),
            addresses: Vec::new(),
            stun: Vec::new(),
            turn: Vec::new(),
            most_message: 256 * 1024,
        }
    }
}

/// A data channel that is made by both sides, with no message about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Its name.
    pub label: String,
    /// Its stream, below 1024; each once.
    pub id: u16,
}

/// News of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A candidate of ours that was found after the description was written: for the other side
    /// (`{candidate: "…", sdpMid: "0"}` in a browser).
    Candidate(String),
    /// A TURN server does not relay for us, or no longer: which, and why. Other ways are tried all the same.
    NotRelayed(SocketAddr, NotRelayed),
    /// ICE and DTLS are through: media and channels work.
    Connected,
    /// The other side does not answer any more. It may come back: [`Event::Reconnected`].
    Disconnected,
    /// The other side answers again.
    Reconnected,
    /// Audio was agreed on: [`Peer::audio`] is there, and may be another one than before.
    Audio,
    /// A channel is open.
    ChannelOpened {
        /// Which.
        channel: ChannelId,
        /// Its name.
        label: String,
    },
    /// A message came.
    Message {
        /// On which channel.
        channel: ChannelId,
        /// Text, and then it is UTF-8 unless the other side errs, or bytes.
        is_text: bool,
        /// It.
        data: Vec<u8>,
    },
    /// What waits to be sent on a channel has become less than 64 KiB.
    Drained(ChannelId),
    /// A channel was closed.
    ChannelClosed(ChannelId),
    /// The peer has ended: by [`Peer::close`], or because the other side has closed or DTLS failed.
    Closed,
}

/// Why a description or a candidate is not taken.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It cannot be read.
    #[error("the session description cannot be read: {0}")]
    Unreadable(String),
    /// Its audio cannot be read.
    #[error("the audio of the session description cannot be read: {0}")]
    Audio(#[from] ParseError),
    /// Its audio is of no use.
    #[error("{0}")]
    NoCodec(#[from] NoCodec),
    /// It contradicts what was agreed, or asks for what we have not.
    #[error("the session description cannot be taken: {0}")]
    Refused(str0m::RtcError),
    /// There is no offer to answer.
    #[error("this is an answer, and nothing was offered: make an offer first")]
    NothingOffered,
    /// An offer of ours waits for its answer, and cannot be taken back.
    #[error("both sides have made an offer: one of them has to make a new peer and answer with that")]
    Offering,
    /// There is nothing to offer.
    #[error("there is nothing to offer: ask for audio, or open a channel first")]
    NothingToOffer,
    /// It is no candidate.
    #[error("the candidate cannot be read: {0}")]
    Candidate(String),
}

/// Why a message is not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no such channel, or it is not open.
    #[error("the data channel is not open: wait for ChannelOpened")]
    NotOpen,
    /// Too much waits already.
    #[error("too much waits to be sent: go on when the channel is drained")]
    Full,
    /// It is too long.
    #[error("the message has {0} bytes, more than {1}: send it in parts")]
    TooLong(usize, u32),
    /// The association is broken.
    #[error("the data channel is broken: {0}")]
    Broken(str0m::RtcError),
}

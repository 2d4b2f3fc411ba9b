//! What differs between the kinds of legs.

use std::time::Instant;

use super::former::FormerPeers;
use super::plain::Plain;
use super::transit::Arrival;
use super::webrtc::{Change, WebRtc};
use super::{Destination, LegKey, Packet, Reason};
use crate::srtp::{SrtpError, Suite};

/// How a leg reaches its far end.
#[allow(
    clippy::large_enum_variant,
    reason = "looked at with every packet of a plain leg: no pointer to follow"
)]
pub(super) enum Path {
    WebRtc(Box<WebRtc>),
    Plain(Plain),
    /// None of its own: that of the leg in this slot, which it is bundled with.
    Bundled(usize),
}

impl Path {
    /// Where RTP goes; `None` while that, or a key, is not known.
    #[inline]
    pub(super) fn rtp_destination(&self, leg: LegKey) -> Option<Destination> {
        match self {
            Path::WebRtc(webrtc) => webrtc.destination(),
            Path::Plain(plain) => plain.rtp_destination(leg),
            Path::Bundled(_) => None,
        }
    }

    /// Where RTCP goes.
    pub(super) fn rtcp_destination(&self, leg: LegKey) -> Option<Destination> {
        match self {
            Path::WebRtc(webrtc) => webrtc.destination(),
            Path::Plain(plain) => plain.rtcp_destination(leg),
            Path::Bundled(_) => None,
        }
    }

    /// Opens an RTP packet in place.
    #[inline]
    pub(super) fn open_rtp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.open_rtp(arrival.pair(), packet),
            Path::Plain(plain) => plain.open_rtp(arrival, former, packet),
            Path::Bundled(_) => Err(Reason::WrongSocket),
        }
    }

    /// Opens a compound RTCP packet in place.
    pub(super) fn open_rtcp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.open_rtcp(arrival.pair(), packet),
            Path::Plain(plain) => plain.open_rtcp(arrival, former, packet),
            Path::Bundled(_) => Err(Reason::WrongSocket),
        }
    }

    /// Does what is due; says what happened with it.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Change> {
        match self {
            Path::WebRtc(webrtc) => webrtc.handle_timeout(now),
            Path::Plain(plain) => plain.handle_timeout(now),
            Path::Bundled(_) => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Path::WebRtc(webrtc) => webrtc.poll_timeout(),
            Path::Plain(plain) => plain.poll_timeout(),
            Path::Bundled(_) => None,
        }
    }

    /// What happened to ICE and DTLS.
    pub(super) fn poll_change(&mut self, now: Instant) -> Option<Change> {
        match self {
            Path::WebRtc(webrtc) => webrtc.poll_change(now),
            Path::Plain(plain) => plain.poll_change(),
            Path::Bundled(_) => None,
        }
    }

    /// Writes a DTLS datagram.
    pub(super) fn poll_transmit(&mut self, leg: LegKey, out: &mut Packet) -> Option<Destination> {
        match self {
            Path::WebRtc(webrtc) => webrtc.poll_transmit(out),
            Path::Plain(plain) => plain.poll_transmit(leg, out),
            Path::Bundled(_) => None,
        }
    }

    /// Makes ready to say goodbye by DTLS.
    pub(super) fn close(&mut self) {
        match self {
            Path::WebRtc(webrtc) => webrtc.close(),
            Path::Plain(plain) => plain.close(),
            Path::Bundled(_) => {}
        }
    }

    /// The suite and how many streams the receiver forgot.
    pub(super) fn suite(&self) -> Option<(Suite, u64)> {
        match self {
            Path::WebRtc(webrtc) => webrtc.suite(),
            Path::Plain(plain) => plain.suite(),
            Path::Bundled(_) => None,
        }
    }

    #[inline]
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.protect_rtp(packet),
            Path::Plain(plain) => plain.protect_rtp(packet),
            Path::Bundled(_) => Err(Reason::PeerNotReady),
        }
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.protect_rtcp(packet),
            Path::Plain(plain) => plain.protect_rtcp(packet),
            Path::Bundled(_) => Err(Reason::PeerNotReady),
        }
    }
}

/// Why a packet was not opened, as it is counted.
pub(super) fn opening(error: SrtpError) -> Reason {
    match error {
        SrtpError::Unauthentic => Reason::Unauthentic,
        SrtpError::Replayed => Reason::Replayed,
        SrtpError::TooOld => Reason::TooOld,
        SrtpError::Unencrypted => Reason::Unencrypted,
        SrtpError::KeyExhausted => Reason::KeyExhausted,
        SrtpError::Malformed | SrtpError::TooManySources | SrtpError::NoTailRoom => Reason::Malformed,
    }
}

/// Why a packet was not protected, as it is counted.
pub(super) fn protection(error: SrtpError) -> Reason {
    match error {
        SrtpError::Replayed => Reason::Duplicate,
        SrtpError::TooOld => Reason::Late,
        SrtpError::Malformed
        | SrtpError::Unauthentic
        | SrtpError::Unencrypted
        | SrtpError::KeyExhausted
        | SrtpError::TooManySources
        | SrtpError::NoTailRoom => Reason::ProtectFailed,
    }
}

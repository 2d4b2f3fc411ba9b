//! What differs between the two kinds of legs.

use super::plain::Plain;
use super::webrtc::WebRtc;
use super::{Destination, LegKey, Packet, Reason};
use crate::srtp::SrtpError;

/// How a leg reaches its far end.
#[allow(
    clippy::large_enum_variant,
    reason = "looked at with every packet of a plain leg: no pointer to follow"
)]
pub(super) enum Path {
    WebRtc(Box<WebRtc>),
    Plain(Plain),
}

impl Path {
    /// Where RTP goes; `None` while that, or a key, is not known.
    #[inline]
    pub(super) fn rtp_destination(&self, leg: LegKey) -> Option<Destination> {
        match self {
            Path::WebRtc(webrtc) => webrtc.destination(),
            Path::Plain(plain) => plain.rtp_destination(leg),
        }
    }

    /// Where RTCP goes.
    pub(super) fn rtcp_destination(&self, leg: LegKey) -> Option<Destination> {
        match self {
            Path::WebRtc(webrtc) => webrtc.destination(),
            Path::Plain(plain) => plain.rtcp_destination(leg),
        }
    }

    #[inline]
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.protect_rtp(packet),
            Path::Plain(_) => Ok(()),
        }
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        match self {
            Path::WebRtc(webrtc) => webrtc.protect_rtcp(packet),
            Path::Plain(_) => Ok(()),
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

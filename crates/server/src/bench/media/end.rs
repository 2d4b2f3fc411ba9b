//! One end of a call.

use std::net::SocketAddr;

use ringback_media::srtp::{MasterKey, Receiver, Sender};
use ringback_nat::ice::Credentials;

use super::browser::Browser;
use super::stream::{Stamp, Stream};

/// One end of a call.
pub(super) struct End {
    /// Which of the sockets it has.
    pub(super) socket: usize,
    /// Where the engine takes what it sends, once that is known.
    pub(super) engine: Option<SocketAddr>,
    /// What it sends under, if its description says so.
    pub(super) key: Option<MasterKey>,
    /// Its half of ICE.
    pub(super) ice: Option<Credentials>,
    /// Of a browser that has the engine's description.
    pub(super) browser: Option<Box<Browser>>,
    /// What protects its media.
    pub(super) keys: Option<Box<(Sender, Receiver)>>,
    /// What it sends.
    pub(super) stream: Stream,
}

/// What came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// A packet of sound, with its stamp if it has one.
    Sound(Option<Stamp>),
    /// RTCP.
    Report,
    /// A packet that cannot be opened, or is none.
    Unusable,
}

impl End {
    /// Writes the next packet to send; `None` while there is nowhere to send it to.
    pub(super) fn speak(&mut self, stamp: Option<Stamp>, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let engine = self.engine?;
        let len = self.stream.write(stamp, buffer)?;
        let len = match &mut self.keys {
            Some(keys) => keys.0.protect_rtp(buffer, len).ok()?,
            None => len,
        };
        Some((engine, len))
    }

    /// Reads a packet in place.
    pub(super) fn hear(&mut self, packet: &mut [u8]) -> Came {
        match packet.get(1) {
            Some(kind) if RTCP.contains(kind) => return Came::Report,
            Some(_) => {}
            None => return Came::Unusable,
        }
        let len = match &mut self.keys {
            Some(keys) => keys.1.unprotect_rtp(packet).ok(),
            None => Some(packet.len()),
        };
        match len.and_then(|len| packet.get(..len)) {
            Some(packet) => Came::Sound(Stamp::read(packet)),
            None => Came::Unusable,
        }
    }
}

/// The packet types of RTCP, where RTP has a payload type ([RFC 5761 §4]).
///
/// [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;

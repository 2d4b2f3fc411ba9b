//! The receiving side of one master key.

use std::fmt;

use smallvec::SmallVec;

use super::derivation::Derivation;
use super::index::Window;
use super::transform::Transform;
use super::{KeyError, SrtpError, Suite};
use crate::{rtcp, rtp};

/// Opens the RTP and RTCP packets of one far end.
///
/// A packet changes the state only after it was authenticated, so that what an attacker sends can neither use up an
/// index nor push out a stream.
pub struct Receiver {
    suite: Suite,
    rtp: Transform,
    rtcp: Transform,
    /// At most [`MAX_SOURCES`].
    streams: SmallVec<[Stream; 1]>,
    /// Packets accepted, which is the clock that says which stream has been idle for longest.
    accepted: u64,
    evicted: u64,
}

/// What was received with one SSRC.
struct Stream {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
    last: u64,
}

impl Receiver {
    /// A receiver under a master key and salt of the suite's lengths.
    pub fn new(suite: Suite, master_key: &[u8], master_salt: &[u8]) -> Result<Self, KeyError> {
        let derivation = Derivation::new(suite, master_key, master_salt)?;
        Ok(Receiver {
            suite,
            rtp: Transform::rtp(suite, &derivation)?,
            rtcp: Transform::rtcp(suite, &derivation)?,
            streams: SmallVec::new(),
            accepted: 0,
            evicted: 0,
        })
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// How many streams were forgotten because the far end used more SSRCs than we keep.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Authenticates and decrypts an RTP packet in place; returns its length without the tag.
    ///
    /// After an error the packet's payload may be overwritten, but the state is as it was.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = rtp::Header::parse(packet).ok_or(SrtpError::Malformed)?;
        let index = match self.find(header.ssrc).and_then(|stream| stream.rtp) {
            None => u64::from(header.sequence),
            Some(window) => {
                let index = window.estimate(header.sequence)?;
                window.check(index)?;
                index
            }
        };
        let len = self.rtp.open_rtp(header.ssrc, index, packet, header.payload)?;
        accept(&mut self.authenticated(header.ssrc).rtp, index);
        Ok(len)
    }

    /// Authenticates and decrypts a compound RTCP packet in place; returns its length without index and tag.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp::sender_ssrc(packet).ok_or(SrtpError::Malformed)?;
        let index = self.rtcp.rtcp_index(packet)?;
        if let Some(window) = self.find(ssrc).and_then(|stream| stream.rtcp) {
            window.check(index.into())?;
        }
        let len = self.rtcp.open_rtcp(ssrc, index, packet)?;
        accept(&mut self.authenticated(ssrc).rtcp, index.into());
        Ok(len)
    }

    fn find(&self, ssrc: u32) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.ssrc == ssrc)
    }

    /// The stream that an authentic packet belongs to. A new one takes the place of the one idle for longest once
    /// there are as many as we keep.
    fn authenticated(&mut self, ssrc: u32) -> &mut Stream {
        self.accepted += 1;
        let at = match self.streams.iter().position(|stream| stream.ssrc == ssrc) {
            Some(at) => at,
            None => {
                if self.streams.len() >= MAX_SOURCES {
                    let idle = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.last);
                    if let Some((at, _)) = idle {
                        self.streams.swap_remove(at);
                        self.evicted += 1;
                    }
                }
                self.streams.push(Stream { ssrc, rtp: None, rtcp: None, last: 0 });
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[at];
        stream.last = self.accepted;
        stream
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("suite", &self.suite).finish_non_exhaustive()
    }
}

fn accept(window: &mut Option<Window>, index: u64) {
    match window {
        None => *window = Some(Window::at(index)),
        Some(window) => window.accept(index),
    }
}

/// SSRCs of one far end whose indices are kept.
const MAX_SOURCES: usize = 16;

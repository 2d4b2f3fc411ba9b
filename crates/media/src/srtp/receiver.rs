//! The receiving side of one master key, or of several that packets tell apart.

use std::fmt;

use smallvec::SmallVec;

use super::derivation::Derivation;
use super::index::Window;
use super::transform::Transform;
use super::{KeyError, Mki, SrtpError, Suite};
use crate::{rtcp, rtp};

/// Opens the RTP and RTCP packets of one far end.
///
/// Under several keys an SSRC has one roll-over counter and one replay window, which go on when the far end takes another
/// key ([RFC 3711 §3.3.1]).
///
/// A packet changes the state only after it was authenticated, so that what an attacker sends can neither use up an
/// index nor push out a stream.
///
/// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
pub struct Receiver {
    suite: Suite,
    /// One, or a few that have identifiers.
    keys: SmallVec<[Key; 1]>,
    /// At most [`MAX_SOURCES`].
    streams: SmallVec<[Stream; 1]>,
    /// Packets accepted, which is the clock that says which stream has been idle for longest.
    accepted: u64,
    evicted: u64,
    /// Where the SSRCs under the key before were when this one took its place.
    former: SmallVec<[(u32, Window); 1]>,
}

/// What opens packets under one master key.
struct Key {
    mki: Option<Mki>,
    rtp: Transform,
    rtcp: Transform,
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
        Ok(Receiver {
            suite,
            keys: SmallVec::from_iter([Key::new(suite, master_key, master_salt, None)?]),
            streams: SmallVec::new(),
            accepted: 0,
            evicted: 0,
            former: SmallVec::new(),
        })
    }

    /// The same, for packets that carry this identifier.
    pub(super) fn with_mki(mut self, mki: Option<Mki>) -> Self {
        self.keys.iter_mut().for_each(|key| key.mki = mki);
        self
    }

    /// The same, also for packets under another master key of the suite, which carry its identifier.
    pub(super) fn add_key(&mut self, key: &[u8], salt: &[u8], mki: Option<Mki>) -> Result<(), KeyError> {
        self.keys.push(Key::new(self.suite, key, salt, mki)?);
        Ok(())
    }

    /// Takes the place of a receiver under the key before.
    ///
    /// [RFC 3711 §3.3.1] lets the roll-over counter of an SSRC go on under a new key, while who makes a new context for a
    /// new `a=crypto` line starts at zero. So the first packet of an SSRC that was known may have either.
    ///
    /// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
    pub fn follow(&mut self, before: &Receiver) {
        self.former = before.streams.iter().filter_map(|stream| Some((stream.ssrc, stream.rtp?))).collect();
    }

    /// Whether a packet of this SSRC was accepted under this key.
    pub fn knows(&self, ssrc: u32) -> bool {
        self.find(ssrc).is_some()
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
        let (key, packet) = named(&self.keys, packet, |key| key.rtp.behind_mki())?;
        let header = rtp::Header::parse(packet).ok_or(SrtpError::Malformed)?;
        let index = match self.find(header.ssrc).and_then(|stream| stream.rtp) {
            None => self.first_index(&key.rtp, &header, packet),
            Some(window) => {
                let index = window.estimate(header.sequence)?;
                window.check(index)?;
                index
            }
        };
        let len = key.rtp.open_rtp(header.ssrc, index, packet, header.payload)?;
        accept(&mut self.authenticated(header.ssrc).rtp, index);
        Ok(len)
    }

    /// Authenticates and decrypts a compound RTCP packet in place; returns its length without index and tag.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (key, packet) = named(&self.keys, packet, |key| key.rtcp.behind_mki())?;
        let ssrc = rtcp::sender_ssrc(packet).ok_or(SrtpError::Malformed)?;
        let index = key.rtcp.rtcp_index(packet)?;
        if let Some(window) = self.find(ssrc).and_then(|stream| stream.rtcp) {
            window.check(index.into())?;
        }
        let len = key.rtcp.open_rtcp(ssrc, index, packet)?;
        accept(&mut self.authenticated(ssrc).rtcp, index.into());
        Ok(len)
    }

    /// The index of the first packet of an SSRC: its sequence number, unless it went on from the key before and is
    /// authentic that way.
    fn first_index(&self, key: &Transform, header: &rtp::Header, packet: &[u8]) -> u64 {
        let first = u64::from(header.sequence);
        let known = self.former.iter().find(|(ssrc, _)| *ssrc == header.ssrc);
        let Some(Ok(going_on)) = known.map(|(_, window)| window.estimate(header.sequence)) else {
            return first;
        };
        // Opening writes over the packet, so it is tried on a copy. One that has no room there starts over.
        let mut copy = [0; LONGEST_TRIED];
        match copy.get_mut(..packet.len()) {
            Some(copy) if going_on != first => {
                copy.copy_from_slice(packet);
                let opened = key.open_rtp(header.ssrc, going_on, copy, header.payload);
                if opened.is_ok() { going_on } else { first }
            }
            _ => first,
        }
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

impl Key {
    fn new(suite: Suite, key: &[u8], salt: &[u8], mki: Option<Mki>) -> Result<Self, KeyError> {
        let derivation = Derivation::new(suite, key, salt)?;
        let (rtp, rtcp) = (Transform::rtp(suite, &derivation)?, Transform::rtcp(suite, &derivation)?);
        Ok(Key { mki, rtp, rtcp })
    }
}

/// The key that a packet names by its identifier, and the packet without that; `behind` says how much stands behind it.
#[inline]
fn named<'k, 'p>(
    keys: &'k [Key],
    packet: &'p mut [u8],
    behind: fn(&Key) -> usize,
) -> Result<(&'k Key, &'p mut [u8]), SrtpError> {
    let mut error = SrtpError::Unauthentic;
    for key in keys {
        let Some(mki) = key.mki else { return Ok((key, packet)) };
        match mki.strip(packet, behind(key)) {
            Ok(len) => return Ok((key, packet.get_mut(..len).ok_or(SrtpError::Malformed)?)),
            Err(why) => error = why,
        }
    }
    Err(error)
}

fn accept(window: &mut Option<Window>, index: u64) {
    match window {
        None => *window = Some(Window::at(index)),
        Some(window) => window.accept(index),
    }
}

/// SSRCs of one far end whose indices are kept.
const MAX_SOURCES: usize = 16;

/// The longest packet that is tried with the roll-over counter of the key before.
const LONGEST_TRIED: usize = 1500;

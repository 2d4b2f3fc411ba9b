//! The sending side of one master key.

use std::fmt;

use smallvec::SmallVec;

use super::derivation::Derivation;
use super::index::{MAX_RTCP_INDEX, Window};
use super::transform::Transform;
use super::{KeyError, Mki, SrtpError, Suite};
use crate::{rtcp, rtp};

/// Protects the RTP and RTCP packets that we send to one far end.
pub struct Sender {
    suite: Suite,
    rtp: Transform,
    rtcp: Transform,
    mki: Option<Mki>,
    /// At most [`MAX_SOURCES`]; none is ever forgotten, since its indices would be used twice.
    streams: SmallVec<[Stream; 1]>,
}

/// What was sent with one SSRC.
struct Stream {
    ssrc: u32,
    rtp: Option<Window>,
    next_rtcp: u32,
}

impl Sender {
    /// A sender under a master key and salt of the suite's lengths.
    pub fn new(suite: Suite, master_key: &[u8], master_salt: &[u8]) -> Result<Self, KeyError> {
        let derivation = Derivation::new(suite, master_key, master_salt)?;
        Ok(Sender {
            suite,
            rtp: Transform::rtp(suite, &derivation)?,
            rtcp: Transform::rtcp(suite, &derivation)?,
            mki: None,
            streams: SmallVec::new(),
        })
    }

    /// The same, for packets that carry this identifier.
    pub(super) fn with_mki(self, mki: Option<Mki>) -> Self {
        Sender { mki, ..self }
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Protects, in place, the RTP packet in the first `len` bytes of `buffer`; returns the protected length.
    ///
    /// The buffer needs [`TAIL_ROOM`](super::TAIL_ROOM) bytes behind the packet. After an error other than
    /// `Malformed` and `NoTailRoom` the packet is unchanged.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let header = buffer.get(..len).and_then(rtp::Header::parse).ok_or(SrtpError::Malformed)?;
        let stream = stream(&mut self.streams, header.ssrc)?;
        let index = match &stream.rtp {
            None => u64::from(header.sequence),
            Some(window) => {
                let index = window.estimate(header.sequence)?;
                window.check(index)?;
                index
            }
        };
        let field = self.mki.map_or(0, |mki| usize::from(mki.len));
        if buffer.len() < len + self.suite.rtp_overhead() + field {
            return Err(SrtpError::NoTailRoom);
        }
        let mut len = self.rtp.seal_rtp(header.ssrc, index, buffer, header.payload, len)?;
        if let Some(mki) = self.mki {
            len = mki.insert(buffer, len, self.rtp.behind_mki())?;
        }
        match &mut stream.rtp {
            None => stream.rtp = Some(Window::at(index)),
            Some(window) => window.accept(index),
        }
        Ok(len)
    }

    /// Protects, in place, the compound RTCP packet in the first `len` bytes of `buffer`; returns the protected
    /// length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let ssrc = buffer.get(..len).and_then(rtcp::sender_ssrc).ok_or(SrtpError::Malformed)?;
        let stream = stream(&mut self.streams, ssrc)?;
        let index = stream.next_rtcp;
        if u64::from(index) > MAX_RTCP_INDEX {
            return Err(SrtpError::KeyExhausted);
        }
        let field = self.mki.map_or(0, |mki| usize::from(mki.len));
        if buffer.len() < len + self.suite.rtcp_overhead() + field {
            return Err(SrtpError::NoTailRoom);
        }
        let mut len = self.rtcp.seal_rtcp(ssrc, index, buffer, len)?;
        if let Some(mki) = self.mki {
            len = mki.insert(buffer, len, self.rtcp.behind_mki())?;
        }
        stream.next_rtcp += 1;
        Ok(len)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// The stream of an SSRC, made when it is new.
fn stream(streams: &mut SmallVec<[Stream; 1]>, ssrc: u32) -> Result<&mut Stream, SrtpError> {
    let at = match streams.iter().position(|stream| stream.ssrc == ssrc) {
        Some(at) => at,
        None if streams.len() < MAX_SOURCES => {
            streams.push(Stream { ssrc, rtp: None, next_rtcp: 0 });
            streams.len() - 1
        }
        None => return Err(SrtpError::TooManySources),
    };
    streams.get_mut(at).ok_or(SrtpError::TooManySources)
}

/// SSRCs that one sender sends with. A leg has one; a mixer with several sources has a sender of its own.
const MAX_SOURCES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> Sender {
        Sender::new(Suite::AeadAes128Gcm, &[1; 16], &[2; 12]).unwrap()
    }

    fn packet(ssrc: u32, sequence: u16) -> [u8; 64] {
        let mut packet = [0; 64];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    }

    #[test]
    fn an_index_is_used_once_whatever_the_payload() {
        let mut sender = sender();
        let mut first = packet(1, 7);
        assert_eq!(sender.protect_rtp(&mut first, 32), Ok(48));
        let mut second = packet(1, 7);
        second[20] = 0xff;
        let before = second;
        assert_eq!(sender.protect_rtp(&mut second, 32), Err(SrtpError::Replayed));
        assert_eq!(second, before, "not a byte of the second payload was encrypted");
        let mut late = packet(1, 300);
        assert_eq!(sender.protect_rtp(&mut late, 32), Ok(48));
        assert_eq!(sender.protect_rtp(&mut packet(1, 8), 32), Err(SrtpError::TooOld));
    }

    #[test]
    fn the_sources_are_bounded_and_none_is_forgotten() {
        let mut sender = sender();
        for ssrc in 0..16 {
            assert_eq!(sender.protect_rtp(&mut packet(ssrc, 1), 32), Ok(48));
        }
        assert_eq!(sender.protect_rtp(&mut packet(16, 1), 32), Err(SrtpError::TooManySources));
        assert_eq!(sender.protect_rtp(&mut packet(0, 1), 32), Err(SrtpError::Replayed));
    }

    #[test]
    fn the_last_rtcp_index_is_the_last() {
        let mut sender = sender();
        let mut report = [0; 64];
        report[..2].copy_from_slice(&[0x80, 201]);
        assert_eq!(sender.protect_rtcp(&mut report.clone(), 8), Ok(28));
        sender.streams[0].next_rtcp = (1 << 31) - 1;
        assert_eq!(sender.protect_rtcp(&mut report.clone(), 8), Ok(28));
        assert_eq!(sender.protect_rtcp(&mut report, 8), Err(SrtpError::KeyExhausted));
    }

    #[test]
    fn a_buffer_without_room_for_the_tag_is_refused() {
        let mut sender = sender();
        let mut packet = packet(1, 7);
        assert_eq!(sender.protect_rtp(&mut packet, 60), Err(SrtpError::NoTailRoom));
        assert_eq!(sender.protect_rtp(&mut packet, 65), Err(SrtpError::Malformed));
        assert_eq!(sender.protect_rtp(&mut packet, 11), Err(SrtpError::Malformed));
    }

    #[test]
    fn keys_of_a_wrong_length_are_refused() {
        for suite in Suite::ALL {
            let (key, salt) = (vec![0; suite.key_len()], vec![0; suite.salt_len()]);
            assert!(Sender::new(suite, &key, &salt).is_ok());
            assert_eq!(Sender::new(suite, &key[1..], &salt).err(), Some(KeyError { suite }));
            assert_eq!(Sender::new(suite, &key, &salt[1..]).err(), Some(KeyError { suite }));
        }
    }
}

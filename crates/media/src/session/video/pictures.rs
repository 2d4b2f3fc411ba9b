//! What a section of video knows beside what every section does.

use std::time::{Duration, Instant};

use super::cache::Cache;
use crate::negotiation::{Repairs, VideoSettings};
use crate::rtcp::Request;
use crate::rtp::{FIXED_LEN, Header, Rewrite};
use crate::sdp::Feedback;
use crate::session::{FeedbackCounts, Packet, Reason};

/// The pictures of one far end: what it is asked for, and what it may ask for again.
#[derive(Default)]
pub(in crate::session) struct Pictures {
    feedback: Feedback,
    /// The payload types in which the far end sends again, and what each repeats.
    repaired: Repairs,
    /// The same of ours.
    repairs: Repairs,
    /// The SSRC and the next number of what we send again in a stream of its own.
    repair: Option<(u32, u16)>,
    /// Whether what is sent again goes by that stream.
    is_repairing: bool,
    /// What was sent; only where the far end may ask for it.
    cache: Option<Cache>,
    arrived: Arrived,
    /// Whether the far end has seen nothing since it could: it needs a whole picture.
    pub(super) is_new: bool,
    /// What the far end asks to be sent again.
    pub(super) repeats: Numbers,
    /// What the far end is to be asked for.
    pub(super) wanted: Wanted,
    /// How much the far end says that it can receive, in bits a second.
    pub(super) bitrate: Option<u64>,
    /// When a whole picture was asked for last.
    asked: Option<Instant>,
    /// The number of our last request for a whole picture.
    request: u8,
    /// The number of the far end's last one.
    pub(super) answered: Option<u8>,
    /// When something was asked for last.
    at: Option<Instant>,
    pub(super) counts: FeedbackCounts,
}

/// What a far end is to be asked for.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) picture: bool,
    pub(super) packets: Numbers,
    pub(super) bitrate: Option<u64>,
}

/// How a whole picture is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// By RTCP.
    Feedback,
    /// By the signalling ([RFC 5168]).
    ///
    /// [RFC 5168]: https://www.rfc-editor.org/rfc/rfc5168
    Signalling,
    /// Not, because it was asked for a moment ago.
    TooSoon,
}

impl Pictures {
    /// Takes over what was agreed; `first` is the number that repairs begin after.
    pub(super) fn agree(&mut self, settings: &VideoSettings, first: u16) {
        self.feedback = settings.feedback;
        self.repaired.clone_from(&settings.repaired);
        self.repairs.clone_from(&settings.repairs);
        let ssrc = settings.sources.and_then(|sources| sources.repair);
        // Under one key the numbers of an SSRC go on, also when it rests for a while.
        self.repair = ssrc.map(|ssrc| match self.repair {
            Some((last, next)) if last == ssrc => (ssrc, next),
            _ => (ssrc, first),
        });
        let repairs = ssrc.is_some() && !self.repairs.is_empty();
        if std::mem::replace(&mut self.is_repairing, repairs) != repairs {
            // What is kept is protected in the one case and not in the other.
            self.forget();
            self.repeats.clear();
        }
        match (&self.cache, self.feedback.nack && settings.leg.receives) {
            (None, true) => self.cache = Some(Cache::new()),
            (Some(_), false) => self.cache = None,
            _ => {}
        }
    }

    /// Nothing is agreed any more.
    pub(in crate::session) fn rest(&mut self) {
        self.cache = None;
        self.repeats.clear();
        self.wanted = Wanted::default();
        self.bitrate = None;
    }

    /// Forgets what was sent: the stream goes on under other numbers.
    pub(super) fn forget(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
    }

    /// What a payload type repeats, when it is one that packets come again in.
    pub(super) fn repeated_by(&self, payload_type: u8) -> Option<u8> {
        self.repaired.iter().find(|(repair, _)| *repair == payload_type).map(|(_, original)| *original)
    }

    /// Notes a packet that has arrived; says whether it had before.
    pub(super) fn has_come(&mut self, header: &Header) -> bool {
        self.arrived.note(header)
    }

    /// Keeps a packet that leaves, before it is protected: as it is repeated in a stream of its own.
    #[inline]
    pub(in crate::session) fn keep_clear(&mut self, sequence: u16, packet: &[u8]) {
        if let Some(cache) = self.cache.as_mut().filter(|_| self.is_repairing) {
            cache.keep(sequence, packet);
        }
    }

    /// Keeps a packet that leaves, as it leaves: protected twice it would give the key stream away, and the very same
    /// bytes are what RFC 3711 lets be sent again.
    #[inline]
    pub(in crate::session) fn keep_protected(&mut self, sequence: u16, packet: &[u8]) {
        if let Some(cache) = self.cache.as_mut().filter(|_| !self.is_repairing) {
            cache.keep(sequence, packet);
        }
    }

    /// Whether a packet can be sent again.
    pub(super) fn has(&self, sequence: u16) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.has(sequence))
    }

    /// Notes when something is asked for.
    pub(super) fn wake(&mut self, now: Instant) {
        self.at = Some(now);
    }

    /// When something was asked for.
    pub(super) fn woken(&self) -> Option<Instant> {
        self.at
    }

    /// Wants a whole picture of the far end; says how it is asked for.
    pub(super) fn want_picture(&mut self, now: Instant) -> Asking {
        if self.asked.is_some_and(|last| now < last + BETWEEN_REQUESTS) {
            return Asking::TooSoon;
        }
        self.asked = Some(now);
        self.wake(now);
        if !self.feedback.pli && !self.feedback.fir {
            return Asking::Signalling;
        }
        self.wanted.picture = true;
        Asking::Feedback
    }

    /// Whether the far end sends again what it is asked for.
    pub(super) fn sends_again(&self) -> bool {
        self.feedback.nack
    }

    /// Whether the far end is told how much can be received.
    pub(super) fn heeds_bitrate(&self) -> bool {
        self.feedback.remb
    }

    /// How a whole picture is asked for: that a picture is lost, or the number of the request.
    pub(super) fn next_request(&mut self) -> Option<u8> {
        if self.feedback.pli {
            return None;
        }
        self.request = self.request.wrapping_add(1);
        Some(self.request)
    }

    /// Counts what the far end was asked for.
    pub(super) fn note_sent(&mut self, request: &Request<'_>) {
        match request {
            Request::Nack(_) => self.counts.nacks_out += 1,
            Request::PictureLoss => self.counts.plis_out += 1,
            Request::FullIntra(_) => self.counts.firs_out += 1,
            Request::Bitrate(_) => {}
        }
    }

    /// Writes the next packet that is to be sent again; says its length and whether it has to be protected yet.
    pub(super) fn write_repeat(&mut self, now: Instant, out: &mut [u8]) -> Option<(usize, bool)> {
        while let Some(sequence) = self.repeats.pop() {
            let Some(packet) = self.cache.as_mut().and_then(|cache| cache.repeat(now, sequence)) else {
                continue;
            };
            let Some((ssrc, next)) = self.repair.as_mut().filter(|_| self.is_repairing) else {
                let Some(place) = out.get_mut(..packet.len()) else { continue };
                place.copy_from_slice(packet);
                return Some((packet.len(), false));
            };
            let Some(header) = Header::parse(packet) else { continue };
            let payload_type = self.repairs.iter().find(|(_, original)| *original == header.payload_type);
            let (Some((payload_type, _)), Some((head, payload))) =
                (payload_type, packet.split_at_checked(header.payload))
            else {
                continue;
            };
            // RFC 4588 §4: the number that it had comes before the payload.
            let parts = [head, &header.sequence.to_be_bytes(), payload];
            let mut len = 0;
            let is_written = parts.into_iter().all(|part| {
                let place = out.get_mut(len..len + part.len());
                len += part.len();
                place.map(|place| place.copy_from_slice(part)).is_some()
            });
            if !is_written {
                continue;
            }
            let timestamp = header.timestamp;
            Rewrite { payload_type: *payload_type, sequence: *next, timestamp, ssrc: *ssrc }.apply(out);
            *next = next.wrapping_add(1);
            return Some((len, true));
        }
        None
    }
}

/// Takes what is repeated out of a packet that repeats it ([RFC 4588 §4]), in place.
///
/// [RFC 4588 §4]: https://www.rfc-editor.org/rfc/rfc4588#section-4
pub(super) fn unwrap(
    packet: &mut Packet,
    header: Header,
    payload_type: u8,
    ssrc: u32,
) -> Result<Header, Reason> {
    let bytes = packet.bytes_mut();
    let content = header.content(bytes).and_then(|content| bytes.get(content)).unwrap_or_default();
    // Browsers send packets with nothing in them to find out how much may be sent.
    let Some(&[high, low]) = content.first_chunk().filter(|_| content.len() > 2) else {
        return Err(Reason::NothingRepeated);
    };
    let sequence = u16::from_be_bytes([high, low]);
    bytes.copy_within(..header.payload, 2);
    packet.advance(2);
    let timestamp = header.timestamp;
    Rewrite { payload_type, sequence, timestamp, ssrc }.apply(packet.bytes_mut());
    debug_assert!(header.payload >= FIXED_LEN, "a header was read");
    Ok(Header { payload_type, sequence, ssrc, ..header })
}

/// Which packets of the latest source have come.
#[derive(Default)]
struct Arrived {
    latest: Option<(u32, u16)>,
    /// A bit for each of the last numbers, the highest in bit 0.
    recent: u128,
}

impl Arrived {
    /// Notes a packet; says whether it had come before.
    fn note(&mut self, header: &Header) -> bool {
        let Some((_, highest)) = self.latest.filter(|(ssrc, _)| *ssrc == header.ssrc) else {
            return self.begin(header);
        };
        let ahead = header.sequence.wrapping_sub(highest);
        let behind = highest.wrapping_sub(header.sequence);
        if behind < u128::BITS as u16 {
            let bit = 1 << behind;
            let had_come = self.recent & bit != 0;
            self.recent |= bit;
            return had_come;
        }
        if ahead < u128::BITS as u16 {
            self.latest = Some((header.ssrc, header.sequence));
            self.recent = self.recent << ahead | 1;
            return false;
        }
        self.begin(header)
    }

    fn begin(&mut self, header: &Header) -> bool {
        (self.latest, self.recent) = (Some((header.ssrc, header.sequence)), 1);
        false
    }
}

/// A short list of sequence numbers, the oldest first, each once.
#[derive(Default)]
pub(super) struct Numbers(smallvec::SmallVec<[u16; MOST]>);

impl Numbers {
    /// Adds a number; says whether there was room.
    pub(super) fn push(&mut self, number: u16) -> bool {
        if self.0.contains(&number) {
            return true;
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.push(number);
        }
        has_room
    }

    /// Takes out the oldest.
    pub(super) fn pop(&mut self) -> Option<u16> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub(super) fn as_slice(&self) -> &[u16] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The most numbers that are asked for, or sent again, at once.
const MOST: usize = 64;

/// How long a request for a whole picture stands for those that follow it: a whole picture is many packets.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header {
            payload_type: 96,
            marker: false,
            sequence,
            timestamp: 0,
            ssrc,
            has_extension: false,
            payload: 12,
        }
    }

    #[test]
    fn a_packet_comes_once() {
        let mut arrived = Arrived::default();
        for number in [65_534, 65_535, 1, 0] {
            assert!(!arrived.note(&header(7, number)), "{number}");
            assert!(arrived.note(&header(7, number)), "{number} again");
        }
        assert!(!arrived.note(&header(8, 0)), "another source");
        assert!(!arrived.note(&header(8, 30_000)), "a restart");
    }

    #[test]
    fn a_list_holds_each_number_once_and_no_more_than_it_may() {
        let mut numbers = Numbers::default();
        assert!(numbers.push(7) && numbers.push(7) && numbers.push(8));
        assert_eq!((numbers.pop(), numbers.pop(), numbers.pop()), (Some(7), Some(8), None));
        assert_eq!((0..100).filter(|number| numbers.push(*number)).count(), MOST);
    }

    #[test]
    fn a_packet_that_repeats_nothing_is_padding() {
        let mut packet = Packet::new();
        let head = [0xa0, 97, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        for (payload, repeats) in [
            (&[0u8, 5, 1, 2, 1][..], true),
            (&[0, 5, 1][..], false),
            (&[3, 3, 3, 255][..], false),
            (&[][..], false),
        ] {
            packet.fill(&[&head[..], payload].concat());
            let header = Header::parse(packet.bytes()).unwrap();
            let unwrapped = unwrap(&mut packet, header, 96, 7);
            assert_eq!(unwrapped.is_ok(), repeats, "{payload:?}");
        }
    }
}

//! What we tell.

use std::fmt::{self, Write};
use std::time::Duration;

use super::Ntp;
use super::ntp::short;
use crate::rtp::Quality;

/// The reports of one leg, as they stand at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The SSRC that we send with.
    pub ssrc: u32,
    /// The canonical name of our side of the leg.
    pub cname: &'a Cname,
    /// What we sent; `None` makes a receiver report.
    pub sent: Option<Sent>,
    /// What we received.
    pub received: Option<Quality>,
    /// The middle of the far end's last sender report, and how long ago it came.
    pub last_sender_report: Option<(u32, Duration)>,
    /// Whether we leave.
    pub bye: bool,
}

/// The sender's part of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When the report is made.
    pub ntp: Ntp,
    /// The timestamp that a packet sampled at that time has.
    pub timestamp: u32,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Octets of payload sent, modulo 2^32.
    pub octets: u32,
}

/// A canonical name ([RFC 7022 §4.2]): 96 random bits, for one leg only, so that it links no two calls.
///
/// [RFC 7022 §4.2]: https://www.rfc-editor.org/rfc/rfc7022#section-4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cname([u8; CNAME_LEN]);

impl Cname {
    /// The name made of random bytes.
    pub fn from_random(random: [u8; CNAME_LEN / 2]) -> Self {
        let mut name = [0; CNAME_LEN];
        for (pair, byte) in name.chunks_exact_mut(2).zip(random) {
            for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 0x0f]) {
                *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            }
        }
        Cname(name)
    }
}

impl fmt::Display for Cname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&digit| f.write_char(char::from(digit)))
    }
}

impl Outgoing<'_> {
    /// Writes the compound packet to the start of `buffer`; returns its length, or `None` when it does not fit.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut packet = Writer { buffer, len: 0 };
        let blocks = u8::from(self.received.is_some());
        let block_words = 6 * u16::from(blocks);
        match self.sent {
            Some(sent) => {
                packet.header(blocks, SENDER_REPORT, 6 + block_words)?;
                packet.word(self.ssrc)?;
                packet.put(&sent.ntp.0.to_be_bytes())?;
                packet.word(sent.timestamp)?;
                packet.word(sent.packets)?;
                packet.word(sent.octets)?;
            }
            None => {
                packet.header(blocks, RECEIVER_REPORT, 1 + block_words)?;
                packet.word(self.ssrc)?;
            }
        }
        if let Some(received) = self.received {
            let (last, delay) = self.last_sender_report.map_or((0, 0), |(last, ago)| (last, short(ago)));
            packet.word(received.ssrc)?;
            packet.word(u32::from(received.fraction_lost) << 24 | received.lost as u32 & 0xff_ffff)?;
            packet.word(received.highest)?;
            packet.word(received.jitter)?;
            packet.word(last)?;
            packet.word(delay)?;
        }
        packet.header(1, SOURCE_DESCRIPTION, 1 + CNAME_WORDS)?;
        packet.word(self.ssrc)?;
        packet.put(&[CNAME_ITEM, CNAME_LEN as u8])?;
        packet.put(&self.cname.0)?;
        packet.put(&[0; CNAME_PADDING])?;
        if self.bye {
            packet.header(1, BYE, 1)?;
            packet.word(self.ssrc)?;
        }
        Some(packet.len)
    }
}

struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    /// A packet's header: version 2, the count, the type and the length in words without this one.
    fn header(&mut self, count: u8, kind: u8, words: u16) -> Option<()> {
        let [high, low] = words.to_be_bytes();
        self.put(&[2 << 6 | count, kind, high, low])
    }

    fn word(&mut self, word: u32) -> Option<()> {
        self.put(&word.to_be_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.buffer.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

const CNAME_ITEM: u8 = 1;
const CNAME_LEN: usize = 24;
/// An item's header, the name, and at least one zero byte, in whole words.
const CNAME_WORDS: u16 = (2 + CNAME_LEN as u16 + 1).div_ceil(4);
const CNAME_PADDING: usize = CNAME_WORDS as usize * 4 - 2 - CNAME_LEN;

/// The longest compound packet that is written: sender report, block, CNAME, BYE.
pub const MAX_LEN: usize = 28 + 24 + 8 + 4 * CNAME_WORDS as usize + 8;

#[cfg(test)]
mod tests {
    use rtcp_types::{Compound, Packet, SdesItem};

    use super::super::read;
    use super::*;

    fn outgoing(cname: &Cname) -> Outgoing<'_> {
        Outgoing {
            ssrc: 7,
            cname,
            sent: Some(Sent { ntp: Ntp(0x1234_5678_9abc_def0), timestamp: 160, packets: 3, octets: 480 }),
            received: Some(Quality { ssrc: 9, fraction_lost: 64, lost: -2, highest: 0x1_0005, jitter: 12 }),
            last_sender_report: Some((0xaabb_ccdd, Duration::from_millis(1500))),
            bye: true,
        }
    }

    #[test]
    fn another_implementation_reads_what_is_written() {
        let cname = Cname::from_random(std::array::from_fn(|i| i as u8 * 17));
        let mut buffer = [0; MAX_LEN];
        assert_eq!(outgoing(&cname).write(&mut buffer), Some(MAX_LEN));
        let packets: Vec<_> = Compound::parse(&buffer).unwrap().map(Result::unwrap).collect();
        let [Packet::Sr(report), Packet::Sdes(description), Packet::Bye(bye)] = &packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!(report.ssrc(), 7);
        assert_eq!(report.ntp_timestamp(), 0x1234_5678_9abc_def0);
        assert_eq!((report.rtp_timestamp(), report.packet_count(), report.octet_count()), (160, 3, 480));
        let block = report.report_blocks().next().unwrap();
        assert_eq!((block.ssrc(), block.fraction_lost(), block.cumulative_lost()), (9, 64, 0xff_fffe));
        assert_eq!((block.extended_sequence_number(), block.interarrival_jitter()), (0x1_0005, 12));
        assert_eq!(block.last_sender_report_timestamp(), 0xaabb_ccdd);
        assert_eq!(block.delay_since_last_sender_report_timestamp(), 0x1_8000);
        let chunk = description.chunks().next().unwrap();
        let item = chunk.items().next().unwrap();
        assert_eq!((chunk.ssrc(), item.type_()), (7, SdesItem::CNAME));
        assert_eq!(item.get_value_string().unwrap(), "00112233445566778899aabb");
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn a_receiver_report_without_a_source_is_still_a_compound_packet() {
        let cname = Cname::from_random([0; 12]);
        let mut buffer = [0; MAX_LEN];
        let quiet = Outgoing { sent: None, received: None, bye: false, ..outgoing(&cname) };
        let len = quiet.write(&mut buffer).unwrap();
        let incoming = read(&buffer[..len], 7).unwrap();
        assert_eq!(incoming, super::super::Incoming::default());
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        let cname = Cname::from_random([0; 12]);
        for len in 0..MAX_LEN {
            assert_eq!(outgoing(&cname).write(&mut vec![0; len]), None, "{len}");
        }
    }
}

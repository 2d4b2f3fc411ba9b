//! Feedback about pictures ([RFC 4585 §6], [RFC 5104 §4.3], [REMB]): read out of a compound packet, written behind one.
//!
//! [RFC 4585 §6]: https://www.rfc-editor.org/rfc/rfc4585#section-6
//! [RFC 5104 §4.3]: https://www.rfc-editor.org/rfc/rfc5104#section-4.3
//! [REMB]: https://datatracker.ietf.org/doc/html/draft-alvestrand-rmcat-remb-03

/// What one feedback packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback<'a> {
    /// Packets of this source are missing: pairs of a number and a bit for each of the sixteen after it.
    Nack {
        /// The source.
        ssrc: u32,
        /// The pairs as they came, four bytes each.
        pairs: &'a [u8],
    },
    /// A picture of this source is lost.
    PictureLoss {
        /// The source.
        ssrc: u32,
    },
    /// A whole picture is asked for: entries of eight bytes, a source and the number of the request in each.
    FullIntra {
        /// The entries as they came.
        entries: &'a [u8],
    },
    /// So many bits in a second can be received.
    Bitrate(u64),
}

/// The feedback of a compound packet, which [`read`](super::read) has found sound. What is broken or unknown is passed
/// over.
pub fn feedback(compound: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        loop {
            let &[first, kind, high, low] = rest.first_chunk()?;
            let len = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
            let (packet, behind) = rest.split_at_checked(len)?;
            rest = behind;
            if let Some(feedback) = read_one(first & 0x1f, kind, packet) {
                return Some(feedback);
            }
        }
    })
}

/// The sequence numbers that the pairs of a NACK name.
pub fn missing(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.chunks_exact(4).flat_map(|pair| {
        let (number, mask) = match *pair {
            [n0, n1, m0, m1] => (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([m0, m1])),
            _ => (0, 0),
        };
        let after =
            (0..16).filter(move |bit| mask & (1 << bit) != 0).map(move |bit| number.wrapping_add(bit + 1));
        std::iter::once(number).chain(after)
    })
}

/// The number of the request for this source among the entries of a [`Feedback::FullIntra`].
pub fn request_for(ssrc: u32, entries: &[u8]) -> Option<u8> {
    entries.chunks_exact(8).find_map(|entry| match *entry {
        [a, b, c, d, number, ..] if u32::from_be_bytes([a, b, c, d]) == ssrc => Some(number),
        _ => None,
    })
}

fn read_one(format: u8, kind: u8, packet: &[u8]) -> Option<Feedback<'_>> {
    let ssrc = u32::from_be_bytes(*packet.get(8..)?.first_chunk()?);
    let rest = packet.get(12..)?;
    match (kind, format) {
        (TRANSPORT, NACK) => Some(Feedback::Nack { ssrc, pairs: rest }),
        (PAYLOAD, PLI) => Some(Feedback::PictureLoss { ssrc }),
        (PAYLOAD, FIR) => Some(Feedback::FullIntra { entries: rest }),
        (PAYLOAD, APPLICATION) => {
            let [b'R', b'E', b'M', b'B', _, a, b, c, ..] = *rest else { return None };
            let mantissa = u64::from(u32::from_be_bytes([0, a & 0x03, b, c]));
            // Eighteen bits, moved by six bits' worth at most: what does not fit is more than anybody sends.
            mantissa.checked_mul(1u64.checked_shl(u32::from(a >> 2))?).map(Feedback::Bitrate)
        }
        _ => None,
    }
}

/// What we ask of a far end, written behind a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// These packets again.
    Nack(&'a [u16]),
    /// A whole picture, because one is lost.
    PictureLoss,
    /// A whole picture, by the request of this number.
    FullIntra(u8),
    /// To send no more than so many bits in a second.
    Bitrate(u64),
}

impl Request<'_> {
    /// Writes the request of `sender` about `source` to the start of `buffer`; returns its length, or `None` when it does
    /// not fit.
    pub fn write(&self, sender: u32, source: u32, buffer: &mut [u8]) -> Option<usize> {
        let mut packet = Packet { buffer, len: 4 };
        packet.put(&sender.to_be_bytes())?;
        let (kind, format) = match *self {
            Request::Nack(numbers) => {
                packet.put(&source.to_be_bytes())?;
                packet.nack(numbers)?;
                (TRANSPORT, NACK)
            }
            Request::PictureLoss => {
                packet.put(&source.to_be_bytes())?;
                (PAYLOAD, PLI)
            }
            Request::FullIntra(number) => {
                // RFC 5104 §4.3.1.1: the source stands in the entry.
                packet.put(&[0; 4])?;
                packet.put(&source.to_be_bytes())?;
                packet.put(&[number, 0, 0, 0])?;
                (PAYLOAD, FIR)
            }
            Request::Bitrate(bits) => {
                packet.put(&[0; 4])?;
                packet.put(b"REMB")?;
                let exponent = (u64::BITS - bits.leading_zeros()).saturating_sub(18);
                let [.., a, b, c] = (bits >> exponent).to_be_bytes();
                packet.put(&[1, (exponent as u8) << 2 | a & 0x03, b, c])?;
                packet.put(&source.to_be_bytes())?;
                (PAYLOAD, APPLICATION)
            }
        };
        let len = packet.len;
        let [high, low] = ((len / 4 - 1) as u16).to_be_bytes();
        buffer.get_mut(..4)?.copy_from_slice(&[2 << 6 | format, kind, high, low]);
        Some(len)
    }
}

struct Packet<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Packet<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.buffer.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Numbers in the order in which they were asked for; those within sixteen after another stand in its mask.
    fn nack(&mut self, numbers: &[u16]) -> Option<()> {
        let mut rest = numbers.iter().copied().peekable();
        while let Some(first) = rest.next() {
            let mut mask = 0u16;
            while let Some(bit) =
                rest.peek().map(|next| next.wrapping_sub(first)).filter(|ahead| (1..=16).contains(ahead))
            {
                mask |= 1 << (bit - 1);
                rest.next();
            }
            self.put(&first.to_be_bytes())?;
            self.put(&mask.to_be_bytes())?;
        }
        Some(())
    }
}

/// RTPFB.
const TRANSPORT: u8 = 205;
const NACK: u8 = 1;
/// PSFB.
const PAYLOAD: u8 = 206;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtcp_types::{Compound, Packet as Parsed};

    use super::*;

    fn written(request: Request<'_>) -> Vec<u8> {
        let mut buffer = [0; 256];
        let len = request.write(7, 9, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(
            feedback(&written(Request::PictureLoss)).collect::<Vec<_>>(),
            [Feedback::PictureLoss { ssrc: 9 }]
        );
        let intra = written(Request::FullIntra(5));
        let Some(Feedback::FullIntra { entries }) = feedback(&intra).next() else { panic!("{intra:?}") };
        assert_eq!((request_for(9, entries), request_for(8, entries)), (Some(5), None));
        for bits in [0, 1, 300_000, 2_500_000, u64::MAX >> 1] {
            let bitrate = written(Request::Bitrate(bits));
            let Some(Feedback::Bitrate(read)) = feedback(&bitrate).next() else { panic!("{bitrate:?}") };
            assert!(read <= bits && bits - read <= bits >> 17, "{bits} {read}");
        }
        let numbers = [65_530, 65_531, 9, 10, 27];
        let nack = written(Request::Nack(&numbers));
        let Some(Feedback::Nack { ssrc: 9, pairs }) = feedback(&nack).next() else { panic!("{nack:?}") };
        assert_eq!((missing(pairs).collect::<Vec<_>>(), pairs.len()), (numbers.to_vec(), 8));
    }

    #[test]
    fn another_implementation_reads_it_behind_a_report() {
        let mut compound = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        for request in
            [Request::Nack(&[3, 4]), Request::PictureLoss, Request::FullIntra(1), Request::Bitrate(500_000)]
        {
            compound.extend(written(request));
        }
        let packets: Vec<_> = Compound::parse(&compound).unwrap().map(Result::unwrap).collect();
        assert!(matches!(
            packets[..],
            [
                Parsed::Rr(_),
                Parsed::TransportFeedback(_),
                Parsed::PayloadFeedback(_),
                Parsed::PayloadFeedback(_),
                Parsed::PayloadFeedback(_)
            ]
        ));
        assert_eq!(feedback(&compound).count(), 4);
        assert!(super::super::read(&compound, 9).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 204u8..208) {
            if let [first, second, ..] = &mut bytes[..] {
                *first = *first & 0x3f | 0x80;
                *second = kind;
            }
            for feedback in feedback(&bytes) {
                match feedback {
                    Feedback::Nack { pairs, .. } => prop_assert!(missing(pairs).count() <= 17 * 50),
                    Feedback::FullIntra { entries } => { request_for(1, entries); }
                    Feedback::PictureLoss { .. } | Feedback::Bitrate(_) => {}
                }
            }
        }
    }
}

//! The master key identifier of a packet ([RFC 3711 §3.1]).
//!
//! [RFC 3711 §3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.1

use super::SrtpError;

/// A master key identifier: a number that each packet carries in a field of a fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mki {
    /// The number.
    pub value: u64,
    /// Bytes of the field, from 1 to 128.
    pub len: u8,
}

impl Mki {
    /// The longest field that a sender of ours writes, and that tells several keys apart.
    pub const MAX_SENT: u8 = 4;

    /// Whether the number fits into the field, so that a packet can carry it.
    pub(crate) const fn fits(self) -> bool {
        self.len >= 8 || self.value >> (8 * self.len) == 0
    }

    /// Puts the field into a protected packet of `len` bytes, before the last `behind` of them; returns the packet's length
    /// with it.
    #[inline]
    pub(super) fn insert(self, buffer: &mut [u8], len: usize, behind: usize) -> Result<usize, SrtpError> {
        let (field, at) = (usize::from(self.len), len.checked_sub(behind).ok_or(SrtpError::Malformed)?);
        let packet = buffer.get_mut(at..len + field).ok_or(SrtpError::NoTailRoom)?;
        packet.copy_within(..behind, field);
        let digits = self.value.to_be_bytes();
        let missing = digits.len().saturating_sub(field);
        let (zeros, number) = packet.split_at_mut(field.saturating_sub(digits.len()));
        zeros.fill(0);
        for (to, from) in number.iter_mut().zip(digits.iter().skip(missing)) {
            *to = *from;
        }
        Ok(len + field)
    }

    /// Takes the field out of a packet, where it stands before the last `behind` bytes; returns the packet's length
    /// without it.
    #[inline]
    pub(super) fn strip(self, packet: &mut [u8], behind: usize) -> Result<usize, SrtpError> {
        let end = packet.len().checked_sub(behind).ok_or(SrtpError::Malformed)?;
        let start = end.checked_sub(self.len.into()).ok_or(SrtpError::Malformed)?;
        let field = packet.get(start..end).ok_or(SrtpError::Malformed)?;
        // Another number names a key that we were not given.
        if !self.is(field) {
            return Err(SrtpError::Unauthentic);
        }
        packet.copy_within(end.., start);
        Ok(packet.len() - usize::from(self.len))
    }

    fn is(self, field: &[u8]) -> bool {
        let value = self.value.to_be_bytes();
        let digits = field.len().saturating_sub(value.len());
        let (front, back) = field.split_at(digits);
        let (zeros, number) = value.split_at(value.len() - back.len());
        front.iter().chain(zeros).all(|byte| *byte == 0) && back == number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_taken_out_before_the_tag() {
        let mki = Mki { value: 258, len: 4 };
        let mut packet = *b"data\x00\x00\x01\x02tag";
        assert_eq!(mki.strip(&mut packet, 3), Ok(7));
        assert_eq!(&packet[..7], b"datatag");
        let mut packet = *b"data\x00\x00\x01\x03tag";
        assert_eq!(mki.strip(&mut packet, 3), Err(SrtpError::Unauthentic));
        assert_eq!(mki.strip(&mut [0; 6], 3), Err(SrtpError::Malformed));
        assert_eq!(mki.strip(&mut [0; 2], 3), Err(SrtpError::Malformed));
    }

    #[test]
    fn what_is_put_in_is_taken_out() {
        for mki in [(0, 1), (255, 1), (258, 4), (u64::MAX, 8), (7, 20)].map(|(value, len)| Mki { value, len })
        {
            for behind in [0, 3] {
                let mut packet = *b"datatag.....................";
                assert!(mki.fits());
                let len = mki.insert(&mut packet, 7, behind).unwrap();
                assert_eq!(len, 7 + usize::from(mki.len));
                assert_eq!(&packet[len..], &b"....................."[usize::from(mki.len)..], "{mki:?}");
                assert_eq!(mki.strip(&mut packet[..len], behind), Ok(7), "{mki:?} {behind}");
                assert_eq!(&packet[..7], b"datatag");
            }
        }
        assert_eq!(Mki { value: 1, len: 4 }.insert(&mut [0; 10], 7, 3), Err(SrtpError::NoTailRoom));
        assert_eq!(Mki { value: 1, len: 4 }.insert(&mut [0; 10], 2, 3), Err(SrtpError::Malformed));
        assert!(!Mki { value: 256, len: 1 }.fits());
    }

    #[test]
    fn a_field_may_be_longer_or_shorter_than_a_number() {
        let mut long = vec![0; 20];
        long[19] = 7;
        assert_eq!(Mki { value: 7, len: 20 }.strip(&mut long, 0), Ok(0));
        long[3] = 1;
        assert_eq!(Mki { value: 7, len: 20 }.strip(&mut long, 0), Err(SrtpError::Unauthentic));
        assert_eq!(Mki { value: 7, len: 1 }.strip(&mut [7], 0), Ok(0));
        assert_eq!(Mki { value: 263, len: 1 }.strip(&mut [7], 0), Err(SrtpError::Unauthentic));
    }
}

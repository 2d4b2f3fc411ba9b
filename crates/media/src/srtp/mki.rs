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

//! The payload of a telephone event.

/// One telephone event as a packet reports it ([RFC 4733 §2.3]).
///
/// [RFC 4733 §2.3]: https://www.rfc-editor.org/rfc/rfc4733#section-2.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which event.
    pub event: u8,
    /// Whether it is over.
    pub end: bool,
    /// The power of the tone in -dBm0, from 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in units of the timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// The bytes of a payload.
    pub const LEN: usize = 4;

    /// Reads the first event of a payload; `None` when there is none. The reserved bit is ignored.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(TelephoneEvent { event, end: flags & END != 0, volume: flags & VOLUME, duration })
    }

    /// Its payload.
    pub const fn write(&self) -> [u8; Self::LEN] {
        let flags = if self.end { END } else { 0 } | (self.volume & VOLUME);
        let [high, low] = self.duration.to_be_bytes();
        [self.event, flags, high, low]
    }
}

const END: u8 = 0x80;
const VOLUME: u8 = 0x3f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_where_rfc_4733_has_them() {
        let event = TelephoneEvent { event: 5, end: true, volume: 10, duration: 0x0320 };
        assert_eq!(event.write(), [5, 0x8a, 0x03, 0x20]);
        assert_eq!(TelephoneEvent::read(&[5, 0xca, 0x03, 0x20, 9, 9]), Some(event));
        assert_eq!(TelephoneEvent::read(&[5, 0x8a, 0x03]), None);
    }

    #[test]
    fn every_payload_is_read_as_it_was_written() {
        for bits in 0..=u16::MAX {
            let [event, flags] = bits.to_be_bytes();
            let read = TelephoneEvent::read(&[event, flags, flags, event]).unwrap();
            assert_eq!(read.write(), [event, flags & 0xbf, flags, event]);
        }
    }
}

//! What is read of a packet without decoding it.

/// The time that a packet holds, in ticks of 48 kHz; `None` for what is no packet ([RFC 6716 §3.4]).
///
/// [RFC 6716 §3.4]: https://www.rfc-editor.org/rfc/rfc6716#section-3.4
pub(crate) fn duration(payload: &[u8]) -> Option<u32> {
    let samples = opus_pure::packet::samples_48k(payload).ok()?;
    u32::try_from(samples).ok().filter(|samples| (1..=5760).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_duration() {
        for (payload, ticks) in [
            // Configuration 1, one frame: SILK, 20 ms.
            (&[0x08, 1, 2][..], Some(960)),
            // Configuration 3: 60 ms.
            (&[0x18, 1, 2], Some(2880)),
            // Configuration 31, two frames of 20 ms.
            (&[0xf9, 1, 2], Some(1920)),
            // Three frames of 10 ms by code 3.
            (&[0x03, 3, 1, 2, 3], Some(1440)),
            // 63 frames of 20 ms; no frame; no count.
            (&[0xfb, 63, 1], None),
            (&[0xfb, 0, 1], None),
            (&[0xfb], None),
            (&[], None),
        ] {
            assert_eq!(duration(payload), ticks, "{payload:02x?}");
        }
    }
}

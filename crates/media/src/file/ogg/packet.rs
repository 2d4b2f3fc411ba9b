//! How long an Opus packet lasts.

/// The samples at 48 kHz of an Opus packet ([RFC 6716 §3.1], §3.2); `None` for what is no packet.
///
/// [RFC 6716 §3.1]: https://www.rfc-editor.org/rfc/rfc6716#section-3.1
pub fn duration(packet: &[u8]) -> Option<u32> {
    let &toc = packet.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let samples = frames * frame(toc);
    (1..=LONGEST).contains(&samples).then_some(samples)
}

/// The samples of one frame.
fn frame(toc: u8) -> u32 {
    let (config, place) = (toc >> 3, u32::from(toc >> 3) & 3);
    match config {
        0..12 => [480, 960, 1920, 2880].get(place as usize).copied().unwrap_or_default(),
        12..16 => 480 << (place & 1),
        _ => 120 << place,
    }
}

/// The first byte of a packet of one frame of 20 ms that has nothing in it, in the mode and the channels of another one:
/// what a decoder conceals (RFC 7845 §4.1).
pub(super) fn empty_frame(toc: u8) -> u8 {
    let config = match toc >> 3 {
        silk @ 0..12 => silk / 4 * 4 + 1,
        hybrid @ 12..16 => hybrid | 1,
        celt => celt | 3,
    };
    config << 3 | toc & 4
}

/// 120 ms.
const LONGEST: u32 = 5760;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_rfc_6716() {
        let toc = |config: u8, code: u8| [config << 3 | code, 3];
        for (config, samples) in
            [(0, 480), (1, 960), (2, 1920), (11, 2880), (12, 480), (15, 960), (16, 120), (31, 960)]
        {
            assert_eq!(duration(&toc(config, 0)), Some(samples));
            assert_eq!(duration(&toc(config, 2)), Some(2 * samples));
            assert_eq!(duration(&toc(config, 3)), Some(3 * samples).filter(|&samples| samples <= 5760));
        }
        assert_eq!((duration(&[]), duration(&[3]), duration(&[3, 0])), (None, None, None));
    }

    #[test]
    fn an_empty_frame_is_twenty_milliseconds_of_the_same_mode() {
        for toc in 0..=u8::MAX {
            let empty = empty_frame(toc);
            assert_eq!((duration(&[empty]), empty & 4), (Some(960), toc & 4));
        }
    }
}

//! L16: linear samples of 16 bits in network byte order ([RFC 3551 §4.5.11]).
//!
//! [RFC 3551 §4.5.11]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.11

/// Reads samples; of two channels their mean. Writes as many as fit.
pub(super) fn read(payload: &[u8], channels: u8, pcm: &mut [i16]) {
    if channels == 2 {
        let (frames, _) = payload.as_chunks::<4>();
        for (sample, &[a, b, c, d]) in pcm.iter_mut().zip(frames) {
            let (left, right) = (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
            *sample = ((i32::from(left) + i32::from(right)) >> 1) as i16;
        }
    } else {
        let (samples, _) = payload.as_chunks::<2>();
        for (sample, bytes) in pcm.iter_mut().zip(samples) {
            *sample = i16::from_be_bytes(*bytes);
        }
    }
}

/// Writes samples, into each of two channels alike. Writes as many as fit.
pub(super) fn write(pcm: &[i16], channels: u8, payload: &mut [u8]) {
    if channels == 2 {
        let (frames, _) = payload.as_chunks_mut::<4>();
        for (frame, sample) in frames.iter_mut().zip(pcm) {
            let [high, low] = sample.to_be_bytes();
            *frame = [high, low, high, low];
        }
    } else {
        let (samples, _) = payload.as_chunks_mut::<2>();
        for (bytes, sample) in samples.iter_mut().zip(pcm) {
            *bytes = sample.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_in_network_byte_order() {
        let mut payload = [0; 4];
        write(&[0x1234, -2], 1, &mut payload);
        assert_eq!(payload, [0x12, 0x34, 0xff, 0xfe]);
        let mut pcm = [0; 2];
        read(&payload, 1, &mut pcm);
        assert_eq!(pcm, [0x1234, -2]);
    }

    #[test]
    fn two_channels_are_one_by_their_mean() {
        let mut payload = [0; 8];
        write(&[1000, i16::MIN], 2, &mut payload);
        let mut pcm = [0; 2];
        read(&payload, 2, &mut pcm);
        assert_eq!(pcm, [1000, i16::MIN]);
        read(&[0x7f, 0xff, 0x80, 0, 0, 100, 0, 50], 2, &mut pcm);
        assert_eq!(pcm, [-1, 75]);
    }
}

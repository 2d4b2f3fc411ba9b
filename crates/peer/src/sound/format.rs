//! How a device is opened: its rate, channels and format, out of those that it has.

use cpal::{
    BufferSize, Sample, SampleFormat, SampleRate, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};
use ringback_media::audio::Resampler;

use super::Which;
use crate::audio::RATE;

/// The best of what a device has: samples that we have ourselves, no more channels than are used, a usual rate.
pub(super) fn choose(
    ranges: impl Iterator<Item = SupportedStreamConfigRange>,
    which: Which,
) -> Option<(StreamConfig, SampleFormat)> {
    let fit = |range: SupportedStreamConfigRange| {
        let format = FORMATS.iter().position(|format| *format == range.sample_format())?;
        let (rate, liked) = rate(range.min_sample_rate(), range.max_sample_rate())?;
        // One channel is enough to speak by; who listens has two ears.
        let wanted: u16 = if which == Which::Microphone { 1 } else { 2 };
        let channels = range.channels().abs_diff(wanted);
        Some(((liked, channels, format), range, rate))
    };
    let (_, range, sample_rate) = ranges.filter_map(fit).min_by_key(|(liking, ..)| *liking)?;
    let buffer_size = match *range.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed((sample_rate / PERIODS).clamp(min, max))
        }
        _ => BufferSize::Default,
    };
    Some((StreamConfig { channels: range.channels(), sample_rate, buffer_size }, range.sample_format()))
}

/// The rate between two that is liked best and can be converted, and how much it is liked: the less, the better.
fn rate(least: SampleRate, most: SampleRate) -> Option<(SampleRate, usize)> {
    let rates = RATES.into_iter().chain([least, most]).enumerate();
    let mut usable = rates.filter(|(_, rate)| {
        (least..=most).contains(rate)
            && Resampler::between(*rate, RATE).is_some()
            && Resampler::between(RATE, *rate).is_some()
    });
    usable.next().map(|(liked, rate)| (rate, liked))
}

/// One channel out of several: a microphone is on the first, or on both of the first two.
pub(super) fn mono<T: Sample>(samples: &[T], channels: usize) -> impl ExactSizeIterator<Item = i16>
where
    i16: cpal::FromSample<T>,
{
    samples.chunks_exact(channels.max(1)).map(|frame| {
        let mut sides = frame.iter().take(2).map(|sample| i32::from(sample.to_sample::<i16>()));
        let first = sides.next().unwrap_or_default();
        let second = sides.next().unwrap_or(first);
        ((first + second) / 2) as i16
    })
}

/// Several channels out of one: it is on the first two, and the others are silent.
pub(super) fn spread<T: Sample + cpal::FromSample<i16>>(mono: &[i16], channels: usize, out: &mut [T]) {
    let silence = T::from_sample(0i16);
    for (frame, sample) in out.chunks_mut(channels.max(1)).zip(mono) {
        for (channel, place) in frame.iter_mut().enumerate() {
            *place = if channel < 2 { T::from_sample(*sample) } else { silence };
        }
    }
}

/// Formats that are taken, what is liked best first.
const FORMATS: [SampleFormat; 12] = [
    SampleFormat::I16,
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::U16,
    SampleFormat::F64,
    SampleFormat::U24,
    SampleFormat::U32,
    SampleFormat::I64,
    SampleFormat::U64,
    SampleFormat::I8,
    SampleFormat::U8,
];

/// Rates that are asked for before all others.
const RATES: [SampleRate; 5] = [48_000, 44_100, 32_000, 16_000, 96_000];

/// How often in a second a device is to give or take something.
const PERIODS: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn range(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        let buffer = SupportedBufferSize::Range { min: 32, max: 4096 };
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, buffer, format)
    }

    #[test]
    fn a_usual_rate_goes_before_channels_and_these_before_the_format() {
        let all = || {
            let rates = [(8000, 192_000), (44_100, 44_100)];
            let formats = [SampleFormat::F32, SampleFormat::I16, SampleFormat::U8];
            rates.into_iter().flat_map(move |rates| {
                formats.into_iter().flat_map(move |format| (1..9).map(move |n| range(n, rates, format)))
            })
        };
        let (config, format) = choose(all(), Which::Speaker).unwrap();
        assert_eq!((config.channels, config.sample_rate, format), (2, 48_000, SampleFormat::I16));
        assert_eq!(config.buffer_size, BufferSize::Fixed(960));
        assert_eq!(choose(all(), Which::Microphone).unwrap().0.channels, 1);
    }

    #[test]
    fn a_device_with_one_strange_setting_is_opened_with_it() {
        for (rates, rate) in
            [((11_025, 11_025), 11_025), ((22_050, 22_050), 22_050), ((192_000, 768_000), 192_000)]
        {
            let one = range(6, rates, SampleFormat::I32);
            let (config, format) = choose([one].into_iter(), Which::Microphone).unwrap();
            assert_eq!((config.channels, config.sample_rate, format), (6, rate, SampleFormat::I32));
        }
        let none =
            [range(2, (4000, 4000), SampleFormat::I16), range(2, (48_000, 48_000), SampleFormat::DsdU8)];
        assert!(choose(none.into_iter(), Which::Speaker).is_none());
    }

    #[test]
    fn channels_become_one_and_one_becomes_channels() {
        let samples = [0.5f32, -0.5, 0.9, 0.25, 0.25, 0.9];
        assert_eq!(mono(&samples, 3).collect::<Vec<_>>(), [0, 8192]);
        assert_eq!(mono(&[i16::MIN, i16::MAX], 1).collect::<Vec<_>>(), [i16::MIN, i16::MAX]);
        let mut out = [7u8; 7];
        spread(&[i16::MIN, i16::MAX], 3, &mut out);
        assert_eq!(out, [0, 0, 128, 255, 255, 128, 7]);
    }
}

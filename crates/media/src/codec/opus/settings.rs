//! The parameters of `a=fmtp` for Opus ([RFC 7587 §6.1]).
//!
//! [RFC 7587 §6.1]: https://www.rfc-editor.org/rfc/rfc7587#section-6.1

use crate::sdp::Codec;

use super::MAX_BITRATE;

/// What a far end wants to get, and says of what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `maxplaybackrate`: the rate in hertz that it can make heard.
    pub max_playback_rate: u32,
    /// `maxaveragebitrate`: the most bits in a second, on average.
    pub max_average_bitrate: Option<u32>,
    /// `useinbandfec`: each packet may have a copy of the frame before.
    pub in_band_fec: bool,
    /// `usedtx`: silence need not be sent.
    pub dtx: bool,
    /// `cbr`: every packet of a stream has one size.
    pub constant_bitrate: bool,
    /// `stereo`: two channels are liked better than one.
    pub stereo: bool,
    /// `sprop-stereo`: it will probably send two channels.
    pub sends_stereo: bool,
}

impl Settings {
    /// The parameters of a description. One that cannot be read, or is out of its range, has its default.
    pub fn of(codec: &Codec) -> Self {
        let number = |name: &str, range: std::ops::RangeInclusive<u32>| {
            codec.parameter(name)?.parse().ok().filter(|value| range.contains(value))
        };
        let is_set = |name: &str| codec.parameter(name) == Some("1");
        Settings {
            max_playback_rate: number("maxplaybackrate", 1..=48000).unwrap_or(48000),
            max_average_bitrate: number("maxaveragebitrate", 6000..=510_000),
            in_band_fec: is_set("useinbandfec"),
            dtx: is_set("usedtx"),
            constant_bitrate: is_set("cbr"),
            stereo: is_set("stereo"),
            sends_stereo: is_set("sprop-stereo"),
        }
    }

    /// The bit rate that is sent for samples at `rate`: what speech needs for the bandwidth ([RFC 7587 §3.1.1]), and
    /// not more than the far end wants.
    ///
    /// [RFC 7587 §3.1.1]: https://www.rfc-editor.org/rfc/rfc7587#section-3.1.1
    pub fn bitrate(&self, rate: u32) -> u32 {
        let enough = match rate.min(self.max_playback_rate) {
            ..=12000 => 16000,
            12001..=16000 => 24000,
            16001.. => 32000,
        };
        enough.min(self.max_average_bitrate.unwrap_or(MAX_BITRATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fmtp: &str) -> Settings {
        Settings::of(&Codec { fmtp: Some(fmtp.to_owned()), ..Codec::new(111, "opus", 48000, 2) })
    }

    #[test]
    fn defaults_are_those_of_the_rfc() {
        let defaults = Settings {
            max_playback_rate: 48000,
            max_average_bitrate: None,
            in_band_fec: false,
            dtx: false,
            constant_bitrate: false,
            stereo: false,
            sends_stereo: false,
        };
        assert_eq!(Settings::of(&Codec::new(111, "opus", 48000, 2)), defaults);
        assert_eq!(of("minptime=10;maxaveragebitrate=5999;maxplaybackrate=96000;cbr=yes;usedtx="), defaults);
    }

    #[test]
    fn every_parameter_is_read() {
        let settings =
            of("maxplaybackrate=16000; sprop-maxcapturerate=8000;maxaveragebitrate=20000; stereo=1;\
                           useinbandfec=1; usedtx=1;cbr=1 ;SPROP-STEREO=1");
        let expected = Settings {
            max_playback_rate: 16000,
            max_average_bitrate: Some(20000),
            in_band_fec: true,
            dtx: true,
            constant_bitrate: true,
            stereo: true,
            sends_stereo: true,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn the_bit_rate_is_what_the_bandwidth_needs_and_the_far_end_wants() {
        assert_eq!(of("").bitrate(8000), 16000);
        assert_eq!(of("").bitrate(48000), 32000);
        assert_eq!(of("maxplaybackrate=8000").bitrate(48000), 16000);
        assert_eq!(of("maxaveragebitrate=12000").bitrate(48000), 12000);
        assert_eq!(of("maxaveragebitrate=510000").bitrate(16000), 24000);
    }
}

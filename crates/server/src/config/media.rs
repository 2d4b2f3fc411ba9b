//! `[media]`: ports and threads of the media path.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ringback_media::audio::Region;
use ringback_media::negotiation::{self, Transcoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How media is carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// The UDP ports of plain RTP and RTCP.
    pub rtp_ports: PortRange,
    /// How many threads carry media. Each has a WebRTC port of its own.
    pub workers: u16,
    /// Whether io_uring carries packets where the machine allows it.
    pub io_uring: bool,
    /// Which calls have their media past Ringback.
    pub bypass: Bypass,
    /// Whether the media of telephones is encrypted.
    pub srtp: Srtp,
    /// When codecs of ours are offered behind those of the other party.
    pub transcode: Transcode,
    /// Whether calls may have video.
    pub video: bool,
    /// What who is held hears: a file, `tones`, or nothing when it is empty.
    pub hold_music: PathBuf,
    /// Where the tones of the network sound as they do here.
    pub tones: Tones,
}

/// When codecs of ours are offered behind those of the other party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transcode {
    /// Never.
    Never,
    /// Where the other party has no G.711.
    #[default]
    Needed,
    /// Always.
    Always,
}

impl From<Transcode> for Transcoding {
    fn from(transcode: Transcode) -> Self {
        match transcode {
            Transcode::Never => Transcoding::Never,
            Transcode::Needed => Transcoding::Needed,
            Transcode::Always => Transcoding::Always,
        }
    }
}

/// Which calls have their media past Ringback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bypass {
    /// None.
    #[default]
    Never,
    /// Those between two telephones that reach each other.
    Local,
}

impl From<Bypass> for ringback_control::Bypass {
    fn from(bypass: Bypass) -> Self {
        match bypass {
            Bypass::Never => ringback_control::Bypass::Never,
            Bypass::Local => ringback_control::Bypass::Local,
        }
    }
}

/// Whether the media of telephones is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// By how the telephone is reached: preferred over TLS, taken when offered over UDP and TCP.
    #[default]
    Auto,
    /// Not even when it is offered.
    Never,
    /// When the telephone offers it.
    Offered,
    /// We offer it; a telephone without it is called in the clear.
    Preferred,
    /// Telephones without it have no calls.
    Required,
}

impl From<Srtp> for Option<negotiation::Srtp> {
    fn from(srtp: Srtp) -> Self {
        Some(match srtp {
            Srtp::Auto => return None,
            Srtp::Never => negotiation::Srtp::Never,
            Srtp::Offered => negotiation::Srtp::Offered,
            Srtp::Preferred => negotiation::Srtp::Preferred,
            Srtp::Required => negotiation::Srtp::Required,
        })
    }
}

/// Whose tones of a telephone network are played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Tones {
    /// Those that most of Europe has in common.
    #[default]
    Eu,
    /// The United States and Canada.
    Us,
    /// The United Kingdom.
    Uk,
    /// Japan.
    Jp,
    /// Australia.
    Au,
}

impl From<Tones> for Region {
    fn from(tones: Tones) -> Self {
        match tones {
            Tones::Eu => Region::Europe,
            Tones::Us => Region::UnitedStates,
            Tones::Uk => Region::UnitedKingdom,
            Tones::Jp => Region::Japan,
            Tones::Au => Region::Australia,
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Media {
            rtp_ports: PortRange { first: 20_000, last: 29_999 },
            workers: 1,
            io_uring: true,
            bypass: Bypass::default(),
            transcode: Transcode::default(),
            srtp: Srtp::Auto,
            video: true,
            hold_music: PathBuf::new(),
            tones: Tones::default(),
        }
    }
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// The even port of every pair of RTP and RTCP that lies in the range.
    pub fn pairs(self) -> impl Iterator<Item = u16> {
        (self.first..self.last).skip(usize::from(self.first % 2)).step_by(2)
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range of at least two ports; write it as `20000-29999`");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.trim().parse().map_err(|_| wrong())?;
        let last: u16 = last.trim().parse().map_err(|_| wrong())?;
        if first == 0 || first >= last {
            return Err(wrong());
        }
        Ok(PortRange { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_start_at_even_ports_and_lie_in_the_range() {
        let pairs = |first, last| PortRange { first, last }.pairs().collect::<Vec<_>>();
        assert_eq!(pairs(4000, 4003), [4000, 4002]);
        assert_eq!(pairs(4001, 4005), [4002, 4004]);
        assert!(pairs(4001, 4002).is_empty());
        assert_eq!(pairs(65_533, 65_535), [65_534]);
    }

    #[test]
    fn a_range_needs_two_ports_in_order() {
        assert_eq!("4000-4001".parse(), Ok(PortRange { first: 4000, last: 4001 }));
        for wrong in ["4000", "4000-4000", "4001-4000", "0-10", "1-65536", "a-b", ""] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong}");
        }
    }
}

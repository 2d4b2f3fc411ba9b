//! `a=rtpmap` and `a=fmtp`: what a payload type means.

use std::fmt;

use sdp_types::Attribute;

use super::attributes::{is_token, values};

/// A payload type and the format it stands for in one description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding name as it was written.
    pub name: String,
    /// The RTP clock rate in hertz, never 0.
    pub clock_rate: u32,
    /// The number of channels.
    pub channels: u8,
    /// The parameters of `a=fmtp`: what the writer of the description wants to receive.
    pub fmtp: Option<String>,
}

/// What a format is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Speech or music: what two legs must share.
    Audio,
    /// Comfort noise ([RFC 3389]), used beside audio of the same clock rate.
    ///
    /// [RFC 3389]: https://www.rfc-editor.org/rfc/rfc3389
    ComfortNoise,
    /// DTMF and other events ([RFC 4733]), used beside audio of the same clock rate.
    ///
    /// [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
    TelephoneEvent,
    /// Pictures: what two legs may share beside audio.
    Video,
    /// Redundancy and repair, whose packets or parameters name other payload types: `red`, `rtx`, `ulpfec`, ….
    ///
    /// A leg that numbers its payload types by itself cannot carry them on.
    Wrapper,
}

impl Codec {
    /// A codec of the list below, without parameters.
    pub(crate) fn new(payload_type: u8, name: &str, clock_rate: u32, channels: u8) -> Self {
        Codec { payload_type, name: name.to_owned(), clock_rate, channels, fmtp: None }
    }

    /// What the format is for.
    pub fn kind(&self) -> Kind {
        if self.name.eq_ignore_ascii_case("telephone-event") {
            Kind::TelephoneEvent
        } else if self.name.eq_ignore_ascii_case("CN") {
            Kind::ComfortNoise
        } else if WRAPPERS.iter().any(|name| self.name.eq_ignore_ascii_case(name)) {
            Kind::Wrapper
        } else if VIDEO.iter().any(|name| self.name.eq_ignore_ascii_case(name)) {
            Kind::Video
        } else {
            Kind::Audio
        }
    }

    /// Whether both stand for the same format, so that a payload of one can be sent as the other.
    ///
    /// Names compare in any case of letters ([RFC 8866 §6.6]). Parameters are wishes of a receiver and differ freely,
    /// except those that change how a payload is laid out.
    ///
    /// [RFC 8866 §6.6]: https://www.rfc-editor.org/rfc/rfc8866#section-6.6
    pub fn is_same_format(&self, other: &Codec) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && (self.channels == other.channels || self.name.eq_ignore_ascii_case("opus"))
            && self.layout().eq(other.layout())
            && self.h264_profile() == other.h264_profile()
    }

    /// A parameter of `a=fmtp`, by name in any case of letters.
    pub fn parameter<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.fmtp.as_deref()?.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            key.trim_ascii().eq_ignore_ascii_case(name).then_some(value.trim_ascii())
        })
    }

    /// The values of the parameters that change the layout of a payload, with their defaults.
    fn layout(&self) -> impl Iterator<Item = &str> {
        LAYOUT_PARAMETERS
            .iter()
            .filter(|(name, ..)| self.name.eq_ignore_ascii_case(name))
            .map(|&(_, parameter, default)| self.parameter(parameter).unwrap_or(default))
    }

    /// The profile of H.264, whose level a receiver may say differently ([RFC 6184 §8.2.2]). Of the Baseline profile the
    /// constraints are left out: everyone who writes it without them encodes what the constrained one allows.
    ///
    /// [RFC 6184 §8.2.2]: https://www.rfc-editor.org/rfc/rfc6184#section-8.2.2
    fn h264_profile(&self) -> Option<u16> {
        if !self.name.eq_ignore_ascii_case("H264") {
            return None;
        }
        let level_id = self.parameter("profile-level-id").and_then(|text| u32::from_str_radix(text, 16).ok());
        let profile = (level_id.unwrap_or(BASELINE_1) >> 8 & 0xffff) as u16;
        Some(if profile >> 8 == BASELINE { BASELINE << 8 } else { profile })
    }

    /// The codecs of an m= section: the payload types of its format list, in its order.
    ///
    /// A payload type that has neither a readable `a=rtpmap` nor a static meaning is unknown and left out; of two lines
    /// for one payload type the first counts.
    pub(super) fn parse_all(formats: &str, attributes: &[Attribute]) -> Vec<Codec> {
        let mut codecs: Vec<Codec> = Vec::new();
        for format in formats.split_ascii_whitespace() {
            let Some(payload_type) = format.parse::<u8>().ok().filter(|number| *number < 128) else {
                continue;
            };
            if codecs.iter().any(|codec| codec.payload_type == payload_type) {
                continue;
            }
            let described = values(attributes, "rtpmap")
                .find_map(|value| numbered(value, payload_type))
                .and_then(|encoding| parse_rtpmap(payload_type, encoding))
                .or_else(|| static_codec(payload_type));
            let Some(mut codec) = described else { continue };
            codec.fmtp = values(attributes, "fmtp")
                .find_map(|value| numbered(value, payload_type))
                .filter(|parameters| !parameters.is_empty())
                .map(str::to_owned);
            codecs.push(codec);
        }
        codecs
    }
}

/// As in `a=rtpmap`: `opus/48000/2`, `PCMA/8000`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        if self.channels != 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

/// What follows the payload type, when the value is about it.
fn numbered(value: &str, payload_type: u8) -> Option<&str> {
    let (number, rest) = value.split_once([' ', '\t'])?;
    (number.parse() == Ok(payload_type)).then(|| rest.trim_ascii())
}

fn parse_rtpmap(payload_type: u8, encoding: &str) -> Option<Codec> {
    let mut fields = encoding.split('/').map(str::trim_ascii);
    let name = fields.next().filter(|name| is_token(name, MAX_NAME_LEN))?;
    let clock_rate = fields.next()?.parse().ok().filter(|rate| *rate > 0)?;
    let channels = match fields.next() {
        Some(channels) => channels.parse().ok().filter(|channels| *channels > 0)?,
        None => 1,
    };
    Some(Codec::new(payload_type, name, clock_rate, channels))
}

/// The meaning of a payload type that needs no `a=rtpmap` ([RFC 3551 §6]).
///
/// [RFC 3551 §6]: https://www.rfc-editor.org/rfc/rfc3551#section-6
fn static_codec(payload_type: u8) -> Option<Codec> {
    let (_, name, clock_rate, channels) = STATIC.into_iter().find(|(number, ..)| *number == payload_type)?;
    Some(Codec::new(payload_type, name, clock_rate, channels))
}

/// The longest encoding name that is read.
const MAX_NAME_LEN: usize = 64;

/// The static audio payload types.
const STATIC: [(u8, &str, u32, u8); 17] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    // Sampled at 16 kHz; the clock rate is 8000 by a mistake of RFC 1890 that everyone keeps.
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
];

const WRAPPERS: [&str; 6] = ["red", "rtx", "ulpfec", "flexfec", "flexfec-03", "parityfec"];

/// The video that passes from leg to leg.
const VIDEO: [&str; 8] = ["VP8", "VP9", "H264", "H265", "AV1", "H263", "H263-1998", "H263-2000"];

/// The Baseline profile of H.264.
const BASELINE: u16 = 0x42;

/// Baseline at level 1, which `profile-level-id` stands for when it is not there.
const BASELINE_1: u32 = 0x42_000a;

/// Parameters that change how a payload is laid out: codec, parameter, default.
const LAYOUT_PARAMETERS: [(&str, &str, &str); 8] = [
    ("H264", "packetization-mode", "0"),
    ("VP9", "profile-id", "0"),
    ("AV1", "profile", "0"),
    ("AMR", "octet-align", "0"),
    ("AMR-WB", "octet-align", "0"),
    ("G7221", "bitrate", ""),
    ("MPEG4-GENERIC", "mode", ""),
    ("MPEG4-GENERIC", "config", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(formats: &str, lines: &[&str]) -> Vec<String> {
        let attributes: Vec<_> = lines
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                Attribute::with_value(name, value)
            })
            .collect();
        Codec::parse_all(formats, &attributes)
            .iter()
            .map(|codec| format!("{} {codec} {}", codec.payload_type, codec.fmtp.as_deref().unwrap_or("-")))
            .collect()
    }

    #[test]
    fn static_payload_types_need_no_rtpmap() {
        assert_eq!(
            codecs("0 8 9 18 13", &["fmtp:18 annexb=no"]),
            ["0 PCMU/8000 -", "8 PCMA/8000 -", "9 G722/8000 -", "18 G729/8000 annexb=no", "13 CN/8000 -"],
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_stays() {
        let lines = [
            "rtpmap: 96 opus/48000/2",
            "rtpmap:97 bad name/8000",
            "rtpmap:98 zero/0",
            "rtpmap:99 PCMA/8000/1",
            "rtpmap:99 PCMU/8000",
            "rtpmap:8 PCMA",
            "fmtp:96  useinbandfec=1",
        ];
        assert_eq!(
            codecs("96 97 98 99 99 100 128 x -1 8", &lines),
            ["96 opus/48000/2 useinbandfec=1", "99 PCMA/8000 -", "8 PCMA/8000 -"],
        );
    }

    #[test]
    fn formats_compare_by_what_a_payload_looks_like() {
        let codec = |name: &str, channels, fmtp: &str| Codec {
            fmtp: Some(fmtp.to_owned()),
            ..Codec::new(96, name, 48000, channels)
        };
        let same = |a: &Codec, b: &Codec| a.is_same_format(b) && b.is_same_format(a);
        assert!(same(&codec("OPUS", 2, "stereo=1"), &codec("opus", 1, "")));
        assert!(!same(&codec("L16", 2, ""), &codec("L16", 1, "")));
        assert!(same(&codec("AMR", 1, "octet-align=0"), &codec("amr", 1, "mode-set=7")));
        assert!(!same(&codec("AMR", 1, "mode-set=7; octet-align=1"), &codec("AMR", 1, "")));
        assert!(!same(&codec("PCMA", 1, ""), &codec("PCMU", 1, "")));
    }

    #[test]
    fn video_compares_by_profile_and_packetization_and_not_by_level() {
        let same = |name: &str, a: &str, b: &str| {
            let [a, b] =
                [a, b].map(|fmtp| Codec { fmtp: Some(fmtp.to_owned()), ..Codec::new(96, name, 90000, 1) });
            assert_eq!(a.is_same_format(&b), b.is_same_format(&a));
            a.is_same_format(&b)
        };
        assert!(same(
            "H264",
            "profile-level-id=42e01f;packetization-mode=1",
            "packetization-mode=1;profile-level-id=42800d"
        ));
        assert!(
            same("H264", "", "profile-level-id=42001f;packetization-mode=0"),
            "what is not said is Baseline"
        );
        assert!(!same("H264", "profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f"));
        assert!(!same("H264", "profile-level-id=42e01f", "profile-level-id=640c1f"));
        assert!(same("VP9", "profile-id=0", "x=y") && !same("VP9", "profile-id=2", ""));
        assert!(same("AV1", "level-idx=5;profile=0", "") && !same("AV1", "profile=1", "profile=0"));
    }

    #[test]
    fn kinds() {
        for (name, kind) in [
            ("PCMA", Kind::Audio),
            ("cn", Kind::ComfortNoise),
            ("Telephone-Event", Kind::TelephoneEvent),
            ("vp8", Kind::Video),
            ("red", Kind::Wrapper),
        ] {
            assert_eq!(Codec::new(96, name, 8000, 1).kind(), kind, "{name}");
        }
    }
}

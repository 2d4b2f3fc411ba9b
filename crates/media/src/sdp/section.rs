//! An m= section.

use std::fmt;

use ringback_nat::ice::Credentials;
use sdp_types::{Attribute, Media};

use super::attributes::{has, is_token, value, values};
use super::{
    Candidate, Codec, Crypto, Direction, Feedback, Host, Kind, MAX_CANDIDATES, MAX_CRYPTO, MAX_FINGERPRINTS,
    Rtcp, Setup, Sources, T38,
};
use crate::dtls::Fingerprint;

/// An m= section with its attributes, those of the session level that hold for it folded in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What kind of media it is.
    pub media: MediaType,
    /// The port; 0 when the section is rejected, or bundle-only.
    pub port: u16,
    /// The transport protocol as it was written, such as `RTP/AVP`.
    pub protocol: String,
    /// The format list as it was written.
    pub formats: String,
    /// The `c=` line.
    pub connection: Option<Host>,
    /// The known payload types of the format list, in its order; none for other protocols than RTP.
    pub codecs: Vec<Codec>,
    /// `a=rtcp-fb`, of all payload types together.
    pub feedback: Feedback,
    /// `a=ssrc` and what belongs to it; written and not read, because a far end's numbers are learnt from its packets.
    pub sources: Option<Sources>,
    /// The direction; it means nothing, and is not written, when the section is not in use.
    pub direction: Direction,
    /// `a=mid`.
    pub mid: Option<String>,
    /// `a=bundle-only`: with port 0 the section is not rejected.
    pub bundle_only: bool,
    /// `a=msid`.
    pub msid: Option<String>,
    /// `a=rtcp`.
    pub rtcp: Option<Rtcp>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// `a=ice-ufrag` and `a=ice-pwd`.
    pub ice: Option<Credentials>,
    /// `a=candidate`.
    pub candidates: Vec<Candidate>,
    /// `a=end-of-candidates`.
    pub end_of_candidates: bool,
    /// `a=fingerprint`, those with a hash that is strong enough.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether there was a fingerprint that is too weak or cannot be read; not written.
    pub has_unusable_fingerprint: bool,
    /// `a=setup`.
    pub setup: Option<Setup>,
    /// `a=crypto`, those that can be used.
    pub crypto: Vec<Crypto>,
    /// Whether there was an `a=crypto`, be it one that can be used or not; not written.
    pub has_crypto: bool,
    /// `a=ptime`: milliseconds of audio in a packet.
    pub ptime: Option<u16>,
    /// `a=maxptime`.
    pub maxptime: Option<u16>,
    /// What a fax says of itself; only of [`MediaType::Image`].
    pub t38: Vec<T38>,
}

/// The media of an m= section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `audio`.
    Audio,
    /// `video`.
    Video,
    /// `image`: a fax.
    Image,
    /// `application`, such as a data channel.
    Application,
    /// Any other, as it was written.
    Other(String),
}

impl Section {
    /// A section of a media type and a protocol with nothing else in it.
    pub fn new(media: MediaType, port: u16, protocol: &str, formats: &str) -> Self {
        Section {
            media,
            port,
            protocol: protocol.to_owned(),
            formats: formats.to_owned(),
            connection: None,
            codecs: Vec::new(),
            feedback: Feedback::default(),
            sources: None,
            direction: Direction::SendRecv,
            mid: None,
            bundle_only: false,
            msid: None,
            rtcp: None,
            rtcp_mux: false,
            ice: None,
            candidates: Vec::new(),
            end_of_candidates: false,
            fingerprints: Vec::new(),
            has_unusable_fingerprint: false,
            setup: None,
            crypto: Vec::new(),
            has_crypto: false,
            ptime: None,
            maxptime: None,
            t38: Vec::new(),
        }
    }

    /// The section with port 0 and nothing but what keeps its place: the answer that rejects it, or a later offer that
    /// does not use it ([RFC 3264 §6] and [§8.2]).
    ///
    /// [RFC 3264 §6]: https://www.rfc-editor.org/rfc/rfc3264#section-6
    /// [§8.2]: https://www.rfc-editor.org/rfc/rfc3264#section-8.2
    pub fn rejected(&self) -> Section {
        Section {
            mid: self.mid.clone(),
            ..Section::new(self.media.clone(), 0, &self.protocol, &self.formats)
        }
    }

    /// Whether the section is in use: a port, or the port of the section it is bundled with.
    pub const fn is_live(&self) -> bool {
        self.port != 0 || self.bundle_only
    }

    pub(super) fn from_media(media: &Media, session: &[Attribute], connection: Option<&Host>) -> Section {
        let own = &media.attributes[..];
        let inherited = |name| value(own, name).or_else(|| value(session, name));
        let is_rtp = media.proto.to_ascii_uppercase().contains("RTP/");

        let fingerprints_at = if has(own, "fingerprint") { own } else { session };
        let mut has_unusable_fingerprint = false;
        let mut fingerprints = Vec::new();
        for text in values(fingerprints_at, "fingerprint").take(MAX_FINGERPRINTS) {
            match text.parse() {
                Ok(fingerprint) => fingerprints.push(fingerprint),
                Err(_) => has_unusable_fingerprint = true,
            }
        }

        let kind = MediaType::from_value(&media.media);
        Section {
            t38: if kind == MediaType::Image { T38::parse_all(own) } else { Vec::new() },
            media: kind,
            port: media.port,
            protocol: media.proto.clone(),
            formats: media.fmt.clone(),
            connection: media
                .connections
                .first()
                .and_then(|own| Host::parse(&own.connection_address))
                .or_else(|| connection.cloned()),
            codecs: if is_rtp { Codec::parse_all(&media.fmt, own) } else { Vec::new() },
            feedback: Feedback::parse(values(own, "rtcp-fb")),
            sources: None,
            direction: direction(own).or_else(|| direction(session)).unwrap_or_default(),
            mid: value(own, "mid").filter(|mid| is_token(mid, MAX_TOKEN_LEN)).map(str::to_owned),
            bundle_only: has(own, "bundle-only"),
            msid: value(own, "msid").filter(|msid| !msid.is_empty()).map(str::to_owned),
            rtcp: value(own, "rtcp").and_then(Rtcp::parse),
            rtcp_mux: has(own, "rtcp-mux") || has(own, "rtcp-mux-only"),
            ice: credentials(inherited("ice-ufrag"), inherited("ice-pwd")),
            candidates: values(own, "candidate").take(MAX_CANDIDATES).filter_map(Candidate::parse).collect(),
            end_of_candidates: has(own, "end-of-candidates"),
            fingerprints,
            has_unusable_fingerprint,
            setup: inherited("setup").and_then(Setup::from_value),
            crypto: values(own, "crypto").take(MAX_CRYPTO).filter_map(Crypto::parse).collect(),
            has_crypto: has(own, "crypto"),
            ptime: inherited("ptime").and_then(|text| text.parse().ok()),
            maxptime: inherited("maxptime").and_then(|text| text.parse().ok()),
        }
    }

    pub(super) fn to_media(&self, session: Option<&Host>) -> Media {
        let mut attributes = Vec::new();
        let mut flag = |name: &str| attributes.push(Attribute::new(name));
        // Annex D of T.38 knows no direction, and both is what none means.
        let is_told = self.media != MediaType::Image || self.direction != Direction::SendRecv;
        if self.is_live() && is_told {
            flag(self.direction.attribute());
        }
        if self.bundle_only {
            flag("bundle-only");
        }
        if self.rtcp_mux {
            flag("rtcp-mux");
        }
        let mut line =
            |name: &str, value: &dyn fmt::Display| attributes.push(Attribute::with_value(name, value));
        if let Some(mid) = &self.mid {
            line("mid", mid);
        }
        if let Some(msid) = &self.msid {
            line("msid", msid);
        }
        if let Some(rtcp) = &self.rtcp {
            line("rtcp", rtcp);
        }
        for codec in &self.codecs {
            line("rtpmap", &format_args!("{} {codec}", codec.payload_type));
            if let Some(fmtp) = &codec.fmtp {
                line("fmtp", &format_args!("{} {fmtp}", codec.payload_type));
            }
            if codec.kind() == Kind::Video {
                for feedback in self.feedback.values() {
                    line("rtcp-fb", &format_args!("{} {feedback}", codec.payload_type));
                }
            }
        }
        if let Some(Sources { media, repair, cname }) = &self.sources {
            if let Some(repair) = repair {
                line("ssrc-group", &format_args!("FID {media} {repair}"));
            }
            for ssrc in [Some(media), repair.as_ref()].into_iter().flatten() {
                line("ssrc", &format_args!("{ssrc} cname:{cname}"));
            }
        }
        if let Some(ptime) = &self.ptime {
            line("ptime", ptime);
        }
        if let Some(maxptime) = &self.maxptime {
            line("maxptime", maxptime);
        }
        if let Some(setup) = &self.setup {
            line("setup", setup);
        }
        for crypto in &self.crypto {
            line("crypto", &crypto.value());
        }
        for fingerprint in &self.fingerprints {
            line("fingerprint", fingerprint);
        }
        if let Some(Credentials { ufrag, pwd }) = &self.ice {
            line("ice-ufrag", ufrag);
            line("ice-pwd", pwd);
        }
        for candidate in &self.candidates {
            line("candidate", candidate);
        }
        if self.end_of_candidates {
            attributes.push(Attribute::new("end-of-candidates"));
        }
        attributes.extend(self.t38.iter().map(T38::to_attribute));

        Media {
            media: self.media.value().to_owned(),
            port: self.port,
            num_ports: None,
            proto: self.protocol.clone(),
            fmt: self.formats.clone(),
            media_title: None,
            connections: self
                .connection
                .iter()
                .filter(|own| session != Some(*own))
                .map(super::description::connection)
                .collect(),
            bandwidths: Vec::new(),
            key: None,
            attributes,
        }
    }
}

impl MediaType {
    /// The value as it is written.
    pub fn value(&self) -> &str {
        match self {
            MediaType::Audio => "audio",
            MediaType::Video => "video",
            MediaType::Image => "image",
            MediaType::Application => "application",
            MediaType::Other(name) => name,
        }
    }

    fn from_value(value: &str) -> Self {
        [MediaType::Audio, MediaType::Video, MediaType::Image, MediaType::Application]
            .into_iter()
            .find(|media| media.value().eq_ignore_ascii_case(value))
            .unwrap_or_else(|| MediaType::Other(value.to_owned()))
    }
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| Direction::from_attribute(attribute.attribute.trim_ascii()))
}

/// Credentials of the lengths that [RFC 8839 §5.4] allows. Their characters are read more freely than it says, but a
/// colon would break the USERNAME of a check.
///
/// [RFC 8839 §5.4]: https://www.rfc-editor.org/rfc/rfc8839#section-5.4
fn credentials(ufrag: Option<&str>, pwd: Option<&str>) -> Option<Credentials> {
    let is_usable = |text: &&str| text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    let ufrag = ufrag.filter(|text| (4..=256).contains(&text.len())).filter(is_usable)?;
    let pwd = pwd.filter(|text| (22..=256).contains(&text.len())).filter(is_usable)?;
    Some(Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
}

/// The longest mid that is kept.
const MAX_TOKEN_LEN: usize = 255;

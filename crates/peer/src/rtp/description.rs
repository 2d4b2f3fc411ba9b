//! The session descriptions of an [`RtpSession`]: one audio section, in the clear or with `a=crypto`.

use std::net::SocketAddr;

use bytes::Bytes;
use ringback_media::codec::Format;
use ringback_media::sdp::{
    Codec, Crypto, Description, Direction, Host, Kind, MediaType, Origin, ParseError, Section,
};
use ringback_media::srtp::{KeyError, MasterKey, Suite};

use super::{Protection, RtpSession};
use crate::audio::{NoCodec, codec};

/// Why there is no media with a telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// The description cannot be read.
    #[error("the session description cannot be read: {0}")]
    Unreadable(#[from] ParseError),
    /// There is no audio in it, or it was rejected.
    #[error("the session description has no audio: call something that speaks, not a fax or a screen")]
    NoAudio,
    /// No codec is shared.
    #[error("{0}")]
    NoCodec(#[from] NoCodec),
    /// It has neither the protection that was asked for nor another that is known here.
    #[error("the other side wants {}: ask for it with --media", wants(*.0))]
    OtherProtection(Wanted),
    /// No key of it can be used.
    #[error("no key of the session description can be used: offer AES_CM_128_HMAC_SHA1_80")]
    NoKey,
    /// A key has not the length of its suite.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// It does not say where packets go, and none have come.
    #[error(
        "the session description names no address to send audio to: the other side may hold the call; try again later"
    )]
    NoAddress,
}

/// How the media of a description is protected, where that is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// RTP in the clear.
    Plain,
    /// Keys in the description.
    Sdes,
    /// DTLS.
    Dtls,
}

const fn wants(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Plain => "plain RTP",
        Wanted::Sdes => "SRTP with keys in the description (sdes)",
        Wanted::Dtls => "ICE and DTLS-SRTP (webrtc)",
    }
}

/// What we send under, and what the other side sends under.
pub(super) type Keys = Option<(MasterKey, MasterKey)>;

impl RtpSession {
    pub(super) fn write_offer(&mut self) -> Bytes {
        let mut section = self.section(self.protection, &offered_codecs());
        if self.protection == Protection::Sdes {
            self.offered = SUITES.iter().filter_map(|suite| new_key(*suite)).collect();
            let crypto = |(tag, key): (u32, &MasterKey)| Crypto { tag, master: key.clone() };
            section.crypto = (1..).zip(&self.offered).map(crypto).collect();
        }
        self.write(vec![section.clone()], section)
    }

    pub(super) fn read_answer(&mut self, answer: &[u8]) -> Result<(Section, Keys), RtpError> {
        let description = Description::parse(answer)?;
        let section = audio_of(&description)?.clone();
        let keys = match protection(&section) {
            Ok(Protection::Plain) if self.protection == Protection::Plain => None,
            Ok(Protection::Sdes) if self.protection == Protection::Sdes => {
                let chosen = section.crypto.first().ok_or(RtpError::NoKey)?;
                let own = usize::try_from(chosen.tag.wrapping_sub(1)).ok();
                let own = own.and_then(|at| self.offered.get(at)).ok_or(RtpError::NoKey)?;
                if own.suite != chosen.master.suite {
                    return Err(RtpError::NoKey);
                }
                Some((own.clone(), chosen.master.clone()))
            }
            Ok(Protection::Plain) => return Err(RtpError::OtherProtection(Wanted::Plain)),
            Ok(Protection::Sdes) => return Err(RtpError::OtherProtection(Wanted::Sdes)),
            Err(error) => return Err(error),
        };
        Ok((section, keys))
    }

    pub(super) fn write_answer(&mut self, offer: &[u8]) -> Result<(Section, Keys, Bytes), RtpError> {
        let description = Description::parse(offer)?;
        let offered = audio_of(&description)?;
        let chosen = protection(offered)?;
        if self.protection == Protection::Sdes && chosen == Protection::Plain {
            return Err(RtpError::OtherProtection(Wanted::Plain));
        }
        let shared = shared_codecs(&offered.codecs);
        let mut own = self.section(chosen, &shared);
        own.protocol.clone_from(&offered.protocol);
        own.direction = offered.direction.reversed().and(Direction::SendRecv);
        own.mid.clone_from(&offered.mid);
        let mut keys = None;
        if chosen == Protection::Sdes {
            let usable = |crypto: &&Crypto| SUITES.contains(&crypto.master.suite);
            let theirs = offered.crypto.iter().find(usable).ok_or(RtpError::NoKey)?;
            // The same key in a later answer of the call: the stream goes on under it.
            let former = self.own.as_ref().and_then(|own| own.crypto.first());
            let former = former.filter(|own| own.master.suite == theirs.master.suite);
            let key = former.map(|own| own.master.clone()).or_else(|| new_key(theirs.master.suite));
            let key = key.ok_or(RtpError::NoKey)?;
            keys = Some((key.clone(), theirs.master.clone()));
            own.crypto = vec![Crypto { tag: theirs.tag, master: key }];
        }
        let at = description.sections.iter().position(|section| std::ptr::eq(section, offered));
        let sections = description
            .sections
            .iter()
            .enumerate()
            .map(|(index, section)| if Some(index) == at { own.clone() } else { section.rejected() });
        let agreed = Section { codecs: shared, ..offered.clone() };
        let sections = sections.collect();
        Ok((agreed, keys, self.write(sections, own)))
    }

    fn section(&self, protection: Protection, codecs: &[Codec]) -> Section {
        let protocol = match protection {
            Protection::Plain => "RTP/AVP",
            Protection::Sdes => "RTP/SAVP",
        };
        let formats: Vec<String> = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
        let mut section = Section::new(MediaType::Audio, self.local.port(), protocol, &formats.join(" "));
        section.codecs = codecs.to_vec();
        section.ptime = Some(20);
        section
    }

    fn write(&mut self, sections: Vec<Section>, own: Section) -> Bytes {
        self.version += 1;
        let address = self.local.ip();
        let origin = Origin { session: self.seed >> 2, version: self.version, address };
        let mut description = Description::new(origin);
        description.connection = Some(Host::Address(address));
        description.sections = sections;
        self.own = Some(own);
        description.write()
    }
}

/// Where packets for a section go; `None` where it names nobody, as one on hold may.
pub(super) fn remote(section: &Section) -> Option<SocketAddr> {
    let host = section.connection.as_ref()?.address()?;
    (section.port != 0 && !host.is_unspecified()).then(|| SocketAddr::new(host, section.port))
}

fn audio_of(description: &Description) -> Result<&Section, RtpError> {
    let is_audio = |section: &&Section| section.media == MediaType::Audio && section.is_live();
    description.sections.iter().find(is_audio).ok_or(RtpError::NoAudio)
}

fn protection(section: &Section) -> Result<Protection, RtpError> {
    let protocol = section.protocol.to_ascii_uppercase();
    match protocol.as_str() {
        _ if protocol.contains("TLS") || !section.fingerprints.is_empty() => {
            Err(RtpError::OtherProtection(Wanted::Dtls))
        }
        "RTP/SAVP" | "RTP/SAVPF" if section.has_crypto => Ok(Protection::Sdes),
        "RTP/AVP" | "RTP/AVPF" => Ok(Protection::Plain),
        "RTP/SAVP" | "RTP/SAVPF" => Err(RtpError::NoKey),
        _ => Err(RtpError::NoAudio),
    }
}

/// What we offer, best first.
fn offered_codecs() -> Vec<Codec> {
    let mut codecs: Vec<Codec> =
        [(Format::Opus, OPUS), (Format::G722, G722), (Format::Pcmu, PCMU), (Format::Pcma, PCMA)]
            .into_iter()
            .map(|(format, payload_type)| format.describe(payload_type))
            .collect();
    // RFC 4733 §2.5.1.2: the clock is that of the audio beside it.
    codecs.push(codec(EVENTS, "telephone-event", 8000));
    codecs.push(codec(WIDE_EVENTS, "telephone-event", 48_000));
    codecs
}

/// The codecs of an offer that we have, in its numbers and its order.
fn shared_codecs(offered: &[Codec]) -> Vec<Codec> {
    let is_shared = |codec: &&Codec| codec.kind() == Kind::TelephoneEvent || Format::of(codec).is_some();
    offered.iter().filter(is_shared).cloned().collect()
}

fn new_key(suite: Suite) -> Option<MasterKey> {
    let mut bytes = [0; 64];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut bytes);
    MasterKey::split(suite, bytes.get(..suite.key_len() + suite.salt_len())?)
}

/// The suites that we offer and take.
const SUITES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];

const OPUS: u8 = 111;
const G722: u8 = 9;
const PCMU: u8 = 0;
const PCMA: u8 = 8;
const EVENTS: u8 = 101;
const WIDE_EVENTS: u8 = 110;

//! Why a description is refused.

use std::fmt;

use super::Profile;
use crate::sdp::ParseError;

/// Why a description is not taken, or cannot be made; `Display` is a sentence for the far end and the log.
///
/// The sentence holds text of the far end only as tokens of bounded length, so it can stand in a quoted string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are not a session description.
    Unreadable(ParseError),
    /// No m= section is audio that is in use.
    NoAudio,
    /// The answer has port 0 for the audio section.
    AudioRejected,
    /// A fax, where none can pass: the other leg is a browser's, encrypts what it sends, or is none at all.
    NoFax,
    /// The answer does not take the fax that was offered.
    FaxRejected,
    /// The transport protocol is not that of the leg.
    Protocol {
        /// What the description says.
        offered: String,
        /// What the leg speaks.
        profile: Profile,
    },
    /// The section is keyed by `a=crypto` (RFC 4568) on a leg of ICE and DTLS-SRTP.
    Sdes,
    /// No `a=crypto` of a suite and with parameters that we speak, where the media is encrypted.
    NoCrypto,
    /// The leg is set to take nothing that is encrypted.
    SrtpNever,
    /// The leg is set to take only what is encrypted.
    SrtpRequired,
    /// No usable `a=ice-ufrag` and `a=ice-pwd`.
    NoIce,
    /// The far end is a lite agent like us, so nobody would send checks.
    IceLite,
    /// No `a=fingerprint`.
    NoFingerprint,
    /// Only fingerprints of a hash weaker than SHA-256, or broken ones.
    WeakFingerprint,
    /// `a=setup:holdconn`, which DTLS cannot follow.
    HoldConn,
    /// No `a=rtcp-mux` on a leg that has one port.
    NoRtcpMux,
    /// The address is a name, multicast or broadcast.
    Address,
    /// No codec that both sides have.
    NoCommonCodec {
        /// The codecs of the offer.
        offered: Vec<String>,
        /// The codecs of the other side.
        supported: Vec<String>,
    },
    /// An offer arrived while ours waits for its answer ([RFC 3261 §14.2]).
    ///
    /// [RFC 3261 §14.2]: https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    Glare,
    /// An answer arrived, or is asked for, and there is no offer.
    NoOffer,
    /// The other leg has not described itself yet.
    NoDescription,
}

impl Refusal {
    /// The SIP status that says so to the sender of the description.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::Unreadable(ParseError::TooLong(_)) => 413,
            Refusal::NoOffer => 400,
            Refusal::Glare => 491,
            Refusal::NoDescription => 500,
            _ => 488,
        }
    }

    /// The code of a Warning header field ([RFC 3261 §20.43]) that carries the sentence.
    ///
    /// [RFC 3261 §20.43]: https://www.rfc-editor.org/rfc/rfc3261#section-20.43
    pub const fn warning(&self) -> u16 {
        match self {
            Refusal::Protocol { .. }
            | Refusal::Sdes
            | Refusal::NoCrypto
            | Refusal::SrtpNever
            | Refusal::SrtpRequired => 302,
            Refusal::NoAudio | Refusal::AudioRejected | Refusal::NoFax | Refusal::FaxRejected => 304,
            Refusal::NoCommonCodec { .. } => 305,
            Refusal::Address => 301,
            _ => 399,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Unreadable(error) => return error.fmt(f),
            Refusal::Protocol { offered, profile } => {
                return write!(f, "The media transport is {offered}; this leg speaks {}", profile.protocol());
            }
            Refusal::NoCommonCodec { offered, supported } => {
                f.write_str("No codec in common: one side has ")?;
                list(f, offered)?;
                f.write_str("; the other has ")?;
                return list(f, supported);
            }
            Refusal::NoAudio => "The session description has no audio that is in use",
            Refusal::AudioRejected => "The answer rejects the audio",
            Refusal::NoFax => "The other side takes no fax (T.38 over UDPTL)",
            Refusal::FaxRejected => "The answer rejects the fax",
            Refusal::Sdes => "A leg with ICE is keyed by DTLS-SRTP, not by a=crypto (SDES)",
            Refusal::NoCrypto => "No a=crypto has a suite and parameters that this server takes",
            Refusal::SrtpNever => "Encrypted media is switched off for this leg; use RTP/AVP",
            Refusal::SrtpRequired => "This leg takes encrypted media only; use RTP/SAVP with a=crypto",
            Refusal::NoIce => "The session description has no usable a=ice-ufrag and a=ice-pwd",
            Refusal::IceLite => "Both sides are ICE lite, so neither would begin",
            Refusal::NoFingerprint => "The session description has no a=fingerprint",
            Refusal::WeakFingerprint => "No a=fingerprint is readable and of SHA-256 or better",
            Refusal::HoldConn => "a=setup:holdconn cannot be used with DTLS",
            Refusal::NoRtcpMux => "This leg has one port and needs a=rtcp-mux",
            Refusal::Address => "The media address is a name, multicast or broadcast, not a host's address",
            Refusal::Glare => "Another offer is waiting for its answer",
            Refusal::NoOffer => "There is no offer to answer",
            Refusal::NoDescription => "The other leg has no session description yet",
        })
    }
}

impl std::error::Error for Refusal {}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Refusal::Unreadable(error)
    }
}

/// The first names of a list, so that the sentence stays short.
fn list(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    if names.is_empty() {
        return f.write_str("none");
    }
    for (index, name) in names.iter().take(MAX_NAMES).enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        f.write_str(name)?;
    }
    match names.len().checked_sub(MAX_NAMES) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

/// How many codecs a sentence names.
const MAX_NAMES: usize = 8;

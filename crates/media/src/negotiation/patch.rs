//! When the audio of one leg has to be made anew for the other.

use super::Party;
use super::formats::is_ours;
use super::payloads::best_match;
use crate::sdp::{Codec, Kind};

/// What an insert has to know that stands between two legs, for one of the two directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What the one leg may send, in the numbers that it sends with.
    pub from: Vec<Codec>,
    /// What the other receives, in its numbers, what it likes best first. Among these is an audio codec of ours.
    pub to: Vec<Codec>,
    /// How many milliseconds of audio the other wants in a packet.
    pub ptime: u16,
}

/// The patch for packets from one party to another; `None` where every audio codec of the one is one of the other too,
/// and where nothing of ours could help.
///
/// A direction is passed on as it is or made anew as a whole: two streams with clocks of their own, one of which comes
/// and goes, are one unbroken stream to nobody.
pub fn patch(from: &Party, to: &Party) -> Option<Patch> {
    let receivers = to.remote_codecs()?;
    let sent: Vec<Codec> = from.sent_codecs().cloned().collect();
    let is_audio = |codec: &&Codec| codec.kind() == Kind::Audio;
    let strange = sent.iter().filter(is_audio).filter(|codec| best_match(codec, &receivers).is_none());
    let can_help = strange.clone().any(is_ours) && receivers.iter().any(is_ours);
    can_help.then(|| Patch {
        from: sent,
        to: receivers,
        ptime: to.described().and_then(|section| section.ptime).unwrap_or(DEFAULT_PTIME),
    })
}

/// The patch for a party that talks to us: what it sends and what it receives.
pub fn patch_alone(party: &Party) -> Option<Patch> {
    let (from, to): (Vec<Codec>, _) = (party.sent_codecs().cloned().collect(), party.remote_codecs()?);
    let can_help = from.iter().any(is_ours) && to.iter().any(is_ours);
    let ptime = party.described().and_then(|section| section.ptime).unwrap_or(DEFAULT_PTIME);
    can_help.then_some(Patch { from, to, ptime })
}

/// What most phones and all browsers put into a packet ([RFC 3551 §4.2]).
///
/// [RFC 3551 §4.2]: https://www.rfc-editor.org/rfc/rfc3551#section-4.2
const DEFAULT_PTIME: u16 = 20;

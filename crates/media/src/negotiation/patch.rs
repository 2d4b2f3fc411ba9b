//! When the audio of one leg has to be made anew for the other: for its codec, or for the keys in it.

use super::Party;
use super::formats::{has_events, is_ours};
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
    /// How keys get to the other where it knows no telephone events.
    pub keys: Keys,
}

/// How keys that are pressed get to a far end without telephone events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// As tones in what it hears.
    #[default]
    Heard,
    /// Control tells it of them; it hears nothing of them.
    Told,
}

/// Which far ends tell and are told of keys by their signalling, between two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signalled {
    /// The one that speaks tells its keys so.
    pub from: bool,
    /// The one that hears can be told so.
    pub to: bool,
}

/// The patch for packets from one party to another; `None` where every audio codec of the one is one of the other too and
/// keys get through as they are, and where nothing of ours could help.
///
/// Keys are telephone events of one party and nothing of the other's, as a rule with old telephones: events become tones
/// or are told, and tones become events or are told.
///
/// A direction is passed on as it is or made anew as a whole: two streams with clocks of their own, one of which comes
/// and goes, are one unbroken stream to nobody.
pub fn patch(from: &Party, to: &Party, signalled: Signalled) -> Option<Patch> {
    let receivers = to.remote_codecs()?;
    let sent: Vec<Codec> = from.sent_codecs().cloned().collect();
    let is_audio = |codec: &&Codec| codec.kind() == Kind::Audio;
    let strange = sent.iter().filter(is_audio).filter(|codec| best_match(codec, &receivers).is_none());
    let makes_keys = from.may_transcode() && to.may_transcode() && sent.iter().any(is_ours);
    let is_needed = strange.clone().any(is_ours) || makes_keys && needs_keys(&sent, &receivers, signalled);
    let can_help = is_needed && receivers.iter().any(is_ours);
    can_help.then(|| Patch {
        from: sent,
        to: receivers,
        ptime: to.described().and_then(|section| section.ptime).unwrap_or(DEFAULT_PTIME),
        keys: if signalled.to { Keys::Told } else { Keys::Heard },
    })
}

/// Whether keys that one leg sends mean nothing to the other unless they are made anew.
fn needs_keys(sent: &[Codec], receivers: &[Codec], signalled: Signalled) -> bool {
    match (has_events(sent), has_events(receivers)) {
        (true, true) => false,
        (true, false) => true,
        // What is told is sent between the packets of the stream; what is not is found in the audio.
        (false, true) => !signalled.from,
        (false, false) => signalled.from != signalled.to,
    }
}

/// The patch for a party that talks to us: what it sends and what it receives.
pub fn patch_alone(party: &Party) -> Option<Patch> {
    let (from, to): (Vec<Codec>, _) = (party.sent_codecs().cloned().collect(), party.remote_codecs()?);
    let can_help = from.iter().any(is_ours) && to.iter().any(is_ours);
    let ptime = party.described().and_then(|section| section.ptime).unwrap_or(DEFAULT_PTIME);
    can_help.then_some(Patch { from, to, ptime, keys: Keys::default() })
}

/// What a party sends that can be recorded, as sound or as packets: `None` where there is no such audio, as in a fax.
pub fn recordable(party: &Party, as_packets: bool) -> Option<Vec<Codec>> {
    party.remote_codecs()?;
    let sent: Vec<Codec> = party.sent_codecs().cloned().collect();
    let is_heard = |codec: &Codec| if as_packets { codec.kind() == Kind::Audio } else { is_ours(codec) };
    sent.iter().any(is_heard).then_some(sent)
}

/// What most phones and all browsers put into a packet ([RFC 3551 §4.2]).
///
/// [RFC 3551 §4.2]: https://www.rfc-editor.org/rfc/rfc3551#section-4.2
const DEFAULT_PTIME: u16 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_anew_where_two_know_them_in_different_ways() {
        let audio = vec![Codec::new(0, "PCMU", 8000, 1)];
        let events = vec![audio[0].clone(), Codec::new(101, "telephone-event", 8000, 1)];
        let needs = |sent: &[Codec], heard: &[Codec]| {
            [(false, false), (true, false), (false, true), (true, true)]
                .map(|(from, to)| needs_keys(sent, heard, Signalled { from, to }))
        };
        assert_eq!(needs(&events, &events), [false; 4]);
        assert_eq!(needs(&events, &audio), [true; 4], "tones, or told");
        assert_eq!(needs(&audio, &events), [true, false, true, false], "what is told needs no audio");
        assert_eq!(needs(&audio, &audio), [false, true, true, false]);
        let other_clock = [audio[0].clone(), Codec::new(101, "telephone-event", 48000, 1)];
        assert_eq!(needs(&events, &other_clock), [true; 4], "events beside no audio are none");
    }
}

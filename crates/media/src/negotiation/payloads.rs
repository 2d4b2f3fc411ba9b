//! Payload types: which are acceptable on a leg, and what they become on the other.

use super::Party;
use crate::codec::Format;
use crate::sdp::{Codec, Kind};

/// The payload types that are acceptable from a far end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payloads {
    /// A bit for each acceptable payload type.
    accepted: u128,
    /// What each means, sorted by payload type.
    meanings: Box<[(u8, Payload)]>,
}

/// What a payload type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payload {
    /// What it is for.
    pub kind: Kind,
    /// The clock rate of its timestamps, in hertz.
    pub clock_rate: u32,
    /// The byte that its silence is made of; `None` where that is not one byte again and again.
    pub silence: Option<u8>,
}

impl Payload {
    pub(super) fn of(codec: &Codec) -> Self {
        let silence = Format::of(codec).and_then(Format::silence);
        Payload { kind: codec.kind(), clock_rate: codec.clock_rate, silence }
    }
}

impl Payloads {
    /// Whether packets of this payload type are acceptable.
    pub fn accepts(&self, payload_type: u8) -> bool {
        payload_type < 128 && self.accepted & (1 << payload_type) != 0
    }

    /// What a payload type means; `None` when it is not acceptable.
    pub fn meaning(&self, payload_type: u8) -> Option<Payload> {
        let index = self.meanings.binary_search_by_key(&payload_type, |(number, _)| *number).ok()?;
        self.meanings.get(index).map(|(_, payload)| *payload)
    }

    /// All acceptable payload types, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Payload)> {
        self.meanings.iter().copied()
    }
}

/// The first meaning of a payload type counts.
impl FromIterator<(u8, Payload)> for Payloads {
    fn from_iter<I: IntoIterator<Item = (u8, Payload)>>(meanings: I) -> Self {
        let mut accepted = 0u128;
        let mut kept: Vec<(u8, Payload)> = Vec::new();
        for (payload_type, payload) in meanings {
            if payload_type < 128 && accepted & (1 << payload_type) == 0 {
                accepted |= 1 << payload_type;
                kept.push((payload_type, payload));
            }
        }
        kept.sort_unstable_by_key(|(payload_type, _)| *payload_type);
        Payloads { accepted, meanings: kept.into_boxed_slice() }
    }
}

/// What each payload type of one leg becomes on the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PayloadMap([u8; 128]);

impl PayloadMap {
    /// What the payload type becomes; `None` when the other leg has nothing for it.
    pub fn translate(&self, payload_type: u8) -> Option<u8> {
        self.0.get(usize::from(payload_type)).copied().filter(|translated| *translated != NOTHING)
    }

    /// All pairs, in rising order of what goes in.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u8)> {
        (0..128).filter_map(|payload_type| Some((payload_type, self.translate(payload_type)?)))
    }
}

/// Nothing passes.
impl Default for PayloadMap {
    fn default() -> Self {
        PayloadMap([NOTHING; 128])
    }
}

/// The first pair of a payload type counts; pairs that are no payload types are ignored.
impl FromIterator<(u8, u8)> for PayloadMap {
    fn from_iter<I: IntoIterator<Item = (u8, u8)>>(pairs: I) -> Self {
        let mut map = PayloadMap::default();
        for (from, to) in pairs {
            match map.0.get_mut(usize::from(from)) {
                Some(slot) if *slot == NOTHING && to < 128 => *slot = to,
                _ => {}
            }
        }
        map
    }
}

impl std::fmt::Debug for PayloadMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The map for packets from one party to another; from a party to itself it is the map of an echo.
///
/// A far end sends with the numbers of *our* description to it and receives with those of its own (RFC 3264 §5.1). Some
/// send with their own numbers all the same: those are taken where they mean nothing else.
pub fn payload_map(from: &Party, to: &Party) -> PayloadMap {
    let Some(receivers) = to.remote_codecs() else { return PayloadMap::default() };
    from.sent_codecs()
        .filter_map(|codec| Some((codec.payload_type, best_match(codec, &receivers)?.payload_type)))
        .collect()
}

/// The codec of a list that stands for the same format, before all one with the same parameters.
pub(super) fn best_match<'a>(codec: &Codec, list: &'a [Codec]) -> Option<&'a Codec> {
    let same = || list.iter().filter(|other| other.is_same_format(codec));
    same().find(|other| other.fmtp == codec.fmtp).or_else(|| same().next())
}

/// Marks a payload type that becomes nothing; no payload type has this number.
const NOTHING: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_answer_for_every_number() {
        let audio = |clock_rate| Payload { kind: Kind::Audio, clock_rate, silence: None };
        let payloads: Payloads =
            [(111, audio(48000)), (0, audio(8000)), (111, audio(1)), (200, audio(1))].into_iter().collect();
        assert_eq!(payloads.iter().map(|(number, _)| number).collect::<Vec<_>>(), [0, 111]);
        assert_eq!(payloads.meaning(111), Some(audio(48000)));
        for number in 0..=255 {
            assert_eq!(payloads.accepts(number), number == 0 || number == 111);
            assert_eq!(payloads.meaning(number).is_some(), payloads.accepts(number));
        }
    }

    #[test]
    fn a_map_never_yields_what_is_no_payload_type() {
        let map: PayloadMap = [(96, 111), (96, 0), (1, 128), (128, 3), (127, 127)].into_iter().collect();
        assert_eq!(map.iter().collect::<Vec<_>>(), [(96, 111), (127, 127)]);
        assert_eq!((map.translate(1), map.translate(128), map.translate(255)), (None, None, None));
        assert_eq!(format!("{map:?}"), "{96: 111, 127: 127}");
    }
}

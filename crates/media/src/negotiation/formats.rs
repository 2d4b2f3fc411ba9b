//! Which codecs a description of ours lists, and under which payload type numbers.

use super::Transcoding;
use super::payloads::best_match;
use crate::codec::Format;
use crate::sdp::{Codec, Kind, MAX_FORMATS};

/// The codecs of one leg's description in the numbers of the other leg, for an offer there.
///
/// `known` are the codecs of that leg's last descriptions: a format keeps the number it has, and a number keeps its
/// format (RFC 3264 §8.3.2). Otherwise the number stays what it was, unless it could be taken for RTCP.
pub(super) fn renumbered(theirs: &[Codec], known: &[Codec]) -> Vec<Codec> {
    let mut offered: Vec<Codec> = Vec::new();
    for codec in theirs.iter().filter(|codec| codec.kind() != Kind::Wrapper) {
        let is_offered = |number: u8| offered.iter().any(|other| other.payload_type == number);
        let is_free = |number: &u8| {
            !is_offered(*number)
                && !RTCP_NUMBERS.contains(number)
                && !known.iter().any(|other| other.payload_type == *number)
        };
        let number = known
            .iter()
            .filter(|other| other.is_same_format(codec))
            .map(|other| other.payload_type)
            .find(|number| !is_offered(*number))
            .or_else(|| Some(codec.payload_type).filter(is_free))
            .or_else(|| (96..=127).chain(35..=63).chain(0..=34).find(is_free));
        // None is left only after 96 codecs; a section has 64.
        let Some(payload_type) = number else { break };
        offered.push(Codec { payload_type, ..codec.clone() });
    }
    offered
}

/// The answer to an offer, out of what the far party takes: in the numbers of the offer, in the order and with the
/// parameters of the far party. Empty when they share no audio.
pub(super) fn answered(offer: &[Codec], taken: &[Codec]) -> Vec<Codec> {
    let rest = offer.iter().filter(|codec| codec.kind() != Kind::Wrapper).cloned().collect();
    beside_audio(common(rest, taken.iter()))
}

/// What an offer has of what the far party takes: in the numbers of the offer, in the order and with the parameters of
/// the far party.
fn common<'a>(mut rest: Vec<Codec>, taken: impl Iterator<Item = &'a Codec>) -> Vec<Codec> {
    let mut answer = Vec::new();
    for codec in taken {
        let Some(payload_type) = best_match(codec, &rest).map(|offered| offered.payload_type) else {
            continue;
        };
        let Some(index) = rest.iter().position(|offered| offered.payload_type == payload_type) else {
            continue;
        };
        answer.push(Codec { fmtp: codec.fmtp.clone(), ..rest.remove(index) });
    }
    answer
}

/// The answer to an offer of video; `repairs` says whether what was lost may come again in a stream of its own.
pub(super) fn answered_video(offer: &[Codec], taken: &[Codec], repairs: bool) -> Vec<Codec> {
    let is_video = |codec: &&Codec| codec.kind() == Kind::Video;
    let rest = offer.iter().filter(is_video).cloned().collect();
    let common = common(rest, taken.iter().filter(is_video));
    let repair = |number: u8| offer.iter().find(|codec| repeats(codec) == Some(number)).filter(|_| repairs);
    common
        .into_iter()
        .flat_map(|codec| {
            let repair = repair(codec.payload_type).cloned();
            [Some(codec), repair]
        })
        .flatten()
        .collect()
}

/// The video of one leg in the numbers of another, for an offer there; `known` are those that have a meaning there. With
/// `repairs` each has a format in which it is sent again ([RFC 4588]).
///
/// [RFC 4588]: https://www.rfc-editor.org/rfc/rfc4588
pub(super) fn renumbered_video(theirs: &[Codec], known: &[Codec], repairs: bool) -> Vec<Codec> {
    let video: Vec<Codec> = theirs.iter().filter(|codec| codec.kind() == Kind::Video).cloned().collect();
    let numbered = renumbered(&video, known);
    let mut offered: Vec<Codec> = Vec::new();
    for (at, codec) in numbered.iter().enumerate() {
        offered.push(codec.clone());
        let is_free = |number: &u8| {
            let taken = known.iter().chain(&numbered).chain(&offered);
            taken.clone().all(|other| other.payload_type != *number)
        };
        // As many as may stand in a section.
        if !repairs || numbered.len() + at >= MAX_FORMATS {
            continue;
        }
        let last = known.iter().find(|other| repeats(other) == Some(codec.payload_type));
        let number = last.map(|last| last.payload_type).or_else(|| (96..=127).chain(35..=63).find(is_free));
        if let Some(payload_type) = number {
            let fmtp = Some(format!("apt={}", codec.payload_type));
            offered.push(Codec { fmtp, ..Codec::new(payload_type, "rtx", VIDEO_CLOCK, 1) });
        }
    }
    offered
}

/// The payload type that a format of RFC 4588 repeats.
pub(super) fn repeats(codec: &Codec) -> Option<u8> {
    let is_repair = codec.name.eq_ignore_ascii_case("rtx");
    codec.parameter("apt").filter(|_| is_repair)?.parse().ok().filter(|number| *number < 128)
}

/// Our own answer to an offer: the first audio codec that we know, and the telephone-event of its clock rate.
///
/// The parameters are those of the offer: what is echoed or played to the far end is as it wished.
pub(super) fn answered_alone(offer: &[Codec]) -> Vec<Codec> {
    let Some(audio) = offer.iter().find(|codec| is_ours(codec)) else {
        return Vec::new();
    };
    let events = offer
        .iter()
        .find(|codec| codec.kind() == Kind::TelephoneEvent && codec.clock_rate == audio.clock_rate);
    [audio].into_iter().chain(events).cloned().collect()
}

/// An answer with the events of the offer, in which keys come that are made into something else for who takes none.
pub(super) fn with_events(mut answer: Vec<Codec>, offer: &[Codec]) -> Vec<Codec> {
    if !has_events(&answer) && answer.iter().any(is_ours) {
        let events = offer.iter().filter(|codec| codec.kind() == Kind::TelephoneEvent);
        answer.extend(events.cloned());
        return beside_audio(answer);
    }
    answer
}

/// What a party has, and behind it what we can make for it, in numbers that it does not use: codecs, and the events of
/// keys that it hears or tells otherwise.
///
/// Nothing is added to what is none of ours, because we could not make anything of it.
pub(super) fn supplemented(theirs: &[Codec], transcoding: Transcoding) -> Vec<Codec> {
    let mut codecs = theirs.to_vec();
    if transcoding == Transcoding::Never || !theirs.iter().any(is_ours) {
        return codecs;
    }
    let has_g711 = theirs.iter().any(|codec| G711.iter().any(|name| codec.name.eq_ignore_ascii_case(name)));
    let adds = match transcoding {
        Transcoding::Never => false,
        Transcoding::Needed => !has_g711,
        Transcoding::Always => true,
    };
    let added = known_to_us().into_iter().filter(|_| adds);
    let lacks_events = !has_events(theirs);
    let events = offered_alone().into_iter().filter(|codec| codec.kind() == Kind::TelephoneEvent);
    for codec in added.chain(events.filter(|_| adds || lacks_events)) {
        let has_its_clock =
            |other: &Codec| other.kind() == Kind::Audio && other.clock_rate == codec.clock_rate;
        let is_of_use = codec.kind() == Kind::Audio || codecs.iter().any(has_its_clock);
        if !is_of_use || best_match(&codec, &codecs).is_some() {
            continue;
        }
        let is_free = |number: &u8| codecs.iter().all(|other| other.payload_type != *number);
        let number = Some(codec.payload_type).filter(is_free).or_else(|| (96..=127).find(is_free));
        if let Some(payload_type) = number {
            codecs.push(Codec { payload_type, ..codec });
        }
    }
    codecs
}

/// Whether there are telephone events, of the clock rate of audio beside them.
pub(super) fn has_events(codecs: &[Codec]) -> bool {
    let is_audio = |other: &Codec, rate| other.kind() == Kind::Audio && other.clock_rate == rate;
    let is_of_use = |codec: &&Codec| codecs.iter().any(|other| is_audio(other, codec.clock_rate));
    codecs.iter().filter(|codec| codec.kind() == Kind::TelephoneEvent).any(|codec| is_of_use(&codec))
}

/// Whether it is audio that we can make and understand.
pub(super) fn is_ours(codec: &Codec) -> bool {
    Format::of(codec).is_some()
}

/// What we offer when nobody's offer is passed on.
pub(super) fn offered_alone() -> Vec<Codec> {
    vec![
        Codec { fmtp: Some(OPUS.to_owned()), ..Codec::new(111, "opus", 48000, 2) },
        Codec::new(8, "PCMA", 8000, 1),
        Codec::new(0, "PCMU", 8000, 1),
        Codec { fmtp: Some("0-16".to_owned()), ..Codec::new(110, "telephone-event", 48000, 1) },
        Codec { fmtp: Some("0-16".to_owned()), ..Codec::new(101, "telephone-event", 8000, 1) },
    ]
}

/// The audio codecs that we can answer with ourselves.
pub(super) fn known_to_us() -> Vec<Codec> {
    vec![
        Codec { fmtp: Some(OPUS.to_owned()), ..Codec::new(111, "opus", 48000, 2) },
        Codec::new(9, "G722", 8000, 1),
        Codec::new(8, "PCMA", 8000, 1),
        Codec::new(0, "PCMU", 8000, 1),
    ]
}

/// The audio codecs, and what goes beside them: events and comfort noise of a clock rate that one of them has.
fn beside_audio(codecs: Vec<Codec>) -> Vec<Codec> {
    let is_audio = |codec: &Codec| codec.kind() == Kind::Audio;
    let rates: Vec<u32> =
        codecs.iter().filter(|codec| is_audio(codec)).map(|codec| codec.clock_rate).collect();
    codecs.into_iter().filter(|codec| is_audio(codec) || rates.contains(&codec.clock_rate)).collect()
}

/// How we like to receive Opus ([RFC 7587 §6.1]).
///
/// [RFC 7587 §6.1]: https://www.rfc-editor.org/rfc/rfc7587#section-6.1
const OPUS: &str = "minptime=10;useinbandfec=1";

/// The clock of all video.
const VIDEO_CLOCK: u32 = 90_000;

/// The codec of RFC 3551 that everyone has, by its two names.
const G711: [&str; 2] = ["PCMA", "PCMU"];

/// Payload types that look like RTCP on a port with rtcp-mux (RFC 5761 §4).
const RTCP_NUMBERS: std::ops::RangeInclusive<u8> = 64..=95;

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(text: &str) -> Codec {
        let (number, rest) = text.split_once(' ').unwrap();
        let mut fields = rest.split('/');
        let name = fields.next().unwrap();
        let rate = fields.next().unwrap().parse().unwrap();
        Codec::new(number.parse().unwrap(), name, rate, fields.next().map_or(1, |n| n.parse().unwrap()))
    }

    fn codecs(texts: &[&str]) -> Vec<Codec> {
        texts.iter().map(|text| codec(text)).collect()
    }

    fn shown(codecs: &[Codec]) -> Vec<String> {
        codecs.iter().map(|codec| format!("{} {codec}", codec.payload_type)).collect()
    }

    #[test]
    fn a_first_offer_keeps_numbers_and_order_and_leaves_wrappers_out() {
        let theirs =
            codecs(&["111 opus/48000/2", "63 red/48000/2", "9 G722/8000", "110 telephone-event/48000"]);
        assert_eq!(
            shown(&renumbered(&theirs, &[])),
            ["111 opus/48000/2", "9 G722/8000", "110 telephone-event/48000"],
        );
    }

    #[test]
    fn a_later_offer_keeps_the_numbers_of_its_leg() {
        let known = codecs(&["111 opus/48000/2", "8 PCMA/8000", "101 telephone-event/8000"]);
        let theirs = codecs(&["96 opus/48000/2", "111 speex/8000", "97 telephone-event/8000", "8 PCMA/8000"]);
        assert_eq!(
            shown(&renumbered(&theirs, &known)),
            ["111 opus/48000/2", "96 speex/8000", "101 telephone-event/8000", "8 PCMA/8000"],
        );
    }

    #[test]
    fn numbers_that_look_like_rtcp_and_doubled_formats_get_free_ones() {
        let theirs = codecs(&["72 opus/48000/2", "96 opus/48000/2"]);
        assert_eq!(shown(&renumbered(&theirs, &[])), ["96 opus/48000/2", "97 opus/48000/2"]);
        let known = codecs(&["100 opus/48000/2"]);
        assert_eq!(shown(&renumbered(&theirs, &known)), ["100 opus/48000/2", "96 opus/48000/2"]);
    }

    #[test]
    fn the_largest_section_finds_numbers_for_all() {
        let theirs: Vec<Codec> = (64..128).map(|n| Codec::new(n, &format!("x{n}"), 8000, 1)).collect();
        let known: Vec<Codec> = (96..128).map(|n| Codec::new(n, &format!("y{n}"), 8000, 1)).collect();
        let offered = renumbered(&theirs, &known);
        assert_eq!(offered.len(), 64);
        let numbers: std::collections::BTreeSet<u8> =
            offered.iter().map(|codec| codec.payload_type).collect();
        assert_eq!(numbers.len(), 64);
        assert!(numbers.iter().all(|number| *number < 64));
    }

    #[test]
    fn an_answer_has_the_offerers_numbers_and_the_answerers_order() {
        let offer = codecs(&[
            "111 opus/48000/2",
            "0 PCMU/8000",
            "8 PCMA/8000",
            "110 telephone-event/48000",
            "126 telephone-event/8000",
        ]);
        let taken =
            codecs(&["8 PCMA/8000", "0 PCMU/8000", "101 telephone-event/8000", "102 telephone-event/48000"]);
        assert_eq!(
            shown(&answered(&offer, &taken)),
            ["8 PCMA/8000", "0 PCMU/8000", "126 telephone-event/8000"],
        );
    }

    #[test]
    fn an_answer_without_shared_audio_is_empty() {
        let offer = codecs(&["18 G729/8000", "101 telephone-event/8000"]);
        assert_eq!(answered(&offer, &codecs(&["8 PCMA/8000", "101 telephone-event/8000"])), []);
        assert_eq!(answered_alone(&offer), []);
    }

    #[test]
    fn what_we_can_make_stands_behind_what_a_party_has() {
        let opus = codecs(&["96 opus/48000/2", "8 telephone-event/48000"]);
        assert_eq!(
            shown(&supplemented(&opus, Transcoding::Needed)),
            [
                "96 opus/48000/2",
                "8 telephone-event/48000",
                "9 G722/8000",
                "97 PCMA/8000",
                "0 PCMU/8000",
                "101 telephone-event/8000",
            ],
        );
        assert_eq!(supplemented(&opus, Transcoding::Never), opus);
        let phone = codecs(&["8 PCMA/8000"]);
        assert_eq!(supplemented(&phone, Transcoding::Never), phone);
        assert_eq!(
            shown(&supplemented(&phone, Transcoding::Needed)),
            ["8 PCMA/8000", "101 telephone-event/8000"],
        );
        assert_eq!(
            shown(&supplemented(&phone, Transcoding::Always)),
            [
                "8 PCMA/8000",
                "111 opus/48000/2",
                "9 G722/8000",
                "0 PCMU/8000",
                "110 telephone-event/48000",
                "101 telephone-event/8000",
            ],
        );
        let strange = codecs(&["18 G729/8000"]);
        assert_eq!(supplemented(&strange, Transcoding::Always), strange);
    }

    #[test]
    fn an_answer_has_events_for_who_offers_them() {
        let offer = codecs(&["0 PCMU/8000", "110 telephone-event/48000", "126 telephone-event/8000"]);
        let answer = with_events(codecs(&["0 PCMU/8000"]), &offer);
        assert_eq!(shown(&answer), ["0 PCMU/8000", "126 telephone-event/8000"]);
        assert_eq!(with_events(answer.clone(), &offer), answer);
        let strange = codecs(&["18 G729/8000"]);
        assert_eq!(with_events(strange.clone(), &offer), strange, "nothing can be made out of it");
    }

    #[test]
    fn our_own_answer_takes_the_first_codec_we_know_and_its_events() {
        let offer = codecs(&[
            "18 G729/8000",
            "96 OPUS/48000/2",
            "8 PCMA/8000",
            "101 telephone-event/8000",
            "102 telephone-event/48000",
        ]);
        assert_eq!(shown(&answered_alone(&offer)), ["96 OPUS/48000/2", "102 telephone-event/48000"]);
    }
}

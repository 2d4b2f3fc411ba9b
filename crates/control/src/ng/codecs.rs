//! Which codecs the two sides of an offer have, as the flags say.
//!
//! | flag | who offers | who is offered to |
//! |---|---|---|
//! | `strip` | loses it | loses it |
//! | `except`, `offer` | loses all others | loses all others |
//! | `mask`, `consume` | keeps it, by transcoding | loses it |
//! | `transcode` | hears it through us | gets it behind the others |
//!
//! What is stripped is taken out before the negotiation reads the offer, what is masked after it has written ours: a
//! codec that was never seen is never answered.

use std::collections::BTreeSet;

use bytes::Bytes;
use ringback_media::sdp::{Codec, Description, Kind, MediaType, Section};

use super::edit::rewrite;
use super::flags::{CodecChange, Flags, Switch};

/// Whether codecs of ours are to stand between the two.
pub(super) fn are_ours_wanted(flags: &Flags) -> bool {
    let is_ours = |change: &CodecChange| {
        matches!(change, CodecChange::Transcode | CodecChange::Mask | CodecChange::Consume)
    };
    flags.has(Switch::AlwaysTranscode) || flags.codecs.iter().any(|(change, _)| is_ours(change))
}

/// The payload types that are taken out of an offer for both sides.
pub(super) fn stripped(
    description: &Description,
    flags: &Flags,
    warnings: &mut Vec<&'static str>,
) -> BTreeSet<u8> {
    if flags.codecs.is_empty() {
        return BTreeSet::new();
    }
    if description.sections.iter().any(|it| it.media == MediaType::Video && it.port != 0) {
        warnings.push("codecs of video pass unchanged in this version");
    }
    let gone = names(flags, &[CodecChange::Strip]);
    let kept = names(flags, &[CodecChange::Except, CodecChange::Offer, CodecChange::Transcode]);
    // `except` and `offer` alone are a list of what may be there.
    let is_list = !names(flags, &[CodecChange::Except, CodecChange::Offer]).is_empty();
    let is_listed = is_list && names(flags, &[CodecChange::Mask, CodecChange::Consume]).is_empty();
    let listed = is_listed || gone.iter().any(|name| is_all(name));
    let mut all = BTreeSet::new();
    for section in audio(description) {
        let is_kept = |codec: &Codec| kept.iter().any(|name| is_named(codec, name));
        let is_gone =
            |codec: &Codec| gone.iter().any(|name| is_named(codec, name)) || listed && !is_kept(codec);
        drop_of(section, is_gone, &mut all, warnings);
    }
    all
}

/// Our offer without the codecs that are masked, and without those of ours that nobody asked for.
pub(super) fn chosen(ours: &Bytes, theirs: &[u8], flags: &Flags, warnings: &mut Vec<&'static str>) -> Bytes {
    if !are_ours_wanted(flags) {
        return ours.clone();
    }
    let (Ok(description), Ok(theirs)) = (Description::parse(ours), Description::parse(theirs)) else {
        return ours.clone();
    };
    let masked = names(flags, &[CodecChange::Mask, CodecChange::Consume]);
    let made = names(flags, &[CodecChange::Transcode]);
    let kept = names(flags, &[CodecChange::Except, CodecChange::Offer]);
    let is_masked = |codec: &Codec| {
        masked.iter().any(|name| is_named(codec, name) || is_all(name) && codec.kind() == Kind::Audio)
            && !kept.iter().chain(&made).any(|name| is_named(codec, name))
    };
    let was_there = |codec: &Codec| {
        audio(&theirs).any(|section| section.codecs.iter().any(|other| other.is_same_format(codec)))
    };
    let is_made = |codec: &Codec| {
        flags.has(Switch::AlwaysTranscode)
            || made.iter().any(|name| is_named(codec, name) || is_all(name))
            // Nothing is named that may be there: then all that we have may.
            || made.is_empty() && codec.kind() == Kind::Audio
    };
    let mut all = BTreeSet::new();
    for section in audio(&description) {
        let is_gone = |codec: &Codec| match was_there(codec) {
            true => is_masked(codec),
            false if codec.kind() == Kind::Audio => !is_made(codec),
            // Keys come beside audio of their clock.
            false => !section.codecs.iter().any(|audio| {
                let is_beside = audio.kind() == Kind::Audio && audio.clock_rate == codec.clock_rate;
                is_beside && !was_there(audio) && is_made(audio)
            }),
        };
        drop_of(section, is_gone, &mut all, warnings);
    }
    let is_there = |name: &&&str| {
        is_all(name)
            || audio(&description).any(|section| section.codecs.iter().any(|codec| is_named(codec, name)))
    };
    if made.iter().any(|name| !is_there(&name)) {
        warnings.push("Opus, G722, PCMA and PCMU are transcoded in this version, and no other codec");
    }
    let chosen = if all.is_empty() { ours.clone() } else { rewrite(ours, None, &all) };
    with_audio_first(chosen)
}

/// What is added comes last, behind keys and comfort noise; a telephone that takes the first of all is to find audio
/// there.
fn with_audio_first(sdp: Bytes) -> Bytes {
    let Ok(description) = Description::parse(&sdp) else { return sdp };
    let Some(section) = audio(&description).find(|section| section.port != 0) else { return sdp };
    if section.codecs.first().is_none_or(|codec| codec.kind() == Kind::Audio) {
        return sdp;
    }
    let mut codecs: Vec<&Codec> = section.codecs.iter().collect();
    codecs.sort_by_key(|codec| codec.kind() != Kind::Audio);
    let numbers: Vec<String> = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    let Some(text) = std::str::from_utf8(&sdp).ok() else { return sdp };
    let served = format!("m=audio {} ", section.port);
    let lines = text.split_inclusive('\n').map(|line| match line.starts_with(&served) {
        true => format!("m=audio {} {} {}\r\n", section.port, section.protocol, numbers.join(" ")),
        false => line.to_owned(),
    });
    Bytes::from(lines.collect::<String>())
}

fn audio(description: &Description) -> impl Iterator<Item = &Section> {
    description.sections.iter().filter(|section| section.media == MediaType::Audio)
}

fn names<'a>(flags: &'a Flags, changes: &[CodecChange]) -> Vec<&'a str> {
    let of = flags.codecs.iter().filter(|(change, _)| changes.contains(change));
    of.map(|(_, name)| name.as_str()).collect()
}

/// Notes what goes of a section. A description without any audio is none: then nothing does.
fn drop_of(
    section: &Section,
    is_gone: impl Fn(&Codec) -> bool,
    all: &mut BTreeSet<u8>,
    warnings: &mut Vec<&'static str>,
) {
    let has_audio = section.codecs.iter().any(|codec| codec.kind() == Kind::Audio && !is_gone(codec));
    let gone = section.codecs.iter().filter(|codec| is_gone(codec)).map(|codec| codec.payload_type);
    let gone: Vec<u8> = gone.collect();
    if has_audio {
        all.extend(gone);
    } else if !gone.is_empty() {
        warnings.push("every codec was to be stripped, so all are kept");
    }
}

fn is_all(name: &str) -> bool {
    matches!(name, "all" | "full")
}

/// Whether a name with as many parameters as it has (`opus`, `opus/48000`, `opus/48000/2`), or the number of a payload
/// type, means the codec.
fn is_named(codec: &Codec, name: &str) -> bool {
    let mut parts = name.split('/');
    let Some(first) = parts.next() else { return false };
    let number = |part: Option<&str>, is: u32| match part {
        None | Some("") => true,
        Some(part) => part.parse() == Ok(is),
    };
    if first.parse() == Ok(codec.payload_type) {
        return true;
    }
    codec.name.eq_ignore_ascii_case(first)
        && number(parts.next(), codec.clock_rate)
        && number(parts.next(), codec.channels.into())
}

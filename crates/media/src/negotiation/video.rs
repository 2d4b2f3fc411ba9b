//! Video beside the audio of a leg: a second section, over the transport of the first with BUNDLE or ports of its own.
//!
//! It passes like audio, with these differences: nothing is made anew, so that a call has video only where both ends have
//! a codec in common, and is one without video otherwise. What is lost is mended between each far end and us: the formats
//! in which packets come again are a leg's own, and are offered to browsers whether the other far end has them or not.
//! `a=rtcp-fb` says what each far end understands; docs/decisions/0024 says why `transport-cc` is not among it.

use std::iter::once;

use super::acceptance::{check, meant_direction};
use super::agreed::Agreed;
use super::formats::{answered_video, renumbered_video, repeats};
use super::party::{Pending, codecs_at, is_listed, sent_codecs};
use super::payloads::best_match;
use super::protection::{check_answered, video_lines, wanted};
use super::writing::{Content, Frame, Live};
use super::{LegSettings, Local, Party, PayloadMap, Profile};
use crate::sdp::{Codec, Description, Direction, Feedback, Kind, MediaType, Section, Setup, Sources};

/// What offer and answer agreed on for the video of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSettings {
    /// What is agreed of any section.
    pub leg: LegSettings,
    /// The SSRCs that our description names.
    pub sources: Option<Sources>,
    /// What the far end may ask of us, and we of it.
    pub feedback: Feedback,
    /// The payload types in which the far end sends again, and what each repeats.
    pub repaired: Repairs,
    /// The payload types in which we send again.
    pub repairs: Repairs,
}

/// Pairs of a payload type of RFC 4588 and the one that it repeats.
pub type Repairs = Vec<(u8, u8)>;

/// Whether an offer has video in use.
pub fn offers_video(offer: &[u8]) -> bool {
    Description::parse(offer).is_ok_and(|offer| offer.sections.iter().any(is_live_video))
}

/// What each payload type of the video of one party becomes with another.
pub fn video_map(from: &Party, to: &Party) -> PayloadMap {
    let (Some((ours, theirs)), Some((described, receives))) = (from.video_sections(), to.video_sections())
    else {
        return PayloadMap::default();
    };
    let receivers: Vec<Codec> =
        receives.codecs.iter().filter(|codec| is_listed(codec, &described.codecs)).cloned().collect();
    sent_codecs(ours, theirs)
        .filter(|codec| codec.kind() == Kind::Video)
        .filter_map(|codec| Some((codec.payload_type, best_match(codec, &receivers)?.payload_type)))
        .collect()
}

impl Party {
    /// What the media worker has to know of the video, when there is any.
    pub fn agreed_video(&self) -> Option<VideoSettings> {
        let agreed = self.agreed.as_ref()?;
        let leg = self.agreed_at(agreed, agreed.video?)?;
        let (ours, theirs) = self.video_sections()?;
        // Of a format that both have.
        let of = |section: &Section, other: &Section| -> Repairs {
            let is_shared = |number: u8| {
                let codec = section.codecs.iter().find(|codec| codec.payload_type == number);
                codec.is_some_and(|codec| is_listed(codec, &other.codecs))
            };
            let repairs =
                section.codecs.iter().filter_map(|codec| Some((codec.payload_type, repeats(codec)?)));
            repairs.filter(|(_, original)| is_shared(*original)).collect()
        };
        let (repaired, repairs) = (of(ours, theirs), of(theirs, ours));
        let are_agreed = !repaired.is_empty() && !repairs.is_empty();
        Some(VideoSettings {
            leg,
            sources: ours.sources,
            feedback: ours.feedback.and(theirs.feedback),
            repaired: if are_agreed { repaired } else { Vec::new() },
            repairs: if are_agreed { repairs } else { Vec::new() },
        })
    }

    /// Whether the last exchange agreed on video.
    pub fn has_video(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.video.is_some())
    }

    /// The transport protocol of the video, as it stands in our last description.
    pub fn video_protocol(&self) -> Option<&str> {
        self.video_sections().map(|(ours, _)| ours.protocol.as_str())
    }

    /// Whether our side of the leg could have video and has no place for it.
    pub const fn lacks_video(&self) -> bool {
        self.local.video.is_none() && self.past.is_none()
    }

    /// Whether the offer of this party that waits has video, be it served or not.
    pub fn wants_video(&self) -> bool {
        match &self.pending {
            Some(Pending::Theirs { offer, .. }) => offer.sections.iter().any(is_live_video),
            _ => false,
        }
    }

    /// Has a place for the video of the leg from here on.
    pub fn set_video(&mut self, video: super::LocalVideo) {
        self.local.video = Some(video);
    }

    /// The direction of the video that this party described last, as it sees it.
    pub(super) fn video_direction(&self) -> Option<Direction> {
        self.described_video().map(|section| meant_direction(section, self.local.profile))
    }

    /// The video of this party's last description, if it is served.
    fn described_video(&self) -> Option<&Section> {
        match (&self.pending, &self.agreed) {
            (Some(Pending::Theirs { offer, video, .. }), _) => offer.sections.get((*video)?),
            (_, Some(Agreed { theirs, video, .. })) => theirs.sections.get((*video)?),
            (_, None) => None,
        }
    }

    /// The place of the video in the offer that is to be answered, or that was answered last.
    pub(super) fn video_of_theirs(&self) -> Option<usize> {
        match (&self.pending, &self.agreed) {
            (Some(Pending::Theirs { video, .. }), _) => *video,
            // One answer may have refused what the next one takes: that of another branch.
            (_, Some(agreed)) => choose_video(&agreed.theirs, &self.local, agreed.served, agreed.video),
            (_, None) => None,
        }
    }

    pub(super) fn video_sections(&self) -> Option<(&Section, &Section)> {
        let agreed = self.agreed.as_ref()?;
        agreed.sections_at(agreed.video?)
    }

    /// The video to offer to this party, beside audio of these codecs.
    pub(super) fn video_to_offer(
        &self,
        from: &Party,
        direction: Direction,
        audio: &[Codec],
    ) -> Option<Content> {
        self.local.video.as_ref()?;
        let section = from.described_video()?;
        // What has a meaning on this leg keeps it.
        let mut known = audio.to_vec();
        if let Some(Agreed { ours, theirs, .. }) = &self.agreed {
            for (index, _) in theirs.sections.iter().enumerate() {
                known.extend_from_slice(codecs_at(&ours.description, index));
                known.extend_from_slice(codecs_at(theirs, index));
            }
        }
        let is_webrtc = self.local.profile == Profile::WebRtc;
        let codecs = renumbered_video(&section.codecs, &known, is_webrtc);
        if codecs.is_empty() {
            return None;
        }
        let feedback = Feedback { remb: is_webrtc, ..Feedback::ALL };
        let fax = None;
        Some(Content { codecs, fax, direction, ptime: None, maxptime: None, rtcp_mux: false, feedback })
    }

    /// The video to answer this party with: what another took of it.
    pub(super) fn video_to_answer(&self, from: &Party) -> Option<Content> {
        self.local.video.as_ref()?;
        let taken = from.described_video()?;
        let (offer, _) = self.offer_of_theirs().ok()?;
        let section = offer.sections.get(self.video_of_theirs()?)?;
        let is_webrtc = self.local.profile == Profile::WebRtc;
        let codecs = answered_video(&section.codecs, &taken.codecs, is_webrtc);
        if codecs.is_empty() {
            return None;
        }
        Some(Content {
            codecs,
            fax: None,
            direction: meant_direction(taken, from.local.profile),
            ptime: None,
            maxptime: None,
            rtcp_mux: true,
            feedback: Feedback { remb: is_webrtc, ..Feedback::ALL }.and(section.feedback),
        })
    }

    /// Where the video of an offer of ours stands, and how it is framed: as it is, or like the audio beside it.
    pub(super) fn offered_video(
        &self,
        others: &[Section],
        served: usize,
        audio: &Frame,
        content: Content,
    ) -> Live {
        let place = (0..others.len())
            .find(|&index| {
                index != served && others.get(index).is_some_and(|section| section.media == MediaType::Video)
            })
            .unwrap_or_else(|| others.len().max(served + 1));
        let current = self.agreed.as_ref().filter(|agreed| agreed.video == Some(place));
        let frame = match current {
            Some(agreed) => agreed.frame_at(place),
            None => Frame {
                mid: audio.mid.as_ref().map(|mid| self.free_mid(others, mid)),
                setup: Setup::ActPass,
                crypto: match audio.crypto.is_empty() {
                    true => Vec::new(),
                    false => video_lines(self.local.video.as_ref().and_then(|video| video.seed.as_ref())),
                },
                ..audio.clone()
            },
        };
        Live { place, media: MediaType::Video, frame, content }
    }

    /// A mid that no section of the leg has had: one whose section was rejected is spent ([RFC 8829 §5.2.2]).
    ///
    /// [RFC 8829 §5.2.2]: https://www.rfc-editor.org/rfc/rfc8829#section-5.2.2
    fn free_mid(&self, others: &[Section], audio: &str) -> String {
        let theirs = self.agreed.iter().flat_map(|agreed| &agreed.theirs.sections);
        let taken: Vec<&str> = others
            .iter()
            .chain(theirs)
            .filter_map(|section| section.mid.as_deref())
            .chain(once(audio))
            .collect();
        (1..)
            .map(|number: u32| number.to_string())
            .find(|mid| !taken.contains(&mid.as_str()))
            .unwrap_or_default()
    }
}

/// The video of an offer that is served: what was, when it still fits, or else the first that does.
///
/// With ICE that is one that shares the transport of the audio: there is one port and one association.
pub(super) fn choose_video(
    offer: &Description,
    local: &Local,
    audio: usize,
    last: Option<usize>,
) -> Option<usize> {
    local.video.as_ref()?;
    last.into_iter().chain(0..offer.sections.len()).find(|&index| {
        offer.sections.get(index).is_some_and(is_live_video)
            && shares_transport(offer, local.profile, audio, index)
            && check(offer, local.profile, index, Kind::Video, |section| {
                wanted(section, local.srtp).map(drop)
            })
            .is_ok()
    })
}

/// The video of an answer that is served.
pub(super) fn check_video(
    ours: &Description,
    answer: &Description,
    local: &Local,
    audio: usize,
) -> Option<usize> {
    let index = ours.sections.iter().position(is_live_video)?;
    let (offered, answered) = (ours.sections.get(index)?, answer.sections.get(index)?);
    let fits = is_live_video(answered)
        && shares_transport(answer, local.profile, audio, index)
        && check(answer, local.profile, index, Kind::Video, |section| check_answered(offered, section))
            .is_ok()
        && !answered_video(&offered.codecs, &answered.codecs, false).is_empty();
    fits.then_some(index)
}

/// The sections in use in the order of their places.
pub(super) fn in_order(audio: Live, video: Option<Live>) -> Vec<Live> {
    let mut live: Vec<Live> = once(audio).chain(video).collect();
    live.sort_by_key(|live| live.place);
    live
}

fn is_live_video(section: &Section) -> bool {
    section.media == MediaType::Video && section.is_live()
}

/// Whether a section goes over the transport of another, where it has to.
fn shares_transport(description: &Description, profile: Profile, audio: usize, video: usize) -> bool {
    if profile == Profile::Rtp {
        return true;
    }
    let mid = |index: usize| description.sections.get(index)?.mid.as_ref();
    let Some((audio, video)) = mid(audio).zip(mid(video)) else { return false };
    description.bundles.iter().any(|mids| mids.contains(audio) && mids.contains(video))
}

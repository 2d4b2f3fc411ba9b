//! A stream: one party that only sends, and others that only receive what it sends.
//!
//! The publisher is answered with one audio codec and one of video, so that what it sends is known, and whoever watches
//! is offered these and nothing else: nothing is made anew on the way. Opus and VP8, or H.264 of the Baseline profile,
//! are taken first, which every browser has.

use bytes::Bytes;

use super::acceptance::names;
use super::formats::{answered, answered_video, is_ours, known_to_us, renumbered, renumbered_video};
use super::party::{codecs_at, sent_codecs};
use super::writing::Content;
use super::{Party, Refusal};
use crate::sdp::{Codec, Direction, Feedback, Kind};

impl Party {
    /// Answers the offer of a party that publishes.
    pub fn answer_publisher(&mut self) -> Result<Bytes, Refusal> {
        let (offer, served) = self.offer_of_theirs()?;
        let offered = codecs_at(offer, served);
        let is_opus = |codec: &&Codec| codec.name.eq_ignore_ascii_case("opus");
        let audio = offered.iter().find(is_opus).or_else(|| offered.iter().find(|codec| is_ours(codec)));
        let Some(audio) = audio else {
            return Err(Refusal::NoCommonCodec { offered: names(offered), supported: names(&known_to_us()) });
        };
        let ptime = offer.sections.get(served).and_then(|section| section.ptime);
        let content = Content { ptime, ..sound(vec![audio.clone()], Direction::RecvOnly) };
        let section = self.video_of_theirs().and_then(|place| offer.sections.get(place));
        let video = section.and_then(|section| {
            let taken = to_publish(&section.codecs)?;
            let codecs = answered_video(&section.codecs, std::slice::from_ref(taken), true);
            Some(pictures(codecs, Direction::RecvOnly, section.feedback))
        });
        self.answer_content(content, video)
    }

    /// Offers to this party what another publishes.
    pub fn offer_stream(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        let codecs = renumbered(&from.published_audio(), &[]);
        if codecs.is_empty() {
            return Err(Refusal::NoDescription);
        }
        let video = renumbered_video(&from.published_video(), &codecs, true);
        let video = self.local.video.as_ref().filter(|_| !video.is_empty()).map(|_| video);
        let video = video.map(|codecs| pictures(codecs, Direction::SendOnly, Feedback::ALL));
        let content = Content { rtcp_mux: false, ..sound(codecs, Direction::SendOnly) };
        Ok(self.offer_content(content, video))
    }

    /// Answers the offer of a party that watches what another publishes.
    pub fn answer_viewer(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        let published = from.published_audio();
        let (offer, served) = self.offer_of_theirs()?;
        let offered = codecs_at(offer, served);
        let codecs = answered(offered, &published);
        if codecs.is_empty() {
            return Err(Refusal::NoCommonCodec { offered: names(offered), supported: names(&published) });
        }
        let content = sound(codecs, Direction::SendOnly);
        let section = self.video_of_theirs().and_then(|place| offer.sections.get(place));
        let video = section.and_then(|section| {
            let codecs = answered_video(&section.codecs, &from.published_video(), true);
            (!codecs.is_empty()).then(|| pictures(codecs, Direction::SendOnly, section.feedback))
        });
        self.answer_content(content, video)
    }

    fn published_audio(&self) -> Vec<Codec> {
        self.sent_codecs().filter(|codec| codec.kind() == Kind::Audio).cloned().collect()
    }

    fn published_video(&self) -> Vec<Codec> {
        let sections = self.video_sections().into_iter();
        let sent = sections.flat_map(|(ours, theirs)| sent_codecs(ours, theirs));
        sent.filter(|codec| codec.kind() == Kind::Video).cloned().collect()
    }
}

fn sound(codecs: Vec<Codec>, direction: Direction) -> Content {
    let feedback = Feedback::default();
    Content { codecs, fax: None, direction, ptime: None, maxptime: None, rtcp_mux: true, feedback }
}

fn pictures(codecs: Vec<Codec>, direction: Direction, feedback: Feedback) -> Content {
    Content { feedback: Feedback::ALL.and(feedback), ..sound(codecs, direction) }
}

/// What of the video that is offered everybody can be expected to see; else the first.
fn to_publish(offered: &[Codec]) -> Option<&Codec> {
    let is_common = |codec: &&Codec| {
        let is_split = codec.parameter("packetization-mode") == Some("1");
        let is_baseline = codec.parameter("profile-level-id").is_some_and(|id| id.starts_with("42"));
        codec.name.eq_ignore_ascii_case("VP8")
            || codec.name.eq_ignore_ascii_case("H264") && is_split && is_baseline
    };
    let is_video = |codec: &&Codec| codec.kind() == Kind::Video;
    offered.iter().find(is_common).or_else(|| offered.iter().find(is_video))
}

//! Video in calls: places for it, what the media workers are told, and whole pictures that are asked for by INFO
//! ([RFC 5168]) where RTCP does not say so.
//!
//! [RFC 5168]: https://www.rfc-editor.org/rfc/rfc5168

use std::time::Instant;

use ringback_media::negotiation::{LocalVideo, Party, PayloadMap, VideoSettings, offers_video};
use ringback_media::session::LegKey;
use ringback_sip::message::Method;

use super::body::session_description;
use super::{Call, Leg, LegMedia, Renegotiation, Signalling, VideoPlace};
use crate::exchange::{Exchange, Use};
use crate::media::MediaCommand;

impl Exchange {
    /// Has the media workers make places for the video that `from` offers in mid-call, where it or `to` has none; says
    /// whether one is to be waited for.
    pub(super) fn opens_video(&mut self, call: &mut Call, from: LegKey, to: LegKey) -> bool {
        let is_wanted = call.leg(from).and_then(Leg::party).is_some_and(Party::wants_video);
        if !self.settings.video || !is_wanted {
            return false;
        }
        let (worker, mut waits) = (call.worker, false);
        for key in [from, to] {
            let Some(leg) = call.leg_mut(key) else { continue };
            let lacks = matches!(&leg.media, LegMedia::Open(party) if party.lacks_video());
            if !lacks || leg.video.place != VideoPlace::Unasked {
                continue;
            }
            leg.video.place = VideoPlace::Opening;
            waits = true;
            let signalling = leg.flow;
            self.command(worker, key, MediaCommand::OpenVideo { signalling });
        }
        waits
    }

    /// A media worker has made a place for video, or could not; the offer that waits for the last one goes on.
    pub(crate) fn video_opened(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        result: Result<Box<LocalVideo>, String>,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        leg.video.place = VideoPlace::Answered;
        match (result, leg.party_mut()) {
            (Ok(video), Some(party)) => party.set_video(*video),
            (Ok(_), None) => {}
            (Err(_), _) => self.stats.video_unopened += 1,
        }
        if let Renegotiation::Postponed { to, .. } = call.renegotiation {
            self.awaited(now, call, to);
        }
    }

    /// Tells the media worker what is agreed of the video of a leg, as long as there is any or was.
    pub(super) fn configure_video(
        &mut self,
        call: &mut Call,
        key: LegKey,
        (agreed, map): (Option<VideoSettings>, PayloadMap),
    ) {
        let worker = call.worker;
        let Some(leg) = call.leg_mut(key) else { return };
        let was_configured = std::mem::replace(&mut leg.video.is_configured, agreed.is_some());
        if agreed.is_some() || was_configured {
            let command = MediaCommand::ConfigureVideo(agreed.map(Box::new), Box::new(map));
            self.command(worker, key, command);
        }
    }

    /// Whoever leg `key` talks to is asked for a whole picture by RTCP, or by an INFO; `false` where there is no video.
    pub(super) fn ask_picture(&mut self, call: &Call, key: LegKey) -> bool {
        let other = call.other(key).and_then(|other| call.leg(other));
        let Some(other) = other.filter(|leg| leg.video.is_configured) else { return false };
        self.stats.pictures_by_info += 1;
        self.command(call.worker, other.key, MediaCommand::AskPicture);
        true
    }

    /// The far end of a leg is to send a whole picture, and takes no RTCP that says so.
    pub(crate) fn picture_wanted(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(leg) = call.leg_mut(key) else { return };
        let flow = leg.flow;
        let Signalling::Confirmed { dialog, .. } = &mut leg.signalling else { return };
        let request = self.dialog_request(dialog, Method::Info).body(MEDIA_CONTROL, FAST_UPDATE.as_bytes());
        self.stats.pictures_by_info += 1;
        self.send_request(now, flow, request.finish(), Use::PictureRequest);
    }
}

impl Call {
    /// Whether there is video in the call, or in the offer that begins it.
    pub fn has_video(&self) -> bool {
        let has = |party: &Party| party.wants_video() || party.has_video();
        self.caller.offers_video() || self.legs().filter_map(Leg::party).any(has)
    }
}

impl Leg {
    /// Whether the INVITE of this leg, which has no answer yet, offers video.
    pub fn offers_video(&self) -> bool {
        let Signalling::Invited { invite, .. } = &self.signalling else { return false };
        // Most have none, which is seen without reading them.
        invite.body().windows(VIDEO.len()).any(|window| window == VIDEO)
            && session_description(invite).ok().flatten().is_some_and(|offer| offers_video(&offer))
    }
}

/// Whether the body of an INFO asks for a whole picture. The document has nothing else to say, and no client writes it in
/// another way than by the name of this element.
pub(super) fn asks_for_picture(content_type: &[u8], body: &[u8]) -> bool {
    let media_type = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(MEDIA_CONTROL)
        && body.windows(ELEMENT.len()).any(|window| window == ELEMENT)
}

const VIDEO: &[u8] = b"m=video";
const MEDIA_CONTROL: &[u8] = b"application/media_control+xml";
const ELEMENT: &[u8] = b"picture_fast_update";

/// The document of RFC 5168 §4.
const FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<media_control><vc_primitive><to_encoder>\
<picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_asked_for_by_the_element_in_its_document() {
        let ours = FAST_UPDATE.as_bytes();
        assert!(asks_for_picture(b"application/media_control+xml", ours));
        assert!(asks_for_picture(
            b"Application/Media_Control+XML ; charset=utf-8",
            b"<picture_fast_update></picture_fast_update>"
        ));
        assert!(!asks_for_picture(b"application/dtmf-relay", ours));
        assert!(!asks_for_picture(b"application/media_control+xml", b"<media_control/>"));
    }
}

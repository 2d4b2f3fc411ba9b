//! Video beside the audio of a call: places for it, and what the media workers are told.
//!
//! A far end that takes no RTCP feedback is asked for a whole picture by an INFO, which is for who drives us to send and
//! which the protocol has no word for: it is not asked.

use ringback_media::negotiation::{LocalVideo, Party, video_map};
use ringback_media::sdp::Kind;
use ringback_media::session::LegKey;

use super::calls::{Call, State};
use super::engine::Engine;
use crate::call::VideoPlace;
use crate::media::MediaCommand;

impl Engine {
    /// Has the media workers make places for the video of an offer where one of these sides has none; says whether one is
    /// to be waited for.
    pub(super) fn opens_video(
        &mut self,
        call: &mut Call,
        from: (LegKey, &Party),
        to: (LegKey, &Party),
    ) -> bool {
        if !self.settings.video || !from.1.wants_video() {
            return false;
        }
        let mut waits = false;
        for (leg, party) in [from, to] {
            let Some(side) = call.side_mut(leg) else { continue };
            if party.lacks_video() && side.video.place == VideoPlace::Unasked {
                side.video.place = VideoPlace::Opening;
                let signalling = side.signalling;
                self.command(leg, MediaCommand::OpenVideo { signalling });
            }
            waits |= side.video.place == VideoPlace::Opening;
        }
        waits
    }

    /// A media worker has made a place for video, or could not: then the call goes on without.
    pub(super) fn video_opened(
        &mut self,
        call: &mut Call,
        leg: LegKey,
        opened: Result<Box<LocalVideo>, String>,
    ) {
        let Some(side) = call.side_mut(leg) else { return };
        side.video.place = VideoPlace::Answered;
        match (opened, &mut side.state) {
            (Ok(video), State::Open(party)) => party.set_video(*video),
            (Ok(_), _) => {}
            (Err(_), _) => self.stats.video_unopened += 1,
        }
    }

    /// Waits no longer for places for video, where nothing else is waited for; says whether that was so.
    pub(super) fn gives_up_video(&mut self, call: &mut Call) -> bool {
        if call.sides.iter().any(|side| matches!(side.state, State::Opening)) {
            return false;
        }
        let mut gave_up = false;
        for side in call.sides.iter_mut().filter(|side| side.video.place == VideoPlace::Opening) {
            side.video.place = VideoPlace::Answered;
            self.stats.video_unopened += 1;
            gave_up = true;
        }
        gave_up
    }

    /// Tells the media workers what is agreed of the video of a side, as long as there is any or was. Who may not be heard
    /// is not seen either.
    pub(super) fn configure_video(&mut self, call: &mut Call, leg: LegKey) {
        let Some(side) = call.side(leg) else { return };
        let Some((party, peer)) = side.party().zip(side.peer.and_then(|peer| call.side(peer)?.party()))
        else {
            return;
        };
        let agreed = party.agreed_video();
        let map = match side.lets_pass(call, Kind::Video, false) {
            true => video_map(party, peer),
            false => std::iter::empty().collect(),
        };
        let Some(side) = call.side_mut(leg) else { return };
        let was_configured = std::mem::replace(&mut side.video.is_configured, agreed.is_some());
        if agreed.is_some() || was_configured {
            self.command(leg, MediaCommand::ConfigureVideo(agreed.map(Box::new), Box::new(map)));
        }
    }
}

//! What the exchange asks of the media workers, and what they tell it.
//!
//! Commands for one worker are carried out in the order in which they were given. `Open` is answered by
//! [`MediaEvent::Opened`], `OpenVideo` by [`MediaEvent::VideoOpened`], `Report` by [`MediaEvent::Reported`] and `Close` by
//! [`MediaEvent::Closed`]; the others have no answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringback_media::audio::Signal;
use ringback_media::dtmf::Press;
use ringback_media::insert::{ConferenceKey, Manner, PlayEnd, RecordingKey, Track};
use ringback_media::negotiation::{
    Credentials, LegSettings, Local, LocalVideo, Patch, PayloadMap, VideoSettings,
};
use ringback_media::session::{Gone, LegKey, LegReport};
use ringback_sansio::Flow;

/// A command for the worker that holds the leg.
#[derive(Debug, Clone)]
pub enum MediaCommand {
    /// Makes the leg's local side.
    Open {
        /// The kind of leg.
        medium: Medium,
        /// The far end's signalling flow. It says which of our addresses the far end can reach: a page that came over
        /// loopback is offered loopback candidates, and a phone is offered the address that it signals to.
        signalling: Flow,
        /// Whether the leg has a place for video.
        video: bool,
    },
    /// Makes a place for the video of a leg that was opened without one; answered by [`MediaEvent::VideoOpened`].
    OpenVideo {
        /// The far end's signalling flow.
        signalling: Flow,
    },
    /// Gives a WebRTC leg other ICE credentials of ours, before the `Configure` with those of a far end that restarts
    /// ICE.
    Restart(Box<Credentials>),
    /// Applies what offer and answer agreed, and says where what the leg sends goes.
    Configure(Box<LegSettings>, Route),
    /// Applies what was agreed of video, and what its payload types become with whom the leg is joined with; or says that
    /// there is none any more.
    ConfigureVideo(Option<Box<VideoSettings>>, Box<PayloadMap>),
    /// Has the leg get what another one sends to its audience ([`Route::Audience`]).
    Watch {
        /// The other one.
        source: LegKey,
        /// What the payload types of its audio become.
        audio: Box<PayloadMap>,
        /// The same of its video.
        video: Box<PayloadMap>,
    },
    /// Asks the far end for a whole picture.
    AskPicture,
    /// Presses a key for the far end.
    Press {
        /// The key, and for how long.
        press: Press,
        /// The payload type and the clock rate, in hertz, of the telephone events that it takes; without them it hears
        /// tones.
        events: Option<(u8, u32)>,
        /// What the leg understands: in that tones are made for it when its audio is not made here. Without it, and
        /// without events, such a leg hears nothing.
        alone: Option<Box<Patch>>,
    },
    /// Lets this leg and another one hear each other.
    Join(LegKey),
    /// Lets the leg hear itself.
    Echo,
    /// Says where the far end's signalling comes from, of a leg that was opened without knowing; before the `Configure`
    /// that it is to hold for.
    Locate(IpAddr),
    /// Asks what the leg has carried so far.
    Report,
    /// Plays something to the far end, in the place of what was played before; what is played already goes on. When it
    /// ends by itself [`MediaEvent::Played`] tells it.
    Play(Box<Play>),
    /// Plays nothing more.
    StopPlaying,
    /// Records what the far end says, in no other recording than this from here on. A recording begins with its first leg
    /// and ends with its last.
    Record(Box<Track>),
    /// Leaves a gap in a recording from here on.
    PauseRecording(RecordingKey),
    /// Goes on with a recording.
    ResumeRecording(RecordingKey),
    /// Ends a recording.
    StopRecording(RecordingKey),
    /// Ends a recording and throws it away.
    DiscardRecording(RecordingKey),
    /// Ends the leg.
    Close,
}

/// One of the things that are played to a leg, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayNumber(pub u32);

impl PlayNumber {
    /// Stands for the tone of a key, which nobody waits for.
    pub const KEY: PlayNumber = PlayNumber(u32::MAX);

    /// The next one, which it becomes.
    pub(crate) fn advance(&mut self) -> PlayNumber {
        self.0 = (self.0 + 1) % PlayNumber::KEY.0;
        *self
    }
}

/// Something to play to a leg.
#[derive(Debug, Clone)]
pub struct Play {
    /// By which its end is known, among all that is played to the leg.
    pub number: PlayNumber,
    /// What.
    pub what: What,
    /// How often; `None` until it is stopped. A tone does not end by itself.
    pub times: Option<u32>,
    /// Where the first time begins.
    pub from: Duration,
    /// Whether it goes before what the leg would hear.
    pub manner: Manner,
    /// What the leg understands.
    pub patch: Patch,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The music on hold of the configuration.
    HoldMusic,
    /// The tone that says that a call is recorded.
    Beep,
    /// A tone of the network, as it sounds in the region of the configuration.
    Tone(Signal),
    /// The file of a name: one of [`Settings::sounds`](crate::Settings::sounds).
    File(Arc<str>),
}

/// Where the packets of a leg go.
#[derive(Debug, Clone)]
pub enum Route {
    /// To the leg that it is joined with, under these payload types.
    Direct(Box<PayloadMap>),
    /// To every leg that watches it, its video too.
    Audience,
    /// To a leg that needs other codecs, through an insert that makes them.
    Patched {
        /// Who hears it.
        to: LegKey,
        /// Out of what and into what.
        patch: Box<Patch>,
    },
    /// To all others in a conference, whom it hears.
    Conference {
        /// Which one.
        key: ConferenceKey,
        /// What the leg sends and what it understands.
        patch: Box<Patch>,
    },
}

/// The kind of leg to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// ICE, DTLS-SRTP and rtcp-mux on the worker's shared port.
    WebRtc,
    /// Plain RTP on ports of its own.
    Rtp,
}

impl MediaEvent {
    /// The leg that it is about.
    pub const fn leg(&self) -> LegKey {
        match self {
            MediaEvent::Opened(leg, _)
            | MediaEvent::VideoOpened(leg, _)
            | MediaEvent::PictureWanted(leg)
            | MediaEvent::Reported(leg, _)
            | MediaEvent::Closed(leg, _)
            | MediaEvent::Connected(leg)
            | MediaEvent::FirstPacket(leg)
            | MediaEvent::Key(leg, _)
            | MediaEvent::Played(leg, ..)
            | MediaEvent::RecordingEnded(leg, _)
            | MediaEvent::Gone(leg, _) => *leg,
        }
    }
}

/// News from a media worker.
#[derive(Debug, Clone)]
pub enum MediaEvent {
    /// The leg is open, or why it could not be opened.
    Opened(LegKey, Result<Box<Local>, String>),
    /// What the leg has carried so far; nothing of a leg that is not open.
    Reported(LegKey, Option<Box<LegReport>>),
    /// The leg has a place for video, or why it could not get one.
    VideoOpened(LegKey, Result<Box<LocalVideo>, String>),
    /// Who sees the leg needs a whole picture of it, and its far end is to be asked by the signalling.
    PictureWanted(LegKey),
    /// The leg is closed; what it carried.
    Closed(LegKey, Option<Box<LegReport>>),
    /// The leg has its keys.
    Connected(LegKey),
    /// The first packet came in from the leg.
    FirstPacket(LegKey),
    /// The far end of the leg is to be told of a key that was pressed for it ([`Keys::Told`]).
    ///
    /// [`Keys::Told`]: ringback_media::negotiation::Keys::Told
    Key(LegKey, Press),
    /// The far end of the leg has gone.
    Gone(LegKey, Gone),
    /// What was played to the leg is over, or could not be played; never told of what was stopped or replaced.
    Played(LegKey, PlayNumber, PlayEnd),
    /// A recording that the leg is heard in has ended by itself.
    RecordingEnded(LegKey, RecordingKey),
}

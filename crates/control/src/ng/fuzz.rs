//! What holds for any datagram; a fuzz target and a test of its corpus call it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_media::insert::PlayEnd;
use ringback_media::negotiation::{Credentials, Local, LocalVideo, Profile, Srtp};
use ringback_media::sdp::Description;
use ringback_media::session::{Gone, LegKey};
use ringback_sansio::Flow;

use super::{Dict, Encoding, Engine, MAX_LEN, Message, Settings, write};
use crate::media::{MediaCommand, MediaEvent, Medium, What};
use crate::settings::Epoch;

/// The input is datagrams, each with a byte before it of what happens after it and with a NUL behind it.
///
/// Whatever is passed on can be read. Whatever is read can be written and read again in both writings; whatever is
/// asked is answered once in the end; and when all calls have ended, all legs are closed.
pub fn ng(data: &[u8], start: Instant) {
    let mut world = World::new(start);
    for (index, entry) in data.split(|byte| *byte == 0).take(MAX_DATAGRAMS).enumerate() {
        let Some((what, text)) = entry.split_first() else { continue };
        round_trip(text);
        // Each has a cookie of its own, so that none is a repeat.
        let mut datagram = format!("{index}_").into_bytes();
        datagram.extend_from_slice(text);
        world.datagram(&datagram);
        if what & 1 == 0 {
            world.obey(what & 2 != 0);
        }
        if what & 4 != 0 {
            world.lose();
        }
        if what & 8 != 0 {
            world.pass(Duration::from_secs(31));
        }
    }
    world.finish();
}

fn round_trip(datagram: &[u8]) {
    let Some(message) = Message::read(&Bytes::copy_from_slice(datagram)) else { return };
    let Ok(dict) = message.dict else { return };
    for encoding in [Encoding::Bencode, Encoding::Json] {
        let written = write(&message.cookie, encoding, &dict);
        // Escapes and the signs of the other writing may lengthen it.
        if written.len() <= MAX_LEN {
            let again = Message::read(&written).and_then(|message| message.dict.ok());
            assert_eq!(again.as_ref(), Some(&dict), "{encoding:?} is not read as it was written");
        }
    }
}

struct World {
    engine: Engine,
    now: Instant,
    /// The legs that are open.
    open: Vec<LegKey>,
    commands: Vec<(LegKey, MediaCommand)>,
    asked: u64,
    answered: u64,
}

impl World {
    fn new(now: Instant) -> World {
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH };
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let settings = Settings { max_recordings: 2, ..Settings::new(epoch, address, [7; 32]) };
        let mut engine = Engine::new(settings);
        engine.handle_sounds([(SOUND.into(), Duration::from_secs(1))].into_iter().collect());
        World { engine, now, open: Vec::new(), commands: Vec::new(), asked: 0, answered: 0 }
    }

    fn datagram(&mut self, datagram: &[u8]) {
        let before = self.engine.stats().commands;
        let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        self.engine.handle_datagram(self.now, Flow::datagram(at(2_223), at(5_000)), datagram);
        self.asked += self.engine.stats().commands - before;
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(reply) = self.engine.poll_transmit() {
            assert!(reply.payload.len() <= MAX_LEN);
            let dict: Option<Dict> = Message::read(&reply.payload).and_then(|message| message.dict.ok());
            let result = dict.as_ref().and_then(|dict| dict.text("result"));
            assert!(result.is_some_and(|result| !result.is_empty()), "an answer without a result");
            if let Some(sdp) = dict.as_ref().and_then(|dict| dict.text("sdp")) {
                assert!(Description::parse(sdp).is_ok(), "what is passed on cannot be read");
            }
            self.answered += 1;
        }
        while let Some((_, leg, command)) = self.engine.poll_media() {
            self.commands.push((leg, command));
        }
    }

    /// The media worker does what it was told.
    fn obey(&mut self, fails: bool) {
        while !self.commands.is_empty() {
            for (leg, command) in std::mem::take(&mut self.commands) {
                match command {
                    MediaCommand::Open { .. } if fails => {
                        let event = MediaEvent::Opened(leg, Err("no ports".to_owned()));
                        self.engine.handle_media(self.now, event);
                    }
                    MediaCommand::Open { medium, video, .. } => {
                        assert!(!self.open.contains(&leg), "a leg is opened twice");
                        self.open.push(leg);
                        let place = video.then(local_video);
                        let local = Local { video: place, ..local(medium) };
                        self.engine.handle_media(self.now, MediaEvent::Opened(leg, Ok(Box::new(local))));
                    }
                    MediaCommand::Close => {
                        self.open.retain(|open| *open != leg);
                        self.engine.handle_media(self.now, MediaEvent::Closed(leg, None));
                    }
                    MediaCommand::Report => {
                        self.engine.handle_media(self.now, MediaEvent::Reported(leg, None));
                    }
                    MediaCommand::Join(other) => {
                        assert!(
                            self.open.contains(&leg) && self.open.contains(&other),
                            "a closed leg is joined"
                        );
                    }
                    MediaCommand::OpenVideo { .. } => {
                        assert!(self.open.contains(&leg), "a closed leg gets video");
                        let opened = match fails {
                            true => Err("no ports".to_owned()),
                            false => Ok(Box::new(local_video())),
                        };
                        self.engine.handle_media(self.now, MediaEvent::VideoOpened(leg, opened));
                    }
                    MediaCommand::ConfigureVideo(..) => {
                        assert!(self.open.contains(&leg), "a closed leg has video");
                    }
                    MediaCommand::AskPicture | MediaCommand::Watch { .. } => {
                        unreachable!("nobody asks for a picture, or watches")
                    }
                    MediaCommand::Play(play) => {
                        assert!(self.open.contains(&leg), "a closed leg is played to");
                        assert_eq!(play.what, What::File(SOUND.into()), "nobody named this");
                        if fails {
                            self.engine.handle_media(
                                self.now,
                                MediaEvent::Played(leg, play.number, PlayEnd::Finished),
                            );
                        }
                    }
                    MediaCommand::Record(track) => {
                        assert!(self.open.contains(&leg), "a closed leg is recorded");
                        assert!(!track.name.contains(['/', '\\', '\0']) && !track.name.starts_with('.'));
                        if fails {
                            let ended = MediaEvent::RecordingEnded(leg, track.recording);
                            self.engine.handle_media(self.now, ended);
                        }
                    }
                    MediaCommand::Configure(..)
                    | MediaCommand::Locate(_)
                    | MediaCommand::Press { .. }
                    | MediaCommand::Restart(_)
                    | MediaCommand::StopPlaying
                    | MediaCommand::PauseRecording(_)
                    | MediaCommand::ResumeRecording(_)
                    | MediaCommand::StopRecording(_)
                    | MediaCommand::DiscardRecording(_)
                    | MediaCommand::Echo => {
                        assert!(self.open.contains(&leg), "a closed leg is configured");
                    }
                }
            }
            self.drain();
        }
    }

    fn lose(&mut self) {
        for leg in self.open.clone() {
            self.engine.handle_media(self.now, MediaEvent::Gone(leg, Gone::NoMedia));
        }
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.drain();
    }

    fn finish(&mut self) {
        self.obey(false);
        self.pass(Duration::from_secs(3_600));
        self.obey(false);
        assert_eq!(self.asked, self.answered, "a request is not answered, or more than once");
        self.lose();
        self.lose();
        self.pass(Duration::from_secs(86_401));
        self.obey(false);
        assert_eq!(self.engine.calls(), 0, "a call never ends");
        assert!(self.open.is_empty(), "a leg stays open");
        assert!(self.engine.recorded.is_empty(), "a recording never ends");
        assert_eq!(self.engine.poll_timeout(), None, "a timer stays");
    }
}

fn local(medium: Medium) -> Local {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let is_webrtc = medium == Medium::WebRtc;
    Local {
        profile: if is_webrtc { Profile::WebRtc } else { Profile::Rtp },
        address,
        rtp: 20_000,
        rtcp: if is_webrtc { 20_000 } else { 20_001 },
        ice: is_webrtc.then(|| Credentials::from_random(&[3; Credentials::RANDOM_LEN])),
        candidates: if is_webrtc { vec![SocketAddr::new(address, 20_000)] } else { Vec::new() },
        fingerprint: None,
        srtp: Srtp::Never,
        seed: None,
        video: None,
    }
}

fn local_video() -> LocalVideo {
    LocalVideo { rtp: 20_002, rtcp: 20_003, sources: None, seed: None }
}

/// What can be played.
const SOUND: &str = "welcome";
/// How many datagrams of an input are taken.
const MAX_DATAGRAMS: usize = 64;

//! The media worker and the store of the kit.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_control::{
    Answer, Ask, AskId, Cdr, Features, MediaCommand, MediaEvent, Medium, Route, StoredMessage, User, What,
};
use ringback_media::dtls::{Fingerprint, HashAlgorithm};
use ringback_media::insert::{Manner, RecordingKey, Track};
use ringback_media::negotiation::{
    Credentials, Keys, LegSettings, Local, LocalVideo, PayloadMap, Profile, Seed, Srtp,
};
use ringback_media::rtcp::Cname;
use ringback_media::sdp::{Kind, Sources};
use ringback_media::session::{LegKey, LegReport};
use ringback_sip::digest::{Algorithm, Ha1};
use ringback_sip::event::documents::vq_report::Metrics;
use ringback_sip::location::Change;

/// A store that knows some users and takes bindings.
#[derive(Default)]
pub struct Store {
    pub users: BTreeMap<String, User>,
    /// How long an answer takes.
    pub slow: Duration,
    /// Whether writes fail.
    pub broken: bool,
    /// What was written.
    pub written: Vec<Change>,
    /// What users have set by their phones.
    pub features: BTreeMap<String, Features>,
    /// The records of calls that it was given.
    pub cdrs: Vec<Cdr>,
    /// What was added to records: which, the place of the leg, and what its phone says.
    pub amendments: Vec<(String, usize, Metrics)>,
    /// Messages that wait for their users.
    pub messages: Vec<StoredMessage>,
    /// Messages that it was ever given.
    pub messages_stored: u64,
    answers: VecDeque<(Instant, AskId, Answer)>,
}

impl Store {
    /// Adds a user whose password is the name backwards.
    pub fn add(&mut self, user: &str) {
        let password = password_of(user);
        let ha1 = [Algorithm::Md5, Algorithm::Sha256]
            .map(|algorithm| Ha1::of_password(algorithm, user.as_bytes(), b"ringback", password.as_bytes()));
        let account = User { name: user.to_owned(), display: None, ha1: ha1.to_vec() };
        self.users.insert(user.to_owned(), account);
    }

    pub fn ask(&mut self, now: Instant, id: AskId, ask: Ask) {
        let answer = match ask {
            Ask::Credentials { user, realm } => {
                assert_eq!(realm, "ringback");
                Answer::Credentials(self.users.get(&user).cloned())
            }
            Ask::Persist(changes) => {
                if !self.broken {
                    self.written.extend(changes);
                }
                Answer::Persisted(!self.broken)
            }
            Ask::Features { user, features } => {
                if !self.broken {
                    self.features.insert(user, *features);
                }
                Answer::Persisted(!self.broken)
            }
            Ask::Record(cdr) => {
                self.cdrs.push(*cdr);
                Answer::Persisted(!self.broken)
            }
            Ask::AmendRecord { call, leg, metrics } => {
                self.amendments.push((call, leg, metrics));
                Answer::Persisted(!self.broken)
            }
            Ask::StoreMessage(mut message) => {
                if !self.broken {
                    self.messages_stored += 1;
                    message.number = self.messages_stored;
                    self.messages.push(*message);
                }
                Answer::Persisted(!self.broken)
            }
            Ask::StoredMessages { user, after } => {
                let waits = |message: &&StoredMessage| message.user == user && message.number > after;
                Answer::Messages(self.messages.iter().filter(waits).take(2).cloned().collect())
            }
            Ask::MessageDelivered { user, number } => {
                let before = self.messages.len();
                self.messages.retain(|message| message.number != number);
                assert_eq!(self.messages.len() + 1, before, "{number} of {user} was stored");
                Answer::Persisted(!self.broken)
            }
            Ask::Dns(_) | Ask::Connect(_) => panic!("no question for a store: {ask:?}"),
            Ask::ForgetMessages { user } => {
                self.messages.retain(|message| message.user != user);
                Answer::Persisted(!self.broken)
            }
        };
        self.answers.push_back((now + self.slow, id, answer));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.answers.front().map(|(at, ..)| *at)
    }

    pub fn poll_answer(&mut self, now: Instant) -> Option<(AskId, Answer)> {
        let (at, id, answer) = self.answers.pop_front()?;
        if at > now {
            self.answers.push_front((at, id, answer));
            return None;
        }
        Some((id, answer))
    }
}

pub fn password_of(user: &str) -> String {
    user.chars().rev().collect()
}

/// A media worker that opens and closes legs and writes down what else it is told.
#[derive(Default)]
pub struct Media {
    pub legs: BTreeMap<LegKey, FakeLeg>,
    /// What it was told, in words.
    pub log: Vec<String>,
    /// Why legs cannot be opened.
    pub refuses: Option<String>,
    /// Whether it has no place for browsers.
    pub refuses_browsers: bool,
    /// The worker that every leg was opened on, in order.
    pub workers: Vec<u16>,
    /// Whether it answers at all.
    pub is_dead: bool,
    /// How long an answer takes.
    pub slow: Duration,
    /// When the far end of every leg was heard last, for the reports.
    pub last_heard: Option<Instant>,
    opened: u16,
    events: VecDeque<(Instant, MediaEvent)>,
}

pub struct FakeLeg {
    pub worker: u16,
    pub label: String,
    pub medium: Medium,
    pub settings: Option<LegSettings>,
    pub map: PayloadMap,
    /// Where what it sends goes.
    pub route: Option<Route>,
    pub peer: Option<LegKey>,
    pub ice: Option<Credentials>,
    /// The recording that it is heard in.
    pub track: Option<Track>,
}

impl Media {
    /// The leg of a phone; the latest, if it has several.
    pub fn leg_of(&self, label: &str) -> LegKey {
        let leg = self.legs.iter().rev().find(|(_, leg)| leg.label == label);
        *leg.unwrap_or_else(|| panic!("{label} has no leg")).0
    }

    /// What was agreed for a phone's leg.
    pub fn settings_of(&self, label: &str) -> &LegSettings {
        self.legs[&self.leg_of(label)].settings.as_ref().expect("it is configured")
    }

    /// Who hears whom: the label of the leg that a phone's legs are joined with, in the order of its legs.
    pub fn hears(&self, label: &str) -> Vec<&str> {
        let legs = self.legs.values().filter(|leg| leg.label == label);
        legs.filter_map(|leg| Some(self.legs.get(&leg.peer?)?.label.as_str())).collect()
    }

    /// How many legs a phone has.
    pub fn count(&self, label: &str) -> usize {
        self.legs.values().filter(|leg| leg.label == label).count()
    }

    fn assert_recorded(&self, key: LegKey, recording: RecordingKey) {
        let track = self.legs[&key].track.as_ref();
        assert_eq!(track.map(|track| track.recording), Some(recording), "what is changed is there");
    }

    /// The recordings that are under way, by name, and who is heard in each.
    pub fn recordings(&self) -> Vec<(String, String)> {
        let tracks = self.legs.values().filter_map(|leg| Some((leg.track.as_ref()?, &leg.label)));
        tracks.map(|(track, label)| (track.name.to_string(), label.clone())).collect()
    }

    /// A leg hears nobody from here on.
    fn part(&mut self, key: LegKey) {
        if let Some(peer) = self.legs.get_mut(&key).and_then(|leg| leg.peer.take())
            && let Some(peer) = self.legs.get_mut(&peer)
        {
            peer.peer = None;
        }
    }

    /// Tells the exchange something, as soon as time goes on.
    pub fn tell(&mut self, now: Instant, event: MediaEvent) {
        self.events.push_back((now, event));
    }

    pub fn take(
        &mut self,
        now: Instant,
        worker: u16,
        key: LegKey,
        command: MediaCommand,
        name: impl Fn(SocketAddr) -> String,
    ) {
        if self.is_dead {
            return;
        }
        let at = now + self.slow;
        match command {
            MediaCommand::Open { medium, signalling, video } => {
                self.workers.push(worker);
                let no_place =
                    (self.refuses_browsers && medium == Medium::WebRtc).then(|| "no place".to_owned());
                if let Some(sentence) = self.refuses.clone().or(no_place) {
                    return self.events.push_back((at, MediaEvent::Opened(key, Err(sentence))));
                }
                self.opened += 1;
                let place = video.then(|| local_video(medium, self.opened));
                let local = Local { video: place, ..local(medium, self.opened) };
                let label = name(signalling.remote());
                let leg = FakeLeg {
                    worker,
                    label,
                    medium,
                    settings: None,
                    map: PayloadMap::default(),
                    route: None,
                    peer: None,
                    ice: local.ice.clone(),
                    track: None,
                };
                self.legs.insert(key, leg);
                self.events.push_back((at, MediaEvent::Opened(key, Ok(Box::new(local)))));
            }
            MediaCommand::OpenVideo { .. } => {
                let leg = self.legs.get(&key).expect("only an open leg gets a place for video");
                self.log.push(format!("{} gets a place for video", leg.label));
                self.opened += 1;
                let place = local_video(leg.medium, self.opened);
                self.events.push_back((at, MediaEvent::VideoOpened(key, Ok(Box::new(place)))));
            }
            MediaCommand::ConfigureVideo(settings, map) => {
                let leg = self.legs.get(&key).expect("only an open leg is configured");
                let words = settings.map_or("no video".to_owned(), |settings| {
                    let flow = (settings.leg.sends, settings.leg.receives);
                    format!("video {} {flow:?} {:?} as {map:?}", settings.leg.codec, settings.feedback)
                });
                self.log.push(format!("{} has {words}", leg.label));
            }
            MediaCommand::Watch { .. } => unreachable!("calls have no audience"),
            MediaCommand::AskPicture => {
                self.log.push(format!("{} is asked for a picture", self.legs[&key].label));
            }
            MediaCommand::Close => {
                self.part(key);
                let report = self.legs.remove(&key).map(|_| Box::new(report(key, self.last_heard)));
                self.events.push_back((at, MediaEvent::Closed(key, report)));
            }
            MediaCommand::Restart(credentials) => {
                let leg = self.legs.get_mut(&key).expect("only an open leg restarts");
                self.log.push(format!("{} restarts ICE", leg.label));
                leg.ice = Some(*credentials);
            }
            MediaCommand::Configure(settings, route) => {
                let leg = self.legs.get_mut(&key).expect("only an open leg is configured");
                let flow = match (settings.sends, settings.receives) {
                    (true, true) => "sends and receives",
                    (true, false) => "sends only",
                    (false, true) => "receives only",
                    (false, false) => "is silent",
                };
                let made = match &route {
                    Route::Direct(_) => String::new(),
                    Route::Audience => ", for an audience".to_owned(),
                    Route::Patched { patch, .. } => format!(", made into {}", patch.to[0].name),
                    Route::Conference { .. } => ", in a conference".to_owned(),
                };
                self.log.push(format!("{} {flow}, {}{made}", leg.label, settings.codec));
                leg.settings = Some(*settings);
                leg.map = match &route {
                    Route::Direct(map) => **map,
                    Route::Audience | Route::Patched { .. } | Route::Conference { .. } => {
                        PayloadMap::default()
                    }
                };
                leg.route = Some(route);
            }
            MediaCommand::Press { press, events, .. } => {
                let label = &self.legs[&key].label;
                let how = events.map_or("a tone".to_owned(), |(payload_type, _)| payload_type.to_string());
                self.log.push(format!("{label} hears the key {} as {how}", press.digit));
            }
            MediaCommand::Join(other) => {
                let words =
                    format!("{} and {} hear each other", self.legs[&key].label, self.legs[&other].label);
                self.log.push(words);
                assert_eq!(self.legs[&key].worker, self.legs[&other].worker, "legs of one worker are joined");
                self.part(key);
                self.part(other);
                self.legs.get_mut(&key).expect("open").peer = Some(other);
                self.legs.get_mut(&other).expect("open").peer = Some(key);
            }
            MediaCommand::Report | MediaCommand::Locate(_) => {
                panic!("nobody asks for it")
            }
            MediaCommand::Play(play) => {
                let leg = self.legs.get(&key).expect("only an open leg is played to");
                assert!(!play.patch.to.is_empty());
                let words = match play.what {
                    What::HoldMusic => "music".to_owned(),
                    What::Beep => "a beep".to_owned(),
                    What::Tone(signal) => format!("{signal:?}"),
                    What::File(name) => format!("the file {name}"),
                };
                let manner = if play.manner == Manner::Over { "" } else { ", under who speaks" };
                self.log.push(format!("{} hears {words}{manner}", leg.label));
            }
            MediaCommand::StopPlaying => {
                self.log.push(format!("{} hears no more of it", self.legs[&key].label));
            }
            MediaCommand::Record(track) => {
                let leg = self.legs.get_mut(&key).expect("only an open leg is recorded");
                assert!(!track.codecs.is_empty());
                self.log.push(format!("{} is recorded on the {:?} side", leg.label, track.side));
                leg.track = Some(*track);
            }
            MediaCommand::PauseRecording(recording) => {
                self.log.push("the recording pauses".to_owned());
                self.assert_recorded(key, recording);
            }
            MediaCommand::ResumeRecording(recording) => {
                self.log.push("the recording goes on".to_owned());
                self.assert_recorded(key, recording);
            }
            MediaCommand::DiscardRecording(_) => panic!("no call of the exchange is thrown away"),
            MediaCommand::StopRecording(recording) => {
                self.log.push("the recording ends".to_owned());
                self.assert_recorded(key, recording);
                for leg in self.legs.values_mut() {
                    leg.track.take_if(|track| track.recording == recording);
                }
            }
            MediaCommand::Echo => {
                let leg = self.legs.get_mut(&key).expect("open");
                self.log.push(format!("{} hears itself", leg.label));
                self.part(key);
                self.legs.get_mut(&key).expect("open").peer = Some(key);
            }
        }
    }

    /// How keys get to who hears the leg of a label; `None` where its audio is passed on.
    pub fn keys_of(&self, label: &str) -> Option<Keys> {
        match self.legs.values().find(|leg| leg.label == label)?.route.as_ref()? {
            Route::Patched { patch, .. } => Some(patch.keys),
            Route::Direct(_) | Route::Audience | Route::Conference { .. } => None,
        }
    }

    /// Whether telephone events are agreed with the leg of a label.
    pub fn takes_events(&self, label: &str) -> bool {
        let leg = self.legs.values().find(|leg| leg.label == label);
        let settings = leg.and_then(|leg| leg.settings.as_ref());
        let mut meanings = settings.into_iter().flat_map(|settings| settings.payloads.iter());
        meanings.any(|(_, meaning)| meaning.kind == Kind::TelephoneEvent)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.events.front().map(|(at, _)| *at)
    }

    pub fn poll_event(&mut self, now: Instant) -> Option<MediaEvent> {
        if self.events.front().is_some_and(|(at, _)| *at <= now) {
            return self.events.pop_front().map(|(_, event)| event);
        }
        None
    }
}

fn local_video(medium: Medium, number: u16) -> LocalVideo {
    match medium {
        Medium::WebRtc => {
            let cname = Cname::from_random([number as u8; 12]);
            let sources =
                Sources { media: 1000 + u32::from(number), repair: Some(2000 + u32::from(number)), cname };
            LocalVideo { rtp: 8443, rtcp: 8443, sources: Some(sources), seed: None }
        }
        Medium::Rtp => {
            let rtp = 24_000 + 2 * number;
            LocalVideo { rtp, rtcp: rtp + 1, sources: None, seed: Some(Seed::new([number as u8; 32])) }
        }
    }
}

fn local(medium: Medium, number: u16) -> Local {
    let address = "192.0.2.1".parse().unwrap();
    match medium {
        Medium::WebRtc => Local {
            profile: Profile::WebRtc,
            address,
            rtp: 8443,
            rtcp: 8443,
            ice: Some(Credentials {
                ufrag: format!("ours{number:04}"),
                pwd: "ourpasswordourpasswordou".into(),
            }),
            candidates: vec!["192.0.2.1:8443".parse().unwrap()],
            fingerprint: Some(Fingerprint { hash: HashAlgorithm::Sha256, value: vec![0xab; 32] }),
            srtp: Srtp::Offered,
            seed: None,
            video: None,
        },
        Medium::Rtp => Local {
            profile: Profile::Rtp,
            address,
            rtp: 20_000 + 2 * number,
            rtcp: 20_001 + 2 * number,
            ice: None,
            candidates: Vec::new(),
            fingerprint: Some(Fingerprint { hash: HashAlgorithm::Sha256, value: vec![0xab; 32] }),
            srtp: Srtp::Offered,
            seed: Some(Seed::new([number as u8; 32])),
            video: None,
        },
    }
}

fn report(leg: LegKey, last_heard: Option<Instant>) -> LegReport {
    LegReport {
        leg,
        packets_in: 100,
        octets_in: 16_000,
        packets_out: 90,
        octets_out: 14_400,
        rtcp_in: 0,
        rtcp_octets_in: 0,
        ssrc: None,
        lost: 0,
        jitter: Duration::ZERO,
        far: None,
        round_trip: None,
        drops: ringback_media::session::Drops::default(),
        first_media: last_heard,
        last_media: last_heard,
        last_heard,
        remote: None,
        suite: None,
        evicted: 0,
        history: ringback_media::quality::History::new(Profile::Rtp),
        quality: ringback_media::quality::Summary::default(),
        video: None,
    }
}

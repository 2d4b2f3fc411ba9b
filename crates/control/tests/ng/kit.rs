//! A proxy that sends datagrams, and a media worker that is made of nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_control::ng::{Dict, Engine, Message, Settings, Value};
use ringback_control::{Epoch, MediaCommand, MediaEvent, Medium, Play, PlayNumber, Route};
use ringback_media::dtls::{Fingerprint, HashAlgorithm};
use ringback_media::insert::{RecordingKey, Track};
use ringback_media::negotiation::{
    Credentials, LegSettings, Local, LocalVideo, PayloadMap, Profile, Seed, Srtp,
};
use ringback_media::rtcp::Cname;
use ringback_media::sdp::Sources;
use ringback_media::session::{Gone, LegKey, LegReport};
use ringback_sansio::Flow;
use ringback_sansio::sim::Clock;

pub const PROXY: &str = "192.0.2.10:41000";

pub struct World {
    pub engine: Engine,
    pub now: Instant,
    /// What happened at the media worker, line by line.
    pub log: Vec<String>,
    /// Whether the media worker does what it is told at once.
    pub is_prompt: bool,
    /// Why it opens nothing.
    pub refuses: Option<String>,
    pub legs: BTreeMap<LegKey, Leg>,
    /// What the media worker says that legs have carried, by their names.
    pub reports: BTreeMap<String, LegReport>,
    /// What was recorded, in its order.
    pub tracks: Vec<(LegKey, Track)>,
    /// What was played to each leg last.
    pub plays: BTreeMap<LegKey, PlayNumber>,
    waiting: Vec<(LegKey, MediaCommand)>,
    replies: Vec<(String, Dict)>,
    raw: Vec<Bytes>,
    cookie: u32,
}

pub struct Leg {
    pub name: String,
    pub settings: Option<LegSettings>,
    pub map: PayloadMap,
    pub local: Local,
}

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> World {
        let now = Clock::new().now();
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000) };
        let mut settings = Settings::new(epoch, "192.0.2.1".parse().unwrap(), [1; 32]);
        change(&mut settings);
        World {
            engine: Engine::new(settings),
            now,
            log: Vec::new(),
            is_prompt: true,
            refuses: None,
            legs: BTreeMap::new(),
            plays: BTreeMap::new(),
            reports: BTreeMap::new(),
            tracks: Vec::new(),
            waiting: Vec::new(),
            replies: Vec::new(),
            raw: Vec::new(),
            cookie: 0,
        }
    }

    /// Sends a datagram; what came back before the media worker was slow about it.
    pub fn send(&mut self, datagram: &[u8]) {
        self.engine.handle_datagram(self.now, flow_of(PROXY), datagram);
        self.settle();
    }

    /// Asks with the next cookie, in bencode, and gives the answer.
    pub fn ask(&mut self, dict: &Dict) -> Dict {
        let cookie = self.ask_only(dict);
        self.answer_to(&cookie).unwrap_or_else(|| panic!("no answer to {cookie}"))
    }

    /// The same without waiting; gives the cookie.
    pub fn ask_only(&mut self, dict: &Dict) -> String {
        self.cookie += 1;
        let cookie = format!("4711_{}", self.cookie);
        let datagram =
            ringback_control::ng::write(cookie.as_bytes(), ringback_control::ng::Encoding::Bencode, dict);
        self.send(&datagram);
        cookie
    }

    pub fn answer_to(&mut self, cookie: &str) -> Option<Dict> {
        let index = self.replies.iter().position(|(other, _)| other == cookie)?;
        Some(self.replies.remove(index).1)
    }

    /// The datagrams that were sent since this was last asked.
    pub fn sent(&mut self) -> Vec<String> {
        self.raw.drain(..).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    /// The media worker does what it was told so far.
    pub fn obey(&mut self) {
        self.is_prompt = true;
        self.settle();
        self.is_prompt = false;
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.engine.handle_timeout(self.now);
        self.settle();
    }

    pub fn gone(&mut self, name: &str, why: Gone) {
        let key = self.leg(name);
        self.engine.handle_media(self.now, MediaEvent::Gone(key, why));
        self.settle();
    }

    pub fn leg(&self, name: &str) -> LegKey {
        *self.legs.iter().find(|(_, leg)| leg.name == name).expect("a leg of this name").0
    }

    /// What happened at the media worker since this was last asked.
    pub fn happened(&mut self) -> String {
        std::mem::take(&mut self.log).join("\n")
    }

    fn tell_recording(&mut self, key: RecordingKey, what: &str) {
        let (_, track) = self.tracks.iter().find(|(_, track)| track.recording == key).expect("it has begun");
        self.log.push(format!("{} {what}", track.name));
    }

    /// What was recorded of a leg last has ended by itself, or what is played to it.
    pub fn tell(&mut self, event: MediaEvent) {
        self.engine.handle_media(self.now, event);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            while let Some(reply) = self.engine.poll_transmit() {
                assert_eq!(reply.flow, flow_of(PROXY));
                let message = Message::read(&reply.payload).expect("an answer has a cookie");
                let cookie = String::from_utf8(message.cookie.to_vec()).unwrap();
                self.replies.push((cookie, message.dict.expect("an answer is a dictionary")));
                self.raw.push(reply.payload);
            }
            while let Some((worker, leg, command)) = self.engine.poll_media() {
                assert_eq!(worker, 0);
                self.waiting.push((leg, command));
            }
            if !self.is_prompt || self.waiting.is_empty() {
                return;
            }
            for (leg, command) in std::mem::take(&mut self.waiting) {
                self.take(leg, command);
            }
        }
    }

    fn take(&mut self, key: LegKey, command: MediaCommand) {
        let name = |legs: &BTreeMap<LegKey, Leg>, key| {
            legs.get(&key).map_or("?".to_owned(), |leg: &Leg| leg.name.clone())
        };
        match command {
            MediaCommand::Open { medium, signalling, video } => {
                if let Some(why) = self.refuses.clone() {
                    return self.engine.handle_media(self.now, MediaEvent::Opened(key, Err(why)));
                }
                let number = u16::try_from(key.0 & 0x3ff).unwrap();
                let place = video.then(|| local_video(medium, number));
                let local = Local { video: place, ..local(medium, number) };
                let leg = format!("{}{number}", if medium == Medium::WebRtc { "web" } else { "rtp" });
                let far = signalling.remote().ip();
                self.log.push(format!("{leg} opens at {}, far end {far}", signalling.local().ip()));
                self.legs.insert(
                    key,
                    Leg { name: leg, settings: None, map: PayloadMap::default(), local: local.clone() },
                );
                self.engine.handle_media(self.now, MediaEvent::Opened(key, Ok(Box::new(local))));
            }
            MediaCommand::Press { press, events, alone } => {
                let (leg, key) = (name(&self.legs, key), press.digit.key());
                let how = match (events, alone) {
                    (Some((payload_type, clock_rate)), _) => format!("{payload_type}/{clock_rate}"),
                    (None, Some(patch)) => format!("a tone of {}", patch.to[0].name),
                    (None, None) => panic!("{leg} cannot be sent a key"),
                };
                let volume = match press.volume {
                    8 => String::new(),
                    volume => format!(" at -{volume} dBm0"),
                };
                let duration = press.milliseconds;
                self.log.push(format!("{leg} is sent {key} for {duration} ms{volume} as {how}"));
            }
            MediaCommand::OpenVideo { .. } => {
                let number = u16::try_from(key.0 & 0x3ff).unwrap();
                let opened = self.refuses.clone().map_or(Ok(()), Err);
                if opened.is_ok() {
                    self.log.push(format!("{} gets a place for video", name(&self.legs, key)));
                }
                let opened = opened.map(|()| Box::new(local_video(Medium::Rtp, number)));
                self.engine.handle_media(self.now, MediaEvent::VideoOpened(key, opened));
            }
            MediaCommand::ConfigureVideo(settings, map) => {
                let leg = name(&self.legs, key);
                self.log.push(match settings.map(|settings| settings.leg.remote) {
                    None => format!("{leg} has no video"),
                    Some(None) => format!("{leg} is seen by {map:?}, is sent by ICE"),
                    Some(Some(remote)) => format!("{leg} is seen by {map:?}, is sent to {}", remote.rtp),
                });
            }
            MediaCommand::Watch { .. } => panic!("nobody watches"),
            MediaCommand::AskPicture => panic!("nobody asks for a picture"),
            MediaCommand::Configure(settings, route) => {
                let (map, way) = match route {
                    Route::Direct(map) => (*map, format!("{map:?}")),
                    Route::Patched { to, .. } => {
                        (PayloadMap::default(), format!("made anew for {}", name(&self.legs, to)))
                    }
                    Route::Conference { .. } => panic!("nobody confers"),
                    Route::Audience => panic!("nobody has an audience"),
                };
                let leg = self.legs.get_mut(&key).expect("only an open leg is configured");
                let where_to = settings.remote.map_or("by ICE".to_owned(), |remote| remote.rtp.to_string());
                let silenced = if settings.is_silenced { " in silence" } else { "" };
                self.log.push(format!("{} {where_to} {way}{silenced}", leg.name));
                leg.settings = Some(*settings);
                leg.map = map;
            }
            MediaCommand::Join(other) => {
                self.log.push(format!("{} and {} talk", name(&self.legs, key), name(&self.legs, other)));
            }
            MediaCommand::Restart(credentials) => {
                let leg = self.legs.get_mut(&key).expect("only an open leg restarts");
                leg.local.ice = Some(*credentials);
                self.log.push(format!("{} restarts ICE", leg.name));
            }
            MediaCommand::Locate(far) => {
                self.log.push(format!("{} signals from {far}", name(&self.legs, key)));
            }
            MediaCommand::Report => {
                let report = self.reports.get(&name(&self.legs, key)).cloned().map(Box::new);
                self.engine.handle_media(self.now, MediaEvent::Reported(key, report));
            }
            MediaCommand::Echo => panic!("nobody asks for an echo"),
            MediaCommand::Play(play) => {
                let leg = self.legs.get(&key).expect("only an open leg is played to");
                let Play { number, what, times, from, patch, .. } = *play;
                self.plays.insert(key, number);
                let codec = &patch.to[0].name;
                let from = if from.is_zero() { String::new() } else { format!(" from {from:?}") };
                let times = times.unwrap();
                self.log.push(format!("{} hears {what:?} {times} times{from} in {codec}", leg.name));
            }
            MediaCommand::StopPlaying => {
                self.log.push(format!("{} hears nothing more", name(&self.legs, key)));
            }
            MediaCommand::Record(track) => {
                let leg = self.legs.get(&key).expect("only an open leg is recorded");
                let codecs: Vec<_> = track.codecs.iter().map(|codec| codec.name.as_str()).collect();
                self.log.push(format!("{} is recorded as {:?}: {}", leg.name, track.side, codecs.join(" ")));
                self.tracks.push((key, *track));
            }
            MediaCommand::PauseRecording(recording) => self.tell_recording(recording, "pauses"),
            MediaCommand::ResumeRecording(recording) => self.tell_recording(recording, "goes on"),
            MediaCommand::StopRecording(recording) => self.tell_recording(recording, "ends"),
            MediaCommand::DiscardRecording(recording) => self.tell_recording(recording, "is thrown away"),
            MediaCommand::Close => {
                self.log.push(format!("{} closes", name(&self.legs, key)));
                self.legs.remove(&key);
                self.engine.handle_media(self.now, MediaEvent::Closed(key, None));
            }
        }
    }
}

/// The names of the files of recordings that an answer has.
pub fn recordings(dict: &Dict) -> Vec<String> {
    let names = dict.value("recordings").into_iter().flat_map(Value::texts);
    names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

/// What comes from `far` to where the engine listens.
pub fn flow_of(far: &str) -> Flow {
    Flow::datagram("192.0.2.1:2223".parse().unwrap(), far.parse().unwrap())
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
                ufrag: format!("ufrag{number:03}"),
                pwd: "abcdefghijklmnopqrstuvwx".to_owned(),
            }),
            candidates: vec![SocketAddr::new(address, 8443)],
            fingerprint: Some(Fingerprint { hash: HashAlgorithm::Sha256, value: vec![0xab; 32] }),
            srtp: Srtp::Never,
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
            seed: Some(Seed::new([7; 32])),
            video: None,
        },
    }
}

fn local_video(medium: Medium, number: u16) -> LocalVideo {
    match medium {
        Medium::WebRtc => {
            let sources = Sources { media: 1111, repair: Some(2222), cname: Cname::from_random([1; 12]) };
            LocalVideo { rtp: 8443, rtcp: 8443, sources: Some(sources), seed: None }
        }
        Medium::Rtp => {
            let (rtp, rtcp) = (21_000 + 2 * number, 21_001 + 2 * number);
            LocalVideo { rtp, rtcp, sources: None, seed: Some(Seed::new([8; 32])) }
        }
    }
}

/// A dictionary of texts; a value with a bar in it is a list.
pub fn dict(entries: &[(&str, &str)]) -> Dict {
    entries.iter().fold(Dict::new(), |dict, (name, value)| {
        let value = match value.strip_prefix('|') {
            Some(list) => Value::List(list.split('|').map(Value::text).collect()),
            None => Value::text(value),
        };
        dict.with(name, value)
    })
}

/// A command of a call `c1@kamailio`.
pub fn about(command: &str, more: &[(&str, &str)]) -> Dict {
    let mut all = vec![("command", command), ("call-id", "c1@kamailio"), ("supports", "|load limit")];
    all.extend_from_slice(more);
    dict(&all)
}

pub fn text(dict: &Dict, name: &str) -> String {
    let text = dict.text(name).unwrap_or_else(|| panic!("no {name} in {dict:?}"));
    String::from_utf8(text.to_vec()).unwrap()
}

/// The SDP of an answer that is ok.
pub fn sdp(dict: &Dict) -> String {
    assert_eq!(text(dict, "result"), "ok", "{dict:?}");
    text(dict, "sdp")
}

/// Why it is none.
pub fn reason(dict: &Dict) -> String {
    assert_eq!(text(dict, "result"), "error", "{dict:?}");
    text(dict, "error-reason")
}

/// What a browser offers, or answers with another `setup`.
pub fn browser(setup: &str, ufrag: &str) -> String {
    format!(
        "v=0\n\
         o=- 4962303333179871722 2 IN IP4 127.0.0.1\n\
         s=-\n\
         t=0 0\n\
         a=group:BUNDLE 0\n\
         a=msid-semantic: WMS\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110\n\
         c=IN IP4 0.0.0.0\n\
         a=rtcp:9 IN IP4 0.0.0.0\n\
         a=candidate:1 1 udp 2122260223 198.51.100.7 50000 typ host generation 0\n\
         a=ice-ufrag:{ufrag}\n\
         a=ice-pwd:asd88fgpdd777uzjYhagZgAA\n\
         a=ice-options:trickle\n\
         a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\n\
         a=setup:{setup}\n\
         a=mid:0\n\
         a=sendrecv\n\
         a=rtcp-mux\n\
         a=rtpmap:111 opus/48000/2\n\
         a=fmtp:111 minptime=10;useinbandfec=1\n\
         a=rtpmap:9 G722/8000\n\
         a=rtpmap:0 PCMU/8000\n\
         a=rtpmap:8 PCMA/8000\n\
         a=rtpmap:110 telephone-event/8000\n"
    )
    .replace('\n', "\r\n")
}

/// What a desk phone says.
pub fn phone(address: &str, port: u16) -> String {
    format!(
        "v=0\n\
         o=- 1 1 IN IP4 {address}\n\
         s=-\n\
         c=IN IP4 {address}\n\
         t=0 0\n\
         m=audio {port} RTP/AVP 8 0 101\n\
         a=rtpmap:8 PCMA/8000\n\
         a=rtpmap:0 PCMU/8000\n\
         a=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-16\n\
         a=ptime:20\n"
    )
    .replace('\n', "\r\n")
}

/// The INVITE of a browser that goes to a plain telephone, as a script of Kamailio passes it.
pub fn browser_calls(world: &mut World) -> Dict {
    let offer = browser("actpass", "brow");
    world.ask(&about(
        "offer",
        &[
            ("from-tag", "alice"),
            ("sdp", &offer),
            ("flags", "|trust-address"),
            ("replace", "|origin|session-connection"),
            ("ICE", "remove"),
            ("rtcp-mux", "|demux"),
            ("transport-protocol", "RTP/AVP"),
            ("received-from", "|IP4|198.51.100.7"),
            ("sip-message-type", "request"),
        ],
    ))
}

/// The INVITE of a browser that goes to two plain telephones, with a branch for each.
pub fn browser_calls_two(world: &mut World) {
    let offer = browser("actpass", "brow");
    for branch in ["z9hG4bKone", "z9hG4bKtwo"] {
        let more = [
            ("from-tag", "alice"),
            ("via-branch", branch),
            ("sdp", &offer[..]),
            ("transport-protocol", "RTP/AVP"),
        ];
        sdp(&world.ask(&about("offer", &more)));
    }
}

/// The 200 of the telephone.
pub fn phone_answers(world: &mut World, more: &[(&str, &str)]) -> Dict {
    let answer = phone("203.0.113.9", 40_000);
    let mut all = vec![
        ("from-tag", "alice"),
        ("to-tag", "bob"),
        ("sdp", &answer[..]),
        ("flags", "|trust-address"),
        ("replace", "|origin|session-connection"),
        ("ICE", "force"),
        ("rtcp-mux", "|require"),
        ("transport-protocol", "RTP/SAVPF"),
        ("received-from", "|IP4|203.0.113.9"),
        ("sip-message-type", "reply"),
    ];
    all.extend_from_slice(more);
    world.ask(&about("answer", &all))
}

//! A media worker: one thread with its own sockets and legs, no locks, no tokio.
//!
//! It drives [`Worker`]: every datagram is given to it in a packet and what the verdict says is done. Commands come
//! from the control thread, and from that of the ng protocol, over a bounded queue; news goes back by the inbox of
//! whoever made the leg.
//!
//! A mistake of ours costs what it happened to: a packet that is nobody's, a command, a leg ([`Worker`] keeps its legs
//! apart by itself). A thread that ends all the same tells control to end its calls and turns `/healthz` red.

mod candidates;
mod inbox;
mod news;
mod opening;
mod pair;
mod ports;
mod receiving;
mod sockets;
#[cfg(test)]
mod tests;
mod turn;

pub use candidates::Candidates;
pub use inbox::{Commands, MediaInbox};
pub use news::News;
pub use ports::Ports;
pub use turn::{FromTurn, ToWorker, Turn};

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_control::{MediaCommand, MediaEvent, Medium, PlayNumber, Route};
use ringback_media::dtls::Identity;
use ringback_media::dtmf::Press;
use ringback_media::insert::{self, Manner, PacketWay, PlayEnd, RecordingKey, Track};
use ringback_media::negotiation::Patch;
use ringback_media::rtcp::NtpClock;
use ringback_media::session::{Destination, Event, Gone, LegKey, Packet, Settings, Verdict, Way, Worker};
use ringback_sansio::Seeded;

use crate::http::Readiness;
use crate::net::datagram::DatagramSocket;
use crate::net::kernel::Kernel;
use crate::net::pace::Pace;
use crate::sounds::Sounds;
use crate::telemetry::{NOBODY, Telemetry, limited};
use crate::voice_thread::{Order, Output, Voice};
use inbox::{FAILED, refusal};
use sockets::{Counts, Sockets};

/// The longest that a packet waits for others while more than two thousand of them come in a second.
const TICK: Duration = Duration::from_millis(1);

/// The longest wait: the counters are handed out at least this often.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// What a media thread is made with.
pub struct Surroundings {
    /// The number of the worker.
    pub number: u16,
    /// The sockets that its WebRTC legs share, one for each address that is listened on.
    pub shared: Vec<DatagramSocket>,
    /// What the control thread asks for.
    pub commands: Commands,
    /// What makes audio where packets cannot be passed on.
    pub voice: Voice,
    /// What can be played.
    pub sounds: Arc<Sounds>,
    /// Who hears the news of legs.
    pub news: News,
    /// Its end of what passes between it and TURN.
    pub turn: Turn,
    /// The ports of its plain legs, which no other worker has.
    pub ports: Ports,
    /// How many sockets it may open besides, for what they save.
    pub spare_sockets: usize,
    /// Whether it uses io_uring where the machine allows it.
    pub io_uring: bool,
    /// What is advertised.
    pub candidates: Candidates,
    /// The certificate that WebRTC legs show.
    pub identity: Arc<Identity>,
    /// What gives sender reports their date.
    pub clock: NtpClock,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
    /// What `/healthz` tells.
    pub readiness: Arc<Readiness>,
}

/// One media worker with its thread's state.
pub struct MediaThread {
    number: u16,
    worker: Worker,
    sockets: Sockets,
    commands: Commands,
    voice: Voice,
    /// Legs that have inserts.
    inserted: HashSet<LegKey>,
    /// Orders that found the voice thread's queue full, the oldest first: not one is lost. They are as few as the
    /// commands of control.
    owed: VecDeque<Order>,
    /// Whose voice says what each of them sends; in a conference its own.
    voices: HashMap<LegKey, LegKey>,
    sounds: Arc<Sounds>,
    /// Legs of which the voice thread knows besides.
    heard: HashSet<LegKey>,
    /// Who is heard in each recording.
    recordings: HashMap<RecordingKey, Vec<LegKey>>,
    /// What is played to each of them, if anything is.
    plays: HashMap<LegKey, PlayNumber>,
    /// Which way the packets of those legs come, as the voice thread knows it.
    ways: HashMap<LegKey, Option<PacketWay>>,
    news: News,
    ports: Ports,
    candidates: Candidates,
    identity: Arc<Identity>,
    random: StdRng,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    counters: Counters,
    packet: Packet,
    pace: Pace,
    /// Something that panics.
    #[cfg(test)]
    sabotaged: Option<tests::Sabotage>,
}

/// What the thread itself drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Datagrams that the kernel did not take.
    pub send_failed: u64,
    /// Datagrams with no socket to leave by.
    pub no_socket: u64,
    /// Datagrams to an allocation of TURN, or of a client of it, that found the thread of TURN behind.
    pub turn_full: u64,
    /// Datagrams of clients of TURN on the port of media, which are its thread's.
    pub turn_handed_on: u64,
    /// Datagrams longer than any that media has.
    pub truncated: u64,
    /// Packets for inserts that found the voice thread's queue full, or were longer than audio is.
    pub voice_full: u64,
    /// Times that RTP was worth a socket connected with its far end, and there was none to spare: it costs more.
    pub unconnected: u64,
    /// Binding requests for nobody's leg, answered with the address that they came from.
    pub stun_answered: u64,
    /// Mistakes of ours that were contained, those in a leg included.
    pub panics: u64,
}

impl MediaThread {
    /// A thread that has not started.
    pub fn new(surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings {
            number,
            shared,
            commands,
            voice,
            sounds,
            news,
            turn,
            ports,
            spare_sockets,
            io_uring,
            candidates,
            identity,
            clock,
            telemetry,
            readiness,
        } = surroundings;
        let mut random = StdRng::from_rng(&mut rand::rng());
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        let mut secret = [0; 16];
        random.fill_bytes(&mut secret);
        let kernel = Kernel::new(io_uring)?;
        let worker = Worker::new(Settings { identity: identity.clone(), seed, clock });
        Ok(MediaThread {
            number,
            worker,
            sockets: Sockets::new(kernel, shared, &commands.waker, Seeded::new(secret), spare_sockets, turn)?,
            commands,
            voice,
            inserted: HashSet::new(),
            owed: VecDeque::new(),
            voices: HashMap::new(),
            sounds,
            heard: HashSet::new(),
            recordings: HashMap::new(),
            plays: HashMap::new(),
            ways: HashMap::new(),
            news,
            ports,
            candidates,
            identity,
            random,
            telemetry,
            readiness,
            counters: Counters::default(),
            packet: Packet::new(),
            pace: Pace::new(Instant::now(), TICK),
            #[cfg(test)]
            sabotaged: None,
        })
    }

    /// Runs until the control thread is gone.
    pub fn run(mut self) -> io::Result<()> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.drive())).unwrap_or_else(|_| {
            self.counters.panics += 1;
            Err(io::Error::other("it panicked; this is a mistake in Ringback, please report it"))
        });
        if let Err(error) = &ended {
            tracing::error!(%error, worker = self.number, "a media worker failed; its calls end");
            self.give_up();
        }
        ended
    }

    fn drive(&mut self) -> io::Result<()> {
        let mut reported = Instant::now();
        loop {
            let rest = self.pace.rest(Instant::now()).filter(|_| !self.sockets.may_have_more());
            self.sockets.wait(rest, self.worker.poll_timeout(), TELEMETRY_EVERY)?;
            self.pace.wakes(Instant::now());
            self.commands.waker.clear();
            #[cfg(test)]
            self.fail_if_sabotaged(tests::Sabotage::Thread);
            let mut received = self.receive()?;
            received += self.receive_relayed();
            loop {
                match self.commands.next() {
                    Ok((leg, command)) => self.carry_out(Instant::now(), leg, command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let now = Instant::now();
            self.hand_in();
            received += self.send_made(now);
            self.pace.took(now, received);
            if self.worker.poll_timeout().is_some_and(|due| due <= now) {
                self.worker.handle_timeout(now);
            }
            self.hand_out();
            if now.duration_since(reported) >= TELEMETRY_EVERY {
                reported = now;
                self.report();
            }
        }
    }

    /// The thread ends before its time: whoever waits for it is told.
    fn give_up(&mut self) {
        self.readiness.media_failed();
        self.report();
        let legs: Vec<LegKey> = self.worker.legs().collect();
        for leg in legs {
            self.tell(MediaEvent::Gone(leg, Gone::Failed));
        }
        while let Ok((leg, command)) = self.commands.next() {
            if let Some(answer) = refusal(leg, &command, FAILED) {
                self.tell(answer);
            }
        }
    }

    fn report(&self) {
        let stats = self.worker.stats();
        let panics = self.counters.panics + stats.panics;
        let Counts { send_failed, no_socket, unconnected, turn_full } = self.sockets.counts();
        let turn_full = self.counters.turn_full + turn_full;
        let counters = Counters { panics, send_failed, no_socket, unconnected, turn_full, ..self.counters };
        self.telemetry.set_worker(self.number, stats, counters);
    }

    /// Sends and tells what the worker has to send and to tell.
    fn hand_out(&mut self) {
        while let Some(destination) = self.worker.poll_transmit(&mut self.packet) {
            self.send(destination);
        }
        while let Some(event) = self.worker.poll_event() {
            self.pass_on(event);
        }
    }

    fn pass_on(&mut self, event: Event) {
        let event = match event {
            Event::PictureWanted { leg } => MediaEvent::PictureWanted(leg),
            Event::Connected { leg } => MediaEvent::Connected(leg),
            Event::FirstPacket { leg } => MediaEvent::FirstPacket(leg),
            Event::Loss { leg, percent } => {
                // A report is worth no waiting: the next one comes in five seconds.
                if self.has_voice(leg) && self.owed.is_empty() {
                    let _ = self.voice.order(Order::Loss(leg, percent));
                }
                return;
            }
            Event::Interrupted { leg } => {
                self.order(Order::StopPlaying(leg));
                let number = self.plays.remove(&leg).unwrap_or(PlayNumber::KEY);
                MediaEvent::Played(leg, number, PlayEnd::Interrupted)
            }
            Event::Gone { leg, why } => {
                if why == Gone::Failed {
                    self.release(leg);
                }
                MediaEvent::Gone(leg, why)
            }
        };
        self.tell(event);
    }

    fn send(&mut self, destination: Destination) {
        self.sockets.send(destination, self.packet.bytes());
    }

    fn tell(&self, event: MediaEvent) {
        self.news.tell(event);
    }

    /// Carries out a command. One that panics is answered all the same, and costs its leg.
    fn carry_out(&mut self, now: Instant, leg: LegKey, command: MediaCommand) {
        let answer = refusal(leg, &command, "the media worker made a mistake");
        let carried_out = catch_unwind(AssertUnwindSafe(|| self.obey(now, leg, command)));
        let answer = carried_out.unwrap_or_else(|_| {
            self.counters.panics += 1;
            tracing::error!(leg = leg.0, "a media command failed by a mistake in Ringback; please report it");
            if catch_unwind(AssertUnwindSafe(|| self.worker.close(now, leg))).is_err() {
                self.counters.panics += 1;
            }
            self.release(leg);
            answer.or(Some(MediaEvent::Gone(leg, Gone::Failed)))
        });
        if let Some(answer) = answer {
            self.tell(answer);
        }
        self.hand_out();
    }

    /// Does what a command says and gives its answer, where it has one.
    fn obey(&mut self, now: Instant, leg: LegKey, command: MediaCommand) -> Option<MediaEvent> {
        #[cfg(test)]
        self.fail_if_sabotaged(tests::Sabotage::Command(leg));
        match command {
            MediaCommand::Open { medium, signalling, video } => {
                let mut opened = match medium {
                    Medium::WebRtc => self.open_webrtc(now, leg, &signalling),
                    Medium::Rtp => self.open_rtp(now, leg, &signalling),
                };
                if let Ok(local) = opened.as_mut()
                    && video
                {
                    local.video = match medium {
                        Medium::WebRtc => Some(self.bundled_video(local)),
                        // Without ports for its video it is a call without video.
                        Medium::Rtp => self.open_video(now, leg, &signalling).ok(),
                    };
                }
                return Some(MediaEvent::Opened(leg, opened.map(Box::new)));
            }
            MediaCommand::OpenVideo { signalling } => {
                let opened = self.open_video(now, leg, &signalling);
                return Some(MediaEvent::VideoOpened(leg, opened.map(Box::new)));
            }
            MediaCommand::ConfigureVideo(settings, map) => {
                self.worker.configure_video(now, leg, settings.map(|settings| *settings), *map);
            }
            MediaCommand::Watch { source, audio, video } => self.worker.watch(leg, source, *audio, *video),
            MediaCommand::AskPicture => self.worker.ask_picture(now, leg),
            MediaCommand::Restart(credentials) => {
                if let Err(error) = self.worker.restart(now, leg, *credentials) {
                    let words = "the restart of ICE of a leg is not followed";
                    limited!(self.telemetry.log, WARN, NOBODY, "ice_restart", %error, "{words}");
                }
            }
            MediaCommand::Configure(settings, route) => {
                let way = self.route(leg, route);
                self.worker.configure(now, leg, *settings, way);
            }
            MediaCommand::Press { press, events, alone } => self.press(now, leg, press, events, alone),
            MediaCommand::Join(other) => self.worker.join(leg, other),
            MediaCommand::Echo => self.worker.echo(leg),
            MediaCommand::Locate(signalling) => self.worker.locate(leg, signalling),
            MediaCommand::Report => {
                return Some(MediaEvent::Reported(leg, self.worker.report(leg).map(Box::new)));
            }
            MediaCommand::Play(play) => return self.play(leg, *play),
            MediaCommand::StopPlaying => {
                self.worker.set_played(leg, None);
                self.plays.remove(&leg);
                self.order(Order::StopPlaying(leg));
            }
            MediaCommand::Record(track) => self.record(leg, track),
            MediaCommand::PauseRecording(key) => self.order(Order::PauseRecording(leg, key, true)),
            MediaCommand::ResumeRecording(key) => self.order(Order::PauseRecording(leg, key, false)),
            MediaCommand::StopRecording(key) => self.order(Order::StopRecording(leg, key)),
            MediaCommand::DiscardRecording(key) => self.order(Order::DiscardRecording(leg, key)),
            MediaCommand::Close => {
                let report = self.worker.close(now, leg);
                self.voices.remove(&leg);
                self.ways.remove(&leg);
                self.plays.remove(&leg);
                let is_heard = self.heard.remove(&leg);
                if self.inserted.remove(&leg) || is_heard {
                    self.order(Order::Close(leg));
                }
                // What the leg says last leaves before its sockets close.
                self.hand_out();
                self.release(leg);
                return Some(MediaEvent::Closed(leg, report.map(Box::new)));
            }
        }
        None
    }

    /// Presses a key for a leg: in the stream that its voice makes, if it has one, else between what is passed on, or,
    /// as a tone, in its place.
    fn press(
        &mut self,
        now: Instant,
        leg: LegKey,
        press: Press,
        events: Option<(u8, u32)>,
        alone: Option<Box<Patch>>,
    ) {
        if self.has_voice(leg) {
            return self.order(Order::Press(leg, press));
        }
        if let (None, Some(patch)) = (events, alone) {
            self.heard.insert(leg);
            self.worker.set_played(leg, Some(Manner::Over));
            let number = *self.plays.entry(leg).or_insert(PlayNumber::KEY);
            return self.order(Order::PressAlone(leg, number, Box::new((press, *patch))));
        }
        let Some((payload_type, clock_rate)) = events else {
            let words = "a key is not sent: the far end takes no events, and its audio is not made here";
            return limited!(self.telemetry.log, WARN, NOBODY, "key_refused", leg = leg.0, "{words}");
        };
        if let Err(error) = self.worker.press(now, leg, press, payload_type, clock_rate) {
            limited!(self.telemetry.log, WARN, NOBODY, "key_refused", %error, leg = leg.0, "a key is not sent");
        }
    }

    /// Plays something to a leg.
    fn play(&mut self, leg: LegKey, play: ringback_control::Play) -> Option<MediaEvent> {
        let ringback_control::Play { number, what, times, from, manner, patch } = play;
        let Some(sound) = self.sounds.find(&what) else {
            limited!(
                self.telemetry.log,
                WARN,
                NOBODY,
                "no_sound",
                ?what,
                leg = leg.0,
                "there is nothing to play"
            );
            return Some(MediaEvent::Played(leg, number, PlayEnd::Finished));
        };
        self.heard.insert(leg);
        self.worker.set_played(leg, Some(manner));
        self.plays.insert(leg, number);
        self.order(Order::Play(leg, number, Box::new((insert::Play { sound, times, from, manner }, patch))));
        None
    }

    /// Has a leg heard in a recording, and in no other.
    fn record(&mut self, leg: LegKey, track: Box<Track>) {
        for (key, legs) in &mut self.recordings {
            legs.retain(|known| *known != leg || *key == track.recording);
        }
        let legs = self.recordings.entry(track.recording).or_default();
        if !legs.contains(&leg) {
            legs.push(leg);
        }
        self.heard.insert(leg);
        self.worker.tap(leg, true);
        self.ways.insert(leg, None);
        self.order(Order::Record(leg, track));
    }

    /// Nothing is recorded of a leg any more.
    fn untap(&mut self, leg: LegKey) {
        self.worker.tap(leg, false);
        self.ways.remove(&leg);
    }

    /// Whether what a leg hears is made for it.
    fn has_voice(&self, leg: LegKey) -> bool {
        self.voices.values().any(|to| *to == leg)
    }

    /// Sees to the inserts that a leg's packets need; gives where the worker sends them.
    fn route(&mut self, leg: LegKey, route: Route) -> Way {
        match route {
            Route::Direct(map) => {
                if self.inserted.contains(&leg) {
                    self.voices.remove(&leg);
                    self.order(Order::Unplug(leg));
                }
                return Way::Direct(*map);
            }
            Route::Audience => return Way::Audience,
            Route::Patched { to, patch } => {
                self.inserted.extend([leg, to]);
                self.voices.insert(leg, to);
                self.order(Order::Patch(leg, to, patch));
            }
            Route::Conference { key, patch } => {
                // The one that it talked to may go on elsewhere.
                self.worker.part(leg);
                self.inserted.insert(leg);
                self.voices.insert(leg, leg);
                self.order(Order::Join(leg, key, patch));
            }
        }
        Way::Insert
    }

    fn order(&mut self, order: Order) {
        self.owed.push_back(order);
        self.hand_in();
    }

    /// Hands in the orders that are owed, as far as there is room.
    fn hand_in(&mut self) {
        while let Some(order) = self.owed.pop_front() {
            if let Err(order) = self.voice.order(order) {
                return self.owed.push_front(order);
            }
        }
    }

    /// Sends what the inserts have made; says how many packets.
    fn send_made(&mut self, now: Instant) -> usize {
        let mut sent = 0;
        loop {
            match self.voice.next() {
                Ok(Output::Made(made)) => {
                    sent += 1;
                    if self.packet.fill(made.bytes())
                        && let Verdict::Forward(destination) =
                            self.worker.handle_made(now, made.leg, made.clock_rate, &mut self.packet)
                    {
                        self.send(destination);
                    }
                    self.voice.give_back(made);
                }
                Ok(Output::Key(leg, press)) => self.tell(MediaEvent::Key(leg, press)),
                Ok(Output::Failed(leg)) if self.inserted.contains(&leg) => self.lose(now, leg),
                // It goes on without what was beside it.
                Ok(Output::Failed(leg)) => self.go_on_without(leg),
                // What has come in its place goes on.
                Ok(Output::Played(leg, number, end)) => {
                    if self.plays.get(&leg) == Some(&number) {
                        self.plays.remove(&leg);
                        self.worker.set_played(leg, None);
                        self.tell(MediaEvent::Played(leg, number, end));
                    }
                }
                Ok(Output::RecordingEnded(key)) => {
                    for leg in self.recordings.remove(&key).unwrap_or_default() {
                        self.untap(leg);
                        self.tell(MediaEvent::RecordingEnded(leg, key));
                    }
                }
                Err(TryRecvError::Empty) => return sent,
                Err(TryRecvError::Disconnected) => {
                    for leg in std::mem::take(&mut self.inserted) {
                        self.heard.remove(&leg);
                        self.lose(now, leg);
                    }
                    for leg in std::mem::take(&mut self.heard) {
                        self.go_on_without(leg);
                    }
                    return sent;
                }
            }
        }
    }

    /// What was beside a leg has failed, and nothing is recorded of it or played to it any more.
    fn go_on_without(&mut self, leg: LegKey) {
        self.untap(leg);
        self.worker.set_played(leg, None);
        if let Some(number) = self.plays.remove(&leg) {
            self.tell(MediaEvent::Played(leg, number, PlayEnd::Finished));
        }
    }

    /// Gives up a leg whose inserts failed.
    fn lose(&mut self, now: Instant, leg: LegKey) {
        self.worker.close(now, leg);
        self.release(leg);
        self.tell(MediaEvent::Gone(leg, Gone::Failed));
    }

    /// Closes the sockets of a leg and frees its ports.
    fn release(&mut self, leg: LegKey) {
        for section in [leg, leg.video()] {
            if let Some(port) = self.sockets.close(section) {
                self.ports.give_back(port);
            }
        }
    }

    #[cfg(test)]
    fn fail_if_sabotaged(&mut self, what: tests::Sabotage) {
        if self.sabotaged.take_if(|sabotaged| *sabotaged == what).is_some() {
            std::panic::resume_unwind(Box::new("sabotaged"));
        }
    }
}

//! The machine: datagrams and news from the media workers in, answers and media commands out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_media::negotiation::{Party, Transcoding};
use ringback_media::session::LegKey;
use ringback_sansio::{Deadlines, Flow, Transmit};

use super::calls::{Call, Job, MAX_JOBS, State};
use super::command::Command;
use super::containment::AtWork;
use super::message::{Answers, Asker, Message, Seen, write};
use super::refusal::Reason;
use super::settings::{Settings, Stats};
use super::value::{Dict, Encoding, MAX_LEN, Value};
use crate::call::CallNumber;
use crate::media::{MediaCommand, MediaEvent, PlayNumber};
use crate::owner;

/// The engine that a proxy drives by the ng protocol.
#[derive(Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) calls: BTreeMap<CallNumber, Box<Call>>,
    pub(super) by_id: HashMap<Bytes, CallNumber>,
    pub(super) deadlines: Deadlines<Timer>,
    pub(super) stats: Stats,
    pub(super) random: StdRng,
    /// What can be played, and how long it is.
    pub(super) sounds: BTreeMap<Arc<str>, Duration>,
    /// The calls that are recorded, or will be when they are answered.
    pub(super) recorded: BTreeSet<CallNumber>,
    pub(super) started: Option<Instant>,
    answers: Answers,
    replies: VecDeque<Transmit>,
    commands: VecDeque<(u16, LegKey, MediaCommand)>,
    next_call: u64,
    pub(super) last_play: PlayNumber,
    pub(super) is_draining: bool,
    /// What something happens to.
    pub(super) at_work: Option<AtWork>,
    /// Whether the next command panics.
    #[cfg(test)]
    pub(super) is_sabotaged: bool,
}

/// The deadlines of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// Until when the media workers open what the first command that waits needs.
    Open(CallNumber),
    /// When a deleted call ends.
    Delete(CallNumber),
    /// When a deleted branch ends.
    DeleteSide(LegKey),
    /// When a call ends that nobody has answered.
    Unanswered(CallNumber),
}

/// How far a command has come.
pub(super) enum Step {
    /// It waits for the media workers.
    Wait,
    /// It is answered with this.
    Done(Dict),
    /// The call, too, is over.
    Over(Dict),
}

impl Engine {
    /// An engine without calls.
    pub fn new(settings: Settings) -> Engine {
        Engine {
            calls: BTreeMap::new(),
            by_id: HashMap::new(),
            deadlines: Deadlines::new(),
            stats: Stats::default(),
            random: StdRng::from_seed(settings.seed),
            sounds: BTreeMap::new(),
            recorded: BTreeSet::new(),
            started: None,
            answers: Answers::new(settings.answers),
            replies: VecDeque::new(),
            commands: VecDeque::new(),
            next_call: 1,
            last_play: PlayNumber(0),
            is_draining: false,
            at_work: None,
            #[cfg(test)]
            is_sabotaged: false,
            settings,
        }
    }

    /// A datagram came in; its answer goes back by the flow that it came by.
    pub fn handle_datagram(&mut self, now: Instant, flow: Flow, datagram: &[u8]) {
        self.contain(|engine| engine.take_datagram(now, flow, datagram));
    }

    fn take_datagram(&mut self, now: Instant, flow: Flow, datagram: &[u8]) {
        self.started.get_or_insert(now);
        let datagram = Bytes::copy_from_slice(datagram);
        let Some(Message { cookie, encoding, dict }) = Message::read(&datagram) else {
            self.stats.no_cookie += 1;
            return;
        };
        // What is kept for a repeat must not keep the whole datagram.
        let asker = Asker { flow, cookie: Bytes::copy_from_slice(&cookie) };
        let (seen, pushed_out) = self.answers.ask(now, &asker);
        self.stats.answers_pushed_out += pushed_out;
        match seen {
            Seen::Answered(payload) => {
                self.stats.repeated += 1;
                return self.replies.push_back(Transmit { flow, payload });
            }
            Seen::Waiting => {
                self.stats.repeated_early += 1;
                return;
            }
            Seen::Never => {}
        }
        self.stats.commands += 1;
        let command = dict.map_err(Reason::from).and_then(|dict| Ok(Command::read(&dict)?));
        match command {
            Ok(command) => self.begin(now, asker, encoding, command),
            Err(reason) => self.refuse(&asker, encoding, &reason, false),
        }
    }

    /// A media worker has news.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        self.contain(|engine| engine.take_news(now, event));
    }

    fn take_news(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Opened(leg, opened) => {
                let session = self.random.next_u64() >> 1;
                let Some(mut call) = self.take(owner::call_of(leg)) else {
                    if opened.is_ok() {
                        self.close_stray(leg);
                    }
                    return;
                };
                if let Some(side) = call.side_mut(leg)
                    && let State::Opening = side.state
                {
                    side.state = match opened {
                        Ok(local) => {
                            let local = side.advertise(*local);
                            // What is agreed is for who drives us to say: codecs of ours only where they are asked for.
                            let mut party = Party::new(local, session);
                            party.set_transcoding(Transcoding::Never);
                            party.set_transport(side.srtp, side.has_feedback);
                            State::Open(Box::new(party))
                        }
                        Err(why) => State::Failed(why),
                    };
                }
                self.run(now, call);
            }
            MediaEvent::Reported(leg, report) => {
                let Some(mut call) = self.take(owner::call_of(leg)) else {
                    self.stats.stray_news += 1;
                    return;
                };
                call.awaited.retain(|awaited| *awaited != leg);
                if let Some(side) = call.side_mut(leg) {
                    side.report = report.or(side.report.take());
                }
                self.run(now, call);
            }
            MediaEvent::Closed(_, report) => {
                let video =
                    report.as_ref().and_then(|report| report.video.as_ref()).map(|video| &video.section);
                for report in report.as_deref().into_iter().chain(video) {
                    let stats = &mut self.stats;
                    stats.packets = stats.packets.saturating_add(report.packets_in);
                    stats.octets = stats.octets.saturating_add(report.octets_in);
                    stats.packets_dropped = stats.packets_dropped.saturating_add(report.drops.total());
                }
            }
            MediaEvent::Connected(leg) | MediaEvent::FirstPacket(leg) => {
                let side = self.calls.get_mut(&owner::call_of(leg)).and_then(|call| call.side_mut(leg));
                match side {
                    Some(side) => side.gone = None,
                    None => self.stats.stray_news += 1,
                }
            }
            // Nobody is told of keys here.
            MediaEvent::Key(..) => self.stats.stray_news += 1,
            MediaEvent::VideoOpened(leg, opened) => {
                let Some(mut call) = self.take(owner::call_of(leg)) else {
                    self.stats.stray_news += 1;
                    return;
                };
                self.video_opened(&mut call, leg, opened);
                self.run(now, call);
            }
            // That takes an INFO, which nobody here can send.
            MediaEvent::PictureWanted(_) => self.stats.pictures_unasked += 1,
            MediaEvent::Gone(leg, why) => self.gone(now, leg, why),
            MediaEvent::Played(leg, number, _) => self.played(leg, number),
            MediaEvent::RecordingEnded(leg, key) => self.recording_ended(leg, key),
        }
    }

    /// The deadline of [`Engine::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.pop_due(now) {
            self.contain(|engine| engine.fire(now, timer));
        }
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Open(number) => self.not_opened(now, number),
            Timer::Delete(number) => {
                self.stats.calls_deleted += u64::from(self.end(number));
            }
            Timer::DeleteSide(leg) => self.end_side(leg),
            Timer::Unanswered(number) => {
                self.stats.calls_unanswered += u64::from(self.end(number));
            }
        }
    }

    /// A datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.replies.pop_front()
    }

    /// A command for a media worker: which, for which leg, what.
    pub fn poll_media(&mut self) -> Option<(u16, LegKey, MediaCommand)> {
        self.commands.pop_front()
    }

    /// When [`Engine::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Takes no new calls, and ends those that wait for their end only. What drives us asks another engine.
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.settings.delete_delay = Duration::ZERO;
        let is_deleted = |number: &CallNumber| self.deadlines.of(&Timer::Delete(*number)).is_some();
        let deleted: Vec<CallNumber> = self.calls.keys().copied().filter(is_deleted).collect();
        for number in deleted {
            self.stats.calls_deleted += u64::from(self.end(number));
        }
    }

    /// Ends every call.
    pub fn shut_down(&mut self) {
        self.is_draining = true;
        let numbers: Vec<CallNumber> = self.calls.keys().copied().collect();
        for number in numbers {
            self.end(number);
        }
    }

    /// What is counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    fn begin(&mut self, now: Instant, asker: Asker, encoding: Encoding, command: Command) {
        if let Command::Offer(exchange) | Command::Answer(exchange) = &command {
            for name in &exchange.flags.unknown {
                self.stats.count_unknown(name);
            }
        }
        let counter = match &command {
            Command::Ping => Some(&mut self.stats.pings),
            Command::Offer(_) => Some(&mut self.stats.offers),
            Command::Answer(_) => Some(&mut self.stats.answers),
            Command::Delete(_) => Some(&mut self.stats.deletes),
            Command::Query(_) => Some(&mut self.stats.queries),
            Command::List(_) => Some(&mut self.stats.lists),
            Command::Statistics
            | Command::PlayDtmf(..)
            | Command::PlayMedia(..)
            | Command::StopMedia(_)
            | Command::StartRecording(..)
            | Command::StopRecording(_)
            | Command::DiscardRecording(_)
            | Command::PauseRecording(_)
            | Command::Media(..) => None,
        };
        if let Some(counter) = counter {
            *counter += 1;
        }
        let knows_load_limit =
            matches!(&command, Command::Offer(exchange) if exchange.flags.knows_load_limit);
        let call = match &command {
            Command::Ping => Ok(Err(Dict::new().with("result", Value::text("pong")))),
            Command::List(limit) => Ok(Err(self.list(*limit))),
            Command::Statistics => Ok(Err(self.statistics(now))),
            Command::Query(whose) => self.number_of(&whose.call).map(Ok),
            Command::Media(action, whose) => self.act(now, *action, whose).map(Err),
            Command::PlayDtmf(whose, press) => self.press(now, whose, *press).map(Err),
            Command::PlayMedia(whose, media) => self.play(now, whose, media).map(Err),
            Command::StopMedia(whose) => self.stop_media(now, whose).map(Err),
            Command::StartRecording(whose, wish) => self.start_recording(now, whose, wish).map(Err),
            Command::StopRecording(whose) => self.stop_recording(now, whose).map(Err),
            Command::DiscardRecording(whose) => self.throw_recording_away(now, whose).map(Err),
            Command::PauseRecording(whose) => self.pause_recording(now, whose).map(Err),
            Command::Offer(exchange) => self.call_to_offer(now, &exchange.whose.call).map(Ok),
            Command::Answer(exchange) => self.number_of(&exchange.whose.call).map(Ok),
            Command::Delete(delete) => match self.number_of(&delete.whose.call) {
                Err(reason) if !delete.is_fatal => Ok(Err(warned(ok(), &[reason.to_string().as_str()]))),
                number => number.map(Ok),
            },
        };
        let number = match call {
            Ok(Ok(number)) => number,
            Ok(Err(dict)) => return self.answer(&asker, encoding, &dict),
            Err(reason) => return self.refuse(&asker, encoding, &reason, knows_load_limit),
        };
        let Some(mut call) = self.take(number) else { return };
        if !matches!(command, Command::Query(_)) {
            call.signalled = now;
        }
        if call.jobs.len() >= MAX_JOBS {
            self.calls.insert(number, call);
            return self.refuse(&asker, encoding, &Reason::TooManyWaiting, false);
        }
        call.jobs.push_back(Box::new(Job {
            asker,
            encoding,
            command,
            sides: None,
            is_asked: false,
            warnings: Vec::new(),
        }));
        // What waits already has to be done first.
        if call.jobs.len() > 1 {
            self.calls.insert(number, call);
            return;
        }
        self.run(now, call);
    }

    /// Does what waits for a call, as far as it can be done, and puts the call back.
    pub(super) fn run(&mut self, now: Instant, mut call: Box<Call>) {
        let number = call.number;
        #[cfg(test)]
        if std::mem::take(&mut self.is_sabotaged) {
            std::panic::resume_unwind(Box::new("sabotaged"));
        }
        while let Some(mut job) = call.jobs.pop_front() {
            let Job { command, sides, warnings, is_asked, .. } = &mut *job;
            let is_told = match command {
                Command::Query(_) | Command::Delete(_) => self.is_told(&mut call, is_asked),
                _ => true,
            };
            let step = match command {
                _ if !is_told => Ok(Step::Wait),
                Command::Query(whose) => self.query(&call, whose).map(Step::Done),
                Command::Offer(exchange) => self.offer(now, &mut call, exchange, sides, warnings),
                Command::Answer(exchange) => self.answer_offer(&mut call, exchange, warnings),
                Command::Delete(delete) => self.delete(now, &mut call, delete),
                _ => Ok(Step::Done(ok())),
            };
            match step {
                Ok(Step::Wait) => {
                    if self.deadlines.of(&Timer::Open(number)).is_none() {
                        self.deadlines.set(Timer::Open(number), now + self.settings.open_within);
                    }
                    call.jobs.push_front(job);
                    self.calls.insert(number, call);
                    return;
                }
                Ok(Step::Done(dict)) => {
                    self.deadlines.cancel(&Timer::Open(number));
                    self.answer(&job.asker, job.encoding, &warned(dict, &job.warnings));
                }
                Ok(Step::Over(dict)) => {
                    self.answer(&job.asker, job.encoding, &dict);
                    self.stats.calls_deleted += 1;
                    self.calls.insert(number, call);
                    self.end(number);
                    return;
                }
                Err(reason) => {
                    self.deadlines.cancel(&Timer::Open(number));
                    self.fail(&mut call, &job, &reason);
                }
            }
        }
        let is_empty = call.sides.is_empty();
        self.calls.insert(number, call);
        if is_empty {
            self.end(number);
        }
    }

    /// Refuses what waits; what it alone has opened is closed.
    pub(super) fn fail(&mut self, call: &mut Call, job: &Job, reason: &Reason) {
        for leg in job.sides.into_iter().flat_map(|(a, b)| [a, b]) {
            // Whoever has said nothing, and been told nothing, is in no dialogue.
            let is_blank = call.side(leg).is_some_and(|side| {
                side.party().is_none_or(|party| party.direction().is_none() && party.current().is_none())
            });
            if is_blank {
                self.close(call, leg);
            }
        }
        let knows_load_limit = match &job.command {
            Command::Offer(exchange) => exchange.flags.knows_load_limit,
            _ => false,
        };
        self.refuse(&job.asker, job.encoding, reason, knows_load_limit);
    }

    /// Answers with an error, or so that the proxy asks another engine if that may help and it knows how.
    pub(super) fn refuse(
        &mut self,
        asker: &Asker,
        encoding: Encoding,
        reason: &Reason,
        knows_load_limit: bool,
    ) {
        self.stats.errors += 1;
        let words = Value::text(reason.to_string());
        let dict = if reason.is_load() && knows_load_limit {
            Dict::new().with("result", Value::text("load limit")).with("message", words)
        } else {
            Dict::new().with("result", Value::text("error")).with("error-reason", words)
        };
        self.answer(asker, encoding, &dict);
    }

    fn answer(&mut self, asker: &Asker, encoding: Encoding, dict: &Dict) {
        let payload = write(&asker.cookie, encoding, dict);
        if payload.len() > MAX_LEN {
            return self.refuse(asker, encoding, &Reason::AnswerTooLong, false);
        }
        self.stats.answers_pushed_out += self.answers.keep(asker, &payload);
        self.replies.push_back(Transmit { flow: asker.flow, payload });
    }

    pub(super) fn command(&mut self, leg: LegKey, command: MediaCommand) {
        let worker = owner::media_worker_of(owner::call_of(leg), self.settings.workers);
        self.commands.push_back((worker, leg, command));
    }

    pub(super) fn take(&mut self, number: CallNumber) -> Option<Box<Call>> {
        let call = self.calls.remove(&number)?;
        self.at_work = Some(AtWork::of(&call));
        Some(call)
    }

    pub(super) fn number_of(&self, id: &Bytes) -> Result<CallNumber, Reason> {
        self.by_id.get(id).copied().ok_or(Reason::NoCall)
    }

    /// The call of an offer, which may be its first.
    fn call_to_offer(&mut self, now: Instant, id: &Bytes) -> Result<CallNumber, Reason> {
        if let Some(number) = self.by_id.get(id) {
            return Ok(*number);
        }
        if self.is_draining {
            self.stats.calls_refused += 1;
            return Err(Reason::Draining);
        }
        if self.calls.len() >= self.settings.max_calls {
            self.stats.calls_refused += 1;
            return Err(Reason::TooManyCalls);
        }
        let number = CallNumber(self.next_call);
        self.next_call += 1;
        self.stats.calls += 1;
        // Of its own memory: the datagram is not kept with it.
        let id = Bytes::copy_from_slice(id);
        self.by_id.insert(id.clone(), number);
        self.calls.insert(number, Box::new(Call::new(now, number, id)));
        self.deadlines.set(Timer::Unanswered(number), now + self.settings.offer_timeout);
        Ok(number)
    }

    /// The media workers did not open what the first command that waits needs.
    fn not_opened(&mut self, now: Instant, number: CallNumber) {
        let Some(mut call) = self.take(number) else { return };
        // Who asks for reports, or wants to be rid of the call, is served without them.
        let is_telling = !std::mem::take(&mut call.awaited).is_empty();
        let is_seeing = !is_telling && self.gives_up_video(&mut call);
        if let Some(job) = call.jobs.pop_front_if(|_| !is_telling && !is_seeing) {
            self.fail(&mut call, &job, &Reason::Silent);
        }
        self.run(now, call);
    }
}

/// `result=ok`.
pub(super) fn ok() -> Dict {
    Dict::new().with("result", Value::text("ok"))
}

/// An answer with what could not be followed.
pub(super) fn warned(dict: Dict, warnings: &[&str]) -> Dict {
    if warnings.is_empty() {
        return dict;
    }
    let mut words: Vec<&str> = Vec::new();
    for warning in warnings {
        if !words.contains(warning) {
            words.push(warning);
        }
    }
    dict.with("warning", Value::text(words.join("; ")))
}

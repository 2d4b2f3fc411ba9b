//! The run of a load: sockets, clock and rate.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_media::dtls::Identity;

use super::calls::{AT_ONCE, Call, State};
use super::end::{Came, End};
use super::ng::{Answered, Request, Requests};
use super::report::Report;
use super::stream::{Sound, Stamp, sound};
use super::{Kind, Options};
use crate::bench::pacing::{BURST, Pacing};
use crate::bench::progress::Progress;
use crate::bench::sockets::Sockets;
use crate::bench::traffic::{Part, Traffic};
use crate::bench::{BenchError, gauge};
use crate::net::datagram::Datagram;

/// Runs a load.
pub(super) fn run(options: &Options) -> Result<Report, BenchError> {
    let mut drive = Drive::new(options)?;
    let memory = drive.memory()?;
    let (cpu, began) = (drive.cpu()?, Instant::now());
    drive.set_up()?;
    let lasted = began.elapsed();
    // What the engine still does of it counts too.
    drive.rest(SETTLE)?;
    let up = drive.speakers.len() as u64 / 2;
    let setting_up = Part { server: gauge::difference(drive.cpu()?, cpu), lasted };
    drive.talk("warming up", options.warm_up)?;
    drive.rest(SETTLE)?;
    drive.counts = Counts::new();
    let dropped = drive.sockets.dropped();
    let (cpu, own, began) = (drive.cpu()?, gauge::own_cpu(), Instant::now());
    drive.talk("talking", options.seconds)?;
    let talking = Part { server: gauge::difference(drive.cpu()?, cpu), lasted: began.elapsed() };
    let own_cpu = gauge::difference(gauge::own_cpu(), own);
    let after = drive.memory()?;
    drive.rest(SETTLE)?;
    drive.counts.traffic.dropped_here = drive.sockets.dropped() - dropped;
    drive.hang_up()?;
    drive.progress.clear();
    let Counts { traffic, unusable, reports } = drive.counts;
    Ok(Report {
        kind: options.kind.word(),
        to: options.to.to_string(),
        calls: options.calls.into(),
        up,
        faults: drive.faults,
        seconds: options.seconds,
        traffic,
        unusable,
        reports,
        setting_up,
        talking,
        own_cpu,
        memory: after.zip(memory).map(|(after, before)| after.saturating_sub(before)),
    })
}

/// What drives a load.
pub(super) struct Drive<'a> {
    pub(super) options: &'a Options,
    pub(super) sockets: Sockets,
    /// The socket that the engine is asked by.
    pub(super) asking: usize,
    /// The port where RTCP may go.
    pub(super) rtcp: u16,
    /// Whose packets come by each socket.
    pub(super) owners: Vec<Owner>,
    pub(super) requests: Requests,
    pub(super) calls: Vec<Call>,
    /// The caller's end of each call, and behind it the callee's.
    pub(super) ends: Vec<End>,
    /// The ends that have something to say.
    pub(super) speakers: Vec<usize>,
    pub(super) identity: Arc<Identity>,
    pub(super) sounds: [Sound; 2],
    /// What call-ids begin with, so that those of another load are not meant.
    pub(super) prefix: u64,
    began: Instant,
    /// The window of counting, which packets carry.
    window: u32,
    counts: Counts,
    pub(super) faults: BTreeMap<String, u64>,
    /// What is to be sent when receiving is over.
    outbox: Vec<(usize, SocketAddr, Bytes)>,
    answers: Vec<Answered>,
    /// Browsers to whom something came that is not media.
    poked: Vec<usize>,
    swept: Instant,
    progress: Progress,
}

/// Who gets what comes by a socket.
pub(super) enum Owner {
    /// Nobody looks at it.
    Nobody,
    /// The requests.
    Requests,
    /// One end.
    One(usize),
    /// The end that the engine sends to from a port.
    ByPort(HashMap<u16, usize>),
}

/// What is counted in a window.
struct Counts {
    traffic: Traffic,
    unusable: u64,
    reports: u64,
}

impl Counts {
    fn new() -> Self {
        Counts { traffic: Traffic::new(), unusable: 0, reports: 0 }
    }
}

impl<'a> Drive<'a> {
    fn new(options: &'a Options) -> Result<Self, BenchError> {
        let mut sockets = Sockets::new().map_err(BenchError::Threads)?;
        let from = options.from;
        let open = |sockets: &mut Sockets| sockets.open(from).map_err(|error| BenchError::Bind(from, error));
        let (asking, _) = open(&mut sockets)?;
        let (_, rtcp) = open(&mut sockets)?;
        let identity =
            crate::serve::media::identity().map_err(|error| BenchError::Identity(error.to_string()))?;
        let (now, prefix) = (Instant::now(), rand::random());
        Ok(Drive {
            options,
            sockets,
            asking,
            rtcp,
            owners: vec![Owner::Requests, Owner::Nobody],
            requests: Requests::new(prefix),
            calls: Vec::new(),
            ends: Vec::new(),
            speakers: Vec::new(),
            identity,
            sounds: [sound(options.kind), sound(Kind::Plain)],
            prefix,
            began: now,
            window: 0,
            counts: Counts::new(),
            faults: BTreeMap::new(),
            outbox: Vec::new(),
            answers: Vec::new(),
            poked: Vec::new(),
            swept: now,
            progress: Progress::new(now),
        })
    }

    /// Sends what is due for so long, every end a packet in 20 ms.
    fn talk(&mut self, what: &str, seconds: u32) -> Result<(), BenchError> {
        self.window += 1;
        let speakers = self.speakers.len() as u64;
        if speakers == 0 {
            return Ok(());
        }
        let (lasting, a_second) =
            (Duration::from_secs(seconds.into()), speakers as f64 / PACKET.as_secs_f64());
        let mut pacing = Pacing::new(Instant::now(), a_second, lasting);
        loop {
            let now = Instant::now();
            if pacing.is_over(now) {
                break;
            }
            pacing.leave_out(now);
            let mut burst = 0;
            while burst < BURST
                && let Some(number) = pacing.take(now)
            {
                if let Some(&end) = self.speakers.get((number % speakers) as usize) {
                    self.speak(end);
                }
                burst += 1;
            }
            self.step(if burst == BURST { Duration::ZERO } else { pacing.wait(Instant::now()) })?;
            self.show_progress(what);
        }
        self.counts.traffic.late += pacing.left_out();
        Ok(())
    }

    fn speak(&mut self, number: usize) {
        let Some(end) = self.ends.get_mut(number) else { return };
        let mut buffer = [0; PACKET_ROOM];
        let stamp = self.options.kind.is_passed_on().then(|| Stamp {
            at: u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            window: self.window,
        });
        let Some((engine, len)) = end.speak(stamp, &mut buffer) else { return };
        self.counts.traffic.sent += 1;
        let is_sent = buffer.get(..len).is_some_and(|packet| self.sockets.send(end.socket, engine, packet));
        self.counts.traffic.unsent += u64::from(!is_sent);
    }

    /// Lets what is on its way come.
    fn rest(&mut self, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(TICK)?;
        }
        Ok(())
    }

    /// Ends all calls, and waits for the engine's word for each.
    fn hang_up(&mut self) -> Result<(), BenchError> {
        self.speakers.clear();
        for number in 0..self.calls.len() {
            let Some(call) = self.calls.get_mut(number).filter(|call| call.is_known) else { continue };
            call.state = State::Over;
            self.ask(number, Request::Delete);
            if number.is_multiple_of(AT_ONCE) {
                self.step(TICK)?;
            }
        }
        // They are given up in time.
        while !self.requests.is_empty() {
            self.step(TICK)?;
        }
        Ok(())
    }

    /// Takes what comes and does what is due.
    pub(super) fn step(&mut self, longest: Duration) -> Result<(), BenchError> {
        self.sockets.wait(longest).map_err(BenchError::Threads)?;
        self.receive()?;
        let now = Instant::now();
        for (socket, to, datagram) in std::mem::take(&mut self.outbox) {
            self.sockets.send(socket, to, &datagram);
        }
        for (call, answer) in std::mem::take(&mut self.answers) {
            self.answered(now, call, answer);
        }
        for end in std::mem::take(&mut self.poked) {
            self.poll_browser(now, end);
        }
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.sweep(now);
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), BenchError> {
        let Drive { sockets, owners, ends, requests, answers, outbox, poked, counts, .. } = self;
        let (began, window, is_stamped) = (self.began, self.window, self.options.kind.is_passed_on());
        let received = sockets.receive(|number, datagram: &Datagram<'_>| {
            let end = match owners.get(number) {
                Some(Owner::Requests) => return answers.extend(requests.answered(datagram.payload)),
                Some(Owner::One(end)) => *end,
                Some(Owner::ByPort(ends)) => match ends.get(&datagram.remote.port()) {
                    Some(end) => *end,
                    None => return,
                },
                Some(Owner::Nobody) | None => return,
            };
            let Some(to) = ends.get_mut(end) else { return };
            let mut buffer = [0; PACKET_ROOM];
            if datagram.payload.first().is_some_and(|first| *first < MEDIA) {
                if let Some(browser) = &mut to.browser {
                    let now = Instant::now();
                    let answer = browser.handle(now, datagram.remote, datagram.payload, &mut buffer);
                    let answer = answer.and_then(|len| buffer.get(..len)).map(Bytes::copy_from_slice);
                    outbox.extend(answer.map(|answer| (number, datagram.remote, answer)));
                    poked.push(end);
                }
                return;
            }
            let Some(packet) = buffer.get_mut(..datagram.payload.len()) else { return counts.unusable += 1 };
            packet.copy_from_slice(datagram.payload);
            match to.hear(packet) {
                Came::Sound(Some(stamp)) if is_stamped => {
                    if stamp.window == window {
                        counts.traffic.heard += 1;
                        counts
                            .traffic
                            .delays
                            .note(began.elapsed().saturating_sub(Duration::from_nanos(stamp.at)));
                    }
                }
                Came::Sound(_) if !is_stamped => counts.traffic.heard += 1,
                Came::Report => counts.reports += 1,
                Came::Sound(_) | Came::Unusable => counts.unusable += 1,
            }
        });
        received.map_err(BenchError::Threads)
    }

    /// What is done from time to time: repeats, checks, and calls that take too long.
    fn sweep(&mut self, now: Instant) {
        let (again, lost) = self.requests.overdue(now);
        for datagram in again {
            self.sockets.send(self.asking, self.options.to, &datagram);
        }
        for call in lost {
            match self.calls.get(call).map(|call| call.state) {
                Some(State::Over) => self.count_fault("the engine did not answer to the end of a call"),
                _ => self.fail(call, "the engine did not answer"),
            }
        }
        if self.options.kind == Kind::Webrtc {
            for end in (0..self.ends.len()).step_by(2) {
                self.poll_browser(now, end);
            }
        }
        for number in 0..self.calls.len() {
            let is_stuck = self.calls.get(number).is_some_and(|call| {
                call.state == State::Connecting && now.duration_since(call.begun) > CONNECT_WITHIN
            });
            if is_stuck {
                self.fail(number, "ICE or DTLS did not end in time");
            }
        }
    }

    fn cpu(&self) -> Result<Option<Duration>, BenchError> {
        gauge::read(&self.options.pids, gauge::cpu)
    }

    fn memory(&self) -> Result<Option<u64>, BenchError> {
        gauge::read(&self.options.pids, gauge::memory)
    }

    pub(super) fn show_progress(&mut self, what: &str) {
        let now = Instant::now();
        if !self.progress.is_due(now) {
            return;
        }
        let Traffic { sent, heard, .. } = &self.counts.traffic;
        self.progress.show(format_args!(
            "{what}: {} of {} calls up, {sent} packets sent, {heard} came through",
            self.speakers.len() / 2,
            self.options.calls
        ));
    }
}

/// The time between packets of an end.
const PACKET: Duration = Duration::from_millis(20);
/// How long is waited for what comes while nothing is due.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// How long what is on its way may take.
const SETTLE: Duration = Duration::from_millis(400);
/// How often repeats and checks are looked at.
const SWEEP: Duration = Duration::from_millis(20);
/// How long ICE and DTLS may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// What is below is STUN or DTLS ([RFC 7983]).
///
/// [RFC 7983]: https://www.rfc-editor.org/rfc/rfc7983#section-7
const MEDIA: u8 = 128;
/// Room for a packet.
pub(super) const PACKET_ROOM: usize = 2048;

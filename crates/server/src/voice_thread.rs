//! The voice thread of a media worker: it drives the [`Desk`], whose inserts make audio.
//!
//! A media worker hands it packets and orders over one bounded queue, in their order; what is made goes back over another
//! one, and the buffers that carried it over a third. It has no sockets and waits for nothing but these and its clock.
//!
//! A mistake of ours costs the leg that it happened to: its inserts are taken out, and the worker is told, which ends the
//! leg. One in the clock costs all legs with inserts, since it is not known whose it was.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use ringback_control::PlayNumber;
use ringback_media::dtmf::Press;
use ringback_media::insert::{
    ConferenceKey, Desk, DeskError, Made, PacketWay, Piece, Play, PlayEnd, PressError, Recorded,
    RecordingKey, RecordingSettings, Track,
};
use ringback_media::negotiation::Patch;
use ringback_media::session::LegKey;

use crate::http::Readiness;
use crate::net::wake::Waker;
use crate::recordings::{Handed, News, Tape};
use crate::telemetry::{NOBODY, Telemetry, limited};

/// What a media worker asks of its voice thread.
#[allow(
    clippy::large_enum_variant,
    reason = "a packet lies in the queue's own memory, so that none is allocated"
)]
pub enum Order {
    /// An opened RTP packet of a leg.
    Packet(LegKey, Datagram),
    /// Lets the second leg hear what the first says.
    Patch(LegKey, LegKey, Box<Patch>),
    /// Lets a leg into a conference.
    Join(LegKey, ConferenceKey, Box<Patch>),
    /// A copy of an opened packet of a leg, RTP or RTCP, for a recording.
    Copy(LegKey, Datagram),
    /// Plays something to a leg.
    Play(LegKey, PlayNumber, Box<(Play, Patch)>),
    /// Plays nothing more to a leg.
    StopPlaying(LegKey),
    /// Hears a leg in a recording.
    Record(LegKey, Box<Track>),
    /// Says which way the packets of a leg that is recorded come from here on.
    Way(LegKey, PacketWay),
    /// Leaves a gap in a recording, or goes on with it; the leg is one that is heard in it.
    PauseRecording(LegKey, RecordingKey, bool),
    /// Ends a recording; the leg is one that is heard in it.
    StopRecording(LegKey, RecordingKey),
    /// Ends a recording and throws it away; the leg is one that is heard in it.
    DiscardRecording(LegKey, RecordingKey),
    /// Presses a key for the far end of a leg.
    Press(LegKey, Press),
    /// The same for one that may have no voice.
    PressAlone(LegKey, PlayNumber, Box<(Press, Patch)>),
    /// The far end of a leg loses this part of what its voice says, in percent.
    Loss(LegKey, u8),
    /// Nothing that the leg says goes by an insert from here on.
    Unplug(LegKey),
    /// The leg is closed.
    Close(LegKey),
}

/// A packet on its way to the voice thread, in the queue's own memory.
pub struct Datagram {
    len: u16,
    bytes: [u8; DATAGRAM_LEN],
}

impl Datagram {
    /// `None` when it is longer than any audio.
    pub fn new(packet: &[u8]) -> Option<Self> {
        let mut bytes = [0; DATAGRAM_LEN];
        bytes.get_mut(..packet.len())?.copy_from_slice(packet);
        Some(Datagram { len: u16::try_from(packet.len()).ok()?, bytes })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What a voice thread has for its media worker.
pub enum Output {
    /// A packet to send.
    Made(Made),
    /// The far end of a leg is to be told of a key.
    Key(LegKey, Press),
    /// The inserts of a leg failed by a mistake of ours.
    Failed(LegKey),
    /// What was played to a leg is played no more, other than by an order.
    Played(LegKey, PlayNumber, PlayEnd),
    /// A recording has ended.
    RecordingEnded(RecordingKey),
}

/// The media worker's end.
pub struct Voice {
    orders: SyncSender<Order>,
    outputs: Receiver<Output>,
    spent: SyncSender<Made>,
}

/// What a voice thread has counted besides its desk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Packets that were made and found the media worker's queue full.
    pub outputs_full: u64,
    /// Inserts that were asked for and could not be made.
    pub inserts_refused: u64,
    /// Mistakes of ours that were contained.
    pub voice_panics: u64,
}

/// A voice thread that has not started.
pub struct VoiceThread {
    number: u16,
    desk: Desk,
    /// What is played to each leg.
    numbers: HashMap<LegKey, PlayNumber>,
    orders: Receiver<Order>,
    outputs: SyncSender<Output>,
    spent: Receiver<Made>,
    tape: Tape,
    recording: RecordingSettings,
    /// News of recordings that found the way to their files full: not one is lost. They are as few as commands.
    owed: VecDeque<Recorded>,
    waker: Waker,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    counters: Counters,
}

impl Voice {
    /// Both ends: the worker's, which `waker` wakes, and the thread, which hands what it records to `tape`. The numbers
    /// of its streams follow from `seed`.
    pub fn new(
        number: u16,
        waker: Waker,
        telemetry: Arc<Telemetry>,
        readiness: Arc<Readiness>,
        (tape, recording): (Tape, RecordingSettings),
        seed: u64,
    ) -> (Voice, VoiceThread) {
        let (orders, ordered) = sync_channel(ORDERS);
        let (made, outputs) = sync_channel(OUTPUTS);
        let (spent, spare) = sync_channel(OUTPUTS);
        let thread = VoiceThread {
            number,
            desk: Desk::new(seed),
            numbers: HashMap::new(),
            orders: ordered,
            outputs: made,
            spent: spare,
            tape,
            recording,
            owed: VecDeque::new(),
            waker,
            telemetry,
            readiness,
            counters: Counters::default(),
        };
        (Voice { orders, outputs, spent }, thread)
    }

    /// Hands in an order; gives it back when the queue is full. Nobody carries out orders to a thread that has ended.
    #[allow(clippy::result_large_err, reason = "an order that is given back lies where it lay")]
    pub fn order(&self, order: Order) -> Result<(), Order> {
        match self.orders.try_send(order) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(order)) => Err(order),
        }
    }

    /// What was made; the error says whether more can come.
    pub fn next(&self) -> Result<Output, TryRecvError> {
        self.outputs.try_recv()
    }

    /// Gives the buffer of a packet back that was sent.
    pub fn give_back(&self, made: Made) {
        // When there is no room for it, another one is made.
        let _ = self.spent.try_send(made);
    }
}

impl VoiceThread {
    /// Runs until the media worker is gone. A thread that ends before turns `/healthz` red, and its worker ends the legs
    /// that need it.
    pub fn run(mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.drive())).is_err() {
            tracing::error!(
                worker = self.number,
                "a voice thread failed by a mistake in Ringback; its calls end"
            );
            self.readiness.media_failed();
            let waker = self.waker.clone();
            drop(self);
            waker.wake();
        }
    }

    fn drive(&mut self) {
        let mut reported = Instant::now();
        loop {
            let now = Instant::now();
            let due = self.desk.poll_timeout().map_or(REPORT_EVERY, |at| at.saturating_duration_since(now));
            match self.orders.recv_timeout(due.min(REPORT_EVERY)) {
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What waits as well is heard before anything is sent, so that the worker is woken once.
            for _ in 0..ROUND {
                match self.orders.try_recv() {
                    Ok(order) => self.carry_out(order),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            let now = Instant::now();
            if self.desk.poll_timeout().is_some_and(|at| at <= now) {
                self.tick(now);
            }
            self.hand_out();
            if now.duration_since(reported) >= REPORT_EVERY {
                reported = now;
                self.telemetry.set_voice(self.number, self.desk.stats(), self.counters);
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        let leg = match &order {
            Order::Packet(leg, _)
            | Order::Patch(leg, ..)
            | Order::Join(leg, ..)
            | Order::Copy(leg, _)
            | Order::Play(leg, ..)
            | Order::StopPlaying(leg)
            | Order::Record(leg, _)
            | Order::Way(leg, _)
            | Order::PauseRecording(leg, ..)
            | Order::StopRecording(leg, _)
            | Order::DiscardRecording(leg, _)
            | Order::Press(leg, _)
            | Order::PressAlone(leg, ..)
            | Order::Loss(leg, _)
            | Order::Unplug(leg)
            | Order::Close(leg) => *leg,
        };
        if catch_unwind(AssertUnwindSafe(|| self.obey(order))).is_err() {
            self.counters.voice_panics += 1;
            tracing::error!(
                leg = leg.0,
                "audio could not be made because of a mistake in Ringback; please report it"
            );
            self.fail(leg);
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        // What has ended was numbered before what comes now.
        if matches!(order, Order::Play(..) | Order::PressAlone(..) | Order::StopPlaying(_))
            && self.tell_ended()
        {
            self.waker.wake();
        }
        let (leg, refused) = match order {
            Order::Packet(leg, datagram) => return self.desk.handle_packet(now, leg, datagram.bytes()),
            Order::Press(leg, press) => {
                let pressed = self.desk.press(now, leg, press).map_err(PressError::Key);
                return self.note_press(leg, pressed);
            }
            Order::PressAlone(leg, number, press) => {
                self.numbers.insert(leg, number);
                let (press, patch) = *press;
                return match self.desk.press_alone(now, leg, press, &patch) {
                    Err(PressError::Voice(error)) => self.refuse_playing(leg, error),
                    pressed => self.note_press(leg, pressed),
                };
            }
            Order::Copy(leg, datagram) => return self.desk.handle_copy(now, leg, datagram.bytes()),
            Order::StopPlaying(leg) => {
                self.numbers.remove(&leg);
                return self.desk.stop(leg);
            }
            Order::Way(leg, way) => return self.desk.set_way(leg, way),
            Order::PauseRecording(_, key, is_paused) => return self.desk.pause_recording(key, is_paused),
            Order::StopRecording(_, key) => return self.desk.stop_recording(key),
            Order::DiscardRecording(_, key) => return self.desk.discard_recording(key),
            Order::Play(leg, number, play) => {
                self.numbers.insert(leg, number);
                let (play, patch) = *play;
                if let Err(error) = self.desk.play(now, leg, play, &patch) {
                    self.refuse_playing(leg, error);
                }
                return;
            }
            Order::Record(leg, track) => (leg, self.desk.record(now, leg, &track, self.recording)),
            Order::Loss(leg, percent) => return self.desk.expect_loss(leg, percent),
            Order::Unplug(leg) => return self.desk.unplug(leg),
            Order::Close(leg) => {
                self.numbers.remove(&leg);
                return self.desk.close(leg);
            }
            Order::Patch(from, to, patch) => (from, self.desk.patch(from, to, &patch)),
            Order::Join(leg, key, patch) => (leg, self.desk.join(now, leg, key, &patch)),
        };
        if let Err(error) = refused {
            self.refuse(leg, error);
        }
    }

    fn note_press(&self, leg: LegKey, pressed: Result<(), PressError>) {
        if let Err(error) = pressed {
            limited!(self.telemetry.log, WARN, NOBODY, "key_refused", %error, leg = leg.0, "a key is not sent");
        }
    }

    /// An insert cannot be made. Control made sure of the codecs, so the leg that lacks it is silent and says why.
    fn refuse(&mut self, leg: LegKey, error: DeskError) {
        self.counters.inserts_refused += 1;
        limited!(self.telemetry.log, WARN, NOBODY, "insert_refused", %error, leg = leg.0, "a leg is not heard");
    }

    /// Nothing can be played to a leg: it hears the other again, whom the worker keeps back for what is played.
    fn refuse_playing(&mut self, leg: LegKey, error: DeskError) {
        self.refuse(leg, error);
        if self.tell_played(leg, PlayEnd::Finished) {
            self.waker.wake();
        }
    }

    /// Tells what is played no more; says whether the worker has to know of something.
    fn tell_ended(&mut self) -> bool {
        let mut has_news = false;
        while let Some((leg, end)) = self.desk.poll_ended() {
            has_news |= self.tell_played(leg, end);
        }
        has_news
    }

    /// Tells that what was played to a leg is over; says whether the worker has to know of something.
    fn tell_played(&mut self, leg: LegKey, end: PlayEnd) -> bool {
        self.numbers.remove(&leg).is_some_and(|number| self.tell(Output::Played(leg, number, end)))
    }

    fn tick(&mut self, now: Instant) {
        if catch_unwind(AssertUnwindSafe(|| self.desk.handle_timeout(now))).is_err() {
            self.counters.voice_panics += 1;
            tracing::error!("the clock of audio failed by a mistake in Ringback; please report it");
            // Whose mistake it was is not known, and it would come again every 20 ms.
            for leg in self.desk.legs() {
                self.fail(leg);
            }
        }
    }

    fn fail(&mut self, leg: LegKey) {
        if catch_unwind(AssertUnwindSafe(|| self.desk.close(leg))).is_err() {
            self.counters.voice_panics += 1;
        }
        if self.outputs.send(Output::Failed(leg)).is_ok() {
            self.waker.wake();
        }
    }

    fn hand_out(&mut self) {
        while let Ok(made) = self.spent.try_recv() {
            self.desk.recycle(made);
        }
        let mut has_news = false;
        while let Some(made) = self.desk.poll_made() {
            match self.outputs.try_send(Output::Made(made)) {
                Ok(()) => has_news = true,
                Err(TrySendError::Full(output) | TrySendError::Disconnected(output)) => {
                    self.counters.outputs_full += 1;
                    if let Output::Made(made) = output {
                        self.desk.recycle(made);
                    }
                }
            }
        }
        while let Some((leg, press)) = self.desk.poll_told() {
            has_news |= self.tell(Output::Key(leg, press));
        }
        has_news |= self.tell_ended();
        has_news |= self.hand_out_recordings();
        if has_news {
            self.waker.wake();
        }
    }

    /// Hands what was recorded to the files; says whether the worker has to know of something.
    fn hand_out_recordings(&mut self) -> bool {
        while let Some(piece) = self.tape.next_spare() {
            self.desk.recycle_piece(piece);
        }
        let mut has_news = false;
        while let Some(recorded) = self.owed.pop_front() {
            if let Handed::Back(recorded) = self.tape.hand(recorded) {
                self.owed.push_front(recorded);
                break;
            }
        }
        while let Some(recorded) = self.desk.poll_recorded() {
            if let Recorded::Ended { recording, .. } = &recorded {
                has_news |= self.tell(Output::RecordingEnded(*recording));
            }
            match recorded {
                // What is owed comes first, and samples do not wait for it.
                Recorded::Piece(piece) if !self.owed.is_empty() => self.lose(piece),
                news if !self.owed.is_empty() => self.owed.push_back(news),
                recorded => match self.tape.hand(recorded) {
                    Handed::Over => {}
                    Handed::Back(news) => self.owed.push_back(news),
                    Handed::Lost(piece) => self.lose(piece),
                },
            }
        }
        has_news
    }

    /// A piece of a recording found the way to its file full: there is a gap in its place.
    fn lose(&mut self, piece: Piece) {
        self.telemetry.recordings.count(News::QueueFull);
        self.desk.recycle_piece(piece);
    }

    /// Tells the worker something that must not be lost; says whether there is a worker.
    fn tell(&self, output: Output) -> bool {
        match self.outputs.try_send(output) {
            Ok(()) => true,
            // It is woken before it is waited for.
            Err(TrySendError::Full(output)) => {
                self.waker.wake();
                self.outputs.send(output).is_ok()
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// The longest packet that is handed over: what fits into an Ethernet frame.
const DATAGRAM_LEN: usize = 1500;

/// Orders that may wait for a voice thread.
const ORDERS: usize = 1024;

/// Packets that may wait for a media worker.
const OUTPUTS: usize = 1024;

/// Orders that are carried out before what they made is sent.
const ROUND: usize = 64;

/// How often what was counted is handed out.
const REPORT_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_holds_what_it_was_given_and_refuses_what_is_no_audio() {
        assert_eq!(Datagram::new(&[7; DATAGRAM_LEN]).unwrap().bytes(), [7; DATAGRAM_LEN]);
        assert_eq!(Datagram::new(&[7; 20]).unwrap().bytes(), [7; 20]);
        assert!(Datagram::new(&[7; DATAGRAM_LEN + 1]).is_none());
    }
}

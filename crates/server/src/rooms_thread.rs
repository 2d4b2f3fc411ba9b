//! The thread of rooms: it drives [`Rooms`].
//!
//! It is a thread of its own, so that rooms never disturb calls. It has no sockets: clients are WebSockets, whose tasks
//! hand their messages in and have an outbox each, and requests over HTTP, which wait for their answers. To the media
//! workers, which carry streams, it is one more that commands them.

mod asked;
mod known;

pub use asked::{Asked, What};
pub use known::Known;

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ringback_control::MediaCommand;
use ringback_control::rooms::{Event, Reply, RequestId, RoomRecord, Rooms};
use ringback_media::session::LegKey;
use ringback_sansio::Flow;
use tokio::sync::oneshot;

use crate::control_thread::sockets::Sockets;
use crate::inbox::{Inbox, Input};
use crate::media_thread::MediaInbox;
use crate::net::wake::Waker;
use crate::outbox::{NotSent, Outbox};
use crate::store::{Write, Writer};
use crate::telemetry::{NOBODY, Telemetry, limited};
use crate::turn_thread::Guests;

/// Inputs that are taken in one round before what they lead to is sent.
const INPUTS_A_ROUND: usize = 256;

/// How often the counters are handed to the telemetry, and the longest wait.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// The tickets of this thread's writes have this bit, those of the control thread have not: whoever is told what became of
/// them can tell them apart.
pub const TICKETS: u64 = 1 << 63;

/// What the thread is made of.
pub struct RoomsThread {
    rooms: Rooms<Known>,
    waiting: Sockets,
    inputs: Receiver<Input>,
    waker: Waker,
    connections: HashMap<Flow, Outbox>,
    /// The media workers, by number.
    workers: Vec<MediaInbox>,
    /// Where those wait who have asked over HTTP.
    waiting_for: HashMap<RequestId, oneshot::Sender<Reply>>,
    last_request: u64,
    writer: Writer,
    /// What is being written, by ticket.
    written: HashMap<u64, Box<RoomRecord>>,
    last_ticket: u64,
    telemetry: Arc<Telemetry>,
    /// Who may use TURN because of a room.
    guests: Guests,
    /// The way to the thread of TURN, where there is one.
    turn: Option<Inbox>,
    counters: Counters,
    reported: Instant,
}

/// What the thread itself drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Messages to clients that read too slowly; their connections are closed.
    pub outbox_full: u64,
    /// Messages to connections that are gone.
    pub connection_gone: u64,
    /// Changes of rooms that the store has not taken; they are tried again.
    pub not_kept: u64,
    /// Commands that the media workers did not take.
    pub worker_full: u64,
    /// Answers that nobody waited for any more.
    pub unheard: u64,
    /// Mistakes of ours that were contained.
    pub panics: u64,
}

/// What the thread needs besides the machine.
pub struct Surroundings {
    /// What other threads hand in.
    pub inputs: Receiver<Input>,
    /// What they wake the thread by.
    pub waker: Waker,
    /// The media workers, by number.
    pub workers: Vec<MediaInbox>,
    /// The way to the disk.
    pub writer: Writer,
    /// Who may use TURN because of a room.
    pub guests: Guests,
    /// The way to the thread of TURN, where there is one.
    pub turn: Option<Inbox>,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
}

impl RoomsThread {
    /// A thread that has not started.
    pub fn new(rooms: Rooms<Known>, surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings { inputs, waker, workers, writer, guests, turn, telemetry } = surroundings;
        Ok(RoomsThread {
            rooms,
            waiting: Sockets::new(Vec::new(), &waker)?,
            inputs,
            waker,
            connections: HashMap::new(),
            workers,
            waiting_for: HashMap::new(),
            last_request: 0,
            writer,
            written: HashMap::new(),
            last_ticket: TICKETS,
            telemetry,
            guests,
            turn,
            counters: Counters::default(),
            reported: Instant::now(),
        })
    }

    /// Runs until it is told to drain or to stop. Peer connections go on without it, and clients come back to the process
    /// after this one.
    pub fn run(mut self) -> io::Result<()> {
        self.telemetry.set_rooms(&self.rooms, self.counters);
        loop {
            self.waiting.wait(self.rooms.poll_timeout(), TELEMETRY_EVERY)?;
            self.waker.clear();
            let is_over = self.take_inputs();
            let now = Instant::now();
            if self.rooms.poll_timeout().is_some_and(|due| due <= now) {
                self.contain(None, |rooms| rooms.handle_timeout(now));
            }
            self.hand_out();
            if is_over {
                self.rooms.shut_down(now);
                self.hand_out();
                self.telemetry.set_rooms(&self.rooms, self.counters);
                return Ok(());
            }
            if now.duration_since(self.reported) >= TELEMETRY_EVERY {
                self.reported = now;
                self.telemetry.set_rooms(&self.rooms, self.counters);
            }
        }
    }

    /// Takes what other threads have handed in; says whether it is over.
    fn take_inputs(&mut self) -> bool {
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.try_recv() else { return false };
            let now = Instant::now();
            match input {
                Input::Visited(flow, visit, outbox) => {
                    self.connections.insert(flow, outbox);
                    self.rooms.handle_opened(flow, visit);
                }
                Input::Message(flow, message) => {
                    self.contain(Some(flow), |rooms| rooms.handle_message(now, flow, &message));
                }
                Input::Closed(flow) => {
                    self.connections.remove(&flow);
                    self.contain(None, |rooms| rooms.handle_closed(now, flow));
                }
                Input::Media(event) => self.contain(None, |rooms| rooms.handle_media(now, event)),
                Input::Asked(asked) => self.take_request(now, asked),
                Input::Persisted(results) => self.note_written(now, results),
                Input::Drain | Input::Stop => return true,
                // Nobody hands in anything else here.
                _ => {}
            }
        }
        // There may be more: come back at once.
        self.waker.wake();
        false
    }

    /// Takes a request over HTTP. One that panics is not answered, and whoever waits is told so.
    fn take_request(&mut self, now: Instant, Asked { what, reply }: Asked) {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.waiting_for.insert(id, reply);
        let panics = self.counters.panics;
        self.contain(None, |rooms| match what {
            What::Post(post) => rooms.handle_post(now, id, *post),
            What::Delete(session) => rooms.handle_delete(id, &session),
            What::Patch(patch) => rooms.handle_patch(id, &patch),
        });
        if self.counters.panics > panics {
            self.waiting_for.remove(&id);
        }
    }

    fn answer(&mut self, id: RequestId, reply: Reply) {
        let Some(waiting) = self.waiting_for.remove(&id) else { return };
        if let Err(reply) = waiting.send(reply) {
            self.counters.unheard += 1;
            self.contain(None, |rooms| rooms.handle_unheard(&reply));
        }
    }

    fn command(&mut self, worker: u16, leg: LegKey, command: MediaCommand) {
        let Some(inbox) = self.workers.get(usize::from(worker)) else { return };
        if let Err(refused) = inbox.send(leg, command) {
            self.counters.worker_full += 1;
            if let Some(event) = refused {
                self.contain(None, |rooms| rooms.handle_media(Instant::now(), event));
            }
        }
    }

    /// Lets something happen. When it panics the connection is given up that it came over, and the others go on.
    fn contain(&mut self, flow: Option<Flow>, act: impl FnOnce(&mut Rooms<Known>)) {
        let rooms = &mut self.rooms;
        if catch_unwind(AssertUnwindSafe(|| act(rooms))).is_ok() {
            return;
        }
        self.counters.panics += 1;
        tracing::error!(?flow, "a mistake in Ringback in a room was contained; please report it");
        if let Some(flow) = flow {
            self.give_up(flow);
        }
    }

    fn give_up(&mut self, flow: Flow) {
        self.connections.remove(&flow);
        let now = Instant::now();
        self.contain(None, |rooms| rooms.handle_closed(now, flow));
    }

    /// Carries out what the rooms ask for, until they ask for nothing.
    fn hand_out(&mut self) {
        loop {
            while let Some((worker, leg, command)) = self.rooms.poll_media() {
                self.command(worker, leg, command);
            }
            if let Some((id, reply)) = self.rooms.poll_reply() {
                self.answer(id, reply);
                continue;
            }
            while let Some(transmit) = self.rooms.poll_transmit() {
                let flow = transmit.flow;
                let Some(outbox) = self.connections.get(&flow) else { continue };
                match outbox.send(transmit.payload) {
                    Ok(()) => {}
                    // The task of the connection has told of its end, or will.
                    Err(NotSent::Gone) => self.counters.connection_gone += 1,
                    Err(NotSent::Full) => {
                        self.counters.outbox_full += 1;
                        self.give_up(flow);
                    }
                }
            }
            let Some(event) = self.rooms.poll_event() else {
                return self.workers.iter().for_each(MediaInbox::wake);
            };
            match event {
                Event::Settled(flow) => {
                    if let Some(outbox) = self.connections.get(&flow) {
                        outbox.place.authenticated();
                    }
                }
                Event::Close(flow) => {
                    // What is in its outbox is sent before the connection closes.
                    self.connections.remove(&flow);
                }
                Event::Keep(record) => self.keep(record),
                Event::Forget(name) => {
                    self.guests.close(&name);
                    if let Some(turn) = &self.turn {
                        // Where it is not heard, no allocation is refreshed all the same.
                        let _ = turn.send(Input::RoomOver(name.clone()));
                    }
                    let write = Write::RemoveRoom { name: name.as_str().to_owned() };
                    self.submit(write);
                }
            }
        }
    }

    fn keep(&mut self, record: Box<RoomRecord>) {
        let ticket = self.submit(Write::PutRoom(record.clone()));
        match ticket {
            Some(ticket) => {
                self.written.insert(ticket, record);
            }
            None => self.rooms.handle_not_kept(Instant::now(), &record),
        }
    }

    /// Hands a write to the store; `None` when it takes none.
    fn submit(&mut self, write: Write) -> Option<u64> {
        self.last_ticket += 1;
        match self.writer.submit(self.last_ticket, vec![write]) {
            Ok(()) => Some(self.last_ticket),
            Err(refused) => {
                self.counters.not_kept += 1;
                let log = &self.telemetry.log;
                limited!(log, ERROR, NOBODY, "rooms", %refused, "a change of a room is not kept yet");
                None
            }
        }
    }

    /// What became of writes. A room that was forgotten and is not is found to be over at the next start.
    fn note_written(&mut self, now: Instant, results: Vec<(u64, bool)>) {
        for (ticket, is_written) in results {
            let record = self.written.remove(&ticket);
            if is_written {
                continue;
            }
            self.counters.not_kept += 1;
            if let Some(record) = record {
                self.rooms.handle_not_kept(now, &record);
            }
        }
    }
}

//! The thread of rooms: what it is made of, and its start.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use rand::Rng;
use ringback_control::Epoch;
use ringback_control::rooms::{RoomRecord, Rooms as Machine, Settings};

use super::stop;
use crate::config::Config;
use crate::inbox::{Inbox, Input};
use crate::media_thread::MediaInbox;
use crate::net::wake::Waker;
use crate::rooms_thread::{Known, RoomsThread, Surroundings};
use crate::store::Writer;
use crate::telemetry::Telemetry;
use crate::turn_thread::Guests;

/// The thread before it starts: the store has to know of it first, which tells it what became of its writes.
pub struct Rooms {
    waker: Waker,
    inbox: Inbox,
    inputs: Receiver<Input>,
}

/// What it takes to start.
pub struct With<'a> {
    pub config: &'a Arc<Config>,
    pub epoch: Epoch,
    pub writer: Writer,
    pub telemetry: &'a Arc<Telemetry>,
    /// Who may make rooms, and what members are told.
    pub known: Known,
    /// Who may use TURN because of a room.
    pub guests: Guests,
    /// The way to the thread of TURN, where there is one.
    pub turn: Option<Inbox>,
    /// The media workers, by number.
    pub workers: Vec<MediaInbox>,
    /// The rooms of the process before this one.
    pub kept: Vec<RoomRecord>,
}

impl Rooms {
    /// The thread.
    pub fn new() -> anyhow::Result<Self> {
        let waker = Waker::new().context("the thread of rooms cannot be woken")?;
        let (inbox, inputs) = Inbox::new(waker.clone());
        Ok(Rooms { waker, inbox, inputs })
    }

    /// The way into the thread.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Starts it.
    pub fn start(self, with: With<'_>) -> anyhow::Result<stop::Machine> {
        let Rooms { waker, inbox, inputs } = self;
        let With { config, epoch, writer, telemetry, known, guests, turn, workers, kept } = with;
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let settings = Settings {
            rooms: config.rooms.rooms as usize,
            members: config.rooms.members as usize,
            lifetime: config.rooms.lifetime(),
            empty: config.rooms.empty(),
            streams: config.rooms.streams as usize,
            viewers: config.rooms.viewers as usize,
            video: config.media.video,
            workers: config.media.workers,
            epoch,
            seed,
        };
        let now = Instant::now();
        let mut rooms = Machine::new(now, known, settings);
        for record in kept {
            guests.open(&record.name);
            rooms.restore(now, record);
        }
        let telemetry = telemetry.clone();
        let surroundings = Surroundings { inputs, waker, workers, writer, guests, turn, telemetry };
        let thread = RoomsThread::new(rooms, surroundings).context("the thread of rooms cannot wait")?;
        let thread = thread::Builder::new().name("ringback-rooms".to_owned()).spawn(move || thread.run())?;
        Ok(stop::Machine { name: "the thread of rooms", inbox, thread })
    }
}

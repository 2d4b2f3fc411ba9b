//! What both sides of the layer write to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{Deadlines, Flow, Transmit};

use super::event::{ClientId, Event, ServerId};
use super::stats::Stats;
use super::timers::{Timer, Timers};

/// The queues, the deadlines and the counters of a layer.
pub(super) struct Output {
    pub(super) timers: Timers,
    pub(super) deadlines: Deadlines<Deadline>,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    pub(super) stats: Stats,
}

/// Whose timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Deadline {
    Client(ClientId, Timer),
    Server(ServerId, Timer),
}

impl Output {
    pub(super) fn new(timers: Timers) -> Self {
        Output {
            timers,
            deadlines: Deadlines::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    pub(super) fn send(&mut self, flow: Flow, payload: Bytes) {
        self.transmits.push_back(Transmit { flow, payload });
    }

    /// Starts a timer for its usual time, which is also the first interval of one that is doubled.
    pub(super) fn start(&mut self, now: Instant, deadline: Deadline) -> Duration {
        let duration = self.timers.duration(deadline.timer());
        self.deadlines.set(deadline, now + duration);
        duration
    }
}

impl Deadline {
    fn timer(self) -> Timer {
        match self {
            Deadline::Client(_, timer) | Deadline::Server(_, timer) => timer,
        }
    }
}

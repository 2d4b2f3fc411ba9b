//! The thread of the ng protocol: it drives the [`Engine`].
//!
//! It is a thread of its own and not a part of the control thread, for three reasons. What a proxy waits for is not held
//! up by a flood of SIP, and a flood of commands holds up no SIP. `ringback ng` has no control thread. And a mistake in
//! the one does not reach the calls of the other. It costs a hand-over nowhere: the thread owns its sockets, and to the
//! media workers it is one more that commands them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ringback_control::MediaCommand;
use ringback_control::ng::Engine;
use ringback_media::session::LegKey;

use crate::control_thread::sockets::Sockets;
use crate::inbox::Input;
use crate::media_thread::MediaInbox;
use crate::net::datagram::DatagramSocket;
use crate::net::wake::Waker;
use crate::telemetry::{Telemetry, limited};

/// Inputs that are taken in one round before the sockets are looked at again.
const INPUTS_A_ROUND: usize = 256;

/// How often the counters are handed to the telemetry, and the longest wait.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// What the thread is made of.
pub struct NgThread {
    engine: Engine,
    sockets: Sockets,
    inputs: Receiver<Input>,
    waker: Waker,
    workers: Vec<MediaInbox>,
    telemetry: Arc<Telemetry>,
    counters: Counters,
    draining: bool,
    reported: Instant,
}

/// What the thread drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Answers that the kernel did not take.
    pub datagram_refused: u64,
    /// Datagrams longer than any that UDP has.
    pub truncated: u64,
    /// Media commands that a worker did not take.
    pub worker_full: u64,
}

/// What the thread needs besides the engine.
pub struct Surroundings {
    /// The UDP sockets that proxies send to.
    pub sockets: Vec<DatagramSocket>,
    /// What other threads hand in.
    pub inputs: Receiver<Input>,
    /// What they wake the thread by.
    pub waker: Waker,
    /// The media workers, by number.
    pub workers: Vec<MediaInbox>,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
}

impl NgThread {
    /// A thread that has not started.
    pub fn new(engine: Engine, surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings { sockets, inputs, waker, workers, telemetry } = surroundings;
        Ok(NgThread {
            engine,
            sockets: Sockets::new(sockets, &waker)?,
            inputs,
            waker,
            workers,
            telemetry,
            counters: Counters::default(),
            draining: false,
            reported: Instant::now(),
        })
    }

    /// Runs until it is told to stop, or until the last call has ended after it was told to drain.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            self.sockets.wait(self.engine.poll_timeout(), TELEMETRY_EVERY)?;
            self.waker.clear();
            self.receive_datagrams()?;
            let stop = self.take_inputs();
            let now = Instant::now();
            if self.engine.poll_timeout().is_some_and(|due| due <= now) {
                self.engine.handle_timeout(now);
            }
            self.hand_out();
            if stop || self.draining && self.engine.calls() == 0 {
                self.engine.shut_down();
                self.hand_out();
                self.telemetry.set_ng(&self.engine, self.counters);
                return Ok(());
            }
            if now.duration_since(self.reported) >= TELEMETRY_EVERY {
                self.reported = now;
                self.telemetry.set_ng(&self.engine, self.counters);
            }
        }
    }

    /// Takes what has come over UDP: as much as fits into a round, so that nothing else waits for long.
    fn receive_datagrams(&mut self) -> io::Result<()> {
        let NgThread { engine, sockets, counters, .. } = self;
        sockets.receive(|flow, datagram, _| {
            if datagram.truncated {
                counters.truncated += 1;
                return;
            }
            engine.handle_datagram(Instant::now(), flow, datagram.payload);
        })?;
        Ok(())
    }

    /// Takes what other threads have handed in; says whether to stop.
    fn take_inputs(&mut self) -> bool {
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.try_recv() else { return false };
            match input {
                Input::Media(event) => self.engine.handle_media(Instant::now(), event),
                Input::Sounds(sounds) => self.engine.handle_sounds(sounds),
                Input::Drain => {
                    self.draining = true;
                    self.engine.drain();
                }
                Input::Stop => return true,
                // Nobody hands in anything else here.
                _ => {}
            }
        }
        // There may be more: come back at once.
        self.waker.wake();
        false
    }

    /// Carries out what the engine asks for, until it asks for nothing.
    fn hand_out(&mut self) {
        while let Some((worker, leg, command)) = self.engine.poll_media() {
            self.command(worker, leg, command);
        }
        self.workers.iter().for_each(MediaInbox::wake);
        while let Some(transmit) = self.engine.poll_transmit() {
            if let Err(error) = self.sockets.send(&transmit.flow, &transmit.payload) {
                self.counters.datagram_refused += 1;
                let (limit, to) = (&self.telemetry.log, transmit.flow.remote().ip());
                limited!(limit, DEBUG, to, "datagram", %error, flow = %transmit.flow, "an answer of the ng protocol was not sent");
            }
        }
    }

    fn command(&mut self, worker: u16, leg: LegKey, command: MediaCommand) {
        let Some(inbox) = self.workers.get(usize::from(worker)) else { return };
        if let Err(refused) = inbox.send(leg, command) {
            self.counters.worker_full += 1;
            if let Some(event) = refused {
                self.engine.handle_media(Instant::now(), event);
            }
        }
    }
}

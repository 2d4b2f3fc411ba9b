//! How a server ends: SIGTERM drains, a second one ends at once, and so does a thread that fails.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::Config;
use crate::http::Readiness;
use crate::inbox::{Inbox, Input};

/// How often the control thread is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The signals that end a server.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for them, which has to begin before anybody is told that the server is ready: until then they end the
    /// process where it stands.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?,
        })
    }
}

/// A thread that has calls.
pub struct Machine {
    /// What it is called when it fails.
    pub name: &'static str,
    /// The way into it.
    pub inbox: Inbox,
    /// The thread.
    pub thread: JoinHandle<io::Result<()>>,
}

/// Waits until all of them have ended. One that ends although nobody has told it to takes the others with it.
pub async fn wait(
    mut signals: Signals,
    config: &Config,
    readiness: &Readiness,
    machines: Vec<Machine>,
) -> anyhow::Result<()> {
    let mut drained_by = None;
    let mut is_told = false;
    while !machines.iter().all(|machine| machine.thread.is_finished()) {
        if !is_told && machines.iter().any(|machine| machine.thread.is_finished()) {
            is_told = true;
            tell(&machines, || Input::Stop);
        }
        let again = tokio::select! {
            _ = signals.terminate.recv() => true,
            _ = signals.interrupt.recv() => true,
            () = sleep(LOOK_EVERY) => false,
            () = deadline(drained_by) => {
                tracing::warn!("calls that have outlived limits.drain_seconds are ended");
                tell(&machines, || Input::Stop);
                drained_by = None;
                false
            }
        };
        if again {
            is_told = true;
            if drained_by.is_none() {
                tracing::info!("no new calls are taken; the server stops when the last one has ended");
                drained_by = Some(Instant::now() + Duration::from_secs(config.limits.drain_seconds.into()));
                readiness.is_draining();
                tell(&machines, || Input::Drain);
            } else {
                tell(&machines, || Input::Stop);
            }
        }
    }
    let mut result = Ok(());
    for Machine { name, thread, .. } in machines {
        let ended = match thread.join() {
            Ok(ended) => ended.map_err(|error| anyhow!("{name} failed: {error}")),
            Err(_) => Err(anyhow!("{name} panicked; this is a mistake in Ringback, please report it")),
        };
        result = result.and(ended);
    }
    result
}

async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn tell(machines: &[Machine], input: impl Fn() -> Input) {
    for machine in machines.iter().filter(|machine| !machine.thread.is_finished()) {
        if let Err(refused) = machine.inbox.send(input()) {
            tracing::error!(%refused, "{} could not be told to stop", machine.name);
        }
    }
}

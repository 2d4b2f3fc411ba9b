//! How a server ends: SIGTERM drains, a second one ends at once, and so does a thread that fails.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::Config;
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

/// Waits until the control thread has ended.
pub async fn wait(
    mut signals: Signals,
    inbox: &Inbox,
    config: &Config,
    control: JoinHandle<io::Result<()>>,
) -> anyhow::Result<()> {
    let mut drained_by = None;
    while !control.is_finished() {
        let again = tokio::select! {
            _ = signals.terminate.recv() => true,
            _ = signals.interrupt.recv() => true,
            () = sleep(LOOK_EVERY) => false,
            () = deadline(drained_by) => {
                tracing::warn!("calls that have outlived limits.drain_seconds are ended");
                tell(inbox, Input::Stop);
                drained_by = None;
                false
            }
        };
        if again {
            if drained_by.is_none() {
                tracing::info!("no new calls are taken; the server stops when the last one has ended");
                drained_by = Some(Instant::now() + Duration::from_secs(config.limits.drain_seconds.into()));
                tell(inbox, Input::Drain);
            } else {
                tell(inbox, Input::Stop);
            }
        }
    }
    match control.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(anyhow!("the control thread failed: {error}")),
        Err(_) => {
            Err(anyhow!("the control thread panicked; this is a mistake in Ringback, please report it"))
        }
    }
}

async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn tell(inbox: &Inbox, input: Input) {
    if let Err(refused) = inbox.send(input) {
        tracing::error!(%refused, "the control thread could not be told to stop");
    }
}

//! The one thread that writes: many writes, few commits.
//!
//! An fsync costs the same for one row as for forty. So writes that come close together share a transaction, and each is
//! acknowledged when that transaction is on the disk. An idle writer commits at once: the first write after a pause
//! waits for nothing but the disk.

mod commit;
mod gather;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringback_control::Features;
use ringback_control::rooms::RoomRecord;
use rusqlite::Connection;
use thiserror::Error;

use self::commit::Committer;
use super::{BindingRow, CdrRow, MessageRow, Options, ReportedRow, StoreError};

/// One change of the store.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly every write is a binding, in a vector of its own")]
pub enum Write {
    /// Adds a binding, or replaces the one of the same address of record and key.
    UpsertBinding(BindingRow),
    /// Removes one binding; there need not be one.
    RemoveBinding {
        /// The address of record.
        aor: String,
        /// The key of the binding.
        key: Vec<u8>,
    },
    /// Removes every binding of an address of record.
    RemoveAor {
        /// The address of record.
        aor: String,
    },
    /// Records a call that has ended. It waits for a disk that takes no writes.
    Cdr(Box<CdrRow>),
    /// Replaces what a phone has said of its leg of a call that is recorded.
    AmendCdr {
        /// The name of the call.
        call: String,
        /// The place of the leg in the record.
        leg: i64,
        /// What the phone has said.
        reported: Box<ReportedRow>,
    },
    /// Keeps a message for a user who is away.
    AddMessage(Box<MessageRow>),
    /// Removes a message; there need not be one.
    RemoveMessage {
        /// Whom it is for.
        user: String,
        /// Its number.
        number: i64,
    },
    /// Removes every message for a user.
    RemoveMessages {
        /// Whom they are for.
        user: String,
    },
    /// Replaces what a user has set about its calls.
    PutFeatures {
        /// The user.
        user: String,
        /// All that is set.
        features: Box<Features>,
    },
    /// Keeps a room in place of what was kept under its name.
    PutRoom(Box<RoomRecord>),
    /// Removes a room; there need not be one.
    RemoveRoom {
        /// Its name.
        name: String,
    },
    /// Sets a setting.
    PutSetting {
        /// Its key.
        key: String,
        /// Its value.
        value: Vec<u8>,
    },
}

/// Called by the writer's thread with the tickets that are settled, in the order in which they were submitted; call
/// records that had to wait come when they are written. It must not block.
pub type Completions = Box<dyn Fn(Vec<(u64, Result<(), StoreError>)>) + Send>;

/// The end of the queue that takes writes. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: SyncSender<Order>,
    stats: Arc<WriterStats>,
}

impl Writer {
    /// Queues writes that are made together or not at all; `ticket` comes back when that is settled. Never blocks.
    pub fn submit(&self, ticket: u64, writes: Vec<Write>) -> Result<(), Refused> {
        self.queue.try_send(Order::Job(Job { ticket, writes })).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Closed,
        })
    }

    /// What the writer counts.
    pub fn stats(&self) -> &WriterStats {
        &self.stats
    }
}

/// Why a write was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// Too many writes wait.
    #[error("too many writes wait for the disk")]
    Full,
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

/// What the writer counts; read by metrics and health from other threads.
#[derive(Debug, Default)]
pub struct WriterStats {
    /// Writes that are on the disk.
    pub writes: AtomicU64,
    /// Transactions that carried them.
    pub transactions: AtomicU64,
    /// Transactions that failed.
    pub failures: AtomicU64,
    /// Call records that wait for the disk.
    pub waiting_cdrs: AtomicU64,
    /// Call records given up because too many waited, or because the server stopped before the disk took them.
    pub lost_cdrs: AtomicU64,
    /// Whether the last transaction failed.
    failing: AtomicBool,
}

impl WriterStats {
    /// Whether the last transaction succeeded, for `/healthz`.
    pub fn is_healthy(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }
}

/// The thread. Dropping it leaves it running until every [`Writer`] is gone.
#[derive(Debug)]
pub struct WriterThread {
    queue: SyncSender<Order>,
    thread: JoinHandle<()>,
}

impl WriterThread {
    /// Writes what is queued and ends. Call it when nothing submits any more: a later write is refused as
    /// [`Refused::Closed`], and one that races with the end may get no answer.
    pub fn stop(self) {
        // An error of either says that the thread has ended already, which is what is wanted; a panic of it was logged.
        let _ = self.queue.send(Order::Stop);
        drop(self.queue);
        let _ = self.thread.join();
    }
}

/// What goes through the queue.
#[derive(Debug)]
enum Order {
    Job(Job),
    Stop,
}

/// Writes that stand or fall together.
#[derive(Debug)]
struct Job {
    ticket: u64,
    writes: Vec<Write>,
}

impl Job {
    /// Whether nobody minds that it takes a while: a record of a call, but not a registration.
    fn is_patient(&self) -> bool {
        self.writes.iter().all(|write| matches!(write, Write::Cdr(_) | Write::AmendCdr { .. }))
    }
}

/// Starts the thread.
pub(super) fn start(
    connection: Connection,
    options: &Options,
    completions: Completions,
) -> io::Result<(Writer, WriterThread)> {
    let (queue, orders) = mpsc::sync_channel(options.queue);
    let stats = Arc::new(WriterStats::default());
    let committer = Committer::new(connection, options.waiting_cdrs, Arc::clone(&stats));
    let thread = thread::Builder::new()
        .name("ringback-store".to_owned())
        .spawn(move || run(orders, committer, completions))?;
    Ok((Writer { queue: queue.clone(), stats }, WriterThread { queue, thread }))
}

fn run(orders: Receiver<Order>, mut committer: Committer, completions: Completions) {
    let mut last_commit = None;
    let mut batch = Vec::new();
    let mut open = true;
    while open {
        match wait(&orders, committer.has_waiting()) {
            Some(Order::Job(job)) => batch.push(job),
            Some(Order::Stop) => open = false,
            None => {}
        }
        if open && !batch.is_empty() {
            open = fill(&orders, &mut batch, last_commit);
        }
        let jobs = batch.len();
        let settled = committer.commit(&mut batch);
        last_commit = Some(gather::Commit { at: Instant::now(), jobs });
        if !settled.is_empty() {
            completions(settled);
        }
    }
    // What was queued before the end is still a promise.
    while let Ok(order) = orders.try_recv() {
        if let Order::Job(job) = order {
            batch.push(job);
        }
    }
    let mut settled = committer.commit(&mut batch);
    settled.extend(committer.give_up());
    if !settled.is_empty() {
        completions(settled);
    }
}

/// Waits for the next order; `None` when it is time to try again what waits for the disk.
fn wait(orders: &Receiver<Order>, something_waits: bool) -> Option<Order> {
    if !something_waits {
        return Some(orders.recv().unwrap_or(Order::Stop));
    }
    match orders.recv_timeout(RETRY) {
        Ok(order) => Some(order),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Order::Stop),
    }
}

/// Adds to the batch what comes until it is time to commit, and what is there already; says whether to go on after it.
///
/// It sleeps until then, so that a write wakes nobody: its own thread and this one have better things to do.
fn fill(orders: &Receiver<Order>, batch: &mut Vec<Job>, last: Option<gather::Commit>) -> bool {
    loop {
        let is_patient = batch.iter().all(Job::is_patient);
        let rest = gather::rest(last, Instant::now(), is_patient);
        if let Some(rest) = rest {
            thread::sleep(rest);
        }
        while batch.len() < gather::LARGEST_BATCH {
            match orders.try_recv() {
                Ok(Order::Job(job)) => batch.push(job),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => break,
            }
        }
        // What was slept for others may not be for who has come in the meantime.
        if rest.is_none() || !is_patient || batch.len() >= gather::LARGEST_BATCH {
            return true;
        }
    }
}

/// How long after a failure the disk is tried again.
const RETRY: Duration = Duration::from_secs(1);

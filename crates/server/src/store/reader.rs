//! The one thread that reads while the server runs: a disk that is slow keeps nobody waiting but who asked.

use std::io;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;

use super::{MessageRow, Refused, Store};

/// Called by the reader's thread with the messages of a ticket; none when they could not be read. It must not block.
pub type Messages = Box<dyn Fn(u64, Vec<MessageRow>) + Send>;

/// The end of the queue that takes questions. The thread ends when it is dropped.
#[derive(Debug)]
pub struct Reader {
    queue: SyncSender<Question>,
}

/// Which messages of a user?
#[derive(Debug)]
struct Question {
    ticket: u64,
    user: String,
    after: i64,
}

impl Reader {
    /// Asks for the first messages of a user with a number above `after`; `ticket` comes back with them. Never blocks.
    pub fn messages(&self, ticket: u64, user: String, after: i64) -> Result<(), Refused> {
        self.queue.try_send(Question { ticket, user, after }).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Closed,
        })
    }
}

/// Starts the thread.
pub(super) fn start(store: Store, messages: Messages) -> io::Result<Reader> {
    let (queue, questions) = mpsc::sync_channel::<Question>(LENGTH);
    thread::Builder::new().name("ringback-reader".to_owned()).spawn(move || {
        while let Ok(Question { ticket, user, after }) = questions.recv() {
            let found = store.messages(&user, after).unwrap_or_else(|error| {
                tracing::error!(%error, user, "stored messages cannot be read");
                Vec::new()
            });
            messages(ticket, found);
        }
    })?;
    Ok(Reader { queue })
}

/// Questions that may wait for the disk.
const LENGTH: usize = 1024;

//! Waking a thread that waits for its sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes one thread, from any other; a clone wakes the same one.
///
/// A thread that is awake is not written to again, so a burst of messages costs one system call. The thread waits for the
/// descriptor's edges ([`EventFlags::ET`]): it is never read, and a round that nobody woke costs nothing here.
///
/// [`EventFlags::ET`]: rustix::event::epoll::EventFlags::ET
#[derive(Debug, Clone)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: OwnedFd,
    pending: AtomicBool,
}

impl Waker {
    /// A waker that has not been used.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Waker(Arc::new(Inner { event, pending: AtomicBool::new(false) })))
    }

    /// Gives the descriptor an edge.
    pub fn wake(&self) {
        if !self.0.pending.swap(true, Ordering::AcqRel) {
            // It fails only when the counter is full, which takes longer than any machine lasts.
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }

    /// Called by the woken thread **before** it looks for work, so that work which comes later wakes it again.
    pub fn clear(&self) {
        // A swap, not a store: what is looked for next must not be looked for before others can see this.
        self.0.pending.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

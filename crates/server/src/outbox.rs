//! The way to one connection: what the control thread has for it until the connection's task writes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::net::Place;

/// Messages that may wait: a proxy has many clients behind it, and all that waited for a connection of our own is sent
/// when it is there.
const MESSAGES: usize = 1024;

/// The bytes of messages that may wait when there is more than one.
const BYTES: usize = 1 << 20;

/// The side of the control thread. Dropping it closes the connection.
#[derive(Debug)]
pub struct Outbox {
    sender: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    unhandled: Arc<AtomicUsize>,
    /// The connection's place among those of its source.
    pub place: Arc<Place>,
    /// Messages that came over the connection and were not served, because they were beyond its source's budget.
    pub over_budget: u32,
}

/// The side of the connection.
#[derive(Debug)]
pub struct Outgoing {
    receiver: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    unhandled: Arc<AtomicUsize>,
}

/// Why a message does not go to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// So much waits that the peer does not read, or not as fast as it asks.
    #[error("the peer does not read")]
    Full,
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone,
}

/// Both sides of the way to a connection.
pub fn outbox(place: Arc<Place>) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let unhandled = Arc::new(AtomicUsize::new(0));
    let outgoing = Outgoing { receiver, waiting: waiting.clone(), unhandled: unhandled.clone() };
    (Outbox { sender, waiting, unhandled, place, over_budget: 0 }, outgoing)
}

/// What a message is reckoned as besides its bytes, so that small ones are not for nothing.
const EACH: usize = 256;

impl Outbox {
    /// A message of so many bytes that came over the connection has been handled.
    pub fn handled(&self, length: usize) {
        self.unhandled.fetch_sub(length + EACH, Ordering::Relaxed);
    }

    /// Hands a copy of a message to the connection, unless so many bytes wait.
    pub fn send_within(&self, message: &[u8], most: usize) -> Result<(), NotSent> {
        if self.waiting.load(Ordering::Relaxed) > most {
            return Err(NotSent::Full);
        }
        self.send(Bytes::copy_from_slice(message))
    }

    /// Hands a message to the connection.
    pub fn send(&self, message: Bytes) -> Result<(), NotSent> {
        let length = message.len();
        // Only this side adds, so what is read here is at most too much.
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + length > BYTES {
            return Err(NotSent::Full);
        }
        self.waiting.fetch_add(length, Ordering::Relaxed);
        self.sender.try_send(message).map_err(|refused| {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            match refused {
                mpsc::error::TrySendError::Full(_) => NotSent::Full,
                mpsc::error::TrySendError::Closed(_) => NotSent::Gone,
            }
        })
    }
}

impl Outgoing {
    /// A message of so many bytes that came over the connection was handed in, where [`Outbox::handled`] is told of it.
    pub fn handed_in(&self, length: usize) {
        self.unhandled.fetch_add(length + EACH, Ordering::Relaxed);
    }

    /// How much of what was handed in has not been handled, in bytes.
    pub fn unhandled(&self) -> usize {
        self.unhandled.load(Ordering::Relaxed)
    }

    /// The next message; `None` once the control thread has dropped its side.
    pub async fn next(&mut self) -> Option<Bytes> {
        let message = self.receiver.recv().await?;
        self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Bounds, Doorkeeper};

    fn pair() -> (Outbox, Outgoing) {
        let bounds = Bounds { connections: 1, per_source: 1, per_shared_source: 1 };
        outbox(Arc::new(Doorkeeper::new(bounds, crate::config::Listen::default()).ours()))
    }

    #[tokio::test]
    async fn a_burst_waits_and_what_is_above_the_bounds_does_not() {
        let (outbox, mut outgoing) = pair();
        let message = Bytes::from_static(&[b'x'; 500]);
        for _ in 0..MESSAGES {
            outbox.send(message.clone()).unwrap();
        }
        assert_eq!(outbox.send(message.clone()), Err(NotSent::Full));
        assert_eq!(outgoing.next().await, Some(message));
    }

    #[test]
    fn what_is_handed_in_counts_until_it_is_handled() {
        let (outbox, outgoing) = pair();
        outgoing.handed_in(20);
        outgoing.handed_in(1000);
        assert_eq!(outgoing.unhandled(), 1020 + 2 * EACH);
        outbox.handled(1000);
        assert_eq!(outgoing.unhandled(), 20 + EACH);
    }

    #[tokio::test]
    async fn few_large_messages_are_as_much_as_many_small_ones() {
        let (outbox, mut outgoing) = pair();
        let message = Bytes::from(vec![b'x'; BYTES / 4]);
        for _ in 0..4 {
            outbox.send(message.clone()).unwrap();
        }
        assert_eq!(outbox.send(Bytes::from_static(b"x")), Err(NotSent::Full));
        outgoing.next().await.unwrap();
        assert_eq!(outbox.send(Bytes::from_static(b"x")), Ok(()), "what was read makes room");
    }

    #[tokio::test]
    async fn each_side_notices_that_the_other_is_gone() {
        let (outbox, outgoing) = pair();
        drop(outgoing);
        assert_eq!(outbox.send(Bytes::from_static(b"x")), Err(NotSent::Gone));
        let (outbox, mut outgoing) = pair();
        drop(outbox);
        assert_eq!(outgoing.next().await, None);
    }
}

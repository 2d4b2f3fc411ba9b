//! The way into the control thread.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use ringback_control::rooms::{RoomName, Visit};
use ringback_control::{Features, MediaEvent, NotConnected, User};
use ringback_nat::turn::RelayKey;
use ringback_sansio::{ConnectionId, Flow};
use ringback_sip::resolve;

use crate::net::Place;
use crate::net::wake::Waker;
use crate::outbox::{Outbox, Outgoing, outbox};
use crate::rooms_thread::Asked;
use crate::store::MessageRow;

/// What the control thread is told.
#[derive(Debug)]
pub enum Input {
    /// A connection was made; what is sent to it goes into the outbox.
    Opened(Flow, Outbox),
    /// A message came over a connection.
    Message(Flow, Bytes),
    /// A connection of a client of rooms was made.
    Visited(Flow, Visit, Outbox),
    /// The connection is gone.
    Closed(Flow),
    /// The store has written, or could not write, what these tickets stand for.
    Persisted(Vec<(u64, bool)>),
    /// The store has read the messages that this ticket asked for.
    Messages(u64, Vec<MessageRow>),
    /// What the DNS said to the question of this number.
    LookedUp(u64, resolve::Answer),
    /// The connection that was asked for by this number is open, after its [`Input::Opened`], or cannot be made.
    Connected(u64, Result<Flow, NotConnected>),
    /// News from a media worker.
    Media(MediaEvent),
    /// Somebody asks for something of streams over HTTP.
    Asked(Asked),
    /// The room of that name is over.
    RoomOver(RoomName),
    /// Media sent this from an address of ours to an allocation of TURN.
    Relayed(RelayKey, SocketAddr, Bytes),
    /// What can be played was read: the names, with how long each lasts.
    Sounds(BTreeMap<Arc<str>, Duration>),
    /// A user was added or changed, or (`None`) removed.
    UserChanged(String, Option<Box<User>>),
    /// A user has other settings about its calls.
    FeaturesChanged(String, Box<Features>),
    /// Take no new calls and say so; stop when the last call has ended.
    Drain,
    /// Stop at once.
    Stop,
}

/// Inputs that may wait for the control thread.
const LENGTH: usize = 65_536;

/// The sending side; a clone leads to the same thread.
#[derive(Debug, Clone)]
pub struct Inbox {
    sender: SyncSender<Input>,
    waker: Waker,
}

/// Why an input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The control thread is behind by [`LENGTH`] inputs.
    #[error("the control thread is overloaded")]
    Full,
    /// The control thread has ended.
    #[error("the server is stopping")]
    Stopped,
}

impl Inbox {
    /// An inbox and the receiving side for the thread that `waker` wakes.
    pub fn new(waker: Waker) -> (Inbox, Receiver<Input>) {
        let (sender, receiver) = sync_channel(LENGTH);
        (Inbox { sender, waker }, receiver)
    }

    /// Hands in an input.
    pub fn send(&self, input: Input) -> Result<(), Refused> {
        let sent = self.sender.try_send(input).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Stopped,
        });
        self.waker.wake();
        sent
    }

    /// Tells that there is a connection; gives what is to be sent over it.
    pub fn open(&self, flow: Flow, place: &Arc<Place>) -> Result<Outgoing, Refused> {
        let (outbox, outgoing) = outbox(place.clone());
        self.send(Input::Opened(flow, outbox))?;
        Ok(outgoing)
    }

    /// Tells that a client of rooms has connected; gives what is to be sent to it.
    pub fn visit(&self, flow: Flow, visit: Visit, place: &Arc<Place>) -> Result<Outgoing, Refused> {
        let (outbox, outgoing) = outbox(place.clone());
        self.send(Input::Visited(flow, visit, outbox))?;
        Ok(outgoing)
    }

    /// Hands in what must not be left out, from a thread that may wait: when the other one is behind, it is waited for, up to
    /// ten seconds.
    pub fn send_patiently(&self, input: &dyn Fn() -> Input) -> Result<(), Refused> {
        for _ in 0..200 {
            match self.send(input()) {
                Err(Refused::Full) => std::thread::sleep(Duration::from_millis(50)),
                sent => return sent,
            }
        }
        Err(Refused::Full)
    }

    /// Hands in what the control thread waits for; when the thread is behind, it is waited for.
    pub async fn send_surely(&self, mut result: Input) {
        loop {
            let refused = match self.sender.try_send(result) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return self.waker.wake(),
                Err(TrySendError::Full(refused)) => refused,
            };
            self.waker.wake();
            result = refused;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Owes the end of a connection: the control thread must hear of it, or its contacts would stay.
    pub fn owes_closed(&self, flow: Flow) -> Owed {
        Owed::new(self, Input::Closed(flow))
    }
}

/// Something that the control thread waits for and hears in any case: when this is dropped unsaid, because what was to
/// say it has panicked, the control thread is told what was given for that. It would wait for ever, and hold a place
/// for it.
#[derive(Debug)]
pub struct Owed {
    inbox: Inbox,
    otherwise: Option<Input>,
}

impl Owed {
    /// Owes an input; `otherwise` is what is said when nothing else is.
    pub fn new(inbox: &Inbox, otherwise: Input) -> Self {
        Owed { inbox: inbox.clone(), otherwise: Some(otherwise) }
    }

    /// Says it; when the control thread is behind, it is waited for.
    pub async fn say(mut self, input: Input) {
        self.otherwise = None;
        self.inbox.send_surely(input).await;
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Some(otherwise) = self.otherwise.take() else { return };
        // Dropping cannot wait, a task can. Without a runtime the process is at its end, and nobody waits any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let inbox = self.inbox.clone();
            runtime.spawn(async move { inbox.send_surely(otherwise).await });
        }
    }
}

/// The number of the next connection.
#[derive(Debug, Default)]
pub struct ConnectionNumbers(std::sync::atomic::AtomicU64);

impl ConnectionNumbers {
    /// A number that no connection of this process has had.
    pub fn next(&self) -> ConnectionId {
        ConnectionId(1 + self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

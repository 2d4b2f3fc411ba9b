//! What passes between a media worker and the thread of TURN, with no socket in between.
//!
//! An allocation of ours may have media of ours as its peer: its datagrams come here in memory, and what is sent to its
//! address goes back the same way ([`ringback_nat::turn::Verdict::ToMedia`]). And clients may speak TURN on the port of
//! media, for a firewall that has one hole: what they send is handed on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use ringback_nat::turn::RelayKey;
use ringback_sansio::Flow;

use crate::inbox::{Inbox, Input};
use crate::net::wake::Waker;

/// What may wait for a worker: a browser that shows its camera sends some hundred packets a second.
const LENGTH: usize = 4096;

/// What TURN tells a worker.
#[derive(Debug)]
pub enum FromTurn {
    /// A datagram from the address of an allocation.
    Datagram {
        /// The allocation.
        relay: RelayKey,
        /// Its address.
        from: SocketAddr,
        /// Ours, where media waits.
        to: SocketAddr,
        /// What was sent.
        data: Bytes,
    },
    /// The allocation with this address has ended.
    Ended(SocketAddr),
}

/// The end that TURN has.
#[derive(Debug)]
pub struct ToWorker {
    sender: SyncSender<FromTurn>,
    waker: Waker,
}

impl ToWorker {
    /// Hands something in; `false` where the worker is too far behind, or gone.
    pub fn send(&self, message: FromTurn) -> bool {
        let sent = self.sender.try_send(message).is_ok();
        self.waker.wake();
        sent
    }
}

/// The end that a worker has.
#[derive(Debug)]
pub struct Turn {
    messages: Receiver<FromTurn>,
    /// Without one there is no TURN here.
    inbox: Option<Inbox>,
    /// The allocations that media has heard from. There are no more of them than ports for allocations.
    relays: HashMap<SocketAddr, RelayKey>,
}

impl Turn {
    /// Both ends, for the worker that `waker` wakes.
    pub fn new(inbox: Option<Inbox>, waker: Waker) -> (Turn, ToWorker) {
        let (sender, messages) = sync_channel(LENGTH);
        (Turn { messages, inbox, relays: HashMap::new() }, ToWorker { sender, waker })
    }

    /// The next datagram of an allocation: from where, to where, and what.
    pub fn poll(&mut self) -> Option<(SocketAddr, SocketAddr, Bytes)> {
        loop {
            match self.messages.try_recv().ok()? {
                FromTurn::Datagram { relay, from, to, data } => {
                    self.relays.insert(from, relay);
                    return Some((from, to, data));
                }
                FromTurn::Ended(address) => {
                    self.relays.remove(&address);
                }
            }
        }
    }

    /// Whether there is TURN here.
    pub fn is_served(&self) -> bool {
        self.inbox.is_some()
    }

    /// Hands a datagram from `local` back to an allocation, and says whether it was taken; `None` where `remote` is none
    /// that media has heard from.
    pub fn send(&self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Option<bool> {
        // Most media has nothing to do with allocations.
        let relay = if self.relays.is_empty() { None } else { self.relays.get(&remote) }?;
        Some(self.tell(Input::Relayed(*relay, local, Bytes::copy_from_slice(bytes))))
    }

    /// Hands on a datagram of a client of TURN that came over this flow; says whether it was taken.
    pub fn hand_on(&self, flow: Flow, bytes: &[u8]) -> bool {
        self.tell(Input::Message(flow, Bytes::copy_from_slice(bytes)))
    }

    fn tell(&self, input: Input) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.send(input).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_media_sends_to_an_allocation_goes_back_to_it_until_it_ends() {
        let waker = Waker::new().unwrap();
        let (inbox, inputs) = Inbox::new(waker.clone());
        let (mut turn, to_worker) = Turn::new(Some(inbox), waker);
        let (relay, media) = (address("203.0.113.7:40000"), address("203.0.113.7:8443"));
        assert!(turn.send(media, relay, b"before").is_none(), "nothing has come from it");
        let data = Bytes::from_static(b"check");
        assert!(to_worker.send(FromTurn::Datagram { relay: RelayKey(7), from: relay, to: media, data }));
        assert_eq!(turn.poll(), Some((relay, media, Bytes::from_static(b"check"))));
        assert_eq!(turn.send(media, relay, b"answer"), Some(true));
        let Ok(Input::Relayed(RelayKey(7), from, data)) = inputs.try_recv() else { panic!("an answer") };
        assert_eq!((from, &data[..]), (media, &b"answer"[..]));
        assert!(turn.send(media, address("203.0.113.7:40001"), b"x").is_none(), "another one");
        assert!(to_worker.send(FromTurn::Ended(relay)));
        assert_eq!(turn.poll(), None);
        assert!(turn.send(media, relay, b"after").is_none());
    }

    #[test]
    fn a_worker_that_is_behind_is_sent_no_more() {
        let waker = Waker::new().unwrap();
        let (_turn, to_worker) = Turn::new(None, waker);
        let ended = || FromTurn::Ended(address("203.0.113.7:40000"));
        assert!((0..LENGTH).all(|_| to_worker.send(ended())));
        assert!(!to_worker.send(ended()));
    }
}

//! The messages of those who are known and have had their share: they wait until nobody else does.
//!
//! While more comes than can be served, one address that asks for most of it (a telephone that has gone mad, or
//! somebody who forges the address of a user) is served with what the others leave. Too much of it is dropped, but what
//! belongs to calls and subscriptions has places of its own, so that a call goes on behind an address that is flooded.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use ringback_sansio::{ConnectionId, Flow, Transport};

/// Messages that may wait, whatever they are.
const LENGTH: usize = 2048;

/// Messages of calls and subscriptions that may wait besides.
const GOING_ON: usize = 2048;

/// The bytes of all of them.
const BYTES: usize = 16 << 20;

/// Messages that are served before the sockets are looked at again, which is how long the others wait for them.
const A_ROUND: usize = 64;

/// The queue.
#[derive(Debug, Default)]
pub struct Waiting {
    messages: VecDeque<(Flow, Bytes)>,
    bytes: usize,
    /// How many are of each connection: the messages of one keep their order.
    of_connection: HashMap<ConnectionId, usize>,
}

impl Waiting {
    /// Takes a message if there is room; says whether there was. `goes_on` tells whether it belongs to something that
    /// is begun.
    #[must_use = "a message that found no room is counted"]
    pub fn push(&mut self, flow: Flow, message: Bytes, goes_on: impl FnOnce() -> bool) -> bool {
        let fits = self.bytes + message.len() <= BYTES;
        let has_room = self.messages.len() < LENGTH || self.messages.len() < LENGTH + GOING_ON && goes_on();
        if !fits || !has_room {
            return false;
        }
        self.bytes += message.len();
        if flow.transport() != Transport::Udp {
            *self.of_connection.entry(flow.connection).or_default() += 1;
        }
        self.messages.push_back((flow, message));
        true
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether a message that comes over the flow comes after one that waits, and must not overtake it.
    pub fn is_before(&self, flow: Flow) -> bool {
        self.of_connection.contains_key(&flow.connection)
    }

    /// The next message of a round that has served `served` of them.
    pub fn next(&mut self, served: usize) -> Option<(Flow, Bytes)> {
        let (flow, message) = self.messages.pop_front_if(|_| served < A_ROUND)?;
        self.bytes -= message.len();
        if let Some(count) = self.of_connection.get_mut(&flow.connection) {
            *count -= 1;
            if *count == 0 {
                self.of_connection.remove(&flow.connection);
            }
        }
        Some((flow, message))
    }

    /// Forgets the messages of a connection that has ended: whom a REGISTER among them would make reachable is gone.
    /// Says how many there were.
    pub fn forget(&mut self, flow: Flow) -> usize {
        let Some(count) = self.of_connection.remove(&flow.connection) else { return 0 };
        self.messages.retain(|(other, _)| other.connection != flow.connection);
        self.bytes = self.messages.iter().map(|(_, message)| message.len()).sum();
        count
    }
}

#[cfg(test)]
mod tests {
    use ringback_sansio::FiveTuple;

    use super::*;

    fn datagram() -> Flow {
        Flow::datagram("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap())
    }

    fn served(waiting: &mut Waiting) -> Vec<Bytes> {
        let mut served = Vec::new();
        while let Some((_, message)) = waiting.next(served.len()) {
            served.push(message);
        }
        served
    }

    #[test]
    fn the_queue_is_bounded_and_what_goes_on_has_places_of_its_own() {
        let mut waiting = Waiting::default();
        let pushed = |waiting: &mut Waiting, goes_on| {
            (0..3 * LENGTH).filter(|_| waiting.push(datagram(), Bytes::from_static(b"x"), || goes_on)).count()
        };
        assert_eq!(pushed(&mut waiting, false), LENGTH);
        assert_eq!(pushed(&mut waiting, true), GOING_ON);
        assert_eq!(served(&mut waiting).len(), A_ROUND);
        assert_eq!(pushed(&mut waiting, false), 0, "those are not taken by others");
        assert_eq!(pushed(&mut waiting, true), A_ROUND);
    }

    #[test]
    fn large_messages_are_bounded_by_their_bytes() {
        let mut waiting = Waiting::default();
        let large = Bytes::from(vec![b'x'; 65_535]);
        let pushed = (0..LENGTH).filter(|_| waiting.push(datagram(), large.clone(), || true)).count();
        assert_eq!(pushed, BYTES / large.len());
        while waiting.next(0).is_some() {}
        assert_eq!(waiting.bytes, 0);
    }

    #[test]
    fn the_messages_of_a_connection_keep_their_order_and_end_with_it() {
        let mut waiting = Waiting::default();
        let tuple = FiveTuple::new(Transport::Tcp, datagram().local(), datagram().remote());
        let [first, second] = [1, 2].map(|n| Flow { tuple, connection: ConnectionId(n) });
        for (flow, message) in [(first, "1"), (second, "2"), (first, "3"), (datagram(), "4")] {
            assert!(waiting.push(flow, message.into(), || false));
        }
        assert!(waiting.is_before(first) && waiting.is_before(second) && !waiting.is_before(datagram()));
        assert_eq!(waiting.forget(first), 2);
        assert!(!waiting.is_before(first));
        assert_eq!(served(&mut waiting), ["2", "4"]);
        assert!(!waiting.is_before(second), "it was served");
        assert_eq!((waiting.bytes, waiting.forget(second)), (0, 0));
    }
}

//! The datagrams of those who have shown no valid credentials: they wait until everybody else is served.
//!
//! Each may claim to come from another address, so no budget of one source bounds a flood of them.

use std::collections::VecDeque;

use bytes::Bytes;
use ringback_control::Pressure;
use ringback_sansio::Flow;

/// Messages that may wait: under a flood they are some ten milliseconds old when they are served.
const LENGTH: usize = 2048;

/// Messages that are served before the sockets are looked at again, which is how long one who is known waits for them.
const A_ROUND: usize = 32;

/// The same while the thread is behind with those who are known. A telephone that is in a call and has changed its
/// address is a stranger too.
const A_ROUND_BEHIND: usize = 2;

/// The queue.
#[derive(Debug, Default)]
pub struct Strangers {
    waiting: VecDeque<(Flow, Bytes)>,
}

impl Strangers {
    /// Takes a message if there is room; says whether there was.
    #[must_use = "a message that found no room is counted"]
    pub fn push(&mut self, flow: Flow, message: Bytes) -> bool {
        let has_room = self.waiting.len() < LENGTH;
        if has_room {
            self.waiting.push_back((flow, message));
        }
        has_room
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The messages of one round.
    pub fn round(&mut self, pressure: Pressure) -> impl Iterator<Item = (Flow, Bytes)> + use<> {
        let most = if pressure > Pressure::None { A_ROUND_BEHIND } else { A_ROUND };
        self.waiting.drain(..most.min(self.waiting.len())).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_served_in_order() {
        let flow = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
        let mut strangers = Strangers::default();
        for number in 0..LENGTH + 10 {
            assert_eq!(strangers.push(flow, Bytes::from(number.to_string())), number < LENGTH);
        }
        let mut served: Vec<_> = strangers.round(Pressure::High).map(|(_, message)| message).collect();
        assert_eq!(served.len(), A_ROUND_BEHIND, "they are not forgotten while others press");
        while !strangers.is_empty() {
            let round: Vec<_> = strangers.round(Pressure::None).collect();
            assert!(round.len() <= A_ROUND);
            served.extend(round.into_iter().map(|(_, message)| message));
        }
        assert_eq!(served.len(), LENGTH);
        assert!(served.iter().enumerate().all(|(number, message)| *message == number.to_string()));
    }
}

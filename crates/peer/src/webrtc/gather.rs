//! Asking STUN servers what our sockets look like from outside ([RFC 8445 §5.1.1.2]).
//!
//! [RFC 8445 §5.1.1.2]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1.2

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_nat::stun::{BindingRequest, Message};

/// Questions to STUN servers that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    questions: Vec<Question>,
}

#[derive(Debug)]
struct Question {
    base: SocketAddr,
    server: SocketAddr,
    transaction: u128,
    due: Instant,
    sent: u32,
}

/// A datagram for a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// From which socket.
    pub(super) base: SocketAddr,
    /// To whom.
    pub(super) server: SocketAddr,
    /// What.
    pub(super) request: Vec<u8>,
}

impl Gatherer {
    /// Asks each server for each of our addresses; the numbers of the questions follow from `seed`, which nobody else may
    /// know.
    pub(super) fn new(now: Instant, bases: &[SocketAddr], servers: &[SocketAddr], seed: u64) -> Self {
        let pairs = bases.iter().flat_map(|base| servers.iter().map(move |server| (*base, *server)));
        let questions = pairs
            .filter(|(base, server)| is_reachable(*base, *server))
            .take(MOST)
            .zip(1u128..)
            .map(|((base, server), number)| {
                let transaction = (u128::from(seed) << 32 | number) & TRANSACTION;
                Question { base, server, transaction, due: now, sent: 0 }
            })
            .collect();
        Gatherer { questions }
    }

    /// Takes a datagram: gives an address of ours and what it looks like, if it is an answer.
    pub(super) fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<(SocketAddr, SocketAddr)> {
        let at = self.questions.iter().position(|question| question.server == from)?;
        let message = Message::parse(datagram).ok()?;
        let transaction = message.transaction();
        let is_it =
            |question: &Question| question.server == from && transaction == question.transaction.into();
        let at = self.questions.get(at..)?.iter().position(is_it)? + at;
        let question = self.questions.swap_remove(at);
        Some((question.base, message.mapped_address()?))
    }

    /// The next question to send.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Ask> {
        self.questions.retain(|question| question.due > now || question.sent < OFTEN);
        let question = self.questions.iter_mut().find(|question| question.due <= now)?;
        // RFC 8489 §6.2.1: each time twice as long.
        question.due = now + FIRST * 2u32.pow(question.sent);
        question.sent += 1;
        let mut request = vec![0; 128];
        let binding = BindingRequest {
            transaction: question.transaction.into(),
            username: None,
            priority: None,
            role: None,
            use_candidate: false,
        };
        // The buffer is long enough for a request that holds nothing.
        let len = binding.write(None, &mut request).unwrap_or_default();
        request.truncate(len);
        Some(Ask { base: question.base, server: question.server, request })
    }

    /// When something is to be sent, or given up.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.questions.iter().map(|question| question.due).min()
    }
}

/// Whether a server can be reached from a socket.
pub(super) fn is_reachable(base: SocketAddr, server: SocketAddr) -> bool {
    base.is_ipv4() == server.is_ipv4() && base.ip().is_loopback() == server.ip().is_loopback()
}

/// Questions at the most.
const MOST: usize = 32;
/// How often each is sent.
const OFTEN: u32 = 4;
/// How long the first answer is waited for.
const FIRST: Duration = Duration::from_millis(250);
/// The bits of a transaction's number ([RFC 8489 §5]).
///
/// [RFC 8489 §5]: https://www.rfc-editor.org/rfc/rfc8489#section-5
const TRANSACTION: u128 = (1 << 96) - 1;

#[cfg(test)]
mod tests {
    use ringback_nat::stun::server::{Answer, respond};
    use ringback_sansio::sim::Clock;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_server_says_what_an_address_looks_like_and_strangers_do_not() {
        let mut clock = Clock::new();
        let (base, server) = (address("10.0.0.2:4000"), address("192.0.2.1:3478"));
        let mut gatherer = Gatherer::new(clock.now(), &[base], &[server], 7);
        let ask = gatherer.poll_transmit(clock.now()).unwrap();
        assert_eq!((ask.base, ask.server), (base, server));
        assert_eq!(gatherer.poll_transmit(clock.now()), None);
        clock.advance_to(gatherer.poll_timeout().unwrap());
        let again = gatherer.poll_transmit(clock.now()).unwrap();
        assert_eq!(again, ask, "it is the same question");

        let mapped = address("198.51.100.7:61000");
        let mut answer = [0; 200];
        let Answer::Reply(len) = respond(mapped, &ask.request, &mut answer) else {
            panic!("a server answers")
        };
        let answer = &answer[..len];
        assert_eq!(gatherer.handle_datagram(address("192.0.2.2:3478"), answer), None);
        assert_eq!(gatherer.handle_datagram(server, &answer[..answer.len() - 1]), None);
        assert_eq!(gatherer.handle_datagram(server, answer), Some((base, mapped)));
        assert_eq!(gatherer.handle_datagram(server, answer), None, "each is asked once");
        assert_eq!(gatherer.poll_timeout(), None);
    }

    #[test]
    fn a_server_that_is_silent_is_given_up() {
        let mut clock = Clock::new();
        let bases = [address("10.0.0.2:4000"), address("[2001:db8::2]:4000"), address("127.0.0.1:4000")];
        let mut gatherer = Gatherer::new(clock.now(), &bases, &[address("192.0.2.1:3478")], 7);
        let mut sent = 0;
        while let Some(at) = gatherer.poll_timeout() {
            clock.advance_to(at);
            sent += u32::from(gatherer.poll_transmit(clock.now()).is_some());
        }
        assert_eq!(sent, OFTEN, "an address of another family, or of this machine alone, does not reach it");
    }
}

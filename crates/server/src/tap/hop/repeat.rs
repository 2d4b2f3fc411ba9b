//! What UDP may lose, and what is sent again for that reason ([RFC 3261 §17]).
//!
//! A browser repeats no request and no response, because its own transport is reliable. So the tap repeats its requests
//! until something is answered (timers A, B, E and F), and answers or absorbs the repetitions of the server. A 2xx to an
//! INVITE and its ACK are repeated end to end by the two phones, and pass.
//!
//! [RFC 3261 §17]: https://www.rfc-editor.org/rfc/rfc3261#section-17

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sip::message::{Message, Method};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Timers B, F and J.
const LONGEST: Duration = Duration::from_secs(32);

/// Transactions of each side that are remembered; the oldest gives way.
const MOST: usize = 256;

/// Branch and method: what a transaction of a Via hop is known by.
type Key = (Bytes, Method);

/// The repetitions of one browser's flow.
#[derive(Debug, Default)]
pub(in crate::tap) struct Repeats {
    sent: VecDeque<Sent>,
    received: VecDeque<Received>,
}

/// A request of the browser that nobody has answered.
#[derive(Debug)]
struct Sent {
    key: Key,
    bytes: Bytes,
    interval: Duration,
    next: Instant,
    until: Instant,
}

/// A request of the server.
#[derive(Debug)]
struct Received {
    key: Key,
    answer: Option<Bytes>,
    until: Instant,
}

/// What a request of the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tap) enum Repeated {
    /// One that has not come before.
    No,
    /// One that waits for its answer.
    Unanswered,
    /// One whose answer was lost.
    Answered(Bytes),
}

impl Repeats {
    /// Notes a request of the browser as it was sent to the server.
    pub(in crate::tap) fn handle_sent_request(&mut self, now: Instant, sent: &Message) {
        let Some(key) = key(sent).filter(|(_, method)| *method != Method::Ack) else { return };
        self.sent.retain(|other| other.key != key);
        self.sent.truncate(MOST - 1);
        let bytes = sent.bytes().clone();
        self.sent.push_front(Sent { key, bytes, interval: T1, next: now + T1, until: now + LONGEST });
    }

    /// Notes a response of the server, our Via still on it.
    pub(in crate::tap) fn handle_received_response(&mut self, now: Instant, response: &Message) {
        let Some(key) = key(response) else { return };
        let is_final = response.status().is_some_and(|status| status >= 200);
        if is_final || key.1 == Method::Invite {
            self.sent.retain(|sent| sent.key != key);
        } else if let Some(sent) = self.sent.iter_mut().find(|sent| sent.key == key) {
            // RFC 3261 §17.1.2.2: what is being worked on is asked for every T2.
            (sent.interval, sent.next) = (T2, now + T2);
        }
    }

    /// Whether a request of the server has come before.
    pub(in crate::tap) fn handle_received_request(&mut self, now: Instant, request: &Message) -> Repeated {
        self.received.retain(|received| received.until > now);
        let Some(key) = key(request).filter(|(_, method)| *method != Method::Ack) else {
            return Repeated::No;
        };
        if let Some(received) = self.received.iter().find(|received| received.key == key) {
            return received.answer.clone().map_or(Repeated::Unanswered, Repeated::Answered);
        }
        self.received.truncate(MOST - 1);
        self.received.push_front(Received { key, answer: None, until: now + LONGEST });
        Repeated::No
    }

    /// Notes a response to the server, as it leaves.
    pub(in crate::tap) fn handle_sent_response(&mut self, now: Instant, response: &Message) {
        let Some(key) = key(response) else { return };
        if let Some(received) = self.received.iter_mut().find(|received| received.key == key) {
            (received.answer, received.until) = (Some(response.bytes().clone()), now + LONGEST);
        }
    }

    /// What is to be sent to the server again.
    pub(in crate::tap) fn poll_repetition(&mut self, now: Instant) -> Option<Bytes> {
        self.sent.retain(|sent| sent.until > now);
        let sent = self.sent.iter_mut().find(|sent| sent.next <= now)?;
        let most = if sent.key.1 == Method::Invite { LONGEST } else { T2 };
        sent.interval = (sent.interval * 2).min(most);
        sent.next = now + sent.interval;
        Some(sent.bytes.clone())
    }

    /// When something is to be sent again.
    pub(in crate::tap) fn poll_timeout(&self) -> Option<Instant> {
        self.sent.iter().map(|sent| sent.next.min(sent.until)).min()
    }
}

fn key(message: &Message) -> Option<Key> {
    let branch = message.via().ok()?.branch().map(Bytes::copy_from_slice)?;
    Some((branch, message.method()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, branch: &str, method: &str) -> Message {
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\nFrom: <sip:a@b>;tag=a\r\n\
             To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn request(method: &str) -> Message {
        message(&format!("{method} sip:b@b SIP/2.0"), "z9hG4bK1", method)
    }

    fn response(status: &str, method: &str) -> Message {
        message(&format!("SIP/2.0 {status} X"), "z9hG4bK1", method)
    }

    /// The milliseconds at which something is sent again.
    fn times(repeats: &mut Repeats, base: Instant) -> Vec<u128> {
        let mut times = Vec::new();
        while let Some(at) = repeats.poll_timeout() {
            while repeats.poll_repetition(at).is_some() {
                times.push((at - base).as_millis());
            }
        }
        times
    }

    #[test]
    fn what_nobody_answers_is_sent_again_at_the_times_of_the_rfc() {
        let base = Instant::now();
        let mut repeats = Repeats::default();
        repeats.handle_sent_request(base, &request("INVITE"));
        assert_eq!(times(&mut repeats, base), [500, 1500, 3500, 7500, 15500, 31500]);
        repeats.handle_sent_request(base, &request("BYE"));
        assert_eq!(
            times(&mut repeats, base),
            [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
        );
        repeats.handle_sent_request(base, &request("ACK"));
        assert_eq!(repeats.poll_timeout(), None);
    }

    #[test]
    fn an_answer_ends_it() {
        let base = Instant::now();
        for (method, status) in [("INVITE", "100"), ("INVITE", "486"), ("BYE", "200")] {
            let mut repeats = Repeats::default();
            repeats.handle_sent_request(base, &request(method));
            repeats.handle_received_response(base, &response(status, "OPTIONS"));
            assert!(repeats.poll_timeout().is_some(), "that was an answer to something else");
            repeats.handle_received_response(base, &response(status, method));
            assert_eq!(repeats.poll_timeout(), None, "{method} {status}");
        }
        let mut repeats = Repeats::default();
        repeats.handle_sent_request(base, &request("BYE"));
        repeats.handle_received_response(base, &response("100", "BYE"));
        assert_eq!(repeats.poll_timeout(), Some(base + T2));
    }

    #[test]
    fn a_repetition_of_the_server_is_absorbed_until_it_can_be_answered() {
        let base = Instant::now();
        let mut repeats = Repeats::default();
        assert_eq!(repeats.handle_received_request(base, &request("INVITE")), Repeated::No);
        assert_eq!(repeats.handle_received_request(base, &request("INVITE")), Repeated::Unanswered);
        let busy = response("486", "INVITE");
        repeats.handle_sent_response(base, &busy);
        let answered = Repeated::Answered(busy.bytes().clone());
        assert_eq!(repeats.handle_received_request(base, &request("INVITE")), answered);
        assert_eq!(
            repeats.handle_received_request(base, &request("CANCEL")),
            Repeated::No,
            "another transaction"
        );
        assert_eq!(repeats.handle_received_request(base, &request("ACK")), Repeated::No);
        assert_eq!(repeats.handle_received_request(base + LONGEST, &request("INVITE")), Repeated::No);
    }
}

//! The side that acknowledges reliable provisional responses: [RFC 3262 §4].
//!
//! [RFC 3262 §4]: https://www.rfc-editor.org/rfc/rfc3262#section-4

use super::is_listed;
use crate::grammar;
use crate::header::Rack;
use crate::message::{Message, Name};

/// The reliable provisional responses of one early dialog ([RFC 3262 §4]): each To tag has its own numbers.
///
/// [RFC 3262 §4]: https://www.rfc-editor.org/rfc/rfc3262#section-4
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The first number that came, and the last one that came in order.
    taken: Option<(u32, u32)>,
}

/// What is to be done with a provisional response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not reliable: nothing but what it says.
    Unreliable,
    /// It is reliable by its words and has no number to acknowledge: as one that is not.
    Unreadable,
    /// It is the next one: to be acknowledged with this RAck.
    Next(Rack),
    /// It was acknowledged before, and is to be passed over.
    Repeated,
    /// One before it is missing: to be passed over, and not to be acknowledged.
    OutOfOrder,
}

impl Receiver {
    /// Takes a provisional response to an INVITE.
    pub fn handle_provisional(&mut self, response: &Message) -> Verdict {
        let is_provisional = response.status().is_some_and(|status| (101..200).contains(&status));
        if !is_provisional || !is_listed(response, Name::Require) {
            return Verdict::Unreliable;
        }
        let number = response.header(Name::RSeq).and_then(|value| grammar::number(grammar::trim(value)).ok());
        let (Some(rseq @ 1..), Ok(cseq)) = (number, response.cseq()) else { return Verdict::Unreadable };
        match self.taken {
            Some((first, last)) if (first..=last).contains(&rseq) => return Verdict::Repeated,
            Some((_, last)) if last.checked_add(1) != Some(rseq) => return Verdict::OutOfOrder,
            Some((first, _)) => self.taken = Some((first, rseq)),
            None => self.taken = Some((rseq, rseq)),
        }
        Verdict::Next(Rack { rseq, cseq: cseq.number, method: cseq.method })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::message::Method;

    fn response(status: u16, headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 3 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn reliable(rseq: u32) -> Message {
        response(183, &format!("Require: 100rel\r\nRSeq: {rseq}\r\n"))
    }

    fn next(rseq: u32) -> Verdict {
        Verdict::Next(Rack { rseq, cseq: 3, method: Method::Invite })
    }

    #[test]
    fn the_first_number_is_anyones_and_the_next_is_one_above() {
        let mut receiver = Receiver::default();
        let verdicts: Vec<Verdict> = [50, 50, 52, 51, 52, 50, 51, 54, 49]
            .into_iter()
            .map(|rseq| receiver.handle_provisional(&reliable(rseq)))
            .collect();
        use Verdict::{OutOfOrder, Repeated};
        let expected =
            [next(50), Repeated, OutOfOrder, next(51), next(52), Repeated, Repeated, OutOfOrder, OutOfOrder];
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn what_is_not_reliable_is_not_acknowledged() {
        for (message, verdict) in [
            (response(180, ""), Verdict::Unreliable),
            (response(180, "RSeq: 1\r\n"), Verdict::Unreliable),
            (response(180, "Supported: 100rel\r\nRSeq: 1\r\n"), Verdict::Unreliable),
            (response(100, "Require: 100rel\r\nRSeq: 1\r\n"), Verdict::Unreliable),
            (response(200, "Require: 100rel\r\nRSeq: 1\r\n"), Verdict::Unreliable),
            (response(180, "Require: 100rel\r\n"), Verdict::Unreadable),
            (response(180, "Require: 100rel\r\nRSeq: 0\r\n"), Verdict::Unreadable),
            (response(180, "Require: 100rel\r\nRSeq: x\r\n"), Verdict::Unreadable),
            (response(180, "Require: 100rel\r\nRSeq: 4294967296\r\n"), Verdict::Unreadable),
            (response(180, "Require: timer, 100REL\r\nRSeq:  9 \r\n"), next(9)),
        ] {
            assert_eq!(Receiver::default().handle_provisional(&message), verdict, "{message:?}");
        }
    }

    #[test]
    fn the_highest_number_has_none_above_it() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.handle_provisional(&reliable(u32::MAX)), next(u32::MAX));
        assert_eq!(receiver.handle_provisional(&reliable(1)), Verdict::OutOfOrder);
    }

    proptest! {
        /// In whatever order and however often they come, each is acknowledged once at the most, and in order.
        #[test]
        fn each_is_acknowledged_once_and_in_order(
            first in 1..u32::MAX - 20,
            arrivals in prop::collection::vec(0_u32..8, 0..60),
        ) {
            let mut receiver = Receiver::default();
            let mut acknowledged = Vec::new();
            for arrival in arrivals {
                if let Verdict::Next(rack) = receiver.handle_provisional(&reliable(first + arrival)) {
                    acknowledged.push(rack.rseq);
                }
            }
            prop_assert!(acknowledged.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }
}

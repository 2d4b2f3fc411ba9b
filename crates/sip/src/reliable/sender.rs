//! The side that sends reliable provisional responses: [RFC 3262 §3].
//!
//! [RFC 3262 §3]: https://www.rfc-editor.org/rfc/rfc3262#section-3

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::header::Rack;
use crate::message::Method;

/// The reliable provisional responses to one INVITE ([RFC 3262 §3]).
///
/// ```text
///              send                      PRACK
///     Idle ───────────▶  Awaited  ────────────────▶  Idle
///                     │  ▲     │  64*T1: give up  ─▶  Idle
///       T1, doubled:  └──┘     │
///         send again           │ final response
///                              v
///                           Quiet    (not repeated; its PRACK is still taken)
/// ```
///
/// They are repeated over every transport: what gets lost may have been lost behind the next hop.
///
/// [RFC 3262 §3]: https://www.rfc-editor.org/rfc/rfc3262#section-3
#[derive(Debug)]
pub struct Sender<R> {
    /// The CSeq number of the INVITE.
    cseq: u32,
    /// The RSeq of the next one.
    next: u32,
    t1: Duration,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    Idle,
    Awaited { rseq: u32, has_session: bool, response: R, interval: Duration, again: Instant, until: Instant },
    Quiet { rseq: u32, has_session: bool },
}

/// What is to be done because time has gone by.
#[derive(Debug, PartialEq, Eq)]
pub enum Due<'r, R> {
    /// The response is sent again.
    Again(&'r R),
    /// It was never acknowledged: the INVITE is to be refused with a 5xx.
    Unacknowledged,
}

/// The PRACK is of no response that waits for one: 481.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no provisional response to acknowledge")]
pub struct Unmatched;

impl<R> Sender<R> {
    /// For the INVITE with that CSeq number; `random` says where the numbers begin, in the lower half of what RSeq holds.
    pub const fn new(cseq: u32, random: u32, t1: Duration) -> Self {
        let first = random % HALF;
        Sender { cseq, next: if first == 0 { 1 } else { first }, t1, state: State::Idle }
    }

    /// Sends a response, which is made with its RSeq; `has_session` when it has a session description. `None` while
    /// another one waits for its PRACK, or has been given up for the final response.
    pub fn send(&mut self, now: Instant, has_session: bool, response: impl FnOnce(u32) -> R) -> Option<&R> {
        let State::Idle = self.state else { return None };
        let rseq = self.next;
        self.next = rseq.saturating_add(1);
        self.state = State::Awaited {
            rseq,
            has_session,
            response: response(rseq),
            interval: self.t1,
            again: now + self.t1,
            until: now + self.t1 * 64,
        };
        match &self.state {
            State::Awaited { response, .. } => Some(response),
            State::Idle | State::Quiet { .. } => None,
        }
    }

    /// Takes the RAck of a PRACK; says whether the response that it acknowledges had a session description.
    pub fn handle_prack(&mut self, rack: &Rack) -> Result<bool, Unmatched> {
        let (State::Awaited { rseq, has_session, .. } | State::Quiet { rseq, has_session }) = self.state
        else {
            return Err(Unmatched);
        };
        if (rack.rseq, rack.cseq, &rack.method) != (rseq, self.cseq, &Method::Invite) {
            return Err(Unmatched);
        }
        self.state = State::Idle;
        Ok(has_session)
    }

    /// The final response is being sent: nothing is repeated from here on, and a PRACK that is on its way is still taken.
    pub fn finish(&mut self) {
        if let State::Awaited { rseq, has_session, .. } = self.state {
            self.state = State::Quiet { rseq, has_session };
        }
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due<'_, R>> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return None;
        }
        if matches!(self.state, State::Awaited { until, .. } if until <= now) {
            self.state = State::Idle;
            return Some(Due::Unacknowledged);
        }
        match &mut self.state {
            State::Awaited { response, interval, again, .. } => {
                *interval *= 2;
                *again = now + *interval;
                Some(Due::Again(response))
            }
            State::Idle | State::Quiet { .. } => None,
        }
    }

    /// When to call [`Sender::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Awaited { again, until, .. } => Some(again.min(until)),
            State::Idle | State::Quiet { .. } => None,
        }
    }

    /// Whether a response waits for its PRACK.
    pub const fn is_awaiting(&self) -> bool {
        matches!(self.state, State::Awaited { .. })
    }

    /// Whether a 2xx has to wait: a session description is not acknowledged.
    pub const fn holds_2xx(&self) -> bool {
        matches!(self.state, State::Awaited { has_session: true, .. })
    }
}

/// The first RSeq is below 2^31, so that the numbers of one INVITE never wrap.
const HALF: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T1: Duration = Duration::from_millis(500);

    fn rack(rseq: u32) -> Rack {
        Rack { rseq, cseq: 7, method: Method::Invite }
    }

    fn start() -> Instant {
        ringback_sansio::sim::Clock::new().now()
    }

    #[test]
    fn it_is_repeated_at_t1_doubling_and_given_up_after_64_t1() {
        let (start, mut sender) = (start(), Sender::new(7, 41, T1));
        assert_eq!(sender.send(start, false, |rseq| rseq), Some(&41));
        let mut times = Vec::new();
        loop {
            let at = sender.poll_timeout().unwrap();
            assert_eq!(sender.handle_timeout(at - Duration::from_millis(1)), None);
            match sender.handle_timeout(at) {
                Some(Due::Again(41)) => times.push((at - start).as_millis()),
                due => {
                    assert_eq!((due, (at - start).as_secs()), (Some(Due::Unacknowledged), 32));
                    break;
                }
            }
        }
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!((sender.poll_timeout(), sender.is_awaiting()), (None, false));
    }

    #[test]
    fn one_at_a_time_and_the_numbers_rise_by_one() {
        let (now, mut sender) = (start(), Sender::new(7, 41, T1));
        assert!(sender.send(now, false, |rseq| rseq).is_some());
        assert!(sender.send(now, true, |rseq| rseq).is_none());
        assert_eq!(sender.handle_prack(&rack(41)), Ok(false));
        assert_eq!(sender.send(now, true, |rseq| rseq), Some(&42));
        assert!(sender.holds_2xx());
        assert_eq!(sender.handle_prack(&rack(42)), Ok(true));
        assert!(!sender.holds_2xx());
    }

    #[test]
    fn a_prack_of_something_else_acknowledges_nothing() {
        let (now, mut sender) = (start(), Sender::new(7, 41, T1));
        assert_eq!(sender.handle_prack(&rack(41)), Err(Unmatched));
        sender.send(now, true, |rseq| rseq);
        for wrong in
            [rack(40), rack(42), Rack { cseq: 8, ..rack(41) }, Rack { method: Method::Update, ..rack(41) }]
        {
            assert_eq!(sender.handle_prack(&wrong), Err(Unmatched));
        }
        assert!(sender.is_awaiting());
        assert_eq!(sender.handle_prack(&rack(41)), Ok(true));
        assert_eq!(sender.handle_prack(&rack(41)), Err(Unmatched), "it was acknowledged before");
    }

    #[test]
    fn after_the_final_response_it_is_silent_and_still_takes_the_prack() {
        let (now, mut sender) = (start(), Sender::new(7, 41, T1));
        sender.send(now, true, |rseq| rseq);
        sender.finish();
        assert_eq!((sender.poll_timeout(), sender.holds_2xx()), (None, false));
        assert!(sender.send(now, false, |rseq| rseq).is_none());
        assert_eq!(sender.handle_prack(&rack(41)), Ok(true));
    }

    #[test]
    fn the_numbers_begin_above_0_and_below_2_to_the_31() {
        for (random, first) in [(0, 1), (1, 1), (HALF, 1), (u32::MAX, HALF - 1)] {
            let mut sender = Sender::new(7, random, T1);
            assert_eq!(sender.send(start(), false, |rseq| rseq), Some(&first));
        }
    }

    proptest! {
        /// Whatever is done to it in whatever order: at most one waits, each has a number of its own that is one above
        /// the last, and it never waits for longer than 64*T1.
        #[test]
        fn it_keeps_its_promises(random: u32, steps in prop::collection::vec((0_u8..5, 0_u64..40_000), 0..60)) {
            let (mut now, mut sender) = (start(), Sender::new(7, random, T1));
            let mut sent: Option<(u32, Instant)> = None;
            let (mut last, mut is_finished) = (None, false);
            for (what, milliseconds) in steps {
                match what {
                    0 | 1 => {
                        let waits = sender.is_awaiting();
                        if let Some(&rseq) = sender.send(now, what == 1, |rseq| rseq) {
                            prop_assert!(!waits);
                            prop_assert!(last.is_none_or(|last| rseq == last + 1));
                            (last, sent) = (Some(rseq), Some((rseq, now)));
                        }
                    }
                    2 => {
                        let known = sent.map_or(0, |(rseq, _)| rseq);
                        prop_assert_eq!(sender.handle_prack(&rack(known)).is_ok(), sent.is_some());
                        sent = None;
                    }
                    3 if milliseconds % 8 == 0 => {
                        sender.finish();
                        is_finished = true;
                        prop_assert!(sender.poll_timeout().is_none());
                    }
                    _ => {
                        let end = now + Duration::from_millis(milliseconds);
                        while let Some(at) = sender.poll_timeout().filter(|at| *at <= end) {
                            prop_assert!(at >= now, "a deadline is never in the past");
                            now = at;
                            let begun = sent.map(|(_, begun)| begun);
                            match sender.handle_timeout(now) {
                                Some(Due::Again(rseq)) => prop_assert_eq!(Some(*rseq), sent.map(|(rseq, _)| rseq)),
                                Some(Due::Unacknowledged) => {
                                    prop_assert_eq!(begun.map(|begun| now - begun), Some(T1 * 64));
                                    sent = None;
                                }
                                None => prop_assert!(false, "what is due is done"),
                            }
                        }
                        now = end;
                    }
                }
                prop_assert!(!sender.holds_2xx() || sender.is_awaiting());
                prop_assert!(is_finished || sender.is_awaiting() == sent.is_some());
            }
        }
    }
}

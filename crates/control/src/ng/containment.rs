//! A mistake of ours ends the call that it happened to, and no other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::calls::Call;
use super::engine::{Engine, Timer};
use crate::call::CallNumber;
use crate::media::MediaCommand;
use crate::owner;

/// The call that something happens to: what is left of it when that panics.
#[derive(Debug)]
pub(super) struct AtWork {
    number: CallNumber,
    id: Bytes,
    /// The number of its last leg, and of those that may be made meanwhile.
    legs: u16,
}

impl AtWork {
    pub fn of(call: &Call) -> AtWork {
        AtWork { number: call.number, id: call.id.clone(), legs: call.last_leg().saturating_add(2) }
    }
}

impl Engine {
    /// Lets something happen. A panic ends the call that it happened to; who asked is not answered.
    pub(super) fn contain(&mut self, act: impl FnOnce(&mut Self)) {
        self.at_work = None;
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_ok() {
            return;
        }
        self.stats.panics += 1;
        let Some(AtWork { number, id, legs }) = self.at_work.take() else { return };
        if self.calls.contains_key(&number) {
            // What it was about is whole, or so it seems.
            if catch_unwind(AssertUnwindSafe(|| self.end(number))).is_ok() {
                return;
            }
            self.stats.panics += 1;
        }
        self.by_id.remove(&id);
        self.recorded.remove(&number);
        for timer in [Timer::Open(number), Timer::Delete(number), Timer::Unanswered(number)] {
            self.deadlines.cancel(&timer);
        }
        for leg in (1..=legs).map(|leg| owner::leg_key(owner::NG_WORKER, number, leg)) {
            self.deadlines.cancel(&Timer::DeleteSide(leg));
            self.command(leg, MediaCommand::Close);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use ringback_sansio::Flow;
    use ringback_sansio::sim::Clock;

    use super::super::{Dict, Encoding, Settings, Value, write};
    use super::*;
    use crate::settings::Epoch;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

    fn offer(engine: &mut Engine, now: Instant, call: &str, cookie: u32) {
        let dict = Dict::new()
            .with("command", Value::text("offer"))
            .with("call-id", Value::text(call))
            .with("from-tag", Value::text("a"))
            .with("sdp", Value::text(SDP));
        let flow = Flow::datagram("127.0.0.1:2223".parse().unwrap(), "127.0.0.1:4000".parse().unwrap());
        let cookie = cookie.to_string();
        engine.handle_datagram(now, flow, &write(cookie.as_bytes(), Encoding::Json, &dict));
    }

    #[test]
    fn a_panic_ends_its_call_and_no_other() {
        let now = Clock::new().now();
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH };
        let mut engine = Engine::new(Settings::new(epoch, "192.0.2.1".parse().unwrap(), [1; 32]));
        offer(&mut engine, now, "one", 1);
        while engine.poll_media().is_some() {}
        engine.is_sabotaged = true;
        offer(&mut engine, now, "two", 2);
        assert_eq!((engine.calls(), engine.stats().panics), (1, 1));
        let closed: Vec<_> = std::iter::from_fn(|| engine.poll_media())
            .filter(|(_, _, command)| matches!(command, MediaCommand::Close))
            .map(|(_, leg, _)| owner::call_of(leg))
            .collect();
        assert!(closed.len() >= 2 && closed.iter().all(|number| *number == CallNumber(2)), "{closed:?}");
        // The Call-ID is free for another one.
        offer(&mut engine, now, "two", 3);
        assert_eq!((engine.calls(), engine.stats().panics), (2, 1));
    }
}

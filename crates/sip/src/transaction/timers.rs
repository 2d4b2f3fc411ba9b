//! The timers of RFC 3261 and what they last.

use std::time::Duration;

/// The base values of the timers ([RFC 3261 §17.1.1.1], Table 4).
///
/// [RFC 3261 §17.1.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The estimate of a round trip; the first retransmission comes after it, and 64 of it is the patience of
    /// all.
    pub t1: Duration,
    /// The longest interval between retransmissions of a non-INVITE request or of a response to an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// How long an INVITE client answers repeated final responses over an unreliable transport; 32 s at
    /// least.
    pub d: Duration,
    /// After how long an INVITE that the transaction user has not answered gets a 100 (Trying) from the
    /// layer.
    ///
    /// [RFC 3261 §17.2.1] says 200 ms. `Some(Duration::ZERO)` answers at once, before the transaction user
    /// has seen the request; `None` leaves the 100 to the transaction user.
    ///
    /// [RFC 3261 §17.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.1
    pub trying: Option<Duration>,
}

impl Timers {
    /// How long a timer runs when it is started, before any doubling.
    pub(super) fn duration(&self, timer: Timer) -> Duration {
        match timer {
            Timer::A | Timer::E | Timer::G | Timer::Success => self.t1,
            Timer::B | Timer::F | Timer::H | Timer::J | Timer::L | Timer::M | Timer::Cancelled => {
                self.t1 * 64
            }
            Timer::D => self.d,
            Timer::I | Timer::K => self.t4,
            Timer::Trying => self.trying.unwrap_or(Duration::ZERO),
        }
    }

    /// The interval after `interval`: twice as long, and no longer than T2 but for Timer A, which has no such
    /// limit.
    pub(super) fn doubled(&self, timer: Timer, interval: Duration) -> Duration {
        match timer {
            Timer::A => interval * 2,
            _ => (interval * 2).min(self.t2),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
            trying: Some(Duration::from_millis(200)),
        }
    }
}

/// A timer of a transaction: the RFC's letters, and three that it describes without a letter.
///
/// Timer C (§16.6 step 11) is not among them: how long a callee may ring is the transaction user's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    /// INVITE client: send again.
    A,
    /// INVITE client: no response at all.
    B,
    /// INVITE client: wait for repeated final responses.
    D,
    /// Non-INVITE client: send again.
    E,
    /// Non-INVITE client: no final response.
    F,
    /// INVITE server: send the final response again.
    G,
    /// INVITE server: no ACK.
    H,
    /// INVITE server: wait for repeated ACKs.
    I,
    /// Non-INVITE server: wait for repeated requests.
    J,
    /// Non-INVITE client: wait for repeated responses.
    K,
    /// INVITE server: wait for repeated INVITEs after a 2xx (RFC 6026).
    L,
    /// INVITE client: wait for more 2xx (RFC 6026).
    M,
    /// INVITE server: the transaction user is slow, a 100 is due (§17.2.1).
    Trying,
    /// INVITE server: send the 2xx again (§13.3.1.4).
    Success,
    /// INVITE client: no final response in spite of the CANCEL (§9.1).
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_table_4() {
        let timers = Timers::default();
        let seconds = |timer| timers.duration(timer).as_secs_f64();
        assert_eq!([Timer::A, Timer::E, Timer::G, Timer::Success].map(seconds), [0.5; 4]);
        assert_eq!([Timer::B, Timer::F, Timer::H, Timer::J].map(seconds), [32.0; 4]);
        assert_eq!([Timer::D, Timer::L, Timer::M, Timer::Cancelled].map(seconds), [32.0; 4]);
        assert_eq!([Timer::I, Timer::K].map(seconds), [5.0; 2]);
        assert_eq!(seconds(Timer::Trying), 0.2);
    }

    #[test]
    fn only_timer_a_doubles_without_limit() {
        let timers = Timers::default();
        let four = Duration::from_secs(4);
        assert_eq!(timers.doubled(Timer::A, four), four * 2);
        for timer in [Timer::E, Timer::G, Timer::Success] {
            assert_eq!(timers.doubled(timer, Duration::from_secs(1)), Duration::from_secs(2));
            assert_eq!(timers.doubled(timer, four), four);
        }
    }
}

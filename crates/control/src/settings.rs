//! What the exchange is told when it starts. Nothing here changes while it runs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringback_media::negotiation::{Srtp, Transcoding};
use ringback_sip::digest::Algorithm;
use ringback_sip::gruu::Gruus;

use crate::events::EventLimits;
use crate::header_tables::HeaderTables;
use crate::messages::MessageLimits;

/// The settings of one exchange.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The SIP domain and its aliases. Without one the host of any Request-URI is local.
    pub domains: Vec<String>,
    /// The digest realm.
    pub realm: String,
    /// What SIP phones are challenged with; browsers always get MD5.
    pub digest: Vec<Algorithm>,
    /// The addresses that the far side of a NAT reaches us by, at most one of a family in use.
    pub public_addresses: Vec<IpAddr>,
    /// The addresses of this machine's interfaces: a URI that names one of them is for us.
    pub own_addresses: Vec<IpAddr>,
    /// What this process listens on, over any transport: no connection of ours goes there.
    pub listeners: Vec<SocketAddr>,
    /// Media workers; a call is placed on one of them when it starts and stays there.
    pub workers: u16,
    /// Which calls have their media past the exchange.
    pub bypass: Bypass,
    /// When codecs of ours are offered behind those of the other party.
    pub transcoding: Transcoding,
    /// Whether calls may have video.
    pub video: bool,
    /// Whether the media of telephones is encrypted; `None` where that follows from how each is reached: over TLS it is
    /// preferred, over UDP and TCP taken when offered.
    pub srtp: Option<Srtp>,
    /// Which calls are recorded.
    pub recording: Recording,
    /// Whether there is music for who is held.
    pub hold_music: bool,
    /// The names of the files that can be played.
    pub sounds: Vec<Arc<str>>,
    /// The number of this control worker, written into every tag it makes.
    pub worker: u16,
    /// Which header fields each kind of peer gets.
    pub headers: HeaderTables,
    /// Bounds.
    pub limits: Limits,
    /// How the monotonic clock and the calendar relate.
    pub epoch: Epoch,
    /// Makes GRUUs, under a secret that outlives the process: temporary ones are void with another secret.
    pub gruus: Gruus,
    /// The secret that random numbers, nonces and tags are drawn from.
    pub seed: [u8; 32],
}

/// Which calls have their media past the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bypass {
    /// None: a media worker forwards every packet.
    #[default]
    Never,
    /// Those between two plain telephones that reach each other.
    Local,
}

/// How calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// Which of them.
    pub calls: RecordedCalls,
    /// What the names of the files end with.
    pub extension: &'static str,
    /// Whether packets are kept as they came, of whatever codec, in place of what is heard in them.
    pub keeps_packets: bool,
    /// Whether both parties hear a tone when a recording begins.
    pub beep: bool,
}

/// Which calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordedCalls {
    /// None, unless the driver says so.
    #[default]
    None,
    /// Those whose parties ask for it.
    Asked,
    /// All in which two parties talk.
    All,
}

impl Default for Recording {
    fn default() -> Self {
        Recording { calls: RecordedCalls::None, extension: "wav", keeps_packets: false, beep: false }
    }
}

/// Settings that no exchange can be made with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// The realm.
    #[error("the realm cannot be used: {0}")]
    Realm(#[from] ringback_sip::digest::InvalidRealm),
    /// The bounds of registrations.
    #[error("{0}")]
    Expires(#[from] ringback_sip::registrar::InvalidSettings),
}

/// Bounds on what is kept and on how long it is waited for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls at the same time; above it a new INVITE gets 503.
    pub calls: usize,
    /// Calls that one user may have as the caller at the same time.
    pub calls_per_user: usize,
    /// How long a callee may ring before the call ends as unanswered.
    pub ring: Duration,
    /// How long a group of contacts rings before those of a lower preference do.
    pub fork: Duration,
    /// The time for which a registration is granted when the request names none.
    pub default_expires: Duration,
    /// The shortest and the longest time for which a registration is granted.
    pub expires: (Duration, Duration),
    /// How often a client over TCP or TLS that uses outbound is to send a keep-alive (Flow-Timer, RFC 5626 §6).
    pub flow_timer: Duration,
    /// How often a contact behind a NAT over UDP is asked whether it is there; zero for never.
    pub ping: Duration,
    /// Requests on their way through the exchange to contacts.
    pub proxied: usize,
    /// Of these, requests of one user.
    pub proxied_per_user: usize,
    /// Questions to the store or to a media worker that have no answer yet.
    pub questions: usize,
    /// Of subscriptions and publications.
    pub events: EventLimits,
    /// Of instant messages.
    pub messages: MessageLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls: 10_000,
            calls_per_user: 20,
            ring: Duration::from_secs(180),
            fork: Duration::from_secs(20),
            default_expires: Duration::from_secs(600),
            expires: (Duration::from_secs(10), Duration::from_secs(7200)),
            flow_timer: Duration::from_secs(60),
            ping: Duration::from_secs(25),
            proxied: 4096,
            proxied_per_user: 32,
            questions: 65_536,
            events: EventLimits::default(),
            messages: MessageLimits::default(),
        }
    }
}

/// An instant and the calendar time it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Epoch {
    /// The instant.
    pub instant: Instant,
    /// Its calendar time.
    pub time: SystemTime,
}

impl Epoch {
    /// Milliseconds since 1970 at `at`.
    pub fn unix_ms(&self, at: Instant) -> u64 {
        let time = match at.checked_duration_since(self.instant) {
            Some(after) => self.time + after,
            None => self.time - self.instant.duration_since(at),
        };
        time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }

    /// The instant of a calendar time in milliseconds since 1970; a time before the process began is its beginning.
    pub fn instant_of(&self, unix_ms: u64) -> Instant {
        self.instant + Duration::from_millis(unix_ms.saturating_sub(self.unix_ms(self.instant)))
    }
}

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn calendar_and_instant_convert_both_ways() {
        let now = Clock::new().now();
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000) };
        let later = now + Duration::from_millis(1_500);
        assert_eq!(epoch.unix_ms(later), 1_001_500);
        assert_eq!(epoch.instant_of(1_001_500), later);
        assert_eq!(epoch.instant_of(5), now);
    }
}

//! Who is listened to: sources that guess passwords are met with silence.
//!
//! After [`FAILURES`] wrong credentials within [`WINDOW`] a source gets no answer for [`FIRST_BAN`], twice as long each
//! time up to [`LONGEST_BAN`]; it is forgotten after [`PEACE`]. A source is an IPv4 address or an IPv6 /64. A ban never
//! covers an address that has shown valid credentials lately: behind one address an office and a scanner can live.
//!
//! Whoever has shown no valid credentials lately is a stranger, may ask so much as its [`Budgets`] allow, and is served
//! when those are served whom we know. While more comes from those than can be served, each of their sources has a
//! share, so that one of them, or who forges its address, does not press the others.
//!
//! The table has a fixed size. A source hashes to a row of [`WAYS`] places and takes the one that was quiet for
//! longest, so a flood from many sources forgets old offenders and needs no memory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringback_sansio::{Flow, source_prefix};

use crate::budget::{Budgets, LESSER_SHARE, SHARE, STRANGER};
use crate::pressure::Pressure;

/// What a message is worth by its source alone, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Valid credentials have come from there lately: it is served first.
    Known,
    /// So they have, but more comes than can be served, and it has had its share: it is served when the others are.
    BeyondShare,
    /// Nobody is known there: it is served when those are that are known.
    Stranger,
    /// A stranger that has asked too much: it is not served.
    OverBudget,
}

/// The sources that misbehave and those that do not.
#[derive(Debug)]
pub(crate) struct Admission {
    budgets: Budgets,
    shares: Budgets,
    rows: Vec<[Source; WAYS]>,
    /// Keeps others from choosing which sources share a row.
    secret: u64,
}

/// What is known of a source.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// The address, an IPv6 one without its lower half; `None` for a free place.
    prefix: Option<IpAddr>,
    /// When something was last noted here.
    noted: Instant,
    window: Instant,
    failures: u32,
    /// How many bans there were.
    bans: u32,
    banned_until: Instant,
    trusted_until: Instant,
}

impl Admission {
    /// Nobody has done anything.
    pub fn new(now: Instant, secret: u64) -> Self {
        let free = Source {
            prefix: None,
            noted: now,
            window: now,
            failures: 0,
            bans: 0,
            banned_until: now,
            trusted_until: now,
        };
        Admission {
            budgets: Budgets::new(now, secret),
            shares: Budgets::new(now, secret),
            rows: vec![[free; WAYS]; ROWS],
            secret,
        }
    }

    /// What the source of a message is to us; that of a stranger has one message less to ask from here on, and under
    /// pressure so has one that is known.
    pub fn standing(&mut self, now: Instant, flow: Flow, pressure: Pressure) -> Standing {
        let source = flow.remote().ip();
        if self.knows(now, source) {
            let share = match pressure {
                Pressure::None => return Standing::Known,
                Pressure::Shared => SHARE,
                Pressure::High | Pressure::Extreme => LESSER_SHARE,
            };
            let is_within = self.shares.spend(now, source_prefix(source), share);
            if is_within { Standing::Known } else { Standing::BeyondShare }
        } else if self.budgets.spend(now, source_prefix(source), STRANGER) {
            Standing::Stranger
        } else {
            Standing::OverBudget
        }
    }

    /// Whether valid credentials have come from the address lately.
    pub fn knows(&self, now: Instant, address: IpAddr) -> bool {
        self.source(source_prefix(address)).is_some_and(|source| now < source.trusted_until)
    }

    /// Whether requests without a dialog are listened to.
    pub fn admits(&self, now: Instant, flow: Flow) -> bool {
        let source = self.source(source_prefix(flow.remote().ip()));
        source.is_none_or(|source| now >= source.banned_until || now < source.trusted_until)
    }

    /// Notes wrong credentials; the time of the ban that they brought, if they did.
    pub fn failed(&mut self, now: Instant, address: IpAddr) -> Option<Duration> {
        let source = self.place(now, address)?;
        // A source is not at peace while nobody listens to it.
        if now.duration_since(source.noted.max(source.banned_until)) > PEACE {
            source.bans = 0;
        }
        if now.duration_since(source.window) > WINDOW {
            source.window = now;
            source.failures = 0;
        }
        source.noted = now;
        source.failures += 1;
        if source.failures < FAILURES || now < source.trusted_until {
            return None;
        }
        let ban = FIRST_BAN.saturating_mul(1 << source.bans.min(10)).min(LONGEST_BAN);
        source.bans += 1;
        source.failures = 0;
        source.banned_until = now + ban;
        Some(ban)
    }

    /// Notes valid credentials.
    pub fn succeeded(&mut self, now: Instant, address: IpAddr) {
        if let Some(source) = self.place(now, address) {
            source.noted = now;
            source.failures = 0;
            source.trusted_until = now + TRUST;
        }
    }

    /// What is known of a source.
    fn source(&self, prefix: IpAddr) -> Option<&Source> {
        let row = self.rows.get(self.row(prefix));
        row.into_iter().flatten().find(|source| source.prefix == Some(prefix))
    }

    /// The place of the source, a fresh one if it had none.
    fn place(&mut self, now: Instant, address: IpAddr) -> Option<&mut Source> {
        let prefix = source_prefix(address);
        let row = self.row(prefix);
        let row = self.rows.get_mut(row)?;
        let known = row.iter().position(|source| source.prefix == Some(prefix));
        let index = known.or_else(|| {
            // One that is trusted gives way last: else a flood from elsewhere would end the trust.
            let quietest = row
                .iter()
                .enumerate()
                .min_by_key(|(_, s)| (s.prefix.is_some(), s.trusted_until > now, s.noted));
            quietest.map(|(index, _)| index)
        })?;
        let source = row.get_mut(index)?;
        if known.is_none() {
            *source = Source {
                prefix: Some(prefix),
                noted: now,
                window: now,
                failures: 0,
                bans: 0,
                banned_until: now,
                trusted_until: now,
            };
        }
        Some(source)
    }

    fn row(&self, prefix: IpAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.secret, prefix).hash(&mut hasher);
        (hasher.finish() as usize) % ROWS
    }
}

/// With [`WAYS`] in each, room for sixteen thousand sources.
const ROWS: usize = 4096;
const WAYS: usize = 4;
const FAILURES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
const FIRST_BAN: Duration = Duration::from_secs(300);
const LONGEST_BAN: Duration = Duration::from_secs(3600);
const PEACE: Duration = Duration::from_secs(600);
/// For how long valid credentials speak for an address: the longest registration.
const TRUST: Duration = Duration::from_secs(7200);

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow::datagram("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap())
    }

    #[test]
    fn twenty_failures_in_a_minute_bring_silence_that_doubles() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let scanner = flow("198.51.100.7:5060");
        let mut bans = Vec::new();
        for _ in 0..6 {
            for _ in 0..FAILURES - 1 {
                assert_eq!(admission.failed(clock.now(), scanner.remote().ip()), None);
            }
            let ban = admission.failed(clock.now(), scanner.remote().ip()).expect("the twentieth failure");
            assert!(!admission.admits(clock.now(), scanner));
            assert!(
                !admission.admits(clock.now(), flow("198.51.100.7:9")),
                "the port is no part of the source"
            );
            bans.push(ban.as_secs());
            clock.advance(ban);
            assert!(admission.admits(clock.now(), scanner));
        }
        assert_eq!(bans, [300, 600, 1200, 2400, 3600, 3600]);
        clock.advance(PEACE + Duration::from_secs(1));
        for _ in 0..FAILURES - 1 {
            admission.failed(clock.now(), scanner.remote().ip());
        }
        assert_eq!(admission.failed(clock.now(), scanner.remote().ip()), Some(FIRST_BAN), "peace is kept");
    }

    #[test]
    fn slow_failures_bring_no_ban() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        for _ in 0..200 {
            assert_eq!(admission.failed(clock.now(), "198.51.100.7".parse().unwrap()), None);
            clock.advance(Duration::from_secs(4));
        }
    }

    #[test]
    fn an_address_with_a_valid_user_is_never_banned() {
        let clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let office = flow("198.51.100.7:5060");
        admission.succeeded(clock.now(), office.remote().ip());
        for _ in 0..100 {
            assert_eq!(admission.failed(clock.now(), office.remote().ip()), None);
        }
        assert!(admission.admits(clock.now(), office));
    }

    /// The question who it is was out when the ban came.
    #[test]
    fn a_valid_user_ends_the_silence_for_its_address() {
        let clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let office = flow("198.51.100.7:5060");
        for _ in 0..FAILURES {
            admission.failed(clock.now(), office.remote().ip());
        }
        assert!(!admission.admits(clock.now(), office));
        admission.succeeded(clock.now(), office.remote().ip());
        assert!(admission.admits(clock.now(), office));
    }

    #[test]
    fn a_stranger_is_known_once_it_has_shown_credentials() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let phone = flow("198.51.100.7:5060");
        let standings: Vec<_> =
            (0..300).map(|_| admission.standing(clock.now(), phone, Pressure::None)).collect();
        let over = standings.iter().position(|standing| *standing == Standing::OverBudget);
        assert_eq!((standings[0], over), (Standing::Stranger, Some(200)));
        admission.succeeded(clock.now(), phone.remote().ip());
        assert!(
            (0..10_000).all(|_| admission.standing(clock.now(), phone, Pressure::None) == Standing::Known)
        );
        assert_eq!(
            admission.standing(clock.now(), flow("198.51.100.8:5060"), Pressure::None),
            Standing::Stranger
        );
        clock.advance(TRUST);
        assert_eq!(
            admission.standing(clock.now(), phone, Pressure::None),
            Standing::Stranger,
            "that was long ago"
        );
    }

    /// How many messages of the source are within its share, when it sends one each millisecond for ten seconds.
    fn within_share(admission: &mut Admission, clock: &mut Clock, from: &str, pressure: Pressure) -> usize {
        let mut within = 0;
        for _ in 0..10_000 {
            clock.advance(Duration::from_millis(1));
            within += usize::from(admission.standing(clock.now(), flow(from), pressure) == Standing::Known);
        }
        within
    }

    #[test]
    fn under_pressure_a_known_source_has_its_share_and_another_one_its_own() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        for known in ["198.51.100.7", "198.51.100.8", "2001:db8:0:1::1"] {
            admission.succeeded(clock.now(), known.parse().unwrap());
        }
        for (pressure, most) in [
            (Pressure::None, 10_000),
            (Pressure::Shared, 10_000),
            (Pressure::High, 2_700),
            (Pressure::Extreme, 2_500),
        ] {
            let within = within_share(&mut admission, &mut clock, "198.51.100.7:5060", pressure);
            assert!((most - 50..=most).contains(&within), "{within} of {most} under {pressure:?}");
        }
        let now = clock.now();
        let mut standing = |from: &str| admission.standing(now, flow(from), Pressure::Extreme);
        assert_eq!(standing("198.51.100.7:9"), Standing::BeyondShare, "the port is no part of the source");
        assert_eq!(standing("198.51.100.8:5060"), Standing::Known);
        let of_a_64 = (0..300).map(|i| standing(&format!("[2001:db8:0:1::{i:x}]:5060")));
        assert_eq!(of_a_64.filter(|standing| *standing == Standing::Known).count(), 200);
        assert_eq!(standing("198.51.100.9:5060"), Standing::Stranger);
    }

    /// Five hundred telephones behind one address: what they send is within the least share, and so is all that they send
    /// at once when they come back from a power cut, but for some seconds.
    #[test]
    fn an_office_keeps_to_its_share() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let office = flow("198.51.100.7:5060");
        admission.succeeded(clock.now(), office.remote().ip());
        for message in 0..33 * 60 {
            if message % 33 == 0 {
                clock.advance(Duration::from_secs(1));
            }
            assert_eq!(admission.standing(clock.now(), office, Pressure::Extreme), Standing::Known);
        }
    }

    /// Sources that guess from everywhere fill the table and take no trust from those who have it.
    #[test]
    fn a_flood_of_sources_ends_no_trust() {
        let mut clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        let office = flow("198.51.100.7:5060");
        admission.succeeded(clock.now(), office.remote().ip());
        for i in 0..200_000_u32 {
            clock.advance(Duration::from_millis(1));
            admission.failed(clock.now(), std::net::Ipv4Addr::from(0x0a00_0000 + i).into());
        }
        for _ in 0..100 {
            assert_eq!(admission.failed(clock.now(), office.remote().ip()), None);
        }
    }

    #[test]
    fn an_ipv6_source_is_its_64() {
        let clock = Clock::new();
        let mut admission = Admission::new(clock.now(), 1);
        for i in 0..FAILURES {
            admission.failed(clock.now(), format!("2001:db8:0:1::{i:x}").parse().unwrap());
        }
        assert!(!admission.admits(clock.now(), flow("[2001:db8:0:1:ffff::1]:5060")));
        assert!(admission.admits(clock.now(), flow("[2001:db8:0:2::1]:5060")));
    }
}

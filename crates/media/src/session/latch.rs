//! Who may send to a plain leg, and where its packets go.
//!
//! | SDP address | expected | learnt from the first packets |
//! |---|---|---|
//! | as reachable as the signalling source, or more | the SDP's | the port |
//! | less reachable (private, loopback, none) | the signalling source: the far end is behind NAT | port, and address within its /24 or /64 |
//!
//! A far end with several private addresses may put another one in its SDP than the one it signals from: while the SDP's
//! is not global, packets from the signalling source count too. So they do when the far end signals over loopback: it
//! runs on this machine, and which of the machine's addresses its packets leave from is the system's choice.
//!
//! Packets from exactly the SDP's address and port settle the matter at once. Others are believed when payload type and
//! SSRC fit, for three seconds after each answer; then what was learnt is locked.
//!
//! When nothing came in that time, the first packet that does is taken and locked at once, so that a phone behind NAT
//! that starts late, as a muted one does, is heard and hears. For as long as that is open, only the very address that is
//! expected counts, and its neighbourhood does not. Whoever can send from that address, or forge it, wins before the
//! phone has sent anything; plain RTP has no more to tell them apart by.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The source lock of RTP or RTCP of a plain leg.
#[derive(Debug)]
pub(super) struct Latch {
    expected: Expected,
    /// The port in the SDP.
    port: Option<u16>,
    /// Until when what was learnt may still change.
    until: Instant,
    learnt: Option<Learnt>,
    /// Where a handshake was made.
    proved: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Learnt {
    remote: SocketAddr,
    /// That of its packets; the datagrams of a fax have none.
    ssrc: Option<u32>,
}

/// Whether a packet is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It comes from where the leg's packets come from.
    Known,
    /// It would be the first, or move the source: [`Latch::learn`] it once everything else fits too.
    New,
}

impl Latch {
    /// The lock of a leg of which only the signalling is known.
    pub(super) fn new(now: Instant, signalling: IpAddr) -> Self {
        let expected = Expected::new(signalling, None);
        Latch { expected, port: None, until: now, learnt: None, proved: None }
    }

    /// Starts to learn anew after an answer. What was learnt stays when the far end names the same address and port.
    pub(super) fn answer(&mut self, now: Instant, signalling: IpAddr, sdp: Option<SocketAddr>) {
        self.until = now + LEARNING;
        // Without an address (an old hold) nothing is named that could contradict what is known.
        let Some(sdp) = sdp else { return };
        let expected = Expected::new(signalling, Some(sdp.ip()));
        if (expected, Some(sdp.port())) != (self.expected, self.port) {
            (self.learnt, self.proved) = (None, None);
        }
        (self.expected, self.port) = (expected, Some(sdp.port()));
    }

    /// Checks the source of a packet; `None` when it does not speak for the leg. Changes nothing.
    #[inline]
    pub(super) fn check(&self, now: Instant, remote: SocketAddr, ssrc: Option<u32>) -> Option<Fit> {
        let Some(learnt) = self.learnt else {
            let is_early = now < self.until;
            let fits = self.expected.names(remote.ip()) || is_early && self.expected.covers(remote.ip());
            return fits.then_some(Fit::New);
        };
        if learnt.remote == remote {
            return Some(Fit::Known);
        }
        if now >= self.until || !self.expected.covers(remote.ip()) || self.is_exact(learnt.remote) {
            return None;
        }
        (ssrc.is_some() && learnt.ssrc == ssrc || self.is_exact(remote)).then_some(Fit::New)
    }

    /// Whether a handshake may come from here: where the leg's packets come from, or are expected from. Changes nothing.
    pub(super) fn may_shake_hands(&self, now: Instant, remote: SocketAddr) -> bool {
        match self.learnt {
            Some(learnt) => learnt.remote == remote,
            None => self.expected.names(remote.ip()) || now < self.until && self.expected.covers(remote.ip()),
        }
    }

    /// Sends to where the far end has proved to be, until a packet of its comes.
    pub(super) fn expect(&mut self, proved: SocketAddr) {
        self.proved = Some(proved);
    }

    /// Takes the source of a packet that [`check`](Self::check) found new.
    pub(super) fn learn(&mut self, remote: SocketAddr, ssrc: Option<u32>) {
        self.learnt = Some(Learnt { remote, ssrc });
    }

    /// Where packets go: where the far end's come from, or else where they are expected from.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        match self.learnt {
            Some(learnt) => Some(learnt.remote),
            None if self.proved.is_some() => self.proved,
            None => Some(SocketAddr::new(self.expected.address, self.port?)),
        }
    }

    /// The source that was learnt, and its SSRC.
    pub(super) fn learnt(&self) -> Option<(SocketAddr, Option<u32>)> {
        self.learnt.map(|learnt| (learnt.remote, learnt.ssrc))
    }

    /// Whether this is the very address and port of the SDP, and the SDP is right about them.
    fn is_exact(&self, remote: SocketAddr) -> bool {
        !self.expected.behind_nat && remote.ip() == self.expected.address && Some(remote.port()) == self.port
    }
}

/// The addresses that a leg's packets may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    address: IpAddr,
    /// The address is the signalling source's in place of the SDP's.
    behind_nat: bool,
    /// The signalling source, where it counts beside the SDP's address.
    also: Option<IpAddr>,
}

impl Expected {
    fn new(signalling: IpAddr, sdp: Option<IpAddr>) -> Self {
        let signalling = signalling.to_canonical();
        let sdp =
            sdp.map(|address| address.to_canonical()).filter(|address| Scope::of(*address) > Scope::None);
        match sdp {
            Some(address) if address == signalling => Expected { address, behind_nat: false, also: None },
            Some(address) if Scope::of(address) >= Scope::of(signalling) => {
                let is_ours = Scope::of(signalling) == Scope::Loopback;
                let also = (is_ours || Scope::of(address) < Scope::Global).then_some(signalling);
                Expected { address, behind_nat: false, also }
            }
            _ => Expected { address: signalling, behind_nat: true, also: None },
        }
    }

    /// Whether this is an address that is known of the far end.
    fn names(&self, address: IpAddr) -> bool {
        address == self.address || Some(address) == self.also
    }

    /// The same, or one that its NAT may have given it.
    fn covers(&self, address: IpAddr) -> bool {
        self.names(address) || self.behind_nat && is_neighbour(address, self.address)
    }
}

/// How far an address can be reached from, the farther the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Nobody sends from it: unspecified, multicast, broadcast.
    None,
    Loopback,
    Link,
    /// Private, shared (carrier-grade NAT) and unique local.
    Site,
    Global,
}

impl Scope {
    fn of(address: IpAddr) -> Scope {
        match address {
            address if address.is_unspecified() || address.is_multicast() => Scope::None,
            address if address.is_loopback() => Scope::Loopback,
            IpAddr::V4(address) if address.is_broadcast() => Scope::None,
            IpAddr::V4(address) if address.is_link_local() => Scope::Link,
            IpAddr::V4(address) => {
                let [first, second, ..] = address.octets();
                let shared = first == 100 && (64..128).contains(&second);
                if address.is_private() || shared { Scope::Site } else { Scope::Global }
            }
            IpAddr::V6(address) if address.is_unicast_link_local() => Scope::Link,
            IpAddr::V6(address) if address.is_unique_local() => Scope::Site,
            IpAddr::V6(_) => Scope::Global,
        }
    }
}

/// Whether two addresses are in one /24, or one /64: a NAT with several addresses gives them out of one block.
fn is_neighbour(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> 8 == b.to_bits() >> 8,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> 64 == b.to_bits() >> 64,
        _ => false,
    }
}

/// How long what was learnt may still change after an answer.
const LEARNING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A lock after an answer, and its time.
    fn answered(signalling: &str, sdp: &str) -> (Clock, Latch) {
        let clock = Clock::new();
        let mut latch = Latch::new(clock.now(), ip(signalling));
        latch.answer(clock.now(), ip(signalling), Some(at(sdp)));
        (clock, latch)
    }

    #[test]
    fn the_expected_address_is_the_sdps_where_it_can_be_right() {
        for (signalling, sdp, expected, behind_nat) in [
            ("198.51.100.7", "198.51.100.7", "198.51.100.7", false),
            ("198.51.100.7", "203.0.113.9", "203.0.113.9", false),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9", false),
            ("198.51.100.7", "192.168.1.5", "198.51.100.7", true),
            ("198.51.100.7", "100.64.0.5", "198.51.100.7", true),
            ("198.51.100.7", "0.0.0.0", "198.51.100.7", true),
            ("198.51.100.7", "224.0.0.1", "198.51.100.7", true),
            ("198.51.100.7", "255.255.255.255", "198.51.100.7", true),
            ("198.51.100.7", "127.0.0.1", "198.51.100.7", true),
            ("192.168.1.5", "127.0.0.1", "192.168.1.5", true),
            ("192.168.1.5", "10.0.0.1", "10.0.0.1", false),
            ("127.0.0.1", "192.168.1.5", "192.168.1.5", false),
            ("2001:db8::1", "fd00::5", "2001:db8::1", true),
            ("::ffff:198.51.100.7", "198.51.100.7", "198.51.100.7", false),
        ] {
            let found = Expected::new(ip(signalling), Some(ip(sdp)));
            assert_eq!((found.address, found.behind_nat), (ip(expected), behind_nat), "{signalling} {sdp}");
        }
    }

    #[test]
    fn the_sdps_own_address_and_port_settle_it_at_once() {
        let (clock, mut latch) = answered("198.51.100.7", "198.51.100.7:4000");
        assert_eq!(latch.target(), Some(at("198.51.100.7:4000")));
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:4000"), Some(1)), Some(Fit::New));
        latch.learn(at("198.51.100.7:4000"), Some(1));
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:4000"), Some(1)), Some(Fit::Known));
        assert_eq!(
            latch.check(clock.now(), at("198.51.100.7:4002"), Some(1)),
            None,
            "the same SSRC notwithstanding"
        );
    }

    #[test]
    fn another_port_is_learnt_and_gives_way_to_the_right_one_only_while_learning() {
        let (mut clock, mut latch) = answered("198.51.100.7", "198.51.100.7:4000");
        latch.learn(at("198.51.100.7:5000"), Some(1));
        assert_eq!(latch.target(), Some(at("198.51.100.7:5000")), "symmetric RTP, RFC 4961");
        assert_eq!(
            latch.check(clock.now(), at("198.51.100.7:6000"), Some(2)),
            None,
            "another SSRC does not fit"
        );
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:6000"), Some(1)), Some(Fit::New));
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:4000"), Some(2)), Some(Fit::New));
        clock.advance(LEARNING);
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:6000"), Some(1)), None);
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:4000"), Some(2)), None);
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:5000"), Some(9)), Some(Fit::Known));
    }

    #[test]
    fn behind_nat_the_neighbourhood_counts_and_without_nat_it_does_not() {
        let (clock, latch) = answered("198.51.100.7", "192.168.1.5:4000");
        assert_eq!(latch.target(), Some(at("198.51.100.7:4000")));
        assert_eq!(latch.check(clock.now(), at("198.51.100.9:7777"), Some(1)), Some(Fit::New));
        assert_eq!(latch.check(clock.now(), at("198.51.101.7:4000"), Some(1)), None);
        assert_eq!(latch.check(clock.now(), at("192.168.1.5:4000"), Some(1)), None);
        let (clock, latch) = answered("198.51.100.7", "203.0.113.9:4000");
        assert_eq!(latch.check(clock.now(), at("203.0.113.10:4000"), Some(1)), None);
        assert_eq!(
            latch.check(clock.now(), at("198.51.100.7:4000"), Some(1)),
            None,
            "a global SDP address is alone"
        );
        let (clock, latch) = answered("2001:db8::1", "[fd00::5]:4000");
        assert_eq!(latch.check(clock.now(), at("[2001:db8::ffff:1]:4000"), Some(1)), Some(Fit::New));
        assert_eq!(latch.check(clock.now(), at("[2001:db8:0:1::1]:4000"), Some(1)), None);
    }

    #[test]
    fn a_private_far_end_may_send_from_where_it_signals() {
        let (clock, latch) = answered("127.0.0.1", "192.168.1.5:4000");
        assert_eq!(latch.check(clock.now(), at("127.0.0.1:4000"), Some(1)), Some(Fit::New));
        assert_eq!(latch.check(clock.now(), at("192.168.1.5:4000"), Some(1)), Some(Fit::New));
        assert_eq!(latch.check(clock.now(), at("192.168.1.6:4000"), Some(1)), None);
    }

    #[test]
    fn a_late_first_packet_is_heard_from_the_very_address_only_and_locked_at_once() {
        let (mut clock, mut latch) = answered("198.51.100.7", "192.168.1.5:4000");
        clock.advance(LEARNING - Duration::from_millis(1));
        assert_eq!(latch.check(clock.now(), at("198.51.100.9:7777"), Some(1)), Some(Fit::New));
        clock.advance(Duration::from_millis(1));
        assert_eq!(latch.check(clock.now(), at("198.51.100.9:7777"), Some(1)), None, "a neighbour");
        clock.advance(Duration::from_secs(60));
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:7777"), Some(1)), Some(Fit::New));
        latch.learn(at("198.51.100.7:7777"), Some(1));
        assert_eq!(latch.target(), Some(at("198.51.100.7:7777")));
        assert_eq!(
            latch.check(clock.now(), at("198.51.100.7:7778"), Some(1)),
            None,
            "the same SSRC notwithstanding"
        );
        // The next answer opens it anew.
        latch.answer(clock.now(), ip("198.51.100.7"), Some(at("192.168.1.5:4000")));
        assert_eq!(latch.check(clock.now(), at("198.51.100.9:7778"), Some(1)), Some(Fit::New));
    }

    #[test]
    fn an_answer_that_names_another_address_starts_over_and_an_equal_one_does_not() {
        let (mut clock, mut latch) = answered("198.51.100.7", "198.51.100.7:4000");
        latch.learn(at("198.51.100.7:5000"), Some(1));
        clock.advance(Duration::from_secs(60));
        latch.answer(clock.now(), ip("198.51.100.7"), Some(at("198.51.100.7:4000")));
        assert_eq!(latch.target(), Some(at("198.51.100.7:5000")));
        assert_eq!(
            latch.check(clock.now(), at("198.51.100.7:5002"), Some(1)),
            Some(Fit::New),
            "NAT rebinding"
        );
        latch.answer(clock.now(), ip("198.51.100.7"), None);
        assert_eq!(latch.target(), Some(at("198.51.100.7:5000")), "an old hold names nothing");
        latch.answer(clock.now(), ip("198.51.100.7"), Some(at("198.51.100.7:9000")));
        assert_eq!(latch.target(), Some(at("198.51.100.7:9000")));
        assert_eq!(latch.check(clock.now(), at("198.51.100.7:9100"), Some(3)), Some(Fit::New));
    }
}

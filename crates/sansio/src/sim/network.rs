//! A network that loses, delays, doubles and reorders packets, and has NAT boxes in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::nat_box::{Blocked, NatBox};
use super::rng::Rng;

/// How packets fare on the way from one address to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// How long every packet takes at least.
    pub delay: Duration,
    /// How much longer a packet may take; more than the gap between two packets reorders them.
    pub jitter: Duration,
    /// How many of a hundred packets never arrive.
    pub loss: u8,
    /// How many of a hundred packets arrive twice.
    pub duplication: u8,
    /// How many of a hundred packets are held back for `held_back`, so that later ones overtake them.
    pub reordering: u8,
    /// How long a reordered packet is held back.
    pub held_back: Duration,
    /// Whether nothing overtakes and nothing is lost or doubled, as on a TCP connection.
    pub in_order: bool,
}

impl Link {
    /// Every packet arrives once, in order, after `delay`.
    pub const fn perfect(delay: Duration) -> Self {
        Link {
            delay,
            jitter: Duration::ZERO,
            loss: 0,
            duplication: 0,
            reordering: 0,
            held_back: Duration::ZERO,
            in_order: false,
        }
    }

    /// Of a hundred packets `loss` are lost, the others take `delay`.
    pub const fn lossy(delay: Duration, loss: u8) -> Self {
        Link { loss, ..Self::perfect(delay) }
    }

    /// A byte stream's messages: jitter delays them but none overtakes another.
    pub const fn stream(delay: Duration, jitter: Duration) -> Self {
        Link { jitter, in_order: true, ..Self::perfect(delay) }
    }
}

/// A packet that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The source the receiver sees: behind a NAT box, the public address.
    pub from: SocketAddr,
    /// The receiver's own address.
    pub to: SocketAddr,
    /// What it carries.
    pub payload: Bytes,
}

/// What the network did with a packet at the moment it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It will arrive, so long after it was sent, unless a NAT box on the way blocks it.
    OnItsWay(Duration),
    /// It will arrive twice; the times of both.
    Twice(Duration, Duration),
    /// It is lost.
    Lost,
}

/// Packets by the world's end: sent, delivered, lost and blocked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Handed to the network.
    pub sent: u64,
    /// Handed out again, copies included.
    pub delivered: u64,
    /// Lost by a link.
    pub lost: u64,
    /// Copies that a link made.
    pub doubled: u64,
    /// Blocked by a NAT box for want of a mapping.
    pub no_mapping: u64,
    /// Blocked by the filter of a NAT box.
    pub filtered: u64,
}

/// A simulated network, driven like every machine: `send`, `poll_timeout`, `receive`.
///
/// Any address can send to any other. A pair of addresses without a [`Link`] of its own uses the default one.
/// Same seed and same calls, same fates.
#[derive(Debug, Clone)]
pub struct Network {
    rng: Rng,
    default_link: Link,
    links: BTreeMap<(SocketAddr, SocketAddr), Link>,
    cut: BTreeSet<SocketAddr>,
    boxes: Vec<NatBox>,
    behind: BTreeMap<IpAddr, usize>,
    /// By arrival time, then by the order of sending.
    in_flight: BTreeMap<(Instant, u64), Datagram>,
    last_arrival: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    next: u64,
    traffic: Traffic,
}

/// A NAT box of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatId(usize);

impl Network {
    /// A network in which every pair of addresses is joined by `link`.
    pub fn new(seed: u64, link: Link) -> Self {
        Network {
            rng: Rng::new(seed),
            default_link: link,
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            boxes: Vec::new(),
            behind: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            next: 0,
            traffic: Traffic::default(),
        }
    }

    /// Sets the link from one address to another; the way back is another link.
    pub fn set_link(&mut self, from: SocketAddr, to: SocketAddr, link: Link) {
        self.links.insert((from, to), link);
    }

    /// Sets the link of both directions.
    pub fn set_links(&mut self, one: SocketAddr, other: SocketAddr, link: Link) {
        self.set_link(one, other, link);
        self.set_link(other, one, link);
    }

    /// Pulls the plug of an address: what it sends, what is sent to it, and what arrives for it, is lost.
    pub fn cut(&mut self, address: SocketAddr) {
        self.cut.insert(address);
    }

    /// Puts the plug back in.
    pub fn mend(&mut self, address: SocketAddr) {
        self.cut.remove(&address);
    }

    /// Adds a NAT box with these hosts behind it.
    pub fn add_nat(&mut self, nat: NatBox, inside: impl IntoIterator<Item = IpAddr>) -> NatId {
        let id = self.boxes.len();
        self.boxes.push(nat);
        self.behind.extend(inside.into_iter().map(|host| (host, id)));
        NatId(id)
    }

    /// A NAT box, to restart it or to ask it.
    ///
    /// # Panics
    /// When the id is another network's.
    pub fn nat(&mut self, id: NatId) -> &mut NatBox {
        &mut self.boxes[id.0]
    }

    /// Sends a packet; says what becomes of it.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, payload: Bytes) -> Fate {
        self.traffic.sent += 1;
        let link = self.links.get(&(from, to)).copied().unwrap_or(self.default_link);
        // All numbers are drawn for every packet, so that one link's settings do not shift the fate of later
        // packets.
        let lost = self.rng.chance(link.loss);
        let doubled = self.rng.chance(link.duplication);
        let reordered = self.rng.chance(link.reordering);
        let jitters = [self.rng.duration(link.jitter), self.rng.duration(link.jitter)];
        let source = match self.outer_box(from, to.ip()) {
            Some(nat) => nat.outbound(now, from, to),
            None => from,
        };
        if self.cut.contains(&from) || self.cut.contains(&to) || (lost && !link.in_order) {
            self.traffic.lost += 1;
            return Fate::Lost;
        }
        let held = if reordered && !link.in_order { link.held_back } else { Duration::ZERO };
        let mut arrival = now + link.delay + jitters[0] + held;
        if link.in_order {
            let last = self.last_arrival.entry((from, to)).or_insert(arrival);
            arrival = arrival.max(*last);
            *last = arrival;
        }
        let datagram = Datagram { from: source, to, payload };
        self.schedule(arrival, datagram.clone());
        let first = arrival - now;
        if !doubled || link.in_order {
            return Fate::OnItsWay(first);
        }
        self.traffic.doubled += 1;
        let second = link.delay + jitters[1];
        self.schedule(now + second, datagram);
        Fate::Twice(first, second)
    }

    /// When the next packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|&(at, _)| at)
    }

    /// The next packet that has arrived by `now`; NAT boxes are passed at this moment.
    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > now {
                return None;
            }
            let mut datagram = entry.remove();
            if let Some(nat) = self.boxes.iter_mut().find(|nat| nat.public() == datagram.to.ip()) {
                match nat.inbound(now, datagram.from, datagram.to.port()) {
                    Ok(inside) => datagram.to = inside,
                    Err(Blocked::NoMapping) => {
                        self.traffic.no_mapping += 1;
                        continue;
                    }
                    Err(Blocked::Filtered) => {
                        self.traffic.filtered += 1;
                        continue;
                    }
                }
            }
            if self.cut.contains(&datagram.to) {
                self.traffic.lost += 1;
                continue;
            }
            self.traffic.delivered += 1;
            return Some(datagram);
        }
        None
    }

    /// What has been sent, delivered, lost and blocked.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The box that a packet from `from` leaves through; none between two hosts behind the same one.
    fn outer_box(&mut self, from: SocketAddr, to: IpAddr) -> Option<&mut NatBox> {
        let id = *self.behind.get(&from.ip())?;
        if self.behind.get(&to) == Some(&id) {
            return None;
        }
        self.boxes.get_mut(id)
    }

    fn schedule(&mut self, at: Instant, datagram: Datagram) {
        self.in_flight.insert((at, self.next), datagram);
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Clock;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Sends `count` numbered packets a millisecond apart and returns the numbers in the order they arrive.
    fn arrivals(seed: u64, link: Link, count: u8) -> (Vec<u8>, Traffic) {
        let mut clock = Clock::new();
        let mut network = Network::new(seed, link);
        for number in 0..count {
            let payload = Bytes::copy_from_slice(&[number]);
            network.send(clock.now(), address("192.0.2.1:1"), address("192.0.2.2:2"), payload);
            clock.advance(Duration::from_millis(1));
        }
        let mut order = Vec::new();
        while let Some(at) = network.poll_timeout() {
            clock.advance_to(at);
            order.extend(network.receive(clock.now()).map(|datagram| datagram.payload[0]));
        }
        (order, network.traffic())
    }

    #[test]
    fn a_perfect_link_delivers_once_in_order_after_its_delay() {
        let mut clock = Clock::new();
        let mut network = Network::new(1, Link::perfect(Duration::from_millis(20)));
        let (from, to) = (address("192.0.2.1:1"), address("192.0.2.2:2"));
        let fate = network.send(clock.now(), from, to, Bytes::from_static(b"hello"));
        assert_eq!(fate, Fate::OnItsWay(Duration::from_millis(20)));
        assert_eq!(network.receive(clock.advance(Duration::from_millis(19))), None);
        let arrived = network.receive(clock.advance(Duration::from_millis(1)));
        assert_eq!(arrived, Some(Datagram { from, to, payload: Bytes::from_static(b"hello") }));
        assert_eq!(network.poll_timeout(), None);
        assert_eq!(arrivals(7, Link::perfect(Duration::ZERO), 50).0, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn loss_doubling_and_reordering_happen_and_repeat_with_the_seed() {
        let link = Link {
            loss: 20,
            duplication: 20,
            reordering: 20,
            held_back: Duration::from_millis(30),
            ..Link::perfect(Duration::from_millis(5))
        };
        let (order, traffic) = arrivals(3, link, 200);
        assert!((25..=55).contains(&traffic.lost), "{traffic:?}");
        assert!((15..=50).contains(&traffic.doubled), "{traffic:?}");
        assert_eq!(traffic.delivered, traffic.sent - traffic.lost + traffic.doubled);
        assert!(!order.is_sorted(), "nothing was reordered");
        assert_eq!(arrivals(3, link, 200).0, order, "the same seed makes the same world");
        assert_ne!(arrivals(4, link, 200).0, order, "another seed makes another");
    }

    #[test]
    fn a_stream_is_late_but_never_lossy_or_out_of_order() {
        let link = Link {
            loss: 50,
            duplication: 50,
            ..Link::stream(Duration::from_millis(1), Duration::from_millis(40))
        };
        let (order, traffic) = arrivals(3, link, 200);
        assert_eq!(order, (0..200).collect::<Vec<_>>());
        assert_eq!((traffic.lost, traffic.doubled), (0, 0));
    }

    #[test]
    fn a_cut_address_neither_sends_nor_hears() {
        let now = Clock::new().now();
        let mut network = Network::new(1, Link::perfect(Duration::ZERO));
        let (here, there) = (address("192.0.2.1:1"), address("192.0.2.2:2"));
        network.cut(there);
        assert_eq!(network.send(now, there, here, Bytes::new()), Fate::Lost);
        assert_eq!(network.send(now, here, there, Bytes::new()), Fate::Lost);
        network.mend(there);
        network.send(now, here, there, Bytes::new());
        network.cut(there);
        assert_eq!(network.receive(now), None, "cut while it was on its way");
        network.mend(there);
        network.send(now, here, there, Bytes::new());
        assert!(network.receive(now).is_some());
        assert_eq!(network.traffic().lost, 3);
    }

    #[test]
    fn a_host_behind_a_nat_box_is_seen_and_reached_by_its_public_port() {
        let now = Clock::new().now();
        let mut network = Network::new(1, Link::perfect(Duration::ZERO));
        let (phone, server, stranger) =
            (address("10.0.0.5:5060"), address("192.0.2.1:5060"), address("192.0.2.66:5060"));
        let id = network.add_nat(NatBox::home("203.0.113.1".parse().unwrap()), [phone.ip()]);
        network.send(now, phone, server, Bytes::from_static(b"REGISTER"));
        let seen = network.receive(now).unwrap().from;
        assert_eq!(seen.ip(), network.nat(id).public());
        network.send(now, server, seen, Bytes::from_static(b"200"));
        assert_eq!(network.receive(now).unwrap().to, phone);
        network.send(now, stranger, seen, Bytes::from_static(b"scan"));
        assert_eq!(network.receive(now), None);
        network.send(now, server, SocketAddr::new(seen.ip(), 9), Bytes::new());
        assert_eq!(network.receive(now), None);
        assert_eq!((network.traffic().filtered, network.traffic().no_mapping), (1, 1));
    }

    #[test]
    fn two_phones_behind_one_box_reach_each_other_inside_and_by_hairpin() {
        let now = Clock::new().now();
        let mut network = Network::new(1, Link::perfect(Duration::ZERO));
        let (one, two, server) =
            (address("10.0.0.5:5060"), address("10.0.0.6:5060"), address("192.0.2.1:5060"));
        let public = "203.0.113.1".parse().unwrap();
        let open = super::super::Dependence::EndpointIndependent;
        network.add_nat(NatBox::new(public, open, open, Duration::from_secs(30)), [one.ip(), two.ip()]);
        network.send(now, one, two, Bytes::new());
        assert_eq!(network.receive(now).unwrap().from, one, "inside, nothing is translated");
        network.send(now, two, server, Bytes::new());
        let outside_of_two = network.receive(now).unwrap().from;
        network.send(now, one, outside_of_two, Bytes::new());
        let hairpin = network.receive(now).unwrap();
        assert_eq!((hairpin.from.ip(), hairpin.to), (public, two));
    }
}

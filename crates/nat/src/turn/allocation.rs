//! One allocation: its relayed transport addresses, its permissions and its channels.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use stun_types::message::TransactionId;

use super::budget::Bucket;
use super::channel_data::ChannelNumber;
use super::credentials::{PasswordAlgorithm, UserName};
use super::mobility::Mobility;
use super::quotas::Place;
use super::reply::Reply;
use crate::stun::Key;

/// What a client has, by its 5-tuple ([RFC 8656 §6]).
///
/// Permissions and channels that have expired are not seen; they go when something new needs their place.
///
/// [RFC 8656 §6]: https://www.rfc-editor.org/rfc/rfc8656#section-6
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) owner: Owner,
    /// The Allocate request that made it, so that the same one is answered alike when it comes again.
    pub(super) transaction: TransactionId,
    /// What answers it, until its sockets are open.
    pub(super) asked: Option<Reply>,
    /// The lifetime that it was told.
    pub(super) granted: Duration,
    pub(super) relays: SmallVec<[Relay; 2]>,
    /// The family that was asked for and is not there, and the error code that says why.
    pub(super) missing: Option<(Family, u16)>,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    pub(super) bucket: Bucket,
    /// Of one that follows its client.
    pub(super) mobility: Option<Box<Mobility>>,
    /// In the quotas, for as long as the allocation is.
    pub(super) place: Place,
}

/// Whose allocation it is.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) account: Box<[u8]>,
    pub(super) name: OwnerName,
    pub(super) algorithm: PasswordAlgorithm,
    pub(super) key: Key,
}

/// How the owner names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnerName {
    Name(Box<[u8]>),
    Hash(Box<[u8]>),
}

impl OwnerName {
    pub(super) fn is(&self, name: UserName<'_>) -> bool {
        match (self, name) {
            (OwnerName::Name(ours), UserName::Name(theirs)) => **ours == *theirs,
            (OwnerName::Hash(ours), UserName::Hash(theirs)) => **ours == *theirs,
            _ => false,
        }
    }
}

impl From<UserName<'_>> for OwnerName {
    fn from(name: UserName<'_>) -> Self {
        match name {
            UserName::Name(name) => OwnerName::Name(name.into()),
            UserName::Hash(hash) => OwnerName::Hash(hash.into()),
        }
    }
}

/// The number of a relay socket; one is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayKey(pub u64);

/// An address family ([RFC 8656 §18.6]).
///
/// [RFC 8656 §18.6]: https://www.rfc-editor.org/rfc/rfc8656#section-18.6
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        }
    }
}

/// A relayed transport address, or the socket that it is to be the address of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relay {
    pub(super) key: RelayKey,
    pub(super) family: Family,
    /// `None` while the socket is being opened.
    pub(super) address: Option<SocketAddr>,
    pub(super) expires: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    address: IpAddr,
    expires: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    number: ChannelNumber,
    peer: SocketAddr,
    expires: Instant,
}

impl Allocation {
    pub(super) fn new(owner: Owner, place: Place, asked: Reply, granted: Duration) -> Self {
        Allocation {
            owner,
            transaction: asked.transaction(),
            asked: Some(asked),
            granted,
            relays: SmallVec::new(),
            missing: None,
            permissions: Vec::new(),
            channels: Vec::new(),
            bucket: Bucket::default(),
            mobility: None,
            place,
        }
    }

    /// Whether a socket of it is still being opened: there is no allocation for its client yet.
    pub(super) fn is_opening(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether it follows its client.
    pub(super) fn is_mobile(&self) -> bool {
        self.mobility.is_some()
    }

    /// The first time at which something of it expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.relays.iter().map(|relay| relay.expires).min()
    }

    /// The open socket for peers of a family.
    pub(super) fn relay(&self, family: Family) -> Option<(RelayKey, SocketAddr)> {
        let relay = self.relays.iter().find(|relay| relay.family == family)?;
        Some((relay.key, relay.address?))
    }

    pub(super) fn is_permitted(&self, now: Instant, address: IpAddr) -> bool {
        self.permissions.iter().any(|held| held.address == address && held.expires > now)
    }

    /// Installs permissions or refreshes them, all or none; `most` is how many there may be.
    pub(super) fn permit(&mut self, now: Instant, peers: &[IpAddr], most: usize) -> Result<(), Full> {
        self.permissions.retain(|held| held.expires > now);
        let mut fresh: SmallVec<[IpAddr; 8]> = SmallVec::new();
        for &peer in peers {
            if !self.is_permitted(now, peer) && !fresh.contains(&peer) {
                fresh.push(peer);
            }
        }
        if self.permissions.len() + fresh.len() > most {
            return Err(Full);
        }
        let expires = now + PERMISSION_LIFETIME;
        for held in &mut self.permissions {
            if peers.contains(&held.address) {
                held.expires = expires;
            }
        }
        self.permissions.extend(fresh.into_iter().map(|address| Permission { address, expires }));
        Ok(())
    }

    /// The peer that a channel is bound to.
    pub(super) fn peer_of(&self, now: Instant, number: ChannelNumber) -> Option<SocketAddr> {
        self.bound(now).find(|channel| channel.number == number).map(|channel| channel.peer)
    }

    /// The channel that is bound to a peer.
    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<ChannelNumber> {
        self.bound(now).find(|channel| channel.peer == peer).map(|channel| channel.number)
    }

    fn bound(&self, now: Instant) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(move |channel| channel.expires > now)
    }

    /// Whether the channel is bound or there may be one more.
    pub(super) fn has_room(&self, now: Instant, number: ChannelNumber, most: usize) -> bool {
        self.peer_of(now, number).is_some() || self.bound(now).count() < most
    }

    /// Binds a channel or refreshes it. That it is bound to no other peer, and the peer to no other channel, was seen to.
    pub(super) fn bind(&mut self, now: Instant, number: ChannelNumber, peer: SocketAddr) {
        self.channels.retain(|channel| channel.expires > now && channel.number != number);
        self.channels.push(Channel { number, peer, expires: now + CHANNEL_LIFETIME });
    }

    /// Forgets the permissions and channels of a family whose relayed transport address has gone.
    pub(super) fn forget(&mut self, family: Family) {
        self.permissions.retain(|held| Family::of(held.address) != family);
        self.channels.retain(|channel| Family::of(channel.peer.ip()) != family);
    }
}

/// There are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// [RFC 8656 §9](https://www.rfc-editor.org/rfc/rfc8656#section-9)
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// [RFC 8656 §12](https://www.rfc-editor.org/rfc/rfc8656#section-12)
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::super::ALLOCATE;
    use super::super::quotas::Quotas;
    use super::*;
    use crate::stun::{Message, MessageClass, Writer};

    fn allocation() -> Allocation {
        let owner = Owner {
            account: b"alice".as_slice().into(),
            name: UserName::Name(b"alice").into(),
            algorithm: PasswordAlgorithm::Md5,
            key: Key::long_term(&[1; 16]),
        };
        let mut request = [0; 64];
        let length = Writer::new(MessageClass::Request, ALLOCATE, 1.into(), &mut request).finish().unwrap();
        let asked = Reply::to(&Message::parse(&request[..length]).unwrap());
        let place = Quotas::default().take(Clock::new().now(), &owner.account, None).unwrap();
        Allocation::new(owner, place, asked, Duration::from_secs(600))
    }

    #[test]
    fn permissions_come_all_or_none_and_go_after_their_time() {
        let (mut allocation, now) = (allocation(), Clock::new().now());
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(allocation.permit(now, &[a, b, a], 2), Ok(()), "one of them is named twice");
        assert_eq!(allocation.permit(now, &[a, c], 2), Err(Full));
        assert!(!allocation.is_permitted(now, c));
        let later = now + PERMISSION_LIFETIME / 2;
        assert_eq!(allocation.permit(later, &[b], 2), Ok(()), "a refresh needs no place");
        let end = now + PERMISSION_LIFETIME;
        assert!(!allocation.is_permitted(end, a) && allocation.is_permitted(end, b));
        assert_eq!(allocation.permit(end, &[c], 2), Ok(()), "the place of the first is free");
    }

    #[test]
    fn channels_are_known_by_number_and_by_peer_until_their_time() {
        let (mut allocation, now) = (allocation(), Clock::new().now());
        let number = ChannelNumber::new(0x4001).unwrap();
        let peer = "192.0.2.1:9".parse().unwrap();
        let other = ChannelNumber::new(0x4002).unwrap();
        allocation.bind(now, number, peer);
        assert_eq!(
            (allocation.peer_of(now, number), allocation.channel_of(now, peer)),
            (Some(peer), Some(number))
        );
        assert!(allocation.has_room(now, number, 1) && !allocation.has_room(now, other, 1));
        let later = now + CHANNEL_LIFETIME / 2;
        allocation.bind(later, number, peer);
        assert_eq!(allocation.peer_of(now + CHANNEL_LIFETIME, number), Some(peer));
        let end = later + CHANNEL_LIFETIME;
        assert_eq!((allocation.peer_of(end, number), allocation.channel_of(end, peer)), (None, None));
        assert!(allocation.has_room(end, other, 1));
    }
}

//! What authenticated requests ask for: Allocate, Refresh, CreatePermission, ChannelBind.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringback_sansio::{Flow, canonical};
use smallvec::SmallVec;
use stun_types::attribute::ErrorCode;

use super::ALLOCATE;
use super::allocation::{Allocation, Family, Owner, Relay, RelayKey};
use super::channel_data::ChannelNumber;
use super::credentials::Users;
use super::drops::Reason;
use super::quotas::Exhausted;
use super::reply::Reply;
use super::server::{Command, Port, Server};
use crate::stun::Message;
use crate::stun::attribute::{
    ADDITIONAL_ADDRESS_FAMILY, CHANNEL_NUMBER, EVEN_PORT, LIFETIME, MOBILITY_TICKET,
    REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, XOR_PEER_ADDRESS,
};

/// An error code.
pub(super) type Code = u16;

/// Why an Allocate request has made nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAllocated {
    Refused(Code),
    Dropped(Reason),
}

impl From<Code> for NotAllocated {
    fn from(code: Code) -> Self {
        NotAllocated::Refused(code)
    }
}

/// A request that has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) now: Instant,
    /// The same in seconds since 1970.
    pub(super) unix_time: u64,
    pub(super) flow: Flow,
    pub(super) message: &'a Message<'a>,
}

/// A request of somebody who is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: Request<'a>,
    /// Who asks.
    pub(super) asker: &'a Owner,
    /// What answers it.
    pub(super) reply: &'a Reply,
}

impl<U: Users> Server<U> {
    /// [RFC 8656 §7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2). The answer is given when the sockets are open.
    pub(super) fn allocate(&mut self, asked: &Asked<'_>) -> Result<(), NotAllocated> {
        let Asked { request: Request { now, flow, message, .. }, asker, reply } = *asked;
        if let Some(allocation) = self.allocations.get(&flow) {
            let is_again = allocation.transaction == message.transaction();
            if !is_again || allocation.owner.account != asker.account {
                return Err(ALLOCATION_MISMATCH.into());
            }
            if allocation.is_opening() {
                return Err(NotAllocated::Dropped(Reason::Opening));
            }
            self.tell_allocated(flow, reply);
            return Ok(());
        }
        if self.sends_away(&flow) {
            return Err(TRY_ALTERNATE.into());
        }
        let wanted = self.wanted(message)?;
        let is_mobile = match message.attribute(MOBILITY_TICKET) {
            None => false,
            Some([]) => true,
            Some(_) => return Err(ErrorCode::BAD_REQUEST.into()),
        };
        let granted = self.granted(lifetime(message)?);
        let bandwidth = self.authenticator.users().bandwidth(&asker.account);
        let place =
            self.quotas.take(now, &asker.account, bandwidth).map_err(|exhausted| match exhausted {
                Exhausted::OfAccount => ALLOCATION_QUOTA_REACHED,
                Exhausted::OfAll => self.no_capacity(&flow),
            })?;
        let mut allocation = Allocation::new(asker.clone(), place, reply.clone(), granted);
        allocation.missing = wanted.missing;
        let expires = now + OPENING;
        for family in wanted.families {
            let key = RelayKey(self.next_relay);
            self.next_relay += 1;
            allocation.relays.push(Relay { key, family, address: None, expires });
            self.flows_by_relay.insert(key, flow);
            self.commands.push_back(Command::Open(key, family, wanted.port));
        }
        allocation.mobility = is_mobile.then(|| self.tickets.begin(flow));
        self.allocations.insert(flow, allocation);
        self.deadlines.set(flow, expires);
        Ok(())
    }

    /// What an Allocate request wants, in the order in which the RFC has it checked.
    fn wanted(&self, request: &Message<'_>) -> Result<Wanted, Code> {
        match request.attribute(REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(UNSUPPORTED_TRANSPORT),
            _ => return Err(ErrorCode::BAD_REQUEST),
        }
        let requested = request.attribute(REQUESTED_ADDRESS_FAMILY);
        let additional = request.attribute(ADDITIONAL_ADDRESS_FAMILY);
        let even_port = request.attribute(EVEN_PORT);
        if request.attribute(RESERVATION_TOKEN).is_some() {
            // We have reserved nothing.
            let is_alone = requested.is_none() && additional.is_none() && even_port.is_none();
            return Err(if is_alone { INSUFFICIENT_CAPACITY } else { ErrorCode::BAD_REQUEST });
        }
        if requested.is_some() && additional.is_some() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let families: SmallVec<[Family; 2]> = match (requested, additional) {
            (Some(value), _) => SmallVec::from_slice(&[family(value)?]),
            (None, Some(value)) if family(value)? == Family::Ipv6 => {
                SmallVec::from_slice(&[Family::Ipv4, Family::Ipv6])
            }
            (None, Some(_)) => return Err(ErrorCode::BAD_REQUEST),
            (None, None) => SmallVec::from_slice(&[Family::Ipv4]),
        };
        let port = match even_port {
            None => Port::Any,
            Some([bits]) if bits & 0x80 == 0 => Port::Even,
            Some([_]) if additional.is_none() => return Err(INSUFFICIENT_CAPACITY),
            Some(_) => return Err(ErrorCode::BAD_REQUEST),
        };
        let (supported, unsupported): (SmallVec<[Family; 2]>, SmallVec<[Family; 2]>) =
            families.into_iter().partition(|family| self.families.contains(family));
        if supported.is_empty() {
            return Err(ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let missing = unsupported.first().map(|&family| (family, ADDRESS_FAMILY_NOT_SUPPORTED));
        Ok(Wanted { families: supported, missing, port })
    }

    /// [RFC 8656 §8.2](https://www.rfc-editor.org/rfc/rfc8656#section-8.2). Gives the lifetime, which the answer tells.
    ///
    /// Newer credentials of the same account are the allocation's from here on: it is they that keep it when both are over.
    pub(super) fn refresh(&mut self, asked: &Asked<'_>) -> Result<Option<Duration>, Code> {
        let Asked { request: Request { now, flow, message, .. }, asker, .. } = *asked;
        let from = self.followed(asked)?;
        let allocation = self.held(&from, asker)?;
        let requested = message.attribute(REQUESTED_ADDRESS_FAMILY).map(family).transpose();
        // A family that nobody knows is none that the allocation has.
        let requested = requested.map_err(|code| match code {
            ADDRESS_FAMILY_NOT_SUPPORTED => PEER_ADDRESS_FAMILY_MISMATCH,
            code => code,
        })?;
        let concerned: SmallVec<[RelayKey; 2]> = allocation
            .relays
            .iter()
            .filter(|relay| requested.is_none_or(|family| relay.family == family))
            .map(|relay| relay.key)
            .collect();
        if concerned.is_empty() {
            return Err(PEER_ADDRESS_FAMILY_MISMATCH);
        }
        let wanted = lifetime(message)?;
        let lifetime = if wanted.is_zero() { wanted } else { self.granted(wanted) };
        // What is refused moves nothing.
        self.follow(from, &asked.request);
        if lifetime.is_zero() {
            for relay in concerned {
                self.close_relay(&flow, relay);
            }
        } else if let Some(allocation) = self.allocations.get_mut(&flow) {
            let refreshed = allocation.relays.iter_mut().filter(|relay| concerned.contains(&relay.key));
            refreshed.for_each(|relay| relay.expires = now + lifetime);
            allocation.owner = asker.clone();
        }
        self.settle(&flow);
        Ok(Some(lifetime))
    }

    /// [RFC 8656 §10.2](https://www.rfc-editor.org/rfc/rfc8656#section-10.2): all permissions or none.
    pub(super) fn create_permission(&mut self, asked: &Asked<'_>) -> Result<Option<Duration>, Code> {
        let Asked { request: Request { now, flow, message, .. }, asker, .. } = *asked;
        let (allocation, most) = (self.held(&flow, asker)?, self.limits.permissions);
        // Before anything is compared with anything: a message has room for thousands.
        if message.attributes(XOR_PEER_ADDRESS).nth(most).is_some() {
            return Err(INSUFFICIENT_CAPACITY);
        }
        let mut peers: SmallVec<[IpAddr; 8]> = SmallVec::new();
        for value in message.attributes(XOR_PEER_ADDRESS) {
            let peer = peer(message, value)?;
            if allocation.relay(Family::of(peer.ip())).is_none() {
                return Err(PEER_ADDRESS_FAMILY_MISMATCH);
            }
            if !self.may_be_peer(peer.ip()) {
                return Err(FORBIDDEN);
            }
            peers.push(peer.ip());
        }
        if peers.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let allocation = self.allocations.get_mut(&flow).ok_or(ALLOCATION_MISMATCH)?;
        allocation.permit(now, &peers, most).map_err(|_| INSUFFICIENT_CAPACITY)?;
        Ok(None)
    }

    /// [RFC 8656 §12.2](https://www.rfc-editor.org/rfc/rfc8656#section-12.2): a channel, and the permission for its peer.
    pub(super) fn channel_bind(&mut self, asked: &Asked<'_>) -> Result<Option<Duration>, Code> {
        let Asked { request: Request { now, flow, message, .. }, asker, .. } = *asked;
        let allocation = self.held(&flow, asker)?;
        let number = match message.attribute(CHANNEL_NUMBER) {
            Some(&[n1, n2, _, _]) => ChannelNumber::new(u16::from_be_bytes([n1, n2])),
            _ => None,
        };
        let number = number.ok_or(ErrorCode::BAD_REQUEST)?;
        let peer = peer(message, message.attribute(XOR_PEER_ADDRESS).ok_or(ErrorCode::BAD_REQUEST)?)?;
        let is_of_another = allocation.peer_of(now, number).is_some_and(|bound| bound != peer)
            || allocation.channel_of(now, peer).is_some_and(|bound| bound != number);
        if is_of_another {
            return Err(ErrorCode::BAD_REQUEST);
        }
        if allocation.relay(Family::of(peer.ip())).is_none() {
            return Err(PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if self.route(peer).is_none() {
            return Err(FORBIDDEN);
        }
        let (permissions, channels) = (self.limits.permissions, self.limits.channels);
        let allocation = self.allocations.get_mut(&flow).ok_or(ALLOCATION_MISMATCH)?;
        if !allocation.has_room(now, number, channels) {
            return Err(INSUFFICIENT_CAPACITY);
        }
        allocation.permit(now, &[peer.ip()], permissions).map_err(|_| INSUFFICIENT_CAPACITY)?;
        allocation.bind(now, number, peer);
        Ok(None)
    }

    /// The code for a request without credentials. What would be refused with them as well is refused at once: that is
    /// shorter than a challenge, and it may go to whoever did not send it.
    pub(super) fn without_credentials(&self, request: &Request<'_>) -> Code {
        match request.message.method() {
            ALLOCATE if request.message.attribute(REQUESTED_TRANSPORT).is_none() => ErrorCode::BAD_REQUEST,
            ALLOCATE => ErrorCode::UNAUTHORIZED,
            _ if self.allocations.contains_key(&request.flow) => ErrorCode::UNAUTHORIZED,
            _ if self.shown(request).is_some() => ErrorCode::UNAUTHORIZED,
            _ => ALLOCATION_MISMATCH,
        }
    }

    /// The code for a client for whom there is no room here.
    pub(super) fn no_capacity(&self, flow: &Flow) -> Code {
        if self.alternate(flow).is_some() { TRY_ALTERNATE } else { INSUFFICIENT_CAPACITY }
    }

    /// The lifetime that who asks for this one gets.
    fn granted(&self, asked: Duration) -> Duration {
        asked.max(DEFAULT_LIFETIME).min(self.limits.lifetime)
    }

    /// The allocation of the flow, when it is the asker's.
    pub(super) fn held(&self, flow: &Flow, asker: &Owner) -> Result<&Allocation, Code> {
        let allocation = self.allocations.get(flow).filter(|allocation| !allocation.is_opening());
        let allocation = allocation.ok_or(ALLOCATION_MISMATCH)?;
        if allocation.owner.account == asker.account { Ok(allocation) } else { Err(WRONG_CREDENTIALS) }
    }
}

/// What an Allocate request wants and can have.
struct Wanted {
    families: SmallVec<[Family; 2]>,
    /// What it wants and cannot have.
    missing: Option<(Family, Code)>,
    port: Port,
}

/// The lifetime that a request asks for.
fn lifetime(request: &Message<'_>) -> Result<Duration, Code> {
    let Some(value) = request.attribute(LIFETIME) else { return Ok(DEFAULT_LIFETIME) };
    let seconds = value.try_into().map(u32::from_be_bytes).map_err(|_| ErrorCode::BAD_REQUEST)?;
    Ok(Duration::from_secs(seconds.into()))
}

/// The peer of an XOR-PEER-ADDRESS.
fn peer(request: &Message<'_>, value: &[u8]) -> Result<SocketAddr, Code> {
    request.xor_address(value).map(canonical).ok_or(ErrorCode::BAD_REQUEST)
}

fn family(value: &[u8]) -> Result<Family, Code> {
    match value {
        [1, _, _, _] => Ok(Family::Ipv4),
        [2, _, _, _] => Ok(Family::Ipv6),
        [_, _, _, _] => Err(ADDRESS_FAMILY_NOT_SUPPORTED),
        _ => Err(ErrorCode::BAD_REQUEST),
    }
}

/// That of [RFC 8489 §10](https://www.rfc-editor.org/rfc/rfc8489#section-10).
pub(super) const TRY_ALTERNATE: Code = 300;
/// The error codes of [RFC 8656 §19](https://www.rfc-editor.org/rfc/rfc8656#section-19).
const FORBIDDEN: Code = 403;
pub(super) const ALLOCATION_MISMATCH: Code = 437;
const ADDRESS_FAMILY_NOT_SUPPORTED: Code = 440;
const WRONG_CREDENTIALS: Code = 441;
const UNSUPPORTED_TRANSPORT: Code = 442;
const PEER_ADDRESS_FAMILY_MISMATCH: Code = 443;
const ALLOCATION_QUOTA_REACHED: Code = 486;
pub(super) const INSUFFICIENT_CAPACITY: Code = 508;

/// The protocol number that REQUESTED-TRANSPORT asks for.
const UDP: u8 = 17;
/// Of an allocation whose client asks for none in particular, and the least that one is given
/// ([RFC 8656 §7.2, §8.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2)).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// How long a socket may take to open. The client asks again for 39.5 s (RFC 8489 §6.2.1).
const OPENING: Duration = Duration::from_secs(5);

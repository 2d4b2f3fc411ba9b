//! How allocations begin and end.

use std::net::SocketAddr;
use std::time::Instant;

use ringback_sansio::{Flow, canonical};
use smallvec::SmallVec;

use super::allocation::{Allocation, Family, Relay, RelayKey};
use super::credentials::Users;
use super::reply::{self, Reply};
use super::requests::INSUFFICIENT_CAPACITY;
use super::server::{Command, NotOpened, Server};
use crate::stun::attribute::{MOBILITY_TICKET, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS};

impl<U: Users> Server<U> {
    /// A socket that was asked for is open, or is not.
    pub(super) fn opened(&mut self, now: Instant, relay: RelayKey, opened: Result<SocketAddr, NotOpened>) {
        let Some(flow) = self.flows_by_relay.get(&relay).copied() else {
            // It was given up before it was open.
            if opened.is_ok() {
                self.commands.push_back(Command::Close(relay));
            }
            return;
        };
        let relays = self.allocations.get_mut(&flow).map(|allocation| &mut allocation.relays);
        let mut opening = relays.into_iter().flatten().filter(|held| held.address.is_none());
        let Some(held) = opening.find(|held| held.key == relay) else { return };
        match opened.map(canonical) {
            Ok(address) if Family::of(address.ip()) == held.family => {
                held.address = Some(address);
                self.relays_by_address.insert(address, relay);
                if !self.hosts.contains(&address.ip()) {
                    self.hosts.push(address.ip());
                }
            }
            Ok(_) => {
                self.commands.push_back(Command::Close(relay));
                self.fail(&flow, relay);
            }
            Err(NotOpened) => self.fail(&flow, relay),
        }
        self.conclude(now, flow);
    }

    /// Answers the Allocate request of an allocation whose sockets are all open, or have failed.
    pub(super) fn conclude(&mut self, now: Instant, flow: Flow) {
        let Some(allocation) = self.allocations.get_mut(&flow) else { return };
        let Some(reply) =
            allocation.asked.take_if(|_| allocation.relays.iter().all(|relay| relay.address.is_some()))
        else {
            return;
        };
        if allocation.relays.is_empty() {
            self.remove(&flow);
            self.turn_away(flow, self.no_capacity(&flow), &reply);
            return;
        }
        // The time that opening took is not the client's.
        let expires = now + allocation.granted;
        allocation.relays.iter_mut().for_each(|relay| relay.expires = expires);
        self.deadlines.set(flow, expires);
        self.stats.allocations += 1;
        self.tell_allocated(flow, &reply);
    }

    /// The success response to an Allocate request.
    pub(super) fn tell_allocated(&mut self, flow: Flow, reply: &Reply) {
        let Some(allocation) = self.allocations.get(&flow) else { return };
        let payload = reply.success(|message| {
            for address in allocation.relays.iter().filter_map(|relay| relay.address) {
                message.xor_address(XOR_RELAYED_ADDRESS, address);
            }
            reply::lifetime(message, allocation.granted.as_secs());
            message.xor_address(XOR_MAPPED_ADDRESS, canonical(flow.remote()));
            if let Some(mobility) = &allocation.mobility {
                message.attribute(MOBILITY_TICKET, mobility.ticket().value());
            }
            if let Some((family, code)) = allocation.missing {
                reply::address_error_code(message, family, code);
            }
        });
        self.succeed(flow, payload);
    }

    /// A socket could not be opened: the allocation has to do without.
    fn fail(&mut self, flow: &Flow, relay: RelayKey) {
        self.flows_by_relay.remove(&relay);
        let Some(allocation) = self.allocations.get_mut(flow) else { return };
        if let Some(place) = allocation.relays.iter().position(|held| held.key == relay) {
            let failed = allocation.relays.remove(place);
            allocation.missing = Some((failed.family, INSUFFICIENT_CAPACITY));
        }
    }

    /// The deadline of an allocation has come: sockets are not open in time, or nobody has refreshed it.
    pub(super) fn expire(&mut self, now: Instant, flow: Flow) {
        let Some(allocation) = self.allocations.get(&flow) else { return };
        let is_opening = allocation.is_opening();
        let due = |relay: &&Relay| relay.expires <= now && (!is_opening || relay.address.is_none());
        let due: SmallVec<[RelayKey; 2]> =
            allocation.relays.iter().filter(due).map(|relay| relay.key).collect();
        if is_opening {
            // What is opened after all is closed when the driver tells it.
            due.iter().for_each(|&relay| self.fail(&flow, relay));
            self.conclude(now, flow);
            return;
        }
        for relay in due {
            self.close_relay(&flow, relay);
        }
        if self.is_bare(&flow) {
            self.stats.expired += 1;
        }
        self.settle(&flow);
    }

    /// Closes one socket of an allocation.
    pub(super) fn close_relay(&mut self, flow: &Flow, relay: RelayKey) {
        let Some(allocation) = self.allocations.get_mut(flow) else { return };
        let Some(place) = allocation.relays.iter().position(|held| held.key == relay) else { return };
        let closed = allocation.relays.remove(place);
        allocation.forget(closed.family);
        self.flows_by_relay.remove(&relay);
        if let Some(address) = closed.address {
            if self.relays_by_address.get(&address) == Some(&relay) {
                self.relays_by_address.remove(&address);
            }
            // Of one that is not open the driver is told when it is.
            self.commands.push_back(Command::Close(relay));
        }
    }

    /// Removes an allocation without sockets, and sets the deadline of another.
    pub(super) fn settle(&mut self, flow: &Flow) {
        match self.allocations.get(flow).and_then(Allocation::deadline) {
            Some(deadline) => self.deadlines.set(*flow, deadline),
            None => self.remove(flow),
        }
    }

    fn is_bare(&self, flow: &Flow) -> bool {
        self.allocations.get(flow).is_some_and(|allocation| allocation.relays.is_empty())
    }

    /// Ends an allocation.
    pub(super) fn remove(&mut self, flow: &Flow) {
        let Some(allocation) = self.allocations.get(flow) else { return };
        let relays: SmallVec<[RelayKey; 2]> = allocation.relays.iter().map(|relay| relay.key).collect();
        for relay in relays {
            self.close_relay(flow, relay);
        }
        self.deadlines.cancel(flow);
        if let Some(mobility) = self.allocations.remove(flow).and_then(|ended| ended.mobility) {
            self.tickets.forget(&mobility);
        }
    }
}

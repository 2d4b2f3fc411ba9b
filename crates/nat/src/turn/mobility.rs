//! Allocations that follow their clients from one address to another ([RFC 8016]).
//!
//! A client that asks for it is given a ticket with its allocation. From wherever it is next it shows the ticket in a
//! Refresh request, under the credentials of the account, and the allocation is that of its new 5-tuple: peers notice
//! nothing. Each such request is answered with another ticket, so that who looks on does not see by it who has moved; the one
//! before stays good until the next is used, because an answer may be lost.
//!
//! What peers send goes to the new 5-tuple at once. What still comes over the former one is taken until something comes over
//! the new one.
//!
//! # Assumptions
//!
//! The ways of a client may be of any transport and family. A connection that ends takes an allocation with a ticket not with
//! it: that its address has changed is how a client comes to lose one. It stands for its lifetime then.
//!
//! A ticket leads to an allocation of the same server: another one does not know it and answers 400.
//!
//! [RFC 8016]: https://www.rfc-editor.org/rfc/rfc8016

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use ringback_sansio::{Flow, Seeded, Table};
use sha2::Sha256;
use stun_types::attribute::ErrorCode;

use super::REFRESH;
use super::credentials::Users;
use super::nonce::keyed;
use super::requests::{ALLOCATION_MISMATCH, Asked, Code, Request};
use super::server::Server;
use crate::stun::attribute::MOBILITY_TICKET;

/// What a client shows to have its allocation from elsewhere. It is text, since there are clients that end it at a zero byte
/// (coturn's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket([u8; LENGTH]);

impl Ticket {
    /// Of the value of a MOBILITY-TICKET.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        value.try_into().map(Ticket).ok()
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.0
    }
}

/// The tickets of a server, and where clients were before.
pub(super) struct Tickets {
    /// What makes them, with its key schedule done.
    mac: Hmac<Sha256>,
    next: u64,
    flows: Table<Ticket, Flow>,
    /// Former 5-tuples, and those of the allocations now.
    former: Table<Flow, Flow>,
}

/// What an allocation with a ticket has besides.
#[derive(Debug)]
pub(super) struct Mobility {
    ticket: Ticket,
    /// The one that was shown last.
    shown: Option<Ticket>,
    /// The 5-tuple that it had, until something comes over the one that it has.
    former: Option<Flow>,
}

impl Tickets {
    pub(super) fn new(secret: &[u8; 32], seeded: Seeded) -> Self {
        Tickets {
            mac: keyed(secret),
            next: 0,
            flows: Table::with_hasher(seeded),
            former: Table::with_hasher(seeded),
        }
    }

    fn issue(&mut self, flow: Flow) -> Ticket {
        let mut mac = self.mac.clone();
        mac.update(&self.next.to_be_bytes());
        self.next += 1;
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut ticket = Ticket([b'A'; LENGTH]);
        // The length is what 16 bytes always take.
        let written = URL_SAFE_NO_PAD.encode_slice(whole.split_at(16).0, &mut ticket.0);
        debug_assert_eq!(written, Ok(LENGTH));
        self.flows.insert(ticket, flow);
        ticket
    }

    /// The first ticket of an allocation.
    pub(super) fn begin(&mut self, flow: Flow) -> Box<Mobility> {
        Box::new(Mobility { ticket: self.issue(flow), shown: None, former: None })
    }

    /// Whether a client has just moved, which is hardly ever so: the data of others need not be looked at for it.
    pub(super) fn has_former(&self) -> bool {
        !self.former.is_empty()
    }

    /// Where the allocation is of a client that sends over a 5-tuple without one.
    pub(super) fn moved(&self, flow: &Flow) -> Option<Flow> {
        self.former.get(flow).copied()
    }

    /// Whether no allocation has one.
    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.former.is_empty()
    }

    /// Forgets an allocation that has ended.
    pub(super) fn forget(&mut self, mobility: &Mobility) {
        self.flows.remove(&mobility.ticket);
        mobility.shown.map(|shown| self.flows.remove(&shown));
        mobility.former.map(|former| self.former.remove(&former));
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("moved", &self.former.len()).finish_non_exhaustive()
    }
}

impl Mobility {
    /// The ticket that is to be shown next.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl<U: Users> Server<U> {
    /// The 5-tuple of the allocation whose ticket a Refresh request shows.
    pub(super) fn shown(&self, request: &Request<'_>) -> Option<Flow> {
        let message = Some(request.message).filter(|message| message.method() == REFRESH)?;
        let ticket = Ticket::read(message.attribute(MOBILITY_TICKET)?)?;
        self.tickets.flows.get(&ticket).copied()
    }

    /// [RFC 8016 §3.2.2]: where the allocation is that a Refresh request is for. It is elsewhere when its client has moved,
    /// and shows the ticket.
    ///
    /// [RFC 8016 §3.2.2]: https://www.rfc-editor.org/rfc/rfc8016#section-3.2.2
    pub(super) fn followed(&self, asked: &Asked<'_>) -> Result<Flow, Code> {
        let Asked { request, asker, .. } = *asked;
        let Some(value) = request.message.attribute(MOBILITY_TICKET) else { return Ok(request.flow) };
        Ticket::read(value).ok_or(ErrorCode::BAD_REQUEST)?;
        let from = self.shown(&request).ok_or(ErrorCode::BAD_REQUEST)?;
        self.held(&from, asker)?;
        if from != request.flow && self.allocations.contains_key(&request.flow) {
            return Err(ALLOCATION_MISMATCH);
        }
        Ok(from)
    }

    /// Has the allocation of a client follow it, for whom the next ticket is: its request is in order.
    pub(super) fn follow(&mut self, from: Flow, request: &Request<'_>) {
        let Some(ticket) = request.message.attribute(MOBILITY_TICKET).and_then(Ticket::read) else { return };
        if from != request.flow {
            self.carry(from, request.flow);
        }
        let mobility = self.allocations.get_mut(&request.flow).and_then(|held| held.mobility.as_mut());
        // The one before is shown again when the answer was lost, or was not there yet: it is the same answer then.
        if let Some(mobility) = mobility.filter(|mobility| mobility.ticket == ticket) {
            let next = self.tickets.issue(request.flow);
            let before = mobility.shown.replace(std::mem::replace(&mut mobility.ticket, next));
            before.map(|before| self.tickets.flows.remove(&before));
        }
    }

    /// Makes the allocation of one 5-tuple that of another.
    fn carry(&mut self, from: Flow, to: Flow) {
        let Some(mut allocation) = self.allocations.remove(&from) else { return };
        for relay in &allocation.relays {
            self.flows_by_relay.insert(relay.key, to);
        }
        if let Some(mobility) = &mut allocation.mobility {
            for ticket in [Some(mobility.ticket), mobility.shown].into_iter().flatten() {
                self.tickets.flows.insert(ticket, to);
            }
            mobility.former.take().map(|former| self.tickets.former.remove(&former));
            self.tickets.former.insert(from, to);
            mobility.former = Some(from);
        }
        self.deadlines.cancel(&from);
        if let Some(deadline) = allocation.deadline() {
            self.deadlines.set(to, deadline);
        }
        self.allocations.insert(to, allocation);
        self.stats.moved += 1;
    }

    /// Something has come over a 5-tuple with an allocation: the former one is over.
    pub(super) fn arrived_over(&mut self, flow: &Flow) {
        let mobility = self.allocations.get_mut(flow).and_then(|allocation| allocation.mobility.as_mut());
        if let Some(former) = mobility.and_then(|mobility| mobility.former.take()) {
            self.tickets.former.remove(&former);
        }
    }
}

/// Bytes of a ticket.
const LENGTH: usize = 22;

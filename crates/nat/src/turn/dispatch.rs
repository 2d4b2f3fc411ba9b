//! What becomes of a STUN message of a client.

use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Flow, Transmit};
use stun_types::attribute::ErrorCode;
use stun_types::message::MessageClass;

use super::authentication::Refused;
use super::credentials::Users;
use super::drops::Reason;
use super::reply::{self, Reply};
use super::requests::{Asked, NotAllocated, Request, TRY_ALTERNATE};
use super::server::{Server, Verdict};
use super::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use crate::stun::attribute::{ALTERNATE_SERVER, MOBILITY_TICKET};
use crate::stun::{self, Message, REPLY_ROOM};

impl<U: Users> Server<U> {
    pub(super) fn message<'p>(
        &mut self,
        now: Instant,
        flow: Flow,
        packet: &'p [u8],
    ) -> Result<Verdict<'p>, Reason> {
        let message = Message::parse(packet).map_err(|_| Reason::Malformed)?;
        match message.class() {
            MessageClass::Request => {
                let request = Request { now, unix_time: self.unix_time(now), flow, message: &message };
                let done = if message.is_binding() { self.binding(&request) } else { self.request(&request) };
                done.map(|()| Verdict::Consumed)
            }
            MessageClass::Indication if message.method() == SEND => {
                if message.unknown_attributes().next().is_some() {
                    return Err(Reason::UnknownAttribute);
                }
                self.send(now, &flow, &message)
            }
            // A keep-alive ([RFC 8489 §6.1]): that it came is all that it does.
            MessageClass::Indication if message.is_binding() => Ok(Verdict::Consumed),
            _ => Err(Reason::Unexpected),
        }
    }

    /// A Binding request needs no credentials, so it has the budget of those who have none.
    fn binding(&mut self, request: &Request<'_>) -> Result<(), Reason> {
        let (flow, standing) = (request.flow, self.authenticator.standing(request));
        if !self.budgets.answer(request.now, flow.remote().ip(), standing) {
            return Err(Reason::BindingBudget);
        }
        let mut answer = [0; REPLY_ROOM];
        let written = stun::server::answer(flow.remote(), request.message, &mut answer);
        let answer = written.ok().and_then(|length| answer.get(..length)).ok_or(Reason::NoRoom)?;
        self.stats.bindings += 1;
        self.transmits.push_back(Transmit { flow, payload: Bytes::copy_from_slice(answer) });
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>) -> Result<(), Reason> {
        let Request { flow, message, .. } = *request;
        if ![ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&message.method()) {
            return Err(Reason::UnknownMethod);
        }
        let mut reply = Reply::to(message);
        let held_over = if self.allocations.contains_key(&flow) { Some(flow) } else { self.shown(request) };
        let held = held_over.and_then(|flow| self.allocations.get(&flow));
        let holder = held.map(|allocation| &allocation.owner);
        let asker = match self.authenticator.authenticate(request, holder, &mut self.budgets) {
            Ok(asker) => asker,
            Err(refused) => return self.reject(request, &reply, refused),
        };
        reply.key = Some((asker.owner.key.clone(), asker.integrity));
        self.arrived_over(&flow);
        if message.unknown_attributes().next().is_some() {
            let code = ErrorCode::UNKNOWN_ATTRIBUTE;
            self.refuse(flow, code, reply.error(code, |answer| answer.unknown_attributes(message)));
            return Ok(());
        }
        let asked = Asked { request: *request, asker: &asker.owner, reply: &reply };
        let done = match message.method() {
            ALLOCATE => match self.allocate(&asked) {
                Ok(()) => return Ok(()),
                Err(NotAllocated::Refused(code)) => Err(code),
                Err(NotAllocated::Dropped(reason)) => return Err(reason),
            },
            REFRESH => self.refresh(&asked),
            CREATE_PERMISSION => self.create_permission(&asked),
            _ => self.channel_bind(&asked),
        };
        match done {
            Ok(lifetime) => {
                let mobility =
                    self.allocations.get(&flow).and_then(|allocation| allocation.mobility.as_ref());
                let shows = mobility.filter(|_| message.attribute(MOBILITY_TICKET).is_some());
                let payload = reply.success(|answer| {
                    if let Some(lifetime) = lifetime {
                        reply::lifetime(answer, lifetime.as_secs());
                    }
                    if let Some(mobility) = shows {
                        answer.attribute(MOBILITY_TICKET, mobility.ticket().value());
                    }
                });
                self.succeed(flow, payload);
            }
            Err(code) => self.turn_away(flow, code, &reply),
        }
        Ok(())
    }

    /// Refuses the request of somebody who is known, and says where to go instead where that is the answer.
    pub(super) fn turn_away(&mut self, flow: Flow, code: u16, reply: &Reply) {
        let alternate = self.alternate(&flow).filter(|_| code == TRY_ALTERNATE);
        let payload = reply.error(code, |answer| {
            if let Some(alternate) = alternate {
                answer.address(ALTERNATE_SERVER, alternate);
            }
        });
        self.refuse(flow, code, payload);
    }

    /// Answers who is not known: so often for each source that nobody is flooded in its name. A client that has an
    /// allocation here and right credentials is no such source.
    fn reject(&mut self, request: &Request<'_>, reply: &Reply, refused: Refused) -> Result<(), Reason> {
        let Request { now, flow, .. } = *request;
        let code = match refused {
            Refused::GuessBudget => return Err(Reason::GuessBudget),
            Refused::BadRequest => ErrorCode::BAD_REQUEST,
            Refused::Unauthenticated => self.without_credentials(request),
            Refused::WrongCredentials => {
                self.stats.wrong_credentials += 1;
                ErrorCode::UNAUTHORIZED
            }
            Refused::StaleNonce | Refused::StaleNonceOfOwner => ErrorCode::STALE_NONCE,
        };
        let is_known = refused == Refused::StaleNonceOfOwner && self.allocations.contains_key(&flow);
        let standing = self.authenticator.standing(request);
        if !is_known && !self.budgets.answer(now, flow.remote().ip(), standing) {
            return Err(Reason::ChallengeBudget);
        }
        if refused == Refused::Unauthenticated {
            self.stats.challenged += 1;
        }
        let payload = reply.error(code, |answer| {
            if matches!(code, ErrorCode::UNAUTHORIZED | ErrorCode::STALE_NONCE) {
                self.authenticator.challenge(request, answer);
            }
        });
        self.refuse(flow, code, payload);
        Ok(())
    }
}

//! Responses whose connection is gone ([RFC 3261 §18.2.2], [RFC 3263 §5]).
//!
//! A response leaves over the connection that its request came by. When that is gone while a call rings, it leaves over
//! one of ours to the host that the request came from, at the port that its Via says. Over TLS the certificate must be
//! for the name in the Via, and that must be the name of this host. Until then the call rings on; when there is no
//! connection, the caller is lost.
//!
//! Left out: responses to other requests than INVITE, which most often are sent before a connection can be lost. A
//! browser cannot be connected to; it comes back by itself.
//!
//! [RFC 3261 §18.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
//! [RFC 3263 §5]: https://www.rfc-editor.org/rfc/rfc3263#section-5

use std::time::Instant;

use ringback_sansio::Flow;
use ringback_sip::transaction::ServerId;

use super::Place;
use super::dialogs::Stranded;
use super::search::{Sought, Waiting};
use crate::call::Signalling;
use crate::exchange::Exchange;

/// An INVITE whose responses have no connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswerable {
    server: ServerId,
    leg: Stranded,
}

impl Exchange {
    /// The connection is gone that a request came by which has no final response.
    pub(crate) fn response_undeliverable(&mut self, now: Instant, id: ServerId) {
        let Some((place, unanswerable)) = self.way_back(id) else { return self.sender_lost(now, id) };
        match self.seek(now, &place, Waiting::Response(unanswerable)) {
            Sought::Found(flow) => self.answer_over(now, unanswerable, Some(flow)),
            Sought::UnderWay => {}
            Sought::OutOfReach => self.sender_lost(now, id),
        }
    }

    /// Where the sender of an INVITE takes responses.
    fn way_back(&self, id: ServerId) -> Option<(Place, Unanswerable)> {
        let call = self.calls.get(self.invited.get(&id)?)?;
        call.legs().find_map(|leg| match &leg.signalling {
            Signalling::Invited { server, invite, .. } if *server == id => {
                let place = Place::of_sender(&invite.via().ok()?, &leg.flow)?;
                Some((place, Unanswerable { server: id, leg: Stranded { leg: leg.key, from: leg.flow } }))
            }
            _ => None,
        })
    }

    /// There is a connection for the responses to an INVITE, or there is none.
    pub(super) fn answer_over(&mut self, now: Instant, unanswerable: Unanswerable, flow: Option<Flow>) {
        let Unanswerable { server, leg } = unanswerable;
        match flow {
            Some(flow) if self.transactions.reconnect(server, flow) => {
                self.stats.responses_reconnected += 1;
                // Its dialog has no other connection either, unless its route leads to one.
                self.rejoin(leg, flow);
            }
            _ => self.sender_lost(now, server),
        }
    }

    fn sender_lost(&mut self, now: Instant, id: ServerId) {
        self.stats.responses_undeliverable += 1;
        match self.invited.get(&id) {
            Some(&call) => self.on_call(now, call, |exchange, call| exchange.caller_lost(now, call, id)),
            None => self.forget_held(now, id),
        }
    }
}

//! What is refused while more comes than can be served (RFC 3261 §21.5.4, and what RFC 7339 calls rejecting).
//!
//! A server that takes everything in its turn is late for all of it: requests come again while the first of them waits,
//! and work is done for callers who have given up. So what can wait is refused at once, the costliest last, and calls
//! that were taken go on as ever. The driver sees how far it is behind and says so; nothing here measures time.

use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Flow, Transport};
use ringback_sip::message::{Message, Method, Name};

use crate::exchange::{Exchange, Incoming, Membership, warning};

/// How far the driver is behind with what it is to hand in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// It keeps up.
    #[default]
    None,
    /// It is behind, and nothing is refused for that: each source that is known is served for its share, and what is
    /// beyond it when nobody else waits ([`Standing::BeyondShare`](crate::Standing::BeyondShare)).
    Shared,
    /// It is behind with what is within the shares: strangers are refused, and what can wait (OPTIONS, SUBSCRIBE,
    /// PUBLISH, and what is passed on outside of dialogs).
    High,
    /// It stays behind: new calls and instant messages are refused too. What belongs to a dialog never is, nor is the
    /// registration of somebody who is known, or who has a connection: a browser that comes back after our restart is no
    /// stranger to its user, asks once, and may not ask again.
    Extreme,
}

impl Exchange {
    /// Whether a message is of a dialog or a subscription, or one that a transaction waits for: what is begun is carried
    /// through, whoever asks how much.
    pub fn goes_on(&self, flow: Flow, bytes: &Bytes) -> bool {
        let Ok(message) = Message::parse(bytes.clone()) else { return false };
        self.transactions.awaits(&message)
            || message.is_request()
                && (matches!(self.membership(&message, flow), Some(Membership::Member(_)))
                    || self.subscription_of(&message).is_some_and(|id| self.is_from_watcher(id, flow)))
    }

    /// Says how far behind the driver is, from here on.
    pub fn set_pressure(&mut self, pressure: Pressure) {
        self.pressure = pressure;
    }

    /// Refuses a request outside of a dialog that the pressure leaves no time for; gives back one that it does.
    pub(crate) fn shed(&mut self, now: Instant, incoming: Incoming) -> Option<Incoming> {
        let is_known = self.admission.knows(now, incoming.flow.remote().ip());
        let is_shed = match incoming.message.method_ref() {
            Method::Register if is_known || incoming.flow.transport() != Transport::Udp => false,
            Method::Invite | Method::Message if is_known => self.pressure >= Pressure::Extreme,
            _ => self.pressure >= Pressure::High,
        };
        if !is_shed {
            return Some(incoming);
        }
        self.stats.requests_shed += 1;
        let retry_after = self.retry_after();
        let reply = self.reply(&incoming.message, 503).header(Name::RetryAfter, retry_after);
        let words = warning("more is asked of the server than it can do: try again in a moment");
        let reply = reply.header(Name::Warning, words).finish();
        let reply = self.without_weight(now, &incoming.message, incoming.flow, reply);
        self.reply_stateless(incoming.server, reply);
        None
    }
}

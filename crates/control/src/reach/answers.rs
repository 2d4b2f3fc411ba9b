//! What the answers to our requests say of the connections that we made for them ([RFC 3263 §4.3]).
//!
//! A target that takes a connection and then answers 503, or nothing, is one that failed: the next requests to its
//! place try the others first, for as long as a Retry-After says or half a minute. The request itself is not sent
//! again: it may have rung somewhere.
//!
//! [RFC 3263 §4.3]: https://www.rfc-editor.org/rfc/rfc3263#section-4.3

use std::time::{Duration, Instant};

use ringback_sansio::{Flow, Transport};
use ringback_sip::message::{Message, Name};
use ringback_sip::resolve::Target;
use ringback_sip::transaction::ClientId;

use super::large::NO_TCP;
use super::{Endpoint, Place};
use crate::exchange::{Exchange, Silence};

/// A request over a connection of ours that has no final response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unproven {
    flow: Flow,
    /// Whether the connection stands in for datagrams. Any response proves such a one.
    is_beside: bool,
}

impl Exchange {
    /// A request leaves.
    pub(crate) fn request_leaves(&mut self, client: ClientId, flow: Flow, request: &Message) {
        if flow.transport() == Transport::Udp {
            self.note_length(request);
        } else if self.reach.made.contains_key(&flow) {
            let is_beside = self.reach.beside.contains_key(&flow);
            self.reach.unproven.insert(client, Unproven { flow, is_beside });
        }
    }

    /// A request has a response.
    pub(crate) fn request_answered(&mut self, now: Instant, client: ClientId, response: &Message) {
        let Some(&Unproven { flow, is_beside }) = self.reach.unproven.get(&client) else { return };
        let is_final = response.status().is_none_or(|status| status >= 200);
        if is_final || is_beside {
            self.reach.unproven.remove(&client);
        }
        if response.status() == Some(503) {
            self.target_failed(now, flow, retry_after(response).map_or(NOT_AGAIN, |wait| wait.min(LONGEST)));
        }
    }

    /// A request has no response.
    pub(crate) fn request_unanswered(&mut self, now: Instant, client: ClientId, silence: Silence) {
        let Some(Unproven { flow, is_beside }) = self.reach.unproven.remove(&client) else { return };
        if is_beside {
            self.reach.give_up(now, Place::beside(flow.remote()), NO_TCP);
        } else if silence == Silence::TimedOut {
            self.target_failed(now, flow, NOT_AGAIN);
        }
    }

    fn target_failed(&mut self, now: Instant, flow: Flow, duration: Duration) {
        let Some(Endpoint { transport, address, server_name }) = self.reach.made.get(&flow).cloned() else {
            return;
        };
        self.stats.targets_failed += 1;
        self.reach.failed.insert(now, &Target { transport, address, server_name }, duration);
        // It stays the way of what cannot wait; what can wait looks for another one.
        for way in self.reach.ways.values_mut().filter(|way| way.flow == flow) {
            way.until = Some(now);
        }
    }
}

/// How long the far end wants to be left alone; what follows the seconds says why.
fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.header(Name::RetryAfter)?;
    let digits = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let seconds = std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// For how long a target that failed comes last.
const NOT_AGAIN: Duration = Duration::from_secs(30);
/// The longest Retry-After that is honoured: one server's word must not hide it for ever.
const LONGEST: Duration = Duration::from_secs(300);

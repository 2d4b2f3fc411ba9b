//! Requests that are too large for a datagram ([RFC 3261 §18.1.1]).
//!
//! A telephone that registered over UDP is tried over TCP at the same address and port, when nothing is between it and
//! us: its Contact says the address that it came from. Whether it takes connections is found out while the request
//! waits, half a second at most, and remembered; without a connection the request leaves as a datagram, as it does to
//! everybody else.
//!
//! A connection that is made and then carries no answer does not cost the request: the datagram is the next way to the
//! same contact, and the telephone gets datagrams for a while.
//!
//! Left out: requests within a dialog, which stay on its flow, and those that the exchange makes by itself.
//!
//! [RFC 3261 §18.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1

use std::time::Duration;

use ringback_sansio::{Flow, Transport};
use ringback_sip::location::Binding;
use ringback_sip::message::{Message, Method};
use ringback_sip::outbound::Way;
use ringback_sip::resolve::MAX_UDP_REQUEST;
use ringback_sip::uri::{Scheme, Uri};

use super::Place;
use crate::call::headers::passed_length;
use crate::call::hunt::Target;
use crate::exchange::Exchange;

impl Exchange {
    /// Where a device takes connections, if it does, that registered over datagrams.
    pub(super) fn place_beside(&self, binding: &Binding) -> Option<Place> {
        let (flow, uri) = (binding.flow(), Uri::parse(binding.uri()).ok()?);
        let takes_datagrams = uri.scheme == Scheme::Sip
            && uri.transport().is_none_or(|token| token.eq_ignore_ascii_case(b"udp"))
            && !uri.params.has(b"maddr");
        let remote = flow.remote();
        let is_in_sight = uri.host.ip() == Some(remote.ip()) && uri.port.unwrap_or(5060) == remote.port();
        let is_direct = flow.transport() == Transport::Udp
            && binding.path().is_none()
            // Who keeps its flows itself (RFC 5626) is behind something that lets nobody in.
            && binding.reg_id().is_none();
        (is_direct && takes_datagrams && is_in_sight).then(|| Place::beside(remote))
    }

    /// Whether what is sent on of a request may be too large for a datagram. It is made later: of an INVITE a leg of
    /// its own, with another description of the media.
    pub(super) fn may_be_large(&self, request: &Message) -> bool {
        let length = match request.method_ref() {
            Method::Invite => {
                let passed = passed_length(request, &self.settings.headers.users);
                LEG_HEAD + passed + request.body().len().min(LEG_BODY)
            }
            _ => request.bytes().len() + VIA,
        };
        length > MAX_UDP_REQUEST
    }

    /// Has a request of that many bytes go to the contact over TCP, if it is too large for a datagram and there is a
    /// connection. The datagram is the contact's next way. Whoever made the request for datagrams makes it again.
    pub(crate) fn prefers_stream(&mut self, length: usize, target: &mut Target) -> bool {
        if !target.routes.is_empty() {
            return false;
        }
        let Some(stream) = self.stream_for(length, target.flow) else { return false };
        let (request_uri, routes) = (target.uri.clone(), Vec::new());
        target.spares.push(Way { request_uri, routes, flow: target.flow, next_hop: None });
        target.flow = stream;
        true
    }

    /// The connection for a request of that many bytes that would leave as a datagram, if there is one.
    pub(crate) fn stream_for(&mut self, length: usize, flow: Flow) -> Option<Flow> {
        if length <= MAX_UDP_REQUEST || flow.transport() != Transport::Udp {
            return None;
        }
        let stream = self.reach.flow(&Place::beside(flow.remote()))?;
        self.reach.beside.insert(stream, flow);
        self.stats.requests_moved_to_tcp += 1;
        Some(stream)
    }

    /// Counts a request that is too large for the datagram that it leaves as.
    pub(super) fn note_length(&mut self, request: &Message) {
        let is_large = request.bytes().len() > MAX_UDP_REQUEST;
        self.stats.requests_large_by_udp += u64::from(is_large);
    }
}

/// For how long a telephone that takes no connections, or does not speak over them, is not tried again.
pub(super) const NO_TCP: Duration = Duration::from_secs(30 * 60);
/// What the head of an INVITE of ours has besides what passes: Via, From, To, Contact, Allow and their like.
const LEG_HEAD: usize = 600;
/// The description of the media for a telephone: a browser's is several times as long.
const LEG_BODY: usize = 500;
/// A Via of ours.
const VIA: usize = 100;

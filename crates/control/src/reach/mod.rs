//! How a request reaches a place that has no flow to us: by a flow of our own ([RFC 3263], [RFC 3261 §18.1]).
//!
//! Most requests leave over a flow that their far end opened. Four go elsewhere: to a contact behind a proxy, along the
//! Path of its registration, when the proxy's connection is gone or the Path names another place; to a contact that
//! takes connections, when the one that it registered over is gone; within a dialog whose connection is gone; and those
//! that are too large for a datagram ([`large`]). So do the responses to an INVITE whose connection is gone
//! ([`responses`]). [`place`] says which place each of them means, and who may have us go where.
//!
//! A place is located, and then connected to: its targets one after the other, until one takes the connection. The flow
//! is kept for the place until it is lost, and shared by every place that leads to the same target ([RFC 5923]). A
//! request outside of dialogs waits for that, for a moment; then it is routed as if the flow had always been there.
//!
//! ```text
//! request ─▶ places of the contacts ─▶ located (DNS) ─▶ connected ─▶ routed
//!                  │ known                                  ▲ the next target, when one fails
//!                  └──────────────────────────────────────────────────▶ routed
//! ```
//!
//! Assumptions and what is left out:
//! - A connection is made when somebody asks for it, not when the one before it is lost; only a dialog is looked after at
//!   once, and a little later each time when its connections do not last.
//! - A place that could not be reached is not tried again for a while; a target that failed is tried after others.
//! - Nobody leads us to another host than its own. A proxy with several addresses, or one that others stand in for, is
//!   reached at the address that its registrations come from.
//! - A request that the exchange makes by itself, such as a NOTIFY or a ping, waits for nothing: it takes a flow that is
//!   there.
//! - Of several targets over UDP the first is taken: nothing says that it is not there.
//!
//! [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263
//! [RFC 3261 §18.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.1
//! [RFC 5923]: https://www.rfc-editor.org/rfc/rfc5923

mod answers;
mod dialogs;
mod held;
mod large;
mod place;
mod responses;
mod search;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_media::session::LegKey;
use ringback_sansio::{Flow, Transport};
use ringback_sip::resolve::{FailedTargets, Target};
use ringback_sip::transaction::ClientId;

use answers::Unproven;
use dialogs::Losses;
use held::Held;
pub(crate) use held::HeldId;
pub(crate) use place::Place;
use search::Search;

/// What is known of places, and what is being found out.
#[derive(Debug)]
pub(crate) struct Reach {
    ways: BTreeMap<Place, Way>,
    searches: BTreeMap<Place, Search>,
    /// The places that wait for a connection to each target.
    connecting: BTreeMap<Endpoint, Vec<Place>>,
    /// The connections that we have made and that are open.
    connections: BTreeMap<Endpoint, Flow>,
    made: HashMap<Flow, Endpoint>,
    /// Places that could not be reached, and until when they are not tried again.
    hopeless: BTreeMap<Place, Instant>,
    failed: FailedTargets,
    /// The connections that were made for large requests, and the flows of datagrams that they stand in for.
    beside: HashMap<Flow, Flow>,
    /// The requests over connections of ours that have no response yet.
    unproven: HashMap<ClientId, Unproven>,
    held: BTreeMap<HeldId, Held>,
    next_held: u64,
    /// Legs whose connection was lost lately.
    losses: BTreeMap<LegKey, Losses>,
}

/// A flow to a place.
#[derive(Debug, Clone, Copy)]
struct Way {
    flow: Flow,
    /// Until when requests go there without another look into the DNS. A connection is good until it is lost, or until
    /// its far end says that it cannot serve.
    until: Option<Instant>,
}

/// What one connection leads to ([RFC 5923 §3]): whom its certificate was for counts.
///
/// [RFC 5923 §3]: https://www.rfc-editor.org/rfc/rfc5923#section-3
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Endpoint {
    transport: Transport,
    address: SocketAddr,
    /// Empty where there are no certificates.
    server_name: Arc<str>,
}

impl Endpoint {
    fn of(target: &Target) -> Self {
        let Target { transport, address, server_name } = target.clone();
        let server_name = if transport.is_secure() { server_name } else { Arc::from("") };
        Endpoint { transport, address, server_name }
    }
}

impl Default for Reach {
    fn default() -> Self {
        Reach {
            ways: BTreeMap::new(),
            searches: BTreeMap::new(),
            connecting: BTreeMap::new(),
            connections: BTreeMap::new(),
            made: HashMap::new(),
            hopeless: BTreeMap::new(),
            failed: FailedTargets::new(MAX_FAILED),
            beside: HashMap::new(),
            unproven: HashMap::new(),
            held: BTreeMap::new(),
            next_held: 0,
            losses: BTreeMap::new(),
        }
    }
}

impl Reach {
    /// The flow to a place, if there is one.
    pub fn flow(&self, place: &Place) -> Option<Flow> {
        self.ways.get(place).map(|way| way.flow)
    }

    /// The same, unless it is time to look into the DNS again.
    fn fresh_flow(&self, now: Instant, place: &Place) -> Option<Flow> {
        let way = self.ways.get(place)?;
        way.until.is_none_or(|until| now < until).then_some(way.flow)
    }

    /// A connection is gone. Most are none of ours.
    pub fn lost(&mut self, flow: &Flow) {
        if let Some(endpoint) = self.made.remove(flow) {
            self.connections.remove(&endpoint);
            self.ways.retain(|_, way| way.flow != *flow);
        }
    }

    /// Whether one more connection may be made to a host.
    fn has_room_for(&self, host: IpAddr) -> bool {
        let all = || self.connections.keys().chain(self.connecting.keys());
        let at_host = all().filter(|endpoint| endpoint.address.ip() == host).count();
        all().count() < MAX_CONNECTIONS && at_host < MAX_CONNECTIONS_A_HOST
    }

    /// How many places are looked for at a host.
    fn searches_at(&self, host: IpAddr) -> usize {
        self.searches.keys().filter(|place| place.host == host).count()
    }

    /// How much is kept for what is under way.
    pub fn under_way(&self) -> usize {
        self.searches.len() + self.connecting.len() + self.held.len() + self.unproven.len()
    }

    /// Remembers the flow to a place. When the table is full another place is forgotten, and looked for when it is
    /// needed.
    fn remember(&mut self, place: Place, way: Way) {
        self.hopeless.remove(&place);
        if self.ways.len() >= MAX_WAYS && !self.ways.contains_key(&place) {
            self.ways.pop_first();
        }
        self.ways.insert(place, way);
    }

    /// Remembers that a place cannot be reached.
    fn give_up(&mut self, now: Instant, place: Place, duration: Duration) {
        self.hopeless.retain(|_, until| *until > now);
        if self.hopeless.len() >= MAX_HOPELESS {
            self.hopeless.pop_first();
        }
        self.ways.remove(&place);
        self.hopeless.insert(place, now + duration);
    }
}

/// Connections of ours at the same time.
const MAX_CONNECTIONS: usize = 1024;
/// Those to one host: what one client can have us make. A proxy has one for each transport and name.
const MAX_CONNECTIONS_A_HOST: usize = 8;
/// Places whose flow is remembered.
const MAX_WAYS: usize = 4096;
/// Places that are remembered as out of reach; a list that is looked through whenever one joins it.
const MAX_HOPELESS: usize = 1024;
/// Targets that are remembered as failed.
const MAX_FAILED: usize = 1024;

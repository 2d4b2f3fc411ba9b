//! Request forwarding ([RFC 3261 §16.6]).
//!
//! [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6

use bytes::Bytes;
use ringback_sansio::Transport;

use super::admission::Budget;
use super::route::route_uri;
use crate::dialog::route::strict_router;
use crate::header::{Credentials, HeaderError};
use crate::message::{Message, Name};

/// How a request goes on along one branch.
#[derive(Debug, Clone, Copy)]
pub struct Onward<'a> {
    /// The URI of the target, which becomes the Request-URI.
    pub request_uri: &'a [u8],
    /// Route values to stand above those of the request: the Path of a binding.
    pub routes: &'a [Bytes],
    /// Record-Route values, the topmost last ([`record_routes`](super::record_routes)); none to stay out of the dialog.
    pub record_routes: &'a [Vec<u8>],
    /// What [`check`](super::check) said.
    pub budget: &'a Budget,
    /// How many branches may be under way behind this one.
    pub breadth: u32,
    /// Our Via.
    pub via: OwnVia<'a>,
    /// Our realm: credentials for it end here, for nobody behind us needs them ([RFC 3261 §22.3]).
    ///
    /// [RFC 3261 §22.3]: https://www.rfc-editor.org/rfc/rfc3261#section-22.3
    pub realm: Option<&'a [u8]>,
}

/// What our Via says.
#[derive(Debug, Clone, Copy)]
pub struct OwnVia<'a> {
    /// The transport of the flow that the request leaves by.
    pub transport: Transport,
    /// Host and port of ours.
    pub sent_by: &'a str,
    /// A branch of [`Transactions::new_branch`](crate::transaction::Transactions::new_branch).
    pub branch: &'a [u8],
}

/// The copy of a preprocessed request for one branch; what is not named in `onward` leaves as it came.
pub fn forward(request: &Message, onward: &Onward<'_>) -> Result<Message, HeaderError> {
    let mut edit = request.edit();
    let first_own = onward.routes.first().map(|route| &route[..]);
    let first = first_own.or_else(|| request.values(Name::Route).next());
    if let Some(first) = first {
        route_uri(first)?;
    }
    match first.and_then(strict_router) {
        None => {
            edit.set_request_uri(onward.request_uri);
            for route in onward.routes.iter().rev() {
                edit.push_front(Name::Route, route);
            }
        }
        // §16.6 step 6: a strict router finds itself in the Request-URI, and the target at the end of the Route.
        Some(request_uri) => {
            edit.set_request_uri(&request_uri);
            if first_own.is_none() {
                edit.pop_value(Name::Route);
            }
            for route in onward.routes.iter().skip(1).rev() {
                edit.push_front(Name::Route, route);
            }
            edit.push_back(Name::Route, &[b"<", onward.request_uri, b">"].concat());
        }
    }
    edit.replace(Name::MaxForwards, onward.budget.max_forwards.to_string().as_bytes());
    edit.replace(Name::MaxBreadth, onward.breadth.to_string().as_bytes());
    for value in onward.record_routes {
        edit.push_front(Name::RecordRoute, value);
    }
    if let Some(realm) = onward.realm {
        let is_ours = |value: &[u8]| {
            Credentials::parse(value)
                .is_ok_and(|credentials| credentials.param(b"realm").is_some_and(|of| of.as_ref() == realm))
        };
        let holds = |name| matches!(name, Name::Authorization | Name::ProxyAuthorization);
        edit.retain(|line| !(holds(line.name()) && is_ours(line.value())));
    }
    let OwnVia { transport, sent_by, branch } = onward.via;
    let branch = onward.budget.trace.branch(branch);
    // Without rport the answer to a datagram would not find its way back through a NAT (RFC 3581 §3).
    let rport = if transport == Transport::Udp { ";rport" } else { "" };
    let via = [format!("SIP/2.0/{transport} {sent_by}{rport};branch=").as_bytes(), &branch].concat();
    edit.push_front(Name::Via, &via);
    Ok(edit.finish())
}

/// The URI that a request is sent to (§16.6 step 7): the first Route, else the Request-URI.
pub fn next_hop(request: &Message) -> Result<&[u8], HeaderError> {
    match request.values(Name::Route).next() {
        Some(value) => route_uri(value).map(|uri| uri.raw),
        None => Ok(request.request_uri()),
    }
}

//! Where a request in a dialog goes: [RFC 3261 §12.2.1.1].
//!
//! [RFC 3261 §12.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1

use bytes::Bytes;

use super::Dialog;
use crate::header::Address;
use crate::uri::Uri;

/// The Request-URI and the values of Route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) request_uri: Bytes,
    pub(super) routes: Vec<Bytes>,
}

impl Dialog {
    pub(super) fn way(&self) -> Way {
        let Some((first, others)) = self.route_set.split_first() else {
            return Way { request_uri: self.remote_target.clone(), routes: Vec::new() };
        };
        match strict_router(first) {
            None => Way { request_uri: self.remote_target.clone(), routes: self.route_set.clone() },
            // A strict router finds itself in the Request-URI, and the target at the end of the route.
            Some(request_uri) => {
                let mut routes = others.to_vec();
                routes.push([b"<", &self.remote_target[..], b">"].concat().into());
                Way { request_uri, routes }
            }
        }
    }
}

/// The URI of a route without `lr`, as a Request-URI: without a `method` parameter and without headers
/// (§19.1.1).
pub(crate) fn strict_router(route: &[u8]) -> Option<Bytes> {
    let address = Address::parse(route).ok()?;
    let uri = Uri::parse(address.uri).ok().filter(|uri| uri.is_sip() && !uri.is_loose_router())?;
    let mut request_uri = Vec::with_capacity(uri.raw.len());
    let headers = uri.headers.map_or(0, |headers| headers.len() + 1);
    let before_params = uri.raw.len().saturating_sub(headers + uri.params.as_bytes().len());
    request_uri.extend_from_slice(uri.raw.get(..before_params)?);
    for param in uri.params.iter().filter(|param| !param.name.eq_ignore_ascii_case(b"method")) {
        request_uri.extend_from_slice(param.raw);
    }
    Some(request_uri.into())
}

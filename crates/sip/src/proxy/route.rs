//! Route information preprocessing ([RFC 3261 §16.4]).
//!
//! [RFC 3261 §16.4]: https://www.rfc-editor.org/rfc/rfc3261#section-16.4

use bytes::Bytes;
use smallvec::SmallVec;

use crate::grammar;
use crate::header::{Address, Fault, HeaderError, Values};
use crate::message::{Message, Name};
use crate::uri::Uri;

/// A request without what in its route was for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The request.
    pub request: Message,
    /// Our own URIs that were taken out, in order: the token of the last one says over which flow the request goes on
    /// when no Route is left ([RFC 5626 §5.3]).
    ///
    /// [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3
    pub own: SmallVec<[Bytes; 2]>,
}

/// Undoes what a strict router did, takes our own `maddr` out of the Request-URI and our own entries from the top of the
/// Route.
///
/// `is_ours` says whether host (or `maddr`), port and transport of a URI are ones that we listen on.
pub fn preprocess(request: &Message, is_ours: impl Fn(&Uri<'_>) -> bool) -> Result<Routed, HeaderError> {
    let mut own = SmallVec::new();
    let mut request = request.clone();
    if let Some(restored) = undo_strict_routing(&request, &is_ours)? {
        own.push(Bytes::copy_from_slice(request.request_uri()));
        request = restored;
    }
    if let Some(uri) = without_own_maddr(request.request_uri(), &is_ours) {
        let mut edit = request.edit();
        edit.set_request_uri(&uri);
        request = edit.finish();
    }
    let mut taken = 0;
    let mut is_pair = false;
    for value in request.values(Name::Route) {
        let uri = route_uri(value)?;
        // The second entry of a pair is ours as well; any other below ours is a turn that the request is yet to take.
        if !is_ours(&uri) || taken > 1 || (taken == 1 && !(is_pair && is_double(&uri))) {
            break;
        }
        is_pair = is_double(&uri);
        own.push(Bytes::copy_from_slice(uri.raw));
        taken += 1;
    }
    if taken > 0 {
        let mut edit = request.edit();
        for _ in 0..taken {
            edit.pop_value(Name::Route);
        }
        request = edit.finish();
    }
    Ok(Routed { request, own })
}

/// A strict router put the URI of our Record-Route into the Request-URI, and the Request-URI at the end of the Route.
///
/// Only our own route URIs have `lr`; a request for the domain itself is no such case.
fn undo_strict_routing(
    request: &Message,
    is_ours: &impl Fn(&Uri<'_>) -> bool,
) -> Result<Option<Message>, HeaderError> {
    if !Uri::parse(request.request_uri()).is_ok_and(|uri| uri.is_loose_router() && is_ours(&uri)) {
        return Ok(None);
    }
    let Some(line) = request.headers(Name::Route).last() else { return Ok(None) };
    let Some(value) = Values::new(line).last() else { return Ok(None) };
    let target = route_uri(value)?;
    let lines = request.headers(Name::Route).count();
    let mut edit = request.edit();
    edit.set_request_uri(target.raw);
    let before = line.len().saturating_sub(line_from(line, value));
    let rest = grammar::trim_end(line.get(..before).unwrap_or_default());
    let rest = grammar::trim_end(rest.strip_suffix(b",").unwrap_or(rest));
    if Values::new(rest).next().is_none() {
        let mut number = 0;
        edit.retain(|line| {
            number += usize::from(line.name() == Name::Route);
            line.name() != Name::Route || number != lines
        });
    } else {
        edit.replace_nth(Name::Route, lines.saturating_sub(1), rest);
    }
    Ok(Some(edit.finish()))
}

/// How many bytes of the line there are from the value on.
fn line_from(line: &[u8], value: &[u8]) -> usize {
    let start = value.as_ptr().addr().saturating_sub(line.as_ptr().addr());
    line.len().saturating_sub(start)
}

/// The Request-URI without `maddr`, port and transport, when those name us (§16.4, second case).
fn without_own_maddr(request_uri: &[u8], is_ours: &impl Fn(&Uri<'_>) -> bool) -> Option<Vec<u8>> {
    let uri = Uri::parse(request_uri).ok()?;
    if !uri.is_sip() || !uri.params.has(b"maddr") || !is_ours(&uri) {
        return None;
    }
    let scheme = request_uri.get(..memchr::memchr(b':', request_uri)?)?;
    let mut stripped = [scheme, b":"].concat();
    if let Some(user) = uri.user {
        stripped.extend_from_slice(user);
        if let Some(password) = uri.password {
            stripped.push(b':');
            stripped.extend_from_slice(password);
        }
        stripped.push(b'@');
    }
    stripped.extend_from_slice(uri.host.to_string().as_bytes());
    let ours = |name: &[u8]| name.eq_ignore_ascii_case(b"maddr") || name.eq_ignore_ascii_case(b"transport");
    for param in uri.params.iter().filter(|param| !ours(param.name)) {
        stripped.extend_from_slice(param.raw);
    }
    Some(stripped)
}

fn is_double(uri: &Uri<'_>) -> bool {
    uri.params.has(b"r2")
}

/// The URI of a Route value.
pub(super) fn route_uri(value: &[u8]) -> Result<Uri<'_>, HeaderError> {
    let address = Address::parse(value).map_err(|error| error.of(Name::Route))?;
    address.parse_uri().map_err(|_| HeaderError::new(Name::Route, Fault::Uri))
}

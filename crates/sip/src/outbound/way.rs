//! How a request reaches a binding ([RFC 3327 §5.3], [RFC 5626 §6]).
//!
//! [RFC 3327 §5.3]: https://www.rfc-editor.org/rfc/rfc3327#section-5.3
//! [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6

use std::sync::Arc;

use bytes::Bytes;
use ringback_sansio::Flow;

use crate::header::{Address, Values};
use crate::location::Binding;
use crate::uri::Uri;

/// The way of a request to a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The Contact URI.
    pub request_uri: Bytes,
    /// The Route values: the Path, as far as it is not our own.
    pub routes: Vec<Bytes>,
    /// The flow to send over: the one of our own Path, else the one that the REGISTER came by, whose far end is the
    /// client or the proxy that sent the REGISTER on and that stands, by RFC 3327, on top of the Path.
    pub flow: Flow,
    /// The URI of the first hop, when there is a Path: what the flow is replaced by when it is gone and the proxy is
    /// trusted. Of a client's own making it could lead anywhere.
    pub next_hop: Option<Bytes>,
}

/// The way to a binding by its Path, or straight over its flow.
///
/// `own_flow` reads a URI of ours on top of a Path, as a proxy of ours put it there: the flow of its token.
pub fn way_to(binding: &Binding, own_flow: impl Fn(&Uri<'_>) -> Option<Flow>) -> Way {
    let mut flow = binding.flow();
    let mut routes = Vec::new();
    let mut next_hop = None;
    for (at, value) in Values::new(binding.path().unwrap_or_default()).enumerate() {
        let uri = Address::parse(value).ok().and_then(|address| address.parse_uri().ok());
        if let Some(own) = uri.as_ref().filter(|_| at == 0).and_then(&own_flow) {
            flow = own;
            continue;
        }
        if routes.is_empty() {
            next_hop = uri.map(|uri| Bytes::copy_from_slice(uri.raw));
        }
        routes.push(Bytes::copy_from_slice(value));
    }
    Way { request_uri: Bytes::copy_from_slice(binding.uri()), routes, flow, next_hop }
}

/// The bindings of one device, the one to try first in front; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device<'l> {
    /// The bindings, newest first: the next one is tried when the flow of the one before has failed.
    pub bindings: Vec<&'l Arc<Binding>>,
}

impl Device<'_> {
    /// The preference: that of the newest binding.
    pub fn q(&self) -> u16 {
        self.bindings.first().map_or(0, |binding| binding.q())
    }
}

/// Bindings by device, in the order of their first: a request goes to each device once ([RFC 5626 §5.3]), over its
/// newest flow first. What has no `+sip.instance` is a device of its own.
///
/// [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3
pub fn devices<'l>(bindings: impl IntoIterator<Item = &'l Arc<Binding>>) -> Vec<Device<'l>> {
    let mut devices: Vec<Device<'l>> = Vec::new();
    for binding in bindings {
        let same = |device: &&mut Device<'l>| {
            let first = device.bindings.first();
            binding.instance().is_some() && first.is_some_and(|first| first.instance() == binding.instance())
        };
        match devices.iter_mut().find(same) {
            Some(device) => device.bindings.push(binding),
            None => devices.push(Device { bindings: vec![binding] }),
        }
    }
    for device in &mut devices {
        device.bindings.sort_by_key(|binding| std::cmp::Reverse(binding.recency()));
    }
    devices
}

//! Which bindings are reached over a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringback_sansio::ConnectionId;

use super::binding::{Binding, BindingId};

/// The bindings on open connections.
///
/// A connection that is lost leaves the table, and with that every binding on it is detached.
#[derive(Debug, Default)]
pub(super) struct Connections {
    bindings: BTreeMap<(ConnectionId, BindingId), Arc<Binding>>,
}

impl Connections {
    /// Whether the binding's connection is open.
    pub(super) fn hold(&self, binding: &Binding) -> bool {
        self.bindings.contains_key(&(binding.flow().connection, binding.id()))
    }

    /// The binding is reached over its connection, unless its flow is one of datagrams or of an earlier process.
    pub(super) fn note(&mut self, binding: &Arc<Binding>) {
        let connection = binding.flow().connection;
        if connection != ConnectionId::NONE {
            self.bindings.insert((connection, binding.id()), binding.clone());
        }
    }

    /// The binding is no longer reached over its connection.
    pub(super) fn forget(&mut self, binding: &Binding) {
        self.bindings.remove(&(binding.flow().connection, binding.id()));
    }

    /// The connection is lost: gives the bindings that were reached over it, in the order of their numbers.
    pub(super) fn remove(&mut self, connection: ConnectionId) -> Vec<Arc<Binding>> {
        let all = (connection, BindingId(0))..=(connection, BindingId(u64::MAX));
        let lost: Vec<_> = self.bindings.range(all).map(|(_, binding)| binding.clone()).collect();
        for binding in &lost {
            self.forget(binding);
        }
        lost
    }
}

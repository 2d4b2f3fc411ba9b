//! Changes that are in memory and not yet in the store.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use ringback_sansio::ConnectionId;
use smallvec::SmallVec;

use super::aor::Aor;
use super::binding::{Binding, BindingId};

/// The number of one update of one address of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use = "an update is committed or rolled back"]
pub struct Ticket(pub(super) u64);

/// What the bindings were before each update that is under way.
///
/// Every update holds, for each binding it changed, what the store had before it. When two updates of one binding are
/// under way and the first fails, what the store had is handed to the second: it is what comes back should that one
/// fail too.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    by_ticket: BTreeMap<Ticket, Update>,
}

/// What a binding was before an update: absent, or a binding whose connection may have been lost since.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) id: BindingId,
    pub(super) binding: Option<Arc<Binding>>,
    pub(super) connection_lost: bool,
}

/// What the bindings were that one update changed; nearly always one.
pub(super) type Befores = SmallVec<[Before; 1]>;

#[derive(Debug)]
struct Update {
    aor: Aor,
    before: Befores,
}

impl InFlight {
    pub(super) fn begin(&mut self, ticket: Ticket, aor: Aor, before: Befores) {
        self.by_ticket.insert(ticket, Update { aor, before });
    }

    /// The update is in the store: what was before it is history, and so is what was before earlier ones.
    pub(super) fn commit(&mut self, ticket: Ticket) {
        let Some(done) = self.by_ticket.remove(&ticket) else { return };
        for (_, earlier) in self.by_ticket.range_mut(..ticket) {
            if earlier.aor == done.aor {
                earlier.before.retain(|before| done.before.iter().all(|other| other.id != before.id));
            }
        }
    }

    /// The update is not in the store: what to put back, which is what no later update has changed.
    pub(super) fn fail(&mut self, ticket: Ticket) -> Option<(Aor, Befores)> {
        let Update { aor, mut before } = self.by_ticket.remove(&ticket)?;
        let later = (Bound::Excluded(ticket), Bound::Unbounded);
        before.retain(|before| {
            let heir = self
                .by_ticket
                .range_mut(later)
                .filter(|(_, update)| update.aor == aor)
                .find_map(|(_, update)| update.before.iter_mut().find(|other| other.id == before.id));
            match heir {
                Some(heir) => {
                    *heir = before.clone();
                    false
                }
                None => true,
            }
        });
        Some((aor, before))
    }

    /// The binding has expired: no failure brings it back, for the store deletes it after all updates under way.
    pub(super) fn expired(&mut self, id: BindingId) {
        for update in self.by_ticket.values_mut() {
            update.before.retain(|before| before.id != id);
        }
    }

    /// A binding that comes back must not come back on a connection that is gone.
    pub(super) fn connection_lost(&mut self, connection: ConnectionId) {
        for before in self.by_ticket.values_mut().flat_map(|update| &mut update.before) {
            if before.binding.as_ref().is_some_and(|binding| binding.flow().connection == connection) {
                before.connection_lost = true;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_ticket.len()
    }
}

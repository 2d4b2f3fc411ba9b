//! The update of one address of record.

use std::sync::Arc;

use ringback_sansio::{ConnectionId, Flow, Transport};
use smallvec::SmallVec;

use super::aor::Aor;
use super::binding::{Binding, BindingId, Draft, InvalidBinding, Key};
use super::change::{Change, Removal, Upsert};
use super::in_flight::{Before, Befores, Ticket};
use super::{Bindings, Location};

/// What one REGISTER does to the bindings of its address of record, all of it or nothing: dropped without
/// [`Update::finish`], it leaves no trace.
#[derive(Debug)]
pub(crate) struct Update<'l> {
    location: &'l mut Location,
    aor: Aor,
    ticket: Ticket,
    next: Bindings,
    displaced: SmallVec<[BindingId; 1]>,
}

/// Why a contact is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The address of record has [`MAX_CONTACTS`] that are reachable.
    TooManyContacts,
    /// It cannot be kept.
    Invalid(InvalidBinding),
}

impl<'l> Update<'l> {
    pub(super) fn new(location: &'l mut Location, aor: Aor, ticket: Ticket) -> Self {
        let next = location.by_aor.get(&aor).cloned().unwrap_or_default();
        Update { location, aor, ticket, next, displaced: SmallVec::new() }
    }

    /// The binding that the key names, as the update has it so far.
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<&Arc<Binding>> {
        // The device's own binding before one that only has the same URI.
        let exactly = |binding: &&Arc<Binding>| match key {
            Key::Outbound { .. } => binding.reg_id().is_some() && binding.is_named_by(key),
            Key::Contact { .. } => binding.is_named_by(key),
        };
        self.next.iter().find(exactly).or_else(|| self.next.iter().find(|binding| binding.is_named_by(key)))
    }

    /// Whether the binding was put by this update.
    pub(crate) fn is_own(&self, binding: &Binding) -> bool {
        binding.recency() == self.ticket.0
    }

    /// Every binding, as the update has it so far.
    pub(crate) fn bindings(&self) -> &[Arc<Binding>] {
        &self.next
    }

    /// Adds a binding, or puts it in the place of the one with that number.
    pub(crate) fn put(&mut self, place: Option<BindingId>, draft: &Draft<'_>) -> Result<(), Refused> {
        let id = match place {
            Some(id) => {
                self.next.retain(|binding| binding.id() != id);
                id
            }
            None => {
                self.make_place(draft.flow)?;
                let id = BindingId(self.location.next_id);
                self.location.next_id += 1;
                id
            }
        };
        let binding = Binding::new(self.aor.clone(), id, self.ticket.0, draft).map_err(Refused::Invalid)?;
        self.next.push(binding);
        Ok(())
    }

    /// Removes the binding with that number.
    pub(crate) fn remove(&mut self, id: BindingId) {
        self.next.retain(|binding| binding.id() != id);
    }

    /// Makes the update visible; no ticket when nothing has changed.
    pub(crate) fn finish(self) -> (Option<Ticket>, Vec<Change>) {
        let Update { location, aor, ticket, next, displaced } = self;
        let current = location.by_aor.get(&aor).cloned().unwrap_or_default();
        let mut before = Befores::new();
        let mut changes = Vec::new();
        for gone in current.iter().filter(|old| next.iter().all(|new| new.id() != old.id())) {
            let connection_lost = !location.is_reachable(gone);
            location.take(gone);
            let cause = if displaced.contains(&gone.id()) {
                location.stats.displaced += 1;
                Removal::Displaced
            } else {
                location.stats.unregistered += 1;
                Removal::Unregistered
            };
            before.push(Before { id: gone.id(), binding: Some(gone.clone()), connection_lost });
            changes.push(Change::Remove { binding: gone.clone(), cause });
        }
        for binding in next {
            let old = current.iter().find(|old| old.id() == binding.id());
            if old.is_some_and(|old| Arc::ptr_eq(old, &binding)) {
                continue;
            }
            before.push(Before {
                id: binding.id(),
                binding: old.cloned(),
                connection_lost: old.is_some_and(|old| !location.is_reachable(old)),
            });
            let how = match old {
                None => {
                    location.stats.added += 1;
                    Upsert::Added
                }
                Some(old) => {
                    location.take(old);
                    let from = old.flow();
                    // A connection flow without a connection is one of an earlier process: nothing is left on it.
                    let ended = from.transport() != Transport::Udp && from.connection == ConnectionId::NONE;
                    if from == binding.flow() || ended {
                        location.stats.refreshed += 1;
                        Upsert::Refreshed
                    } else {
                        location.stats.moved += 1;
                        Upsert::Moved { from }
                    }
                }
            };
            location.put(binding.clone());
            changes.push(Change::Upsert { binding, how });
        }
        if changes.is_empty() {
            return (None, changes);
        }
        location.in_flight.begin(ticket, aor, before);
        (Some(ticket), changes)
    }

    /// Makes sure that there is place for one more binding, at the cost of the detached one that was refreshed first.
    fn make_place(&mut self, flow: Flow) -> Result<(), Refused> {
        if self.next.len() < MAX_CONTACTS {
            return Ok(());
        }
        let detached = self
            .next
            .iter()
            .filter(|binding| binding.flow() != flow && !self.location.is_reachable(binding))
            .min_by_key(|binding| (binding.recency(), binding.id()))
            .map(|binding| binding.id());
        let Some(id) = detached else { return Err(Refused::TooManyContacts) };
        self.next.retain(|binding| binding.id() != id);
        self.displaced.push(id);
        Ok(())
    }
}

/// The most contacts of an address of record: what one request may be forked into.
pub const MAX_CONTACTS: usize = 16;

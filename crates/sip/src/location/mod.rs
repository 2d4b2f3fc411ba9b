//! The location service ([RFC 3261 §10]): which contacts an address of record has, and over which flow each is reached.
//!
//! A binding is named by device and `reg-id` ([RFC 5626 §6]) or, without them, by its Contact URI. A device that comes
//! back over a new connection keeps its binding, and the change says which flow it had, so that its dialogs can follow.
//!
//! A binding whose connection is lost is *detached*: it is neither a target nor listed in a 200, but it is remembered
//! until it expires, because only so is the device recognised when it comes back. Bindings read from the store at
//! start are detached unless their flow is one of datagrams.
//!
//! An update shows in memory at once and is told as a success only after the store has it: [`Location::commit`] or
//! [`Location::roll_back`] ends each [`Ticket`]. Requests may reach a contact in between, which harms nobody; a later
//! REGISTER of the same address of record builds on it, which is what makes two of them in flight come out right in
//! any order of success and failure.
//!
//! Assumptions and what is left out:
//! - An address of record is in one location service only (`owner(message)` in the architecture), so the numbers of
//!   bindings need not be unique between two of them.
//! - No registration event package. Which bindings a GRUU leads to, [`crate::gruu`] says.
//!
//! [RFC 3261 §10]: https://www.rfc-editor.org/rfc/rfc3261#section-10
//! [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6

mod aor;
mod binding;
mod change;
mod connections;
mod in_flight;
mod record;
mod update;

pub use aor::Aor;
pub use binding::{Binding, BindingId, InvalidBinding, MAX_TEXT, MAX_USER_AGENT};
pub use change::{Change, Removal, Upsert};
pub use in_flight::Ticket;
pub use record::BindingRecord;
pub use update::MAX_CONTACTS;

pub(crate) use binding::{Draft, Key};
pub(crate) use update::{Refused, Update};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sansio::{ConnectionId, Flow, Transport};
use smallvec::SmallVec;

use connections::Connections;
use in_flight::InFlight;

/// The bindings of all addresses of record of one worker.
#[derive(Debug)]
pub struct Location {
    start: Instant,
    grace: Duration,
    /// Looked up only: nothing depends on its order.
    by_aor: HashMap<Aor, Bindings>,
    connections: Connections,
    /// When each binding is removed, in milliseconds since `start`.
    deadlines: BTreeMap<(u64, BindingId), Arc<Binding>>,
    in_flight: InFlight,
    next_id: u64,
    next_ticket: u64,
    stats: Stats,
}

/// The bindings of one address of record, in the order in which they are tried.
type Bindings = SmallVec<[Arc<Binding>; 2]>;

/// What has happened to bindings, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bindings that were not there before.
    pub added: u64,
    /// Bindings refreshed on the flow they had.
    pub refreshed: u64,
    /// Bindings refreshed over another flow.
    pub moved: u64,
    /// Bindings removed by their device.
    pub unregistered: u64,
    /// Bindings whose time was over.
    pub expired: u64,
    /// Bindings without a connection that made place for a new contact.
    pub displaced: u64,
    /// Bindings that another of the same device or URI replaced.
    pub superseded: u64,
    /// Bindings that lost their connection.
    pub detached: u64,
    /// Updates that the store did not take.
    pub rolled_back: u64,
}

impl Location {
    /// No bindings. `start` is any instant before the first use; a binding is kept for `grace` after it has expired,
    /// because a client's clock and ours differ and its refresh may be under way.
    pub fn new(start: Instant, grace: Duration) -> Self {
        Location {
            start,
            grace,
            by_aor: HashMap::new(),
            connections: Connections::default(),
            deadlines: BTreeMap::new(),
            in_flight: InFlight::default(),
            next_id: 1,
            next_ticket: 1,
            stats: Stats::default(),
        }
    }

    /// The bindings of the address of record that a request can be sent to, in the order to try them: by preference,
    /// then the latest first.
    pub fn targets(&self, aor: &[u8]) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings(aor).iter().filter(|binding| self.is_reachable(binding))
    }

    /// Every binding of the address of record, detached ones included, in the same order.
    pub fn bindings(&self, aor: &[u8]) -> &[Arc<Binding>] {
        self.by_aor.get(aor).map_or(&[], SmallVec::as_slice)
    }

    /// Whether a request can be sent to the binding: its flow is one of datagrams, or its connection is open.
    pub fn is_reachable(&self, binding: &Binding) -> bool {
        binding.flow().transport() == Transport::Udp || self.connections.hold(binding)
    }

    /// Every binding, the first to be removed first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.deadlines.values()
    }

    /// The number of bindings.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether there are no bindings.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// The number of addresses of record with a binding.
    pub fn aors(&self) -> usize {
        self.by_aor.len()
    }

    /// The number of updates that the store has not yet answered for.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What has happened so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The connection of the flow is lost: gives the bindings that are thereby detached.
    ///
    /// The store keeps their rows; they expire or their device comes back. A flow of datagrams is never lost as a whole.
    pub fn remove_flow(&mut self, flow: &Flow) -> Vec<Arc<Binding>> {
        if flow.connection == ConnectionId::NONE {
            return Vec::new();
        }
        self.in_flight.connection_lost(flow.connection);
        let detached = self.connections.remove(flow.connection);
        self.stats.detached += detached.len() as u64;
        detached
    }

    /// Takes a binding from the store, at start; `expires` is what the caller makes of the row's time.
    ///
    /// Of two rows for one device or URI the later one stays, and the change says which row is to be deleted.
    pub fn restore(
        &mut self,
        row: &BindingRecord<'_>,
        expires: Instant,
    ) -> Result<Option<Change>, InvalidBinding> {
        let draft = Draft {
            contact: row.contact,
            uri: row.uri,
            instance: row.instance,
            reg_id: row.reg_id,
            q: row.q,
            call_id: row.call_id,
            cseq: row.cseq,
            first_cseq: row.cseq,
            path: row.path.unwrap_or_default(),
            user_agent: row.user_agent.unwrap_or_default(),
            flow: Flow { tuple: row.flow, connection: ConnectionId::NONE },
            expires,
        };
        let aor = self.aor(row.aor);
        let binding = Binding::new(aor, row.id, row.recency, &draft)?;
        self.next_id = self.next_id.max(row.id.0.saturating_add(1));
        self.next_ticket = self.next_ticket.max(row.recency.saturating_add(1));
        let rival = self
            .bindings(row.aor)
            .iter()
            .find(|other| other.id() == binding.id() || other.is_named_by(&binding.key()))
            .cloned();
        match rival {
            Some(rival) if rival.recency() >= binding.recency() => {
                Ok((rival.id() != binding.id()).then(|| self.superseded(binding)))
            }
            Some(rival) => {
                self.take(&rival);
                let same_row = rival.id() == binding.id();
                self.put(binding);
                Ok((!same_row).then(|| self.superseded(rival)))
            }
            None => {
                self.put(binding);
                Ok(None)
            }
        }
    }

    /// Removes every binding of the address of record, whose user is no more; the store deletes their rows.
    pub fn remove_aor(&mut self, aor: &[u8]) -> Vec<Change> {
        let removed = self.bindings(aor).to_vec();
        let mut changes = Vec::with_capacity(removed.len());
        for binding in removed {
            self.take(&binding);
            self.stats.unregistered += 1;
            changes.push(Change::Remove { binding, cause: Removal::Unregistered });
        }
        changes
    }

    /// The store has the update.
    pub fn commit(&mut self, ticket: Ticket) {
        self.in_flight.commit(ticket);
    }

    /// The store does not have the update: everything is as before it, unless a later update has changed it again.
    ///
    /// Gives what the store is still to do: a binding that comes back and whose place has been taken in the meantime
    /// has a row to be deleted.
    pub fn roll_back(&mut self, ticket: Ticket) -> Vec<Change> {
        let Some((aor, before)) = self.in_flight.fail(ticket) else { return Vec::new() };
        self.stats.rolled_back += 1;
        let mut left = Vec::new();
        for before in before {
            let current =
                self.bindings(aor.as_bytes()).iter().find(|binding| binding.id() == before.id).cloned();
            if let Some(current) = current {
                self.take(&current);
            }
            let Some(binding) = before.binding else { continue };
            if self.bindings(aor.as_bytes()).iter().any(|other| other.is_named_by(&binding.key())) {
                left.push(self.superseded(binding));
                continue;
            }
            self.put(binding.clone());
            if before.connection_lost {
                self.connections.forget(&binding);
            }
        }
        left
    }

    /// When [`Location::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (&(at, _), _) = self.deadlines.first_key_value()?;
        self.start.checked_add(Duration::from_millis(at))
    }

    /// Removes the bindings whose time and grace are over.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        // The deadline is rounded up, so that a binding never ends early; time is rounded down to match.
        let now = self.milliseconds(now);
        while let Some((&(at, _), binding)) = self.deadlines.first_key_value()
            && at <= now
        {
            let binding = binding.clone();
            self.take(&binding);
            self.in_flight.expired(binding.id());
            self.stats.expired += 1;
            changes.push(Change::Remove { binding, cause: Removal::Expired });
        }
        changes
    }

    /// Starts an update of the address of record; nothing changes before it is finished.
    pub(crate) fn update(&mut self, aor: &[u8]) -> Update<'_> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let aor = self.aor(aor);
        Update::new(self, aor, ticket)
    }

    /// The address of record, sharing the memory of its other bindings.
    fn aor(&self, name: &[u8]) -> Aor {
        self.by_aor.get_key_value(name).map_or_else(|| Aor::new(name), |(aor, _)| aor.clone())
    }

    /// Enters a binding into every index.
    fn put(&mut self, binding: Arc<Binding>) {
        self.deadlines.insert((self.deadline(&binding), binding.id()), binding.clone());
        self.connections.note(&binding);
        let bindings = self.by_aor.entry(binding.aor().clone()).or_default();
        let order = binding.order();
        let at = bindings.partition_point(|other| other.order() < order);
        bindings.insert(at, binding);
    }

    /// Takes a binding out of every index.
    fn take(&mut self, binding: &Arc<Binding>) {
        self.deadlines.remove(&(self.deadline(binding), binding.id()));
        self.connections.forget(binding);
        let Some(bindings) = self.by_aor.get_mut(binding.aor()) else { return };
        bindings.retain(|other| other.id() != binding.id());
        if bindings.is_empty() {
            self.by_aor.remove(binding.aor());
        }
    }

    fn deadline(&self, binding: &Binding) -> u64 {
        let until = binding.expires().saturating_duration_since(self.start) + self.grace;
        u64::try_from(until.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn superseded(&mut self, binding: Arc<Binding>) -> Change {
        self.stats.superseded += 1;
        Change::Remove { binding, cause: Removal::Superseded }
    }
}

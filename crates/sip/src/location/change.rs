//! What happens to bindings.

use std::sync::Arc;

use ringback_sansio::Flow;

use super::binding::Binding;

/// A change of one binding, for the store and for whoever follows registrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The binding is as given; the store writes its whole row.
    Upsert {
        /// The binding.
        binding: Arc<Binding>,
        /// What it was before.
        how: Upsert,
    },
    /// The binding is gone; the store deletes its row.
    Remove {
        /// The binding as it was.
        binding: Arc<Binding>,
        /// Why.
        cause: Removal,
    },
}

/// How a binding came to be as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// It was not there.
    Added,
    /// It was there, on the same flow or on one that ended with an earlier process.
    Refreshed,
    /// It was there on another flow, whose dialogs belong on the new one.
    Moved {
        /// The flow it had.
        from: Flow,
    },
}

/// Why a binding is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Removal {
    /// Its device asked.
    Unregistered,
    /// Its time and the grace after it are over.
    Expired,
    /// Its connection was lost and a new contact needed the place.
    Displaced,
    /// Another binding of the same device or URI stands in its place.
    Superseded,
}

impl Change {
    /// The binding, as it is or as it was.
    pub fn binding(&self) -> &Arc<Binding> {
        match self {
            Change::Upsert { binding, .. } | Change::Remove { binding, .. } => binding,
        }
    }
}

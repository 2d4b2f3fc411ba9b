//! The contacts of a user, as the registration event package tells them (RFC 3680).

use std::collections::BTreeMap;
use std::time::Instant;

use ringback_sip::event::documents::reginfo::{Contact, ContactEvent};

use crate::exchange::Exchange;

impl Exchange {
    /// The contacts of a user by their number.
    pub(super) fn contacts_of(&self, now: Instant, user: &str) -> BTreeMap<String, Contact> {
        let bindings = self.reachable(user);
        bindings
            .map(|binding| {
                let id = binding.id().0.to_string();
                let left = binding.expires().saturating_duration_since(now);
                let contact = Contact {
                    id: id.clone(),
                    uri: String::from_utf8_lossy(binding.uri()).into_owned(),
                    event: ContactEvent::Registered,
                    expires: left.as_secs(),
                    q: binding.q(),
                };
                (id, contact)
            })
            .collect()
    }
}

/// The contacts as the next document tells them: those that there are, and once those that are gone. `None` when the
/// watcher knows them all; how long they last is told with the rest.
pub(super) fn changes(
    told: &BTreeMap<String, Contact>,
    present: &BTreeMap<String, Contact>,
) -> Option<Vec<Contact>> {
    let is_same = |(id, contact): (&String, &Contact)| {
        told.get(id).is_some_and(|old| old.uri == contact.uri && old.q == contact.q)
    };
    if told.len() == present.len() && present.iter().all(is_same) {
        return None;
    }
    let gone = told.iter().filter(|(id, _)| !present.contains_key(*id)).map(|(_, contact)| Contact {
        event: ContactEvent::Unregistered,
        expires: 0,
        ..contact.clone()
    });
    Some(present.values().cloned().chain(gone).collect())
}

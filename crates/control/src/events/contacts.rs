//! The contacts of a user, as the registration event package tells them (RFC 3680), with the GRUUs of their devices
//! (RFC 5628).
//!
//! They are told to the user alone, who may know the temporary GRUUs of its own devices.

use std::collections::BTreeMap;
use std::time::Instant;

use ringback_sip::event::documents::reginfo::{Contact, ContactEvent, Device, Temporary};
use ringback_sip::location::Binding;
use ringback_sip::uri::Uri;

use crate::exchange::Exchange;

impl Exchange {
    /// The contacts of a user by their number; `entity` is the URI by which the watcher knows the user.
    pub(super) fn contacts_of(&self, now: Instant, user: &str, entity: &str) -> BTreeMap<String, Contact> {
        let bindings = self.reachable(user);
        bindings
            .map(|binding| {
                let id = binding.id().0.to_string();
                let left = binding.expires().saturating_duration_since(now);
                let contact = Contact {
                    id: id.clone(),
                    uri: text(binding.uri()),
                    event: ContactEvent::Registered,
                    expires: left.as_secs(),
                    q: binding.q(),
                    register: (text(binding.call_id()), binding.cseq()),
                    device: self.device_of(binding, entity),
                };
                (id, contact)
            })
            .collect()
    }

    fn device_of(&self, binding: &Binding, entity: &str) -> Option<Device> {
        let instance = binding.instance()?;
        let aor = Uri::parse(entity.as_bytes()).ok()?;
        let gruus = &self.settings.gruus;
        let (mut public, mut temporary) = (Vec::new(), Vec::new());
        gruus.write_public(&aor, instance, &mut public);
        let has_temporary = gruus.write_temporary(&aor, binding, &mut temporary);
        Some(Device {
            instance: text(instance),
            public: text(&public),
            temporary: has_temporary
                .then(|| Temporary { uri: text(&temporary), first_cseq: binding.first_cseq() }),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The contacts as the next document tells them: those that there are, and once those that are gone. `None` when the
/// watcher knows them all; how long they last, and the newest temporary GRUU, is told with the rest. Those of another
/// Call-ID are void, which is news.
pub(super) fn changes(
    told: &BTreeMap<String, Contact>,
    present: &BTreeMap<String, Contact>,
) -> Option<Vec<Contact>> {
    let is_same = |(id, contact): (&String, &Contact)| {
        told.get(id).is_some_and(|old| {
            old.uri == contact.uri
                && old.q == contact.q
                && (old.register.0 == contact.register.0 || contact.device.is_none())
        })
    };
    if told.len() == present.len() && present.iter().all(is_same) {
        return None;
    }
    let gone = told.iter().filter(|(id, _)| !present.contains_key(*id)).map(|(_, contact)| Contact {
        event: ContactEvent::Unregistered,
        expires: 0,
        device: None,
        ..contact.clone()
    });
    Some(present.values().cloned().chain(gone).collect())
}

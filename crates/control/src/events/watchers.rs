//! Who watches the presence of a user, as its watcher information tells the user (RFC 3857).

use std::collections::BTreeMap;

use ringback_sip::event::documents::watcherinfo::{Status, Watcher};
use ringback_sip::event::{Package, SubscriptionId};

use crate::call::identity::ANONYMOUS;
use crate::call::setup::sip_uri;
use crate::exchange::Exchange;

/// Watchers that are told of, the oldest first: what one NOTIFY holds.
const MOST: usize = 200;

impl Exchange {
    /// Who watches the presence of a user, by lists too; `entity` is the URI by which that user is known. Who asked for
    /// one NOTIFY alone watches nothing, and who asked for privacy ([RFC 3323]) is counted and not named.
    ///
    /// [RFC 3323]: https://www.rfc-editor.org/rfc/rfc3323
    pub(super) fn watchers_of(&self, user: &str, entity: &str) -> BTreeMap<SubscriptionId, Watcher> {
        let host = entity.rsplit('@').next().unwrap_or_default();
        self.event_state
            .notifier
            .watching(Package::Presence, user)
            .filter(|(_, subscription)| !subscription.state().is_terminated())
            .take(MOST)
            .map(|(id, subscription)| {
                let uri = match subscription.memory.is_hidden {
                    true => ANONYMOUS.to_owned(),
                    false => sip_uri(&subscription.watcher, host),
                };
                (id, Watcher { uri, status: Status::of(subscription.state()) })
            })
            .collect()
    }
}

//! The state of everybody on a list in one NOTIFY (RFC 4662).

use std::time::Instant;

use ringback_sip::event::Package;
use ringback_sip::event::documents::rlmi::{self, Instance, List, Resource};

use super::notify::Body;
use super::{Told, Watched};
use crate::exchange::Exchange;

/// Bytes of documents that go into one NOTIFY; what is more goes into the next one.
const MOST: usize = 40 * 1024;

impl Exchange {
    /// The body of the next NOTIFY of a list, and whether there is more to tell; `None` when its watcher knows it all.
    ///
    /// The first one and those that are asked for name every resource, the others those that have changed.
    pub(super) fn list_body(
        &mut self,
        now: Instant,
        package: Package,
        told: &mut Told,
        watcher: &str,
        is_full: bool,
    ) -> Option<(Body, bool)> {
        let mut resources = Vec::new();
        let (mut length, mut is_more) = (0, false);
        if is_full {
            for watched in &mut told.watched {
                watched.known = None;
            }
        }
        for watched in &mut told.watched {
            let Watched { uri, user, .. } = watched;
            let uri = uri.clone();
            if user.is_none() {
                if is_full {
                    resources.push(Resource { uri, instance: Instance::NoResource });
                }
                continue;
            }
            let document = if length < MOST {
                self.document(now, package, watched, watcher)
            } else {
                is_more |= watched.known.is_none() || self.would_tell(now, package, watched, watcher);
                None
            };
            length += document.as_ref().map_or(0, String::len);
            if is_full || document.is_some() {
                resources.push(Resource { uri, instance: Instance::Active(document) });
            }
        }
        // A list of nobody is told as that, once.
        if resources.is_empty() && !is_full {
            return None;
        }
        let boundary = self.random_token();
        let list = List {
            uri: told.list.as_deref().unwrap_or_default(),
            version: told.version,
            is_full,
            content_type: package.content_type(),
            boundary: &boundary,
        };
        let (text, content_type) = rlmi::write(&list, &resources);
        told.version = told.version.saturating_add(1);
        Some((Body { text, content_type }, is_more))
    }
}

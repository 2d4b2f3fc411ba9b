//! Conferences: whoever dials `conf-NAME` hears everybody else who did.
//!
//! A conference begins with its first member and ends with its last; nobody owns it. All of its members are on one media
//! worker, so that their audio is added up in one place: a call that begins is placed there, and one that is transferred
//! there has to be there already.

use std::collections::BTreeMap;

use ringback_media::insert::{ConferenceKey, MAX_MEMBERS};

use super::Call;
use super::refused::CallRefused;
use super::service::Service;
use crate::exchange::Exchange;

/// The conferences that are held.
#[derive(Debug, Default)]
pub(crate) struct Conferences(BTreeMap<ConferenceKey, Held>);

#[derive(Debug)]
struct Held {
    worker: u16,
    members: usize,
}

/// The name of the conference that a number stands for, in lower case, if it is one.
pub(crate) fn conference_name(user: &str) -> Option<String> {
    let (prefix, name) = user.split_at_checked(PREFIX.len())?;
    let is_one = prefix.eq_ignore_ascii_case(PREFIX) && !name.is_empty() && name.len() <= LONGEST_NAME;
    is_one.then(|| name.to_lowercase())
}

impl Conferences {
    /// How many are held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The media worker that holds it; `None` for one that nobody is in yet.
    pub fn worker(&self, key: ConferenceKey) -> Option<u16> {
        self.0.get(&key).map(|held| held.worker)
    }

    fn is_full(&self, key: ConferenceKey) -> bool {
        self.0.get(&key).is_some_and(|held| held.members >= MAX_MEMBERS)
    }

    fn enter(&mut self, key: ConferenceKey, worker: u16) {
        self.0.entry(key).or_insert(Held { worker, members: 0 }).members += 1;
    }

    pub fn leave(&mut self, key: ConferenceKey) {
        let Some(held) = self.0.get_mut(&key) else { return };
        held.members -= 1;
        if held.members == 0 {
            self.0.remove(&key);
        }
    }
}

impl Exchange {
    /// The conference of a name.
    pub(crate) fn conference_of(&self, name: &str) -> ConferenceKey {
        // Nobody outside can look for two names of one key.
        ConferenceKey(self.hash_of(name))
    }

    /// Whether there is a place in a conference for another call, which is on a media worker already or is not.
    pub(crate) fn admit_to_conference(&self, key: ConferenceKey, at: Option<u16>) -> Result<(), CallRefused> {
        let held = self.conferences.worker(key);
        if self.conferences.is_full(key) {
            return Err(CallRefused::ConferenceFull);
        }
        match at.zip(held) {
            Some((at, held)) if at != held => Err(CallRefused::ConferenceElsewhere),
            _ => Ok(()),
        }
    }

    /// Changes what a call that is alone with the exchange is served with.
    pub(crate) fn serve_alone(&mut self, call: &mut Call, service: Service) {
        if matches!(service, Service::Conference(_) | Service::Play(_)) {
            self.end_recording_of(call);
        }
        if let Service::Conference(key) = service {
            self.conferences.enter(key, call.worker);
        }
        if let Service::Conference(key) = std::mem::replace(&mut call.service, service) {
            self.conferences.leave(key);
        }
    }
}

/// What stands before the name of a conference that is dialled.
const PREFIX: &str = "conf-";

/// The longest name of a conference, in bytes.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_is_dialled_by_its_name_in_any_case() {
        assert_eq!(conference_name("conf-Sales").as_deref(), Some("sales"));
        assert_eq!(conference_name("CONF-1").as_deref(), Some("1"));
        for other in ["conf-", "conf", "alice", "co", "", "c\u{f6}nf-x"] {
            assert_eq!(conference_name(other), None, "{other}");
        }
        assert_eq!(conference_name(&format!("conf-{}", "x".repeat(65))), None);
    }

    #[test]
    fn a_conference_ends_with_its_last_member() {
        let (mut conferences, key) = (Conferences::default(), ConferenceKey(7));
        conferences.enter(key, 1);
        conferences.enter(key, 1);
        conferences.leave(key);
        assert_eq!((conferences.len(), conferences.worker(key)), (1, Some(1)));
        conferences.leave(key);
        assert_eq!((conferences.len(), conferences.worker(key)), (0, None));
    }

    #[test]
    fn a_full_conference_takes_nobody() {
        let (mut conferences, key) = (Conferences::default(), ConferenceKey(7));
        (1..MAX_MEMBERS).for_each(|_| conferences.enter(key, 0));
        assert!(!conferences.is_full(key));
        conferences.enter(key, 0);
        assert!(conferences.is_full(key));
    }
}

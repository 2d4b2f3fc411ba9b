//! Conferences: whoever dials `conf-NAME` hears everybody else who did.
//!
//! A conference begins with its first member and ends with its last; nobody owns it. One that a call became (`transfer`,
//! `join`) has no name, and ends when only one of its members is left, as the call would have. All members are on one
//! media worker, so that their audio is added up in one place: a call that begins is placed there, and one that is
//! transferred there has to be there already.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::Rng;
use ringback_media::insert::{ConferenceKey, MAX_MEMBERS};
use ringback_sip::header::Reason;

use super::end::CLEARED;
use super::refused::CallRefused;
use super::service::Service;
use super::{Call, CallNumber};
use crate::cdr::EndedBy;
use crate::exchange::Exchange;

/// The conferences that are held.
#[derive(Debug, Default)]
pub(crate) struct Conferences(BTreeMap<ConferenceKey, Held>);

#[derive(Debug)]
struct Held {
    worker: u16,
    members: Vec<CallNumber>,
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
        self.0.get(&key).is_some_and(|held| held.members.len() >= MAX_MEMBERS)
    }

    /// Whether it is one that nobody can dial, and its last member has left.
    pub fn is_over(&self, key: ConferenceKey) -> bool {
        !has_name(key) && !self.0.contains_key(&key)
    }

    fn enter(&mut self, key: ConferenceKey, worker: u16, call: CallNumber) {
        let begun = Held { worker, members: Vec::new() };
        self.0.entry(key).or_insert(begun).members.push(call);
    }

    /// A call has left; gives the one that is left alone by it.
    fn leave(&mut self, key: ConferenceKey, call: CallNumber) -> Option<CallNumber> {
        let held = self.0.get_mut(&key)?;
        held.members.retain(|member| *member != call);
        match held.members[..] {
            [] => {
                self.0.remove(&key);
                None
            }
            [last] if !has_name(key) => Some(last),
            _ => None,
        }
    }
}

impl Exchange {
    /// The conference of a name.
    pub(crate) fn conference_of(&self, name: &str) -> ConferenceKey {
        // Nobody outside can look for two names of one key.
        ConferenceKey(self.hash_of(name) & !NAMELESS)
    }

    /// One that nobody can dial.
    pub(crate) fn conference_without_name(&mut self) -> ConferenceKey {
        ConferenceKey(self.random.next_u64() | NAMELESS)
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
        if call.service == service {
            return;
        }
        if let Service::Conference(key) = service {
            self.conferences.enter(key, call.worker, call.number);
        }
        if let Service::Conference(key) = std::mem::replace(&mut call.service, service) {
            self.conferences.leave(key, call.number);
        }
    }

    /// A call in a conference is over.
    pub(crate) fn leave_conference(&mut self, now: Instant, call: CallNumber, key: ConferenceKey) {
        if let Some(last) = self.conferences.leave(key, call) {
            const WORDS: &str = "everybody else has left";
            self.on_call(now, last, |exchange, call| {
                call.given_reason = Reason::write("Q.850", CLEARED, WORDS).into();
                exchange.end(now, call, EndedBy::Exchange, WORDS);
            });
        }
    }
}

fn has_name(key: ConferenceKey) -> bool {
    key.0 & NAMELESS == 0
}

/// The bit that keys of conferences without a name have.
const NAMELESS: u64 = 1 << 63;

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
        conferences.enter(key, 1, CallNumber(1));
        conferences.enter(key, 1, CallNumber(2));
        assert_eq!(conferences.leave(key, CallNumber(1)), None, "who dialled a name may wait there");
        assert_eq!((conferences.len(), conferences.worker(key)), (1, Some(1)));
        conferences.leave(key, CallNumber(2));
        assert_eq!((conferences.len(), conferences.worker(key)), (0, None));
    }

    #[test]
    fn one_without_a_name_leaves_nobody_alone() {
        let (mut conferences, key) = (Conferences::default(), ConferenceKey(7 | NAMELESS));
        (1..=3).for_each(|call| conferences.enter(key, 1, CallNumber(call)));
        assert_eq!(conferences.leave(key, CallNumber(2)), None);
        assert_eq!(conferences.leave(key, CallNumber(1)), Some(CallNumber(3)));
        assert!(!conferences.is_over(key));
        assert_eq!(conferences.leave(key, CallNumber(3)), None);
        assert_eq!(conferences.len(), 0);
        assert!(conferences.is_over(key) && !conferences.is_over(ConferenceKey(7)), "a name begins it again");
    }

    #[test]
    fn a_full_conference_takes_nobody() {
        let (mut conferences, key) = (Conferences::default(), ConferenceKey(7));
        (1..MAX_MEMBERS).for_each(|call| conferences.enter(key, 0, CallNumber(call as u64)));
        assert!(!conferences.is_full(key));
        conferences.enter(key, 0, CallNumber(0));
        assert!(conferences.is_full(key));
    }
}

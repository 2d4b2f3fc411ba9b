//! The calls of somebody, as busy lamps show them: made from our own calls.

use std::collections::{BTreeMap, BTreeSet};

use ringback_sip::event::documents::dialog_info::{Dialog, DialogState, Direction};

use crate::call::{Call, CallNumber, Leg, Phase, Signalling};
use crate::exchange::Exchange;

/// Which calls each user has, so that a lamp does not cost a look at every call.
#[derive(Debug, Default)]
pub(crate) struct CallsByUser {
    calls: BTreeMap<String, BTreeSet<CallNumber>>,
    users: BTreeMap<CallNumber, Vec<String>>,
}

impl CallsByUser {
    /// Takes note of the users of a call, or forgets a call that is over.
    pub fn note(&mut self, call: &Call) {
        if call.is_over() {
            for user in self.users.remove(&call.number).into_iter().flatten() {
                if let Some(calls) = self.calls.get_mut(&user) {
                    calls.remove(&call.number);
                    if calls.is_empty() {
                        self.calls.remove(&user);
                    }
                }
            }
            return;
        }
        let users = self.users.entry(call.number).or_default();
        for leg in call.legs() {
            if !users.contains(&leg.aor) {
                users.push(leg.aor.clone());
                self.calls.entry(leg.aor.clone()).or_default().insert(call.number);
            }
        }
    }

    /// How many calls are noted.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// The calls of a user that are not forgotten yet.
    pub fn of<'c>(&'c self, user: &str) -> impl Iterator<Item = &'c CallNumber> {
        self.calls.get(user).into_iter().flatten()
    }
}

impl Exchange {
    /// The legs of a user in calls that are not over, each with its call.
    pub(crate) fn legs_of<'e>(&'e self, user: &'e str) -> impl Iterator<Item = (&'e Call, &'e Leg)> {
        self.event_state
            .calls
            .of(user)
            .filter_map(|number| self.calls.get(number))
            .filter(|call| call.phase != Phase::Ending)
            .flat_map(|call| call.legs().map(|leg| (&**call, leg)))
            .filter(move |(_, leg)| leg.aor == user)
    }

    /// The dialogs of a user. The other side is told when the watcher is that user, by addresses like `entity`.
    pub(super) fn dialogs_of(&self, user: &str, entity: &str, is_own: bool) -> Vec<Dialog> {
        let host = entity.rsplit('@').next().unwrap_or_default();
        self.legs_of(user)
            .filter_map(|(call, leg)| {
                let is_caller = leg.key == call.caller.key;
                let other = if is_caller { &call.record.dialled } else { &call.caller.aor };
                Some(Dialog {
                    id: format!("{:x}", leg.key.0),
                    direction: if is_caller { Direction::Initiator } else { Direction::Recipient },
                    state: state_of(call, leg)?,
                    remote: (is_own && (is_caller || !call.identity.is_hidden()))
                        .then(|| format!("sip:{other}@{host}")),
                })
            })
            .collect()
    }
}

/// How far the dialog of a leg is; `None` when there is none.
fn state_of(call: &Call, leg: &Leg) -> Option<DialogState> {
    match &leg.signalling {
        Signalling::Idle { .. } | Signalling::Over | Signalling::Leaving { .. } => None,
        Signalling::Confirmed { .. } => Some(DialogState::Confirmed),
        Signalling::Inviting { cancelled: true, .. } => None,
        Signalling::Inviting { early: Some(_), .. } => Some(DialogState::Early),
        Signalling::Inviting { early: None, .. } => Some(DialogState::Trying),
        // The caller was sent a 100, and what rings at the other end.
        Signalling::Invited { .. } => {
            let rings = call
                .callees
                .iter()
                .any(|callee| matches!(callee.signalling, Signalling::Inviting { early: Some(_), .. }));
            Some(if rings { DialogState::Early } else { DialogState::Proceeding })
        }
    }
}

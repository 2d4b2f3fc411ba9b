//! What users have set for the calls that come for them: forwarding, do not disturb, call waiting, pickup groups.
//!
//! The driver hands the table over at the start and after every change ([`Exchange::set_features`]), so that routing
//! asks nobody. A user who has set nothing has no entry.

mod codes;

pub(crate) use codes::Code;
use codes::is_number;

use std::time::Duration;

use crate::ask::User;
use crate::exchange::Exchange;
use crate::settings::Limits;

/// What one user has set; the default is a user who has set nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Where every call goes, without ringing: a user or a number of this exchange.
    pub always: Option<String>,
    /// Where a call goes when the user is busy.
    pub busy: Option<String>,
    /// Where a call goes when nobody picks up or nobody is signed in.
    pub no_answer: Option<String>,
    /// For how many seconds the user's contacts are rung.
    pub ring_seconds: Option<u32>,
    /// Whether the contacts do not ring at all.
    pub do_not_disturb: bool,
    /// How many calls the user may have at the same time; one more finds it busy. 1 is call waiting switched off.
    pub waiting: Option<u32>,
    /// Users of the same group may pick up each other's calls.
    pub group: Option<String>,
}

impl Features {
    /// The longest time that may be set for ringing.
    pub const MAX_RING_SECONDS: u32 = 600;

    /// Whether calls can be forwarded there: a user name, or the echo. Feature codes are for who dials them.
    pub fn can_forward_to(text: &str) -> bool {
        is_number(text)
    }

    /// How long the user's contacts are rung: as set, else 20 s before a call is forwarded, else as long as any call.
    pub(crate) fn ring(&self, limits: &Limits) -> Duration {
        match (self.ring_seconds, &self.no_answer) {
            (Some(seconds), _) => Duration::from_secs(seconds.clamp(1, Self::MAX_RING_SECONDS).into()),
            (None, Some(_)) => BEFORE_FORWARDING.min(limits.ring),
            (None, None) => limits.ring,
        }
    }
}

impl Exchange {
    /// Takes what a user has set; the default removes it.
    pub fn set_features(&mut self, user: &str, features: Features) {
        if features == Features::default() {
            self.features.remove(user);
        } else {
            self.features.insert(user.to_owned(), features);
        }
    }

    /// What a user has set.
    pub(crate) fn features_of(&self, user: &str) -> Features {
        self.features.get(user).cloned().unwrap_or_default()
    }

    /// Whether both are of one pickup group, or the same user.
    pub(crate) fn may_pick_up(&self, picker: &User, callee: &str) -> bool {
        let group = |user: &str| self.features.get(user).and_then(|features| features.group.as_deref());
        picker.name == callee || group(&picker.name).is_some_and(|own| group(callee) == Some(own))
    }
}

/// How long a telephone rings before a call that is not answered goes elsewhere: four to five rings.
const BEFORE_FORWARDING: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_time_is_the_users_then_that_of_forwarding_then_that_of_the_exchange() {
        let limits = Limits::default();
        let mut features = Features::default();
        assert_eq!(features.ring(&limits), limits.ring);
        features.no_answer = Some("carol".to_owned());
        assert_eq!(features.ring(&limits), BEFORE_FORWARDING);
        features.ring_seconds = Some(7);
        assert_eq!(features.ring(&limits), Duration::from_secs(7));
        features.ring_seconds = Some(u32::MAX);
        assert_eq!(features.ring(&limits), Duration::from_secs(Features::MAX_RING_SECONDS.into()));
    }
}

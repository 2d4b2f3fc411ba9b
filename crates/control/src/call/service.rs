//! What the exchange does for a caller by itself: the echo, and feature codes. Parking is in `park`, conferences are in
//! `conference`.
//!
//! A code is answered, because phones keep ringing or show an error otherwise, and hung up after a second of silence;
//! there are no announcements. The 200 says that the change is on the disk. A code in an INVITE that is cancelled
//! meanwhile is carried out all the same.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_media::insert::ConferenceKey;
use ringback_media::session::LegKey;

use super::Call;
use super::hunt::Hunt;
use super::playing::Number;
use super::refused::{CallRefused, Caller};
use crate::ask::{Ask, User};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::{Exchange, Incoming, Timer};
use crate::features::{Code, Features};
use crate::parked::Parked;

/// How long a feature code is answered for.
const CONFIRMED_FOR: Duration = Duration::from_secs(1);

/// What the exchange does when it answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// The caller hears itself, until it hangs up.
    Echo,
    /// The caller hears the others in a conference, and they it.
    Conference(ConferenceKey),
    /// The same, once the call that this leg talks in has become one.
    Joining(LegKey),
    /// The caller hears what it dialled.
    Play(Number),
    /// The caller hears nothing, for a second: its code has done what it should.
    Confirmation,
    /// Whoever was transferred there hears music, if there is any, until somebody picks the call up.
    Parked {
        /// The leg that has parked it, which is over.
        by: LegKey,
    },
}

/// An INVITE that changed something, while that is being written.
#[derive(Debug)]
pub(crate) struct PendingSetting {
    incoming: Incoming,
    caller: User,
    offer: Option<Bytes>,
    /// What was set before, and what is set by it.
    change: (Features, Features),
}

impl Exchange {
    /// Makes a call that the exchange answers.
    pub(crate) fn open_service(
        &mut self,
        now: Instant,
        incoming: Incoming,
        caller: &User,
        offer: Option<Bytes>,
        service: Service,
    ) {
        self.open_call(now, incoming, caller, offer, Hunt::default(), service);
    }

    /// An authenticated user dialled a feature code.
    pub(crate) fn code_dialled(
        &mut self,
        now: Instant,
        incoming: Incoming,
        caller: &User,
        offer: Option<Bytes>,
        code: Code,
    ) {
        let refused = match code {
            Code::PickUp(whose) => return self.pick_up(now, incoming, caller, whose.as_deref()),
            Code::Incomplete => CallRefused::CodeIncomplete,
            Code::Park(_) => CallRefused::ParkedByDialling,
            _ if self.parked.len() >= self.settings.limits.questions => CallRefused::NotKept,
            code => return self.change_setting(incoming, caller, offer, code),
        };
        self.refuse_call(now, incoming, Caller(caller.name.clone()), refused);
    }

    fn change_setting(&mut self, incoming: Incoming, caller: &User, offer: Option<Bytes>, code: Code) {
        let before = self.features_of(&caller.name);
        let mut features = before.clone();
        code.apply(&mut features);
        self.set_features(&caller.name, features.clone());
        self.fingerprints.insert(self.fingerprint(&incoming.message), incoming.server);
        let pending =
            PendingSetting { incoming, caller: caller.clone(), offer, change: (before, features.clone()) };
        let ask = Ask::Features { user: caller.name.clone(), features: Box::new(features) };
        self.ask(Parked::Setting(Box::new(pending)), ask);
    }

    /// The store has what was set, or does not.
    pub(crate) fn setting_kept(&mut self, now: Instant, pending: PendingSetting, is_kept: bool) {
        let PendingSetting { incoming, caller, offer, change: (before, after) } = pending;
        if is_kept {
            self.stats.settings_changed += 1;
            self.events.push_back(Event::SettingChanged { user: caller.name.clone() });
            return self.open_service(now, incoming, &caller, offer, Service::Confirmation);
        }
        self.stats.persists_failed += 1;
        // Unless something else was set meanwhile, which the store may well have taken.
        if self.features_of(&caller.name) == after {
            self.set_features(&caller.name, before);
        }
        self.refuse_call(now, incoming, Caller(caller.name), CallRefused::NotKept);
    }

    /// The call was answered: one that only confirms something is soon over.
    pub(crate) fn arm_service(&mut self, now: Instant, call: &Call) {
        if call.service == Service::Confirmation {
            self.deadlines.set(Timer::Ring(call.number), now + CONFIRMED_FOR);
        }
    }

    /// The caller has heard that it is done.
    pub(crate) fn service_over(&mut self, now: Instant, call: &mut Call) {
        if call.service == Service::Confirmation {
            self.end(now, call, EndedBy::Exchange, "the code was carried out");
        }
    }
}

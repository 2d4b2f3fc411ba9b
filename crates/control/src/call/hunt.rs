//! Which contacts are rung, and in what order ([RFC 3261 §16.6]).
//!
//! Contacts of equal `q` are rung together, groups of a lower `q` after them: when all of a group have failed, or when
//! it has rung for `limits.fork_seconds` and there is another one. A 6xx ends it. The bindings that a device has over
//! several flows are one contact, reached by the newest; an older flow is tried when that one gives 430, 408 or nothing
//! ([RFC 5626 §5.3]).
//!
//! [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6
//! [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sansio::Flow;
use ringback_sip::location::Binding;
use ringback_sip::message::Message;
use ringback_sip::outbound::Way;

use super::divert::{Cause, Diversion};
use super::transfer::MOST_LEGS;
use super::{Call, Leg, LegMedia, Phase, Signalling};
use crate::exchange::{Exchange, Timer};

/// Branches that one call, or one transfer of it, can have in all its groups and after all its forwarding.
const MOST_BRANCHES: usize = 64;

/// Contacts of one user that are rung.
const MOST_CONTACTS: usize = 16;

/// One contact of the callee.
#[derive(Debug)]
pub(crate) struct Target {
    pub aor: String,
    pub flow: Flow,
    /// The Request-URI it is invited by: its own Contact.
    pub uri: Bytes,
    /// The Path that its REGISTER came along, as Route values.
    pub routes: Vec<Bytes>,
    /// The other ways to the same device, the newest last.
    pub spares: Vec<Way>,
    /// Whether the device was dialled, and not its user: the call is for no other one.
    pub is_device: bool,
    /// How the call came to be for it.
    pub steps: Arc<[Diversion]>,
}

impl Target {
    /// The contact that a way leads to.
    pub fn of(aor: &str, way: Way) -> Self {
        let Way { request_uri, routes, flow, .. } = way;
        Target {
            aor: aor.to_owned(),
            flow,
            uri: request_uri,
            routes,
            spares: Vec::new(),
            is_device: false,
            steps: Arc::default(),
        }
    }

    /// A device that was dialled, by the ways to its bindings with the newest first.
    pub fn of_device(aor: &str, ways: impl IntoIterator<Item = Way>) -> Option<Self> {
        let mut ways = ways.into_iter();
        let mut target = Target { is_device: true, ..Target::of(aor, ways.next()?) };
        target.spares.extend(ways);
        target.spares.reverse();
        Some(target)
    }

    /// The same device over its next flow, when it has one.
    pub fn next_way(&mut self) -> Option<Self> {
        let Way { request_uri, routes, flow, .. } = self.spares.pop()?;
        Some(Target {
            aor: self.aor.clone(),
            flow,
            uri: request_uri,
            routes,
            spares: std::mem::take(&mut self.spares),
            is_device: self.is_device,
            steps: self.steps.clone(),
        })
    }
}

/// Contacts by descending preference; those of one group are rung together.
pub(crate) type Groups = VecDeque<Vec<Target>>;

/// What a call that rings still has to try.
#[derive(Debug, Default)]
pub(crate) struct Hunt {
    /// Whose contacts are rung; it decides where the call goes when they do not take it.
    pub user: String,
    /// How the call came to be for that user.
    pub steps: Arc<[Diversion]>,
    /// The branch whose early media the caller hears. Its answer binds the caller until there is a 2xx.
    pub heard: Option<LegKey>,
    /// Whether a device was dialled: the call goes nowhere else.
    pub is_for_device: bool,
    groups: Groups,
    /// The other flows of the devices that are rung.
    spares: Vec<(LegKey, Target)>,
}

impl Hunt {
    /// Nothing has been tried.
    pub fn new(user: String, groups: Groups, steps: Arc<[Diversion]>) -> Self {
        let is_for_device = groups.iter().flatten().any(|target| target.is_device);
        Hunt { user, steps, heard: None, is_for_device, groups, spares: Vec::new() }
    }

    /// Everybody who is still to be rung, before anybody is.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.groups.iter().flatten()
    }

    /// A branch goes another way than this one, which is tried when that fails, before the others of the device.
    pub fn keep_for_later(&mut self, key: LegKey, mut target: Target) {
        if let Some(at) = self.spares.iter().position(|(leg, _)| *leg == key) {
            let (_, Target { uri, routes, flow, spares, .. }) = self.spares.swap_remove(at);
            target.spares = spares;
            target.spares.push(Way { request_uri: uri, routes, flow, next_hop: None });
        }
        self.spares.push((key, target));
    }

    /// Nobody else is rung.
    pub fn stop(&mut self) {
        self.groups.clear();
        self.spares.clear();
    }
}

impl Call {
    /// Whether somebody rings, is about to, or will ring when the others have failed.
    pub fn is_hunting(&self) -> bool {
        !self.hunt.groups.is_empty() || self.callees.iter().any(Leg::is_pending)
    }

    /// Whether the branch is the only one that could take the call, and no other was heard before.
    pub fn is_alone(&self, key: LegKey) -> bool {
        self.callees.iter().all(|leg| leg.key == key || !leg.is_pending())
            && self.hunt.heard.is_none_or(|heard| heard == key)
    }
}

impl Leg {
    /// Whether it is a branch that can still take the call.
    pub fn is_pending(&self) -> bool {
        match self.signalling {
            Signalling::Idle { .. } => matches!(self.media, LegMedia::Opening | LegMedia::Bypassed(_)),
            Signalling::Inviting { cancelled, .. } => !cancelled,
            _ => false,
        }
    }
}

impl Exchange {
    /// The contacts of a user, in the order to ring them. The contact that the caller itself calls from is not called.
    ///
    /// A binding counts until the location service removes it, some seconds after it has expired: its refresh may be
    /// under way.
    pub(crate) fn groups_of(&self, user: &str, caller: &str, flow: Flow) -> Groups {
        self.groups_in_order(user, |binding| user != caller || binding.flow() != flow)
    }

    fn groups_in_order(&self, user: &str, is_called: impl Fn(&Binding) -> bool) -> Groups {
        let mut groups = Groups::new();
        let mut devices: Vec<(&[u8], usize, usize)> = Vec::new();
        let (mut q, mut count) = (None, 0);
        for binding in self.reachable(user) {
            if !is_called(binding) {
                continue;
            }
            let instance = binding.instance().filter(|_| binding.reg_id().is_some());
            let known = devices.iter().find(|(device, ..)| instance == Some(*device));
            if let Some(&(_, group, place)) = known {
                if let Some(target) =
                    groups.get_mut(group).and_then(|group: &mut Vec<Target>| group.get_mut(place))
                {
                    // Bindings come newest first, and the newest is tried first.
                    target.spares.insert(0, self.way_of(binding));
                }
                continue;
            }
            if count == MOST_CONTACTS {
                break;
            }
            count += 1;
            if q.replace(binding.q()) != Some(binding.q()) {
                groups.push_back(Vec::new());
            }
            let at = groups.len().saturating_sub(1);
            let Some(group) = groups.back_mut() else { break };
            if let Some(instance) = instance {
                devices.push((instance, at, group.len()));
            }
            group.push(Target::of(user, self.way_of(binding)));
        }
        groups
    }

    /// The devices of a user that can be reached, in the order to try them.
    pub(crate) fn devices_of(&self, user: &str) -> impl Iterator<Item = Target> {
        self.groups_in_order(user, |_| true).into_iter().flatten()
    }

    /// Rings another user for a call that rings already.
    pub(crate) fn hunt(
        &mut self,
        now: Instant,
        call: &mut Call,
        user: String,
        groups: Groups,
        steps: Arc<[Diversion]>,
    ) {
        let ring = self.features_of(&user).ring(&self.settings.limits);
        let heard = call.hunt.heard;
        *call.hunt = Hunt { heard, ..Hunt::new(user, groups, steps) };
        self.deadlines.set(Timer::Ring(call.number), now + ring);
        self.ring_next_group(now, call);
    }

    fn ring_next_group(&mut self, now: Instant, call: &mut Call) {
        self.add_next_group(call);
        self.arm_fork_timer(now, call);
        self.branches_failed(now, call);
    }

    /// Makes the branches of the next group.
    pub(crate) fn add_next_group(&mut self, call: &mut Call) {
        let steps = call.hunt.steps.clone();
        for target in call.hunt.groups.pop_front().into_iter().flatten() {
            self.add_branch(call, Target { steps: steps.clone(), ..target });
        }
    }

    /// Begins the time of the group that is rung, if there is one after it.
    pub(crate) fn arm_fork_timer(&mut self, now: Instant, call: &Call) {
        if call.hunt.groups.is_empty() {
            self.deadlines.cancel(&Timer::Fork(call.number));
        } else {
            self.deadlines.set(Timer::Fork(call.number), now + self.settings.limits.fork);
        }
    }

    /// Makes branches for these contacts and has their legs opened; each is invited when its leg is.
    pub(crate) fn ring(&mut self, now: Instant, call: &mut Call, targets: Vec<Target>) {
        for target in targets {
            self.add_branch(call, target);
        }
        self.branches_failed(now, call);
    }

    /// Makes a branch. A call that has had very many gets no more.
    pub(crate) fn add_branch(&mut self, call: &mut Call, mut target: Target) {
        let others = if call.transfer.is_some() { MOST_LEGS } else { 0 };
        if call.callees.len() >= others + MOST_BRANCHES {
            return;
        }
        let key = self.next_leg(call);
        let spare = target.next_way();
        call.hunt.spares.extend(spare.map(|spare| (key, spare)));
        let may_pass = self.takes_past(call, &target);
        let mut leg = self.callee_leg(key, target);
        if may_pass {
            self.let_past(&mut leg);
        } else {
            self.command_open(call.worker, &leg, call.has_video());
        }
        call.callees.push(leg);
    }

    /// A branch failed in a way that another flow of the same device may mend: that one is tried.
    pub(crate) fn fail_over(&mut self, call: &mut Call, key: LegKey, response: Option<&Message>) {
        let is_flow = matches!(response.map(|response| response.status()), None | Some(Some(408 | 430)));
        let spare = call.hunt.spares.iter().position(|(leg, _)| *leg == key);
        if let Some(at) = spare.filter(|_| is_flow) {
            let (_, target) = call.hunt.spares.swap_remove(at);
            self.stats.flows_failed_over += 1;
            self.add_branch(call, target);
        }
    }

    /// The group has rung for long enough, and there is another one.
    pub(crate) fn fork_timed_out(&mut self, now: Instant, call: &mut Call) {
        if call.is_alerting() {
            self.give_up_branches(now, call);
            self.branches_failed(now, call);
        }
    }

    /// When nobody is left who could take the call: rings the next group, else sends the call on, else refuses it.
    pub(crate) fn branches_failed(&mut self, now: Instant, call: &mut Call) {
        self.invite_past_us(now, call);
        let waits = call.callees.iter().any(Leg::is_pending) || call.newcomer().is_some() || call.is_held();
        if !call.is_alerting() || waits {
            return;
        }
        if !call.hunt.groups.is_empty() {
            return self.ring_next_group(now, call);
        }
        let best = call.best_refusal.as_ref().and_then(|best| best.status());
        let cause = match best {
            // Who declines has decided for the callee; 600 says that it is busy everywhere.
            Some(600 | 486) => Some(Cause::Busy),
            Some(600..) => None,
            _ => Some(Cause::NoAnswer),
        };
        if cause.is_some_and(|cause| self.forward(now, call, cause)) {
            return;
        }
        match call.phase {
            Phase::Ringing => self.pass_refusal(now, call),
            _ => self.target_refused(now, call),
        }
    }

    /// A 6xx: nobody else is rung.
    pub(crate) fn stop_hunting(&mut self, now: Instant, call: &mut Call) {
        call.hunt.groups.clear();
        self.give_up_branches(now, call);
    }

    /// Cancels the branches that ring. The call goes on, also for who is picking it up.
    pub(crate) fn give_up_branches(&mut self, now: Instant, call: &mut Call) {
        call.hunt.spares.clear();
        self.deadlines.cancel(&Timer::Fork(call.number));
        let mut closed = Vec::new();
        for leg in call.callees.iter_mut().filter(|leg| leg.is_pending()) {
            match &mut leg.signalling {
                Signalling::Inviting { client, cancelled, .. } => {
                    *cancelled = true;
                    self.transactions.cancel(now, *client);
                }
                other => *other = Signalling::Over,
            }
            closed.push(leg.key);
        }
        for key in closed {
            self.command_close(call, key);
        }
    }
}

//! All subscriptions of one worker.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{ConnectionId, Deadlines, Flow};
use thiserror::Error;

use super::state::{Action, Authorization, Occurrence, Reason, State, transition};
use super::subscription::{News, Subscription, SubscriptionId};
use super::{Expiry, Package, TooBrief};
use crate::dialog::Dialog;

/// The notifier ([RFC 6665 §4.2]): it keeps the subscriptions and says when a NOTIFY is due.
///
/// `T` is what its user remembers of each.
///
/// [RFC 6665 §4.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2
#[derive(Debug)]
pub struct Notifier<T> {
    bounds: Bounds,
    subscriptions: BTreeMap<SubscriptionId, Box<Subscription<T>>>,
    watchers: BTreeMap<(Package, String), BTreeSet<SubscriptionId>>,
    counts: BTreeMap<String, usize>,
    /// Looked up only: nothing depends on its order.
    by_connection: HashMap<ConnectionId, BTreeSet<SubscriptionId>>,
    /// Those that have news of which it is not decided when they are told.
    touched: BTreeSet<SubscriptionId>,
    due: BTreeSet<SubscriptionId>,
    deadlines: Deadlines<Timer>,
    next: u64,
}

/// How many subscriptions there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// For how long.
    pub expiry: Expiry,
    /// In all.
    pub total: usize,
    /// Of one watcher.
    pub per_watcher: usize,
}

/// What a new subscription is made of.
#[derive(Debug)]
pub struct Subscribe<T> {
    /// The dialog that the answer to the SUBSCRIBE makes.
    pub dialog: Dialog,
    /// The package.
    pub package: Package,
    /// The `id` parameter of the Event header field.
    pub event_id: Bytes,
    /// Who watches.
    pub watcher: String,
    /// Of whom.
    pub resources: Vec<String>,
    /// What is remembered.
    pub memory: T,
}

/// Why there is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotSubscribed {
    /// Its time is too short.
    #[error("{0}")]
    TooBrief(#[from] TooBrief),
    /// There are too many in all.
    #[error("there are too many subscriptions")]
    TooMany,
    /// The watcher has too many.
    #[error("this user has too many subscriptions")]
    TooManyOfWatcher,
}

/// What became of a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with that status.
    Answered(u16),
    /// Nobody answered.
    TimedOut,
    /// Its connection is gone.
    FlowLost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    /// The time that was granted is over.
    Expiration(SubscriptionId),
    /// The next NOTIFY may be sent.
    Interval(SubscriptionId),
}

impl<T> Notifier<T> {
    /// A notifier without subscriptions.
    pub fn new(bounds: Bounds) -> Self {
        Notifier {
            bounds,
            subscriptions: BTreeMap::new(),
            watchers: BTreeMap::new(),
            counts: BTreeMap::new(),
            by_connection: HashMap::new(),
            touched: BTreeSet::new(),
            due: BTreeSet::new(),
            deadlines: Deadlines::new(),
            next: 0,
        }
    }

    /// The number that the next subscription has, for the tag of its dialog.
    pub fn next_id(&self) -> SubscriptionId {
        SubscriptionId(self.next)
    }

    /// For how long a SUBSCRIBE is granted, and whether there is room for one more of this watcher.
    pub fn admit(&self, watcher: &str, asked: Option<u32>) -> Result<u32, NotSubscribed> {
        let seconds = self.bounds.expiry.grant(asked)?;
        if self.subscriptions.len() >= self.bounds.total {
            return Err(NotSubscribed::TooMany);
        }
        if self.counts.get(watcher).is_some_and(|&count| count >= self.bounds.per_watcher) {
            return Err(NotSubscribed::TooManyOfWatcher);
        }
        Ok(seconds)
    }

    /// Makes the subscription with the number of [`Notifier::next_id`]; for 0 seconds it is a fetch. A NOTIFY is due.
    pub fn subscribe(
        &mut self,
        now: Instant,
        seconds: u32,
        subscribe: Subscribe<T>,
        authorization: Authorization,
    ) -> SubscriptionId {
        let id = self.next_id();
        self.next += 1;
        let Subscribe { dialog, package, event_id, watcher, resources, memory } = subscribe;
        for resource in &resources {
            self.watchers.entry((package, resource.clone())).or_default().insert(id);
        }
        *self.counts.entry(watcher.clone()).or_default() += 1;
        self.connect(id, dialog.flow.connection);
        self.watchers_changed(package, &resources);
        let subscription = Subscription {
            dialog,
            package,
            event_id,
            watcher,
            resources,
            memory,
            state: State::Init,
            expires: now,
            news: News::None,
            notified: None,
            in_flight: 0,
            is_unreachable: false,
        };
        self.subscriptions.insert(id, Box::new(subscription));
        let occurrence = if seconds == 0 { Occurrence::Fetch } else { Occurrence::Subscribe(authorization) };
        self.occur(now, id, occurrence, seconds);
        id
    }

    /// A SUBSCRIBE came within the subscription; gives the seconds that are granted. A NOTIFY is due.
    pub fn refresh(&mut self, now: Instant, id: SubscriptionId, asked: Option<u32>) -> Result<u32, TooBrief> {
        let seconds = self.bounds.expiry.grant(asked)?;
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.is_unreachable = false;
        }
        let occurrence = if seconds == 0 { Occurrence::Unsubscribe } else { Occurrence::Refresh };
        self.occur(now, id, occurrence, seconds);
        Ok(seconds)
    }

    /// Ends a subscription; its watcher is told why.
    pub fn end(&mut self, now: Instant, id: SubscriptionId, reason: Reason) {
        self.occur(now, id, Occurrence::End(reason), 0);
    }

    /// Forgets a subscription without a word.
    pub fn forget(&mut self, id: SubscriptionId) -> bool {
        let Some(subscription) = self.subscriptions.remove(&id) else { return false };
        self.due.remove(&id);
        self.touched.remove(&id);
        self.disconnect(id, subscription.dialog.flow.connection);
        self.deadlines.cancel(&Timer::Expiration(id));
        self.deadlines.cancel(&Timer::Interval(id));
        self.watchers_changed(subscription.package, &subscription.resources);
        for resource in &subscription.resources {
            let key = (subscription.package, resource.clone());
            if let Some(ids) = self.watchers.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.watchers.remove(&key);
                }
            }
        }
        if let Some(count) = self.counts.get_mut(&subscription.watcher) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&subscription.watcher);
            }
        }
        true
    }

    /// Something about the resource may have changed.
    pub fn touch(&mut self, package: Package, resource: &str) {
        if self.watchers.is_empty() {
            return;
        }
        if let Some(ids) = self.watchers.get(&(package, resource.to_owned())) {
            self.touched.extend(ids);
        }
    }

    /// Whether anybody watches the resource.
    pub fn is_watched(&self, package: Package, resource: &str) -> bool {
        !self.watchers.is_empty() && self.watchers.contains_key(&(package, resource.to_owned()))
    }

    /// The subscriptions by which somebody watches the resource, the oldest first.
    pub fn watching(
        &self,
        package: Package,
        resource: &str,
    ) -> impl Iterator<Item = (SubscriptionId, &Subscription<T>)> {
        let ids = self.watchers.get(&(package, resource.to_owned())).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// A subscription for which a NOTIFY is due. Its user calls [`Notifier::sent`] or [`Notifier::nothing_new`].
    ///
    /// One whose connection is gone is not told; when it is over it is forgotten.
    pub fn poll_due(&mut self, now: Instant) -> Option<SubscriptionId> {
        while let Some(id) = self.touched.pop_first() {
            self.more(now, id);
        }
        while let Some(id) = self.due.pop_first() {
            match self.subscriptions.get(&id) {
                Some(subscription) if !subscription.is_unreachable => return Some(id),
                Some(subscription) if subscription.state.is_terminated() => {
                    self.forget(id);
                }
                _ => {}
            }
        }
        None
    }

    /// A NOTIFY with the newest state has been sent. A subscription that is over is thereby forgotten.
    pub fn sent(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.state.is_terminated() {
            self.forget(id);
            return;
        }
        subscription.news = News::None;
        subscription.notified = Some(now);
        subscription.in_flight += 1;
        self.deadlines.cancel(&Timer::Interval(id));
    }

    /// What was due turned out to be what the watcher knows. A subscription that is over is forgotten.
    pub fn nothing_new(&mut self, id: SubscriptionId) {
        if self.subscriptions.get(&id).is_some_and(|subscription| subscription.state.is_terminated()) {
            self.forget(id);
        } else if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.news = News::None;
        }
    }

    /// What was sent is not all that there is to tell: one more NOTIFY is due after the interval.
    pub fn more(&mut self, now: Instant, id: SubscriptionId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.news = subscription.news.max(News::Changed);
            self.schedule(now, id);
        }
    }

    /// What became of a NOTIFY; says whether it ended the subscription ([RFC 6665 §4.2.2], [RFC 5057 §5.2]).
    ///
    /// [RFC 6665 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    /// [RFC 5057 §5.2]: https://www.rfc-editor.org/rfc/rfc5057#section-5.2
    pub fn answered(&mut self, now: Instant, id: SubscriptionId, outcome: Outcome) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return false };
        subscription.in_flight = subscription.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered(status) if !ends_subscription(status) => {
                subscription.is_unreachable = false;
                self.schedule(now, id);
                false
            }
            Outcome::FlowLost => {
                subscription.is_unreachable = true;
                // What it said is still to be told.
                subscription.news = subscription.news.max(News::Changed);
                false
            }
            Outcome::Answered(_) | Outcome::TimedOut => {
                self.occur(now, id, Occurrence::NotifyFailed, 0);
                true
            }
        }
    }

    /// The subscription is reached over another flow.
    pub fn set_flow(&mut self, now: Instant, id: SubscriptionId, flow: Flow) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let before = std::mem::replace(&mut subscription.dialog.flow, flow).connection;
        subscription.is_unreachable = false;
        self.disconnect(id, before);
        self.connect(id, flow.connection);
        self.schedule(now, id);
    }

    /// The watcher's device has another connection: its subscriptions follow it. Gives how many did.
    pub fn moved(&mut self, now: Instant, watcher: &str, from: &Flow, to: Flow) -> usize {
        let ids = self.by_connection.get(&from.connection).cloned().unwrap_or_default();
        let mut moved = 0;
        for id in ids {
            if self.subscriptions.get(&id).is_some_and(|subscription| subscription.watcher == watcher) {
                self.set_flow(now, id, to);
                moved += 1;
            }
        }
        moved
    }

    /// A connection is gone: nothing is sent to whom it led until they come back.
    pub fn flow_lost(&mut self, flow: &Flow) {
        for id in self.by_connection.get(&flow.connection).into_iter().flatten() {
            if let Some(subscription) = self.subscriptions.get_mut(id) {
                subscription.is_unreachable = true;
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Expiration(id) => self.occur(now, id, Occurrence::Expired, 0),
                Timer::Interval(id) => self.schedule(now, id),
            }
        }
    }

    /// When to call [`Notifier::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The subscription of that number.
    pub fn get(&self, id: SubscriptionId) -> Option<&Subscription<T>> {
        self.subscriptions.get(&id).map(|subscription| &**subscription)
    }

    /// The subscription of that number.
    pub fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription<T>> {
        self.subscriptions.get_mut(&id).map(|subscription| &mut **subscription)
    }

    /// Every subscription, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (SubscriptionId, &Subscription<T>)> {
        self.subscriptions.iter().map(|(id, subscription)| (*id, &**subscription))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Who watches these has changed, which is news for who watches that (RFC 3857).
    fn watchers_changed(&mut self, package: Package, resources: &[String]) {
        let Some(winfo) = package.watcher_information() else { return };
        for resource in resources {
            self.touch(winfo, resource);
        }
    }

    fn connect(&mut self, id: SubscriptionId, connection: ConnectionId) {
        if connection != ConnectionId::NONE {
            self.by_connection.entry(connection).or_default().insert(id);
        }
    }

    fn disconnect(&mut self, id: SubscriptionId, connection: ConnectionId) {
        if let Some(ids) = self.by_connection.get_mut(&connection) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }

    fn occur(&mut self, now: Instant, id: SubscriptionId, occurrence: Occurrence, seconds: u32) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let (state, actions) = transition(subscription.state, occurrence);
        subscription.state = state;
        for action in actions {
            match action {
                Action::StartExpiration => {
                    subscription.expires = now + Duration::from_secs(seconds.into());
                    self.deadlines.set(Timer::Expiration(id), subscription.expires);
                }
                Action::Notify => {
                    subscription.news = News::Urgent;
                    self.due.insert(id);
                }
                Action::Forget => {
                    self.forget(id);
                    return;
                }
            }
        }
        if state.is_terminated() {
            self.deadlines.cancel(&Timer::Expiration(id));
        }
    }

    /// Decides when the next NOTIFY goes out, if there is news.
    fn schedule(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get(&id) else { return };
        let interval = subscription.package.interval();
        match subscription.news {
            News::None => {}
            News::Urgent => {
                self.due.insert(id);
            }
            News::Changed if subscription.in_flight > 0 || subscription.is_unreachable => {}
            News::Changed => match subscription.notified.map(|at| at + interval) {
                Some(at) if at > now => self.deadlines.set(Timer::Interval(id), at),
                _ => {
                    self.due.insert(id);
                }
            },
        }
    }
}

/// Whether a final answer to a NOTIFY ends the subscription: that the far end does not know it, or does not know us.
fn ends_subscription(status: u16) -> bool {
    matches!(status, 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 502 | 604)
}

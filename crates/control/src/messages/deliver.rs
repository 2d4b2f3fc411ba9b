//! Stored messages, when their user is back: in order, one after the other.

use std::time::{Duration, Instant};

use super::page::Origin;
use super::{Delivery, StoredMessage};
use crate::ask::Ask;
use crate::exchange::Exchange;
use crate::parked::Parked;

/// How long a user whose contacts took nothing is left alone, unless another contact signs in.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

impl Exchange {
    /// A user is there: sends what waits. Contacts that have refreshed only are not asked again so soon.
    pub(crate) fn deliver_stored(&mut self, now: Instant, user: &str, is_new: bool) {
        let Some(waiting) = self.messages.waiting.get_mut(user) else { return };
        let is_too_soon = waiting.tried.is_some_and(|tried| now < tried + AGAIN_AFTER);
        if waiting.count == 0
            || is_too_soon && !is_new
            || self.messages.deliveries.contains_key(user)
            || self.reachable(user).next().is_none()
            || self.parked.len() >= self.settings.limits.questions
        {
            return;
        }
        self.messages.deliveries.insert(user.to_owned(), Delivery::default());
        self.read_stored(user, 0);
    }

    fn read_stored(&mut self, user: &str, after: u64) {
        let ask = Ask::StoredMessages { user: user.to_owned(), after };
        self.ask(Parked::StoredMessages(user.to_owned()), ask);
    }

    /// The store has read the next messages of a user; none when there are no more.
    pub(crate) fn stored_messages(&mut self, now: Instant, user: &str, messages: Vec<StoredMessage>) {
        let Some(delivery) = self.messages.deliveries.get_mut(user) else { return };
        let Some(last) = messages.last() else {
            self.messages.deliveries.remove(user);
            return;
        };
        delivery.read_to = last.number;
        delivery.queue.extend(messages);
        self.deliver_next(now, user);
    }

    fn deliver_next(&mut self, now: Instant, user: &str) {
        let unix = self.settings.epoch.unix_ms(now);
        loop {
            let Some(delivery) = self.messages.deliveries.get_mut(user) else { return };
            let Some(message) = delivery.queue.pop_front() else {
                // Others may have been stored in the meantime.
                let after = delivery.read_to;
                return self.read_stored(user, after);
            };
            if message.expires <= unix {
                self.stats.instant_messages_expired += 1;
                self.forget_stored(&message);
                continue;
            }
            let targets: Vec<_> = self.devices_of(user).collect();
            if targets.is_empty() {
                self.messages.deliveries.remove(user);
                return;
            }
            return self.page(now, Origin::Store, message, targets);
        }
    }

    /// A contact has taken a stored message.
    pub(super) fn stored_message_taken(&mut self, now: Instant, message: &StoredMessage) {
        self.stats.instant_messages_delivered_later += 1;
        self.forget_stored(message);
        self.deliver_next(now, &message.user);
    }

    /// No contact has taken a stored message. It goes on waiting; the next one is sent when it was refused, not when
    /// nobody answered.
    pub(super) fn stored_message_not_taken(
        &mut self,
        now: Instant,
        message: &StoredMessage,
        is_silent: bool,
    ) {
        if let Some(waiting) = self.messages.waiting.get_mut(&message.user) {
            waiting.tried = Some(now);
        }
        if is_silent {
            self.messages.deliveries.remove(&message.user);
        } else {
            self.stats.instant_messages_declined += 1;
            self.deliver_next(now, &message.user);
        }
    }

    fn forget_stored(&mut self, message: &StoredMessage) {
        self.count_waiting(&message.user, |count| count.saturating_sub(1));
        let ask = Ask::MessageDelivered { user: message.user.clone(), number: message.number };
        self.ask(Parked::Unanswered, ask);
    }
}

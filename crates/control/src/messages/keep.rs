//! Messages for users who are away.

use std::time::Instant;

use ringback_sip::transaction::ServerId;

use super::StoredMessage;
use super::page::Origin;
use super::refused::MessageRefused;
use crate::ask::Ask;
use crate::exchange::Exchange;
use crate::parked::Parked;

/// A message that waits for the store: who sent it waits for a 202.
#[derive(Debug)]
pub(crate) struct PendingMessage {
    pub server: ServerId,
    pub request: ringback_sip::message::Message,
    pub message: StoredMessage,
    /// Whether it is for one device: it is not kept.
    pub is_for_device: bool,
    /// Whether the user may be back already and has not been sent it.
    pub is_untried: bool,
}

impl Exchange {
    /// The user is not signed in: is there such a user?
    pub(super) fn addressee_absent(&mut self, now: Instant, origin: Origin, message: StoredMessage) {
        let Origin::Sender { server, request, is_for_device } = origin else { return };
        let pending = PendingMessage { server, request: *request, message, is_for_device, is_untried: true };
        if self.parked.len() >= self.settings.limits.questions {
            return self.message_not_kept(now, pending, &MessageRefused::TooMany);
        }
        let ask = Ask::Credentials { user: pending.message.user.clone(), realm: self.settings.realm.clone() };
        self.ask(Parked::Addressee(Box::new(pending)), ask);
    }

    /// There is such a user, or there is not.
    pub(crate) fn addressee_known(&mut self, now: Instant, pending: PendingMessage, exists: bool) {
        if !exists {
            return self.message_not_kept(now, pending, &MessageRefused::Unknown);
        }
        let PendingMessage { server, request, message, is_for_device, is_untried } = pending;
        let origin = Origin::Sender { server, request: Box::new(request), is_for_device };
        self.keep(now, origin, message, is_untried);
    }

    /// Stores a message that nobody took.
    pub(super) fn keep(&mut self, now: Instant, origin: Origin, message: StoredMessage, is_untried: bool) {
        let Origin::Sender { server, request, is_for_device } = origin else { return };
        let pending = PendingMessage { server, request: *request, message, is_for_device, is_untried };
        let message = &pending.message;
        if is_for_device
            || is_composing(&message.content_type)
            || message.expires <= self.settings.epoch.unix_ms(now)
        {
            return self.message_not_kept(now, pending, &MessageRefused::NotKept);
        }
        let waiting = self.messages.waiting.get(&message.user).map_or(0, |waiting| waiting.count);
        if waiting >= self.settings.limits.messages.stored_per_user {
            return self.message_not_kept(now, pending, &MessageRefused::Full);
        }
        // It counts from here on: many may be on their way to the store at once.
        let user = message.user.clone();
        self.count_waiting(&user, |count| count + 1);
        let ask = Ask::StoreMessage(Box::new(pending.message.clone()));
        self.ask(Parked::StoreMessage(Box::new(pending)), ask);
    }

    /// The store has a message, or does not.
    pub(crate) fn message_stored(&mut self, now: Instant, pending: PendingMessage, durable: bool) {
        if !durable {
            self.count_waiting(&pending.message.user, |count| count.saturating_sub(1));
            return self.message_not_kept(now, pending, &MessageRefused::NotStored);
        }
        let PendingMessage { server, request, message, is_untried, .. } = pending;
        self.stats.instant_messages_stored += 1;
        self.messages.release(&message.sender);
        self.respond(now, server, self.reply(&request, 202).finish());
        if is_untried {
            self.deliver_stored(now, &message.user, true);
        }
    }

    fn message_not_kept(&mut self, now: Instant, pending: PendingMessage, refused: &MessageRefused) {
        self.messages.release(&pending.message.sender);
        self.refuse_message(now, pending.server, &pending.request, refused);
    }

    /// A user is no more: nothing waits for it.
    pub(crate) fn forget_messages(&mut self, user: &str) {
        self.messages.deliveries.remove(user);
        self.messages.waiting.remove(user);
        self.ask(Parked::Unanswered, Ask::ForgetMessages { user: user.to_owned() });
    }

    /// The answer to a question about a message was no answer.
    pub(crate) fn message_misanswered(&mut self, now: Instant, parked: Parked) {
        self.stats.answers_unasked += 1;
        match parked {
            Parked::Addressee(pending) => self.message_not_kept(now, *pending, &MessageRefused::NotStored),
            Parked::StoreMessage(pending) => self.message_stored(now, *pending, false),
            Parked::StoredMessages(user) => {
                self.messages.deliveries.remove(&user);
            }
            _ => {}
        }
    }
}

/// Whether it says that somebody is writing (RFC 3994): of no use later.
fn is_composing(content_type: &[u8]) -> bool {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    let media_type = content_type.get(..end).unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(b"application/im-iscomposing+xml")
}

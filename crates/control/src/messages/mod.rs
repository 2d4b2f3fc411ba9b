//! Instant messages outside of calls ([RFC 3428]): to every contact of a user at once, or kept until the user is back.
//!
//! ```text
//! MESSAGE ─▶ contacts ─▶ the first 2xx ─────────────────────────▶ 2xx to the sender: it was delivered
//!              │ none, or silence                     2xx: removed
//!              └─▶ store ─▶ 202 to the sender      ┌─────────────┐
//!                    └───── next REGISTER ─▶ in order, one by one ┘
//! ```
//!
//! `page` sends one message and hears what comes of it, `keep` stores those that nobody took, `deliver` sends them later.
//!
//! Assumptions and what is left out:
//! - A client may never answer a MESSAGE. After [`ANSWER_WITHIN`] it is taken for silent, before the sender gives up; a
//!   message is therefore delivered at least once, and twice to a client that shows it and says nothing.
//! - What a message says is not looked at: its type and its body pass as they are. Only `isComposing` (RFC 3994) is
//!   known by its type, for it is of no use later.
//! - Delivery notifications (IMDN, RFC 5438) pass as bodies and are not made here. Messages go to local users only.
//!
//! [RFC 3428]: https://www.rfc-editor.org/rfc/rfc3428

mod deliver;
mod keep;
mod page;
mod refused;
mod stored;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use ringback_sip::event::Package;

use crate::exchange::Exchange;

pub(crate) use keep::PendingMessage;
pub(crate) use page::{Page, PageId};
pub use stored::StoredMessage;

/// How long the contacts of a user have to answer, together. A sender waits for 32 s (RFC 3261, Timer F).
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Bounds of instant messages.
#[derive(Debug, Clone)]
pub struct MessageLimits {
    /// Bytes of a message.
    pub bytes: usize,
    /// Messages on their way at the same time, in all.
    pub under_way: usize,
    /// Messages of one sender on their way at the same time.
    pub under_way_per_user: usize,
    /// Messages that wait for one user.
    pub stored_per_user: usize,
    /// How long a message waits, at the longest.
    pub kept: Duration,
}

impl Default for MessageLimits {
    fn default() -> Self {
        MessageLimits {
            bytes: 16 * 1024,
            under_way: 4096,
            under_way_per_user: 32,
            stored_per_user: 100,
            kept: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Messages on their way, and what is known of those that wait.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Messages whose contacts have not all answered.
    pub pages: BTreeMap<PageId, Box<Page>>,
    pub next_page: u64,
    /// Messages of each sender that are on their way or on their way to the store.
    pub senders: HashMap<String, usize>,
    /// Users to whom stored messages are being sent.
    pub deliveries: BTreeMap<String, Delivery>,
    /// Users for whom messages wait.
    pub waiting: HashMap<String, Waiting>,
}

/// Stored messages of one user on their way.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Those that were read and not yet sent.
    pub queue: VecDeque<StoredMessage>,
    /// The number of the last one that was read.
    pub read_to: u64,
}

/// Messages that wait for one user.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub count: usize,
    /// When they were sent last, in vain.
    pub tried: Option<Instant>,
}

impl Exchange {
    /// So many messages wait for a user, says the store before the first message.
    pub fn restore_waiting(&mut self, user: &str, count: usize) {
        if count > 0 {
            self.messages.waiting.insert(user.to_owned(), Waiting { count, tried: None });
        }
    }

    /// How many messages wait for a user.
    pub(crate) fn messages_waiting(&self, user: &str) -> u32 {
        let count = self.messages.waiting.get(user).map_or(0, |waiting| waiting.count);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// One more or one less waits for a user.
    fn count_waiting(&mut self, user: &str, change: impl FnOnce(usize) -> usize) {
        let waiting = self.messages.waiting.entry(user.to_owned()).or_default();
        let before = waiting.count;
        waiting.count = change(before);
        if waiting.count == before {
            return;
        }
        if waiting.count == 0 {
            self.messages.waiting.remove(user);
        }
        self.event_state.notifier.touch(Package::MessageSummary, user);
    }
}

impl Messages {
    /// How much is kept for what is under way.
    pub fn under_way(&self) -> usize {
        self.pages.len() + self.senders.len() + self.deliveries.len()
    }

    fn release(&mut self, sender: &str) {
        if let Some(count) = self.senders.get_mut(sender) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.senders.remove(sender);
            }
        }
    }
}

//! Questions that the exchange cannot answer by itself, and the answers.

use ringback_sip::digest::Ha1;
use ringback_sip::location::Change;

use crate::cdr::Cdr;
use crate::features::Features;
use crate::messages::StoredMessage;

/// The number of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// A question for the driver. Every question gets exactly one answer.
#[derive(Debug)]
pub enum Ask {
    /// Who is this authorization user in this realm?
    Credentials {
        /// The `username` of the Authorization header field.
        user: String,
        /// The realm.
        realm: String,
    },
    /// Make these changes of bindings durable.
    Persist(Vec<Change>),
    /// Keep the record of a call that is over.
    Record(Box<Cdr>),
    /// Keep a message for a user who is away; its number is the store's to give.
    StoreMessage(Box<StoredMessage>),
    /// Which messages wait for this user? The first of them with a number above `after`, in order, not more than some
    /// thirty at a time.
    StoredMessages {
        /// The user part of the AOR.
        user: String,
        /// The number of the last one that is known.
        after: u64,
    },
    /// Forget a message: it was delivered, or its time is over.
    MessageDelivered {
        /// The user part of the AOR.
        user: String,
        /// Its number.
        number: u64,
    },
    /// Forget every message for a user who is no more.
    ForgetMessages {
        /// The user part of the AOR.
        user: String,
    },
    /// Keep what a user has set by its phone, in place of what it had set.
    Features {
        /// Whose it is.
        user: String,
        /// All that is set.
        features: Box<Features>,
    },
}

/// The answer to an [`Ask`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Ask::Credentials`]; `None` when there is no such user.
    Credentials(Option<User>),
    /// To every question that asks for a write: whether it is on the disk.
    Persisted(bool),
    /// To [`Ask::StoredMessages`]; none when there are no more, or when they cannot be read.
    Messages(Vec<StoredMessage>),
}

/// A user as the store knows one.
#[derive(Debug, Clone)]
pub struct User {
    /// The user part of the AOR.
    pub name: String,
    /// The name shown to the people called.
    pub display: Option<String>,
    /// What the password can be verified with, an entry for each algorithm.
    pub ha1: Vec<Ha1>,
}

//! Questions that the exchange cannot answer by itself, and the answers.

use ringback_sansio::Flow;
use ringback_sip::digest::Ha1;
use ringback_sip::event::documents::vq_report::Metrics;
use ringback_sip::location::Change;
use ringback_sip::resolve;

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
    /// Add to the record of a call what a phone says of it when it is over already.
    AmendRecord {
        /// The record, by its name.
        call: String,
        /// The leg, by its place in the record.
        leg: usize,
        /// What its phone says.
        metrics: Metrics,
    },
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
    /// What does the DNS say?
    Dns(resolve::Question),
    /// Connect to the target, or say which address of ours datagrams to it leave from.
    Connect(resolve::Target),
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
    /// To [`Ask::Dns`].
    Dns(resolve::Answer),
    /// To [`Ask::Connect`]: the flow, whose address of ours is the one that the far end can connect to.
    Connected(Result<Flow, NotConnected>),
}

/// Why there is no connection to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// No way there, or nobody who listens.
    #[error("nobody takes connections there")]
    Unreachable,
    /// It took too long.
    #[error("the connection was not there in time")]
    Late,
    /// The TLS handshake failed, most often because the certificate is not one that is trusted for the name.
    #[error(
        "the TLS handshake failed; see that the certificate is for that name and of an authority in `tls.trust`"
    )]
    Untrusted,
    /// The far end has asked for our certificate, and does not take it.
    #[error(
        "the far end does not take our certificate; see that it is of an authority that the far end trusts, and for clients"
    )]
    CertificateNotTaken,
    /// The far end does not speak SIP over WebSocket.
    #[error("the far end does not take the WebSocket sub-protocol `sip`")]
    NoWebSocket,
    /// As many connections are being made, or are open, as there may be.
    #[error("there are as many connections as there may be")]
    TooMany,
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

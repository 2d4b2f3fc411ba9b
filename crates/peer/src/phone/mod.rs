//! The SIP of a telephone ([RFC 3261]): signs in, calls, is called, hangs up.
//!
//! A [`Phone`] speaks over one [`Flow`], the connection with its server or with whom it calls, and has one call at a time. It
//! knows nothing of media: session descriptions are bytes that it carries, for an [`RtpSession`] or a [`webrtc::Peer`] to
//! write and read.
//!
//! Assumptions and what is left out:
//! - Everything goes over the flow that it was given: whoever opens it has found the server ([RFC 3263]). When it is lost, the
//!   call and the registration are.
//! - A challenge is answered once, and again when its nonce has become stale; a password is only offered to the realm
//!   that it is for, where one is named.
//! - One offer at a time: an INVITE without an offer is answered with one, and the ACK brings the answer.
//! - No 100rel, no session timer of its own (an UPDATE of the other side's is answered), no transfers, no subscriptions.
//!
//! [RFC 3261]: https://www.rfc-editor.org/rfc/rfc3261
//! [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263
//! [`Flow`]: ringback_sansio::Flow
//! [`RtpSession`]: crate::rtp::RtpSession
//! [`webrtc::Peer`]: crate::webrtc::Peer

mod called;
mod calling;
mod machine;
mod registering;
mod writing;

pub use machine::Phone;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ringback_sip::digest::Unanswerable;

/// Who a phone is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The user of its address of record.
    pub user: String,
    /// The host of its address of record, and with it the server that it signs in to.
    pub domain: String,
    /// What challenges are answered with.
    pub login: Option<Login>,
    /// For how long it asks to be registered; a server may say otherwise.
    pub expires: Duration,
    /// What it calls itself to others (User-Agent).
    pub product: String,
}

/// A name and a password. It is not shown by `Debug`.
#[derive(Clone)]
pub struct Login {
    /// The user that credentials are of; most often that of the address of record.
    pub user: String,
    /// The password.
    pub password: String,
    /// The realm that it is for; none is any that asks.
    pub realm: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

/// News of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is signed in, for so long; it does so again by itself.
    Registered(Duration),
    /// It is not signed in, or not any more.
    NotRegistered(Failure),
    /// The call that it makes goes on: 180 rings, 183 may have sound.
    Progress {
        /// The status, 101 to 199.
        status: u16,
        /// Its words.
        reason: String,
        /// The answer that comes with it, to be heard before somebody answers.
        answer: Option<Bytes>,
    },
    /// The call that it makes was answered. Without an answer, the one that came before holds.
    Answered(Option<Bytes>),
    /// Somebody calls.
    Incoming {
        /// Their address of record.
        from: String,
        /// Their name, as they say.
        display: String,
        /// Their offer; without one, [`Phone::answer`] wants an offer of ours.
        offer: Option<Bytes>,
    },
    /// Our answer to a call has arrived; with it comes their answer where ours was an offer.
    Confirmed(Option<Bytes>),
    /// The other side wants other media in the call: answer by [`Phone::answer`], or refuse. Without an offer it wants one.
    Reoffered(Option<Bytes>),
    /// The call is over.
    Ended(End),
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// We have hung up.
    Ours,
    /// The other side has hung up.
    Theirs,
    /// The caller has given up before we have answered.
    Cancelled,
    /// It did not come about.
    Failed(Failure),
}

/// Why a registration or a call does not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was refused.
    #[error("{0} {1}")]
    Refused(u16, String),
    /// The password is wrong, or the user is unknown: who asks for it says the same of both.
    #[error("the password or the name is not taken")]
    WrongPassword,
    /// A password is asked for, and there is none.
    #[error("a password is asked for")]
    PasswordNeeded,
    /// What is asked for cannot be answered.
    #[error("the challenge cannot be answered: {0}")]
    Unanswerable(#[from] Unanswerable),
    /// Nothing has come back.
    #[error("no answer has come")]
    NoAnswer,
    /// The connection is gone.
    #[error("the connection is gone")]
    NoConnection,
    /// The answer cannot be understood.
    #[error("the answer cannot be understood: it makes no dialog")]
    NoDialog,
}

/// What a phone has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhoneCounts {
    /// Messages that came.
    pub received: u64,
    /// Of these, those that are no SIP.
    pub unreadable: u64,
    /// Requests that were refused: of calls that are not there, and those that a phone has no use for.
    pub refused: u64,
    /// Responses and ACKs of nothing that is going on.
    pub stray: u64,
}

#[cfg(test)]
mod tests;

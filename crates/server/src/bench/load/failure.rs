//! Why a registration or a call did not succeed.

use ringback_sip::digest::Unanswerable;
use ringback_sip::message::reason_phrase;
use thiserror::Error;

/// Why a registration or a call did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Error)]
pub enum Failure {
    /// A final response that is no success.
    #[error("{0} {phrase}", phrase = reason_phrase(*.0))]
    Status(u16),
    /// It was not done in time.
    #[error("no answer in time")]
    NoAnswer,
    /// Its connection was lost, or the server took nothing more over it.
    #[error("no connection")]
    NoConnection,
    /// The server asked for credentials that cannot be made.
    #[error("a challenge that cannot be answered ({0})")]
    Challenge(Unanswerable),
    /// A 200 that no ACK and BYE can be sent for.
    #[error("a 200 that makes no dialog")]
    NoDialog,
    /// The far end hung up before its time.
    #[error("ended by the far end")]
    Ended,
}

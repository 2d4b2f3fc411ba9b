//! A message as it waits for its user.

/// An instant message for a user who is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// What the store calls it: messages of a user are delivered in the order of their numbers. 0 before it is stored.
    pub number: u64,
    /// The user part of the AOR that it is for.
    pub user: String,
    /// The user who sent it.
    pub sender: String,
    /// The name of the sender; may be empty.
    pub display: String,
    /// Header lines that go along with it, each with its CRLF.
    pub headers: Vec<u8>,
    /// The type of the body; empty when there is no body.
    pub content_type: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// When it was sent, in milliseconds since 1970.
    pub sent: u64,
    /// Until when it is of use, in milliseconds since 1970.
    pub expires: u64,
}

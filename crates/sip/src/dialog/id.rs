//! What a dialog is known by.

use bytes::Bytes;

use crate::message::Message;

/// Call-ID and the two tags, as one end sees them ([RFC 3261 §12]).
///
/// The tag of a peer that follows RFC 2543 may be empty.
///
/// [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: Bytes,
    /// Our tag.
    pub local_tag: Bytes,
    /// Their tag.
    pub remote_tag: Bytes,
}

impl DialogId {
    /// Whether a message that we received belongs to it.
    pub fn matches(&self, message: &Message) -> bool {
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else { return false };
        let (local, remote) = if message.is_request() { (to, from) } else { (from, to) };
        message.call_id() == Some(&self.call_id[..])
            && local.tag().unwrap_or_default() == self.local_tag
            && remote.tag().unwrap_or_default() == self.remote_tag
    }
}

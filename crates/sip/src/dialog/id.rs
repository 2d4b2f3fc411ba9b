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
    /// The dialog that a message which we received belongs to; `None` when it has no Call-ID, broken
    /// addresses, or, a request, no To tag.
    pub fn of_received(message: &Message) -> Option<Self> {
        let (from, to) = (message.from().ok()?, message.to().ok()?);
        let (local_tag, remote_tag) = match message.is_request() {
            true => (to.tag()?, from.tag().unwrap_or_default()),
            false => (from.tag()?, to.tag().unwrap_or_default()),
        };
        Some(DialogId {
            call_id: Bytes::copy_from_slice(message.call_id()?),
            local_tag: Bytes::copy_from_slice(local_tag),
            remote_tag: Bytes::copy_from_slice(remote_tag),
        })
    }

    /// Whether a message that we received belongs to it.
    pub fn matches(&self, message: &Message) -> bool {
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else { return false };
        let (local, remote) = if message.is_request() { (to, from) } else { (from, to) };
        message.call_id() == Some(&self.call_id[..])
            && local.tag().unwrap_or_default() == self.local_tag
            && remote.tag().unwrap_or_default() == self.remote_tag
    }
}

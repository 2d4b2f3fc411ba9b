//! How messages find their transaction: [RFC 3261 §17.1.3] and [§17.2.3].
//!
//! [RFC 3261 §17.1.3]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.3
//! [§17.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::keyed_hash::Secret;
use crate::header::Via;
use crate::message::{Message, Method};

/// What a transaction is found by: a keyed hash of what the RFC matches on.
///
/// 128 bits leave no room for a chance collision, and without the secret nobody can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    /// Some of its bits, for a choice that need not be the same for everybody.
    pub(super) fn bits(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// A table by [`Key`].
pub(super) type ByKey<T> = HashMap<Key, T, BuildHasherDefault<AlreadyHashed>>;

/// Makes keys.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    secret: Secret,
}

impl Keys {
    pub(super) fn new(secret: Secret) -> Self {
        Keys { secret }
    }

    /// The key of a client transaction: the branch of the topmost Via and the method.
    pub(super) fn client(&self, branch: &[u8], method: &Method) -> Key {
        let mut hash = self.secret.hash();
        hash.write(b"client");
        hash.folded_field(branch);
        hash.field(method.as_bytes());
        Key(hash.finish())
    }

    /// The key of the server transaction for a request whose topmost Via is `via`, taken as a request of
    /// `method`: an ACK and a CANCEL look for the INVITE.
    ///
    /// With the magic cookie that is branch, sent-by and method. Without it (RFC 2543) it is Request-URI,
    /// From tag, Call-ID, CSeq number and the Via as a whole. The To tag is left out: an ACK has the one of
    /// our response where its INVITE had none, and one sender does not number two requests of a call alike.
    pub(super) fn server(&self, request: &Message, via: &Via<'_>, method: &Method) -> Key {
        let mut hash = self.secret.hash();
        match via.unique_branch() {
            Some(branch) => {
                hash.write(b"server");
                hash.folded_field(branch);
                hash.folded_field(via.sent_by);
            }
            None => {
                hash.write(b"2543");
                hash.field(request.request_uri());
                hash.field(request.from().ok().and_then(|from| from.tag()).unwrap_or_default());
                hash.field(request.call_id().unwrap_or_default());
                hash.write(&request.cseq().map_or(0, |cseq| cseq.number).to_le_bytes());
                hash.field(via.raw);
            }
        }
        hash.field(method.as_bytes());
        Key(hash.finish())
    }

    /// What a 2xx to an INVITE and its ACK have in common (§13.3.1.4): the dialog and the CSeq number.
    pub(super) fn acknowledged(&self, message: &Message) -> Option<Key> {
        let mut hash = self.secret.hash();
        hash.write(b"ack");
        hash.field(message.call_id()?);
        hash.field(message.from().ok()?.tag().unwrap_or_default());
        hash.field(message.to().ok()?.tag().unwrap_or_default());
        hash.write(&message.cseq().ok()?.number.to_le_bytes());
        Some(Key(hash.finish()))
    }
}

/// The hasher of tables whose keys are hashes.
#[derive(Default)]
pub(super) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only keys come here, by `write_u128`; anything else still hashes, if badly.
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }
}

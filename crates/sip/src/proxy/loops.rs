//! Loop detection ([RFC 3261 §16.3] step 4, as amended by [RFC 5393 §4.2]).
//!
//! [RFC 3261 §16.3]: https://www.rfc-editor.org/rfc/rfc3261#section-16.3
//! [RFC 5393 §4.2]: https://www.rfc-editor.org/rfc/rfc5393#section-4.2

use std::fmt;

use crate::grammar;
use crate::header::Via;
use crate::message::{Message, Name};
use crate::transaction::keyed_hash::{KeyedHash, Secret};

/// Tells a request that comes back unchanged (a loop) from one that comes back for somebody else (a spiral).
#[derive(Clone)]
pub struct LoopDetection {
    secret: Secret,
}

/// What decides about the way of a request, as a hash that stands in the branches of the copies we send on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace([u8; DIGITS]);

impl LoopDetection {
    /// `seed` is a secret, so that nobody can have a request refused by a forged branch; it must outlive the requests
    /// under way, not the process.
    pub fn new(seed: u64) -> Self {
        LoopDetection { secret: Secret::new(seed) }
    }

    /// The trace of a request, as it came in.
    ///
    /// Neither the method, so that a CANCEL follows its INVITE, nor the topmost Via, which differs on every round of a
    /// loop, is in it. Nor are credentials, which [RFC 3261 §16.6] step 8 names: those for us say who asks, not where the
    /// request goes, and whoever answers our challenge again on each round would hide a loop.
    ///
    /// [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6
    pub fn trace(&self, request: &Message) -> Trace {
        let mut hash = self.secret.hash();
        hash.field(request.request_uri());
        write_all(&mut hash, request, Name::Route);
        hash.field(request.from().ok().and_then(|from| from.tag()).unwrap_or_default());
        hash.field(request.to().ok().and_then(|to| to.tag()).unwrap_or_default());
        hash.field(request.call_id().unwrap_or_default());
        hash.field(&request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
        write_all(&mut hash, request, Name::ProxyRequire);
        let mut bits = hash.finish();
        Trace(std::array::from_fn(|_| {
            let digit = HEX.get((bits & 0xf) as usize).copied().unwrap_or(b'0');
            bits >>= 4;
            digit
        }))
    }

    /// Whether a request with that trace has been here before.
    pub fn is_loop(&self, request: &Message, trace: &Trace) -> bool {
        request.values(Name::Via).filter_map(|value| Via::parse(value).ok()).any(|via| {
            let (branch, wanted) = (via.branch().unwrap_or_default(), trace.0);
            branch.split_last_chunk::<DIGITS>().is_some_and(|(before, last)| {
                before.ends_with(SEPARATOR) && last.eq_ignore_ascii_case(&wanted)
            })
        })
    }
}

impl Trace {
    /// The branch of a copy: the transaction layer's, which no other has, and the trace.
    pub fn branch(&self, unique: &[u8]) -> Vec<u8> {
        [unique, SEPARATOR, &self.0].concat()
    }
}

impl fmt::Debug for LoopDetection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopDetection").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", self.0.escape_ascii())
    }
}

fn write_all(hash: &mut KeyedHash, request: &Message, name: Name) {
    for value in request.values(name) {
        hash.field(&grammar::unfold(value));
    }
    // An empty field ends the list: no header field value is empty.
    hash.field(b"");
}

const DIGITS: usize = 16;
const SEPARATOR: &[u8] = b".";
const HEX: &[u8; 16] = b"0123456789abcdef";

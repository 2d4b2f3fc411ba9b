//! The branches of a response context.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::message::Message;

/// The number of a branch within its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BranchId(pub(super) u32);

/// One member of the target set ([RFC 3261 §16.5]).
///
/// A device with several flows is one candidate with several ways, for it must not get the request twice
/// ([RFC 5626 §5.3]): a way is tried when the one before it fails without the device having been heard of.
///
/// [RFC 3261 §16.5]: https://www.rfc-editor.org/rfc/rfc3261#section-16.5
/// [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<T> {
    pub(super) uri: Bytes,
    pub(super) q: u16,
    pub(super) ways: VecDeque<T>,
}

impl<T> Candidate<T> {
    /// A target: its URI, by which it is recognised when it comes again, its preference in thousandths, and what the
    /// caller needs to reach it.
    pub fn new(uri: impl Into<Bytes>, q: u16, way: T) -> Self {
        Candidate { uri: uri.into(), q, ways: VecDeque::from([way]) }
    }

    /// The same with another way to it, tried when those before have failed.
    #[must_use]
    pub fn or(mut self, way: T) -> Self {
        self.ways.push_back(way);
        self
    }
}

/// The states of a branch.
///
/// ```text
///              1xx               asked
///    Trying ─────────▶ Proceeding ────┐
///       │ asked             │ timer C ▼
///       ├──────────────────▶└────▶ Cancelled
///       │ 3xx that may be followed
///       └─────────────▶ Redirected
///
///    a final response, a time-out or a transport error leads from every state to the end of the branch
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has come.
    Trying,
    /// A provisional response has come.
    Proceeding,
    /// The CANCEL is asked for.
    Cancelled,
    /// The caller decides whether a 3xx is followed.
    Redirected,
}

/// A branch that is not over.
#[derive(Debug)]
pub(super) struct Branch<T> {
    pub(super) id: BranchId,
    pub(super) state: State,
    /// Its part of Max-Breadth.
    pub(super) breadth: u32,
    pub(super) q: u16,
    /// The other ways to the same device.
    pub(super) ways: VecDeque<T>,
    /// When timer C fires; an INVITE's alone.
    pub(super) timer_c: Option<Instant>,
    /// The 3xx that waits for the caller's word.
    pub(super) redirection: Option<Box<Message>>,
}

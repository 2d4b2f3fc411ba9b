//! What a response context is set to, asks for and counts.

use std::time::Duration;

use bytes::Bytes;

use super::branch::BranchId;
use crate::message::Message;

/// How a context behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Timer C ([RFC 3261 §16.8]): how long an INVITE may go without a provisional response; above three minutes.
    ///
    /// [RFC 3261 §16.8]: https://www.rfc-editor.org/rfc/rfc3261#section-16.8
    pub timer_c: Duration,
    /// What is done with a 3xx.
    pub redirects: Redirects,
    /// For whom we speak.
    pub role: Role,
}

/// What is done with a response 300, 301 or 302.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// It is a final response like others.
    PassOn,
    /// Its contacts are offered to the caller, who says which may be followed.
    Ask,
}

/// For whom a context speaks when a flow has failed ([RFC 5626 §5.3]).
///
/// [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A proxy on the way: a 430 goes back to who knows other flows.
    Edge,
    /// The proxy of the user's domain, which has tried all flows: the user is unavailable.
    Home,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<T> {
    /// Send a copy of the request.
    Start {
        /// The number of the new branch.
        branch: BranchId,
        /// Where to.
        to: T,
        /// The copy's Max-Breadth.
        breadth: u32,
    },
    /// Cancel the INVITE of the branch.
    Cancel(BranchId),
    /// Say by [`ResponseContext::redirect`](super::ResponseContext::redirect) which of the contacts may be followed.
    Redirected {
        /// The branch that waits.
        branch: BranchId,
        /// The URI and preference of each contact.
        contacts: Vec<(Bytes, u16)>,
    },
    /// Send the response to the request; our Via is out of it.
    Forward(Box<Message>),
    /// No branch is under way and the request has its answer: the context can be forgotten.
    ///
    /// A proxy of INVITEs keeps it as long as the client transactions, for a 2xx of a fork behind a branch still goes
    /// back by [`ResponseContext::handle_response`](super::ResponseContext::handle_response).
    Over(Ending),
}

/// How a context ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A final response was sent on.
    Answered,
    /// None was, and none may be ([RFC 4320]): the server transaction is abandoned.
    ///
    /// [RFC 4320]: https://www.rfc-editor.org/rfc/rfc4320
    Silent,
}

/// Why a branch ended without a final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchFailure {
    /// The transaction timed out on every address.
    Timeout,
    /// No address could be sent to, or the flow is gone.
    Transport,
}

/// What was passed over, counted by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Responses of branches that were over, or after the final response.
    pub late: u64,
    /// Responses that nobody but us has a Via in.
    pub without_via: u64,
    /// Provisional responses that are not sent on: a 100, or one to another request than INVITE.
    pub provisional: u64,
    /// Candidates that had been in the target set before.
    pub repeated: u64,
    /// Candidates above the limit.
    pub too_many: u64,
}

impl Default for Settings {
    /// Timer C as short as it may be; redirections go back; the proxy of the user's domain.
    fn default() -> Self {
        Settings { timer_c: Duration::from_secs(181), redirects: Redirects::PassOn, role: Role::Home }
    }
}

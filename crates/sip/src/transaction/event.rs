//! What the layer tells the transaction user.

use ringback_sansio::Flow;

use crate::message::Message;

/// A client transaction: a request that we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(super) Slot);

/// A server transaction: a request that we received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub(super) Slot);

/// A place in a table and the number of the transaction in it, so that an id of one that is over finds
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) index: u32,
    pub(super) number: u32,
}

/// News for the transaction user.
///
/// Every [`ClientId`] is heard of for the last time by exactly one of: a final [`Event::Response`] (to an
/// INVITE, one that is not 2xx), [`Event::TimedOut`], [`Event::TransportFailed`], or, once a 2xx to an INVITE
/// has come, [`Event::Terminated`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new request, neither ACK nor CANCEL. Its topmost Via says where it came from (`received`, `rport`).
    ///
    /// The user answers by [`respond`](super::Transactions::respond), statelessly, or abandons it.
    Request {
        /// The transaction made for it.
        id: ServerId,
        /// The flow it came over, which the response goes by.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// An ACK that is a request of its own (§17.1.1.3): of a 2xx, or of a response that was sent statelessly.
    Ack {
        /// The flow it came over.
        flow: Flow,
        /// The ACK.
        message: Message,
        /// The INVITE whose 2xx waited for it; `None` when none did.
        invite: Option<ServerId>,
    },
    /// A CANCEL. The layer has answered neither it nor the INVITE: 200 or 481 to this one, 487 to the other.
    Cancel {
        /// The transaction of the CANCEL itself.
        id: ServerId,
        /// The INVITE it is for: same branch and sent-by, from the same host. It may have its final response
        /// already.
        invite: Option<ServerId>,
        /// The flow it came over.
        flow: Flow,
        /// The CANCEL.
        message: Message,
    },
    /// A response to our request: each 1xx, the final one, and for an INVITE every 2xx after it.
    Response {
        /// The transaction.
        id: ClientId,
        /// The response.
        message: Message,
    },
    /// No response came, or after a CANCEL no final one; to be treated as a 408 (§8.1.3.1).
    TimedOut {
        /// The transaction, which is over.
        id: ClientId,
    },
    /// The request or its response cannot travel; to be treated as a 503 (§8.1.3.1).
    TransportFailed {
        /// The transaction, which is over.
        id: ClientId,
    },
    /// An INVITE client transaction that had a 2xx is over: no further 2xx will be matched to it.
    Terminated {
        /// The transaction.
        id: ClientId,
    },
    /// The connection that the response has to go by is gone; the transaction stays, as RFC 6026 §8.8 wants
    /// it.
    Undeliverable {
        /// The transaction.
        id: ServerId,
    },
    /// Timer H: our response 300 to 699 to an INVITE was never acknowledged.
    AckTimedOut {
        /// The transaction, which is over.
        id: ServerId,
    },
    /// Our 2xx to an INVITE was never acknowledged: the dialog stands, and the user ends it by a BYE
    /// (§13.3.1.4).
    Ok2xxUnacknowledged {
        /// The transaction, which is over.
        id: ServerId,
    },
    /// A response to none of our requests; a stateful element drops it (RFC 6026 §8.9).
    StrayResponse {
        /// The flow it came over.
        flow: Flow,
        /// The response.
        message: Message,
    },
}

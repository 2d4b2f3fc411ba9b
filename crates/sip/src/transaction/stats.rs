//! What the layer has done, counted.

/// Counters of a [`Transactions`](super::Transactions); each message in is in exactly one of the first two
/// groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    // Requests received.
    /// Made a server transaction and went to the user, CANCELs included.
    pub requests_new: u64,
    /// Came again and were answered with the response kept.
    pub requests_answered_again: u64,
    /// Came again while there was nothing to answer, or after a 2xx.
    pub requests_absorbed: u64,
    /// ACKs of our responses 300 to 699.
    pub acks_matched: u64,
    /// ACKs of a 2xx that waited for it, and ACKs that belong to nothing here; they went to the user.
    pub acks_to_user: u64,
    /// ACKs that came again.
    pub acks_absorbed: u64,
    /// Answered 503 because there were too many transactions.
    pub requests_refused: u64,
    /// Dropped: no topmost Via that can be read, so that nothing can be matched or answered.
    pub requests_without_via: u64,

    // Responses received.
    /// Went to the user.
    pub responses_to_user: u64,
    /// Came again after the final one, or are a provisional one after it.
    pub responses_absorbed: u64,
    /// Answered a CANCEL of ours, which the user does not hear of.
    pub responses_to_cancel: u64,
    /// Belong to no transaction and went to the user as stray.
    pub responses_stray: u64,
    /// Dropped: no topmost Via with a branch that can be read.
    pub responses_without_branch: u64,

    // Sent.
    /// Requests sent for the first time, ACKs and CANCELs included.
    pub requests_sent: u64,
    /// Requests sent again by Timer A or E, and ACKs sent again.
    pub requests_retransmitted: u64,
    /// Responses sent for the first time.
    pub responses_sent: u64,
    /// Responses sent again by Timer G, for a repeated request, or for want of the ACK to a 2xx.
    pub responses_retransmitted: u64,
    /// 100 (Trying) that the layer sent because the user was slow.
    pub tryings_sent: u64,
    /// Messages sent without a transaction.
    pub sent_statelessly: u64,

    // What went wrong on the way.
    /// Timer B or F: no answer; or no final response in spite of a CANCEL.
    pub timed_out: u64,
    /// Timer H: no ACK to a response 300 to 699.
    pub acks_timed_out: u64,
    /// No ACK to a 2xx.
    pub successes_unacknowledged: u64,
    /// Client transactions that ended because their flow failed.
    pub transport_failed: u64,
    /// Server transactions that lost the connection of their responses.
    pub undeliverable: u64,
    /// CANCELs that came from another host than their INVITE and were not matched to it.
    pub cancels_from_elsewhere: u64,

    // What the user asked for in vain.
    /// Requests of the user that were refused because there were too many transactions.
    pub own_requests_refused: u64,
    /// Requests of the user that had no branch, one in use, or are ACKs or CANCELs; a fault of the user.
    pub own_requests_unusable: u64,
    /// Responses of the user after its final one, or to a transaction that is over, or that are no responses.
    pub own_responses_unusable: u64,
    /// Server transactions that the user dropped without an answer.
    pub abandoned: u64,
}

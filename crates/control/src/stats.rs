//! What the exchange counts. `crates/server` gives the fields their names outside.

/// Counters since the start. Everything that is dropped or refused has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    // Messages.
    /// Handed in.
    pub messages_received: u64,
    /// No SIP, answered with the reason.
    pub messages_unparsed_answered: u64,
    /// No SIP, and the way back cannot be read.
    pub messages_unparsed_dropped: u64,
    /// Dropped: from an address that nobody has, such as a multicast one.
    pub messages_from_nowhere: u64,
    /// Requests that break a rule of RFC 3261, answered with the reason.
    pub requests_invalid: u64,
    /// Responses and ACKs that break one.
    pub messages_invalid_dropped: u64,

    // Who may come in.
    /// Dropped unread: their source is unknown and asks more than [`Standing::Stranger`](crate::Standing) may.
    pub messages_over_budget: u64,
    /// Of sources that are known and have had their share, while more comes than can be served: they wait.
    pub messages_beyond_share: u64,
    /// Left without an answer because their source is banned.
    pub requests_banned: u64,
    /// Challenged because they had no credentials of use.
    pub requests_unauthenticated: u64,
    /// Wrong user or password.
    pub credentials_refused: u64,
    /// Requests within a dialog that came from another address than its far end's, and were challenged.
    pub dialogs_challenged: u64,
    /// 403: the address in From or To is somebody else's, or the dialog is.
    pub identities_refused: u64,
    /// 503: too many questions wait for their answer.
    pub requests_overloaded: u64,
    /// 503: more comes than can be served, and this could wait (see [`Pressure`](crate::Pressure)).
    pub requests_shed: u64,

    // Requests that nothing is begun for.
    /// 481: in no dialog of ours.
    pub requests_outside_dialog: u64,
    /// 500: out of the order of their dialog.
    pub requests_out_of_order: u64,
    /// 482: an INVITE that came by two ways.
    pub requests_merged: u64,
    /// 405.
    pub methods_not_allowed: u64,
    /// 420: an option that we do not have is required.
    pub extensions_refused: u64,
    /// 416: the Request-URI is of a scheme that is not served, or 400: it cannot be read.
    pub schemes_refused: u64,
    /// 404: for a domain that is not ours.
    pub domains_refused: u64,
    /// INVITEs refused before anybody was called, for other reasons than those above.
    pub calls_refused: u64,
    /// 404: the callee does not exist. A record is kept.
    pub callees_unknown: u64,
    /// 480: the callee is not signed in. A record is kept.
    pub callees_absent: u64,
    /// 486: the callee has as many calls as it takes. A record is kept.
    pub callees_busy: u64,
    /// 480: the callee does not want to be disturbed. A record is kept.
    pub callees_undisturbed: u64,
    /// 482 and 483: forwarded in a circle, or too often.
    pub forwards_refused: u64,
    /// Pickups of no call, of a call that the user may not pick up, or without an offer.
    pub pickups_refused: u64,
    /// Feature codes without their number, and changes that the store did not take.
    pub codes_refused: u64,

    // Registrations.
    /// Answered 200, queries not counted.
    pub registrations: u64,
    /// Refused by the registrar.
    pub registrations_refused: u64,
    /// Changes of bindings, and records of calls that were hung up, that the store did not take.
    pub persists_failed: u64,
    /// Dialogs that followed their device to another flow.
    pub dialogs_moved: u64,
    /// Contacts behind a NAT that were asked whether they are there.
    pub pings: u64,
    /// Of these, answered.
    pub pings_answered: u64,
    /// How long the answered ones took together, in milliseconds.
    pub ping_milliseconds: u64,
    /// Contacts that twice did not answer and are no targets since.
    pub contacts_silent: u64,
    /// Of these, those that answered later.
    pub contacts_heard_again: u64,

    // Connections of our own to proxies and contacts.
    /// Requests that waited until a contact could be reached.
    pub requests_held: u64,
    /// Of these, those that went on without the contact.
    pub requests_held_in_vain: u64,
    /// Connections made.
    pub connections_made: u64,
    /// Nobody takes connections there.
    pub connects_unreachable: u64,
    /// A connection that was not there in time.
    pub connects_late: u64,
    /// The certificate of the far end is not trusted for its name, or there is no TLS.
    pub connects_untrusted: u64,
    /// The far end has asked for our certificate, and does not take it.
    pub connects_certificate_not_taken: u64,
    /// The far end speaks no SIP over WebSocket.
    pub connects_without_websocket: u64,
    /// Not made, because there are as many as there may be.
    pub connects_too_many: u64,
    /// URIs of Path, Contact or Route that name no server that could be looked up.
    pub destinations_unresolvable: u64,
    /// URIs that the DNS knows no address of.
    pub destinations_not_found: u64,
    /// Addresses that a client may not have us connect to.
    pub destinations_refused: u64,
    /// Not looked for, because too many are being looked for.
    pub destinations_overloaded: u64,
    /// Connections of ours over which a request was answered 503 or not at all.
    pub targets_failed: u64,
    /// Requests too large for a datagram that went over TCP.
    pub requests_moved_to_tcp: u64,
    /// Requests too large for a datagram that went as one, to a contact that takes no connections.
    pub requests_large_by_udp: u64,
    /// Dialogs whose connection was lost and that go on over another flow.
    pub dialogs_reconnected: u64,

    // Requests on their way to contacts.
    /// Sent on to one contact or more.
    pub requests_proxied: u64,
    /// 400, 420, 440, 482 or 483: not to be sent on.
    pub proxied_refused: u64,
    /// 503: too many are on their way.
    pub proxied_overloaded: u64,
    /// No contact has answered, and so nobody was.
    pub proxied_unanswered: u64,

    // Acknowledgements, responses and news that belong to nothing.
    /// ACKs that nothing waits for, those of stateless answers among them.
    pub acks_stray: u64,
    /// Final responses that were never acknowledged.
    pub acks_missing: u64,
    /// Responses to no request of ours.
    pub responses_stray: u64,
    /// Responses whose connection is gone.
    pub responses_undeliverable: u64,
    /// INVITEs whose connection was lost and whose responses go over one of our own.
    pub responses_reconnected: u64,
    /// Answers to no question, or not to the one that was asked.
    pub answers_unasked: u64,
    /// News, from the media workers or from far ends, of calls that are over.
    pub news_for_no_call: u64,
    /// Legs that a media worker still had when their call was forgotten; they were closed.
    pub legs_stray: u64,

    // Calls.
    /// Calls begun.
    pub calls_started: u64,
    /// Calls answered.
    pub calls_answered: u64,
    /// Calls ended and recorded.
    pub calls_ended: u64,
    /// Calls that ended because the caller's connection was lost before the answer.
    pub callers_lost: u64,
    /// Calls that ended because a media worker did not open a leg.
    pub legs_unopened: u64,
    /// Calls whose media goes past us.
    pub calls_bypassed: u64,
    /// Legs whose media went past us and comes by us since.
    pub legs_brought_back: u64,
    /// Calls that ended because a phone would not be told where its media has to go.
    pub readdressings_failed: u64,
    /// Contacts that gave no final response.
    pub branches_unanswered: u64,
    /// Other flows of a device that were tried because the first one failed.
    pub flows_failed_over: u64,
    /// Calls that went on from a user who was rung to another one.
    pub calls_forwarded: u64,
    /// 3xx of callees that were followed to a user of this exchange.
    pub redirections_followed: u64,
    /// 3xx of callees that name nobody here.
    pub redirections_refused: u64,
    /// Calls that another phone picked up, while they rang or were parked.
    pub calls_picked_up: u64,
    /// Calls that were parked.
    pub calls_parked: u64,
    /// Parked calls that nobody picked up in time: who parked them was called back.
    pub parked_calls_recalled: u64,
    /// Settings changed by feature codes.
    pub settings_changed: u64,
    /// 2xx that make no dialog because they cannot be read.
    pub answers_without_dialog: u64,
    /// Session descriptions in a 2xx to the INVITE that cannot be used.
    pub answers_refused: u64,
    /// Session descriptions in a provisional response that cannot be used.
    pub early_answers_refused: u64,
    /// Provisional responses sent reliably, until their PRACK comes.
    pub provisionals_reliable: u64,
    /// 504: calls that ended because a provisional response never got its PRACK.
    pub provisionals_unacknowledged: u64,
    /// 481: PRACKs of nothing that waits for one.
    pub pracks_unmatched: u64,
    /// PRACKs sent for reliable provisional responses of callees.
    pub pracks_sent: u64,
    /// PRACKs that a callee refused or did not answer; each ended its branch.
    pub pracks_failed: u64,
    /// Reliable provisional responses passed over: they had their PRACK already.
    pub provisionals_repeated: u64,
    /// Reliable provisional responses passed over: one before them is missing, or their branch has too many early
    /// dialogs.
    pub provisionals_out_of_order: u64,
    /// Reliable provisional responses without a number or a dialog, which cannot be acknowledged.
    pub provisionals_unreadable: u64,
    /// Offers answered in an early dialog, by PRACK or UPDATE.
    pub offers_early: u64,
    /// Answers in an ACK or a PRACK that cannot be used.
    pub late_answers_refused: u64,
    /// Second 2xx from behind one contact; each got its ACK and a BYE.
    pub forks_behind_callee: u64,

    // Subscriptions and publications.
    /// SUBSCRIBEs that made a subscription, or were a fetch.
    pub subscriptions: u64,
    /// SUBSCRIBEs refused for other reasons than those below.
    pub subscriptions_refused: u64,
    /// 489: of an event package that there is not.
    pub events_unknown: u64,
    /// 423: SUBSCRIBEs and PUBLISHes for too short a time.
    pub event_times_too_brief: u64,
    /// 503: there are too many subscriptions or publications, or the exchange is shutting down.
    pub events_overloaded: u64,
    /// NOTIFYs sent.
    pub notifications: u64,
    /// NOTIFYs that were refused, not answered, or found no connection.
    pub notifications_failed: u64,
    /// PUBLISHes answered 200.
    pub publications: u64,
    /// PUBLISHes whose document is missing or cannot be read.
    pub publications_refused: u64,
    /// 412: no publication has that entity-tag.
    pub publications_unmatched: u64,

    // What phones say of how calls sounded.
    /// Reports about calls of their senders.
    pub quality_reports: u64,
    /// Reports about no call of their sender, or about one that has been over for too long; answered 200 as well.
    pub quality_reports_unmatched: u64,
    /// 400 and the like: reports that cannot be read.
    pub quality_reports_refused: u64,

    // Instant messages outside of calls.
    /// Taken by a contact while the sender waited.
    pub instant_messages_delivered: u64,
    /// Stored for a user who is away, answered 202.
    pub instant_messages_stored: u64,
    /// Stored ones that a contact has taken.
    pub instant_messages_delivered_later: u64,
    /// Refused by every contact.
    pub instant_messages_declined: u64,
    /// 413 or 483: too large, or over too many hops.
    pub instant_messages_refused: u64,
    /// 503: too many are on their way.
    pub instant_messages_overloaded: u64,
    /// 404: there is no such user.
    pub instant_messages_unknown: u64,
    /// 480: the user is away and the message is not one to keep.
    pub instant_messages_not_kept: u64,
    /// 480: too many messages wait for the user.
    pub instant_messages_full: u64,
    /// Stored ones whose time was over before their user came back.
    pub instant_messages_expired: u64,

    // Within calls.
    /// Offers refused in a call that goes on.
    pub offers_refused: u64,
    /// Offers refused because another one was under way.
    pub offers_in_glare: u64,
    /// Answers to an offer of our own in mid-call that cannot be used.
    pub offers_of_ours_refused: u64,
    /// Far ends that restarted ICE.
    pub ice_restarts: u64,
    /// Contacts of far ends that cannot be read; the old one stays.
    pub targets_unreadable: u64,
    /// Calls that ended because their session was not refreshed.
    pub sessions_expired: u64,
    /// Whole pictures that were asked for by INFO, by a far end of another or by us.
    pub pictures_by_info: u64,
    /// Places for video that the media workers could not make.
    pub video_unopened: u64,
    /// Legs whose keys were agreed.
    pub legs_connected: u64,
    /// Legs whose far end vanished.
    pub legs_gone: u64,
    /// Legs whose media worker did not say in time what they carried.
    pub reports_missing: u64,
    /// Transfers that a REFER was accepted for.
    pub transfers_started: u64,
    /// Transfers whose transferee and target have agreed, takeovers among them.
    pub transfers_completed: u64,
    /// Transfers and takeovers that came to nothing.
    pub transfers_failed: u64,
    /// REFERs refused, with the reason in a Warning.
    pub transfers_refused: u64,
    /// NOTIFYs of a transfer that the transferor did not take.
    pub notifies_refused: u64,
    /// INVITEs with Replaces that were let in.
    pub takeovers_started: u64,
    /// Calls that rang and were answered by an INVITE with Replaces.
    pub takeovers_completed: u64,
    /// INVITEs with Replaces refused, with the reason in a Warning.
    pub takeovers_refused: u64,
    /// Calls of two that became a conference, by Join.
    pub joins_completed: u64,
    /// Parties of such calls that did not come along.
    pub joins_failed: u64,
    /// INVITEs with Join refused, with the reason in a Warning.
    pub joins_refused: u64,
    /// Offers of ours, or passed on by us, that met another one or a lost connection and were made again.
    pub offers_repeated: u64,
    /// Keys pressed by INFO.
    pub dtmf_by_info: u64,
    /// Of these, keys that were pressed for a telephone as events.
    pub dtmf_made_events: u64,
    /// Of those in INFO, heard as tones by a telephone without events.
    pub dtmf_made_tones: u64,
    /// Keys that were events or tones, told by INFO.
    pub dtmf_told: u64,
    /// The same while too many waited to be told.
    pub dtmf_untold: u64,

    /// Recordings that were begun.
    pub recordings_begun: u64,
    /// Recordings that a party asked for, or to end, and could not have so.
    pub recordings_refused: u64,

    /// Mistakes of ours that were contained.
    pub panics: u64,
}

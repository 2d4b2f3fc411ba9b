//! The names of counters: a machine counts in plain fields, and a field's name is its label.

use crate::{control_thread, media_thread, ng_thread, rooms_thread, turn_thread, voice_thread};

/// Lists every field of a struct of counters. The pattern has no `..`, so a counter that is added and not listed here
/// does not compile.
macro_rules! counters {
    ($(#[$doc:meta])* $function:ident($type:path) { $($field:ident,)* }) => {
        $(#[$doc])*
        pub fn $function(counters: &$type) -> Vec<(&'static str, u64)> {
            let $type { $($field,)* } = counters;
            vec![$((stringify!($field), *$field),)*]
        }
    };
}

counters! {
    /// Those of [`ringback_control::Stats`].
    exchange(ringback_control::Stats) {
        messages_received, messages_unparsed_answered, messages_unparsed_dropped, messages_from_nowhere,
        requests_invalid, messages_invalid_dropped, messages_over_budget, messages_beyond_share, requests_banned, requests_unauthenticated,
        credentials_refused, dialogs_challenged, identities_refused, requests_overloaded, requests_shed,
        requests_outside_dialog, requests_out_of_order, requests_merged, methods_not_allowed,
        extensions_refused, schemes_refused, domains_refused, calls_refused, callees_unknown, callees_absent,
        callees_busy, callees_undisturbed, forwards_refused, pickups_refused, codes_refused, registrations,
        registrations_refused, persists_failed, dialogs_moved, pings, pings_answered, ping_milliseconds, contacts_silent, contacts_heard_again,
        requests_held, requests_held_in_vain, connections_made, connects_unreachable, connects_late,
        connects_untrusted, connects_certificate_not_taken, connects_without_websocket, connects_too_many, destinations_unresolvable,
        destinations_not_found, destinations_refused, destinations_overloaded, targets_failed, requests_moved_to_tcp,
        requests_large_by_udp, dialogs_reconnected,
        requests_proxied, proxied_refused, proxied_overloaded, proxied_unanswered, acks_stray, acks_missing, responses_stray,
        responses_undeliverable, responses_reconnected, answers_unasked, news_for_no_call, legs_stray, calls_started, calls_answered,
        calls_ended, callers_lost, legs_unopened, calls_bypassed, legs_brought_back, readdressings_failed,
        branches_unanswered, flows_failed_over,
        calls_forwarded, redirections_followed, redirections_refused, calls_picked_up, calls_parked,
        parked_calls_recalled, settings_changed,
        answers_without_dialog, answers_refused, early_answers_refused, late_answers_refused,
        provisionals_reliable, provisionals_unacknowledged, pracks_unmatched, pracks_sent, pracks_failed,
        provisionals_repeated, provisionals_out_of_order, provisionals_unreadable, offers_early,
        forks_behind_callee, subscriptions, subscriptions_refused, events_unknown, event_times_too_brief,
        events_overloaded, notifications, notifications_failed, publications, publications_refused,
        publications_unmatched, quality_reports, quality_reports_unmatched, quality_reports_refused,
        instant_messages_delivered, instant_messages_stored,
        instant_messages_delivered_later, instant_messages_declined, instant_messages_refused,
        instant_messages_overloaded, instant_messages_unknown, instant_messages_not_kept, instant_messages_full,
        instant_messages_expired, offers_refused, offers_in_glare, offers_of_ours_refused, ice_restarts,
        targets_unreadable, sessions_expired, legs_connected, legs_gone, reports_missing, dtmf_by_info, dtmf_made_events,
        dtmf_made_tones, dtmf_told, dtmf_untold, pictures_by_info, video_unopened,
        transfers_started, transfers_completed, transfers_failed, transfers_refused, notifies_refused,
        takeovers_started, takeovers_completed, takeovers_refused, joins_completed, joins_failed, joins_refused,
        offers_repeated, recordings_begun, recordings_refused,
        panics,
    }
}

counters! {
    /// Those of [`ringback_sip::transaction::Stats`].
    transactions(ringback_sip::transaction::Stats) {
        requests_new, requests_answered_again, requests_absorbed, acks_matched, acks_to_user,
        acks_absorbed, requests_refused, requests_without_via, responses_to_user, responses_absorbed,
        responses_to_cancel, responses_stray, responses_without_branch, requests_sent,
        requests_retransmitted, responses_sent, responses_retransmitted, tryings_sent, sent_statelessly,
        timed_out, acks_timed_out, successes_unacknowledged, transport_failed, undeliverable,
        cancels_from_elsewhere, own_requests_refused, own_requests_unusable, own_responses_unusable,
        abandoned,
    }
}

counters! {
    /// Those of [`ringback_sip::digest::Stats`].
    authentication(ringback_sip::digest::Stats) {
        challenged, accepted, no_credentials, wrong_realm, malformed, unsupported_algorithm,
        unsupported_qop, foreign_nonce, expired, replayed, bad_credentials,
    }
}

counters! {
    /// Those of [`control_thread::Counters`].
    control_thread(control_thread::Counters) {
        outbox_full, connection_gone, datagram_refused, keep_alives, stun_answered, stun_dropped, truncated,
        worker_full, traced, trace_missed, trace_failed, strangers_dropped, known_dropped,
    }
}

counters! {
    /// Those of [`ng_thread::Counters`].
    ng_thread(ng_thread::Counters) {
        datagram_refused, truncated, worker_full,
    }
}

/// Those of [`ringback_control::ng::Stats`], but for the names of flags, which are the far end's.
pub fn ng(stats: &ringback_control::ng::Stats) -> Vec<(&'static str, u64)> {
    macro_rules! named {
        ($($field:ident,)*) => {{
            let ringback_control::ng::Stats { $($field,)* unknown_flags, unknown_flags_beyond } = stats;
            let unknown = unknown_flags.values().sum::<u64>() + unknown_flags_beyond;
            vec![$((stringify!($field), *$field),)* ("unknown_flags", unknown)]
        }};
    }
    named! {
        commands, errors, no_cookie, repeated, repeated_early, answers_pushed_out, calls, calls_refused,
        calls_deleted, calls_silent, calls_unanswered, pings, offers, answers, deletes, queries, lists,
        recordings_begun, recordings_refused, packets, octets, packets_dropped, video_unopened,
        pictures_unasked, panics,
        stray_news,
    }
}

counters! {
    /// Those of [`media_thread::Counters`].
    media_thread(media_thread::Counters) {
        send_failed, no_socket, stun_answered, truncated, panics, voice_full, unconnected, turn_full,
        turn_handed_on,
    }
}

/// Those of [`ringback_nat::turn::Stats`], but for errors and drops, which have families of their own.
pub fn turn(stats: &ringback_nat::turn::Stats) -> Vec<(&'static str, u64)> {
    macro_rules! named {
        ($($field:ident,)*) => {{
            let ringback_nat::turn::Stats { $($field,)* errors: _, drops: _ } = stats;
            vec![$((stringify!($field), *$field),)*]
        }};
    }
    named! {
        allocations, expired, moved, bindings, successes, challenged, wrong_credentials, to_peers, bytes_to_peers,
        to_clients, bytes_to_clients,
    }
}

counters! {
    /// Those of [`turn_thread::Counters`].
    turn_thread(turn_thread::Counters) {
        send_failed, no_socket, truncated, not_opened, outbox_full, connection_gone, worker_full, panics,
    }
}

/// Those of [`ringback_control::rooms::Stats`], but for what was refused, which has a family of its own.
pub fn rooms(stats: &ringback_control::rooms::Stats) -> Vec<(&'static str, u64)> {
    macro_rules! named {
        ($($field:ident,)*) => {{
            let ringback_control::rooms::Stats { $($field,)* refused: _ } = stats;
            vec![$((stringify!($field), *$field),)*]
        }};
    }
    named! {
        connections, messages, messages_stray, signals, signals_undeliverable, rooms_created, rooms_restored,
        rooms_ended, rooms_expired, rooms_deserted, members_joined, members_back, members_lost, members_removed,
        knocks, knocks_unanswered, streams_created, streams_live, streams_ended, streams_lost, viewers_created,
        viewers_lost, streams_offered, streams_unanswered,
    }
}

counters! {
    /// Those of [`rooms_thread::Counters`].
    rooms_thread(rooms_thread::Counters) {
        outbox_full, connection_gone, not_kept, worker_full, unheard, panics,
    }
}

counters! {
    /// Those of [`voice_thread::Counters`].
    voice_thread(voice_thread::Counters) {
        outputs_full, inserts_refused, voice_panics,
    }
}

counters! {
    /// Those of [`ringback_media::insert::DeskStats`].
    desk(ringback_media::insert::DeskStats) {
        packets, no_insert, late, unreadable, unknown, too_much, concealed_ms, made, overflowed, ticks_missed,
        keys_beyond, recorded, recording_overflowed,
    }
}

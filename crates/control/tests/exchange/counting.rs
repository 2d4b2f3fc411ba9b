//! Every counter of the exchange rises for its reason.

use std::collections::BTreeSet;

use bytes::Bytes;
use ringback_control::{Answer, AskId, Features, MediaEvent, Standing, Stats};
use ringback_media::session::{Gone, LegKey};
use ringback_sansio::Flow;
use ringback_sip::message::{Builder, Method, Name};

use crate::kit::{Client, OnReinvite, World, ms, secs};

/// What happens, and the counters that rise by it.
type Scene = (fn() -> World, &'static [&'static str]);

const SCENES: &[Scene] = &[
    (
        a_call,
        &[
            "messages_received",
            "requests_unauthenticated",
            "registrations",
            "acks_stray",
            "calls_started",
            "calls_answered",
            "calls_ended",
            "legs_connected",
            "dtmf_by_info",
            "dtmf_made_events",
        ],
    ),
    (keys_for_a_telephone_without_events, &["dtmf_made_tones", "dtmf_told", "dtmf_untold"]),
    (
        bad_messages,
        &[
            "messages_unparsed_answered",
            "messages_unparsed_dropped",
            "messages_from_nowhere",
            "requests_invalid",
            "messages_invalid_dropped",
            "responses_stray",
        ],
    ),
    (a_flood, &["messages_over_budget"]),
    (crate::joining::a_conference_of_a_call, &["joins_completed", "joins_failed", "joins_refused"]),
    (crate::video::a_wish_and_no_ports, &["pictures_by_info", "video_unopened"]),
    (crate::pressure::a_flood_from_a_known_address, &["messages_beyond_share"]),
    (a_nat, &["pings", "pings_answered", "ping_milliseconds", "contacts_silent", "contacts_heard_again"]),
    (no_calls, &["requests_proxied", "proxied_refused", "proxied_overloaded", "proxied_unanswered"]),
    (a_scanner, &["credentials_refused", "requests_banned"]),
    (
        odd_requests,
        &[
            "requests_outside_dialog",
            "methods_not_allowed",
            "extensions_refused",
            "schemes_refused",
            "domains_refused",
            "identities_refused",
            "registrations_refused",
            "persists_failed",
            "callees_unknown",
            "callees_absent",
            "calls_refused",
            "answers_unasked",
        ],
    ),
    (overload, &["requests_overloaded"]),
    (crate::pressure::a_refused_call, &["requests_shed"]),
    (a_merged_request, &["requests_merged"]),
    (odd_requests_in_a_dialog, &["requests_out_of_order", "dialogs_challenged", "dialogs_moved"]),
    (lost_ones, &["callers_lost", "responses_undeliverable", "branches_unanswered", "acks_missing"]),
    (media, &["news_for_no_call", "legs_stray", "legs_gone", "legs_unopened", "reports_missing"]),
    (
        odd_answers,
        &[
            "answers_without_dialog",
            "answers_refused",
            "early_answers_refused",
            "late_answers_refused",
            "forks_behind_callee",
        ],
    ),
    (
        reliable_provisional_responses,
        &[
            "provisionals_reliable",
            "provisionals_unacknowledged",
            "pracks_unmatched",
            "pracks_sent",
            "pracks_failed",
            "provisionals_repeated",
            "provisionals_out_of_order",
            "provisionals_unreadable",
            "offers_early",
        ],
    ),
    (
        users_who_have_set_something,
        &[
            "callees_busy",
            "callees_undisturbed",
            "forwards_refused",
            "calls_forwarded",
            "redirections_followed",
            "redirections_refused",
            "settings_changed",
            "codes_refused",
        ],
    ),
    (pickups, &["calls_picked_up", "pickups_refused"]),
    (parking, &["calls_parked", "parked_calls_recalled"]),
    (crate::bypass::counted, &["calls_bypassed", "legs_brought_back", "readdressings_failed"]),
    (two_flows, &["flows_failed_over"]),
    (
        odd_offers,
        &[
            "offers_refused",
            "offers_in_glare",
            "offers_of_ours_refused",
            "ice_restarts",
            "targets_unreadable",
            "sessions_expired",
        ],
    ),
    (
        transfers,
        &[
            "transfers_started",
            "transfers_completed",
            "transfers_failed",
            "transfers_refused",
            "notifies_refused",
            "takeovers_started",
            "takeovers_completed",
            "takeovers_refused",
            "offers_repeated",
        ],
    ),
    (
        crate::reaching::hard_to_reach,
        &[
            "requests_held",
            "requests_held_in_vain",
            "connections_made",
            "connects_unreachable",
            "connects_late",
            "connects_untrusted",
            "connects_certificate_not_taken",
            "connects_without_websocket",
            "connects_too_many",
            "destinations_unresolvable",
            "destinations_not_found",
            "destinations_refused",
            "destinations_overloaded",
            "dialogs_reconnected",
        ],
    ),
    (crate::large_requests::sizes, &["requests_moved_to_tcp", "requests_large_by_udp"]),
    (crate::recording::asked, &["recordings_begun"]),
    (crate::recording::refused, &["recordings_refused"]),
    (crate::reaching::an_overloaded_proxy, &["targets_failed"]),
    (crate::reaching::a_lost_caller_who_listens, &["responses_reconnected"]),
    (
        events,
        &[
            "subscriptions",
            "subscriptions_refused",
            "events_unknown",
            "event_times_too_brief",
            "events_overloaded",
            "notifications",
            "notifications_failed",
            "publications",
            "publications_refused",
            "publications_unmatched",
        ],
    ),
    (
        crate::quality_reports::one_of_each,
        &["quality_reports", "quality_reports_unmatched", "quality_reports_refused"],
    ),
    (
        crate::messages::every_fate,
        &[
            "instant_messages_delivered",
            "instant_messages_stored",
            "instant_messages_delivered_later",
            "instant_messages_declined",
            "instant_messages_refused",
            "instant_messages_overloaded",
            "instant_messages_unknown",
            "instant_messages_not_kept",
            "instant_messages_full",
            "instant_messages_expired",
        ],
    ),
];

#[test]
fn every_counter_rises_for_its_reason() {
    // That panics are contained and counted is a unit test: a panic cannot be ordered from outside.
    let mut seen = BTreeSet::from(["panics".to_owned()]);
    for (scene, expected) in SCENES {
        let risen = values(scene().exchange.stats(), |value| value > 0);
        for name in *expected {
            assert!(risen.contains(*name), "{name} did not rise; these did: {risen:?}");
            seen.insert((*name).to_owned());
        }
        assert!(!risen.contains("panics"));
    }
    assert_eq!(seen, values(&Stats::default(), |value| value == 0), "every counter has its scene");
}

/// The counters with such a value.
fn values(stats: &Stats, is_one: impl Fn(u64) -> bool) -> BTreeSet<String> {
    let text = format!("{stats:?}");
    let fields = text.trim_start_matches("Stats { ").trim_end_matches(" }").split(", ");
    fields
        .filter_map(|field| field.split_once(": "))
        .filter(|(_, value)| is_one(value.parse().unwrap()))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn a_call() -> World {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    let leg = world.media.leg_of("alice");
    world.media.tell(world.now(), MediaEvent::Connected(leg));
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=1");
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    world
}

fn keys_for_a_telephone_without_events() -> World {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::OldPhone);
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=1");
    world.run(secs(1));
    world.phone(bob).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=2");
    world.run(secs(1));
    (0..33).for_each(|_| world.key_found("bob", '3', 100));
    world.run(secs(1));
    world
}

fn reliable_provisional_responses() -> World {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.reliability = Some(Name::Require);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).manners.rings = false;
    world.phone(bob).manners.on_foreign_prack = 200;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).ring_reliably(183, true);
    world.run(ms(100));
    let early = world.phone(alice).responses("INVITE").pop().unwrap().clone();
    let rseq = String::from_utf8_lossy(early.header(Name::RSeq).unwrap()).into_owned();
    let number = early.cseq().unwrap().number;
    let phone = world.phone(alice);
    let offer = phone.client.offer(&phone.says.clone());
    let prack = phone.in_dialog(Method::Prack).header(Name::Rack, format!("{rseq} {number} INVITE"));
    phone.send(prack.body(b"application/sdp", offer.as_bytes()).finish());
    // Rings once more, and nobody acknowledges that.
    world.phone(bob).ring();
    let invite = world.phone(bob).requests("INVITE").pop().unwrap().clone();
    for rseq in ["1", "1", "3", "x"] {
        let reply = Builder::reply(&invite, 180).to_tag(b"behind").header(Name::Require, "100rel");
        world.send_past(bob, &reply.header(Name::RSeq, rseq).finish());
        world.run(ms(10));
    }
    world.phone(alice).prack("1 2 INVITE");
    world.run(secs(33));
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).manners.on_foreign_prack = 481;
    let invite = world.phone(bob).requests("INVITE").pop().unwrap().clone();
    let reply = Builder::reply(&invite, 180).to_tag(b"behind").header(Name::Require, "100rel");
    world.send_past(bob, &reply.header(Name::RSeq, "1").finish());
    world.settle();
    world
}

fn bad_messages() -> World {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let head = "Via: SIP/2.0/UDP x;branch=z9hG4bK77\nFrom: <sip:a@x>;tag=1\nTo: <sip:x>\nCall-ID: 1\n";
    world.send_raw(alice, &format!("OPTIONS sip:x SIP/2.0\n{head}CSeq: 1 OPTIONS\nContent-Length: 9\n\n"));
    world.send_raw(alice, "hello\n\n");
    world.send_raw(alice, &format!("OPTIONS sip:x SIP/2.0\n{head}CSeq: 1 INVITE\n\n"));
    world.send_raw(alice, &format!("SIP/2.0 200 OK\n{head}CSeq: 1\n\n"));
    world.send_raw(alice, &format!("SIP/2.0 200 OK\n{head}CSeq: 1 OPTIONS\n\n"));
    world.run(ms(100));
    let nowhere = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "224.0.0.1:5060".parse().unwrap());
    let now = world.now();
    world.exchange.handle_message(now, nowhere, Bytes::from_static(b"x"));
    world
}

fn a_flood() -> World {
    let mut world = World::new(1);
    let stranger = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "203.0.113.5:5060".parse().unwrap());
    let now = world.now();
    while world.exchange.standing(now, stranger) != Standing::OverBudget {}
    world
}

fn a_nat() -> World {
    let mut world = World::new(1);
    let bob = world.baresip("bob");
    world.phone(bob).send_register("<sip:bob@10.0.0.7>;expires=3600");
    world.run(secs(30));
    world.phone(bob).manners.is_deaf = true;
    world.run(secs(60));
    world.phone(bob).manners.is_deaf = false;
    world.run(secs(60));
    world
}

fn no_calls() -> World {
    let mut world = World::with(1, |settings| settings.limits.proxied_per_user = 1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.baresip(name));
    world.register_all();
    world.phone(bob).manners.on_info = None;
    for header in [Name::Subject, Name::ProxyRequire, Name::Subject] {
        let request = world.phone(alice).request_outside(Method::Info, "bob").header(header, "x").finish();
        world.phone(alice).send(request);
        world.run(secs(1));
    }
    world.settle();
    world
}

fn a_scanner() -> World {
    let mut world = World::new(1);
    let mallory = world.baresip("mallory");
    world.phone(mallory).password = "guess".to_owned();
    for _ in 0..22 {
        world.phone(mallory).register();
        world.run(secs(1));
    }
    world
}

fn odd_requests() -> World {
    let mut world = World::with(1, |settings| settings.domains = vec!["example.org".to_owned()]);
    let (alice, _bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.store.add("carol");
    for callee in ["nobody", "carol"] {
        world.phone(alice).dial(callee);
        world.run(secs(1));
    }
    let outside = world.phone(alice).invite_request("bob").finish();
    for (method, uri) in
        [("BYE", "sip:x"), ("DANCE", "sip:x"), ("OPTIONS", "sip:example.com"), ("OPTIONS", "soap:x")]
    {
        let method = Method::parse(method.as_bytes()).unwrap();
        let via = world.phone(alice).new_via();
        let request = Builder::request(method.clone(), uri.as_bytes())
            .header(Name::Via, via)
            .copy(&outside, Name::From)
            .copy(&outside, Name::To)
            .copy(&outside, Name::CallId)
            .header(Name::CSeq, format!("1 {method}"))
            .finish();
        world.phone(alice).send(request);
    }
    world.phone(alice).dial_with("bob", |invite| invite.header(Name::Require, "precondition"));
    world.run(secs(1));
    world.phone(alice).dial_with_body("bob", "text/plain", "hello");
    world.run(secs(1));
    world.phone(alice).send_register("*");
    world.run(secs(1));
    world.store.broken = true;
    world.phone(alice).register();
    world.run(secs(1));
    world.phone(alice).user = "bob".to_owned();
    let register = world.phone(alice).register_request("<sip:x@198.51.100.10>").finish();
    world.phone(alice).user = "alice".to_owned();
    world.phone(alice).send(register);
    world.run(secs(1));
    let now = world.now();
    world.exchange.handle_answer(now, AskId(u64::MAX), Answer::Persisted(true));
    world
}

fn overload() -> World {
    let mut world = World::with(1, |settings| settings.limits.questions = 0);
    let alice = world.baresip("alice");
    world.phone(alice).register();
    world.run(secs(1));
    world
}

fn a_merged_request() -> World {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let mut copy = world.phone(alice).call.as_ref().unwrap().invite.clone();
    let via = world.phone(alice).new_via();
    let mut edit = copy.edit();
    edit.replace(Name::Via, via.as_bytes());
    copy = edit.finish();
    world.send_past(alice, &copy);
    world.run(secs(1));
    world
}

fn odd_requests_in_a_dialog() -> World {
    let (mut world, alice, _bob) = World::talking(Client::Baresip, Client::Baresip);
    let first = world.phone(alice).in_dialog(Method::Options).finish();
    let second = world.phone(alice).in_dialog(Method::Options).finish();
    for message in [second, first] {
        world.phone(alice).send(message);
        world.run(ms(100));
    }
    world.reconnect_from(alice, "198.51.100.77:40000".parse().unwrap());
    world.phone(alice).hang_up();
    world.settle();
    world
}

fn lost_ones() -> World {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let carol = world.baresip("carol");
    world.phone(carol).manners.acknowledges = false;
    world.phone(carol).dial("echo");
    world.phone(bob).manners.is_deaf = true;
    world.phone(alice).dial("bob");
    world.settle();
    world.phone(bob).manners.is_deaf = false;
    world.phone(alice).dial("bob");
    world.run(secs(1));
    world.disconnect(alice);
    world.settle();
    world
}

fn media() -> World {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    let leg = world.media.leg_of("alice");
    world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::NoMedia));
    world.settle();
    let now = world.now();
    world.exchange.handle_media(now, MediaEvent::Gone(LegKey(1 << 20), Gone::NoMedia));
    world.media.is_dead = true;
    world.phone(alice).dial("bob");
    world.settle();
    world
}

fn odd_answers() -> World {
    const G729: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nc=IN IP4 198.51.100.11\r\nt=0 0\r\nm=audio 9000 RTP/AVP 18\r\n";
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).respond_with_body(183, G729);
    world.run(ms(100));
    world.phone(bob).answer_with_body("application/sdp", G729);
    world.settle();
    // A 200 whose Contact is no address.
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let invite = world.phone(bob).call.take().unwrap().invite;
    let reply = Builder::reply(&invite, 200).to_tag(b"x").header(Name::Contact, "*").finish();
    world.send_past(bob, &reply);
    world.run(secs(60));
    // Two 200s with two tags.
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let invite = world.phone(bob).call.as_ref().unwrap().invite.clone();
    world.phone(bob).answer();
    world.run(ms(100));
    let contact = world.phone(bob).contact();
    let reply = Builder::reply(&invite, 200).to_tag(b"x").header(Name::Contact, contact).finish();
    world.send_past(bob, &reply);
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.run(secs(60));
    // An ACK that should have an answer and has none.
    world.phone(alice).manners.acknowledges = false;
    world.phone(alice).dial_late("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(ms(100));
    let call = world.phone(alice).call.as_ref().unwrap();
    let number = call.invite.cseq().unwrap().number;
    let ack = call.dialog.as_ref().unwrap().ack(number, b"z9hG4bKown", b"198.51.100.10").finish();
    world.send_past(alice, &ack);
    world.settle();
    world
}

fn transfers() -> World {
    let mut world = World::new(1);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.baresip(name));
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).refer("nobody");
    world.phone(alice).refer("carol");
    world.run(secs(1));
    world.phone(carol).refuse(486);
    world.run(secs(1));
    world.phone(alice).refer("carol");
    world.run(ms(25));
    // The page was reloaded: it knows of no call.
    let call = world.phone(alice).call.take();
    world.run(secs(1));
    world.phone(alice).call = call;
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(491);
    world.phone(carol).answer();
    world.run(secs(1));
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(5));
    world.phone(carol).hang_up();
    world.run(secs(1));
    // A second phone of Bob takes what rings at the first.
    let cell = world.add("bob", "cell", Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let replaces = world.phone(bob).replaces();
    world.phone(cell).dial_with("bob", |invite| invite.header(Name::Replaces, "x;to-tag=1;from-tag=2"));
    world.run(secs(1));
    world.phone(cell).dial_with("bob", |invite| invite.header(Name::Replaces, &replaces));
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    world
}

fn users_who_have_set_something() -> World {
    let to = |user: &str| Some(user.to_owned());
    let mut world = World::new(1);
    let [alice, bob, _carol] = ["alice", "bob", "carol"].map(|user| world.baresip(user));
    world.register_all();
    for code in ["*78", "*72"] {
        world.phone(bob).dial(code);
        world.settle();
    }
    for features in [
        Features { do_not_disturb: true, ..Features::default() },
        Features { waiting: Some(0), ..Features::default() },
        Features { always: to("bob"), ..Features::default() },
        Features { busy: to("carol"), ..Features::default() },
        Features::default(),
    ] {
        world.exchange.set_features("bob", features);
        world.phone(alice).dial("bob");
        world.run(ms(300));
        if world.phone(bob).is_ringing() {
            world.phone(bob).refuse(486);
            world.run(ms(300));
        }
        if world.phone(alice).call.is_some() {
            world.phone(alice).cancel();
        }
        world.settle();
    }
    for contact in ["<sip:carol@192.0.2.1>", "<tel:+1>"] {
        world.phone(alice).dial("bob");
        world.run(ms(300));
        world.phone(bob).redirect(contact);
        world.run(ms(300));
        if world.phone(alice).call.is_some() {
            world.phone(alice).cancel();
        }
        world.settle();
    }
    world
}

fn pickups() -> World {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let carol = world.add("bob", "page", Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(300));
    for code in ["*8", "*8bob"] {
        world.phone(carol).dial(code);
        world.run(ms(300));
    }
    assert!(!world.phone(bob).is_ringing());
    world.phone(alice).hang_up();
    world.settle();
    world
}

fn parking() -> World {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(bob).refer("*68");
    world.run(secs(1));
    assert!(world.phone(bob).is_idle());
    world.run(secs(181));
    world.phone(bob).refuse(486);
    world.settle();
    assert!(world.phone(alice).is_idle());
    world
}

fn two_flows() -> World {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let [first, second] = ["first", "second"].map(|label| world.add("bob", label, Client::JsSip));
    world.phone(alice).register();
    world.phone(first).register();
    world.run(secs(1));
    let contact = world.phone(second).client.registered_contact("bob", &world.phone(second).host(), 600);
    world.phone(second).send_register(&contact.replace("reg-id=1", "reg-id=2"));
    world.run(secs(1));
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.phone(second).refuse(430);
    world.run(ms(300));
    world.phone(first).refuse(486);
    world.settle();
    world
}

fn odd_offers() -> World {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).manners.timer = Some("90");
    world.connect(alice, bob);
    world.phone(alice).restart_ice();
    world.run(ms(100));
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(488);
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(alice).resume();
    world.run(ms(100));
    world.phone(bob).answer_reinvite_badly();
    world.run(ms(100));
    world.phone(alice).manners.timer = Some("30;refresher=uac");
    world.phone(alice).refresh_by_reinvite();
    world.run(ms(100));
    if world.phone(bob).ignored.is_some() {
        world.phone(bob).accept_ignored();
    }
    world.settle();
    world
}

fn events() -> World {
    let mut world = World::with(1, |settings| settings.limits.events.subscriptions_per_user = 1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(10));
    for (event, expires) in [("conference", 600), ("presence", 1), ("presence", 600), ("reg", 600)] {
        world.phone(alice).subscribe(event, "bob", expires);
        world.run(secs(1));
    }
    let document = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>";
    for (etag, document) in [(None, Some(document)), (None, None), (Some("old"), None)] {
        world.phone(bob).publish(etag, 600, document);
        world.run(secs(1));
    }
    world.phone(alice).manners.on_notify = Some(481);
    world.phone(bob).register_for(0);
    world.run(secs(10));
    world
}

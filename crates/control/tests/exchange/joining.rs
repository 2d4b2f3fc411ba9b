//! A call becomes a conference: INVITEs with Join, and REFERs to one (RFC 3911).

use ringback_control::{Bypass, Route};
use ringback_media::insert::ConferenceKey;
use ringback_sip::message::{Builder, Method, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, escaped, ms, secs};

/// Alice talks with Bob, who has a second phone; the ladder begins here.
fn two_of_bob() -> (World, [PhoneId; 3]) {
    let mut world = World::new(1);
    let phones = world.two_of_bob([Client::JsSip, Client::Baresip, Client::Baresip]);
    (world, phones)
}

/// Two of Bob, and the second has joined.
fn three() -> (World, [PhoneId; 3]) {
    let (mut world, phones) = two_of_bob();
    join(&mut world, phones[2], phones[1]);
    world.run(secs(1));
    (world, phones)
}

/// One phone joins the call of another.
fn join(world: &mut World, newcomer: PhoneId, of: PhoneId) {
    let dialog = world.phone(of).replaces();
    world.phone(newcomer).dial_with("alice", |invite| joining(invite, &dialog));
}

fn joining(invite: Builder, dialog: &str) -> Builder {
    invite.header(Name::Join, dialog).header(Name::Require, "join")
}

/// Alice talks with Bob, and with Carol, and Carol's call is the one at hand.
fn two_calls_of_alice(alice: Client) -> (World, [PhoneId; 3]) {
    let mut world = World::new(1);
    let alice = world.add("alice", "alice", alice);
    let [bob, carol] = ["bob", "carol"].map(|name| world.baresip(name));
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).swap();
    world.connect(alice, carol);
    (world, [alice, bob, carol])
}

fn ask_to_join_aside(world: &mut World, alice: PhoneId) {
    let refer_to = format!("<sip:bob@192.0.2.1?Join={}>", escaped(&world.phone(alice).replaces_of_aside()));
    world.phone(alice).refer_with(&refer_to, |refer| refer);
}

/// The conferences that the legs of a phone are in.
fn conferences(world: &World, label: &str) -> Vec<ConferenceKey> {
    let legs = world.media.legs.values().filter(|leg| leg.label == label);
    legs.filter_map(|leg| match leg.route {
        Some(Route::Conference { key, .. }) => Some(key),
        _ => None,
    })
    .collect()
}

/// Whether these are in one conference, each with one leg.
fn confer(world: &World, labels: &[&str]) -> bool {
    let keys: Vec<_> = labels.iter().map(|label| conferences(world, label)).collect();
    keys[0].len() == 1 && keys.iter().all(|key| *key == keys[0])
}

/// A call of two that a third one joined, and an INVITE that joins nothing.
pub fn a_conference_of_a_call() -> World {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(488);
    join(&mut world, cell, desk);
    world.run(secs(1));
    world.phone(cell).hang_up();
    world.run(secs(1));
    world.phone(cell).dial_with("alice", |invite| joining(invite, "abc;to-tag=1;from-tag=2"));
    world.run(secs(1));
    world
}

#[test]
fn a_third_one_joins_a_call() {
    let (mut world, [alice, desk, cell]) = three();
    assert!(confer(&world, &["alice", "desk", "cell"]), "{}", world.ladder());
    for phone in [alice, desk] {
        assert_eq!(world.phone(phone).requests("INVITE").len(), 1, "each is asked once");
    }
    let supported = world.phone(cell).last_header("INVITE", Name::Supported).unwrap();
    assert!(supported.contains("join"), "{supported}");
    // Each may leave, and the others go on.
    world.phone(alice).hang_up();
    world.run(secs(1));
    assert!(world.phone(desk).is_up() && world.phone(cell).is_up());
    assert!(confer(&world, &["desk", "cell"]));
    // Who is left alone has nobody to talk to.
    world.phone(cell).hang_up();
    world.settle();
    assert!(world.phone(desk).is_idle());
    world.assert_nothing_is_left();
    let mut records: Vec<_> = world
        .cdrs
        .iter()
        .map(|cdr| (cdr.caller.as_str(), cdr.dialled.as_str(), cdr.reason.as_str()))
        .collect();
    records.sort_unstable();
    assert_eq!(
        records,
        [
            ("alice", "bob", "became a conference"),
            ("alice", "conference", "the caller hung up"),
            ("bob", "alice", "the caller hung up"),
            ("bob", "conference", "everybody else has left"),
        ]
    );
    let stats = world.exchange.stats();
    assert_eq!((stats.calls_started, stats.calls_ended), (3, 3));
    insta::assert_snapshot!(world.story());
}

/// Who was held hears and is heard again.
#[test]
fn a_call_on_hold_is_joined() {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    world.phone(desk).hold();
    world.run(secs(1));
    join(&mut world, cell, desk);
    world.run(secs(1));
    assert!(confer(&world, &["alice", "cell"]), "{}", world.ladder());
    assert!(world.media.settings_of("alice").receives && world.media.settings_of("alice").sends);
    assert!(world.phone(alice).is_up() && world.phone(desk).is_up());
}

#[test]
fn more_join_what_has_become_a_conference() {
    let (mut world, [alice, desk, cell]) = three();
    let pad = world.add("bob", "pad", Client::JsSip);
    world.phone(pad).register();
    world.run(secs(1));
    join(&mut world, pad, desk);
    world.run(secs(1));
    assert!(confer(&world, &["alice", "desk", "cell", "pad"]), "{}", world.ladder());
    assert_eq!(world.exchange.stats().joins_completed, 1);
    for phone in [pad, desk, cell] {
        world.phone(phone).hang_up();
        world.run(ms(500));
    }
    world.settle();
    assert!(world.phone(alice).is_idle());
    world.assert_nothing_is_left();
}

#[test]
fn what_cannot_be_joined_is_refused_as_the_rfc_says() {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    let mallory = world.baresip("mallory");
    world.phone(mallory).register();
    world.run(secs(1));
    let right = world.phone(desk).replaces();
    let of_alice = world.phone(alice).replaces();
    world.phone(mallory).dial("echo");
    world.run(secs(1));
    let of_echo = world.phone(mallory).replaces();
    world.phone(mallory).swap();
    let cases = [
        (cell, "abc;to-tag=1;from-tag=2", 481),
        (cell, "abc", 400),
        (cell, of_alice.as_str(), 403),
        (mallory, right.as_str(), 403),
        (mallory, of_echo.as_str(), 488),
    ];
    for (who, dialog, status) in cases {
        world.phone(who).dial_with("alice", |invite| joining(invite, dialog));
        world.run(secs(1));
        assert_eq!(world.phone(who).last_failure(), Some(status), "{dialog}");
        assert!(world.phone(who).last_header("INVITE", Name::Warning).is_some());
    }
    world.phone(cell).dial_with("alice", |invite| joining(invite, &right).header(Name::Join, &right));
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(400));
    world
        .phone(cell)
        .dial_with("alice", |invite| joining(invite, &right).header(Name::Require, "levitation"));
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(420));
    // An offer that is no good changes nothing either.
    let dialog = right.clone();
    let invite = world.phone(cell).invite_request("alice");
    let bad = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
    let invite = joining(invite, &dialog).body(b"application/sdp", bad.as_bytes()).finish();
    world.phone(cell).place(invite);
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(488));
    // While one of the two makes an offer.
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(desk).hold();
    world.run(ms(50));
    join(&mut world, cell, desk);
    world.run(ms(200));
    assert_eq!(world.phone(cell).last_failure(), Some(491));
    assert_eq!(world.media.hears("alice"), ["desk"]);
    assert_eq!(world.exchange.stats().joins_completed, 0);
}

/// A call that rings has nothing to be heard; its dialog is no reason to wait for it.
#[test]
fn a_call_that_rings_is_not_joined() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    let other = world.add("alice", "other", Client::Baresip);
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing());
    let dialog = world.phone(alice).replaces();
    world.phone(other).dial_with("bob", |invite| joining(invite, &dialog));
    world.run(secs(1));
    assert_eq!(world.phone(other).last_failure(), Some(481));
    assert!(world.phone(bob).is_ringing());
}

/// Who does not take what is mixed leaves, and the others talk on.
#[test]
fn a_party_that_does_not_come_along() {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(488);
    join(&mut world, cell, desk);
    world.run(secs(2));
    assert!(world.phone(alice).is_idle(), "{}", world.ladder());
    assert!(confer(&world, &["desk", "cell"]));
    world.phone(desk).hang_up();
    world.settle();
    assert!(world.phone(cell).is_idle());
    world.assert_nothing_is_left();
}

/// Who joins changes its mind before anybody else is there.
#[test]
fn a_newcomer_that_leaves_at_once() {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    for phone in [alice, desk] {
        world.phone(phone).manners.on_reinvite = OnReinvite::Ignore;
    }
    join(&mut world, cell, desk);
    world.run(ms(100));
    assert!(world.phone(cell).is_up());
    world.phone(cell).hang_up();
    world.run(ms(500));
    for phone in [alice, desk] {
        world.phone(phone).accept_ignored();
    }
    world.run(secs(1));
    assert!(confer(&world, &["alice", "desk"]), "{}", world.ladder());
    world.phone(alice).hang_up();
    world.settle();
    assert!(world.phone(desk).is_idle());
    world.assert_nothing_is_left();
}

/// The media of the two goes past the exchange, until there is something to mix.
#[test]
fn a_call_past_the_exchange_is_joined() {
    let mut world = World::with(1, |settings| settings.bypass = Bypass::Local);
    let [alice, desk, cell] = world.two_of_bob([Client::Baresip; 3]);
    assert_eq!(world.exchange.stats().calls_bypassed, 1);
    join(&mut world, cell, desk);
    world.run(secs(1));
    assert!(confer(&world, &["alice", "desk", "cell"]), "{}", world.ladder());
    for phone in [alice, cell] {
        world.phone(phone).hang_up();
    }
    world.settle();
    world.assert_nothing_is_left();
}

/// A conference is added up on one media worker, whoever comes.
#[test]
fn who_joins_comes_to_the_media_worker_of_the_call() {
    let mut world = World::with(1, |settings| settings.workers = 4);
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| world.baresip(name));
    let cell = world.add("bob", "cell", Client::Baresip);
    for phone in [alice, bob, carol, dave] {
        world.phone(phone).register();
    }
    world.run(secs(1));
    world.connect(carol, dave);
    world.connect(alice, bob);
    join(&mut world, cell, bob);
    world.run(secs(1));
    assert!(confer(&world, &["alice", "bob", "cell"]), "{}", world.ladder());
    let worker = |label: &str| world.media.legs[&world.media.leg_of(label)].worker;
    assert!(worker("alice") == worker("cell") && worker("bob") == worker("cell"));
}

/// A phone without a mixer: it talks with two, and makes one conversation of the three.
#[test]
fn two_calls_of_a_phone_become_one_conversation() {
    for client in [Client::JsSip, Client::Baresip] {
        let (mut world, [alice, bob, carol]) = two_calls_of_alice(client);
        ask_to_join_aside(&mut world, alice);
        world.run(secs(2));
        assert!(confer(&world, &["alice", "bob", "carol"]), "{}", world.ladder());
        assert_eq!(world.phone(alice).told().last().unwrap(), "SIP/2.0 200 OK");
        world.phone(bob).hang_up();
        world.run(secs(1));
        assert!(confer(&world, &["alice", "carol"]));
        world.phone(carol).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        if client == Client::JsSip {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn a_refer_that_joins_nothing_leaves_the_call_as_it_was() {
    let (mut world, [_, desk, _]) = two_of_bob();
    for (dialog, status) in [("abc;to-tag=1;from-tag=2", 404), ("abc", 400)] {
        let refer_to = format!("<sip:alice@192.0.2.1?Join={}>", escaped(dialog));
        world.phone(desk).refer_with(&refer_to, |refer| refer);
        world.run(secs(1));
        assert_eq!(world.phone(desk).last_status("REFER"), Some(status), "{dialog}");
    }
    let own = world.phone(desk).replaces();
    let refer_to = format!("<sip:alice@192.0.2.1?Join={}>", escaped(&own));
    world.phone(desk).refer_with(&refer_to, |refer| refer);
    world.run(secs(1));
    assert_eq!(world.phone(desk).last_status("REFER"), Some(404), "it cannot join itself");
    assert_eq!(world.media.hears("alice"), ["desk"]);
}

/// What is passed on as it is and cannot be made here is left alone.
#[test]
fn a_call_that_cannot_be_mixed_is_not_joined() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let cell = world.add("bob", "cell", Client::Baresip);
    let carol = world.baresip("carol");
    world.register_all();
    let only = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n";
    world.phone(alice).dial_with_body("bob", "application/sdp", only);
    world.run(ms(100));
    world.phone(desk).answer_with_body("application/sdp", only);
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["desk"]);
    join(&mut world, cell, desk);
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(488));
    // Nor is anybody brought into another call out of it.
    world.phone(desk).swap();
    world.phone(carol).dial("bob");
    world.run(ms(100));
    world.phone(desk).answer();
    world.run(secs(1));
    let of_carol = world.phone(desk).replaces();
    world.phone(desk).swap();
    let refer_to = format!("<sip:alice@192.0.2.1?Join={}>", escaped(&of_carol));
    world.phone(desk).refer_with(&refer_to, |refer| refer);
    world.run(secs(1));
    assert_eq!(world.phone(desk).last_status("REFER"), Some(488), "{}", world.ladder());
    assert_eq!(world.media.hears("alice"), ["desk"]);
    assert_eq!(world.exchange.stats().joins_completed, 0);
}

/// Between the answer to who joins and those of the two, each of them is talked to by the exchange alone.
#[test]
fn the_two_are_served_while_they_are_asked() {
    for (asks, other) in [(0, 1), (1, 0)] {
        let (mut world, phones) = two_of_bob();
        let (who, cell) = (phones[asks], phones[2]);
        for phone in [who, phones[other]] {
            world.phone(phone).manners.on_reinvite = OnReinvite::Ignore;
        }
        join(&mut world, cell, phones[1]);
        world.run(ms(100));
        world.phone(who).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\n");
        world.run(ms(100));
        assert_eq!(world.phone(who).last_status("INFO"), Some(200));
        // Its own offer meets ours, and is made again.
        world.phone(who).refuse_ignored(491, |reply| reply);
        world.phone(who).manners.on_reinvite = OnReinvite::Accept;
        world.phone(who).hold();
        world.run(ms(500));
        assert_eq!(world.phone(who).last_status("INVITE"), Some(200), "{}", world.ladder());
        world.phone(phones[other]).accept_ignored();
        world.run(secs(6));
        assert!(confer(&world, &["alice", "desk", "cell"]), "{}", world.ladder());
        world.phone(cell).hang_up();
        world.run(secs(1));
        world.phone(who).hang_up();
        world.settle();
        assert!(phones.iter().all(|phone| world.phone(*phone).is_idle()), "{}", world.ladder());
        world.assert_nothing_is_left();
    }
}

/// Who asks hangs up both its calls before the other two have come together: nobody is left in silence.
#[test]
fn who_asks_and_leaves_at_once_leaves_nobody_alone() {
    let (mut world, [alice, bob, carol]) = two_calls_of_alice(Client::Baresip);
    world.phone(carol).manners.on_reinvite = OnReinvite::Ignore;
    ask_to_join_aside(&mut world, alice);
    world.run(ms(200));
    assert_eq!(world.phone(alice).last_status("REFER"), Some(202));
    world.phone(alice).hang_up();
    world.phone(alice).swap();
    world.phone(alice).hang_up();
    world.run(secs(1));
    world.phone(carol).accept_ignored();
    world.settle();
    for phone in [alice, bob, carol] {
        assert!(world.phone(phone).is_idle(), "{}", world.ladder());
    }
    world.assert_nothing_is_left();
}

/// A party of another call is handed on into the conversation of three.
#[test]
fn an_attended_transfer_into_a_conference_without_a_name() {
    let (mut world, [alice, desk, cell]) = three();
    let dave = world.baresip("dave");
    world.phone(dave).register();
    world.run(secs(1));
    world.phone(desk).swap();
    world.connect(dave, desk);
    world.phone(desk).refer_to_aside();
    world.run(secs(1));
    assert_eq!(world.phone(desk).told().last().unwrap(), "SIP/2.0 200 OK", "{}", world.ladder());
    assert!(confer(&world, &["alice", "cell", "dave"]), "{}", world.ladder());
    for phone in [alice, cell, dave] {
        world.phone(phone).hang_up();
        world.run(secs(1));
    }
    world.settle();
    assert!(world.phone(desk).is_idle() && world.phone(desk).aside.is_empty());
    world.assert_nothing_is_left();
}

#[test]
fn a_call_is_not_joined_beyond_the_calls_that_may_be() {
    for (limit, status) in [(2, Some(503)), (3, None)] {
        let mut world = World::with(1, |settings| settings.limits.calls = limit);
        let [_, desk, cell] = world.two_of_bob([Client::Baresip; 3]);
        join(&mut world, cell, desk);
        world.run(secs(1));
        assert_eq!(world.phone(cell).last_failure(), status);
        assert_eq!(confer(&world, &["alice", "desk", "cell"]), status.is_none());
    }
}

/// What was asked of a leg before the call was parted is answered in the call that the leg is in then.
#[test]
fn a_party_that_knows_the_call_no_more_leaves_it() {
    let (mut world, [alice, desk, cell]) = two_of_bob();
    world.phone(alice).manners.on_info = Some(481);
    join(&mut world, cell, desk);
    world.run(ms(15));
    world.phone(desk).send_in_dialog(Method::Info, "application/x-question", "?");
    world.run(secs(2));
    assert_eq!(world.phone(desk).last_status("INFO"), Some(481));
    assert!(conferences(&world, "alice").is_empty(), "{}", world.ladder());
    assert!(confer(&world, &["desk", "cell"]));
}

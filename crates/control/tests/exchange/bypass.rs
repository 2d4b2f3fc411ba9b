//! Calls whose media goes past the exchange, and what brings it back.

use std::net::SocketAddr;

use ringback_control::{Bypass, Features};
use ringback_media::sdp::Description;
use ringback_sip::message::{Method, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// Alice, Bob and Carol have plain telephones; what else is signed in is added by the test.
fn world_of(phones: &[(&str, &str, Client)]) -> (World, Vec<PhoneId>) {
    let mut world = World::with(1, |settings| settings.bypass = Bypass::Local);
    let ids = phones.iter().map(|(user, label, client)| world.add(user, label, *client)).collect();
    world.register_all();
    (world, ids)
}

const PLAIN: Client = Client::Baresip;
const PAGE: Client = Client::JsSip;

fn pair() -> (World, PhoneId, PhoneId) {
    let (world, ids) = world_of(&[("alice", "alice", PLAIN), ("bob", "bob", PLAIN)]);
    (world, ids[0], ids[1])
}

fn three(carol: Client) -> (World, [PhoneId; 3]) {
    let (mut world, ids) =
        world_of(&[("alice", "alice", PLAIN), ("bob", "bob", PLAIN), ("carol", "carol", carol)]);
    for user in ["bob", "carol"] {
        let group = Some("sales".to_owned());
        world.exchange.set_features(user, Features { group, ..Features::default() });
    }
    (world, [ids[0], ids[1], ids[2]])
}

/// Where a phone was told last to send its media: the label of a phone, or `us`.
fn aim(world: &mut World, id: PhoneId, others: &[PhoneId]) -> String {
    let last =
        world.phone(id).heard.iter().rev().find(|message| {
            message.header(Name::ContentType).is_some_and(|value| value == b"application/sdp")
        });
    let description = Description::parse(last.expect("a session description").body()).unwrap();
    let section = &description.sections[0];
    let address = section.connection.as_ref().and_then(|host| host.address()).unwrap();
    let told = SocketAddr::new(address, section.port);
    for other in others {
        let phone = world.phone(*other);
        if told == SocketAddr::new(phone.flow.local().ip(), 19834) {
            return phone.label.clone();
        }
    }
    if address.to_string() == "192.0.2.1" { "us".to_owned() } else { told.to_string() }
}

fn assert_past_us(world: &mut World, a: PhoneId, b: PhoneId) {
    let ids = [a, b];
    let [label_a, label_b] = ids.map(|id| world.phone(id).label.clone());
    assert_eq!(aim(world, a, &ids), label_b, "{}", world.ladder());
    assert_eq!(aim(world, b, &ids), label_a, "{}", world.ladder());
    assert!(world.media.legs.is_empty(), "no worker knows of them\n{}", world.ladder());
}

fn assert_by_us(world: &mut World, a: PhoneId, b: PhoneId) {
    let ids = [a, b];
    let [label_a, label_b] = ids.map(|id| world.phone(id).label.clone());
    let both = [(a, &label_a, &label_b), (b, &label_b, &label_a)];
    for (id, label, other) in both {
        if world.phone(id).client == PLAIN {
            assert_eq!(aim(world, id, &ids), "us", "{label}\n{}", world.ladder());
        }
        assert_eq!(world.media.hears(label), [other.as_str()], "{label}\n{}", world.ladder());
        let settings = world.media.settings_of(label);
        assert!(settings.sends && settings.receives, "{label}\n{}", world.ladder());
    }
}

fn connect(world: &mut World, caller: PhoneId, callee: PhoneId) {
    let user = world.phone(callee).user.clone();
    world.phone(caller).dial(&user);
    world.run(ms(100));
    world.phone(callee).answer();
    world.run(ms(100));
    assert!(world.phone(caller).is_up() && world.phone(callee).is_up(), "{}", world.ladder());
}

fn finish(world: &mut World, who: PhoneId) {
    world.phone(who).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn two_telephones_hear_each_other_past_us() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    assert_past_us(&mut world, alice, bob);
    world.run(secs(5));
    finish(&mut world, alice);
    assert!(world.media.workers.is_empty(), "no worker was asked for anything");
    let stats = world.exchange.stats();
    assert_eq!((stats.calls_bypassed, stats.legs_brought_back), (1, 0));
    insta::assert_snapshot!(world.story());
}

#[test]
fn by_default_and_with_a_browser_media_comes_by_us() {
    let (mut world, alice, bob) = World::pair(PLAIN, PLAIN);
    connect(&mut world, alice, bob);
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, bob);

    for clients in [[PAGE, PLAIN], [PLAIN, PAGE]] {
        let (mut world, ids) = world_of(&[("alice", "alice", clients[0]), ("bob", "bob", clients[1])]);
        connect(&mut world, ids[0], ids[1]);
        assert_by_us(&mut world, ids[0], ids[1]);
        finish(&mut world, ids[0]);
        assert!(!world.cdrs[0].is_bypassed);
    }
}

#[test]
fn either_holds_and_resumes_past_us() {
    for holds in [0, 1] {
        let (mut world, alice, bob) = pair();
        connect(&mut world, alice, bob);
        let ids = [alice, bob];
        let (holder, held) = (ids[holds], ids[1 - holds]);
        for (direction, theirs) in [("sendonly", "a=sendonly"), ("sendrecv", "a=sendrecv")] {
            world.phone(holder).reinvite(direction);
            world.run(secs(1));
            let requests = world.phone(held).requests("INVITE").last().unwrap().body().to_vec();
            assert!(String::from_utf8(requests).unwrap().contains(theirs), "{}", world.ladder());
            assert_past_us(&mut world, alice, bob);
        }
        assert_eq!(world.exchange.stats().legs_brought_back, 0);
        finish(&mut world, held);
        if holds == 0 {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// An old telephone holds by an address of zeros.
#[test]
fn a_hold_by_zeros_changes_no_address() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    let own = std::mem::replace(&mut world.phone(alice).says.address, "0.0.0.0".to_owned());
    world.phone(alice).reinvite("sendrecv");
    world.run(secs(1));
    let body = world.phone(bob).requests("INVITE").last().unwrap().body().to_vec();
    assert!(String::from_utf8(body).unwrap().contains("a=sendonly"), "{}", world.ladder());
    assert_eq!(aim(&mut world, bob, &[alice]), "alice");
    world.phone(alice).says.address = own;
    world.phone(alice).resume();
    world.run(secs(1));
    assert_past_us(&mut world, alice, bob);
    assert_eq!(world.exchange.stats().legs_brought_back, 0);
    finish(&mut world, bob);
}

#[test]
fn a_call_that_comes_to_nothing_leaves_nothing() {
    type Act = fn(&mut World, PhoneId, PhoneId);
    let acts: [Act; 3] = [
        |world, alice, _| world.phone(alice).cancel(),
        |world, _, bob| world.phone(bob).refuse(486),
        |world, _, _| world.run(secs(200)),
    ];
    for act in acts {
        let (mut world, alice, bob) = pair();
        world.phone(alice).dial("bob");
        world.run(ms(500));
        act(&mut world, alice, bob);
        world.settle();
        world.assert_nothing_is_left();
        assert!(world.media.workers.is_empty());
        assert!(!world.cdrs[0].is_bypassed, "nobody has spoken");
    }
}

#[test]
fn of_two_telephones_whichever_answers_is_heard_past_us() {
    for answers in [1, 2] {
        let (mut world, ids) =
            world_of(&[("alice", "alice", PLAIN), ("bob", "desk", PLAIN), ("bob", "kitchen", PLAIN)]);
        world.phone(ids[0]).dial("bob");
        world.run(ms(200));
        world.phone(ids[answers]).answer();
        world.run(secs(1));
        assert_past_us(&mut world, ids[0], ids[answers]);
        finish(&mut world, ids[0]);
    }
}

#[test]
fn a_browser_among_the_contacts_keeps_the_media_here() {
    let (mut world, ids) =
        world_of(&[("alice", "alice", PLAIN), ("bob", "desk", PLAIN), ("bob", "page", PAGE)]);
    world.phone(ids[0]).dial("bob");
    world.run(ms(200));
    assert_eq!(aim(&mut world, ids[1], &ids), "us");
    world.phone(ids[1]).answer();
    world.run(secs(1));
    assert_by_us(&mut world, ids[0], ids[1]);
    finish(&mut world, ids[0]);
    assert_eq!(world.exchange.stats().legs_brought_back, 0);
}

#[test]
fn early_media_goes_past_us_and_the_answer_says_the_same() {
    for is_reliable in [false, true] {
        let (mut world, alice, bob) = pair();
        world.phone(alice).manners.reliability = is_reliable.then_some(Name::Supported);
        world.phone(bob).manners.rings = false;
        world.phone(alice).dial("bob");
        world.run(ms(200));
        world.phone(bob).ring_with_media();
        world.run(ms(500));
        assert_past_us(&mut world, alice, bob);
        world.phone(bob).answer();
        world.run(secs(1));
        assert_past_us(&mut world, alice, bob);
        finish(&mut world, bob);
    }
}

#[test]
fn a_telephone_behind_a_nat_has_its_media_here() {
    for who in [0, 1] {
        let (mut world, alice, bob) = pair();
        world.phone([alice, bob][who]).says.address = "192.168.1.20".to_owned();
        connect(&mut world, alice, bob);
        world.run(secs(2));
        assert_by_us(&mut world, alice, bob);
        // The caller's offer tells at once; the callee's answer after the caller's address was given away.
        let again = world.phone(bob).requests("INVITE").len() - 1;
        assert_eq!((again, world.phone(alice).requests("INVITE").len()), (who, 0), "{}", world.ladder());
        finish(&mut world, alice);
        assert!(!world.cdrs[0].is_bypassed);
        if who == 1 {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn a_contact_that_is_not_where_it_is_heard_from_keeps_the_media_here() {
    let (mut world, alice, bob) = pair();
    world.phone(bob).send_register("<sip:bob@192.168.1.20:5060>;expires=600");
    world.phone(bob).send_register("<sip:bob-0x55d0c1a2@198.51.100.11:5060>;expires=0");
    world.run(secs(1));
    connect(&mut world, alice, bob);
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, alice);
    assert_eq!(world.exchange.stats().legs_brought_back, 0);
}

#[test]
fn one_that_numbers_its_codecs_otherwise_has_its_media_here() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let body = "v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nc=IN IP4 198.51.100.11\r\nt=0 0\r\n\
                m=audio 19834 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n";
    world.phone(bob).answer_with_body("application/sdp", body);
    world.run(secs(2));
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, bob);
}

#[test]
fn an_invite_without_an_offer_has_its_media_here() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial_late("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(secs(1));
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, bob);
}

#[test]
fn a_reinvite_without_an_offer_is_served_past_us() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    for direction in ["sendonly", "sendrecv"] {
        world.phone(alice).reinvite_late(direction);
        world.run(secs(1));
        assert_past_us(&mut world, alice, bob);
    }
    finish(&mut world, bob);
    assert_eq!(world.exchange.stats().legs_brought_back, 0);
}

#[test]
fn media_that_moves_to_another_host_comes_back() {
    for moves in [0, 1] {
        let (mut world, alice, bob) = pair();
        connect(&mut world, alice, bob);
        let ids = [alice, bob];
        world.phone(ids[moves]).says.address = "203.0.113.99".to_owned();
        world.phone(ids[moves]).reinvite("sendrecv");
        world.run(secs(5));
        let told: Vec<String> = world
            .phone(ids[1 - moves])
            .heard
            .iter()
            .map(|message| String::from_utf8_lossy(message.body()).into_owned())
            .collect();
        assert!(told.iter().all(|body| !body.contains("203.0.113.99")), "nobody is aimed there");
        assert_by_us(&mut world, alice, bob);
        finish(&mut world, alice);
        assert!(world.cdrs[0].is_bypassed && world.cdrs[0].legs.iter().all(|leg| leg.media.is_some()));
        if moves == 0 {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn one_that_refuses_to_be_told_is_not_left_without_audio() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    refuses_to_be_told(&mut world, alice, bob);
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.cdrs[0].reason, "the callee does not send its media where it has to go");
    assert_eq!(world.exchange.stats().readdressings_failed, 1);
}

/// Alice moves to an address that is not hers; Bob takes that, and not what follows from it.
fn refuses_to_be_told(world: &mut World, alice: PhoneId, bob: PhoneId) {
    world.phone(alice).says.address = "203.0.113.99".to_owned();
    world.phone(alice).resume();
    world.run(ms(25));
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(488);
}

/// What is counted of calls past us.
pub fn counted() -> World {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    refuses_to_be_told(&mut world, alice, bob);
    world.settle();
    world
}

#[test]
fn a_telephone_that_is_busy_with_itself_is_told_again() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    refuses_to_be_told(&mut world, alice, bob);
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(500);
    world.run(secs(3));
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(5));
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, alice);
}

/// Both offer at once, and the one of ours is made again.
#[test]
fn glare_delays_the_way_back_and_no_more() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    refuses_to_be_told(&mut world, alice, bob);
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(491);
    world.run(ms(500));
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(10));
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, alice);
}

#[test]
fn an_answer_waits_until_a_worker_has_opened_what_it_needs() {
    type Act = fn(&mut World, PhoneId, PhoneId) -> &'static str;
    let acts: [Act; 3] = [
        |world, alice, _| {
            world.phone(alice).cancel();
            "the caller hung up before the answer"
        },
        |world, _, bob| {
            world.phone(bob).hang_up();
            "the callee hung up"
        },
        |world, _, _| {
            world.run(secs(10));
            "no media worker answers"
        },
    ];
    for act in acts {
        let (mut world, alice, bob) = pair();
        world.phone(bob).says.address = "192.168.1.20".to_owned();
        world.media.slow = secs(8);
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).answer();
        world.run(ms(500));
        assert!(!world.phone(alice).is_up(), "{}", world.ladder());
        let reason = act(&mut world, alice, bob);
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs[0].reason, reason);
    }
}

#[test]
fn without_a_port_a_call_that_needs_one_is_refused() {
    let (mut world, alice, bob) = pair();
    world.phone(bob).says.address = "192.168.1.20".to_owned();
    world.media.refuses = Some("every port is taken".to_owned());
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.phone(alice).last_failure(), Some(503));
}

#[test]
fn a_call_that_is_forwarded_goes_past_us_to_a_telephone_and_comes_back_for_a_browser() {
    for (carol, is_past) in [(PLAIN, true), (PAGE, false)] {
        let (mut world, [alice, bob, carol]) = three(carol);
        let busy = Some("carol".to_owned());
        world.exchange.set_features("bob", Features { busy, ..Features::default() });
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).refuse(486);
        world.run(ms(100));
        world.phone(carol).answer();
        world.run(secs(1));
        match is_past {
            true => assert_past_us(&mut world, alice, carol),
            false => assert_by_us(&mut world, alice, carol),
        }
        assert!(world.phone(alice).requests("INVITE").is_empty(), "its answer says where");
        finish(&mut world, carol);
    }
}

#[test]
fn a_call_that_is_forwarded_to_the_echo_comes_back() {
    let (mut world, [alice, bob, _]) = three(PLAIN);
    let busy = Some("echo".to_owned());
    world.exchange.set_features("bob", Features { busy, ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).refuse(486);
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["alice"], "{}", world.ladder());
    assert_eq!(aim(&mut world, alice, &[]), "us");
    finish(&mut world, alice);
}

#[test]
fn a_transfer_to_anybody_by_either_comes_back() {
    for target in [PLAIN, PAGE] {
        for refers in [0, 1] {
            let (mut world, [alice, bob, carol]) = three(target);
            connect(&mut world, alice, bob);
            let ids = [alice, bob];
            world.phone(ids[refers]).refer("carol");
            world.run(ms(500));
            world.phone(carol).answer();
            world.run(secs(1));
            assert_eq!(world.phone(ids[refers]).told().last().unwrap(), "SIP/2.0 200 OK");
            assert_by_us(&mut world, ids[1 - refers], carol);
            finish(&mut world, carol);
            if (target, refers) == (PLAIN, 1) {
                insta::assert_snapshot!(world.story());
            }
        }
    }
}

#[test]
fn a_transfer_that_fails_leaves_both_with_audio() {
    let (mut world, [alice, bob, carol]) = three(PLAIN);
    connect(&mut world, alice, bob);
    world.phone(bob).refer("carol");
    world.run(ms(500));
    world.phone(carol).refuse(486);
    world.run(secs(5));
    assert_past_us(&mut world, alice, bob);
    // Alice does not take the offer that tells of Carol.
    world.phone(bob).refer("carol");
    world.run(ms(500));
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(500);
    world.phone(carol).answer();
    world.run(ms(100));
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(10));
    assert_by_us(&mut world, alice, bob);
    finish(&mut world, bob);
}

#[test]
fn an_attended_transfer_of_two_calls_past_us_comes_back() {
    for target in [PLAIN, PAGE] {
        let (mut world, [alice, bob, carol]) = three(target);
        world.phone(bob).manners.has_lines = true;
        connect(&mut world, alice, bob);
        world.phone(bob).hold();
        world.run(ms(500));
        world.phone(bob).dial("carol");
        world.run(ms(100));
        world.phone(carol).answer();
        world.run(ms(500));
        world.phone(bob).swap();
        world.phone(bob).refer_to_aside();
        world.run(secs(3));
        assert_by_us(&mut world, alice, carol);
        finish(&mut world, carol);
    }
}

#[test]
fn a_pickup_of_a_call_that_rings_comes_back_before_anybody_is_told() {
    for picker in [PLAIN, PAGE] {
        for is_late in [false, true] {
            let (mut world, [alice, _, carol]) = three(picker);
            world.phone(alice).dial("bob");
            world.run(ms(200));
            match is_late {
                true => world.phone(carol).dial_late("*8bob"),
                false => world.phone(carol).dial("*8bob"),
            }
            world.run(secs(1));
            assert_by_us(&mut world, alice, carol);
            finish(&mut world, carol);
        }
    }
}

#[test]
fn who_gives_a_pickup_up_while_a_worker_is_slow_leaves_the_call_ringing() {
    for is_refused in [false, true] {
        let (mut world, [alice, bob, carol]) = three(PLAIN);
        world.phone(alice).dial("bob");
        world.run(ms(200));
        world.phone(carol).dial("*8bob");
        world.media.slow = secs(1);
        world.run(ms(1_500));
        assert!(world.phone(carol).call.is_some() && !world.phone(carol).is_up(), "{}", world.ladder());
        world.phone(carol).cancel();
        world.run(ms(100));
        if is_refused {
            world.phone(bob).refuse(486);
            world.settle();
            world.assert_nothing_is_left();
            assert_eq!(world.phone(alice).last_failure(), Some(486));
            continue;
        }
        world.run(secs(30));
        assert!(world.phone(bob).is_ringing(), "{}", world.ladder());
        world.phone(bob).answer();
        world.run(secs(5));
        assert_by_us(&mut world, alice, bob);
        finish(&mut world, bob);
    }
}

#[test]
fn a_call_is_parked_and_picked_up() {
    for picker in [PLAIN, PAGE] {
        let (mut world, [alice, bob, carol]) = three(picker);
        connect(&mut world, alice, bob);
        world.phone(bob).refer("*68");
        world.run(secs(1));
        assert_eq!(aim(&mut world, alice, &[bob]), "us", "{}", world.ladder());
        assert!(world.media.hears("alice").is_empty() && world.media.count("alice") == 1);
        world.phone(carol).dial("*8bob");
        world.run(secs(1));
        assert_by_us(&mut world, alice, carol);
        finish(&mut world, alice);
    }
}

#[test]
fn another_phone_takes_the_call_over() {
    let (mut world, ids) =
        world_of(&[("alice", "alice", PLAIN), ("bob", "desk", PLAIN), ("bob", "page", PAGE)]);
    // The page comes after the call has begun, so that this goes past us.
    world.phone(ids[2]).send_register("*;expires=0");
    let contact = world.phone(ids[2]).client.registered_contact("bob", &world.phone(ids[2]).host(), 0);
    world.phone(ids[2]).send_register(&contact);
    world.run(secs(1));
    world.phone(ids[0]).dial("bob");
    world.run(ms(100));
    world.phone(ids[1]).answer();
    world.run(ms(500));
    assert_past_us(&mut world, ids[0], ids[1]);
    let replaces = world.phone(ids[1]).replaces();
    world.phone(ids[2]).dial_with("alice", |invite| invite.header(Name::Replaces, replaces));
    world.run(secs(1));
    assert_by_us(&mut world, ids[0], ids[2]);
    finish(&mut world, ids[2]);
}

#[test]
fn a_vanished_telephone_is_missed_by_the_options_it_does_not_answer() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    world.run(secs(130));
    assert!(world.phone(bob).requests("OPTIONS").len() >= 2, "{}", world.ladder());
    assert!(world.phone(alice).is_up());
    world.phone(bob).manners.is_deaf = true;
    world.run(secs(200));
    assert!(world.phone(alice).is_idle(), "{}", world.ladder());
    assert_eq!(world.cdrs[0].reason, "the callee has gone: it no longer answers");
}

#[test]
fn a_session_timer_is_refreshed_and_judges() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).manners.timer = Some("90;refresher=uac");
    connect(&mut world, alice, bob);
    world.phone(alice).refresh_by_reinvite();
    world.run(secs(60));
    assert_past_us(&mut world, alice, bob);
    assert!(world.phone(bob).requests("INVITE").len() == 1, "a refresh is between us and its leg");
    world.run(secs(120));
    assert!(world.phone(bob).is_idle(), "{}", world.ladder());
}

#[test]
fn keys_in_info_pass_between_them() {
    let (mut world, alice, bob) = pair();
    connect(&mut world, alice, bob);
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\nDuration=100");
    world.run(secs(1));
    assert_eq!(world.phone(bob).requests("INFO").len(), 1);
    assert_past_us(&mut world, alice, bob);
    finish(&mut world, alice);
}

/// Who wants to be anonymous shows no address: a caller from the beginning, a callee when it says so.
#[test]
fn whoever_hides_is_reached_by_us() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, "id"));
    world.run(secs(1));
    world.phone(bob).answer();
    world.run(secs(2));
    assert_eq!(aim(&mut world, bob, &[alice]), "us", "a caller that hides");
    assert_eq!(aim(&mut world, alice, &[bob]), "us");

    let (mut world, alice, bob) = pair();
    world.phone(alice).dial("bob");
    world.run(secs(1));
    world.phone(bob).answer_with(|reply| reply.header(Name::Privacy, "id"));
    world.run(secs(2));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
    assert_eq!(aim(&mut world, alice, &[bob]), "us", "a callee that hides");
}

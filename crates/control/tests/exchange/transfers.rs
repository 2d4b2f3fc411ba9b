//! Transfers by REFER, blind and attended, with the habits of the clients (INTEROP rules 12 and 17).

use ringback_sansio::sim::Link;
use ringback_sip::message::{Method, Name};

use crate::kit::{Client, DELAY, OnReinvite, PhoneId, UDP, World, ms, secs};

/// Alice has called Bob, they talk, and Carol is signed in; the ladder begins here.
fn three(alice: Client, bob: Client, carol: Client) -> (World, [PhoneId; 3]) {
    three_with(1, alice, bob, carol)
}

fn three_with(seed: u8, alice: Client, bob: Client, carol: Client) -> (World, [PhoneId; 3]) {
    let mut world = World::new(seed);
    let ids = [("alice", alice), ("bob", bob), ("carol", carol)]
        .map(|(name, client)| world.add(name, name, client));
    world.register_all();
    world.connect(ids[0], ids[1]);
    (world, ids)
}

/// The same, and `who` has put that call on hold and has called Carol.
fn consulting(alice: Client, bob: Client, carol: Client, who: usize) -> (World, [PhoneId; 3]) {
    let (mut world, ids) = three(alice, bob, carol);
    world.phone(ids[who]).hold();
    world.run(secs(1));
    world.connect(ids[who], ids[2]);
    world.phone(ids[who]).swap();
    (world, ids)
}

fn finish(world: &mut World, ids: &[PhoneId], who: PhoneId) {
    world.phone(who).hang_up();
    world.settle();
    for id in ids {
        assert!(world.phone(*id).is_idle());
    }
    world.assert_nothing_is_left();
}

const ALL: [Client; 3] = [Client::JsSip, Client::SipJs, Client::Baresip];

/// JsSIP asks, waits for the NOTIFYs and is let go; whoever of the two it is, and whatever the others are.
#[test]
fn a_blind_transfer_by_either_party() {
    for referrer in [0, 1] {
        for target in ALL {
            let (mut world, ids) = three(Client::JsSip, Client::JsSip, target);
            let (from, stays) = (ids[referrer], ids[1 - referrer]);
            let stays_as = ["alice", "bob"][1 - referrer];
            world.phone(from).refer("carol");
            world.run(secs(1));
            assert_eq!(world.phone(from).last_status("REFER"), Some(202));
            assert_eq!(world.phone(from).told(), ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"]);
            assert!(world.phone(from).is_up(), "nothing changes while it rings");
            assert_eq!(world.media.hears(stays_as), [["bob", "alice"][1 - referrer]]);
            world.phone(ids[2]).answer();
            world.run(secs(1));
            assert_eq!(world.phone(from).told().last().unwrap(), "SIP/2.0 200 OK", "{}", world.ladder());
            assert!(world.phone(from).is_idle());
            assert_eq!(world.media.hears(stays_as), ["carol"]);
            assert_eq!(world.media.hears("carol"), [stays_as]);
            assert_eq!(world.media.count(["alice", "bob"][referrer]), 0);
            for label in [stays_as, "carol"] {
                let settings = world.media.settings_of(label);
                assert!(settings.sends && settings.receives, "{label}");
            }
            let invite = world.phone(ids[2]).requests("INVITE").pop().unwrap();
            let referred_by = invite.header(Name::ReferredBy).unwrap().to_vec();
            assert!(String::from_utf8_lossy(&referred_by).contains(["sip:alice@", "sip:bob@"][referrer]));
            finish(&mut world, &ids, stays);
            assert_eq!(world.exchange.stats().transfers_completed, 1);
            if (referrer, target) == (1, Client::Baresip) {
                insta::assert_snapshot!(world.story());
            }
        }
    }
}

/// SIP.js 0.7.8: BYE 30 ms after the 202, and 481 to what comes then.
#[test]
fn a_referrer_that_hangs_up_at_once() {
    for referrer in [0, 1] {
        for target in ALL {
            let (mut world, ids) = three(Client::SipJs, Client::SipJs, target);
            let (from, stays) = (ids[referrer], ids[1 - referrer]);
            let stays_as = ["alice", "bob"][1 - referrer];
            world.phone(from).refer_with("sip:carol@192.0.2.1", |refer| refer);
            assert!(world.run_until(secs(1), |world| world.phone(from).last_status("REFER") == Some(202)));
            world.run(ms(30));
            world.phone(from).hang_up();
            world.run(secs(1));
            assert_eq!(world.phone(from).last_status("BYE"), Some(200));
            assert!(world.phone(stays).is_up() && world.phone(ids[2]).is_ringing());
            world.phone(ids[2]).answer();
            world.run(secs(1));
            assert_eq!(world.media.hears(stays_as), ["carol"], "{}", world.ladder());
            finish(&mut world, &ids, ids[2]);
            if (referrer, target) == (0, Client::JsSip) {
                insta::assert_snapshot!(world.story());
            }
        }
    }
}

/// Browser-Phone: re-INVITE (hold), REFER and BYE overlap.
#[test]
fn hold_refer_and_bye_overlap() {
    for referrer in [0, 1] {
        for gap in [0, 5, 15, 25, 50] {
            let (mut world, ids) = three(Client::SipJs, Client::SipJs, Client::Baresip);
            let (from, stays) = (ids[referrer], ids[1 - referrer]);
            let stays_as = ["alice", "bob"][1 - referrer];
            world.phone(from).hold();
            world.run(ms(gap));
            world.phone(from).refer_with("sip:carol@192.0.2.1", |refer| refer);
            world.run(ms(gap));
            world.phone(from).hang_up();
            world.run(secs(1));
            assert!(
                world.phone(stays).is_up() && world.phone(ids[2]).is_ringing(),
                "{gap}: {}",
                world.ladder()
            );
            world.phone(ids[2]).answer();
            world.run(secs(1));
            assert_eq!(world.media.hears(stays_as), ["carol"], "{gap}: {}", world.ladder());
            let settings = world.media.settings_of(stays_as);
            assert!(settings.sends && settings.receives, "it is held no more");
            finish(&mut world, &ids, stays);
            if (referrer, gap) == (1, 5) {
                insta::assert_snapshot!(world.story());
            }
        }
    }
}

/// A transfer whose hold the other side is still looking into.
#[test]
fn the_transferee_is_slow_to_be_held() {
    let (mut world, [alice, bob, carol]) = three(Client::SipJs, Client::Baresip, Client::JsSip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(5));
    world.phone(alice).refer("carol");
    world.run(ms(100));
    world.phone(alice).hang_up();
    world.phone(carol).answer();
    world.run(secs(1));
    assert!(world.media.hears("bob").is_empty(), "Bob has not answered the first offer");
    world.phone(bob).accept_ignored();
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(1));
    assert_eq!(world.media.hears("bob"), ["carol"], "{}", world.ladder());
    finish(&mut world, &[alice, bob, carol], bob);
}

#[test]
fn a_blind_transfer_that_fails_leaves_the_call_as_it_was() {
    for (status, told) in [
        (486, "SIP/2.0 486 Busy Here"),
        (404, "SIP/2.0 404 Not Found"),
        (302, "SIP/2.0 480 Temporarily Unavailable"),
    ] {
        let (mut world, [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::Baresip);
        world.phone(bob).refer("carol");
        world.run(secs(1));
        world.phone(carol).refuse(status);
        world.run(secs(1));
        assert_eq!(world.phone(bob).told().last().unwrap(), told);
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
        assert_eq!(world.media.hears("alice"), ["bob"]);
        assert_eq!(world.media.count("carol"), 0);
        assert!(world.phone(alice).requests("INVITE").is_empty(), "Alice saw nothing of it");
        // And it can be tried again.
        world.phone(bob).refer("carol");
        world.run(secs(1));
        world.phone(carol).answer();
        world.run(secs(1));
        assert_eq!(world.media.hears("alice"), ["carol"]);
        finish(&mut world, &[alice, bob, carol], alice);
        assert_eq!(world.cdrs.len(), 3);
        if status == 486 {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// Who was transferred is told why nobody is there.
#[test]
fn a_blind_transfer_that_fails_when_the_referrer_has_gone() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::SipJs, Client::Baresip);
    world.phone(bob).refer("carol");
    world.run(ms(50));
    world.phone(bob).hang_up();
    world.run(secs(1));
    world.phone(carol).refuse(486);
    world.settle();
    let bye = world.phone(alice).requests("BYE").pop().expect("she is told");
    assert_eq!(bye.header(Name::Reason), Some(&b"SIP;cause=486;text=\"Busy Here\""[..]));
    world.assert_nothing_is_left();
    assert!(ids.iter().all(|id| world.phone(*id).is_idle()));
    assert_eq!(
        world.cdrs.iter().find(|cdr| cdr.caller == "alice" && cdr.dialled == "bob").unwrap().reason,
        "the transfer to carol failed: Busy Here"
    );
    insta::assert_snapshot!(world.story());
}

#[test]
fn nobody_answers_a_transfer() {
    let (mut world, [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::JsSip);
    world.phone(alice).refer("carol");
    world.run(secs(200));
    assert_eq!(world.phone(alice).told().last().unwrap(), "SIP/2.0 408 Request Timeout");
    assert!(world.phone(carol).is_idle());
    assert_eq!(world.media.hears("alice"), ["bob"]);
    finish(&mut world, &[alice, bob, carol], alice);
}

/// The transferee, or the target, hangs up while it is being transferred.
#[test]
fn somebody_hangs_up_in_the_middle_of_a_transfer() {
    for is_referrer_there in [true, false] {
        let (mut world, [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::Baresip);
        world.phone(bob).refer("carol");
        world.run(ms(100));
        if !is_referrer_there {
            world.phone(bob).hang_up();
            world.run(ms(100));
        }
        world.phone(alice).hang_up();
        world.settle();
        assert!(world.phone(carol).is_idle());
        if is_referrer_there {
            assert_eq!(world.phone(bob).told().last().unwrap(), "SIP/2.0 487 Request Terminated");
        }
        world.assert_nothing_is_left();
    }
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::Baresip);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(bob).refer("carol");
    world.run(ms(100));
    world.phone(carol).answer();
    world.run(ms(100));
    world.phone(carol).hang_up();
    world.run(ms(100));
    assert_eq!(world.phone(bob).told().last().unwrap(), "SIP/2.0 480 Temporarily Unavailable");
    world.phone(alice).accept_ignored();
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(5));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    assert_eq!(world.media.hears("alice"), ["bob"]);
    finish(&mut world, &ids, alice);
}

#[test]
fn an_attended_transfer_by_either_party() {
    for who in [0, 1] {
        for (referrer, other) in [
            (Client::JsSip, Client::Baresip),
            (Client::SipJs, Client::JsSip),
            (Client::Baresip, Client::SipJs),
        ] {
            let clients = if who == 0 { [referrer, other] } else { [other, referrer] };
            let (mut world, ids) = consulting(clients[0], clients[1], Client::Baresip, who);
            let (from, stays, stays_as) = (ids[who], ids[1 - who], ["alice", "bob"][1 - who]);
            world.phone(from).refer_to_aside();
            world.run(secs(1));
            assert_eq!(world.phone(from).last_status("REFER"), Some(202), "{}", world.ladder());
            assert_eq!(world.phone(from).told().last().unwrap(), "SIP/2.0 200 OK", "{}", world.ladder());
            assert!(
                world.phone(from).is_idle(),
                "the server ends both calls of the referrer\n{}",
                world.ladder()
            );
            assert_eq!(world.media.hears(stays_as), ["carol"], "{}", world.ladder());
            assert_eq!(world.media.hears("carol"), [stays_as]);
            for label in [stays_as, "carol"] {
                let settings = world.media.settings_of(label);
                assert!(settings.sends && settings.receives, "{label} is not held\n{}", world.ladder());
            }
            // The leg that has moved is still served.
            world.phone(ids[2]).hold();
            world.run(secs(1));
            assert_eq!(world.phone(ids[2]).last_status("INVITE"), Some(200));
            world.phone(ids[2]).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\n");
            world.run(secs(1));
            assert_eq!(world.phone(ids[2]).last_status("INFO"), Some(200));
            finish(&mut world, &ids, [ids[2], stays][who]);
            assert_eq!(world.cdrs.len(), 3);
            if (who, referrer) == (0, Client::JsSip) {
                insta::assert_snapshot!(world.story());
            }
        }
    }
}

/// A referrer that hangs up both calls as soon as it may, and one whose consult call it did not make.
#[test]
fn an_attended_transfer_whose_referrer_hangs_up_at_once() {
    let (mut world, ids @ [alice, _, carol]) = consulting(Client::SipJs, Client::JsSip, Client::Baresip, 0);
    world.phone(alice).refer_to_aside();
    assert!(world.run_until(secs(1), |world| world.phone(alice).last_status("REFER") == Some(202)));
    world.phone(alice).hang_up();
    world.phone(alice).swap();
    if world.phone(alice).call.is_some() {
        world.phone(alice).hang_up();
    }
    world.run(secs(2));
    assert_eq!(world.media.hears("bob"), ["carol"], "{}", world.ladder());
    finish(&mut world, &ids, carol);

    let (mut world, ids) = three(Client::Baresip, Client::JsSip, Client::SipJs);
    let [_, bob, carol] = ids;
    world.phone(bob).manners.has_lines = true;
    world.connect(carol, bob);
    assert_eq!(world.phone(bob).aside.len(), 1);
    world.phone(bob).refer_to_aside();
    world.run(secs(1));
    assert_eq!(world.media.hears("carol"), ["alice"], "{}", world.ladder());
    assert!(world.phone(bob).is_idle());
    finish(&mut world, &ids, carol);
}

/// JsSIP writes the tags of a call that came in the other way round.
#[test]
fn a_replaces_whose_tags_are_the_other_way_round() {
    let (mut world, ids @ [alice, bob, _]) = consulting(Client::JsSip, Client::JsSip, Client::JsSip, 0);
    let replaces = world.phone(alice).replaces_of_aside();
    let replaces = replaces.replace("to-tag", "x").replace("from-tag", "to-tag").replace("x=", "from-tag=");
    let refer_to = format!("sip:carol@192.0.2.1?Replaces={}", crate::kit::escaped(&replaces));
    world.phone(alice).refer_with(&refer_to, |refer| refer);
    world.run(secs(1));
    assert_eq!(world.media.hears("bob"), ["carol"], "{}", world.ladder());
    finish(&mut world, &ids, bob);
}

/// The consult call still rings: the target is called afresh, and nobody has missed a call.
#[test]
fn an_attended_transfer_before_the_target_has_answered() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::Baresip);
    world.phone(alice).dial("carol");
    world.run(secs(1));
    world.phone(alice).swap();
    world.phone(alice).refer_to_aside();
    world.run(secs(1));
    assert!(world.phone(carol).is_ringing(), "{}", world.ladder());
    world.phone(carol).answer();
    world.run(secs(1));
    assert_eq!(world.media.hears("bob"), ["carol"]);
    finish(&mut world, &ids, bob);
    insta::assert_snapshot!(world.story());
}

/// No two of a user's calls are on different workers, and where they are nothing is begun.
#[test]
fn what_cannot_be_transferred_is_refused_at_once() {
    let cases: &[(&str, u16)] = &[
        ("<sip:nobody@192.0.2.1>", 480),
        ("<sip:carol@192.0.2.1;method=BYE>", 400),
        ("<tel:+4930123>", 416),
        ("<sip:192.0.2.1>", 404),
        ("carol", 400),
        ("<sip:carol@192.0.2.1?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>", 404),
        ("<sip:carol@192.0.2.1?Replaces=abc>", 400),
    ];
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::JsSip);
    for (refer_to, status) in cases {
        world.phone(alice).refer_with(refer_to, |refer| refer);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("REFER"), Some(*status), "{refer_to}");
        assert!(world.phone(alice).last_header("REFER", Name::Warning).is_some(), "{refer_to}");
    }
    assert!(world.phone(alice).told().is_empty());
    world
        .phone(alice)
        .refer_with("<sip:carol@192.0.2.1>", |refer| refer.header(Name::ReferTo, "<sip:bob@x>"));
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("REFER"), Some(400), "two Refer-To");
    assert_eq!(
        world.exchange.stats().transfers_refused,
        cases.len() as u64,
        "the last one breaks a rule of RFC 3261"
    );
    assert!(world.phone(bob).requests("INVITE").is_empty() && world.phone(carol).heard.is_empty());
    // One at a time.
    world.phone(alice).refer("carol");
    world.run(ms(100));
    world.phone(bob).refer("carol");
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_status("REFER"), Some(491));
    world.phone(alice).hang_up();
    world.run(ms(100));
    finish(&mut world, &ids, bob);
}

/// SECURITY, toll fraud: a target is called as if the referrer had dialled it.
#[test]
fn a_transfer_counts_among_the_calls_of_the_referrer() {
    let mut world = World::with(1, |settings| settings.limits.calls_per_user = 1);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.baresip(name));
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).refer("carol");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("REFER"), Some(503), "Alice has the call that she may have");
    world.phone(bob).refer("carol");
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("REFER"), Some(202));
    world.phone(carol).answer();
    world.run(secs(1));
    // The call to Carol is Bob's.
    world.phone(bob).dial("alice");
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_failure(), Some(503));
    finish(&mut world, &[alice, bob, carol], alice);
    world.phone(bob).dial("alice");
    world.run(secs(1));
    assert!(world.phone(alice).is_ringing());
}

/// RFC 4488.
#[test]
fn a_referrer_that_does_not_want_to_be_told() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::Baresip, Client::Baresip, Client::Baresip);
    world.phone(alice).refer_with("<sip:carol@192.0.2.1>", |refer| {
        refer.header(Name::ReferSub, "false").header(Name::Require, "norefersub")
    });
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_header("REFER", Name::ReferSub).as_deref(), Some("false"));
    world.phone(carol).answer();
    world.run(secs(1));
    assert!(world.phone(alice).told().is_empty() && world.phone(alice).is_idle());
    assert_eq!(world.media.hears("bob"), ["carol"]);
    finish(&mut world, &ids, bob);
}

#[test]
fn a_refer_outside_a_call_is_refused_with_the_reason() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    let refer = world.phone(alice).invite_request("bob").finish();
    let mut edit = refer.edit();
    edit.replace(Name::CSeq, b"1 REFER");
    let text = String::from_utf8_lossy(edit.finish().bytes()).replacen("INVITE sip:", "REFER sip:", 1);
    world.send_raw(alice, &text.replace("\r\n", "\n"));
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("REFER"), Some(405));
    assert!(world.phone(alice).last_header("REFER", Name::Warning).unwrap().contains("within the call"));
    world.assert_nothing_is_left();
}

/// To the echo: who is left hears itself.
#[test]
fn a_transfer_to_a_number_of_the_exchange() {
    let (mut world, ids @ [alice, bob, _]) = three(Client::JsSip, Client::Baresip, Client::JsSip);
    world.phone(alice).hold();
    world.run(secs(1));
    world.phone(alice).refer("echo");
    world.run(secs(1));
    assert!(world.phone(alice).is_idle(), "{}", world.ladder());
    assert_eq!(world.media.hears("bob"), ["bob"]);
    assert!(world.media.settings_of("bob").sends);
    finish(&mut world, &ids, bob);
}

/// A call without an offer in its INVITE, transferred before and after its ACK.
#[test]
fn a_call_with_a_late_offer_is_transferred() {
    for is_early in [true, false] {
        for who in [0, 1] {
            let mut world = World::new(1);
            let ids @ [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.baresip(name));
            world.register_all();
            world.phone(alice).dial_late("bob");
            world.run(ms(100));
            world.phone(bob).answer();
            world.run(ms(if is_early { 11 } else { 500 }));
            world.begin();
            let who = if is_early { 1 } else { who };
            let stays = ["bob", "alice"][who];
            world.phone(ids[who]).refer("carol");
            world.run(ms(500));
            world.phone(carol).answer();
            world.run(secs(1));
            assert_eq!(world.media.hears(stays), ["carol"], "{}", world.ladder());
            finish(&mut world, &ids, carol);
        }
    }
}

/// Whom the transferee holds learns of it from the exchange.
#[test]
fn a_transferee_that_holds_goes_on_holding() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::JsSip);
    world.phone(bob).hold();
    world.run(secs(1));
    world.phone(alice).refer("carol");
    world.run(secs(1));
    world.phone(carol).answer();
    world.run(secs(1));
    let (bobs, carols) = (world.media.settings_of("bob"), world.media.settings_of("carol"));
    assert_eq!((bobs.sends, bobs.receives, carols.sends, carols.receives), (true, false, false, true));
    world.phone(bob).resume();
    world.run(secs(1));
    let (bobs, carols) = (world.media.settings_of("bob"), world.media.settings_of("carol"));
    assert_eq!((bobs.sends, bobs.receives, carols.sends, carols.receives), (true, true, true, true));
    finish(&mut world, &ids, bob);
}

/// A transferee whose connection is just gone is asked again when it is back.
#[test]
fn a_transferee_that_reconnects() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::Baresip, Client::JsSip, Client::Baresip);
    world.phone(alice).refer("carol");
    world.run(ms(500));
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(carol).answer();
    world.run(ms(100));
    world.disconnect(bob);
    world.run(secs(1));
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.reconnect(bob);
    world.phone(bob).register();
    world.run(secs(5));
    assert_eq!(world.media.hears("bob"), ["carol"], "{}", world.ladder());
    finish(&mut world, &ids, bob);
}

/// Transferred again and again, each time by the one that came last.
#[test]
fn a_call_is_handed_on_and_on() {
    let mut world = World::new(1);
    let names = ["alice", "bob", "carol", "dave", "erin"];
    let ids = names.map(|name| world.baresip(name));
    world.register_all();
    world.connect(ids[0], ids[1]);
    for next in 2..5 {
        world.phone(ids[next - 1]).refer(names[next]);
        world.run(secs(1));
        world.phone(ids[next]).answer();
        world.run(secs(1));
        assert_eq!(world.media.hears("alice"), [names[next]]);
        assert!(world.phone(ids[next - 1]).is_idle());
    }
    finish(&mut world, &ids, ids[0]);
    let spoke: Vec<_> =
        world.cdrs.iter().map(|cdr| (cdr.caller.as_str(), cdr.answered_by.as_deref().unwrap())).collect();
    assert_eq!(spoke, [("alice", "bob"), ("alice", "carol"), ("alice", "dave"), ("alice", "erin")]);
    assert!(world.cdrs.iter().all(|cdr| cdr.legs.len() == 2));
}

/// RFC 3261 §14.1: our offer to the transferee meets its own, and is made again.
#[test]
fn the_transferee_offers_at_the_same_time() {
    let (mut world, ids @ [alice, bob, carol]) = three(Client::JsSip, Client::Baresip, Client::Baresip);
    world.phone(alice).refer("carol");
    world.run(ms(500));
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(491);
    world.phone(carol).answer();
    world.run(secs(2));
    assert_eq!(world.phone(bob).requests("INVITE").len(), 1, "we called Bob: at least 2.1 s");
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(3));
    assert_eq!(world.phone(bob).requests("INVITE").len(), 2);
    assert_eq!(world.media.hears("bob"), ["carol"]);
    finish(&mut world, &ids, bob);
    insta::assert_snapshot!(world.story());
}

/// SECURITY: at 10 % loss both ways every transfer is done, and nothing is left.
#[test]
fn at_10_percent_every_transfer_is_done() {
    for seed in 0..60 {
        for is_attended in [false, true] {
            let (mut world, ids @ [alice, bob, carol]) =
                three_with(seed, Client::Baresip, Client::Baresip, Client::Baresip);
            for id in ids {
                let phone = world.phone(id).flow.local();
                world.network.set_links(phone, UDP.parse().unwrap(), Link::lossy(DELAY, 10));
            }
            if is_attended {
                world.phone(alice).hold();
                world.run(secs(4));
                world.phone(alice).dial("carol");
                world.run_until(secs(60), |world| world.phone(carol).is_ringing());
                world.phone(carol).answer();
                world.run_until(secs(60), |world| world.phone(alice).is_up());
                world.run(secs(4));
                world.phone(alice).swap();
                world.phone(alice).refer_to_aside();
            } else {
                world.phone(alice).refer("carol");
                world.run_until(secs(60), |world| world.phone(carol).is_ringing());
                world.phone(carol).answer();
            }
            let is_done = world.run_until(secs(60), |world| world.media.hears("bob") == ["carol"]);
            assert!(is_done, "seed {seed} {is_attended}\n{}", world.ladder());
            world.run_until(secs(60), |world| world.phone(alice).is_idle());
            assert!(world.phone(alice).is_idle(), "seed {seed} {is_attended}\n{}", world.ladder());
            world.run(secs(5));
            world.phone(carol).hang_up();
            world.settle();
            world.assert_nothing_is_left();
            assert_eq!(world.phone(bob).requests("BYE").len(), 1);
        }
    }
}

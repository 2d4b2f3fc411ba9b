//! Repeats over UDP, and what cannot be answered.

use std::time::Duration;

use crate::kit::{PROXY, World, about, dict, flow_of, phone, reason, text};

#[test]
fn a_ping_is_answered_as_it_was_asked() {
    let mut world = World::new();
    world.send(b"5323_1 d7:command4:pinge");
    world.send(br#"5323_2 {"command":"ping"}"#);
    assert_eq!(world.sent(), ["5323_1 d6:result4:ponge", r#"5323_2 {"result":"pong"}"#]);
}

#[test]
fn a_repeat_gets_the_same_answer_and_changes_nothing() {
    let mut world = World::new();
    let offer = about("offer", &[("from-tag", "a"), ("sdp", &phone("203.0.113.9", 4000))]);
    let datagram = ringback_control::ng::write(b"7_7", ringback_control::ng::Encoding::Bencode, &offer);
    world.send(&datagram);
    world.send(&datagram);
    let sent = world.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!((world.legs.len(), world.engine.stats().commands, world.engine.stats().repeated), (2, 1, 1));

    // The same cookie of another proxy is another request.
    let other = flow_of("192.0.2.11:41000");
    world.engine.handle_datagram(world.now, other, &datagram);
    assert_eq!(world.engine.poll_transmit().map(|reply| reply.flow), Some(other));
    assert_eq!(world.engine.stats().commands, 2);
}

#[test]
fn a_repeat_while_the_media_worker_is_slow_is_answered_once() {
    let mut world = World::new();
    world.is_prompt = false;
    let offer = about("offer", &[("from-tag", "a"), ("sdp", &phone("203.0.113.9", 4000))]);
    let datagram = ringback_control::ng::write(b"7_7", ringback_control::ng::Encoding::Bencode, &offer);
    world.send(&datagram);
    world.send(&datagram);
    assert!(world.sent().is_empty());
    world.obey();
    assert_eq!(world.sent().len(), 1);
    assert_eq!(world.engine.stats().repeated_early, 1);
}

#[test]
fn answers_are_kept_for_a_while_and_within_bounds() {
    let mut world = World::with(|settings| {
        settings.answers.count = 2;
        settings.answers.time = Duration::from_secs(10);
    });
    for cookie in ["1", "2", "3", "1"] {
        world.send(format!("{cookie} d7:command4:pinge").as_bytes());
    }
    assert_eq!((world.engine.stats().repeated, world.engine.stats().answers_pushed_out), (0, 2));
    world.send(b"1 d7:command4:pinge");
    assert_eq!(world.engine.stats().repeated, 1);
    world.pass(10);
    world.send(b"1 d7:command4:pinge");
    assert_eq!(world.engine.stats().repeated, 1);
}

#[test]
fn what_is_no_command_is_an_error_in_words() {
    let mut world = World::new();
    for (asked, expected) in [
        (dict(&[("command", "dance")]), "The command \"dance\" is not known here"),
        (dict(&[("command", "")]), "The dictionary has no command"),
        (dict(&[("command", "offer")]), "The command needs a call-id"),
        (about("offer", &[]), "The command needs a from-tag"),
        (about("offer", &[("from-tag", "a")]), "The command needs an sdp"),
        (about("answer", &[("from-tag", "a"), ("sdp", "v=0")]), "The command needs a to-tag"),
        (about("query", &[]), "Unknown call-id"),
        (dict(&[("command", "list"), ("limit", "0")]), "The value of limit is not a number above 0"),
        (about("delete", &[("delete delay", "-1")]), "The value of delete-delay is not"),
    ] {
        let answer = world.ask(&asked);
        assert!(reason(&answer).starts_with(expected), "{answer:?}");
    }
    world.send(b"8_8 d7:command");
    assert!(world.sent().pop().unwrap().starts_with("8_8 d12:error-reason"));
    assert_eq!(world.engine.stats().errors, 10);
    world.send(b"no-cookie");
    assert_eq!((world.sent().len(), world.engine.stats().no_cookie), (0, 1));
}

#[test]
fn calls_are_listed_and_counted() {
    let mut world = World::new();
    let sdp = phone("203.0.113.9", 4000);
    for call in ["one", "two", "three"] {
        world.ask(&dict(&[("command", "offer"), ("call-id", call), ("from-tag", "a"), ("sdp", &sdp)]));
    }
    let list = world.ask(&dict(&[("command", "list"), ("limit", "2")]));
    let calls: Vec<_> = list.value("calls").unwrap().texts().cloned().collect();
    assert_eq!(calls, ["one", "two"]);
    let statistics = format!("{:?}", world.ask(&dict(&[("command", "statistics")])));
    assert!(statistics.contains("b\"sessionstotal\": Number(3)"), "{statistics}");
    assert_eq!(flow_of(PROXY).remote().port(), 41000);
    assert_eq!(text(&list, "result"), "ok");
}

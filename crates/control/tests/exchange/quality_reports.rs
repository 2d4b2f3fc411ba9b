//! What phones say of how their calls sounded: by INFO within the call, by PUBLISH beside it and after it.

use ringback_control::Reported;
use ringback_sip::event::documents::vq_report::{CONTENT_TYPE, Kind, Metrics};
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

/// A report of so many packets lost in a thousand.
fn report(begin: &str, call_id: &str, loss: u16, more: &str) -> String {
    format!(
        "{begin}\r\nCallID: {call_id}\r\nLocalID: <sip:x@192.0.2.1>\r\nLocalMetrics:\r\n\
         PacketLoss: NLR={}.{} JDR=0.5\r\nDelay: RTD=80 ESD=60 IAJ=4.5\r\nQualityEst: RLQ=90 MOSLQ=4.1 MOSCQ=4.0\r\n\
         RemoteMetrics:\r\nPacketLoss: NLR=77\r\n{more}",
        loss / 10,
        loss % 10
    )
}

const SESSION: &str = "VQSessionReport: CallTerm";
const INTERVAL: &str = "VQIntervalReport";

/// What is recorded of such a report.
fn said(loss: u16) -> Metrics {
    Metrics {
        loss: Some(loss * 10),
        discarded: Some(50),
        jitter: Some(ms(4) + ms(1) / 2),
        round_trip: Some(ms(80)),
        mos_lq: Some(410),
        mos_cq: Some(400),
    }
}

/// The Call-ID of a phone's dialog, our tag in it, and its own.
fn dialog_of(world: &mut World, id: PhoneId) -> [String; 3] {
    let dialog = &world.phone(id).call.as_ref().unwrap().dialog.as_ref().unwrap().id;
    [&dialog.call_id[..], &dialog.remote_tag, &dialog.local_tag]
        .map(|part| String::from_utf8_lossy(part).into_owned())
}

/// Publishes for somebody and gives the answer.
fn publish(world: &mut World, id: PhoneId, to: &str, body: &str) -> Message {
    let request = world.phone(id).request_outside(Method::Publish, to).header(Name::Event, "vq-rtcpxr");
    let request = request.body(CONTENT_TYPE.as_bytes(), body.as_bytes()).finish();
    world.phone(id).send(request);
    world.run(ms(200));
    world.phone(id).heard.last().unwrap().clone()
}

/// What the record says that the phones of both legs have said.
fn reported(world: &World, record: usize) -> Vec<Option<(Kind, Metrics)>> {
    let legs = world.cdrs[record].legs.iter();
    legs.map(|leg| leg.reported.map(|Reported { kind, metrics }| (kind, metrics))).collect()
}

fn counts(world: &World) -> [u64; 3] {
    let stats = world.exchange.stats();
    [stats.quality_reports, stats.quality_reports_unmatched, stats.quality_reports_refused]
}

/// A report that is taken, one of no call, and one that is none.
pub fn one_of_each() -> World {
    let (mut world, _alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, bob);
    for body in [&report(SESSION, &call_id, 1, ""), &report(SESSION, "another", 1, ""), "hello"] {
        publish(&mut world, bob, "bob", body);
    }
    world
}

#[test]
fn a_page_reports_by_info_and_the_other_side_hears_nothing_of_it() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, alice);
    world.begin();
    for loss in [30, 10] {
        let body = report(INTERVAL, &call_id, loss, "");
        world.phone(alice).send_in_dialog(Method::Info, CONTENT_TYPE, &body);
        world.run(secs(20));
    }
    let body = report(SESSION, &call_id, 21, "");
    world.phone(alice).send_in_dialog(Method::Info, CONTENT_TYPE, &body);
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.phone(alice).statuses("INFO"), [200, 200, 200]);
    assert!(world.phone(bob).requests("INFO").is_empty());
    assert_eq!(reported(&world, 0), [Some((Kind::Session, said(21))), None]);
    assert_eq!(counts(&world), [3, 0, 0]);
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn the_newest_interval_counts_when_nothing_tells_of_the_whole_call() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, alice);
    for loss in [30, 10] {
        let body = report(INTERVAL, &call_id, loss, "");
        world.phone(alice).send_in_dialog(Method::Info, CONTENT_TYPE, &body);
        world.run(ms(100));
    }
    world.phone(bob).hang_up();
    world.settle();
    assert_eq!(reported(&world, 0), [Some((Kind::Interval, said(10))), None]);
}

#[test]
fn a_report_of_the_whole_call_is_not_replaced_by_one_of_a_part() {
    let (mut world, _alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, bob);
    for (begin, loss) in [(SESSION, 5), (INTERVAL, 50), (SESSION, 6), (INTERVAL, 50)] {
        publish(&mut world, bob, "bob", &report(begin, &call_id, loss, ""));
    }
    // Nor by one that has measured nothing.
    let empty = format!("{SESSION}\r\nCallID: {call_id}\r\nPacketLoss:\r\n");
    publish(&mut world, bob, "bob", &empty);
    world.phone(bob).hang_up();
    world.run(secs(1));
    assert_eq!(reported(&world, 0), [None, Some((Kind::Session, said(6)))]);
    publish(&mut world, bob, "bob", &report(INTERVAL, &call_id, 50, ""));
    publish(&mut world, bob, "bob", &empty);
    assert!(world.store.amendments.is_empty());
    publish(&mut world, bob, "bob", &report(SESSION, &call_id, 7, ""));
    assert_eq!(world.store.amendments, [(world.cdrs[0].id.clone(), 1, said(7))]);
    assert_eq!(counts(&world), [8, 0, 0]);
}

/// Each phone has its own idea of whom a report is for.
#[test]
fn a_desk_phone_publishes_in_a_call_and_is_promised_nothing() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, bob);
    for to in ["bob", "collector"] {
        let answer = publish(&mut world, bob, to, &report(SESSION, &call_id, 12, ""));
        assert_eq!(answer.status(), Some(200));
        assert_eq!(answer.header(Name::Expires), Some(&b"0"[..]));
        assert!(answer.header(Name::SipETag).is_some_and(|etag| !etag.is_empty()));
    }
    assert_eq!(world.exchange.publications(), 0);
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(reported(&world, 0), [None, Some((Kind::Session, said(12)))]);
}

#[test]
fn a_report_after_the_end_is_added_to_the_record() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    let [[alices, ..], [bobs, ..]] = [alice, bob].map(|id| dialog_of(&mut world, id));
    world.media.slow = ms(500);
    world.phone(bob).hang_up();
    // The media workers have not said yet what was carried.
    let early = report(SESSION, &bobs, 1, "");
    let request = world.phone(bob).request_outside(Method::Publish, "bob").header(Name::Event, "vq-rtcpxr");
    let request = request.body(CONTENT_TYPE.as_bytes(), early.as_bytes()).finish();
    world.phone(bob).send(request);
    world.run(secs(1));
    let id = world.cdrs[0].id.clone();
    publish(&mut world, alice, "alice", &report(SESSION, &alices, 2, ""));
    world.run(secs(28));
    publish(&mut world, bob, "bob", &report(SESSION, &bobs, 3, ""));
    assert_eq!(world.store.amendments.first(), Some(&(id.clone(), 0, said(2))));
    assert_eq!(world.store.amendments.last(), Some(&(id, 1, said(3))));
    assert_eq!(counts(&world), [3, 0, 0]);
    world.run(secs(5));
    publish(&mut world, bob, "bob", &report(SESSION, &bobs, 4, ""));
    assert_eq!(counts(&world), [3, 1, 0], "it is forgotten");
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn what_cannot_be_added_to_the_record_is_counted() {
    let (mut world, _alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    let [call_id, ..] = dialog_of(&mut world, bob);
    world.phone(bob).hang_up();
    world.run(secs(1));
    world.store.broken = true;
    let answer = publish(&mut world, bob, "bob", &report(SESSION, &call_id, 1, ""));
    assert_eq!(answer.status(), Some(200));
    assert_eq!(world.exchange.stats().persists_failed, 1);
}

#[test]
fn nobody_reports_on_the_call_of_somebody_else() {
    let mut world = World::new(1);
    let [alice, bob, carol] =
        [("alice", Client::JsSip), ("bob", Client::Baresip), ("carol", Client::Baresip)]
            .map(|(name, client)| world.add(name, name, client));
    world.register_all();
    world.connect(alice, bob);
    let [call_id, ours, theirs] = dialog_of(&mut world, bob);
    let tags = format!("DialogID: {call_id};to-tag={theirs};from-tag={ours}\r\n");
    for who in [carol, alice] {
        let name = if who == carol { "carol" } else { "alice" };
        for more in ["", &tags] {
            for to in [name, "bob"] {
                let answer = publish(&mut world, who, to, &report(SESSION, &call_id, 900, more));
                assert_eq!(answer.status(), Some(200), "{name} is told nothing of whose call it is");
            }
        }
    }
    world.phone(alice).send_in_dialog(Method::Info, CONTENT_TYPE, &report(SESSION, &call_id, 900, &tags));
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    assert_eq!(counts(&world), [0, 9, 0]);
    world.phone(alice).hang_up();
    world.run(secs(1));
    publish(&mut world, carol, "carol", &report(SESSION, &call_id, 900, ""));
    publish(&mut world, alice, "alice", &report(SESSION, &call_id, 900, &tags));
    assert_eq!(reported(&world, 0), [None, None]);
    assert!(world.store.amendments.is_empty());
    assert_eq!(counts(&world), [0, 11, 0]);
    // Whose it is may still say something.
    publish(&mut world, bob, "bob", &report(SESSION, &call_id, 5, &tags));
    assert_eq!(counts(&world), [1, 11, 0]);
}

#[test]
fn both_tags_together_have_to_be_those_of_the_dialog() {
    let (mut world, _alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let [call_id, ours, theirs] = dialog_of(&mut world, bob);
    for (tags, is_taken) in [
        (format!("to-tag={ours};from-tag={theirs}"), true),
        (format!("to-tag={theirs}; from-tag={ours}"), true),
        (format!("from-tag={theirs}"), true),
        ("to-tag=;from-tag=".to_owned(), true),
        (format!("to-tag={theirs};from-tag=another"), false),
        ("to-tag=400.1;from-tag=0.0".to_owned(), false),
    ] {
        let before = counts(&world);
        let more = format!("DialogID: {call_id};{tags}\r\n");
        publish(&mut world, bob, "bob", &report(SESSION, &call_id, 1, &more));
        let after = counts(&world);
        assert_eq!(
            [after[0] - before[0], after[1] - before[1]],
            if is_taken { [1, 0] } else { [0, 1] },
            "{tags}"
        );
    }
}

#[test]
fn what_is_no_report_is_refused_and_says_what_would_do() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let large = "x".repeat(20_000);
    for (body, status, words) in [
        ("", 400, "begins with VQSessionReport"),
        ("hello", 400, "begins with VQSessionReport"),
        ("VQSessionReport: CallTerm\r\nPacketLoss: NLR=1\r\n", 400, "needs a line CallID"),
        (&large, 413, "too large"),
    ] {
        let answer = publish(&mut world, bob, "bob", body);
        world.phone(alice).send_in_dialog(Method::Info, CONTENT_TYPE, body);
        world.run(ms(100));
        let told = world.phone(alice).last_header("INFO", Name::Warning);
        if body.is_empty() {
            assert_eq!(answer.status(), Some(415), "without a body there is no type");
            assert_eq!(answer.header(Name::Accept), Some(CONTENT_TYPE.as_bytes()));
            continue;
        }
        assert_eq!(answer.status(), Some(status), "{body}");
        let warning = String::from_utf8_lossy(answer.header(Name::Warning).unwrap()).into_owned();
        assert!(warning.contains(words), "{warning}");
        assert_eq!(world.phone(alice).last_status("INFO"), Some(status));
        assert!(told.is_some_and(|told| told.contains(words)));
    }
    assert_eq!(counts(&world)[..2], [0, 0]);
    let request = world.phone(bob).request_outside(Method::Publish, "bob").header(Name::Event, "vq-rtcpxr");
    let refresh = request.header(Name::SipIfMatch, "x").finish();
    world.phone(bob).send(refresh);
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_status("PUBLISH"), Some(412), "there is nothing to refresh");
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
}

/// Who transfers a call is recorded with the part that it has heard.
#[test]
fn the_phone_that_has_left_reports_on_what_it_has_heard() {
    let mut world = World::new(1);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.add(name, name, Client::Baresip));
    world.register_all();
    world.connect(alice, bob);
    let [[alices, ..], [bobs, ..]] = [alice, bob].map(|id| dialog_of(&mut world, id));
    publish(&mut world, alice, "alice", &report(INTERVAL, &alices, 40, ""));
    world.phone(alice).refer("carol");
    world.run(secs(1));
    world.phone(carol).answer();
    world.run(secs(5));
    assert!(world.phone(alice).is_idle());
    assert_eq!(reported(&world, 0), [Some((Kind::Interval, said(40))), None]);
    publish(&mut world, alice, "alice", &report(SESSION, &alices, 41, ""));
    assert_eq!(world.store.amendments, [(world.cdrs[0].id.clone(), 0, said(41))]);
    publish(&mut world, bob, "bob", &report(INTERVAL, &bobs, 42, ""));
    world.phone(bob).hang_up();
    world.run(secs(1));
    let last = reported(&world, 1);
    assert!(last.contains(&Some((Kind::Interval, said(42)))) && last.contains(&None), "{last:?}");
    publish(&mut world, bob, "bob", &report(SESSION, &bobs, 43, ""));
    let place = last.iter().position(Option::is_some).unwrap();
    assert_eq!(world.store.amendments[1], (world.cdrs[1].id.clone(), place, said(43)));
    world.settle();
    world.assert_nothing_is_left();
}

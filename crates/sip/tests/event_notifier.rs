//! The notifier: when a NOTIFY is due, and what ends a subscription.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::sim::Clock;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::dialog::Dialog;
use ringback_sip::event::{
    Authorization, Bounds, Expiry, NotSubscribed, Notifier, Outcome, Package, Reason, State, Subscribe,
    SubscriptionId, TooBrief,
};
use ringback_sip::message::{Builder, Method, Name};

struct World {
    notifier: Notifier<()>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let expiry = Expiry { min: 60, default: 600, max: 3600 };
        let notifier = Notifier::new(Bounds { expiry, total: 4, per_watcher: 3 });
        World { notifier, now: Clock::new().now() }
    }

    fn subscribe_as(
        &mut self,
        watcher: &str,
        resources: &[&str],
        seconds: u32,
        authorization: Authorization,
    ) -> SubscriptionId {
        let subscribe = Subscribe {
            dialog: dialog(connection(1)),
            package: Package::Presence,
            event_id: Bytes::new(),
            watcher: watcher.to_owned(),
            resources: resources.iter().map(|name| (*name).to_owned()).collect(),
            memory: (),
        };
        self.notifier.subscribe(self.now, seconds, subscribe, authorization)
    }

    fn subscribe(&mut self) -> SubscriptionId {
        let id = self.subscribe_as("alice", &["bob"], 600, Authorization::Allowed);
        assert_eq!(self.notify(), [id], "the first NOTIFY is due at once");
        self.notifier.answered(self.now, id, Outcome::Answered(200));
        id
    }

    /// Sends every NOTIFY that is due, and gives for which subscriptions.
    fn notify(&mut self) -> Vec<SubscriptionId> {
        let mut sent = Vec::new();
        while let Some(id) = self.notifier.poll_due(self.now) {
            self.notifier.sent(self.now, id);
            sent.push(id);
        }
        sent
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.notifier.handle_timeout(self.now);
    }
}

fn connection(number: u64) -> Flow {
    let tuple = FiveTuple::new(
        Transport::Wss,
        "192.0.2.1:8443".parse().unwrap(),
        format!("203.0.113.1:{}", 40_000 + number).parse().unwrap(),
    );
    Flow { tuple, connection: ConnectionId(number) }
}

fn dialog(flow: Flow) -> Dialog {
    let request = Builder::request(Method::Subscribe, b"sip:bob@192.0.2.1")
        .header(Name::From, "<sip:alice@192.0.2.1>;tag=a")
        .header(Name::To, "<sip:bob@192.0.2.1>")
        .header(Name::CallId, "1")
        .header(Name::CSeq, "1 SUBSCRIBE")
        .header(Name::Contact, "<sip:alice@x.invalid>")
        .finish();
    Dialog::uas(&request, b"b", flow).unwrap()
}

#[test]
fn news_within_the_interval_waits_and_is_told_once() {
    let mut world = World::new();
    let id = world.subscribe();
    for _ in 0..3 {
        world.notifier.touch(Package::Presence, "bob");
        assert!(world.notify().is_empty());
        world.pass(1);
    }
    world.notifier.touch(Package::Presence, "carol");
    world.notifier.touch(Package::Dialog, "bob");
    world.pass(2);
    assert_eq!(world.notify(), [id], "five seconds after the first");
    world.pass(10);
    assert!(world.notify().is_empty(), "what was told is told");
}

#[test]
fn news_waits_for_the_answer_to_the_last_notify() {
    let mut world = World::new();
    let id = world.subscribe();
    world.pass(10);
    world.notifier.touch(Package::Presence, "bob");
    assert_eq!(world.notify(), [id]);
    world.notifier.touch(Package::Presence, "bob");
    world.pass(10);
    assert!(world.notify().is_empty(), "a slow watcher is not buried");
    world.notifier.answered(world.now, id, Outcome::Answered(200));
    assert_eq!(world.notify(), [id]);
}

#[test]
fn a_refresh_is_told_at_once_whatever_else_waits() {
    let mut world = World::new();
    let id = world.subscribe();
    world.notifier.touch(Package::Presence, "bob");
    assert!(world.notify().is_empty());
    assert_eq!(world.notifier.refresh(world.now, id, Some(120)), Ok(120));
    assert!(world.notifier.get(id).unwrap().is_urgent());
    assert_eq!(world.notify(), [id]);
    assert_eq!(world.notifier.refresh(world.now, id, Some(59)), Err(TooBrief { min: 60 }));
    world.pass(119);
    assert!(world.notify().is_empty());
    world.pass(1);
    assert_eq!(world.notifier.get(id).unwrap().state(), State::Terminated(Reason::Timeout));
    assert_eq!(world.notify(), [id], "it was the refreshed time that ran out");
    assert!(world.notifier.is_empty());
    assert_eq!(world.notifier.poll_timeout(), None);
}

#[test]
fn a_watcher_that_is_to_be_decided_about_is_pending_until_it_is_refused() {
    let mut world = World::new();
    let id = world.subscribe_as("alice", &["bob"], 600, Authorization::Undecided);
    assert_eq!(world.notify(), [id]);
    assert_eq!(world.notifier.get(id).unwrap().header(world.now, 0), "pending;expires=600");
    world.pass(100);
    assert_eq!(world.notifier.get(id).unwrap().header(world.now, 0), "pending;expires=500");
    world.notifier.end(world.now, id, Reason::Rejected);
    let header = world.notifier.get(id).unwrap().header(world.now, 0);
    assert_eq!(header, "terminated;reason=rejected");
    assert_eq!(world.notify(), [id]);
    assert!(world.notifier.is_empty());
}

#[test]
fn what_the_far_end_says_of_a_notify_ends_the_subscription_or_does_not() {
    for (outcome, ends) in [
        (Outcome::Answered(200), false),
        (Outcome::Answered(202), false),
        (Outcome::Answered(401), false),
        (Outcome::Answered(404), true),
        (Outcome::Answered(480), true),
        (Outcome::Answered(481), true),
        (Outcome::Answered(489), true),
        (Outcome::Answered(491), false),
        (Outcome::Answered(500), false),
        (Outcome::Answered(503), false),
        (Outcome::Answered(603), false),
        (Outcome::TimedOut, true),
        (Outcome::FlowLost, false),
    ] {
        let mut world = World::new();
        let id = world.subscribe();
        world.pass(10);
        world.notifier.touch(Package::Presence, "bob");
        world.notify();
        assert_eq!(world.notifier.answered(world.now, id, outcome), ends, "{outcome:?}");
        assert_eq!(world.notifier.get(id).is_none(), ends, "{outcome:?}");
    }
}

#[test]
fn who_has_lost_the_connection_is_told_when_back() {
    let mut world = World::new();
    let id = world.subscribe();
    world.pass(10);
    world.notifier.flow_lost(&connection(1));
    world.notifier.touch(Package::Presence, "bob");
    world.pass(10);
    assert!(world.notify().is_empty());
    assert_eq!(world.notifier.moved(world.now, "eve", &connection(1), connection(2)), 0, "not hers");
    assert_eq!(world.notifier.moved(world.now, "alice", &connection(1), connection(2)), 1);
    assert_eq!(world.notifier.get(id).unwrap().dialog.flow, connection(2));
    assert_eq!(world.notify(), [id]);
    world.notifier.flow_lost(&connection(2));
    world.pass(600);
    assert!(world.notify().is_empty());
    assert!(world.notifier.is_empty(), "who does not come back is forgotten when the time is over");
}

#[test]
fn there_are_so_many_and_no_more() {
    let mut world = World::new();
    assert_eq!(world.notifier.admit("alice", Some(10)), Err(TooBrief { min: 60 }.into()));
    let ids: Vec<_> =
        (0..3).map(|_| world.subscribe_as("alice", &["bob"], 600, Authorization::Allowed)).collect();
    assert_eq!(world.notifier.admit("alice", None), Err(NotSubscribed::TooManyOfWatcher));
    assert_eq!(world.notifier.admit("carol", None), Ok(600));
    world.subscribe_as("carol", &["bob"], 600, Authorization::Allowed);
    assert_eq!(world.notifier.admit("dave", None), Err(NotSubscribed::TooMany));
    assert!(world.notifier.forget(ids[0]));
    assert_eq!(world.notifier.admit("alice", None), Ok(600));
}

#[test]
fn one_subscription_of_a_list_hears_of_everybody_on_it() {
    let mut world = World::new();
    let id = world.subscribe_as("alice", &["bob", "carol"], 600, Authorization::Allowed);
    world.notify();
    world.notifier.answered(world.now, id, Outcome::Answered(200));
    for name in ["bob", "carol"] {
        world.pass(10);
        assert!(world.notifier.is_watched(Package::Presence, name));
        world.notifier.touch(Package::Presence, name);
        assert_eq!(world.notify(), [id]);
        world.notifier.answered(world.now, id, Outcome::Answered(200));
    }
    world.notifier.forget(id);
    assert!(!world.notifier.is_watched(Package::Presence, "bob"));
}

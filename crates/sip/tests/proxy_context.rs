//! The branches of one request and what goes back: RFC 3261 §16.7 to §16.10, RFC 4320, RFC 5393 and RFC 5626 §5.3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::sim::Clock;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::proxy::{
    Action, BranchFailure, BranchId, Budget, Candidate, Ending, LoopDetection, Redirects, ResponseContext,
    Role, Rules, Settings, check,
};

/// A context under test: what it asks for is written down in words.
struct World {
    now: Instant,
    context: ResponseContext<&'static str>,
    copy: Message,
    branches: Vec<(BranchId, &'static str)>,
    forwarded: Vec<Message>,
}

impl World {
    fn new(method: &str, candidates: &[(&'static str, u16)]) -> Self {
        let candidates: Vec<_> = candidates.iter().map(|&(name, q)| candidate(name, q)).collect();
        World::with(method, candidates, 60, Settings::default())
    }

    fn with(
        method: &str,
        candidates: Vec<Candidate<&'static str>>,
        breadth: u32,
        settings: Settings,
    ) -> Self {
        let now = Clock::new().now();
        let text = format!(
            "{method} sip:bob@ringback SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n\
             From: <sip:alice@ringback>;tag=1\r\nTo: <sip:bob@ringback>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let request = Message::parse(Bytes::from(text)).unwrap();
        let budget = check(&request, &Rules { options: &[], loops: &LoopDetection::new(1) }).unwrap();
        let budget = Budget { breadth, ..budget };
        let mut copy = request.edit();
        copy.push_front(Name::Via, b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours");
        let context = ResponseContext::new(now, &request, &budget, candidates, settings);
        World { now, copy: copy.finish(), context, branches: Vec::new(), forwarded: Vec::new() }
    }

    /// What the context asks for, in words.
    fn drain(&mut self) -> Vec<String> {
        let actions: Vec<_> = std::iter::from_fn(|| self.context.poll_action()).collect();
        actions
            .into_iter()
            .map(|action| match action {
                Action::Start { branch, to, breadth } => {
                    self.branches.push((branch, to));
                    format!("start {to} {breadth}")
                }
                Action::Cancel(branch) => format!("cancel {}", self.name(branch)),
                Action::Redirected { contacts, .. } => {
                    let uris: Vec<_> = contacts
                        .iter()
                        .map(|(uri, q)| format!("{} {q}", std::str::from_utf8(uri).unwrap()))
                        .collect();
                    format!("redirected {}", uris.join(", "))
                }
                Action::Forward(response) => {
                    assert_eq!(
                        response.values(Name::Via).collect::<Vec<_>>(),
                        [b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa"]
                    );
                    self.forwarded.push((*response).clone());
                    format!("forward {}", response.status().unwrap())
                }
                Action::Over(Ending::Answered) => "over".into(),
                Action::Over(Ending::Silent) => "silent".into(),
            })
            .collect()
    }

    fn name(&self, branch: BranchId) -> &'static str {
        self.branches.iter().find(|(id, _)| *id == branch).unwrap().1
    }

    fn branch(&self, name: &str) -> BranchId {
        self.branches.iter().rfind(|(_, to)| *to == name).unwrap().0
    }

    fn response(&mut self, name: &str, status: u16, lines: &[(Name, &str)]) -> Vec<String> {
        let mut builder = Builder::reply(&self.copy, status).to_tag(name.as_bytes());
        for (header, value) in lines {
            builder = builder.header(*header, value);
        }
        let response = builder.finish();
        self.context.handle_response(self.now, self.branch(name), &response);
        self.drain()
    }

    fn answer(&mut self, name: &str, status: u16) -> Vec<String> {
        self.response(name, status, &[])
    }

    fn fail(&mut self, name: &str, failure: BranchFailure) -> Vec<String> {
        self.context.handle_branch_failed(self.now, self.branch(name), failure);
        self.drain()
    }

    fn cancel(&mut self) -> Vec<String> {
        self.context.handle_cancel(self.now);
        self.drain()
    }

    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now += Duration::from_secs(seconds);
        self.context.handle_timeout(self.now);
        self.drain()
    }

    fn last(&self) -> &Message {
        self.forwarded.last().unwrap()
    }
}

fn candidate(name: &'static str, q: u16) -> Candidate<&'static str> {
    Candidate::new(format!("sip:{name}@example.com"), q, name)
}

const NONE: [&str; 0] = [];

#[test]
fn groups_follow_one_another_and_a_group_rings_at_once() {
    let mut world = World::new("INVITE", &[("c", 500), ("a", 1000), ("b", 1000)]);
    assert_eq!(world.drain(), ["start a 30", "start b 30"]);
    assert_eq!(world.answer("a", 180), ["forward 180"]);
    assert_eq!(world.answer("a", 486), NONE);
    assert_eq!(world.answer("b", 480), ["start c 60"]);
    assert_eq!(world.answer("c", 404), ["forward 486", "over"]);
}

#[test]
fn the_first_success_goes_back_at_once_and_the_other_branches_are_cancelled() {
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000), ("later", 1)]);
    world.drain();
    world.answer("a", 180);
    assert_eq!(world.answer("b", 200), ["forward 200", "cancel a"]);
    assert_eq!(world.answer("a", 183), NONE, "what rings on after the answer is not heard of");
    assert_eq!(world.answer("a", 487), ["over"]);
    assert!(world.context.poll_timeout().is_none());
}

#[test]
fn a_success_that_crosses_the_cancel_goes_back_too_and_so_does_one_of_a_fork_behind() {
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000)]);
    world.drain();
    world.answer("a", 200);
    assert_eq!(world.answer("b", 200), ["forward 200", "over"]);
    assert_eq!(world.answer("a", 200), ["forward 200"], "each is a dialog of its own");
    assert_eq!(world.answer("a", 404), NONE);
    assert_eq!(world.context.dropped().late, 1);
}

#[test]
fn another_request_has_one_answer_and_is_never_cancelled() {
    let mut world = World::new("MESSAGE", &[("a", 1000), ("b", 1000)]);
    assert_eq!(world.drain(), ["start a 30", "start b 30"]);
    assert!(world.context.poll_timeout().is_none(), "timer C is an INVITE's");
    assert_eq!(world.answer("a", 100), NONE);
    assert_eq!(world.answer("a", 183), NONE, "RFC 4320 §4.1");
    assert_eq!(world.answer("a", 200), ["forward 200"]);
    assert_eq!(world.answer("b", 202), ["over"]);
    assert_eq!((world.context.dropped().provisional, world.context.dropped().late), (2, 1));
    let mut world = World::new("MESSAGE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.cancel(), NONE);
}

/// RFC 4320 §4.2: who asked has given up when we do.
#[test]
fn a_timeout_is_told_of_an_invite_only() {
    let mut world = World::new("INVITE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.fail("a", BranchFailure::Timeout), ["forward 408", "over"]);
    let mut world = World::new("MESSAGE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.fail("a", BranchFailure::Timeout), ["silent"]);
    let mut world = World::new("MESSAGE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.answer("a", 408), ["silent"]);
    let mut world = World::new("MESSAGE", &[("a", 1000), ("b", 1000)]);
    world.drain();
    world.fail("a", BranchFailure::Timeout);
    assert_eq!(world.answer("b", 404), ["forward 404", "over"]);
}

/// §16.7 step 6, pair by pair: the first of each is the better one, whichever comes first.
#[test]
fn the_best_response_goes_back() {
    for (best, other) in [
        (603, 486),
        (600, 603),
        (302, 404),
        (404, 500),
        (401, 404),
        (407, 486),
        (415, 404),
        (420, 486),
        (484, 404),
        (486, 487),
        (404, 408),
        (480, 481),
        (408, 487),
        (500, 503),
    ] {
        for order in [[best, other], [other, best]] {
            let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000)]);
            world.drain();
            world.answer("a", order[0]);
            world.answer("b", order[1]);
            assert_eq!(world.last().status(), Some(best), "{order:?}");
        }
    }
}

#[test]
fn a_503_is_not_passed_on() {
    let mut world = World::new("INVITE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.response("a", 503, &[(Name::RetryAfter, "30")]), ["forward 500", "over"]);
    assert_eq!(world.last().reason(), b"Server Internal Error (503 from the next hop)");
    assert!(!world.last().has(Name::RetryAfter) && world.last().to().unwrap().tag().is_some());
}

/// §16.7 step 7.
#[test]
fn all_challenges_go_back_in_one_response() {
    let mut world = World::new("MESSAGE", &[("a", 1000), ("b", 1000), ("c", 1000)]);
    world.drain();
    world.response("a", 407, &[(Name::ProxyAuthenticate, "Digest realm=\"a\", nonce=\"1\"")]);
    world.response("b", 404, &[(Name::WwwAuthenticate, "Digest realm=\"no challenge\", nonce=\"2\"")]);
    world.response(
        "c",
        401,
        &[
            (Name::WwwAuthenticate, "Digest realm=\"c\", nonce=\"3\""),
            (Name::WwwAuthenticate, "Digest realm=\"d\", nonce=\"4\""),
        ],
    );
    let last = world.last();
    assert_eq!(last.status(), Some(407));
    assert_eq!(last.headers(Name::ProxyAuthenticate).count(), 1);
    assert_eq!(
        last.headers(Name::WwwAuthenticate).collect::<Vec<_>>(),
        [&b"Digest realm=\"c\", nonce=\"3\""[..], b"Digest realm=\"d\", nonce=\"4\""]
    );
}

#[test]
fn a_6xx_ends_the_search_and_waits_for_the_branches() {
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000), ("later", 1)]);
    world.drain();
    assert_eq!(world.answer("a", 603), ["cancel b"]);
    assert_eq!(world.answer("b", 180), ["forward 180"]);
    assert_eq!(world.answer("b", 487), ["forward 603", "over"]);
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000)]);
    world.drain();
    world.answer("a", 603);
    assert_eq!(world.answer("b", 200), ["forward 200", "over"], "somebody has picked up all the same");
}

#[test]
fn a_cancel_reaches_every_branch_and_starts_none() {
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 1000), ("later", 1)]);
    world.drain();
    world.answer("a", 180);
    assert_eq!(world.cancel(), ["cancel a", "cancel b"]);
    assert_eq!(world.cancel(), NONE);
    assert_eq!(world.answer("b", 486), NONE);
    assert_eq!(world.answer("a", 487), ["forward 487", "over"]);
    let mut world = World::new("INVITE", &[("a", 1000)]);
    world.drain();
    world.cancel();
    assert_eq!(world.fail("a", BranchFailure::Timeout), ["forward 487", "over"], "the far end never answers");
}

/// §16.8.
#[test]
fn timer_c_ends_what_rings_for_ever() {
    let mut world = World::new("INVITE", &[("a", 1000), ("b", 500)]);
    world.drain();
    world.answer("a", 180);
    assert_eq!(world.pass(180), NONE);
    assert_eq!(world.answer("a", 180), ["forward 180"], "each provisional response starts it anew");
    assert_eq!(world.pass(180), NONE);
    assert_eq!(world.answer("a", 100), NONE, "but a 100");
    assert_eq!(world.pass(1), ["cancel a"]);
    assert_eq!(world.answer("a", 487), ["start b 60"], "the next group is tried");
    assert_eq!(world.pass(181), ["cancel b", "forward 408", "over"], "nothing was heard of it");
}

/// §16.9.
#[test]
fn a_transport_error_is_as_if_503_had_come() {
    for (role, status) in [(Role::Home, "forward 480"), (Role::Edge, "forward 500")] {
        let settings = Settings { role, ..Settings::default() };
        let mut world = World::with("MESSAGE", vec![candidate("a", 1000)], 60, settings);
        world.drain();
        assert_eq!(world.fail("a", BranchFailure::Transport), [status, "over"]);
    }
}

#[test]
fn without_a_target_the_user_is_unavailable() {
    let mut world = World::new("MESSAGE", &[]);
    assert_eq!(world.drain(), ["forward 480", "over"]);
}

/// RFC 5393 §5: never more branches at once than it says, and still every target in its turn.
#[test]
fn max_breadth_is_shared_and_what_has_no_share_waits() {
    let targets = vec![candidate("a", 1000), candidate("b", 1000), candidate("c", 1000)];
    let mut world = World::with("MESSAGE", targets.clone(), 7, Settings::default());
    assert_eq!(world.drain(), ["start a 2", "start b 2", "start c 2"]);
    let mut world = World::with("MESSAGE", targets, 2, Settings::default());
    assert_eq!(world.drain(), ["start a 1", "start b 1"]);
    assert_eq!(world.answer("b", 404), ["start c 1"]);
    world.answer("a", 404);
    assert_eq!(world.answer("c", 404), ["forward 404", "over"]);
}

/// RFC 5626 §5.3: a device gets a request once, over the first of its flows that carries it.
#[test]
fn the_next_flow_of_a_device_is_tried_when_one_has_failed() {
    let device = || Candidate::new("sip:d@example.com", 1000, "new").or("older").or("oldest");
    let mut world = World::with("MESSAGE", vec![device()], 60, Settings::default());
    assert_eq!(world.drain(), ["start new 60"]);
    assert_eq!(world.answer("new", 430), ["start older 60"]);
    assert_eq!(world.fail("older", BranchFailure::Transport), ["start oldest 60"]);
    assert_eq!(world.answer("oldest", 430), ["forward 480", "over"]);

    let mut world = World::with("INVITE", vec![device()], 60, Settings::default());
    world.drain();
    world.answer("new", 180);
    assert_eq!(world.fail("new", BranchFailure::Timeout), ["forward 408", "over"], "the device was heard of");
    let mut world = World::with("INVITE", vec![device()], 60, Settings::default());
    world.drain();
    world.cancel();
    assert_eq!(world.fail("new", BranchFailure::Transport), ["forward 487", "over"], "the caller has gone");

    let settings = Settings { role: Role::Edge, ..Settings::default() };
    let mut world = World::with("MESSAGE", vec![candidate("a", 1000)], 60, settings);
    world.drain();
    assert_eq!(world.answer("a", 430), ["forward 430", "over"], "who knows other flows is told");
}

/// §16.7 step 4.
#[test]
fn a_redirection_is_followed_as_far_as_the_caller_allows() {
    let settings = Settings { redirects: Redirects::Ask, ..Settings::default() };
    let contacts = [(Name::Contact, "<sip:x@example.com>;q=0.1, <sip:y@example.com>;q=0.2")];
    let mut world = World::with("INVITE", vec![candidate("a", 1000)], 60, settings);
    world.drain();
    assert_eq!(
        world.response("a", 302, &contacts),
        ["redirected sip:x@example.com 100, sip:y@example.com 200"]
    );
    let branch = world.branch("a");
    world.context.redirect(
        world.now,
        branch,
        [candidate("x", 100), candidate("y", 200), candidate("a", 300)],
    );
    assert_eq!(world.drain(), ["start y 60"], "by preference, and never back to where it was");
    assert_eq!(world.context.dropped().repeated, 1);
    assert_eq!(world.answer("y", 486), ["start x 60"]);
    assert_eq!(world.answer("x", 200), ["forward 200", "over"]);

    let mut world = World::with("INVITE", vec![candidate("a", 1000)], 60, settings);
    world.drain();
    world.response("a", 302, &contacts);
    let branch = world.branch("a");
    world.context.redirect(world.now, branch, []);
    assert_eq!(world.drain(), ["forward 302", "over"], "none may be followed");

    let mut world = World::with("INVITE", vec![candidate("a", 1000)], 60, settings);
    world.drain();
    world.response("a", 302, &contacts);
    assert_eq!(world.cancel(), ["forward 487", "over"]);
    let mut world = World::new("INVITE", &[("a", 1000)]);
    world.drain();
    assert_eq!(world.response("a", 302, &contacts), ["forward 302", "over"]);
}

#[test]
fn a_response_that_only_we_have_a_via_in_is_dropped() {
    let mut world = World::new("MESSAGE", &[("a", 1000)]);
    world.drain();
    let mut edit = world.copy.edit();
    edit.pop_value(Name::Via);
    let response = Builder::reply(&edit.finish(), 200).finish();
    world.context.handle_response(world.now, world.branch("a"), &response);
    assert_eq!(world.drain(), NONE);
    assert_eq!(world.context.dropped().without_via, 1);
}

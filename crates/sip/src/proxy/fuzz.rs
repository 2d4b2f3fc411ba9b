//! What holds of the proxy core whatever request and responses come; a fuzz target and a test call it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::Transport;

use super::{
    Action, BranchFailure, BranchId, Budget, Candidate, Ending, LoopDetection, Onward, OwnRoute, OwnVia,
    Redirects, ResponseContext, Role, RouteScheme, Rules, Settings, check, forward, next_hop, preprocess,
    record_routes,
};
use crate::message::{Builder, Message, Method, Name, ParseError};
use crate::uri::{Host, Uri};

/// How far the bytes came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Depth {
    pub refused: u64,
    pub forwarded: u64,
    pub provisional: u64,
    pub answered: u64,
    pub silent: u64,
    pub redirected: u64,
    pub cancelled: u64,
}

/// The first byte is the length of a script, the script tells what the branches do, the rest is the request.
pub fn proxy(bytes: &[u8], now: Instant) -> Depth {
    let mut depth = Depth::default();
    let Some((&length, rest)) = bytes.split_first() else { return depth };
    let (script, message) = rest.split_at(rest.len().min(usize::from(length)));
    let Ok(request) = Message::parse(Bytes::copy_from_slice(message)) else { return depth };
    if !request.is_request() || request.validate().is_err() {
        return depth;
    }
    let loops = LoopDetection::new(7);
    let budget = match check(&request, &Rules { options: &["path"], loops: &loops }) {
        Ok(budget) => budget,
        Err(refusal) => {
            depth.refused += 1;
            let answer = refusal.answer(&request);
            assert_eq!(answer.is_none(), *request.method_ref() == Method::Ack);
            assert!(answer.is_none_or(|answer| answer.status() == Some(refusal.status())));
            return depth;
        }
    };
    let is_ours = |uri: &Uri<'_>| uri.host == Host::Name(b"ours.example");
    let Ok(routed) = preprocess(&request, is_ours) else { return depth };
    assert!(routed.own.len() <= 3);
    if let Some(copy) = copy(&routed.request, &budget) {
        depth.forwarded += 1;
        if !matches!(request.method_ref(), Method::Ack | Method::Cancel) {
            Play::new(now, &request, &copy, &budget, script).run(script, &mut depth);
        }
    }
    depth
}

/// A copy with everything that can be added, checked line by line.
fn copy(request: &Message, budget: &Budget) -> Option<Message> {
    let own = |token, transport| OwnRoute {
        scheme: RouteScheme::Sip,
        token: Some(token),
        host: "ours.example",
        port: Some(5060),
        transport,
    };
    let record_routes = record_routes(&own("a", Transport::Udp), &own("b", Transport::Wss));
    let routes = [Bytes::from_static(b"<sip:edge.example;lr>")];
    let onward = Onward {
        request_uri: b"sip:bob@192.0.2.9",
        routes: &routes,
        record_routes: &record_routes,
        budget,
        breadth: budget.breadth,
        via: OwnVia { transport: Transport::Udp, sent_by: "ours.example", branch: b"z9hG4bKfuzz" },
        realm: Some(b"ringback"),
    };
    let copy = forward(request, &onward).ok()?;
    assert!(next_hop(&copy).is_ok_and(|uri| uri == b"sip:edge.example;lr"));
    match Message::parse(copy.bytes().clone()) {
        Ok(read) => assert_eq!(read.lines().count(), copy.lines().count()),
        Err(ParseError::TooLarge | ParseError::TooManyLines | ParseError::LineTooLong) => return None,
        Err(error) => assert_eq!(Err(error), Ok(()), "a copy of ours cannot be read"),
    }
    let touched = [
        Name::Via,
        Name::Route,
        Name::RecordRoute,
        Name::MaxForwards,
        Name::MaxBreadth,
        Name::ContentLength,
        Name::Authorization,
        Name::ProxyAuthorization,
    ];
    let rest = |message: &Message| {
        let lines = message.lines().filter(|line| !touched.contains(&line.name()));
        lines.map(|line| (line.raw_name().to_vec(), line.value().to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(rest(&copy), rest(request), "what is not edited leaves as it came");
    assert_eq!(copy.body(), request.body());
    assert_eq!(copy.values(Name::Via).count(), request.values(Name::Via).count() + 1);
    Some(copy)
}

/// A context, and what it may still do.
struct Play<'m> {
    now: Instant,
    context: ResponseContext<u8>,
    copy: &'m Message,
    breadth: u32,
    /// The branches under way, and the breadth of each.
    open: BTreeMap<BranchId, u32>,
    asked: Vec<BranchId>,
    cancelled: Vec<BranchId>,
    heard: Vec<BranchId>,
    timer_c: bool,
    finals: u32,
    successes: u32,
    over: Option<Ending>,
}

impl<'m> Play<'m> {
    fn new(now: Instant, request: &Message, copy: &'m Message, budget: &Budget, script: &[u8]) -> Self {
        let first = script.first().copied().unwrap_or_default();
        let settings = Settings {
            redirects: if first & 1 == 0 { Redirects::PassOn } else { Redirects::Ask },
            role: if first & 2 == 0 { Role::Home } else { Role::Edge },
            ..Settings::default()
        };
        let breadth = budget.breadth.min(u32::from(first >> 4) + 1);
        let budget = Budget { breadth, ..*budget };
        let candidates = (0..(first >> 2) & 3).map(|at| {
            let uri = format!("sip:{at}@example.com");
            Candidate::new(uri, u16::from(at % 2), at).or(at + 100)
        });
        let context = ResponseContext::new(now, request, &budget, candidates, settings);
        Play {
            now,
            context,
            copy,
            breadth,
            open: BTreeMap::new(),
            asked: Vec::new(),
            cancelled: Vec::new(),
            heard: Vec::new(),
            timer_c: false,
            finals: 0,
            successes: 0,
            over: None,
        }
    }

    fn run(mut self, script: &[u8], depth: &mut Depth) {
        self.drain(depth);
        for pair in script.get(1..).unwrap_or_default().chunks(2) {
            let [what, which] =
                [pair.first(), pair.last()].map(|byte| usize::from(byte.copied().unwrap_or(0)));
            self.step(what, which, depth);
            self.drain(depth);
        }
        // What is still under way ends, one after the other, whatever it starts.
        for _ in 0..500 {
            match (self.asked.pop(), self.open.keys().next().copied()) {
                (Some(branch), _) => self.context.redirect(self.now, branch, []),
                (None, Some(branch)) => self.fail(branch, BranchFailure::Timeout),
                (None, None) => break,
            }
            self.drain(depth);
        }
        assert!(self.over.is_some(), "every context ends");
        assert!(self.context.poll_timeout().is_none());
        match self.over {
            Some(Ending::Answered) => depth.answered += 1,
            _ => depth.silent += 1,
        }
    }

    fn step(&mut self, what: usize, which: usize, depth: &mut Depth) {
        let branch = self.open.keys().nth(which % self.open.len().max(1)).copied();
        match what % 8 {
            0 => {
                depth.cancelled += 1;
                self.context.handle_cancel(self.now);
            }
            1 => {
                self.now += Duration::from_secs(which as u64 * 2);
                self.context.handle_timeout(self.now);
                // Timer C ends a branch that nothing was heard of.
                self.timer_c = true;
                self.drain(depth);
                self.timer_c = false;
            }
            2 => {
                if let Some(branch) = self.asked.pop() {
                    let follow = (0..which as u8 % 4)
                        .map(|at| Candidate::new(format!("sip:r{which}{at}@example.com"), 500, at));
                    self.context.redirect(self.now, branch, follow);
                }
            }
            3 => {
                if let Some(branch) = branch {
                    let failure = [BranchFailure::Timeout, BranchFailure::Transport];
                    self.fail(branch, failure[which % 2]);
                }
            }
            _ => {
                let Some(branch) = branch else { return };
                let status = STATUSES[(what / 8 + which) % STATUSES.len()];
                let response = Builder::reply(self.copy, status)
                    .header(Name::Contact, "<sip:c@example.com>;q=0.5, <sip:d@example.com>")
                    .header(Name::WwwAuthenticate, "Digest realm=\"x\", nonce=\"y\"")
                    .finish();
                self.heard.push(branch);
                if status >= 200 {
                    self.open.remove(&branch);
                }
                self.context.handle_response(self.now, branch, &response);
            }
        }
    }

    fn fail(&mut self, branch: BranchId, failure: BranchFailure) {
        self.open.remove(&branch);
        self.context.handle_branch_failed(self.now, branch, failure);
    }

    fn drain(&mut self, depth: &mut Depth) {
        while let Some(action) = self.context.poll_action() {
            assert!(self.over.is_none() || matches!(&action, Action::Forward(_)), "nothing follows the end");
            match action {
                Action::Start { branch, breadth, .. } => {
                    assert!(self.finals == 0 && self.successes == 0, "no branch starts after the answer");
                    assert!(breadth > 0 && self.open.insert(branch, breadth).is_none());
                    assert!(self.open.values().sum::<u32>() <= self.breadth, "Max-Breadth holds");
                }
                Action::Cancel(branch) => {
                    assert_eq!(*self.copy.method_ref(), Method::Invite, "an INVITE alone is cancelled");
                    assert!(!self.cancelled.contains(&branch), "once");
                    self.cancelled.push(branch);
                    if self.timer_c && !self.heard.contains(&branch) {
                        self.open.remove(&branch);
                    }
                }
                Action::Redirected { branch, contacts } => {
                    assert_eq!(contacts.len(), 2);
                    depth.redirected += 1;
                    self.asked.push(branch);
                }
                Action::Forward(response) => self.check(&response, depth),
                Action::Over(ending) => {
                    assert_eq!(ending == Ending::Answered, self.finals + self.successes > 0);
                    self.over = Some(ending);
                }
            }
        }
    }

    fn check(&mut self, response: &Message, depth: &mut Depth) {
        let is_invite = *self.copy.method_ref() == Method::Invite;
        assert_eq!(response.values(Name::Via).count() + 1, self.copy.values(Name::Via).count());
        match response.status() {
            Some(100) | None => assert_eq!(response.status(), None, "a 100 is for one hop"),
            Some(101..=199) => {
                assert!(is_invite && self.finals == 0 && self.successes == 0);
                depth.provisional += 1;
            }
            Some(200..=299) => {
                self.successes += 1;
                assert!(self.finals == 0 && (is_invite || self.successes == 1));
            }
            Some(status) => {
                self.finals += 1;
                assert!(self.finals == 1 && self.successes == 0, "one answer");
                assert!(status != 503 && (is_invite || status != 408));
            }
        }
    }
}

const STATUSES: [u16; 16] = [100, 180, 183, 200, 202, 301, 302, 401, 404, 407, 408, 430, 486, 487, 503, 603];

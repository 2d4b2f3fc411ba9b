//! The response context ([RFC 3261 §16.7] to §16.10): the branches of one request, and what goes back.
//!
//! [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7

mod action;
mod best;
mod branch;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::admission::Budget;
use crate::message::{Builder, Message, Method, Name, reason_phrase};
use crate::uri::Uri;
pub use action::{Action, BranchFailure, Dropped, Ending, Redirects, Role, Settings};
use best::{Best, Final};
use branch::{Branch, State};
pub use branch::{BranchId, Candidate};

/// The branches of one request and the responses to them; `T` is what the caller needs to reach a target.
///
/// Drain [`poll_action`](Self::poll_action) after making it and after every call; it ends with [`Action::Over`].
#[derive(Debug)]
pub struct ResponseContext<T> {
    request: Message,
    settings: Settings,
    breadth: u32,
    /// Candidates without a branch, by preference.
    waiting: VecDeque<Candidate<T>>,
    /// The URI of every candidate there has been.
    seen: Vec<Bytes>,
    branches: Vec<Branch<T>>,
    made: u32,
    finals: Vec<Final>,
    phase: Phase,
    actions: VecDeque<Action<T>>,
    dropped: Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No final response was sent on.
    Proceeding,
    /// The caller cancelled: no new branches.
    Cancelled,
    /// A 6xx has come: no new branches.
    Declined,
    /// A final response was sent on.
    Answered,
    Over,
}

impl<T> ResponseContext<T> {
    /// A context for a request with its target set; starts the first group.
    pub fn new(
        now: Instant,
        request: &Message,
        budget: &Budget,
        candidates: impl IntoIterator<Item = Candidate<T>>,
        settings: Settings,
    ) -> Self {
        let mut context = ResponseContext {
            request: request.clone(),
            settings,
            breadth: budget.breadth,
            waiting: VecDeque::new(),
            seen: Vec::new(),
            branches: Vec::new(),
            made: 0,
            finals: Vec::new(),
            phase: Phase::Proceeding,
            actions: VecDeque::new(),
            dropped: Dropped::default(),
        };
        context.add(candidates);
        context.go_on(now);
        context
    }

    /// The request.
    pub fn request(&self) -> &Message {
        &self.request
    }

    /// What was passed over so far.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// A response came for the branch (§16.7).
    pub fn handle_response(&mut self, now: Instant, id: BranchId, response: &Message) {
        let status = response.status().unwrap_or_default();
        if response.values(Name::Via).nth(1).is_none() {
            self.dropped.without_via += 1;
            return;
        }
        let Some(at) = self.branches.iter().position(|branch| branch.id == id) else {
            // Another 2xx to an INVITE is another dialog and always goes back (§16.7 step 5).
            if self.is_invite() && (200..300).contains(&status) && id.0 < self.made {
                self.forward(response);
            } else {
                self.dropped.late += 1;
            }
            return;
        };
        match status {
            100..=199 => self.handle_provisional(now, at, status, response),
            200..=299 => self.handle_success(now, at, response),
            _ => self.handle_failure(now, at, status, response),
        }
    }

    /// The branch ended without a final response (§16.9).
    pub fn handle_branch_failed(&mut self, now: Instant, id: BranchId, failure: BranchFailure) {
        let Some(at) = self.branches.iter().position(|branch| branch.id == id) else {
            self.dropped.late += 1;
            return;
        };
        if self.try_another_way(now, at) {
            return;
        }
        self.branches.remove(at);
        self.finals.push(match failure {
            BranchFailure::Timeout => Final::Timeout,
            BranchFailure::Transport => Final::Transport,
        });
        self.go_on(now);
    }

    /// The caller cancels (§16.10): no new branches, and a CANCEL for each that is under way.
    ///
    /// Nothing on a request other than INVITE, or after the final response.
    pub fn handle_cancel(&mut self, now: Instant) {
        if !self.is_invite() || !matches!(self.phase, Phase::Proceeding | Phase::Declined) {
            return;
        }
        self.phase = Phase::Cancelled;
        self.cancel_all();
        self.go_on(now);
    }

    /// Which contacts of a redirection are followed (§16.7 step 4): none makes the 3xx a final response like others.
    pub fn redirect(&mut self, now: Instant, id: BranchId, follow: impl IntoIterator<Item = Candidate<T>>) {
        let waits = |branch: &Branch<T>| branch.id == id && branch.state == State::Redirected;
        let Some(at) = self.branches.iter().position(waits) else {
            self.dropped.late += 1;
            return;
        };
        let branch = self.branches.remove(at);
        let before = self.waiting.len();
        if self.phase == Phase::Proceeding {
            self.add(follow);
        }
        if self.waiting.len() == before {
            self.finals.extend(branch.redirection.map(Final::Response));
        }
        self.go_on(now);
    }

    /// Timer C fired for some branch (§16.8).
    pub fn handle_timeout(&mut self, now: Instant) {
        for at in (0..self.branches.len()).rev() {
            let Some(branch) = self.branches.get_mut(at) else { continue };
            if branch.timer_c.is_none_or(|at| at > now) {
                continue;
            }
            branch.timer_c = None;
            self.actions.push_back(Action::Cancel(branch.id));
            match branch.state {
                State::Proceeding => branch.state = State::Cancelled,
                // Nothing that the CANCEL could stop has been heard of: as if a 408 had come.
                _ => {
                    self.branches.remove(at);
                    self.finals.push(Final::Timeout);
                }
            }
        }
        self.go_on(now);
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.branches.iter().filter_map(|branch| branch.timer_c).min()
    }

    fn is_invite(&self) -> bool {
        *self.request.method_ref() == Method::Invite
    }

    fn handle_provisional(&mut self, now: Instant, at: usize, status: u16, response: &Message) {
        let Some(branch) = self.branches.get_mut(at) else { return };
        if branch.state == State::Trying {
            branch.state = State::Proceeding;
        }
        if status > 100
            && let Some(timer_c) = &mut branch.timer_c
        {
            *timer_c = now + self.settings.timer_c;
        }
        if status == 100 || !self.is_invite() {
            self.dropped.provisional += 1;
        } else if self.phase == Phase::Answered {
            self.dropped.late += 1;
        } else {
            self.forward(response);
        }
    }

    fn handle_success(&mut self, now: Instant, at: usize, response: &Message) {
        self.branches.remove(at);
        if self.phase == Phase::Answered && !self.is_invite() {
            self.dropped.late += 1;
        } else {
            self.forward(response);
            self.phase = Phase::Answered;
            self.cancel_all();
        }
        self.go_on(now);
    }

    fn handle_failure(&mut self, now: Instant, at: usize, status: u16, response: &Message) {
        if status == 430 && self.try_another_way(now, at) {
            return;
        }
        if self.ask_about_redirection(at, status, response) {
            return;
        }
        self.branches.remove(at);
        self.finals.push(Final::Response(Box::new(response.clone())));
        if status >= 600 && matches!(self.phase, Phase::Proceeding) {
            self.phase = Phase::Declined;
            self.cancel_all();
        }
        self.go_on(now);
    }

    /// Offers the contacts of a 3xx to the caller, when they may be followed at all.
    fn ask_about_redirection(&mut self, at: usize, status: u16, response: &Message) -> bool {
        let asks = self.settings.redirects == Redirects::Ask && self.phase == Phase::Proceeding;
        if !asks || !matches!(status, 300..=302) {
            return false;
        }
        let contacts: Vec<_> = response
            .contacts()
            .filter_map(|contact| {
                contact.ok().map(|contact| (Bytes::copy_from_slice(contact.uri), contact.q()))
            })
            .take(MAX_CANDIDATES)
            .collect();
        let Some(branch) = self.branches.get_mut(at).filter(|_| !contacts.is_empty()) else { return false };
        branch.state = State::Redirected;
        branch.timer_c = None;
        branch.redirection = Some(Box::new(response.clone()));
        self.actions.push_back(Action::Redirected { branch: branch.id, contacts });
        true
    }

    /// Sends the request to the same device another way, when this one failed before the device was heard of.
    fn try_another_way(&mut self, now: Instant, at: usize) -> bool {
        let may = self.phase == Phase::Proceeding;
        let Some(branch) = self.branches.get_mut(at).filter(|branch| may && branch.state == State::Trying)
        else {
            return false;
        };
        let Some(to) = branch.ways.pop_front() else { return false };
        branch.id = BranchId(self.made);
        self.made += 1;
        branch.timer_c = branch.timer_c.map(|_| now + self.settings.timer_c);
        self.actions.push_back(Action::Start { branch: branch.id, to, breadth: branch.breadth });
        true
    }

    /// Cancels what is under way and drops what waits. Only an INVITE is ever cancelled ([RFC 3261 §9.1]).
    ///
    /// [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    fn cancel_all(&mut self) {
        self.waiting.clear();
        let is_invite = self.is_invite();
        let mut finals = Vec::new();
        self.branches.retain_mut(|branch| match branch.state {
            State::Redirected => {
                finals.extend(branch.redirection.take().map(Final::Response));
                false
            }
            State::Trying | State::Proceeding if is_invite => {
                branch.state = State::Cancelled;
                branch.timer_c = None;
                self.actions.push_back(Action::Cancel(branch.id));
                true
            }
            State::Trying | State::Proceeding | State::Cancelled => true,
        });
        self.finals.append(&mut finals);
    }

    fn add(&mut self, candidates: impl IntoIterator<Item = Candidate<T>>) {
        for candidate in candidates {
            let uri = Uri::parse(&candidate.uri);
            let same = |seen: &Bytes| {
                *seen == candidate.uri
                    || uri.as_ref().is_ok_and(|uri| Uri::parse(seen).is_ok_and(|seen| uri.equals(&seen)))
            };
            if self.seen.iter().any(same) {
                self.dropped.repeated += 1;
            } else if self.seen.len() >= MAX_CANDIDATES {
                self.dropped.too_many += 1;
            } else {
                self.seen.push(candidate.uri.clone());
                let at = self.waiting.partition_point(|other| other.q >= candidate.q);
                self.waiting.insert(at, candidate);
            }
        }
    }

    /// Starts what may be started, and ends what is over.
    fn go_on(&mut self, now: Instant) {
        if self.phase == Phase::Proceeding {
            self.start_group(now);
        }
        if !self.branches.is_empty() || self.phase == Phase::Over {
            return;
        }
        let ending = if self.phase == Phase::Answered { Ending::Answered } else { self.conclude() };
        self.phase = Phase::Over;
        self.actions.push_back(Action::Over(ending));
    }

    /// Starts the group that is due: parallel as far as Max-Breadth goes, the rest when one of it has ended.
    fn start_group(&mut self, now: Instant) {
        let under_way = self.branches.iter().map(|branch| branch.q).min();
        let Some(q) = under_way.or_else(|| self.waiting.front().map(|first| first.q)) else { return };
        let used: u32 = self.branches.iter().map(|branch| branch.breadth).sum();
        let free = self.breadth.saturating_sub(used);
        let group = self.waiting.iter().take_while(|candidate| candidate.q >= q).take(free as usize).count();
        let Some(share) = free.checked_div(group as u32) else { return };
        for _ in 0..group {
            let Some(Candidate { q, mut ways, .. }) = self.waiting.pop_front() else { return };
            let Some(to) = ways.pop_front() else { continue };
            let id = BranchId(self.made);
            self.made += 1;
            let timer_c = self.is_invite().then(|| now + self.settings.timer_c);
            let breadth = share;
            let state = State::Trying;
            self.branches.push(Branch { id, state, breadth, q, ways, timer_c, redirection: None });
            self.actions.push_back(Action::Start { branch: id, to, breadth });
        }
    }

    /// No branch is left: sends the best response.
    fn conclude(&mut self) -> Ending {
        let cancelled = self.phase == Phase::Cancelled;
        match best::best(&self.finals, &self.request, self.settings.role, cancelled) {
            Best::Response(response) => {
                self.forward(&response);
                Ending::Answered
            }
            Best::Own(status, word) => {
                let phrase = format!("{}{word}", reason_phrase(status));
                let response = Builder::reply_with_phrase(&self.request, status, &phrase);
                let response = response.stateless_to_tag(&self.request).finish();
                self.actions.push_back(Action::Forward(Box::new(response)));
                Ending::Answered
            }
            Best::Nothing => Ending::Silent,
        }
    }

    /// Sends a response on, without our Via (§16.7 steps 3 and 9).
    fn forward(&mut self, response: &Message) {
        let mut edit = response.edit();
        edit.pop_value(Name::Via);
        self.actions.push_back(Action::Forward(Box::new(edit.finish())));
    }
}

/// The most members of a target set over the life of a context, redirections included.
pub const MAX_CANDIDATES: usize = 32;

//! The way of messages between one browser and its server: rules, the Via hop, delays. Without sockets and clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_sip::message::{Builder, Message, Method};

use super::hop::{Hop, HopError, Repeated, Repeats};
use super::ladder::{Entry, Seen, Summary, Way, What};
use super::rules::{Fate, SharedRules};
use super::{Ends, Side};
use crate::upstream::Kind;

/// Messages that may wait for their time; what finds them all there goes at once.
const MOST_DELAYED: usize = 256;

/// Answered INVITEs whose ACK is awaited.
const MOST_ANSWERED: usize = 64;

/// When something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// For deadlines.
    pub(super) now: Instant,
    /// For people.
    pub(super) at: SystemTime,
    /// Since the start of the tap.
    pub(super) elapsed: Duration,
}

/// The passage of one browser.
#[derive(Debug)]
pub(super) struct Passage {
    browser: u32,
    ends: Arc<Ends>,
    rules: SharedRules,
    hop: Option<(Hop, Option<Repeats>)>,
    /// The frames that the browser sends, which are the ones that it surely reads.
    kind: Kind,
    delayed: BTreeMap<(Instant, u64), Outgoing>,
    sequence: u64,
    /// The branches of INVITEs that the tap has answered, with who sent them.
    answered: VecDeque<(Side, Bytes)>,
    outgoing: VecDeque<Outgoing>,
    entries: VecDeque<Entry>,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) to: Side,
    pub(super) bytes: Bytes,
    pub(super) kind: Kind,
}

impl Passage {
    /// The passage of browser number `browser`.
    pub(super) fn new(browser: u32, ends: Ends, rules: SharedRules) -> Self {
        let transport = ends.server.transport;
        let hop = (!transport.is_websocket())
            .then(|| (Hop::new(ends), (!transport.is_reliable()).then(Repeats::default)));
        Passage {
            browser,
            ends: Arc::new(ends),
            rules,
            hop,
            kind: Kind::Text,
            delayed: BTreeMap::new(),
            sequence: 0,
            answered: VecDeque::new(),
            outgoing: VecDeque::new(),
            entries: VecDeque::new(),
        }
    }

    /// A message has come.
    pub(super) fn handle_message(&mut self, moment: Moment, from: Side, bytes: Bytes, kind: Kind) {
        if from == Side::Browser {
            self.kind = kind;
        }
        let kind = if self.hop.is_some() && from == Side::Server { self.kind } else { kind };
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            // Keep-alives. Behind a Via hop they end here (RFC 5626 §3.5.1); one of UDP would break some browsers.
            let asks = bytes.len() >= 4;
            match (&self.hop, from) {
                (None, _) => self.outgoing.push_back(Outgoing { to: from.other(), bytes, kind }),
                (Some(_), Side::Browser) if asks => {
                    let bytes = Bytes::from_static(b"\r\n");
                    self.outgoing.push_back(Outgoing { to: from, bytes, kind });
                }
                (Some(_), _) => {}
            }
            return;
        }
        match Message::parse(bytes.clone()) {
            Ok(message) => self.handle_sip(moment, from, &message, kind),
            Err(error) => {
                let summary = Summary::of_unreadable(&bytes, &error.to_string());
                let passes = self.hop.is_none();
                let left = passes.then(|| bytes.clone());
                let way = if passes { Way::Through } else { Way::ToTap };
                self.tell(moment, from, &bytes, left, way, Vec::new(), summary);
                if passes {
                    self.outgoing.push_back(Outgoing { to: from.other(), bytes, kind });
                }
            }
        }
    }

    /// The time has come for something that was delayed or is to be repeated.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            self.outgoing.push_back(first.remove());
        }
        if let Some((_, Some(repeats))) = &mut self.hop {
            while let Some(bytes) = repeats.poll_repetition(now) {
                self.outgoing.push_back(Outgoing { to: Side::Server, bytes, kind: self.kind });
            }
        }
    }

    /// When [`Passage::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let delayed = self.delayed.first_key_value().map(|((at, _), _)| *at);
        let repeated = match &self.hop {
            Some((_, Some(repeats))) => repeats.poll_timeout(),
            _ => None,
        };
        delayed.into_iter().chain(repeated).min()
    }

    /// The next message to be sent.
    pub(super) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// The next entry for the ladder.
    pub(super) fn poll_entry(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Puts words into the ladder.
    pub(super) fn note(&mut self, moment: Moment, words: String) {
        self.entries.push_back(moment.entry(self.browser, What::Told(words)));
    }

    fn handle_sip(&mut self, moment: Moment, from: Side, message: &Message, kind: Kind) {
        let came = message.bytes();
        let summary = Summary::of(message);
        let ends_here = |passage: &mut Self, note: String| {
            passage.tell(moment, from, came, None, Way::ToTap, vec![note], summary.clone());
        };
        if from == Side::Server
            && let Some(note) = self.absorb(moment.now, message)
        {
            return ends_here(self, note);
        }
        if *message.method_ref() == Method::Ack && message.is_request() && self.was_answered(from, message) {
            return ends_here(self, "of the tap's answer".to_owned());
        }
        let outcome = self.rules.current().apply(from, self.browser, message.clone());
        let mut notes = outcome.notes;
        match outcome.fate {
            Fate::Passes => {}
            Fate::Dropped => return self.tell(moment, from, came, None, Way::ToTap, notes, summary),
            Fate::Answered { status, phrase } => {
                self.tell(moment, from, came, None, Way::ToTap, notes, summary);
                return self.answer(moment, from, message, status, phrase.as_deref(), kind);
            }
        }
        let sent = match &mut self.hop {
            None => outcome.message,
            Some((hop, repeats)) => match hop.forward(from, &outcome.message) {
                Ok(sent) => {
                    if let (Side::Browser, Some(repeats)) = (from, repeats) {
                        match sent.is_request() {
                            true => repeats.handle_sent_request(moment.now, &sent),
                            false => repeats.handle_sent_response(moment.now, &sent),
                        }
                    }
                    sent
                }
                Err(error) => {
                    notes.push(error.to_string());
                    self.tell(moment, from, came, None, Way::ToTap, notes, summary);
                    let is_answered = error == HopError::TooManyHops && *message.method_ref() != Method::Ack;
                    if is_answered {
                        self.answer(moment, from, message, 483, None, kind);
                    }
                    return;
                }
            },
        };
        let outgoing = Outgoing { to: from.other(), bytes: sent.bytes().clone(), kind };
        for _ in 0..outcome.copies {
            if outcome.delay.is_zero() || self.delayed.len() >= MOST_DELAYED {
                self.outgoing.push_back(outgoing.clone());
            } else {
                self.sequence += 1;
                self.delayed.insert((moment.now + outcome.delay, self.sequence), outgoing.clone());
            }
        }
        self.tell(moment, from, came, Some(sent.bytes().clone()), Way::Through, notes, summary);
    }

    /// What is done about a message of the server that only repeats another; `None` when it is a new one.
    fn absorb(&mut self, now: Instant, message: &Message) -> Option<String> {
        let Some((_, Some(repeats))) = &mut self.hop else { return None };
        if !message.is_request() {
            repeats.handle_received_response(now, message);
            return None;
        }
        match repeats.handle_received_request(now, message) {
            Repeated::No => None,
            Repeated::Unanswered => Some("a repetition, absorbed".to_owned()),
            Repeated::Answered(bytes) => {
                self.outgoing.push_back(Outgoing { to: Side::Server, bytes, kind: self.kind });
                Some("a repetition, answered as before".to_owned())
            }
        }
    }

    /// Whether the tap itself has answered the INVITE of this ACK.
    fn was_answered(&mut self, from: Side, ack: &Message) -> bool {
        let Some(branch) = branch(ack) else { return false };
        self.answered.iter().any(|(side, answered)| *side == from && *answered == branch)
    }

    fn answer(
        &mut self,
        moment: Moment,
        to: Side,
        request: &Message,
        status: u16,
        phrase: Option<&str>,
        kind: Kind,
    ) {
        let builder = match phrase {
            Some(phrase) => Builder::reply_with_phrase(request, status, phrase),
            None => Builder::reply(request, status),
        };
        let answer = builder.stateless_to_tag(request).finish();
        if *request.method_ref() == Method::Invite
            && let Some(branch) = branch(request)
        {
            self.answered.truncate(MOST_ANSWERED - 1);
            self.answered.push_front((to, branch));
        }
        if let (Side::Server, Some((_, Some(repeats)))) = (to, &mut self.hop) {
            repeats.handle_sent_response(moment.now, &answer);
        }
        let bytes = answer.bytes().clone();
        let summary = Summary::of(&answer);
        let notes = vec!["by the tap".to_owned()];
        self.tell(moment, to.other(), &bytes, Some(bytes.clone()), Way::FromTap, notes, summary);
        self.outgoing.push_back(Outgoing { to, bytes, kind });
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of an entry")]
    fn tell(
        &mut self,
        moment: Moment,
        from: Side,
        came: &Bytes,
        left: Option<Bytes>,
        way: Way,
        notes: Vec<String>,
        summary: Summary,
    ) {
        let (ends, came) = (self.ends.clone(), came.clone());
        let seen = Seen { from, ends, came, left, way, notes, summary };
        self.entries.push_back(moment.entry(self.browser, What::Seen(Box::new(seen))));
    }
}

impl Moment {
    /// An entry of this moment.
    pub(super) fn entry(self, browser: u32, what: What) -> Entry {
        Entry { at: self.at, elapsed: self.elapsed, browser, what }
    }
}

fn branch(message: &Message) -> Option<Bytes> {
    message.via().ok()?.branch().map(Bytes::copy_from_slice)
}

#[cfg(test)]
mod tests;

//! A datagram of the ng protocol: a cookie, a space, a dictionary.
//!
//! The answer begins with the cookie of the request. Over UDP a request is repeated until it is answered, with the same
//! cookie: [`Answers`] keeps what was answered for a while, so that a repeat changes nothing.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::Flow;

use super::value::{Dict, Encoding, ReadError, Value};
use super::{bencode, json};

/// Who asked, and what for: a cookie is unique to who made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    /// Where the request came from and the answer goes.
    pub flow: Flow,
    /// What the answer begins with.
    pub cookie: Bytes,
}

/// A datagram that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the answer begins with.
    pub cookie: Bytes,
    /// How it is written; the answer is written alike.
    pub encoding: Encoding,
    /// The dictionary, or why there is none: that much can still be answered.
    pub dict: Result<Dict, ReadError>,
}

impl Message {
    /// Reads a datagram; `None` when it has no cookie, so that nothing could be answered.
    pub fn read(datagram: &Bytes) -> Option<Message> {
        let window = datagram.get(..datagram.len().min(MAX_COOKIE_LEN + 1))?;
        let len = window.iter().position(|byte| *byte == b' ')?;
        let cookie = datagram.slice(..len);
        if cookie.is_empty() || !cookie.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let body = datagram.slice(len + 1..);
        let encoding = match body.trim_ascii_start().first() {
            Some(b'{') => Encoding::Json,
            _ => Encoding::Bencode,
        };
        let value = match encoding {
            Encoding::Bencode => bencode::read(&body),
            Encoding::Json => json::read(&body),
        };
        let dict = value.and_then(|value| match value {
            Value::Dict(dict) => Ok(dict),
            _ => Err(ReadError::NoDict),
        });
        Some(Message { cookie, encoding, dict })
    }
}

/// Writes a datagram.
pub fn write(cookie: &[u8], encoding: Encoding, dict: &Dict) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(cookie);
    out.push(b' ');
    match encoding {
        Encoding::Bencode => bencode::write_dict(dict, &mut out),
        Encoding::Json => json::write_dict(dict, &mut out),
    }
    // It is kept for a while: without room for more.
    Bytes::from(out.into_boxed_slice())
}

/// What was answered lately.
#[derive(Debug)]
pub(super) struct Answers {
    limits: AnswerLimits,
    /// The answer to each request; `None` while it is awaited.
    by_asker: HashMap<Asker, Option<Bytes>>,
    /// When each request came, the oldest first.
    ages: VecDeque<(Instant, Asker)>,
    /// The bytes of all answers.
    bytes: usize,
}

/// How much is kept of what was answered.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// How many answers.
    pub count: usize,
    /// How many bytes in all.
    pub bytes: usize,
    /// For how long. The modules give up after five repeats, a second apart.
    pub time: Duration,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        AnswerLimits { count: 32_768, bytes: 32 << 20, time: Duration::from_secs(15) }
    }
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is new.
    Never,
    /// It is being worked on.
    Waiting,
    /// It was answered with this.
    Answered(Bytes),
}

impl Answers {
    pub fn new(limits: AnswerLimits) -> Answers {
        Answers { limits, by_asker: HashMap::new(), ages: VecDeque::new(), bytes: 0 }
    }

    /// Whether a request is a repeat; a new one is known from here on. Gives how many answers it pushed out.
    pub fn ask(&mut self, now: Instant, asker: &Asker) -> (Seen, u64) {
        self.forget_old(now);
        match self.by_asker.get(asker) {
            Some(Some(answer)) => return (Seen::Answered(answer.clone()), 0),
            Some(None) => return (Seen::Waiting, 0),
            None => {}
        }
        self.by_asker.insert(asker.clone(), None);
        self.ages.push_back((now, asker.clone()));
        let mut pushed_out = 0;
        while self.by_asker.len() > self.limits.count {
            pushed_out += u64::from(self.forget_oldest());
        }
        (Seen::Never, pushed_out)
    }

    /// Keeps an answer. Gives how many it pushed out.
    pub fn keep(&mut self, asker: &Asker, answer: &Bytes) -> u64 {
        let Some(place) = self.by_asker.get_mut(asker) else { return 0 };
        if place.replace(answer.clone()).is_none() {
            self.bytes += answer.len();
        }
        let mut pushed_out = 0;
        while self.bytes > self.limits.bytes && self.forget_oldest() {
            pushed_out += 1;
        }
        pushed_out
    }

    fn forget_old(&mut self, now: Instant) {
        while self.ages.front().is_some_and(|(at, _)| *at + self.limits.time <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, asker)) = self.ages.pop_front() else { return false };
        if let Some(Some(answer)) = self.by_asker.remove(&asker) {
            self.bytes = self.bytes.saturating_sub(answer.len());
        }
        true
    }
}

/// The longest cookie. The modules' have some twenty bytes.
const MAX_COOKIE_LEN: usize = 256;

//! Signing in: [RFC 3261 §10].
//!
//! [RFC 3261 §10]: https://www.rfc-editor.org/rfc/rfc3261#section-10

use std::time::{Duration, Instant};

use ringback_sip::header::RetryAfter;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::ClientId;

use super::machine::{Attempt, Phone, refused};
use super::{Event, Failure};

/// What there is of a registration.
pub(super) struct Registration {
    /// Its Call-ID, which all have in common, and our tag.
    call_id: String,
    /// The REGISTER that waits for its answer, how often it was challenged, and for how long it asks.
    waiting: Option<(ClientId, Attempt, Duration)>,
    cseq: u32,
    is_registered: bool,
    /// Until when the binding stands, if it is not refreshed.
    stands_until: Option<Instant>,
    pub(super) refresh_at: Option<Instant>,
}

impl Registration {
    pub(super) fn new(call_id: String) -> Self {
        Registration {
            call_id,
            waiting: None,
            cseq: 0,
            is_registered: false,
            stands_until: None,
            refresh_at: None,
        }
    }

    pub(super) fn is(&self, id: ClientId) -> bool {
        self.waiting.is_some_and(|(waiting, ..)| waiting == id)
    }

    /// Whether no REGISTER waits for its answer.
    pub(super) fn is_at_rest(&self) -> bool {
        self.waiting.is_none()
    }

    /// Forgets it; says whether there was one.
    pub(super) fn forget(&mut self) -> bool {
        let was = self.is_registered || self.waiting.is_some();
        (self.waiting, self.is_registered, self.refresh_at) = (None, false, None);
        self.stands_until = None;
        was
    }

    /// Refreshes the binding once more while it stands, after `pause` or a while; says whether it will.
    fn try_again(&mut self, now: Instant, failure: &Failure, pause: Option<Duration>) -> bool {
        // A password that is refused does not become a better one.
        let may_pass = matches!(failure, Failure::Refused(..) | Failure::NoAnswer);
        let at = now + pause.unwrap_or(PAUSE).max(PAUSE);
        let is_in_time = self.is_registered && self.stands_until.is_some_and(|until| at < until);
        if may_pass && is_in_time {
            (self.waiting, self.refresh_at) = (None, Some(at));
        }
        may_pass && is_in_time
    }
}

impl Phone {
    /// Signs in; [`Event::Registered`] or [`Event::NotRegistered`] follows.
    pub fn register(&mut self, now: Instant) {
        self.send_register(now, self.settings.expires, Attempt::default(), None);
    }

    /// Signs out. Nothing is told of what comes of it: see [`Phone::is_idle`].
    pub fn unregister(&mut self, now: Instant) {
        if self.registration.is_registered {
            self.registration.forget();
            self.send_register(now, Duration::ZERO, Attempt::default(), None);
        }
    }

    /// Whether it is signed in.
    pub fn is_registered(&self) -> bool {
        self.registration.is_registered
    }

    pub(super) fn refresh(&mut self, now: Instant) {
        if self.registration.refresh_at.is_some_and(|at| at <= now) {
            self.registration.refresh_at = None;
            self.register(now);
        }
    }

    pub(super) fn registration_answered(&mut self, now: Instant, response: &Message) {
        let status = response.status().unwrap_or_default();
        let Some((_, attempt, asked)) = self.registration.waiting.filter(|_| status >= 200) else { return };
        self.registration.waiting = None;
        let failure = match status {
            200..300 if asked.is_zero() => return,
            200..300 => {
                let granted = self.granted(response).unwrap_or(asked);
                let was = std::mem::replace(&mut self.registration.is_registered, true);
                // Early enough for a second try.
                self.registration.refresh_at = Some(now + granted * 3 / 4);
                self.registration.stands_until = Some(now + granted);
                if !was {
                    self.events.push_back(Event::Registered(granted));
                }
                return;
            }
            401 | 407 => {
                let uri = self.registrar();
                match self.credentials(response, Method::Register.as_bytes(), &uri, attempt) {
                    Ok(credentials) => {
                        return self.send_register(now, asked, attempt.next(), Some(credentials));
                    }
                    Err(failure) => failure,
                }
            }
            _ => refused(response),
        };
        let pause = response.header(Name::RetryAfter).and_then(|value| RetryAfter::parse(value).ok());
        let pause = pause.map(|after| Duration::from_secs(after.seconds.into()));
        if asked.is_zero() {
            self.registration.forget();
        } else {
            self.registration_failed(now, failure, pause);
        }
    }

    /// What was asked of the registrar has failed: it is tried again while the binding stands, or told.
    pub(super) fn registration_failed(&mut self, now: Instant, failure: Failure, pause: Option<Duration>) {
        if !self.registration.try_again(now, &failure, pause) {
            self.registration.forget();
            self.events.push_back(Event::NotRegistered(failure));
        }
    }

    /// For how long the server has registered our contact.
    fn granted(&self, response: &Message) -> Option<Duration> {
        let own = self.contact_uri();
        let is_own = |contact: &ringback_sip::header::Address<'_>| contact.uri == own.as_bytes();
        let contact = response.contacts().filter_map(Result::ok).find(is_own);
        let seconds = contact.and_then(|contact| contact.expires()).or(response.expires())?;
        Some(Duration::from_secs(seconds.max(LEAST).into()))
    }

    fn registrar(&self) -> Vec<u8> {
        format!("sip:{}", self.settings.domain).into_bytes()
    }

    fn send_register(
        &mut self,
        now: Instant,
        expires: Duration,
        attempt: Attempt,
        credentials: Option<(Name, Vec<u8>)>,
    ) {
        self.registration.cseq += 1;
        let (uri, own) = (self.registrar(), self.own_uri());
        let call_id = self.registration.call_id.clone();
        let cseq = (self.registration.cseq, Method::Register);
        let mut request = self
            .request(&uri, (&own, &call_id), (&own, None), &call_id, cseq)
            .header(Name::Contact, format!("<{}>", self.contact_uri()))
            .header(Name::Expires, expires.as_secs().to_string());
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        let id = self.transactions.request(now, self.flow, request.finish());
        self.registration.waiting = Some((id, attempt, expires));
    }
}

/// How long a refresh that has failed waits at the least.
const PAUSE: Duration = Duration::from_secs(10);
/// Whoever registers for a shorter time does nothing else.
const LEAST: u32 = 10;

//! The lite agent of one leg.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_sansio::canonical;
use smallvec::SmallVec;
use stun_types::attribute::ErrorCode;

use super::Credentials;
use crate::stun::{Algorithm, Answer, Key, Malformed, Message, MessageClass, NoRoom, split_username};

/// Answers connectivity checks, follows nominations and watches consent, for one leg.
///
/// - A pair is *validated* by an authenticated check over it, *nominated* by one with USE-CANDIDATE. The latest
///   nomination counts, whatever its priority, at any time; media never moves it.
/// - Consent is an authenticated check received in the last 30 s. It starts with the first check: how long to wait for
///   that is for the layer above, which knows whether the far end has our answer yet. When consent is lost, the
///   credentials are spent ([RFC 7675 §5.1]): nothing is nominated or answered until [`Lite::restart`].
/// - A peer that claims the controlled role gets 487. [RFC 8445 §7.3.1.1] weighs tie-breakers there, but is written for
///   full agents; a lite agent cannot control a full one (§6.1.1), and 487 makes the peer take the role (§7.2.5.1).
///
/// [RFC 7675 §5.1]: https://www.rfc-editor.org/rfc/rfc7675#section-5.1
/// [RFC 8445 §7.3.1.1]: https://www.rfc-editor.org/rfc/rfc8445#section-7.3.1.1
#[derive(Debug)]
pub struct Lite {
    current: Session,
    /// The credentials before the last restart, good until the first check with the current ones.
    previous: Option<Session>,
    consent: Consent,
    nominated: Option<Pair>,
    validated: SmallVec<[Validated; 4]>,
    pending: Pending,
    stats: Stats,
}

impl Lite {
    /// An agent with our credentials; those of the far end may come later.
    ///
    /// `_now` is taken for the sake of the machines' common form: time starts to count with the first check.
    pub fn new(local: Credentials, _now: Instant) -> Self {
        Lite {
            current: Session::new(local),
            previous: None,
            consent: Consent::NotYet,
            nominated: None,
            validated: SmallVec::new(),
            pending: Pending::default(),
            stats: Stats::default(),
        }
    }

    /// Tells the credentials of the far end. From here on a check has to name its user name fragment.
    pub fn set_remote(&mut self, remote: Credentials) {
        self.current.remote_ufrag = Some(remote.ufrag);
    }

    /// Restarts ICE ([RFC 8445 §9]) with new credentials of ours; tell those of the far end anew.
    ///
    /// The old ones stay good, and media stays where it is, until the first check with the new ones. The far end, that
    /// may be restarting because its network has gone, gets another 30 s of consent.
    ///
    /// [RFC 8445 §9]: https://www.rfc-editor.org/rfc/rfc8445#section-9
    pub fn restart(&mut self, local: Credentials, now: Instant) {
        let old = std::mem::replace(&mut self.current, Session::new(local));
        match self.consent {
            Consent::NotYet => self.previous = Some(old),
            Consent::Until(_) => {
                self.previous = Some(old);
                self.consent = Consent::Until(now + CONSENT);
            }
            // The old credentials are spent, and must not come back by this way.
            Consent::Lost => {
                self.previous = None;
                self.consent = Consent::NotYet;
            }
        }
    }

    /// Our credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.current.local
    }

    /// Handles a STUN packet that came from `remote` to `local`; what answers it goes into `reply`, which needs
    /// [`REPLY_ROOM`](crate::stun::REPLY_ROOM) bytes.
    ///
    /// The answer goes back the way the check came. It may be an error: ask [`Lite::is_validated`], not the answer,
    /// whether the pair is good.
    pub fn handle_check(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        packet: &[u8],
        reply: &mut [u8],
    ) -> Check {
        let pair = Pair { local: canonical(local), remote: canonical(remote) };
        match self.answer(now, pair, packet, reply) {
            Ok(length) => Check::Reply(length),
            Err(reason) => {
                self.stats.dropped += 1;
                Check::Drop(reason)
            }
        }
    }

    /// The pair that media takes: the last that was nominated.
    pub fn nominated(&self) -> Option<Pair> {
        self.nominated
    }

    /// Whether an authenticated check came over this pair; DTLS and media are taken from such pairs only.
    pub fn is_validated(&self, pair: Pair) -> bool {
        let pair = Pair { local: canonical(pair.local), remote: canonical(pair.remote) };
        self.validated.iter().any(|validated| validated.pair == pair)
    }

    /// Loses consent when its time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Consent::Until(deadline) = self.consent
            && now >= deadline
        {
            self.consent = Consent::Lost;
            self.previous = None;
            self.nominated = None;
            self.validated.clear();
            self.pending = Pending { lost: true, nominated: false };
        }
    }

    /// When consent ends unless a check comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.consent {
            Consent::Until(deadline) => Some(deadline),
            Consent::NotYet | Consent::Lost => None,
        }
    }

    /// What happened since the last poll; of several nominations only the last.
    pub fn poll_event(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.pending.lost) {
            return Some(Event::ConsentLost);
        }
        if std::mem::take(&mut self.pending.nominated) {
            return self.nominated.map(Event::Nominated);
        }
        None
    }

    /// How checks were answered.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn answer(&mut self, now: Instant, pair: Pair, packet: &[u8], reply: &mut [u8]) -> Result<usize, Reason> {
        let request = Message::parse(packet).map_err(Reason::Malformed)?;
        if !request.is_binding() {
            return Err(Reason::NotBinding);
        }
        match request.class() {
            MessageClass::Request => {}
            MessageClass::Indication => return Err(Reason::Indication),
            MessageClass::Success | MessageClass::Error => return Err(Reason::Response),
        }
        // A deadline that has passed counts even when the driver has not come round to `handle_timeout`.
        self.handle_timeout(now);
        if self.consent == Consent::Lost {
            return Err(Reason::ConsentLost);
        }

        // RFC 8489 §9.1.3, in its order: what is missing, who it is, whether it is true, what is not understood.
        let mut answer = Answer { request: &request, key: None };
        if !request.has_integrity() || request.username().is_none() {
            let length = answer.error(ErrorCode::BAD_REQUEST, reply)?;
            self.stats.bad_request += 1;
            return Ok(length);
        }
        let Some((generation, algorithm)) = self.authenticate(&request) else {
            let length = answer.error(ErrorCode::UNAUTHORIZED, reply)?;
            self.stats.unauthenticated += 1;
            return Ok(length);
        };
        let key = match generation {
            Generation::Current => &self.current.key,
            Generation::Previous => &self.previous.as_ref().unwrap_or(&self.current).key,
        };
        answer.key = Some((key, algorithm));
        if request.unknown_attributes().next().is_some() {
            let length = answer.error(ErrorCode::UNKNOWN_ATTRIBUTE, reply)?;
            self.stats.unknown_attribute += 1;
            return Ok(length);
        }
        if request.controlled().is_some() {
            let length = answer.error(ErrorCode::ROLE_CONFLICT, reply)?;
            self.stats.role_conflict += 1;
            return Ok(length);
        }
        let length = answer.success(pair.remote, reply)?;
        self.stats.success += 1;

        if generation == Generation::Current {
            self.previous = None;
        }
        self.consent = Consent::Until(now + CONSENT);
        self.validate(pair, now);
        if request.has_use_candidate() && self.nominated != Some(pair) {
            self.nominated = Some(pair);
            self.pending.nominated = true;
        }
        Ok(length)
    }

    /// Finds the credentials that a check names and was made with.
    fn authenticate(&self, request: &Message<'_>) -> Option<(Generation, Algorithm)> {
        let (ours, theirs) = split_username(request.username()?)?;
        let previous = self.previous.as_ref().map(|session| (Generation::Previous, session));
        [(Generation::Current, &self.current)]
            .into_iter()
            .chain(previous)
            .find(|(_, session)| session.is_named(ours, theirs))
            .and_then(|(generation, session)| Some((generation, request.verify(&session.key).ok()?)))
    }

    /// Notes a check over `pair`; makes room by leaving out the pair, never the nominated one, that was silent longest.
    fn validate(&mut self, pair: Pair, now: Instant) {
        if let Some(known) = self.validated.iter_mut().find(|validated| validated.pair == pair) {
            known.last = now;
            return;
        }
        let nominated = self.nominated;
        self.validated.retain(|known| now < known.last + CONSENT || nominated == Some(known.pair));
        if self.validated.len() >= MAX_PAIRS {
            let silent = self
                .validated
                .iter()
                .enumerate()
                .filter(|(_, known)| nominated != Some(known.pair))
                .min_by_key(|(_, known)| known.last)
                .map(|(index, _)| index);
            if let Some(index) = silent {
                self.validated.swap_remove(index);
            }
        }
        self.validated.push(Validated { pair, last: now });
    }
}

/// Two addresses that media may go between: ours, where a check came to, and theirs, where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// Our address.
    pub local: SocketAddr,
    /// The far end's address.
    pub remote: SocketAddr,
}

/// What to do after a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Send the first bytes of the reply buffer, this many, back the way the check came.
    Reply(usize),
    /// Send nothing.
    Drop(Reason),
}

/// Why a packet got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is no STUN message.
    Malformed(Malformed),
    /// A method of TURN or another protocol.
    NotBinding,
    /// A keep-alive of the NAT binding, which wants no answer.
    Indication,
    /// An answer, to a request that we did not send.
    Response,
    /// Consent was lost with these credentials; only a restart brings it back.
    ConsentLost,
    /// The reply buffer is smaller than [`REPLY_ROOM`](crate::stun::REPLY_ROOM).
    NoRoom,
}

impl From<NoRoom> for Reason {
    fn from(_: NoRoom) -> Self {
        Reason::NoRoom
    }
}

/// News from the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Media goes over this pair from here on.
    Nominated(Pair),
    /// No authenticated check came for 30 s: sending has to stop.
    ConsentLost,
}

/// How many checks were answered in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Success.
    pub success: u64,
    /// 400: no USERNAME or no MESSAGE-INTEGRITY.
    pub bad_request: u64,
    /// 401: another user name fragment or another password.
    pub unauthenticated: u64,
    /// 420: an attribute that would have to be understood.
    pub unknown_attribute: u64,
    /// 487: the peer claims the controlled role.
    pub role_conflict: u64,
    /// No answer; the [`Reason`] says why.
    pub dropped: u64,
}

/// The credentials of one ICE session: from the start, or from one restart, to the next.
#[derive(Debug)]
struct Session {
    local: Credentials,
    key: Key,
    remote_ufrag: Option<String>,
}

impl Session {
    fn new(local: Credentials) -> Self {
        Session { key: Key::new(&local.pwd), local, remote_ufrag: None }
    }

    fn is_named(&self, ours: &[u8], theirs: &[u8]) -> bool {
        self.local.ufrag.as_bytes() == ours
            && self.remote_ufrag.as_ref().is_none_or(|ufrag| ufrag.as_bytes() == theirs)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    Current,
    Previous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consent {
    NotYet,
    Until(Instant),
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Validated {
    pair: Pair,
    last: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pending {
    lost: bool,
    nominated: bool,
}

/// How long an authenticated check is good for ([RFC 7675 §5.1]).
///
/// [RFC 7675 §5.1]: https://www.rfc-editor.org/rfc/rfc7675#section-5.1
const CONSENT: Duration = Duration::from_secs(30);
/// How many pairs of a leg are remembered. A browser on four networks against four of our candidates has 16.
const MAX_PAIRS: usize = 32;

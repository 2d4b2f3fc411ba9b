//! The checks of a request by the long-term credential mechanism ([RFC 8489 §9.2.4]).
//!
//! [RFC 8489 §9.2.4]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use stun_types::attribute::ErrorCode;

use super::allocation::{Owner, OwnerName};
use super::credentials::{Lookup, PasswordAlgorithm, UserName, Users};
use super::nonce::{Nonces, derive, offers_algorithms};
use crate::stun::attribute::{NONCE, PASSWORD_ALGORITHM, PASSWORD_ALGORITHMS, REALM, USERHASH};
use crate::stun::{Algorithm, Key, Message, Writer};

/// Tells who sent a request, and challenges whom it cannot tell.
#[derive(Debug)]
pub(super) struct Authenticator<U> {
    pub(super) users: U,
    realm: String,
    /// What is offered, the best first.
    algorithms: Vec<PasswordAlgorithm>,
    nonces: Nonces,
    /// Takes the place of the key of a user that there is not, so that its refusal takes as long.
    nobody: Key,
}

/// Who sent a request.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) owner: Owner,
    /// By which code it was protected.
    pub(super) integrity: Algorithm,
}

/// Why a request is from nobody that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// 400: it lacks what such a request has to have.
    BadRequest,
    /// 401.
    Unauthenticated,
    /// 438: the credentials are right, and the nonce is none of ours that is still good.
    StaleNonce,
}

impl Refused {
    pub(super) const fn code(self) -> u16 {
        match self {
            Refused::BadRequest => ErrorCode::BAD_REQUEST,
            Refused::Unauthenticated => ErrorCode::UNAUTHORIZED,
            Refused::StaleNonce => ErrorCode::STALE_NONCE,
        }
    }
}

impl<U: Users> Authenticator<U> {
    pub(super) fn new(
        users: U,
        realm: String,
        algorithms: Vec<PasswordAlgorithm>,
        secret: &[u8; 32],
        now: Instant,
    ) -> Self {
        let nonces = Nonces::new(&derive(secret, "nonces"), now, NONCE_LIFETIME);
        let nobody = Key::long_term(&derive(secret, "nobody"));
        Authenticator { users, realm, algorithms, nonces, nobody }
    }

    /// Checks a request that came from `client`; `holder` is whose allocation there is for its 5-tuple.
    ///
    /// The key of an allocation stays good for it: credentials that were given for an hour do not end the call that began
    /// in that hour. Who asks for a new allocation has to have credentials that are good at the time.
    pub(super) fn authenticate(
        &self,
        now: Instant,
        unix_time: u64,
        client: SocketAddr,
        request: &Message<'_>,
        holder: Option<&Owner>,
    ) -> Result<Authenticated, Refused> {
        if !request.has_integrity() {
            return Err(Refused::Unauthenticated);
        }
        let name = request
            .username()
            .map(UserName::Name)
            .or_else(|| request.attribute(USERHASH).map(UserName::Hash))
            .ok_or(Refused::BadRequest)?;
        let nonce = request.attribute(NONCE).ok_or(Refused::BadRequest)?;
        request.attribute(REALM).ok_or(Refused::BadRequest)?;
        let algorithm = self.algorithm(request, nonce)?;

        let held = holder.filter(|held| held.name.is(name) && held.algorithm == algorithm);
        let by_held = held.and_then(|held| self.verified(request, [(&held.key, &held.account)]));
        let found = by_held.or_else(|| {
            let lookup = Lookup { name, realm: &self.realm, algorithm, unix_time };
            let candidates = if self.algorithms.contains(&algorithm) && is_name(name) {
                self.users.candidates(&lookup)
            } else {
                SmallVec::new()
            };
            self.verified(request, candidates.iter().map(|user| (&user.key, &user.account)))
        });
        let (key, account, integrity) = found.ok_or(Refused::Unauthenticated)?;
        if !self.nonces.is_fresh(now, client, nonce) {
            return Err(Refused::StaleNonce);
        }
        let owner = Owner { account, name: OwnerName::from(name), algorithm, key };
        Ok(Authenticated { owner, integrity })
    }

    /// The first of the candidates whose key protects the request.
    fn verified<'k>(
        &self,
        request: &Message<'_>,
        candidates: impl IntoIterator<Item = (&'k Key, &'k Box<[u8]>)>,
    ) -> Option<(Key, Box<[u8]>, Algorithm)> {
        let mut candidates = candidates.into_iter().peekable();
        if candidates.peek().is_none() {
            let _ = request.verify(&self.nobody);
        }
        candidates.find_map(|(key, account)| {
            let integrity = request.verify(key).ok()?;
            Some((key.clone(), account.clone(), integrity))
        })
    }

    /// The password algorithm of the request. What was offered has to come back as it was: who changes the list on its way
    /// to have the worse one taken changes what is protected.
    fn algorithm(&self, request: &Message<'_>, nonce: &[u8]) -> Result<PasswordAlgorithm, Refused> {
        let chosen = request.attribute(PASSWORD_ALGORITHM);
        let offered = request.attribute(PASSWORD_ALGORITHMS);
        if !offers_algorithms(nonce) || chosen.is_none() && offered.is_none() {
            return Ok(PasswordAlgorithm::Md5);
        }
        let is_ours = offered.is_some_and(|offered| offered.iter().eq(self.offer().as_flattened()));
        let chosen = self.algorithms.iter().find(|algorithm| chosen == Some(&algorithm.value()[..]));
        chosen.copied().filter(|_| is_ours).ok_or(Refused::BadRequest)
    }

    fn offer(&self) -> Vec<[u8; 4]> {
        self.algorithms.iter().map(|algorithm| algorithm.value()).collect()
    }

    /// Adds what a client needs to ask again.
    pub(super) fn challenge(&self, now: Instant, client: SocketAddr, message: &mut Writer<'_>) {
        message.attribute(REALM, self.realm.as_bytes());
        message.attribute(NONCE, &self.nonces.issue(now, client));
        message.attribute(PASSWORD_ALGORITHMS, self.offer().as_flattened());
    }
}

/// Whether it has the form of a name or of a hash ([RFC 8489 §14.3, §14.4]).
///
/// [RFC 8489 §14.3, §14.4]: https://www.rfc-editor.org/rfc/rfc8489#section-14.3
fn is_name(name: UserName<'_>) -> bool {
    match name {
        UserName::Name(name) => !name.is_empty() && name.len() < 509,
        UserName::Hash(hash) => hash.len() == 32,
    }
}

/// How long a nonce is good. A client that comes with an older one gets another and asks again.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);

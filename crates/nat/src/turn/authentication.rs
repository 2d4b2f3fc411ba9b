//! The checks of a request by the long-term credential mechanism ([RFC 8489 §9.2.4]).
//!
//! One of them comes earlier than there: whether the nonce is ours. So who cannot be where it says that it is learns nothing
//! about passwords and costs no look at a user, and guesses count for who makes them.
//!
//! [RFC 8489 §9.2.4]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4

use std::time::{Duration, Instant};

use ringback_sansio::ConnectionId;
use smallvec::SmallVec;

use super::allocation::{Owner, OwnerName};
use super::credentials::{Lookup, PasswordAlgorithm, UserName, Users};
use super::nonce::{Freshness, Nonces, derive, offers_algorithms};
use super::requests::Request;
use super::sources::{Budgets, Standing};
use crate::stun::attribute::{NONCE, PASSWORD_ALGORITHM, PASSWORD_ALGORITHMS, REALM, USERHASH};
use crate::stun::{Algorithm, Key, Message, Writer};

/// Tells who sent a request, and challenges whom it cannot tell.
#[derive(Debug)]
pub(super) struct Authenticator<U> {
    users: U,
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
    /// By which code it is answered.
    pub(super) integrity: Algorithm,
}

/// Why a request is from nobody that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It lacks what such a request has to have.
    BadRequest,
    /// It has no credentials.
    Unauthenticated,
    /// Its credentials are wrong.
    WrongCredentials,
    /// The nonce is none of ours that is still good.
    StaleNonce,
    /// The same, and the request is from who has the allocation.
    StaleNonceOfOwner,
    /// Wrong credentials have come from there so often that none are looked at.
    GuessBudget,
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

    pub(super) fn users(&self) -> &U {
        &self.users
    }

    pub(super) fn users_mut(&mut self) -> &mut U {
        &mut self.users
    }

    /// Checks a request; `holder` is whose allocation there is for its 5-tuple.
    ///
    /// The key of an allocation stays good for it: credentials that were given for an hour do not end the call that began
    /// in that hour. Who asks for a new allocation has to have credentials that are good at the time.
    pub(super) fn authenticate(
        &self,
        request: &Request<'_>,
        holder: Option<&Owner>,
        budgets: &mut Budgets,
    ) -> Result<Authenticated, Refused> {
        let message = request.message;
        if !message.has_integrity() {
            return Err(Refused::Unauthenticated);
        }
        let name = message
            .username()
            .map(UserName::Name)
            .or_else(|| message.attribute(USERHASH).map(UserName::Hash))
            .ok_or(Refused::BadRequest)?;
        let nonce = message.attribute(NONCE).ok_or(Refused::BadRequest)?;
        message.attribute(REALM).ok_or(Refused::BadRequest)?;
        let algorithm = self.algorithm(message, nonce)?;
        let freshness = self.freshness(request);

        let held = holder.filter(|held| held.name.is(name) && held.algorithm == algorithm);
        if let Some(held) = held.filter(|held| message.verify(&held.key).is_ok()) {
            return match freshness {
                Freshness::Fresh => Ok(authenticated(message, held.clone())),
                Freshness::Stale | Freshness::Foreign => Err(Refused::StaleNonceOfOwner),
            };
        }
        if freshness != Freshness::Fresh {
            return Err(Refused::StaleNonce);
        }
        let source = request.flow.remote().ip();
        if !budgets.may_guess(request.now, source) {
            return Err(Refused::GuessBudget);
        }
        let lookup = Lookup { name, realm: &self.realm, algorithm, unix_time: request.unix_time };
        let Some((key, account)) = self.find(message, &lookup) else {
            budgets.guessed(request.now, source);
            return Err(Refused::WrongCredentials);
        };
        let owner = Owner { account, name: OwnerName::from(name), algorithm, key };
        Ok(authenticated(message, owner))
    }

    /// What is known of where a request came from.
    pub(super) fn standing(&self, request: &Request<'_>) -> Standing {
        let is_proven =
            request.flow.connection != ConnectionId::NONE || self.freshness(request) != Freshness::Foreign;
        if is_proven { Standing::Proven } else { Standing::Unproven }
    }

    fn freshness(&self, request: &Request<'_>) -> Freshness {
        let nonce = request.message.attribute(NONCE);
        nonce.map_or(Freshness::Foreign, |nonce| self.nonces.check(request.now, request.flow.remote(), nonce))
    }

    /// The key and the account of the user whose key protects the request.
    fn find(&self, message: &Message<'_>, lookup: &Lookup<'_>) -> Option<(Key, Box<[u8]>)> {
        let candidates = if self.algorithms.contains(&lookup.algorithm) && is_name(lookup.name) {
            self.users.candidates(lookup)
        } else {
            SmallVec::new()
        };
        if candidates.is_empty() {
            let _ = message.verify(&self.nobody);
        }
        let user = candidates.into_iter().find(|user| message.verify(&user.key).is_ok())?;
        self.users.has_account(&user.account).then_some((user.key, user.account))
    }

    /// The password algorithm of the request. What was offered has to come back as it was: who changes the list on its way
    /// to have the worse one taken changes what is protected.
    fn algorithm(&self, message: &Message<'_>, nonce: &[u8]) -> Result<PasswordAlgorithm, Refused> {
        let chosen = message.attribute(PASSWORD_ALGORITHM);
        let offered = message.attribute(PASSWORD_ALGORITHMS);
        if !offers_algorithms(nonce) || !names_algorithm(message) {
            return Ok(PasswordAlgorithm::Md5);
        }
        let is_ours = offered.is_some_and(|offered| offered.iter().eq(self.offer().as_flattened()));
        let chosen = self.algorithms.iter().find(|algorithm| chosen == Some(&algorithm.value()[..]));
        chosen.copied().filter(|_| is_ours).ok_or(Refused::BadRequest)
    }

    fn offer(&self) -> SmallVec<[[u8; 4]; 2]> {
        self.algorithms.iter().map(|algorithm| algorithm.value()).collect()
    }

    /// Adds what a client needs to ask again.
    pub(super) fn challenge(&self, request: &Request<'_>, answer: &mut Writer<'_>) {
        answer.attribute(REALM, self.realm.as_bytes());
        answer.attribute(NONCE, &self.nonces.issue(request.now, request.flow.remote()));
        answer.attribute(PASSWORD_ALGORITHMS, self.offer().as_flattened());
    }
}

/// The code of the answer follows what the client has shown that it knows, and not the code of its request
/// ([RFC 8489 §9.2.4]): SHA-256 for one that names a password algorithm.
///
/// [RFC 8489 §9.2.4]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4
fn authenticated(message: &Message<'_>, owner: Owner) -> Authenticated {
    let integrity = if names_algorithm(message) { Algorithm::Sha256 } else { Algorithm::Sha1 };
    Authenticated { owner, integrity }
}

/// Whether the client knows of password algorithms: one that does not means MD5.
fn names_algorithm(message: &Message<'_>) -> bool {
    message.attribute(PASSWORD_ALGORITHM).is_some() || message.attribute(PASSWORD_ALGORITHMS).is_some()
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

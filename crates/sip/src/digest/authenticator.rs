//! The side that asks.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringback_sansio::Transport;
use smallvec::SmallVec;

use super::algorithm::{Algorithm, Hash};
use super::counts::Counts;
use super::credentials::Credentials;
use super::ha1::Ha1;
use super::nonce::{Freshness, Nonces, Stamp};
use super::realm::Realm;
use super::refusal::{Refusal, Staleness};
use super::response::{AfterSecret, response};

/// Challenges requests and verifies the answers, for one realm.
///
/// Until credentials are right it remembers nothing: a challenge is made from the time and the address, and what a
/// wrong answer costs is a few hashes.
pub struct Authenticator {
    realm: Realm,
    algorithms: SmallVec<[Algorithm; 3]>,
    nonces: Nonces,
    counts: Counts,
    /// Stands in for the secret of a user that there is not, so that it takes as long to refuse.
    nobody: [Ha1; 3],
    stats: Stats,
}

/// Credentials that lack nothing but the secret of their user: what [`Authenticator::examine`] leaves to be verified.
#[derive(Clone)]
pub struct Claim {
    stamp: Stamp,
    count: u32,
    algorithm: Algorithm,
    response: Option<Hash>,
    after_secret: AfterSecret,
}

impl Claim {
    /// The algorithm of the secret that it is verified against.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// The algorithm only: the rest is as good as credentials until it is used.
impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claim({})", self.algorithm)
    }
}

/// How an [`Authenticator`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the realm's stored secrets can verify.
    ///
    /// A setting of the server, not of each user: a challenge that differed for users that exist would tell who does.
    /// None is MD5 alone.
    pub algorithms: Vec<Algorithm>,
    /// For how long a nonce is taken.
    pub lifetime: Duration,
    /// For how many nonces the count is remembered.
    pub nonces: usize,
}

/// The value of a WWW-Authenticate or Proxy-Authenticate header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeValue(SmallVec<[u8; 160]>);

/// What an [`Authenticator`] has done, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of `Refusal`")]
pub struct Stats {
    /// Challenges issued.
    pub challenged: u64,
    /// Answers accepted.
    pub accepted: u64,
    pub no_credentials: u64,
    pub wrong_realm: u64,
    pub malformed: u64,
    pub unsupported_algorithm: u64,
    pub unsupported_qop: u64,
    pub foreign_nonce: u64,
    pub expired: u64,
    pub replayed: u64,
    pub bad_credentials: u64,
}

impl Authenticator {
    /// An authenticator under a random secret. `start` is any instant before the first use.
    pub fn new(realm: Realm, secret: [u8; 32], start: Instant, settings: &Settings) -> Self {
        let mut algorithms: SmallVec<[Algorithm; 3]> = SmallVec::from_slice(&settings.algorithms);
        if algorithms.is_empty() {
            algorithms.push(Algorithm::Md5);
        }
        algorithms.sort_unstable_by(|one, other| other.cmp(one));
        algorithms.dedup();
        Authenticator {
            nobody: Algorithm::ALL
                .map(|algorithm| Ha1::of_password(algorithm, b"", realm.as_bytes(), &secret)),
            realm,
            algorithms,
            nonces: Nonces::new(secret, start, settings.lifetime),
            counts: Counts::new(settings.nonces),
            stats: Stats::default(),
        }
    }

    /// The realm.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// What has been done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Makes the challenges for a request from the address, one header line each.
    ///
    /// The strongest comes first, as [RFC 8760 §2.4] has it. A browser is given MD5 alone: SIP libraries in JavaScript
    /// know nothing else, and some take the first challenge whatever it says.
    ///
    /// [RFC 8760 §2.4]: https://www.rfc-editor.org/rfc/rfc8760#section-2.4
    pub fn challenge(
        &mut self,
        now: Instant,
        source: IpAddr,
        transport: Transport,
        staleness: Staleness,
    ) -> SmallVec<[ChallengeValue; 2]> {
        self.stats.challenged += 1;
        let nonce = self.nonces.issue(now, source);
        let for_browser = transport.is_websocket() && self.algorithms.contains(&Algorithm::Md5);
        self.algorithms
            .iter()
            .filter(|&&algorithm| !for_browser || algorithm == Algorithm::Md5)
            .map(|algorithm| {
                let mut value = SmallVec::new();
                value.extend_from_slice(b"Digest realm=\"");
                value.extend_from_slice(self.realm.as_bytes());
                value.extend_from_slice(b"\", nonce=\"");
                value.extend_from_slice(nonce.as_bytes());
                value.extend_from_slice(b"\", algorithm=");
                value.extend_from_slice(algorithm.token().as_bytes());
                value.extend_from_slice(b", qop=\"auth\"");
                if staleness == Staleness::Stale {
                    value.extend_from_slice(b", stale=true");
                }
                ChallengeValue(value)
            })
            .collect()
    }

    /// Picks the credentials for our realm from the values of a request's Authorization or Proxy-Authorization lines.
    pub fn select<'m>(
        &mut self,
        values: impl IntoIterator<Item = &'m [u8]>,
    ) -> Result<Credentials<'m>, Refusal> {
        let mut refusal = Refusal::NoCredentials;
        for value in values {
            match Credentials::parse(value) {
                Ok(Some(credentials)) if *credentials.realm() == *self.realm.as_bytes() => {
                    return Ok(credentials);
                }
                Ok(Some(_)) if refusal == Refusal::NoCredentials => refusal = Refusal::WrongRealm,
                Ok(_) => {}
                Err(defect) => refusal = Refusal::Malformed(defect),
            }
        }
        Err(self.count(refusal))
    }

    /// Checks what needs no knowledge of the user, before the caller asks the store for one, of credentials for a request
    /// with that method.
    ///
    /// Without a nonce of ours, which only reaches those who can receive at their address, nobody makes the store work.
    ///
    /// The `uri` of the credentials is not compared with the Request-URI: proxies and phones write them differently
    /// (port, parameters, `sips`), and since each response is good for one request, its worth to a thief is the request
    /// that it was for. The method is bound, by being hashed.
    pub fn examine(
        &mut self,
        now: Instant,
        source: IpAddr,
        method: &[u8],
        credentials: &Credentials<'_>,
    ) -> Result<Claim, Refusal> {
        match self.examined(now, source, credentials) {
            Ok((stamp, algorithm)) => Ok(Claim {
                stamp,
                algorithm,
                count: credentials.count(),
                response: credentials.response().copied(),
                after_secret: credentials.request(method).after_secret(algorithm),
            }),
            Err(refusal) => Err(self.count(refusal)),
        }
    }

    /// Verifies a claim against the secret that the user has for [`Claim::algorithm`]: `None` for no user, or none with
    /// such a secret.
    pub fn verify(&mut self, claim: &Claim, secret: Option<&Ha1>) -> Result<(), Refusal> {
        // Another request may have used the count since it was examined.
        if !self.counts.is_new(claim.stamp, claim.count) {
            return Err(self.count(Refusal::Replayed));
        }
        if !self.is_right(claim, secret) {
            return Err(self.count(Refusal::BadCredentials));
        }
        self.counts.note(claim.stamp, claim.count);
        self.stats.accepted += 1;
        Ok(())
    }

    fn is_right(&self, claim: &Claim, secret: Option<&Ha1>) -> bool {
        let secret = secret.filter(|secret| secret.algorithm() == claim.algorithm);
        let [md5, sha256, sha512_256] = &self.nobody;
        let nobody = match claim.algorithm {
            Algorithm::Md5 => md5,
            Algorithm::Sha256 => sha256,
            Algorithm::Sha512_256 => sha512_256,
        };
        let expected = response(secret.unwrap_or(nobody), &claim.after_secret);
        // Compared whether or not there is a user: the time must not tell.
        let same = claim.response.is_some_and(|response| response.same(&expected));
        same & secret.is_some()
    }

    fn examined(
        &self,
        now: Instant,
        source: IpAddr,
        credentials: &Credentials<'_>,
    ) -> Result<(Stamp, Algorithm), Refusal> {
        let algorithm = credentials.algorithm().filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(Refusal::UnsupportedAlgorithm)?;
        if credentials.has_unsupported_qop() {
            return Err(Refusal::UnsupportedQop);
        }
        match self.nonces.check(now, source, credentials.nonce()) {
            Freshness::Foreign => Err(Refusal::ForeignNonce),
            Freshness::Stale => Err(Refusal::Expired),
            Freshness::Fresh(stamp) if self.counts.is_new(stamp, credentials.count()) => {
                Ok((stamp, algorithm))
            }
            Freshness::Fresh(_) => Err(Refusal::Replayed),
        }
    }

    fn count(&mut self, refusal: Refusal) -> Refusal {
        let stats = &mut self.stats;
        let counter = match refusal {
            Refusal::NoCredentials => &mut stats.no_credentials,
            Refusal::WrongRealm => &mut stats.wrong_realm,
            Refusal::Malformed(_) => &mut stats.malformed,
            Refusal::UnsupportedAlgorithm => &mut stats.unsupported_algorithm,
            Refusal::UnsupportedQop => &mut stats.unsupported_qop,
            Refusal::ForeignNonce => &mut stats.foreign_nonce,
            Refusal::Expired => &mut stats.expired,
            Refusal::Replayed => &mut stats.replayed,
            Refusal::BadCredentials => &mut stats.bad_credentials,
        };
        *counter += 1;
        refusal
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("realm", &self.realm)
            .field("algorithms", &self.algorithms)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    /// SHA-256 and MD5, nonces for five minutes, counts of 65 536 of them in 0.9 MB.
    fn default() -> Self {
        Settings {
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            lifetime: Duration::from_secs(300),
            nonces: 65_536,
        }
    }
}

impl AsRef<[u8]> for ChallengeValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

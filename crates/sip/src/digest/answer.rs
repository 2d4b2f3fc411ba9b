//! The side that is asked: for trunks, and for tests.

use std::fmt;

use super::algorithm::Algorithm;
use super::ha1::Ha1;
use super::response::{Auth, Request, response};
use crate::grammar;
use crate::header::Challenge;

/// Who we are to another server.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The realm whose challenges are answered; `None` answers any. A password must not be offered to a realm that it
    /// is not for.
    pub realm: Option<&'a [u8]>,
    /// The user.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// The request that an answer is for, and what makes the answer unlike any other.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The Request-URI.
    pub uri: &'a [u8],
    /// Characters that were not used before with this nonce.
    pub cnonce: &'a str,
    /// How many answers were made with this nonce, this one included.
    pub nc: u32,
}

/// Why no challenge can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Unanswerable {
    /// There is no challenge that can be read.
    #[error("no challenge")]
    NoChallenge,
    /// Every challenge is for another realm.
    #[error("another realm")]
    WrongRealm,
    /// No challenge has an algorithm that we know.
    #[error("no known algorithm")]
    UnknownAlgorithm,
    /// No challenge takes `qop=auth` or none.
    #[error("no known qop")]
    UnknownQop,
}

/// Answers the strongest of the challenges: the value of the Authorization or Proxy-Authorization header.
///
/// The choice is by algorithm and not by order, so that who can put a challenge in front cannot talk us down. An offer
/// without `qop` is answered in the form of RFC 2069.
pub fn answer<'c>(
    challenges: impl IntoIterator<Item = &'c [u8]>,
    login: &Login<'_>,
    purpose: &Purpose<'_>,
) -> Result<Vec<u8>, Unanswerable> {
    let mut obstacle = Unanswerable::NoChallenge;
    let mut strongest: Option<Offer<'_>> = None;
    for value in challenges {
        match Offer::read(value, login) {
            Ok(offer) if strongest.as_ref().is_none_or(|best| offer.algorithm > best.algorithm) => {
                strongest = Some(offer);
            }
            Ok(_) => {}
            Err(reason) => obstacle = obstacle.max(reason),
        }
    }
    Ok(strongest.ok_or(obstacle)?.answer(login, purpose))
}

/// A challenge that can be answered.
struct Offer<'c> {
    challenge: Challenge<'c>,
    algorithm: Algorithm,
    realm: std::borrow::Cow<'c, [u8]>,
    nonce: std::borrow::Cow<'c, [u8]>,
    with_qop: bool,
}

impl<'c> Offer<'c> {
    fn read(value: &'c [u8], login: &Login<'_>) -> Result<Self, Unanswerable> {
        let challenge =
            Challenge::parse(value).ok().filter(Challenge::is_digest).ok_or(Unanswerable::NoChallenge)?;
        let realm = challenge.realm().ok_or(Unanswerable::NoChallenge)?;
        let nonce = challenge.nonce().ok_or(Unanswerable::NoChallenge)?;
        if login.realm.is_some_and(|own| *own != *realm) {
            return Err(Unanswerable::WrongRealm);
        }
        let algorithm = match challenge.param(b"algorithm") {
            None => Algorithm::Md5,
            Some(token) => Algorithm::from_token(&token).ok_or(Unanswerable::UnknownAlgorithm)?,
        };
        let with_qop = challenge.param(b"qop").is_some();
        if with_qop && !challenge.offers_qop(b"auth") {
            return Err(Unanswerable::UnknownQop);
        }
        Ok(Offer { challenge, algorithm, realm, nonce, with_qop })
    }

    fn answer(&self, login: &Login<'_>, purpose: &Purpose<'_>) -> Vec<u8> {
        let secret = Ha1::of_password(self.algorithm, login.user, &self.realm, login.password);
        let nc = format!("{:08x}", purpose.nc);
        let auth = self.with_qop.then_some(Auth { nc: nc.as_bytes(), cnonce: purpose.cnonce.as_bytes() });
        let request = Request { method: purpose.method, uri: purpose.uri, nonce: &self.nonce, auth };
        let hash = response(&secret, &request.after_secret(secret.algorithm())).hex();
        let mut value = b"Digest ".to_vec();
        quoted(&mut value, "username", login.user);
        quoted(&mut value, ", realm", &self.realm);
        quoted(&mut value, ", nonce", &self.nonce);
        quoted(&mut value, ", uri", purpose.uri);
        quoted(&mut value, ", response", hash.as_bytes());
        bare(&mut value, ", algorithm", self.algorithm.token().as_bytes());
        if self.with_qop {
            bare(&mut value, ", qop", b"auth");
            bare(&mut value, ", nc", nc.as_bytes());
            quoted(&mut value, ", cnonce", purpose.cnonce.as_bytes());
        }
        if let Some(opaque) = self.challenge.param(b"opaque") {
            quoted(&mut value, ", opaque", &opaque);
        }
        value
    }
}

fn quoted(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    grammar::quote(text, out);
}

fn bare(out: &mut Vec<u8>, name: &str, token: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(token);
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: Purpose<'_> =
        Purpose { method: b"INVITE", uri: b"sip:bob@example.com", cnonce: "c0ffee", nc: 1 };

    fn login(realm: Option<&[u8]>) -> Login<'_> {
        Login { realm, user: b"alice", password: "pa55:wörd \"q\"".as_bytes() }
    }

    fn answer_to(challenges: &[&str]) -> Result<String, Unanswerable> {
        answer(challenges.iter().map(|value| value.as_bytes()), &login(Some(b"sip.example.com")), &PURPOSE)
            .map(|value| String::from_utf8(value).unwrap())
    }

    fn challenge(rest: &str) -> String {
        format!("Digest realm=\"sip.example.com\", nonce=\"n0nce-0001\"{rest}")
    }

    #[test]
    fn the_strongest_is_answered_wherever_it_stands() {
        let md5 = challenge(", algorithm=MD5, qop=\"auth\"");
        let sha256 = challenge(", algorithm=SHA-256, qop=\"auth\"");
        let sha512 = challenge(", algorithm=SHA-512-256, qop=\"auth\"");
        for order in [[&md5, &sha256, &sha512], [&sha512, &md5, &sha256], [&sha256, &sha512, &md5]] {
            let value = answer_to(&order.map(String::as_str)).unwrap();
            assert!(value.contains("algorithm=SHA-512-256"), "{value}");
        }
    }

    #[test]
    fn an_offer_without_qop_is_answered_without() {
        // tests/vectors/digest, sip_invite_noqop_MD5
        let value = answer_to(&[&challenge(", opaque=\"o\\\"p\"")]).unwrap();
        assert_eq!(
            value,
            "Digest username=\"alice\", realm=\"sip.example.com\", nonce=\"n0nce-0001\", \
             uri=\"sip:bob@example.com\", response=\"19cc7755fbae8d9582db762d8120489e\", algorithm=MD5, \
             opaque=\"o\\\"p\""
        );
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        assert_eq!(answer_to(&[]), Err(Unanswerable::NoChallenge));
        assert_eq!(answer_to(&["Basic realm=\"sip.example.com\""]), Err(Unanswerable::NoChallenge));
        assert_eq!(answer_to(&["Digest realm=\"other\", nonce=\"n\""]), Err(Unanswerable::WrongRealm));
        assert_eq!(answer_to(&[&challenge(", algorithm=MD5-sess")]), Err(Unanswerable::UnknownAlgorithm));
        assert_eq!(answer_to(&[&challenge(", qop=\"auth-int\"")]), Err(Unanswerable::UnknownQop));
        assert!(
            answer_to(&[&challenge(", qop=\"auth-int\""), &challenge(", qop=\"auth-int,auth\"")]).is_ok()
        );
    }

    #[test]
    fn debug_shows_no_password() {
        assert_eq!(format!("{:?}", login(None)), "Login(alice)");
    }
}

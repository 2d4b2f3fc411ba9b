//! Who asks for something over HTTP: the users, by their passwords ([RFC 7617]).
//!
//! A password comes as it is, so it is taken over TLS or from this machine only, and guesses are few. Pages of other
//! origins are refused: what is answered is for whoever is signed in here.
//!
//! [RFC 7617]: https://www.rfc-editor.org/rfc/rfc7617

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use ringback_control::{Guesses, User};
use ringback_sip::digest::{Algorithm, Ha1};

use super::host::is_page_of;
use super::own_machine::is_of_own_machine;
use super::{Peer, Refusal};

/// The users, as every connection asks for them.
pub struct SignIn {
    realm: String,
    users: RwLock<HashMap<String, Ha1>>,
    guesses: Mutex<Guesses>,
}

/// The one of the stored hashes by which passwords are compared.
const ALGORITHM: Algorithm = Algorithm::Sha256;

impl SignIn {
    /// Nobody yet, in this realm.
    pub fn new(realm: &str) -> Self {
        let guesses = Guesses::new(Instant::now(), rand::random());
        SignIn { realm: realm.to_owned(), users: RwLock::default(), guesses: Mutex::new(guesses) }
    }

    /// Takes a user as it is from now on; `None` removes it.
    pub fn set(&self, name: &str, user: Option<&User>) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        match user.and_then(|user| user.ha1.iter().find(|ha1| ha1.algorithm() == ALGORITHM)) {
            Some(ha1) => users.insert(name.to_owned(), ha1.clone()),
            None => users.remove(name),
        };
    }

    /// Whether there is such a user with that password.
    pub fn is_user(&self, name: &str, password: &str) -> bool {
        // Hashed in any case: it takes as long for users whom there are not.
        let given = Ha1::of_password(ALGORITHM, name.as_bytes(), self.realm.as_bytes(), password.as_bytes());
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(name).is_some_and(|known| *known == given)
    }

    /// The user that a request is of, which has come from `source`.
    pub fn user(
        &self,
        now: Instant,
        peer: Peer,
        source: IpAddr,
        headers: &HeaderMap,
    ) -> Result<String, Refusal> {
        if !is_of_our_origin(headers) {
            return Err(Refusal::ForeignOrigin);
        }
        if !peer.secure && !is_of_own_machine(peer, source, headers) {
            return Err(Refusal::Insecure);
        }
        let given = headers.get(AUTHORIZATION).ok_or(Refusal::NoPassword)?;
        let (name, password) = credentials(given).ok_or(Refusal::NoPassword)?;
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if !guesses.may_try(now, source) {
            return Err(Refusal::TooManyGuesses);
        }
        if self.is_user(&name, &password) {
            return Ok(name);
        }
        guesses.was_wrong(now, source);
        Err(Refusal::WrongPassword)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// Whether it is no page of another origin that asks. What is no page says nothing.
pub(super) fn is_of_our_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    headers.get(HOST).is_some_and(|host| is_page_of(origin, host.as_bytes()))
}

/// The name and password of `Authorization: Basic …`.
fn credentials(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "example.org";

    fn sign_in() -> SignIn {
        let ha1 = Ha1::of_password(ALGORITHM, b"alice", REALM.as_bytes(), b"se:cret");
        let sign_in = SignIn::new(REALM);
        let alice = User { name: "alice".to_owned(), display: None, ha1: vec![ha1] };
        sign_in.set("alice", Some(&alice));
        sign_in
    }

    fn peer(remote: &str, secure: bool) -> Peer {
        Peer { local: "192.0.2.1:8443".parse().unwrap(), remote: remote.parse().unwrap(), secure }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn asked(sign_in: &SignIn, peer: Peer, pairs: &[(&'static str, &str)]) -> Result<String, Refusal> {
        sign_in.user(Instant::now(), peer, peer.remote.ip(), &headers(pairs))
    }

    #[test]
    fn a_user_is_who_knows_the_password_of_sip() {
        let (sign_in, peer) = (sign_in(), peer("192.0.2.9:4000", true));
        let asks = |text: &str| asked(&sign_in, peer, &[("authorization", &basic(text))]);
        assert_eq!(asks("alice:se:cret"), Ok("alice".to_owned()));
        assert_eq!(asks("alice:secret"), Err(Refusal::WrongPassword));
        assert_eq!(asks("bob:se:cret"), Err(Refusal::WrongPassword));
        assert_eq!(asks("alice"), Err(Refusal::NoPassword));
        assert_eq!(asked(&sign_in, peer, &[]), Err(Refusal::NoPassword));
        assert_eq!(
            asked(&sign_in, peer, &[("authorization", "Bearer YWxpY2U6c2U6Y3JldA==")]),
            Err(Refusal::NoPassword)
        );
        sign_in.set("alice", None);
        assert_eq!(asks("alice:se:cret"), Err(Refusal::WrongPassword), "it is no more");
    }

    #[test]
    fn a_password_comes_over_tls_or_from_this_machine() {
        let sign_in = sign_in();
        let given = basic("alice:se:cret");
        let pairs = [("authorization", &*given), ("host", "localhost:8080")];
        let asks = |peer| asked(&sign_in, peer, &pairs).is_ok();
        assert!(asks(peer("127.0.0.1:4000", false)) && asks(peer("192.0.2.9:4000", true)));
        assert!(!asks(peer("192.0.2.9:4000", false)));
        // A proxy on this machine says that its client is elsewhere.
        let (near, far) = (peer("127.0.0.1:4000", false), "192.0.2.9".parse().unwrap());
        let asked = sign_in.user(Instant::now(), near, far, &headers(&pairs));
        assert_eq!(asked, Err(Refusal::Insecure));
    }

    #[test]
    fn pages_of_other_origins_are_refused_whatever_they_know() {
        let (sign_in, given) = (sign_in(), basic("alice:se:cret"));
        let asks = |origin: &str| {
            let pairs = [("authorization", &*given), ("host", "phone.example.org:8443"), ("origin", origin)];
            asked(&sign_in, peer("192.0.2.9:4000", true), &pairs)
        };
        assert!(asks("https://phone.example.org:8443").is_ok());
        for origin in [
            "https://phone.example.org",
            "https://evil.example",
            "null",
            "https://phone.example.org:8443.evil.example",
        ] {
            assert_eq!(asks(origin), Err(Refusal::ForeignOrigin), "{origin}");
        }
    }

    #[test]
    fn after_five_wrong_ones_even_the_right_one_is_not_taken() {
        let (sign_in, peer) = (sign_in(), peer("192.0.2.9:4000", true));
        let asks = |text: &str| asked(&sign_in, peer, &[("authorization", &basic(text))]);
        for _ in 0..5 {
            assert_eq!(asks("alice:guess"), Err(Refusal::WrongPassword));
        }
        assert_eq!(asks("alice:se:cret"), Err(Refusal::TooManyGuesses));
    }
}

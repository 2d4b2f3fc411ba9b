//! Digest authentication ([RFC 3261 §22], [RFC 7616], [RFC 8760]): both sides of it.
//!
//! The server keeps nothing of a request before its credentials are right. A nonce is the time and an HMAC over it and
//! the client's address, so that a flood of requests costs a hash each and no memory; the last nonce count of each nonce
//! is kept in a table of fixed size, and only once it was answered rightly. What a challenge needs, it says with
//! [`Refusal::reply`].
//!
//! Assumptions and what is left out:
//! - `qop=auth` only. `auth-int` is not offered: clients in browsers break on it, and under TLS it adds
//!   nothing. Credentials with it, and the `-sess` algorithms, are refused with a new challenge.
//! - A response without `qop` (RFC 2069, old phones) is taken, once for each nonce, as it has no count to tell a replay by.
//! - `username*` and `userhash` are not offered and not read.
//! - The `uri` of credentials is hashed and not compared: see [`Authenticator::examine`].
//! - No Authentication-Info: no client in use reads it.
//! - Retransmissions are absorbed by their transaction before they come here; one that comes here is a replay.
//!
//! [RFC 3261 §22]: https://www.rfc-editor.org/rfc/rfc3261#section-22
//! [RFC 7616]: https://www.rfc-editor.org/rfc/rfc7616
//! [RFC 8760]: https://www.rfc-editor.org/rfc/rfc8760

mod algorithm;
mod answer;
mod authenticator;
mod counts;
mod credentials;
mod ha1;
mod nonce;
mod realm;
mod refusal;
mod response;

pub use algorithm::Algorithm;
pub use answer::{Login, Purpose, Unanswerable, answer};
pub use authenticator::{Authenticator, ChallengeValue, Claim, Settings, Stats};
pub use credentials::Credentials;
pub use ha1::Ha1;
pub use nonce::{Freshness, Nonce, Nonces, Stamp};
pub use realm::{InvalidRealm, Realm};
pub use refusal::{Defect, Refusal, Reply, Staleness};

//! DTLS-SRTP ([RFC 5763], [RFC 5764]): DTLS 1.2 and 1.3 in both roles, with self-signed certificates that are known by
//! their fingerprints.
//!
//! The protocol is the crate `dimpl`. What is ours stands around it: the fingerprint is compared before a key leaves,
//! whenever it becomes known; the keys are split by role; and bytes that anybody could have sent never end an
//! association, for which `dimpl` alone is too strict (to it every error is final).
//!
//! Assumptions: datagrams come only from pairs that ICE has validated, so there is no cookie exchange: the check has
//! already shown what a cookie would. Certificates are ECDSA with P-256 or P-384, as browsers make them; RSA is not
//! supported. Nothing but the fingerprint is looked at in a certificate: neither dates nor names, and no chain.
//!
//! Beside it stands DTLS 1.2 that carries application data, in the role of a server ([RFC 7350]: TURN): [`Association`]. Its
//! clients are strangers and show no certificate, so nothing is kept of one before it has brought a cookie back
//! ([`Cookies`]). DTLS 1.3 would want what the first hello said to be kept, or to be put into the cookie, which `dimpl` does
//! not; clients that speak it speak 1.2 as well.
//!
//! Left out: data channels, resumption, renegotiation, DTLS 1.0, connection identifiers, key update
//! of the SRTP keys.
//!
//! About determinism: `dimpl` takes randoms, key shares and the jitter of its timers from the system's random numbers,
//! and reads the system clock once in a process for the four bytes of time in the random of a DTLS 1.2 hello. Deadlines
//! are computed from the `now` that it is given, and certificates are not checked against any clock.
//!
//! [RFC 5763]: https://www.rfc-editor.org/rfc/rfc5763
//! [RFC 5764]: https://www.rfc-editor.org/rfc/rfc5764
//! [RFC 7350]: https://www.rfc-editor.org/rfc/rfc7350

mod association;
mod cookie;
mod endpoint;
mod event;
mod failure;
mod fingerprint;
#[doc(hidden)]
pub mod fuzz;
mod hello;
mod identity;
mod keys;
mod record;
mod vouching;

pub use association::{Association, Change, NotConnected, ServerIdentity};
pub use cookie::{Cookies, Greeting, HELLO_VERIFY_REQUEST, NotGreeted, Verified, is_client_hello};
pub use endpoint::{Endpoint, MAX_TRANSMIT};
pub use event::{Event, Role, Stats, Version};
pub use failure::Failure;
pub use fingerprint::{Fingerprint, HashAlgorithm, ParseFingerprintError};
pub use identity::{Identity, IdentityError};
pub use keys::{Keys, Secret};
pub use record::Drop;

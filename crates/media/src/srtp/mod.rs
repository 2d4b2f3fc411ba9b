//! SRTP and SRTCP ([RFC 3711], [RFC 7714]), in place.
//!
//! A [`Sender`] protects what we send to one far end and a [`Receiver`] opens what it sends to us. Each holds one
//! master key and, for each SSRC, the roll-over counter and the indices that were used.
//!
//! Assumptions: the key derivation rate is 0 and there is no MKI, as in every DTLS-SRTP profile that browsers offer
//! ([RFC 5764 §4.1.2]); a packet arrives whole, with at least [`TAIL_ROOM`] bytes of room behind it when it is protected.
//!
//! Left out: AES-f8, NULL encryption, the 32-bit authentication tag, encrypted header extensions ([RFC 6904]),
//! unencrypted SRTCP (a packet without the E bit is refused), re-keying of a running context (a new handshake makes
//! new contexts).
//!
//! The sender refuses an index that it has used, whatever the payload: a far end whose plain RTP repeats a sequence
//! number must not make us encrypt two payloads with one key stream.
//!
//! [RFC 3711]: https://www.rfc-editor.org/rfc/rfc3711
//! [RFC 5764 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2
//! [RFC 6904]: https://www.rfc-editor.org/rfc/rfc6904
//! [RFC 7714]: https://www.rfc-editor.org/rfc/rfc7714

mod aead;
mod aes_cm;
mod derivation;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod index;
mod mac;
mod receiver;
mod sender;
mod suite;
mod transform;

pub use error::{KeyError, SrtpError};
pub use receiver::Receiver;
pub use sender::Sender;
pub use suite::{Suite, TAIL_ROOM};

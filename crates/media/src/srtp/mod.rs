//! SRTP and SRTCP ([RFC 3711], [RFC 7714]), in place.
//!
//! A [`Sender`] protects what we send to one far end and a [`Receiver`] opens what it sends to us. Each holds a
//! master key and, for each SSRC, the roll-over counter and the indices that were used.
//!
//! Assumptions: the key derivation rate is 0, as in every DTLS-SRTP profile that browsers offer ([RFC 5764 §4.1.2]) and
//! wherever SDES does not say otherwise ([RFC 4568 §6.3.1]); a packet arrives whole, with at least [`TAIL_ROOM`] bytes
//! of room behind it when it is protected.
//!
//! A [`Sender`] writes the MKI of its key, if that has one; a receiver may have several keys, and takes the one that a
//! packet names by its MKI ([`Mki`]).
//!
//! Left out: AES-f8, NULL encryption, 192-bit keys, encrypted header extensions ([RFC 6904]), unencrypted SRTCP (a packet
//! without the E bit is refused). A new key makes new contexts; a receiver can [follow](Receiver::follow) the one before
//! it.
//!
//! The sender refuses an index that it has used, whatever the payload: a far end whose plain RTP repeats a sequence
//! number must not make us encrypt two payloads with one key stream.
//!
//! [RFC 3711]: https://www.rfc-editor.org/rfc/rfc3711
//! [RFC 4568 §6.3.1]: https://www.rfc-editor.org/rfc/rfc4568#section-6.3.1
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
mod master_key;
mod mki;
mod receiver;
mod sender;
mod suite;
mod transform;

pub use error::{KeyError, SrtpError};
pub use master_key::MasterKey;
pub use mki::Mki;
pub use receiver::Receiver;
pub use sender::Sender;
pub use suite::{Suite, TAIL_ROOM};

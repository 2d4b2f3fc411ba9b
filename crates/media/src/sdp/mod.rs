//! Session descriptions: parse, a typed view, write ([RFC 8866]).
//!
//! `sdp-types` splits the lines; [`Description`] and its [`Section`]s are what an exchange needs of them, typed once:
//! codecs with the static payload types of [RFC 3551], directions, the ICE attributes of [RFC 8839], fingerprints of
//! [RFC 8122], the keys of [RFC 4568], setup roles of [RFC 8842], BUNDLE and mid of [RFC 8843], `a=rtcp` and rtcp-mux,
//! the feedback of [RFC 4585], and what a fax says of itself ([RFC 3362], `t38.rs`). Attributes at session level are
//! folded into the sections they hold for, so that nothing above asks twice.
//!
//! Assumptions: text is read leniently and written strictly. A line that is broken, and that no call needs, does not
//! refuse a description; a broken `v=`, `c=` or `m=` does. What is written is what the typed view holds: attributes that
//! it does not know (`extmap`, `framerate`, …) are not carried on, because each leg has a session of its own.
//!
//! Left out: times, bandwidths and `k=` (`t=` is written as `0 0`), trickled
//! candidates, simulcast, and of what is only about video all but `a=rtcp-fb` and our own `a=ssrc`.
//!
//! [RFC 3362]: https://www.rfc-editor.org/rfc/rfc3362
//! [RFC 3551]: https://www.rfc-editor.org/rfc/rfc3551#section-6
//! [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
//! [RFC 4585]: https://www.rfc-editor.org/rfc/rfc4585
//! [RFC 8122]: https://www.rfc-editor.org/rfc/rfc8122
//! [RFC 8839]: https://www.rfc-editor.org/rfc/rfc8839
//! [RFC 8842]: https://www.rfc-editor.org/rfc/rfc8842
//! [RFC 8843]: https://www.rfc-editor.org/rfc/rfc8843
//! [RFC 8866]: https://www.rfc-editor.org/rfc/rfc8866

mod attributes;
mod candidate;
mod codec;
mod crypto;
mod description;
mod direction;
mod error;
mod feedback;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod rtcp;
mod salvage;
mod section;
mod setup;
mod t38;

pub use candidate::{Candidate, CandidateType};
pub use codec::{Codec, Kind};
pub use crypto::Crypto;
pub use description::{Description, Origin};
pub use direction::Direction;
pub use error::ParseError;
pub use feedback::{Feedback, Sources};
pub use host::Host;
pub use rtcp::Rtcp;
pub use section::{MediaType, Section};
pub use setup::Setup;
pub use t38::T38;

/// The longest description that is read, in bytes.
pub const MAX_LEN: usize = 64 * 1024;
/// The most m= sections of a description.
pub const MAX_SECTIONS: usize = 32;
/// The most payload types of an m= section.
pub const MAX_FORMATS: usize = 64;
/// The most candidates that are kept of an m= section; a lite agent checks none of them, so more do no harm.
pub const MAX_CANDIDATES: usize = 64;
/// The most `a=crypto` lines that are read of an m= section.
pub const MAX_CRYPTO: usize = 16;
/// The most fingerprints that are kept of an m= section.
pub const MAX_FINGERPRINTS: usize = 16;

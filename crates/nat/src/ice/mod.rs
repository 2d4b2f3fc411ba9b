//! ICE ([RFC 8445]) as a lite agent, and consent as [RFC 7675] asks for it, seen from that side.
//!
//! Assumptions: our candidates are host candidates that the far end can reach, there is one component (rtcp-mux), and
//! the far end is a full agent, so it controls: it checks, it nominates, and its checks are the only sign of life.
//! A check is authenticated with *our* password. It can therefore be answered before the far end's answer has told
//! its credentials.
//!
//! Left out: checks of our own, candidates other than ours, gathering, a controlling role.
//!
//! [RFC 8445]: https://www.rfc-editor.org/rfc/rfc8445
//! [RFC 7675]: https://www.rfc-editor.org/rfc/rfc7675

mod candidate;
mod credentials;
mod lite;

pub use candidate::{CandidateType, priority};
pub use credentials::Credentials;
pub use lite::{Check, Event, Lite, Pair, Reason, Stats};

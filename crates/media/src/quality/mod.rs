//! How good a call is, and why it has no sound.
//!
//! - [`emodel`] rates a direction of a leg by ITU-T G.107.
//! - [`Meter`] takes a sample of a leg every five seconds, from what we receive and from what the far end's receiver
//!   reports tell, and keeps a bounded [`Series`] of them.
//! - [`blame`] says which of the hops of a call is the worst.
//! - [`History`] is what has happened to a leg and when; [`judge`] makes a [`Verdict`] of the histories of two legs: why
//!   one party does not hear the other, in a sentence that names the party, the cause and the mend.
//!
//! Assumptions: the far ends' jitter buffers and terminals are not seen, so scores compare calls and find the bad hop;
//! they are not what a listening test would say. Delay is that of one hop, not from mouth to mouth.
//!
//! Left out: extended reports (RFC 3611), whose figures come from the far end's own guess at the same model.

mod blame;
pub mod emodel;
mod history;
mod sample;
mod series;
mod silence;
mod summary;
mod verdict;

pub use blame::{Blame, Hop, Why, blame};
pub use emodel::Mos;
pub use history::{Connecting, History};
pub use sample::{Far, Incoming, Outgoing, Reading, Sample};
pub use series::{Meter, Series};
pub(crate) use silence::{Listener, is_audible};
pub use summary::{Direction, Summary};
pub use verdict::{Cause, Party, Told, Verdict, judge};

//! Files of audio, read and written as bytes: [`wav`] and Opus in Ogg ([`ogg`]).
//!
//! Both are read from slices of any length, as they come from a disk or a network, and with bounded memory. Nothing here
//! opens a file or knows how long it is.
//!
//! Crates exist for both (`hound`, `ogg`) and tests compare with them; but they own the reader or writer that they read
//! from and allocate for every packet, and here there is neither.

mod clip;
#[doc(hidden)]
pub mod fuzz;
pub mod ogg;
pub mod wav;

pub use clip::{ClipError, ClipReader, MOST_SECONDS};

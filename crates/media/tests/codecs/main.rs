//! Codecs from outside: what goes in comes out, what is lost is concealed, what others have encoded is read, and no
//! bytes do harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod loss;
mod properties;
mod round_trip;
mod signals;
mod vectors;

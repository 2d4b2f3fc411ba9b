//! The ng control protocol: what a proxy sends, what it gets, and what the media workers are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bridging;
mod ending;
mod fuzzing;
mod kit;
mod passing;
mod playing;
mod protecting;
mod reading;
mod recording;
mod repeating;
mod saying;
mod watching;

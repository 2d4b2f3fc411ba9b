//! Audio between decoder and encoder: mono frames of 16-bit samples.
//!
//! [`JitterBuffer`] turns the packets of a stream into an even flow of frames, and [`Stretch`] plays one of them a little
//! faster or slower when it asks for that. [`Mixer`] is a conference, [`ToneGenerator`] what a caller hears while a call
//! is set up, [`level()`] and [`SpeechDetector`] say how loud a frame is and whether somebody speaks.
//!
//! The machines take their memory when they are made; a frame allocates nothing. None has a clock.

#[doc(hidden)]
pub mod fuzz;
mod jitter;
mod level;
mod mix;
mod oscillator;
mod resample;
mod stretch;
mod tone;

pub use jitter::{Arrival, JitterBuffer, JitterSettings, JitterStats, MAX_PAYLOAD, Outcome, Pace, Pull};
pub use level::{SILENCE, SpeechDetector, level, level_of_power, power};
pub use mix::{MAX_FRAME, MAX_LEGS, Mixer, MixerSettings, Place};
pub use oscillator::Oscillator;
pub use resample::{RATES, Resampler};
pub use stretch::Stretch;
pub use tone::{Region, Signal, Step, ToneGenerator};

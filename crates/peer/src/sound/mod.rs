//! Live sound: a microphone into a call, and a call out of a speaker.
//!
//! A device has a clock and a thread of its own, and neither waits for ours. Between the two stands a [`ring`] without
//! locks; on our side of it a [`Capture`] makes frames of 20 ms for [`Audio::say`] out of what a microphone gives, and a
//! [`Playout`] gives a speaker what [`Audio::poll_heard`] gives, of several streams if need be. Both convert the rate of the
//! device and keep little waiting ([`regulator`]), however much faster or slower its clock is. They know no device:
//! a [`Microphone`] and a [`Speaker`] are those of this machine, in builds with the feature `sound`, and whoever has sound
//! by other means drives a capture and a playout himself.
//!
//! Left out: stereo, the cancellation of echoes (who has no headset is heard by his own microphone), changes of the volume.
//!
//! [`Audio::say`]: crate::audio::Audio::say
//! [`Audio::poll_heard`]: crate::audio::Audio::poll_heard

mod capture;
#[cfg(feature = "sound")]
mod device;
#[cfg(not(feature = "sound"))]
#[path = "no_device.rs"]
mod device;
mod failure;
#[cfg(feature = "sound")]
mod format;
mod playout;
mod regulator;
mod ring;

pub use capture::{Capture, Inlet};
pub use device::{Microphone, Speaker};
pub use failure::{DeviceError, Which};
pub use playout::{Outlet, Playout};

use crate::audio::RATE;

/// Whether this build has microphones and speakers: that of the feature `sound`.
pub const HAS_DEVICES: bool = cfg!(feature = "sound");

/// What became of the sound of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoundCounts {
    /// How often there was silence because nothing had come in time.
    pub gaps: u64,
    /// Samples, [`RATE`] of them in a second, that found no room.
    pub dropped: u64,
    /// Samples that were left out because the device, or the far end, has another clock than we have.
    pub left_out: u64,
    /// Samples that were put in for the same reason.
    pub put_in: u64,
    /// How often the device was late itself, as it says.
    pub late: u64,
}

/// Samples in a frame of 20 ms.
pub const FRAME: usize = RATE as usize / 50;

/// The most samples that wait between a call and a device: those of 200 ms.
const MOST_WAITING: usize = 10 * FRAME;

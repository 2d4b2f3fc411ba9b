//! Builds without the feature `sound`: there is no device, and nobody has one.

use std::time::Instant;

use super::{DeviceError, Playout, SoundCounts};

/// A microphone of this machine. This build has none.
pub enum Microphone {}

/// A speaker of this machine. This build has none.
pub enum Speaker {}

impl Microphone {
    /// Says whether there is such a microphone.
    pub fn check(_name: Option<&str>) -> Result<(), DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    /// Opens the default microphone, or one of a name.
    pub fn open(_name: Option<&str>) -> Result<Microphone, DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        match *self {}
    }

    /// Begins to listen.
    pub fn start(&mut self, _now: Instant) -> Result<(), DeviceError> {
        match *self {}
    }

    /// The next 20 ms, if they are due.
    pub fn poll_frame(&mut self, _now: Instant) -> Option<&[i16]> {
        match *self {}
    }

    /// Why it gives nothing any more, once: it is silent from here on.
    pub fn poll_failure(&mut self, _now: Instant) -> Option<DeviceError> {
        match *self {}
    }

    /// What has become of its sound.
    pub fn counts(&self) -> SoundCounts {
        match *self {}
    }
}

impl Speaker {
    /// Says whether there is such a speaker.
    pub fn check(_name: Option<&str>) -> Result<(), DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    /// Opens the default speaker, or one of a name.
    pub fn open(_name: Option<&str>) -> Result<Speaker, DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        match *self {}
    }

    /// What it plays.
    pub fn playout(&mut self) -> &mut Playout {
        match *self {}
    }

    /// Why it takes nothing any more, once.
    pub fn poll_failure(&mut self, _now: Instant) -> Option<DeviceError> {
        match *self {}
    }

    /// What has become of its sound.
    pub fn counts(&self) -> SoundCounts {
        match *self {}
    }
}

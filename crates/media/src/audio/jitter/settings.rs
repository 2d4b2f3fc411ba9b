//! How a jitter buffer behaves.

use std::time::Duration;

/// How a jitter buffer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterSettings {
    /// The clock of the timestamps, units in a second.
    pub clock_rate: u32,
    /// How long a frame is until two packets have told.
    pub frame: Duration,
    /// The least delay.
    pub least: Duration,
    /// The most delay.
    pub most: Duration,
    /// The delay to start with.
    pub start: Duration,
    /// Packets that wait at most: from 16 to 128.
    pub packets: usize,
}

impl JitterSettings {
    /// What serves for speech: frames of 20 ms, delays from 20 to 300 ms.
    pub const fn new(clock_rate: u32) -> Self {
        JitterSettings {
            clock_rate,
            frame: Duration::from_millis(20),
            least: Duration::from_millis(20),
            most: Duration::from_millis(300),
            start: Duration::from_millis(40),
            packets: 64,
        }
    }
}

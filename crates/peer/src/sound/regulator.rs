//! How much waits between two clocks.
//!
//! What is put in by one clock and taken by another heaps up or runs out. A regulator looks at how little has waited lately
//! (the least, since a device that takes or gives much at once has most of it waiting most of the time), and has a frame
//! played a little faster or slower where it is too much or too little: a period of the voice at a time, or 10 ms where it
//! is quiet.

use ringback_media::audio::{Pace, Stretch};

use super::{FRAME, SoundCounts};
use crate::audio::RATE;

/// Keeps the samples that wait between [`LOW`] and [`HIGH`].
pub(super) struct Regulator {
    stretch: Stretch,
    /// The least that waited in the frames of a window so far.
    least: usize,
    frames: u32,
    pace: Pace,
}

impl Regulator {
    pub(super) fn new() -> Self {
        Regulator { stretch: Stretch::new(RATE), least: usize::MAX, frames: 0, pace: Pace::Even }
    }

    /// Makes a frame that goes in longer or shorter, as what waits before it asks for.
    pub(super) fn regulate(&mut self, waiting: usize, frame: &mut Vec<i16>, counts: &mut SoundCounts) {
        self.least = self.least.min(waiting);
        self.frames += 1;
        if self.frames >= if self.least > URGENT { HASTE } else { WINDOW } {
            self.pace = match self.least {
                least if least > HIGH => Pace::Faster,
                least if least < LOW => Pace::Slower,
                _ => Pace::Even,
            };
            (self.least, self.frames) = (usize::MAX, 0);
        }
        let len = frame.len();
        match self.pace {
            Pace::Even => return,
            Pace::Faster => {
                let left = self.stretch.faster(frame);
                frame.truncate(left);
                counts.left_out += (len - left) as u64;
            }
            Pace::Slower => {
                frame.resize(len + self.stretch.most(), 0);
                let more = self.stretch.slower(frame, len);
                frame.truncate(more);
                counts.put_in += (more - len) as u64;
            }
        }
        // A frame that is unlike itself is left as it is, and the next one is looked at.
        if frame.len() != len {
            self.pace = Pace::Even;
        }
    }

    /// Forgets what it has seen, since what waits begins anew.
    pub(super) fn reset(&mut self) {
        *self = Regulator { stretch: self.stretch.clone(), ..Regulator::new() };
    }
}

/// Less than this is too little: 20 ms. Two clocks pass each other now and then, and one has two turns in the time of one of
/// the other; that costs a frame, and a thread that is delayed costs as much.
pub(super) const LOW: usize = FRAME;
/// More than this delays the talk for nothing: 60 ms.
const HIGH: usize = 3 * FRAME;
/// From here on it is made less five times as often: 100 ms.
const URGENT: usize = 5 * FRAME;
/// Frames between two looks: half a second, so that each period of a device is in it.
const WINDOW: u32 = 25;
const HASTE: u32 = 5;

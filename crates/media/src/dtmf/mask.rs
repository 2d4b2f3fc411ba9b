//! Audio without the tones of keys, as a recording may have it.

use super::{Found, ToneDetector};

/// Silences the tones of keys in the audio that passes through it.
///
/// A key is known only when its tone has sounded for two blocks of the detector, so the audio comes out three blocks
/// later (38 ms, [`Self::delay`]): who mixes it with other audio has to delay that as well. What sounds in the blocks
/// that a tone begins and ends in goes with it.
#[derive(Debug)]
pub struct ToneMask {
    detector: ToneDetector,
    /// The latest samples, a ring of [`BLOCKS`] blocks, and where the next one goes.
    line: Box<[i16]>,
    next: usize,
}

impl ToneMask {
    /// A mask at so many samples a second.
    pub fn new(rate: u32) -> Self {
        let detector = ToneDetector::new(rate);
        let line = vec![0; detector.block_len() * BLOCKS].into();
        ToneMask { detector, line, next: 0 }
    }

    /// How many samples later the audio comes out.
    pub fn delay(&self) -> usize {
        self.line.len()
    }

    /// Puts a frame of any length in and the same length of earlier audio out; `found` is told of the keys.
    pub fn handle_frame(&mut self, frame: &mut [i16], mut found: impl FnMut(Found)) {
        let mut rest = frame;
        while !rest.is_empty() {
            let was_down = self.detector.is_down().is_some();
            let (taken, block) = self.detector.gather(rest);
            let (part, behind) = rest.split_at_mut(taken.min(rest.len()));
            rest = behind;
            for sample in part {
                if let Some(kept) = self.line.get_mut(self.next) {
                    std::mem::swap(kept, sample);
                }
                self.next = (self.next + 1) % self.line.len().max(1);
            }
            let Some(news) = block else { continue };
            if news.started.is_some() {
                // The two blocks that told, and the one that the tone may have begun in.
                self.line.fill(0);
            } else if was_down {
                // The tone goes on, or this is what is left of it.
                self.silence_last();
            }
            if news != Found::default() {
                found(news);
            }
        }
    }

    /// Silences the block that has just been put in; the ring is whole blocks, so it ends before `next`.
    fn silence_last(&mut self) {
        let len = self.detector.block_len();
        let end = if self.next == 0 { self.line.len() } else { self.next };
        if let Some(block) = self.line.get_mut(end.saturating_sub(len)..end) {
            block.fill(0);
        }
    }
}

const BLOCKS: usize = 3;

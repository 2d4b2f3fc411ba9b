//! Packets that the desk has made and that wait to be sent.

use std::collections::VecDeque;

use crate::codec::MAX_PAYLOAD;
use crate::rtp::{FIXED_LEN, Rewrite};
use crate::session::LegKey;

/// An RTP packet for a leg, in the payload types of its far end and in numbers of the desk's own.
pub struct Made {
    /// For whom.
    pub leg: LegKey,
    /// The clock of its timestamp.
    pub clock_rate: u32,
    bytes: Vec<u8>,
}

impl Made {
    /// The packet.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// For whom a packet is, and what it says before its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) leg: LegKey,
    pub(super) clock_rate: u32,
    pub(super) marker: bool,
    pub(super) numbers: Rewrite,
}

/// The packets that wait, and the buffers of those that have gone.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Made>,
    spare: Vec<Made>,
    /// Where a packet is written that may be a long one; those that wait have the room that they need.
    space: Vec<u8>,
    /// Packets that found the outbox full.
    pub(super) overflowed: u64,
}

impl Outbox {
    /// Lets the caller write a payload and puts it behind those that wait; nothing happens when it writes none.
    pub(super) fn write(&mut self, label: Label, payload: impl FnOnce(&mut [u8]) -> usize) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            self.overflowed += 1;
            return false;
        }
        self.space.resize(MAX_LEN, 0);
        let Some((header, space)) = self.space.split_first_chunk_mut() else { return false };
        let len = payload(space).min(space.len());
        if len == 0 {
            return false;
        }
        label.numbers.write(label.marker, header);
        let mut made = self.spare.pop().unwrap_or_else(|| Made {
            leg: label.leg,
            clock_rate: 0,
            bytes: Vec::with_capacity(USUAL_LEN),
        });
        made.leg = label.leg;
        made.clock_rate = label.clock_rate;
        made.bytes.clear();
        made.bytes.extend_from_slice(self.space.get(..FIXED_LEN + len).unwrap_or_default());
        self.waiting.push_back(made);
        true
    }

    pub(super) fn pop(&mut self) -> Option<Made> {
        self.waiting.pop_front()
    }

    /// Takes a packet back that was sent, so that its buffer serves another.
    pub(super) fn give_back(&mut self, made: Made) {
        if self.spare.len() < MAX_WAITING {
            self.spare.push(made);
        }
    }
}

const MAX_LEN: usize = FIXED_LEN + MAX_PAYLOAD;

/// Room for 40 ms of G.711, and 20 ms of Opus at our highest bit rate.
const USUAL_LEN: usize = FIXED_LEN + 320;

/// Packets that may wait: what a tick of the largest conferences makes, and more.
const MAX_WAITING: usize = 1024;

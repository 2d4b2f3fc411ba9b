//! The buffer that a datagram lies in from the socket it came by to the socket it leaves by.

use std::fmt;

use crate::srtp::TAIL_ROOM;

/// One slot of 2 kB with a datagram in it, and room before and behind so that it can be changed where it lies.
pub struct Packet {
    slot: Box<[u8; SLOT_LEN]>,
    start: usize,
    end: usize,
}

impl Packet {
    /// An empty packet.
    pub fn new() -> Self {
        Packet { slot: Box::new([0; SLOT_LEN]), start: HEAD_ROOM, end: HEAD_ROOM }
    }

    /// Empties the packet and gives the space to receive a datagram into; say its length by [`set_len`](Self::set_len).
    pub fn space(&mut self) -> &mut [u8] {
        self.start = HEAD_ROOM;
        self.end = HEAD_ROOM;
        &mut self.slot[HEAD_ROOM..SLOT_LEN - TAIL_ROOM]
    }

    /// Says how many bytes were put at the start of the [`space`](Self::space); no more than it has are taken.
    pub fn set_len(&mut self, len: usize) {
        self.end = self.start + len.min(SLOT_LEN - TAIL_ROOM - self.start);
    }

    /// Replaces the content; says whether it fitted. What does not fit leaves the packet empty.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let Some(space) = self.space().get_mut(..bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        self.set_len(bytes.len());
        true
    }

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.slot[self.start..self.end]
    }

    /// The datagram, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.slot[self.start..self.end]
    }

    /// The datagram with everything behind it, and its length.
    pub(super) fn with_tail_room(&mut self) -> (&mut [u8], usize) {
        let len = self.end - self.start;
        (&mut self.slot[self.start..], len)
    }

    /// Empties the packet and gives all the space that one has which was protected already; say its length by
    /// [`resize_whole`](Self::resize_whole).
    pub(super) fn whole(&mut self) -> &mut [u8] {
        self.start = HEAD_ROOM;
        self.end = HEAD_ROOM;
        &mut self.slot[HEAD_ROOM..]
    }

    /// Says how many bytes were put at the start of what [`whole`](Self::whole) gave.
    pub(super) fn resize_whole(&mut self, len: usize) {
        self.resize(len);
    }

    /// Sets the length, up to the end of the slot.
    pub(super) fn resize(&mut self, len: usize) {
        self.end = self.start + len.min(SLOT_LEN - self.start);
    }

    /// Leaves out the first bytes.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.start += bytes.min(self.end - self.start);
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({} bytes)", self.bytes().len())
    }
}

/// Bytes of a slot: every datagram of an Ethernet path, with room on both sides.
pub const SLOT_LEN: usize = 2048;

/// Bytes before a received datagram.
pub const HEAD_ROOM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_room_on_both_sides() {
        let mut packet = Packet::new();
        assert!(packet.fill(&[7; SLOT_LEN - HEAD_ROOM - TAIL_ROOM]));
        assert_eq!(packet.with_tail_room().0.len(), SLOT_LEN - HEAD_ROOM);
        assert!(!packet.fill(&[7; SLOT_LEN - HEAD_ROOM - TAIL_ROOM + 1]));
        assert!(packet.bytes().is_empty());
    }

    #[test]
    fn lengths_beyond_the_slot_are_cut() {
        let mut packet = Packet::new();
        packet.set_len(usize::MAX - 100);
        assert_eq!(packet.bytes().len(), SLOT_LEN - HEAD_ROOM - TAIL_ROOM);
        packet.advance(usize::MAX);
        assert!(packet.bytes().is_empty());
        packet.resize(SLOT_LEN);
        assert_eq!(packet.bytes().len(), TAIL_ROOM);
    }
}

//! The packets that wait.

/// A ring of packets by sequence number, whose payloads lie in blocks of one slab. All of it is taken when it is made.
#[derive(Debug)]
pub(super) struct Store {
    slots: Box<[Slot]>,
    blocks: Box<[[u8; BLOCK]]>,
    /// For each block the one behind it: of a payload, or of those that are free.
    links: Box<[u16]>,
    free: u16,
    free_blocks: usize,
    packets: usize,
}

/// A packet that waits, but for its payload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) present: bool,
    pub(super) sequence: u16,
    /// The timestamp, counted on over its wraps.
    pub(super) timestamp: i64,
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) len: u16,
    /// The first block of the payload.
    pub(super) first: u16,
}

impl Store {
    /// Room for so many packets of the usual size; a power of two, so that sequence numbers wrap at its end.
    pub(super) fn new(slots: usize) -> Self {
        let slots = slots.clamp(LEAST_SLOTS, MAX_SLOTS).next_power_of_two();
        let blocks = slots * BLOCKS_OF_A_SLOT;
        Store {
            slots: vec![Slot::default(); slots].into(),
            blocks: vec![[0; BLOCK]; blocks].into(),
            links: (1..=blocks as u16).collect(),
            free: 0,
            free_blocks: blocks,
            packets: 0,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn packets(&self) -> usize {
        self.packets
    }

    pub(super) fn get(&self, sequence: u16) -> Option<&Slot> {
        let slot = self.slots.get(self.index(sequence))?;
        (slot.present && slot.sequence == sequence).then_some(slot)
    }

    /// The first packet from `sequence` on.
    pub(super) fn first_from(&self, sequence: u16) -> Option<Slot> {
        if self.packets == 0 {
            return None;
        }
        let numbers = (0..self.slots.len()).map(|ahead| sequence.wrapping_add(ahead as u16));
        numbers.filter_map(|number| self.get(number)).next().copied()
    }

    /// Whether a payload of so many bytes finds room.
    pub(super) fn has_room(&self, len: usize) -> bool {
        len.div_ceil(BLOCK) <= self.free_blocks
    }

    /// Keeps a packet. The slot must be free and there must be room; says whether that was so.
    pub(super) fn put(&mut self, slot: Slot, payload: &[u8]) -> bool {
        let index = self.index(slot.sequence);
        if !self.has_room(payload.len()) || self.slots.get(index).is_none_or(|slot| slot.present) {
            return false;
        }
        // The free blocks are a chain already: what is taken is its beginning.
        let first = self.free;
        for chunk in payload.chunks(BLOCK) {
            let at = usize::from(self.free);
            let (Some(block), Some(&next)) = (self.blocks.get_mut(at), self.links.get(at)) else {
                return false;
            };
            let (start, _) = block.split_at_mut(chunk.len());
            start.copy_from_slice(chunk);
            self.free = next;
            self.free_blocks -= 1;
        }
        if let Some(kept) = self.slots.get_mut(index) {
            *kept = Slot { present: true, len: payload.len() as u16, first, ..slot };
            self.packets += 1;
        }
        true
    }

    /// Writes the payload of a packet behind one another; its length.
    pub(super) fn copy(&self, slot: &Slot, payload: &mut [u8]) -> usize {
        let mut at = slot.first;
        let len = usize::from(slot.len).min(payload.len());
        let (payload, _) = payload.split_at_mut(len);
        for chunk in payload.chunks_mut(BLOCK) {
            let Some(block) = self.blocks.get(usize::from(at)) else { return 0 };
            chunk.copy_from_slice(block.get(..chunk.len()).unwrap_or_default());
            at = self.links.get(usize::from(at)).copied().unwrap_or(u16::MAX);
        }
        len
    }

    pub(super) fn remove(&mut self, sequence: u16) -> bool {
        let index = self.index(sequence);
        let Some(slot) = self.slots.get_mut(index) else { return false };
        if !slot.present || slot.sequence != sequence {
            return false;
        }
        let mut at = slot.first;
        for _ in 0..usize::from(slot.len).div_ceil(BLOCK) {
            let Some(link) = self.links.get_mut(usize::from(at)) else { break };
            let next = std::mem::replace(link, self.free);
            self.free = at;
            self.free_blocks += 1;
            at = next;
        }
        slot.present = false;
        self.packets -= 1;
        true
    }

    pub(super) fn clear(&mut self) {
        for index in 0..self.slots.len() {
            if let Some(&Slot { present: true, sequence, .. }) = self.slots.get(index) {
                self.remove(sequence);
            }
        }
    }

    fn index(&self, sequence: u16) -> usize {
        usize::from(sequence) & (self.slots.len() - 1)
    }
}

const LEAST_SLOTS: usize = 16;
/// The most packets that wait.
pub(super) const MAX_SLOTS: usize = 128;
/// A frame of G.711 of 20 ms fits one.
const BLOCK: usize = 160;
const BLOCKS_OF_A_SLOT: usize = 2;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Rng;

    use super::*;

    #[test]
    fn payloads_come_out_as_they_went_in_and_no_block_is_lost() {
        let mut rng = Rng::new(1);
        let mut store = Store::new(64);
        let mut model: std::collections::BTreeMap<u16, Vec<u8>> = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            let sequence = rng.below(64) as u16;
            if rng.chance(50) {
                let mut payload = vec![0; rng.below(1501) as usize];
                rng.fill(&mut payload);
                let slot = Slot { sequence, ..Slot::default() };
                if store.put(slot, &payload) {
                    assert!(model.insert(sequence, payload).is_none());
                }
            } else if let Some(expected) = model.remove(&sequence) {
                let slot = *store.get(sequence).unwrap();
                let mut payload = [0; 1500];
                let len = store.copy(&slot, &mut payload);
                assert_eq!(payload[..len], expected[..]);
                assert!(store.remove(sequence));
            } else {
                assert!(!store.remove(sequence));
            }
            assert_eq!(store.packets(), model.len());
            let taken: usize = model.values().map(|payload| payload.len().div_ceil(BLOCK)).sum();
            assert_eq!(store.free_blocks + taken, 128);
        }
        store.clear();
        assert_eq!((store.packets(), store.free_blocks), (0, 128));
    }
}

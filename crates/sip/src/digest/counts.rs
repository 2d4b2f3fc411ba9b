//! The last nonce count of each nonce in use.

use super::nonce::Stamp;

/// A table of fixed size: the highest `nc` answered for each of the last nonces.
///
/// Only a request with valid credentials writes to it, so that a flood leaves no trace. When a set is full, its oldest
/// nonce makes place; the set then remembers how old that was and takes nothing as old or older for a first use. So a
/// response is never accepted twice, whatever was evicted: at worst an honest client is asked again.
#[derive(Clone)]
pub(super) struct Counts {
    sets: Vec<Set>,
}

/// The nonces whose stamp falls into one place of the table.
#[derive(Clone, Copy)]
struct Set {
    /// The newest nonce that was evicted from the set.
    evicted: u64,
    /// Stamps of the nonces; zero for none.
    stamps: [u64; WAYS],
    /// The last count of each.
    counts: [u32; WAYS],
}

impl Counts {
    /// A table for about `nonces` nonces; the number is rounded up to whole sets of a power of two.
    pub(super) fn new(nonces: usize) -> Self {
        let sets = nonces.div_ceil(WAYS).clamp(1, MOST_SETS).next_power_of_two();
        Counts { sets: vec![Set::EMPTY; sets] }
    }

    /// Whether `nc` is higher than every count answered for the nonce.
    pub(super) fn is_new(&self, stamp: Stamp, nc: u32) -> bool {
        let Some(set) = self.sets.get(self.place(stamp)) else { return false };
        match set.last(stamp) {
            Some(last) => nc > last,
            None => nc > 0 && stamp.0 > set.evicted,
        }
    }

    /// Notes that `nc` was answered for the nonce.
    pub(super) fn note(&mut self, stamp: Stamp, nc: u32) {
        let place = self.place(stamp);
        if let Some(set) = self.sets.get_mut(place) {
            set.note(stamp, nc);
        }
    }

    fn place(&self, stamp: Stamp) -> usize {
        // Stamps end in a serial number, so neighbours spread over the sets evenly.
        usize::try_from(stamp.0).unwrap_or(usize::MAX) & (self.sets.len() - 1)
    }
}

impl Set {
    const EMPTY: Set = Set { evicted: 0, stamps: [0; WAYS], counts: [0; WAYS] };

    fn last(&self, stamp: Stamp) -> Option<u32> {
        self.stamps.iter().zip(&self.counts).find(|&(&kept, _)| kept == stamp.0).map(|(_, &count)| count)
    }

    fn note(&mut self, stamp: Stamp, nc: u32) {
        let known = self.stamps.iter().position(|&kept| kept == stamp.0);
        // An empty way has the lowest stamp of all and goes first.
        let oldest = || self.stamps.iter().enumerate().min_by_key(|&(_, &kept)| kept).map(|(way, _)| way);
        let Some(way) = known.or_else(oldest) else { return };
        let (Some(kept), Some(count)) = (self.stamps.get_mut(way), self.counts.get_mut(way)) else { return };
        if *kept == stamp.0 {
            *count = nc.max(*count);
        } else if stamp.0 > *kept {
            self.evicted = self.evicted.max(*kept);
            (*kept, *count) = (stamp.0, nc);
        } else {
            self.evicted = self.evicted.max(stamp.0);
        }
    }
}

/// Nonces of a set: one and a half cache lines.
const WAYS: usize = 8;

/// So that no setting asks for more than 112 MiB.
const MOST_SETS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_is_new_once() {
        let mut counts = Counts::new(64);
        let stamp = Stamp(77);
        assert!(!counts.is_new(stamp, 0));
        assert!(counts.is_new(stamp, 1));
        counts.note(stamp, 1);
        assert!(!counts.is_new(stamp, 1));
        assert!(counts.is_new(stamp, 2));
        counts.note(stamp, 9);
        assert!(!counts.is_new(stamp, 8));
        assert!(counts.is_new(stamp, 10));
        assert!(counts.is_new(Stamp(78), 1), "another nonce has its own count");
    }

    #[test]
    fn an_evicted_nonce_is_not_taken_for_a_first_use() {
        let mut counts = Counts::new(1);
        for stamp in 1..=9 {
            counts.note(Stamp(stamp), 1);
        }
        assert!(!counts.is_new(Stamp(1), 1));
        assert!(!counts.is_new(Stamp(1), 2), "what was answered for it is no longer known");
        assert!(counts.is_new(Stamp(2), 2), "the others are still kept");
        counts.note(Stamp(1), 5);
        assert!(
            !counts.is_new(Stamp(1), 6),
            "older than everything kept: not stored, and not accepted either"
        );
    }

    #[test]
    fn the_size_is_fixed_when_it_is_made() {
        assert_eq!(Counts::new(65_536).sets.len(), 8192);
        assert_eq!(Counts::new(0).sets.len(), 1);
        assert_eq!(Counts::new(usize::MAX).sets.len(), MOST_SETS);
        let mut counts = Counts::new(64);
        for stamp in 1..10_000 {
            counts.note(Stamp(stamp), 1);
        }
        assert_eq!(counts.sets.len(), 8);
        assert_eq!(size_of::<Set>(), 104);
    }

    proptest! {
        /// Against a table without bounds: what that one refuses is never accepted.
        #[test]
        fn nothing_is_accepted_twice(steps in prop::collection::vec((1u64..200, 0u32..6), 0..600)) {
            let mut counts = Counts::new(32);
            let mut model: HashMap<u64, u32> = HashMap::new();
            for (stamp, nc) in steps {
                if counts.is_new(Stamp(stamp), nc) {
                    let last = model.get(&stamp).copied().unwrap_or(0);
                    prop_assert!(nc > last, "nonce {} took {} after {}", stamp, nc, last);
                    counts.note(Stamp(stamp), nc);
                    model.insert(stamp, nc);
                    prop_assert!(!counts.is_new(Stamp(stamp), nc));
                }
            }
        }
    }
}

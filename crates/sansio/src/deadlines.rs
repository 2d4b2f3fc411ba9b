//! Deadlines by key: at most one per key, the earliest first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// A set of deadlines, one for each key.
///
/// `set` and `cancel` cost O(log n) amortised. Deadlines that fall due at the same instant are returned in the order
/// in which they were set, so that two runs with the same inputs make the same outputs.
#[derive(Debug, Clone)]
pub struct Deadlines<K> {
    /// The deadline in force for each key, with the number it was set under.
    armed: HashMap<K, (Instant, u64)>,
    /// Every deadline set and not yet due or swept; one that is not in `armed` under the same number is void.
    queue: BinaryHeap<Reverse<Slot<K>>>,
    next: u64,
}

/// An entry of the queue. The order is by time, then by age; the key takes no part in it.
#[derive(Debug, Clone)]
struct Slot<K> {
    at: Instant,
    number: u64,
    key: K,
}

impl<K: Copy + Eq + Hash> Deadlines<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Deadlines { armed: HashMap::new(), queue: BinaryHeap::new(), next: 0 }
    }

    /// Sets the deadline of `key`, in place of the one it had.
    pub fn set(&mut self, key: K, at: Instant) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.armed.insert(key, (at, number));
        self.queue.push(Reverse(Slot { at, number, key }));
        self.sweep();
    }

    /// Removes the deadline of `key`; says whether it had one.
    pub fn cancel(&mut self, key: &K) -> bool {
        let had = self.armed.remove(key).is_some();
        self.sweep();
        had
    }

    /// The deadline of `key`.
    pub fn of(&self, key: &K) -> Option<Instant> {
        self.armed.get(key).map(|&(at, _)| at)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        // `sweep` leaves a valid entry at the head after every change.
        self.queue.peek().map(|Reverse(slot)| slot.at)
    }

    /// Takes the key whose deadline is the earliest of those at or before `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let Reverse(head) = self.queue.peek()?;
        if head.at > now {
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.armed.remove(&due.key);
        self.sweep();
        Some(due.key)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// Drops void entries from the head, and all of them once they outnumber the valid ones, so that memory follows
    /// the number of keys and not the number of calls to `set`.
    fn sweep(&mut self) {
        if self.queue.len() > 64 && self.queue.len() > 2 * self.armed.len() {
            let armed = &self.armed;
            self.queue.retain(|Reverse(slot)| is_armed(armed, slot));
        }
        while self.queue.peek().is_some_and(|Reverse(head)| !is_armed(&self.armed, head)) {
            self.queue.pop();
        }
    }
}

fn is_armed<K: Copy + Eq + Hash>(armed: &HashMap<K, (Instant, u64)>, slot: &Slot<K>) -> bool {
    armed.get(&slot.key).is_some_and(|&(_, number)| number == slot.number)
}

impl<K: Copy + Eq + Hash> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> PartialEq for Slot<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<K> Eq for Slot<K> {}

impl<K> PartialOrd for Slot<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Slot<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::sim::Clock;

    #[test]
    fn the_earliest_is_due_first_and_equals_keep_their_order() {
        let start = Clock::new().now();
        let mut deadlines = Deadlines::new();
        deadlines.set("late", start + Duration::from_secs(2));
        deadlines.set("first", start + Duration::from_secs(1));
        deadlines.set("second", start + Duration::from_secs(1));
        assert_eq!(deadlines.pop_due(start), None);
        let due = start + Duration::from_secs(2);
        assert_eq!(deadlines.pop_due(due), Some("first"));
        assert_eq!(deadlines.pop_due(due), Some("second"));
        assert_eq!(deadlines.pop_due(due), Some("late"));
        assert_eq!(deadlines.pop_due(due), None);
    }

    #[test]
    fn setting_again_replaces_and_memory_stays_bounded() {
        let start = Clock::new().now();
        let mut deadlines = Deadlines::new();
        for i in 0..100_000 {
            deadlines.set(i % 10, start + Duration::from_millis(100_000 - i));
        }
        assert_eq!(deadlines.len(), 10);
        assert!(deadlines.queue.len() <= 66, "void entries pile up: {}", deadlines.queue.len());
    }

    proptest! {
        /// Against a model that is a plain list.
        #[test]
        fn behaves_like_a_sorted_list(steps in prop::collection::vec((0u8..3, 0u8..8, 0u64..50), 0..200)) {
            let start = Clock::new().now();
            let mut deadlines = Deadlines::new();
            let mut model: Vec<(u64, u64, u8)> = Vec::new();
            let mut age = 0;
            for (step, key, at) in steps {
                match step {
                    0 => {
                        deadlines.set(key, start + Duration::from_millis(at));
                        model.retain(|&(_, _, k)| k != key);
                        model.push((at, age, key));
                        age += 1;
                    }
                    1 => {
                        prop_assert_eq!(deadlines.cancel(&key), model.iter().any(|&(_, _, k)| k == key));
                        model.retain(|&(_, _, k)| k != key);
                    }
                    _ => {
                        model.sort_unstable();
                        let due = model.first().filter(|&&(t, _, _)| t <= at).copied();
                        prop_assert_eq!(deadlines.pop_due(start + Duration::from_millis(at)), due.map(|(_, _, k)| k));
                        if due.is_some() {
                            model.remove(0);
                        }
                    }
                }
                model.sort_unstable();
                prop_assert_eq!(deadlines.next(), model.first().map(|&(t, _, _)| start + Duration::from_millis(t)));
            }
        }
    }
}

//! What was sent lately, to be sent again when a far end misses it.

use std::time::{Duration, Instant};

/// The last packets of one stream: those of two seconds at a megabit.
pub(super) struct Cache {
    bytes: Box<[u8]>,
    entries: Box<[Entry]>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    sequence: u16,
    /// 0 where nothing is kept.
    len: u16,
    /// When it was sent again last.
    repeated: Option<Instant>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Cache {
            bytes: vec![0; PACKETS * LONGEST].into_boxed_slice(),
            entries: vec![Entry::default(); PACKETS].into_boxed_slice(),
        }
    }

    /// Keeps a packet in place of the one before it by so many; one that is too long is not kept.
    pub(super) fn keep(&mut self, sequence: u16, packet: &[u8]) {
        let at = usize::from(sequence) % PACKETS;
        let Some(entry) = self.entries.get_mut(at) else { return };
        *entry = Entry { sequence, len: 0, repeated: None };
        let place = self.bytes.get_mut(at * LONGEST..).and_then(|bytes| bytes.get_mut(..packet.len()));
        if let Some(place) = place.filter(|_| packet.len() <= LONGEST) {
            place.copy_from_slice(packet);
            entry.len = packet.len() as u16;
        }
    }

    /// Whether a packet is kept.
    pub(super) fn has(&self, sequence: u16) -> bool {
        self.entries
            .get(usize::from(sequence) % PACKETS)
            .is_some_and(|entry| entry.len > 0 && entry.sequence == sequence)
    }

    /// A packet to send again; `None` when it is not kept, or was sent again a moment ago: the same loss is told more
    /// than once.
    pub(super) fn repeat(&mut self, now: Instant, sequence: u16) -> Option<&[u8]> {
        let at = usize::from(sequence) % PACKETS;
        let entry = self.entries.get_mut(at).filter(|entry| entry.len > 0 && entry.sequence == sequence)?;
        if entry.repeated.is_some_and(|last| now < last + AGAIN) {
            return None;
        }
        entry.repeated = Some(now);
        self.bytes.get(at * LONGEST..)?.get(..usize::from(entry.len))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.fill(Entry::default());
    }
}

/// Packets that are kept; a power of two, so that the numbers wrap with them.
const PACKETS: usize = 256;

/// The longest packet that is kept: what fits into an Ethernet frame.
const LONGEST: usize = 1500;

/// How long a packet is not sent again after it was.
const AGAIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes() {
        let now = Clock::new().now();
        let mut cache = Cache::new();
        for number in 0..300u16 {
            cache.keep(number.wrapping_sub(100), &[number as u8; 100]);
        }
        assert!(!cache.has(0u16.wrapping_sub(57)), "more than 256 are not kept");
        assert_eq!(cache.repeat(now, 0u16.wrapping_sub(56)), Some(&[44; 100][..]));
        assert_eq!(cache.repeat(now, 199), Some(&[43; 100][..]), "299 modulo 256");
        cache.keep(200, &[1; LONGEST + 1]);
        assert!(!cache.has(200));
        cache.clear();
        assert!(!cache.has(199));
    }

    #[test]
    fn what_was_sent_again_a_moment_ago_is_not() {
        let mut clock = Clock::new();
        let mut cache = Cache::new();
        cache.keep(7, &[1; 10]);
        assert!(cache.repeat(clock.now(), 7).is_some());
        assert!(cache.repeat(clock.now(), 7).is_none());
        clock.advance(AGAIN);
        assert!(cache.repeat(clock.now(), 7).is_some());
    }
}

//! Samples from one thread to another, without locks.
//!
//! The thread of a device must never wait, and asks for other numbers of samples than are put in: what a channel of
//! blocks does not give. One writes and one reads, so two counters are enough, and the samples are atomics to have it
//! without unsafe code.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};

/// A ring with room for so many samples.
pub(super) fn ring(room: usize) -> (Writer, Reader) {
    let samples = (0..room.max(1)).map(|_| AtomicI16::new(0)).collect();
    let ring = Arc::new(Ring { samples, written: AtomicUsize::new(0), read: AtomicUsize::new(0) });
    (Writer { ring: ring.clone() }, Reader { ring })
}

struct Ring {
    samples: Box<[AtomicI16]>,
    /// How many were ever written, and read; only the writer changes the one, only the reader the other. They wrap after
    /// millions of years.
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Ring {
    fn waiting(&self) -> usize {
        let read = self.read.load(Ordering::Acquire);
        self.written.load(Ordering::Acquire).wrapping_sub(read).min(self.samples.len())
    }

    fn at(&self, number: usize) -> Option<&AtomicI16> {
        self.samples.get(number % self.samples.len())
    }
}

/// The end that samples go in by.
pub(super) struct Writer {
    ring: Arc<Ring>,
}

impl Writer {
    /// Puts samples in and says how many found room.
    pub(super) fn write(&mut self, samples: impl IntoIterator<Item = i16>) -> usize {
        let start = self.ring.written.load(Ordering::Relaxed);
        let room = self.ring.samples.len() - self.ring.waiting();
        let mut written = 0;
        for sample in samples.into_iter().take(room) {
            if let Some(place) = self.ring.at(start.wrapping_add(written)) {
                place.store(sample, Ordering::Relaxed);
            }
            written += 1;
        }
        self.ring.written.store(start.wrapping_add(written), Ordering::Release);
        written
    }

    /// How many wait to be read.
    pub(super) fn waiting(&self) -> usize {
        self.ring.waiting()
    }
}

/// The end that they come out by.
pub(super) struct Reader {
    ring: Arc<Ring>,
}

impl Reader {
    /// Takes as many samples as there are and as the slice has room for, and says how many.
    pub(super) fn read(&mut self, samples: &mut [i16]) -> usize {
        let start = self.ring.read.load(Ordering::Relaxed);
        let len = self.ring.waiting().min(samples.len());
        for (n, sample) in samples.iter_mut().take(len).enumerate() {
            *sample = self.ring.at(start.wrapping_add(n)).map_or(0, |place| place.load(Ordering::Relaxed));
        }
        self.ring.read.store(start.wrapping_add(len), Ordering::Release);
        len
    }

    /// How many wait to be read.
    pub(super) fn waiting(&self) -> usize {
        self.ring.waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_its_order_and_no_more_than_there_is_room_for() {
        let (mut writer, mut reader) = ring(8);
        let mut out = [0; 5];
        assert_eq!(reader.read(&mut out), 0);
        assert_eq!(writer.write(1..=6), 6);
        assert_eq!((reader.read(&mut out), out), (5, [1, 2, 3, 4, 5]));
        assert_eq!(writer.write(7..=20), 7);
        assert_eq!((writer.waiting(), reader.waiting()), (8, 8));
        assert_eq!((reader.read(&mut out), out), (5, [6, 7, 8, 9, 10]));
        assert_eq!((reader.read(&mut out), out[..3].to_vec()), (3, vec![11, 12, 13]));
    }

    #[test]
    fn two_threads_lose_nothing() {
        const ALL: usize = 200_000;
        let (mut writer, mut reader) = ring(100);
        let sample = |n: usize| (n % 30_011) as i16;
        let one = std::thread::spawn(move || {
            let mut n = 0;
            while n < ALL {
                n += writer.write((n..ALL.min(n + 37)).map(sample));
            }
        });
        let (mut n, mut out) = (0, [0; 23]);
        while n < ALL {
            let len = reader.read(&mut out);
            for taken in &out[..len] {
                assert_eq!(*taken, sample(n), "sample {n}");
                n += 1;
            }
        }
        one.join().unwrap();
    }
}

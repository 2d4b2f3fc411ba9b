//! How late packets come, and what delay that asks for.

/// The delays of the latest packets, relative to the fastest one of the last seconds.
///
/// The fastest packet is the line without queues; it is forgotten after [`SECONDS`], so that a clock that drifts or a way
/// that has become longer does not count as jitter for ever. All times are in units of the media clock.
#[derive(Debug)]
pub(super) struct Delays {
    rate: i64,
    /// The least transit time of each of the last seconds: the second, and the time.
    fastest: [(i64, i64); SECONDS],
    /// How late the latest packets were, in bins of [`BIN_MS`], oldest first from `next`.
    latest: [u8; PACKETS],
    next: usize,
    known: usize,
    counts: [u16; BINS],
    /// [RFC 3550 §6.4.1], times 16.
    ///
    /// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
    jitter: i64,
    transit: Option<i64>,
}

impl Delays {
    pub(super) fn new(rate: u32) -> Self {
        Delays {
            rate: i64::from(rate.max(1)),
            fastest: [(NEVER, 0); SECONDS],
            latest: [0; PACKETS],
            next: 0,
            known: 0,
            counts: [0; BINS],
            jitter: 0,
            transit: None,
        }
    }

    /// Forgets everything but the jitter.
    pub(super) fn reset(&mut self) {
        let jitter = self.jitter;
        *self = Delays { jitter, ..Delays::new(0) }.at_rate(self.rate);
    }

    fn at_rate(self, rate: i64) -> Self {
        Delays { rate, ..self }
    }

    /// Takes a packet that came at `at` and was `transit` on its way, on a scale whose zero nobody knows.
    pub(super) fn receive(&mut self, at: i64, transit: i64) {
        let second = at / self.rate;
        if let Some(entry) = self.fastest.get_mut((second.rem_euclid(SECONDS as i64)) as usize) {
            *entry = if entry.0 == second { (second, entry.1.min(transit)) } else { (second, transit) };
        }
        let late = transit - self.base(at).unwrap_or(transit);
        let bin = (late * 1000 / self.rate / BIN_MS).clamp(0, BINS as i64 - 1) as u8;
        if let Some(oldest) = self.latest.get_mut(self.next) {
            if self.known == PACKETS
                && let Some(count) = self.counts.get_mut(usize::from(*oldest))
            {
                *count = count.saturating_sub(1);
            }
            *oldest = bin;
        }
        if let Some(count) = self.counts.get_mut(usize::from(bin)) {
            *count += 1;
        }
        self.next = (self.next + 1) % PACKETS;
        self.known = (self.known + 1).min(PACKETS);
        if let Some(before) = self.transit {
            let step = (transit - before).abs().min(self.rate);
            self.jitter += step - ((self.jitter + 8) >> 4);
        }
        self.transit = Some(transit);
    }

    /// The transit time of the fastest packet of the last seconds before `at`.
    pub(super) fn base(&self, at: i64) -> Option<i64> {
        let oldest = at / self.rate - SECONDS as i64;
        let recent = self.fastest.iter().filter(|&&(second, _)| second > oldest);
        // After a long silence there is none; the last one known is better than none.
        let recent = recent.map(|&(_, transit)| transit).min();
        recent.or_else(|| {
            let known = self.fastest.iter().filter(|&&(second, _)| second != NEVER);
            known.max_by_key(|&&(second, _)| second).map(|&(_, transit)| transit)
        })
    }

    /// How late all but a hundredth of the latest packets were at most.
    pub(super) fn needed(&self) -> i64 {
        let wanted = self.known - self.known / 100;
        let mut sum = 0;
        for (bin, &count) in (0i64..).zip(&self.counts) {
            sum += usize::from(count);
            if sum >= wanted {
                // The upper end of the bin; the first one is no jitter.
                return if bin == 0 { 0 } else { (bin + 1) * BIN_MS * self.rate / 1000 };
            }
        }
        0
    }

    /// Interarrival jitter in units of the media clock.
    pub(super) fn jitter(&self) -> i64 {
        self.jitter >> 4
    }
}

/// For how long the fastest packet is remembered.
const SECONDS: usize = 10;
const NEVER: i64 = i64::MIN;
/// How many packets decide: ten seconds at 20 ms.
const PACKETS: usize = 512;
const BIN_MS: i64 = 5;
const BINS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_the_lateness_of_the_latest_packets_but_a_hundredth() {
        let mut delays = Delays::new(8000);
        assert_eq!((delays.needed(), delays.base(0)), (0, None));
        for n in 0..1000 {
            delays.receive(n * 160, 5000);
        }
        assert_eq!((delays.needed(), delays.base(160_000)), (0, Some(5000)));
        // One in ten comes 60 ms late.
        for n in 1000..1500 {
            delays.receive(n * 160, if n % 10 == 0 { 5480 } else { 5000 });
        }
        assert_eq!(delays.needed(), 65 * 8);
        for n in 1500..2100 {
            delays.receive(n * 160, 5000);
        }
        assert_eq!(delays.needed(), 0, "the bad time is forgotten");
    }

    #[test]
    fn a_longer_way_is_jitter_for_ten_seconds_only() {
        let mut delays = Delays::new(8000);
        for n in 0..500 {
            delays.receive(n * 160, 100);
        }
        for n in 500..600 {
            delays.receive(n * 160, 900);
        }
        assert_eq!((delays.needed(), delays.base(600 * 160)), (105 * 8, Some(100)));
        for n in 600..1700 {
            delays.receive(n * 160, 900);
        }
        assert_eq!((delays.needed(), delays.base(1700 * 160)), (0, Some(900)));
        // A silence of a minute does not lose the base.
        assert_eq!(delays.base(1700 * 160 + 480_000), Some(900));
    }
}

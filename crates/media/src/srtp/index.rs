//! Packet indices: the estimate of the roll-over counter and the replay window.

use super::SrtpError;

/// The indices of one SSRC that were accepted (or sent): the highest, and which of those just below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    highest: u64,
    /// Bit n is set when `highest - n` was accepted.
    accepted: u128,
}

impl Window {
    /// The window after the first packet.
    pub(super) const fn at(index: u64) -> Self {
        Window { highest: index, accepted: 1 }
    }

    /// Says whether `index` may still be accepted ([RFC 3711 §3.3.2]); changes nothing.
    ///
    /// [RFC 3711 §3.3.2]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(age) = self.highest.checked_sub(index) else { return Ok(()) };
        if age >= WINDOW_LEN {
            return Err(SrtpError::TooOld);
        }
        if self.accepted & (1 << age) != 0 {
            return Err(SrtpError::Replayed);
        }
        Ok(())
    }

    /// Notes that `index`, which passed [`check`](Self::check) and authentication, is used.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            let step = index - self.highest;
            self.accepted = if step < WINDOW_LEN { self.accepted << step } else { 0 };
            self.accepted |= 1;
            self.highest = index;
        } else if self.highest - index < WINDOW_LEN {
            self.accepted |= 1 << (self.highest - index);
        }
    }

    /// The highest index.
    #[cfg(test)]
    const fn highest(&self) -> u64 {
        self.highest
    }

    /// The 48-bit index of an RTP packet: the sequence number under the roll-over counter that brings it nearest to
    /// the highest so far ([RFC 3711 §3.3.1], appendix A).
    ///
    /// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
    pub(super) fn estimate(&self, sequence: u16) -> Result<u64, SrtpError> {
        let highest_sequence = (self.highest & 0xffff) as u16;
        // As a signed number, how far `sequence` is ahead of the highest, the short way round.
        let ahead = i64::from(sequence.wrapping_sub(highest_sequence) as i16);
        let index = self.highest.checked_add_signed(ahead).ok_or(SrtpError::TooOld)?;
        if index > MAX_RTP_INDEX { Err(SrtpError::KeyExhausted) } else { Ok(index) }
    }
}

/// The last index of a key: 2^48 packets of one SSRC ([RFC 3711 §9.2]).
///
/// [RFC 3711 §9.2]: https://www.rfc-editor.org/rfc/rfc3711#section-9.2
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// The last SRTCP index of a key.
pub(super) const MAX_RTCP_INDEX: u64 = (1 << 31) - 1;

/// How many indices the replay window covers; [RFC 3711 §3.3.2] asks for 64 at least.
///
/// [RFC 3711 §3.3.2]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2
const WINDOW_LEN: u64 = u128::BITS as u64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_counter_rolls_over_and_back() {
        let window = Window::at(0xfffe);
        assert_eq!(window.estimate(0xffff), Ok(0xffff));
        assert_eq!(window.estimate(0x0001), Ok(0x1_0001));
        let window = Window::at(0x1_0002);
        assert_eq!(window.estimate(0xffff), Ok(0xffff));
        assert_eq!(window.estimate(0x8001), Ok(0x1_8001));
    }

    #[test]
    fn nothing_comes_before_the_first_index_and_nothing_after_the_last() {
        assert_eq!(Window::at(2).estimate(0xffff), Err(SrtpError::TooOld));
        assert_eq!(Window::at(MAX_RTP_INDEX).estimate(0xffff), Ok(MAX_RTP_INDEX));
        assert_eq!(Window::at(MAX_RTP_INDEX).estimate(0), Err(SrtpError::KeyExhausted));
    }

    proptest! {
        /// The index that Appendix A's pseudo-code gives, wherever it gives one.
        #[test]
        fn the_estimate_is_that_of_rfc_3711_appendix_a(highest in 0u64..=MAX_RTP_INDEX, sequence: u16) {
            let (roc, s_l) = ((highest >> 16) as i64, (highest & 0xffff) as i64);
            let seq = i64::from(sequence);
            let v = if s_l < 32_768 {
                if seq - s_l > 32_768 { roc - 1 } else { roc }
            } else if s_l - 32_768 > seq {
                roc + 1
            } else {
                roc
            };
            // Exactly half way round, appendix A and the nearest index may differ: no packet is ever there.
            prop_assume!((seq - s_l).rem_euclid(65_536) != 32_768);
            let expected = match v {
                ..=-1 => Err(SrtpError::TooOld),
                0x1_0000_0000.. => Err(SrtpError::KeyExhausted),
                _ => Ok((v as u64) << 16 | seq as u64),
            };
            prop_assert_eq!(Window::at(highest).estimate(sequence), expected);
        }

        /// Against a model that remembers every index.
        #[test]
        fn the_window_is_a_set(steps in prop::collection::vec(-200i64..200, 1..400)) {
            let mut index = 10_000u64;
            let mut window = Window::at(index);
            let mut model = BTreeSet::from([index]);
            for step in steps {
                index = index.saturating_add_signed(step);
                let highest = *model.last().unwrap();
                let expected = if index + WINDOW_LEN <= highest {
                    Err(SrtpError::TooOld)
                } else if model.contains(&index) {
                    Err(SrtpError::Replayed)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.accept(index);
                    model.insert(index);
                }
                prop_assert_eq!(window.highest(), *model.last().unwrap());
            }
        }
    }
}

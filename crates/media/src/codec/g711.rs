//! G.711: eight bits a sample by the A-law or the µ-law, out of tables.

/// One of the two laws of [G.711].
///
/// [G.711]: https://www.itu.int/rec/T-REC-G.711
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// The A-law, `PCMA`: Europe and most of the world.
    A,
    /// The µ-law, `PCMU`: North America and Japan.
    Mu,
}

impl Law {
    /// The linear value of a code.
    pub fn expand(self, code: u8) -> i16 {
        let table = match self {
            Law::A => &A_TO_LINEAR,
            Law::Mu => &MU_TO_LINEAR,
        };
        table.get(usize::from(code)).copied().unwrap_or_default()
    }

    /// The code of a linear value.
    pub fn compress(self, sample: i16) -> u8 {
        // Magnitudes are those of the ones' complement, as in the algorithm that ITU-T G.191 publishes: -1 is the
        // smallest negative number and has a code of its own, and -32768 needs no special case.
        let magnitude = (sample ^ (sample >> 15)) as usize;
        let (code, sign) = match self {
            Law::A => (A_FROM_MAGNITUDE.get(magnitude >> 4), 0x80),
            Law::Mu => (MU_FROM_MAGNITUDE.get(magnitude >> 2), 0),
        };
        let code = code.copied().unwrap_or_default();
        // A positive A-law code has its first bit set, a positive µ-law code too: its table holds it so.
        match (self, sample < 0) {
            (Law::A, false) => code ^ sign,
            (Law::A, true) | (Law::Mu, false) => code,
            (Law::Mu, true) => code ^ 0x80,
        }
    }

    /// Writes the codes of `pcm`, as many as fit.
    pub fn compress_all(self, pcm: &[i16], payload: &mut [u8]) {
        for (code, sample) in payload.iter_mut().zip(pcm) {
            *code = self.compress(*sample);
        }
    }

    /// Writes the samples of `payload`, as many as fit.
    pub fn expand_all(self, payload: &[u8], pcm: &mut [i16]) {
        for (sample, code) in pcm.iter_mut().zip(payload) {
            *sample = self.expand(*code);
        }
    }

    /// Turns a payload of this law into one of the other law where it lies, without going through samples.
    pub fn recode(self, payload: &mut [u8]) {
        let table = match self {
            Law::A => &A_TO_MU,
            Law::Mu => &MU_TO_A,
        };
        for code in payload {
            *code = table.get(usize::from(*code)).copied().unwrap_or_default();
        }
    }
}

static A_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_a(code as u8);
        code += 1;
    }
    table
};

static MU_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_mu(code as u8);
        code += 1;
    }
    table
};

/// By the upper 11 bits of a magnitude of 15.
static A_FROM_MAGNITUDE: [u8; 2048] = {
    let mut table = [0; 2048];
    let mut magnitude = 0;
    while magnitude < 2048 {
        table[magnitude as usize] = compress_a(magnitude);
        magnitude += 1;
    }
    table
};

/// By the upper 13 bits of a magnitude of 15.
static MU_FROM_MAGNITUDE: [u8; 8192] = {
    let mut table = [0; 8192];
    let mut magnitude = 0;
    while magnitude < 8192 {
        table[magnitude as usize] = compress_mu(magnitude);
        magnitude += 1;
    }
    table
};

static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = expand_a(code as u8);
        let magnitude = (sample ^ (sample >> 15)) as u32;
        let sign = if sample < 0 { 0x80 } else { 0 };
        table[code] = compress_mu(magnitude >> 2) ^ sign;
        code += 1;
    }
    table
};

static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = expand_mu(code as u8);
        let magnitude = (sample ^ (sample >> 15)) as u32;
        let sign = if sample < 0 { 0 } else { 0x80 };
        table[code] = compress_a(magnitude >> 4) ^ sign;
        code += 1;
    }
    table
};

/// Even bits are inverted on the line; a segment of 16 steps, the first two of one size.
const fn expand_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let half = step * 2 + 1;
    let magnitude = match segment {
        0 => half << 3,
        _ => (half + 32) << (segment + 2),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// All bits are inverted on the line; magnitudes have a bias of 33 (in steps of 4).
const fn expand_mu(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let magnitude = ((step * 2 + 33) << (segment + 2)) - 132;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The code of a negative value, by the upper 11 bits of its magnitude.
const fn compress_a(magnitude: u32) -> u8 {
    let (segment, step) = if magnitude < 16 {
        (0, magnitude)
    } else {
        let segment = (magnitude.ilog2() - 3) as u8;
        (segment, (magnitude >> (segment - 1)) & 15)
    };
    ((segment << 4) | step as u8) ^ 0x55
}

/// The code of a positive value, by the upper 13 bits of its magnitude.
const fn compress_mu(magnitude: u32) -> u8 {
    let biased = magnitude + 33;
    let biased = if biased > 0x1fff { 0x1fff } else { biased };
    let segment = (biased.ilog2() - 5) as u8;
    let step = (biased >> (segment + 1)) & 15;
    !((segment << 4) | step as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        for code in 0..=255u8 {
            assert_eq!(Law::A.compress(Law::A.expand(code)), code, "A {code:#04x}");
            // The µ-law has two zeros, and linear samples have one.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(Law::Mu.compress(Law::Mu.expand(code)), expected, "µ {code:#04x}");
        }
    }

    /// Table 1a and 1b (A) and 2a and 2b (µ) of G.711: the ends, the smallest values, the first of some segments; in
    /// 16 bits, which are those of the tables times 8 and times 4.
    #[test]
    fn values_are_those_of_the_tables() {
        for (code, sample) in [
            (0xaa, 32256),
            (0x2a, -32256),
            (0xd5, 8),
            (0x55, -8),
            (0xc5, 264),
            (0xf5, 528),
            (0xe5, 1056),
            (0x95, 2112),
            (0x85, 4224),
            (0xb5, 8448),
            (0xa5, 16896),
        ] {
            assert_eq!(Law::A.expand(code), sample, "A {code:#04x}");
        }
        for (code, sample) in [
            (0x80, 32124),
            (0x00, -32124),
            (0xff, 0),
            (0x7f, 0),
            (0xfe, 8),
            (0x7e, -8),
            (0xef, 132),
            (0xdf, 396),
            (0xcf, 924),
            (0xbf, 1980),
            (0xaf, 4092),
            (0x9f, 8316),
            (0x8f, 16764),
        ] {
            assert_eq!(Law::Mu.expand(code), sample, "µ {code:#04x}");
        }
    }

    /// Decision values: the last sample below and the first above.
    #[test]
    fn a_sample_takes_the_code_of_its_interval() {
        for (sample, code) in [(0, 0xd5), (15, 0xd5), (16, 0xd4), (-1, 0x55), (-16, 0x55), (-17, 0x54)] {
            assert_eq!(Law::A.compress(sample), code, "A {sample}");
        }
        for (sample, code) in [(32767, 0xaa), (-32768, 0x2a), (31743, 0xab), (31744, 0xaa)] {
            assert_eq!(Law::A.compress(sample), code, "A {sample}");
        }
        for (sample, code) in
            [(0, 0xff), (3, 0xff), (4, 0xfe), (-1, 0x7f), (-4, 0x7f), (-5, 0x7e), (32767, 0x80), (-32768, 0)]
        {
            assert_eq!(Law::Mu.compress(sample), code, "µ {sample}");
        }
    }

    /// Table 5 and 6 of G.711: 1000 Hz at 0 dBm0.
    #[test]
    fn the_digital_milliwatt_is_0_dbm0() {
        let a = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        let mu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        // The virtual decision values at the end of the tables, 4096 and 8159, are the peak of the loudest sine.
        for (law, codes, peak, overload) in [(Law::A, a, 4096.0 * 8.0, 314), (Law::Mu, mu, 8159.0 * 4.0, 317)]
        {
            let energy: f64 = codes.iter().map(|code| f64::from(law.expand(*code)).powi(2)).sum();
            let below = 10.0 * (peak * peak / 2.0 / (energy / 8.0)).log10();
            assert_eq!((below * 100.0).round() as i32, overload, "{law:?}: {below} dB below overload");
        }
    }

    /// The sums are those of the algorithm that ITU-T G.191 publishes, run over all samples.
    #[test]
    fn every_sample_has_the_code_that_the_itu_gives_it() {
        for (law, expected) in [(Law::A, 872_174_168), (Law::Mu, 712_471_942)] {
            let codes = (i16::MIN..=i16::MAX).map(|sample| u64::from(law.compress(sample)));
            let sum: u64 = codes.enumerate().map(|(at, code)| at as u64 % 251 * code).sum();
            assert_eq!(sum, expected, "{law:?}");
        }
    }

    #[test]
    fn compressing_is_monotonous_and_near() {
        for law in [Law::A, Law::Mu] {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let back = law.expand(law.compress(sample));
                assert!(back >= last, "{law:?} {sample}");
                last = back;
                let error = (i32::from(back) - i32::from(sample)).abs();
                // Half a step: a sixteenth of a segment's start, at most; and clipping at the top.
                let most = (i32::from(sample).abs() / 32).max(8) + 8;
                assert!(
                    error <= most.max(if sample.unsigned_abs() > 32000 { 700 } else { 0 }),
                    "{law:?} {sample}"
                );
            }
        }
    }

    #[test]
    fn recoding_is_what_the_samples_give() {
        for (from, to) in [(Law::A, Law::Mu), (Law::Mu, Law::A)] {
            let mut payload: Vec<u8> = (0..=255).collect();
            from.recode(&mut payload);
            for (code, recoded) in (0..=255u8).zip(payload) {
                assert_eq!(recoded, to.compress(from.expand(code)), "{from:?} {code:#04x}");
            }
        }
    }
}

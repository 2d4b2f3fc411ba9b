//! Concealment of lost frames for codecs that have none of their own: the last pitch period is repeated and fades out.
//!
//! In the spirit of [G.711 Appendix I], without its delay: where that holds back a few milliseconds to blend into the
//! repetition, here the step to the repetition is taken up by an offset that dies away.
//!
//! [G.711 Appendix I]: https://www.itu.int/rec/T-REC-G.711-199909-I!AppI

/// What was heard lately, and what goes on from there while frames are missing.
pub struct Concealment {
    rate: usize,
    /// The last samples that went out, the newest at the end.
    heard: Vec<i16>,
    /// `heard` as it was when the loss began.
    source: Vec<i16>,
    /// The pitch period, in samples.
    period: usize,
    /// Samples concealed since the last that came; 0 while nothing is missing.
    concealed: usize,
    repetition: Repetition,
    /// The repetition before the cycle was made longer, while it is blended out, and the samples left to blend.
    former: (Repetition, usize),
    /// The step from the last sample to the first repeated one.
    step: i32,
}

/// A place in a cycle of one to three pitch periods.
#[derive(Debug, Clone, Copy)]
struct Repetition {
    periods: usize,
    at: usize,
}

impl Concealment {
    /// Nothing heard yet, samples at `rate` hertz.
    pub fn new(rate: u32) -> Self {
        // A rate that no codec has is not worth a panic below.
        let rate = (rate as usize).clamp(8000, 48000);
        let len = rate * HEARD_MS / 1000;
        let start = Repetition { periods: 1, at: 0 };
        Concealment {
            rate,
            heard: vec![0; len],
            source: vec![0; len],
            period: rate / 100,
            concealed: 0,
            repetition: start,
            former: (start, 0),
            step: 0,
        }
    }

    /// A frame came: after a loss the repetition is blended into its beginning.
    pub fn received(&mut self, pcm: &mut [i16]) {
        if self.concealed > 0 {
            // The longer the loss, the longer the blend: 4 ms for each 10 ms, 10 ms at most.
            let tens = self.concealed * 100 / self.rate;
            let blend = (self.overlap() + tens * (self.rate / 250)).min(self.rate / 100).min(pcm.len());
            for (at, sample) in pcm.iter_mut().take(blend).enumerate() {
                let repeated = self.next();
                *sample = mixed(repeated, *sample, at + 1, blend + 1);
            }
            self.concealed = 0;
        }
        self.remember(pcm);
    }

    /// Fills a frame that did not come.
    pub fn conceal(&mut self, pcm: &mut [i16]) {
        if self.concealed == 0 {
            self.begin();
        }
        for sample in pcm.iter_mut() {
            *sample = self.next();
        }
        self.remember(pcm);
    }

    fn begin(&mut self) {
        self.source.copy_from_slice(&self.heard);
        self.period = self.pitch();
        self.repetition = Repetition { periods: 1, at: 0 };
        self.former = (self.repetition, 0);
        let newest = self.source.len() - 1;
        self.step = i32::from(self.source_at(newest)) - i32::from(self.source_at(newest - self.period));
    }

    /// The next sample of the repetition.
    fn next(&mut self) -> i16 {
        let ten = self.rate / 100;
        let gone = self.concealed;
        self.concealed = gone.saturating_add(1);
        if gone >= 6 * ten {
            return 0;
        }
        // One period alone begins to buzz.
        if (gone == ten || gone == 2 * ten) && self.repetition.periods < 3 {
            self.former = (self.repetition, self.overlap());
            self.repetition.periods += 1;
            self.repetition.at %= self.period;
        }
        let mut sample = self.repeated(self.repetition);
        self.repetition = self.after(self.repetition);
        if self.former.1 > 0 {
            let (former, left) = self.former;
            sample = mixed(sample, self.repeated(former), left, self.overlap() + 1);
            self.former = (self.after(former), left - 1);
        }
        let mut value = i32::from(sample);
        if gone < self.overlap() {
            let (gone, overlap) = (gone as i32, self.overlap() as i32);
            value += self.step * (overlap - gone) / overlap;
        }
        if gone > ten {
            let left = (6 * ten - gone) as i32;
            value = value * left / (5 * ten) as i32;
        }
        value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    /// The sample of a cycle, whose end is blended into what stood before its beginning, where it goes on.
    fn repeated(&self, repetition: Repetition) -> i16 {
        let cycle = self.period * repetition.periods;
        let begin = self.source.len() - cycle;
        let sample = self.source_at(begin + repetition.at);
        let overlap = self.overlap();
        let Some(into) = (repetition.at + overlap).checked_sub(cycle) else { return sample };
        mixed(sample, self.source_at(begin + into - overlap), into + 1, overlap + 1)
    }

    fn after(&self, repetition: Repetition) -> Repetition {
        let at = repetition.at + 1;
        let cycle = self.period * repetition.periods;
        Repetition { at: if at >= cycle { 0 } else { at }, ..repetition }
    }

    /// A quarter of a period.
    fn overlap(&self) -> usize {
        self.period / 4
    }

    fn source_at(&self, at: usize) -> i16 {
        self.source.get(at).copied().unwrap_or_default()
    }

    /// The lag from 5 to 15 ms (66 to 200 Hz) at which the last 20 ms are most like what was before: first coarsely,
    /// in steps of 1/8000 s, then around the best.
    fn pitch(&self) -> usize {
        let (shortest, longest) = (self.rate / 200, self.rate * 15 / 1000);
        let coarse = self.rate / 8000;
        let best = |lags: &mut dyn Iterator<Item = usize>, stride: usize| {
            let mut best = (f32::MIN, shortest);
            for lag in lags {
                let likeness = self.likeness(lag, stride);
                if likeness > best.0 {
                    best = (likeness, lag);
                }
            }
            best.1
        };
        let near = best(&mut (shortest..=longest).step_by(coarse), 2 * coarse);
        let around = near.saturating_sub(coarse).max(shortest)..=(near + coarse).min(longest);
        best(&mut around.into_iter(), coarse.div_ceil(2))
    }

    /// The correlation with what was `lag` samples before, divided by the energy there.
    fn likeness(&self, lag: usize, stride: usize) -> f32 {
        let window = self.rate / 50;
        let begin = self.source.len() - window;
        let last = self.source.get(begin..).unwrap_or_default();
        let before = self.source.get(begin - lag..).unwrap_or_default();
        let (mut product, mut energy) = (0i64, 1i64);
        for (now, then) in last.iter().zip(before).step_by(stride) {
            let (now, then) = (i64::from(*now), i64::from(*then));
            product += now * then;
            energy += then * then;
        }
        let product = product as f32;
        product * product.abs() / energy as f32
    }

    fn remember(&mut self, pcm: &[i16]) {
        let len = self.heard.len();
        let newest = pcm.get(pcm.len().saturating_sub(len)..).unwrap_or_default();
        self.heard.copy_within(newest.len().., 0);
        if let Some(end) = self.heard.get_mut(len - newest.len()..) {
            end.copy_from_slice(newest);
        }
    }
}

/// From one sample to another, `at` steps of `of`.
fn mixed(from: i16, to: i16, at: usize, of: usize) -> i16 {
    let (at, of) = (at as i32, of as i32);
    ((i32::from(from) * (of - at) + i32::from(to) * at) / of) as i16
}

/// What is kept: three periods of 15 ms, a quarter of one before them, and room.
const HEARD_MS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, from: usize, len: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (from..from + len).map(|n| (10000.0 * (step * n as f64).sin()) as i16).collect()
    }

    fn energy(pcm: &[i16]) -> f64 {
        pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / pcm.len() as f64
    }

    #[test]
    fn a_tone_goes_on_through_the_first_10_ms() {
        for rate in [8000, 16000, 48000] {
            for hertz in [90.0, 150.0, 440.0, 800.0] {
                let mut concealment = Concealment::new(rate);
                let len = rate as usize / 50;
                for n in 0..5 {
                    concealment.received(&mut tone(hertz, rate, n * len, len));
                }
                let mut pcm = vec![0; len / 2];
                concealment.conceal(&mut pcm);
                let wanted = tone(hertz, rate, 5 * len, len / 2);
                let error: Vec<i16> = pcm.iter().zip(&wanted).map(|(a, b)| a.wrapping_sub(*b)).collect();
                let below = 10.0 * (energy(&wanted) / energy(&error)).log10();
                assert!(below > 15.0, "{hertz} Hz at {rate}: the error is {below} dB below");
            }
        }
    }

    #[test]
    fn it_fades_to_silence_in_60_ms() {
        let mut concealment = Concealment::new(8000);
        concealment.received(&mut tone(200.0, 8000, 0, 480));
        let mut levels = Vec::new();
        for _ in 0..8 {
            let mut pcm = [0; 80];
            concealment.conceal(&mut pcm);
            levels.push(energy(&pcm).sqrt());
        }
        assert!(levels[0] > 6500.0, "{levels:?}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] * 1.02), "{levels:?}");
        assert!(levels[4] > 500.0, "{levels:?}");
        assert_eq!(levels[6..], [0.0, 0.0]);
    }

    #[test]
    fn no_click_where_it_begins_and_where_the_stream_comes_back() {
        for rate in [8000u32, 16000, 48000] {
            let mut concealment = Concealment::new(rate);
            let len = rate as usize / 50;
            let mut heard = Vec::new();
            for n in 0..12 {
                let mut pcm = tone(310.0, rate, n * len, len);
                if matches!(n, 5 | 8 | 9) {
                    concealment.conceal(&mut pcm)
                } else {
                    concealment.received(&mut pcm)
                }
                heard.extend(pcm);
            }
            let largest = |pcm: &[i16]| {
                pcm.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
            };
            let usual = largest(&tone(310.0, rate, 0, len));
            let most = largest(&heard);
            assert!(most < usual * 2, "{rate}: a step of {most}, the tone has {usual}");
        }
    }

    #[test]
    fn silence_and_what_never_began_stay_silent() {
        let mut concealment = Concealment::new(16000);
        let mut pcm = [7; 320];
        concealment.conceal(&mut pcm);
        assert_eq!(pcm, [0; 320]);
        concealment.received(&mut [0; 320]);
        concealment.conceal(&mut pcm);
        assert_eq!(pcm, [0; 320]);
    }

    #[test]
    fn frames_of_any_length_are_taken() {
        let mut concealment = Concealment::new(8000);
        let mut pcm = vec![i16::MIN; 6000];
        for len in [0, 1, 3, 79, 80, 81, 480, 481, 5999, 6000, 1] {
            concealment.received(&mut pcm[..len]);
            concealment.conceal(&mut pcm[..len]);
            concealment.conceal(&mut pcm[..len]);
        }
    }
}

//! The E-model ([ITU-T G.107]): from delay, loss and codec to the rating R, and from R to a mean opinion score.
//!
//! What a media relay cannot measure (loudness, room noise, side tone, echo return loss) has the default values of G.107
//! table 2, so that a call without delay and loss is rated 93.2. The narrow-band model is used for every codec: scores
//! of calls with different codecs can be compared, and none is above that of G.711.
//!
//! [ITU-T G.107]: https://www.itu.int/rec/T-REC-G.107

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

/// What the model takes of one direction of a leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// The one-way delay from mouth to ear (`Ta`, and `T` of the echo path; `Tr` is twice that).
    pub delay: Duration,
    /// The share of packets lost, 0 to 1 (`Ppl`).
    pub loss: f64,
    /// How much longer the bursts of loss are than random loss would make them; 1 for random loss (`BurstR`).
    pub burst_ratio: f64,
    /// The codec.
    pub codec: Codec,
}

impl Conditions {
    /// The transmission rating R (equation 7-1), 0 to 100.
    pub fn rating(&self) -> f64 {
        let noise = noise();
        let signal_to_noise = 15.0 - 1.5 * (SLR + noise);
        let milliseconds = self.delay.min(MAX_DELAY).as_secs_f64() * 1000.0;
        let simultaneous = simultaneous(signal_to_noise, noise);
        let delay = talker_echo(milliseconds, noise)
            + listener_echo(milliseconds, signal_to_noise)
            + absolute_delay(milliseconds);
        (signal_to_noise - simultaneous - delay - self.equipment()).clamp(0.0, 100.0)
    }

    /// The mean opinion score of the rating.
    pub fn mos(&self) -> Mos {
        Mos::from_rating(self.rating())
    }

    /// `Ie,eff` (equation 7-29): what codec and loss take away.
    fn equipment(&self) -> f64 {
        let Figures { impairment, robustness } = self.codec.figures();
        let percent = fraction(self.loss) * 100.0;
        let burst_ratio = if self.burst_ratio.is_finite() { self.burst_ratio.max(1.0) } else { 1.0 };
        impairment + (95.0 - impairment) * percent / (percent / burst_ratio + robustness)
    }
}

/// A mean opinion score for conversational quality (MOS-CQE), 1.00 (bad) to 4.50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mos(NonZeroU16);

impl Mos {
    /// The score of R = 80: below it some users are dissatisfied (ITU-T G.109).
    pub const SATISFIED: Mos = match NonZeroU16::new(402) {
        Some(hundredths) => Mos(hundredths),
        None => Mos(NonZeroU16::MIN),
    };

    /// The score of a rating R (G.107 annex B).
    pub fn from_rating(rating: f64) -> Mos {
        let score = match rating {
            r if r > 100.0 => 4.5,
            r if r > 0.0 => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
            _ => 1.0,
        };
        // The curve dips below 1 for the lowest ratings, which nobody means.
        Mos::from_hundredths((score.clamp(1.0, 4.5) * 100.0).round() as u16)
    }

    /// The score, such as 4.41.
    pub fn score(self) -> f64 {
        f64::from(self.0.get()) / 100.0
    }

    /// The score in hundredths.
    pub fn hundredths(self) -> u16 {
        self.0.get()
    }

    /// The score of so many hundredths, brought into the range that scores have.
    pub fn from_hundredths(hundredths: u16) -> Mos {
        Mos(NonZeroU16::new(hundredths.clamp(100, 450)).unwrap_or(NonZeroU16::MIN))
    }
}

impl fmt::Display for Mos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.score())
    }
}

/// The codecs that the model has figures for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// G.711 whose decoder conceals losses (G.711 appendix I or like it), as every phone of today does.
    #[default]
    G711,
    /// G.711 whose decoder plays silence for what is lost.
    G711WithoutConcealment,
    /// G.722, 64 kbit/s.
    G722,
    /// G.729 and G.729A.
    G729,
    /// GSM full rate.
    Gsm,
    /// iLBC.
    Ilbc,
    /// Opus with in-band FEC.
    Opus,
    /// Speex.
    Speex,
}

/// The two figures of a codec.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// `Ie`: what it takes from the rating without loss.
    impairment: f64,
    /// `Bpl`: how well it stands random loss.
    robustness: f64,
}

impl Codec {
    /// The codec of a name in an SDP. One that is not known is rated like G.711.
    pub fn from_name(name: &str) -> Codec {
        const NAMES: [(&str, Codec); 8] = [
            ("PCMU", Codec::G711),
            ("PCMA", Codec::G711),
            ("G722", Codec::G722),
            ("G729", Codec::G729),
            ("GSM", Codec::Gsm),
            ("iLBC", Codec::Ilbc),
            ("opus", Codec::Opus),
            ("speex", Codec::Speex),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Codec::G711, |(_, codec)| *codec)
    }

    /// G.711, G.729A and GSM by ITU-T G.113 appendix I (tables I.1 and I.4: random loss, packets of 10 ms for G.711 and
    /// 20 ms for G.729A). G.113 has no `Bpl` for GSM full rate and nothing for the others: those are estimates, on the
    /// cautious side of what is published, for codecs that conceal by themselves. They order the codecs as listening
    /// tests do and say no more than that. Opus and G.722 lose nothing on the narrow-band scale.
    const fn figures(self) -> Figures {
        let (impairment, robustness) = match self {
            Codec::G711 => (0.0, 25.1),
            Codec::G711WithoutConcealment => (0.0, 4.3),
            Codec::G729 => (11.0, 19.0),
            Codec::Gsm => (20.0, 10.0),
            Codec::Ilbc => (11.0, 32.0),
            Codec::Opus => (0.0, 30.0),
            Codec::G722 => (0.0, 15.0),
            Codec::Speex => (13.0, 16.0),
        };
        Figures { impairment, robustness }
    }
}

/// `No` (equations 7-3 to 7-7): the power of all noise at the 0 dBr point.
fn noise() -> f64 {
    let power = |level: f64| 10f64.powf(level / 10.0);
    let send = PS - SLR - DS - 100.0 + 0.004 * (PS - OLR - DS - 14.0).powi(2);
    let effective_room = PR + 10.0 * (1.0 + power(10.0 - LSTR)).log10();
    let receive = RLR - 121.0 + effective_room + 0.008 * (effective_room - 35.0).powi(2);
    10.0 * (power(NC) + power(send) + power(receive) + power(NFOR + RLR)).log10()
}

/// `Is` (equations 7-8 to 7-16): what goes along with the voice. Only constants come into it but `Ro` and `No`, which
/// are constants too while the terminal is the default one; and the side tone, whose delay is that of the phone itself.
fn simultaneous(signal_to_noise: f64, noise: f64) -> f64 {
    let loudness = OLR + 0.2 * (64.0 + noise - RLR);
    let too_loud = 20.0 * ((1.0 + (loudness / 8.0).powi(8)).powf(1.0 / 8.0) - loudness / 8.0);
    let masked = -10.0 * (10f64.powf(-STMR / 10.0) + 10f64.powf(-TELR / 10.0)).log10();
    let root = |base: f64, power: i32| (1.0 + base.powi(power)).powf(1.0 / f64::from(power));
    let side_tone = 12.0 * root((masked - 13.0) / 6.0, 8)
        - 28.0 * root((masked + 1.0) / 19.4, 35)
        - 13.0 * root((masked - 3.0) / 33.0, 13)
        + 29.0;
    // With one quantising distortion unit (qdu = 1).
    let (q, power) = (37.0, |level: f64| 10f64.powf(level));
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (signal_to_noise - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    let quantising = 15.0 * (1.0 + power(y) + power(z)).log10();
    too_loud + side_tone + quantising
}

/// `Idte` (equations 7-18 to 7-22): one's own echo.
fn talker_echo(delay: f64, noise: f64) -> f64 {
    // Below a millisecond it is side tone (G.107 §7.4).
    if delay < 1.0 {
        return 0.0;
    }
    let loudness = TELR - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10()
        + 6.0 * (-0.3 * delay * delay).exp();
    let reference = -1.5 * (noise - RLR);
    let echo = 80.0 + 2.5 * (loudness - 14.0);
    let half = (reference - echo) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp())
}

/// `Idle` (equations 7-25 and 7-26): the other's echo.
fn listener_echo(delay: f64, signal_to_noise: f64) -> f64 {
    let echo = 10.5 * (WEPL + 7.0) * (2.0 * delay + 1.0).powf(-0.25);
    let half = (signal_to_noise - echo) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// `Idd` (equations 7-27 and 7-28): the wait for an answer.
fn absolute_delay(delay: f64) -> f64 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// A share, whatever was computed.
fn fraction(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

/// Where more makes no difference: the worst delay that is told apart.
const MAX_DELAY: Duration = Duration::from_secs(10);

// G.107 table 2: loudness ratings, side tone, echo losses, noise.
const SLR: f64 = 8.0;
const RLR: f64 = 2.0;
const OLR: f64 = SLR + RLR;
const STMR: f64 = 15.0;
const LSTR: f64 = 18.0;
const DS: f64 = 3.0;
const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;
const NC: f64 = -70.0;
const NFOR: f64 = -64.0;
const PS: f64 = 35.0;
const PR: f64 = 35.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn conditions(delay: u64, percent: f64, codec: Codec) -> Conditions {
        Conditions { delay: Duration::from_millis(delay), loss: percent / 100.0, burst_ratio: 1.0, codec }
    }

    /// The default values give R = 93.2 (G.107 §7.7) and a score of 4.41.
    #[test]
    fn the_defaults_give_the_rating_of_g107() {
        let rating = conditions(0, 0.0, Codec::G711).rating();
        assert!((rating - 93.2).abs() < 0.05, "{rating}");
        assert_eq!(conditions(0, 0.0, Codec::G711).mos().to_string(), "4.41");
    }

    /// G.107 table B.1.
    #[test]
    fn scores_are_those_of_annex_b() {
        for (rating, score) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0), (101.0, 4.5)]
        {
            // The table rounds up where the formula gives 4.024.
            let difference = Mos::from_rating(rating).score() - score;
            assert!(difference.abs() < 0.011, "{rating}: {difference}");
        }
        assert_eq!(Mos::SATISFIED, Mos::from_rating(80.0));
    }

    /// Cole and Rosenbluth's well-known fit to the model with default echo: 0.024 d, and 0.11 (d − 177.3) more above.
    #[test]
    fn delay_costs_what_the_published_fit_says() {
        let best = conditions(0, 0.0, Codec::G711).rating();
        for delay in [50u64, 100, 150, 200, 250, 300, 350] {
            let d = delay as f64;
            let fit = 0.024 * d + 0.11 * (d - 177.3).max(0.0);
            let lost = best - conditions(delay, 0.0, Codec::G711).rating();
            assert!((lost - fit).abs() < 2.5, "{delay} ms: {lost} for {fit}");
        }
    }

    /// `Ie,eff` worked out by hand from the figures of G.113.
    #[test]
    fn loss_costs_what_the_codec_can_stand() {
        let lost = |percent, codec| {
            conditions(0, 0.0, Codec::G711).rating() - conditions(0, percent, codec).rating()
        };
        for (codec, percent, expected) in [
            (Codec::G711, 5.0, 95.0 * 5.0 / 30.1),
            (Codec::G711WithoutConcealment, 5.0, 95.0 * 5.0 / 9.3),
            (Codec::G729, 0.0, 11.0),
            (Codec::G729, 2.0, 11.0 + 84.0 * 2.0 / 21.0),
            (Codec::Gsm, 0.0, 20.0),
        ] {
            let lost = lost(percent, codec);
            assert!((lost - expected).abs() < 0.01, "{codec:?} {percent} %: {lost} for {expected}");
        }
        assert!(lost(5.0, Codec::Opus) < lost(5.0, Codec::G711));
    }

    #[test]
    fn losses_in_bursts_cost_more_than_losses_one_by_one() {
        let random = conditions(0, 3.0, Codec::G711);
        let bursts = Conditions { burst_ratio: 2.0, ..random };
        assert!(bursts.rating() < random.rating());
    }

    #[test]
    fn codecs_are_known_by_their_names_in_any_case() {
        assert_eq!(Codec::from_name("OPUS"), Codec::Opus);
        assert_eq!(Codec::from_name("pcma"), Codec::G711);
        assert_eq!(Codec::from_name("AMR"), Codec::G711);
    }

    fn any_codec() -> impl Strategy<Value = Codec> {
        use Codec::*;
        prop::sample::select(vec![G711, G711WithoutConcealment, G722, G729, Gsm, Ilbc, Opus, Speex])
    }

    proptest! {
        #[test]
        fn more_loss_and_more_delay_never_make_it_better(
            codec in any_codec(), delay in 0u64..2000, more in 0u64..500, loss in 0.0..99.0f64, worse in 0.0..50.0f64,
        ) {
            let rating = conditions(delay, loss, codec).rating();
            prop_assert!(conditions(delay, loss + worse, codec).rating() <= rating);
            prop_assert!(conditions(delay + more, loss, codec).rating() <= rating + 0.3);
        }

        #[test]
        fn any_figures_give_a_score(delay in any::<u64>(), loss in any::<f64>(), burst_ratio in any::<f64>(), codec in any_codec()) {
            let delay = Duration::from_nanos(delay);
            let mos = Conditions { delay, loss, burst_ratio, codec }.mos();
            prop_assert!((1.0..=4.5).contains(&mos.score()));
        }
    }
}

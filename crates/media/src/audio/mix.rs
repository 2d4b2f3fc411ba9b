//! The mixer of a conference: each leg hears all others.

use super::level::{SILENCE, level_of_power, power};

/// Mixes the frames of up to [`MAX_LEGS`] legs, all of one length and one sample rate.
///
/// Each tick: [`Self::handle_frame`] for every leg that has one, [`Self::mix`] once, [`Self::read`] for every leg. The
/// sum is made once; a leg hears it without its own frame.
#[derive(Debug)]
pub struct Mixer {
    /// Samples in a frame.
    frame: usize,
    legs: Box<[Leg]>,
    /// The frames of all legs, one behind the other.
    inputs: Box<[i16]>,
    sum: Box<[i32]>,
    /// The sum as those hear it who are not in it.
    whole: Box<[i16]>,
    loudest: Option<usize>,
    speaker: Option<usize>,
    /// Who is louder than the active speaker, and for how many ticks.
    rival: Option<(usize, u32)>,
}

/// A place at the mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(usize);

/// How a mixer chooses whom to let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixerSettings {
    /// Samples in a frame: at most [`MAX_FRAME`].
    pub frame: usize,
    /// Places: at most [`MAX_LEGS`].
    pub legs: usize,
    /// Sum only so many legs, the loudest; `None` sums all.
    pub loudest: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Leg {
    taken: bool,
    /// Whether it has given a frame in this tick.
    present: bool,
    /// Whether it is one of the loudest and so in the sum.
    chosen: bool,
    /// Its mean square: of this frame, and smoothed.
    power: f32,
    loudness: f32,
}

impl Mixer {
    /// A mixer with empty places. All its memory is taken here.
    pub fn new(settings: MixerSettings) -> Self {
        let frame = settings.frame.min(MAX_FRAME);
        let legs = settings.legs.min(MAX_LEGS);
        Mixer {
            frame,
            legs: vec![Leg::default(); legs].into(),
            inputs: vec![0; legs * frame].into(),
            sum: vec![0; frame].into(),
            whole: vec![0; frame].into(),
            loudest: settings.loudest,
            speaker: None,
            rival: None,
        }
    }

    /// Takes a place; `None` when all are taken.
    pub fn join(&mut self) -> Option<Place> {
        let (place, leg) = self.legs.iter_mut().enumerate().find(|(_, leg)| !leg.taken)?;
        *leg = Leg { taken: true, ..Leg::default() };
        Some(Place(place))
    }

    /// Gives a place back.
    pub fn leave(&mut self, place: Place) {
        if let Some(leg) = self.legs.get_mut(place.0) {
            *leg = Leg::default();
        }
        self.speaker = self.speaker.filter(|&speaker| speaker != place.0);
        self.rival = self.rival.filter(|&(rival, _)| rival != place.0);
    }

    /// Takes the frame of a leg for this tick; what is missing of it is silence, what is more is cut off. A leg that is
    /// muted or has nothing gives none.
    pub fn handle_frame(&mut self, place: Place, frame: &[i16]) {
        let own = place.0 * self.frame..(place.0 + 1) * self.frame;
        let (Some(leg), Some(input)) = (self.legs.get_mut(place.0), self.inputs.get_mut(own)) else { return };
        if !leg.taken {
            return;
        }
        let len = frame.len().min(input.len());
        let (start, rest) = input.split_at_mut(len);
        start.copy_from_slice(frame.get(..len).unwrap_or_default());
        rest.fill(0);
        leg.present = true;
        leg.power = power(input);
    }

    /// Makes the sum of this tick. Frames are for one tick: who gives none in the next is not heard in it.
    pub fn mix(&mut self) {
        for leg in &mut self.legs {
            if !leg.present {
                leg.power = 0.0;
            }
            let pace = if leg.power > leg.loudness { RISE } else { FALL };
            leg.loudness += (leg.power - leg.loudness) * pace;
        }
        self.choose();
        self.find_speaker();
        self.sum.fill(0);
        for (leg, input) in self.legs.iter_mut().zip(self.inputs.chunks_exact(self.frame.max(1))) {
            leg.chosen &= leg.present;
            leg.present = false;
            if leg.chosen {
                for (sum, &sample) in self.sum.iter_mut().zip(input) {
                    // 128 legs of 16 bits are far from the end of 32.
                    *sum = sum.wrapping_add(i32::from(sample));
                }
            }
        }
        for (heard, &sum) in self.whole.iter_mut().zip(&self.sum) {
            *heard = soft_limit(sum);
        }
    }

    /// Writes what a leg hears: the sum of the last tick without its own frame.
    pub fn read(&self, place: Place, heard: &mut [i16]) {
        let own = place.0 * self.frame..(place.0 + 1) * self.frame;
        let len = heard.len().min(self.frame);
        let (start, rest) = heard.split_at_mut(len);
        rest.fill(0);
        match (self.legs.get(place.0), self.inputs.get(own)) {
            (Some(leg), Some(own)) if leg.chosen => {
                for ((heard, &sum), &own) in start.iter_mut().zip(&self.sum).zip(own) {
                    *heard = soft_limit(sum.wrapping_sub(i32::from(own)));
                }
            }
            _ => start.copy_from_slice(self.whole.get(..len).unwrap_or_default()),
        }
    }

    /// The sum of the last tick with everybody in it, as a recording has it.
    pub fn whole(&self) -> &[i16] {
        &self.whole
    }

    /// The level of a leg's last frame, -dBov ([RFC 6464]); 127 for one that gave none.
    ///
    /// [RFC 6464]: https://www.rfc-editor.org/rfc/rfc6464
    pub fn level(&self, place: Place) -> u8 {
        self.legs.get(place.0).map_or(SILENCE, |leg| level_of_power(leg.power))
    }

    /// Whether the leg was in the last sum.
    pub fn is_heard(&self, place: Place) -> bool {
        self.legs.get(place.0).is_some_and(|leg| leg.chosen)
    }

    /// Who speaks: the loudest leg, once it has been louder than the one before for a while. Who spoke last stays it
    /// while all are silent.
    pub fn active_speaker(&self) -> Option<Place> {
        self.speaker.map(Place)
    }

    /// Chooses whom to sum. A leg that is in gives way only to one that is clearly louder.
    fn choose(&mut self) {
        let Some(most) = self.loudest else {
            for leg in &mut self.legs {
                leg.chosen = leg.taken;
            }
            return;
        };
        let score = |leg: &Leg| if leg.chosen { leg.loudness * CLEARLY } else { leg.loudness };
        let mut scores = [0f32; MAX_LEGS];
        for (kept, leg) in scores.iter_mut().zip(&self.legs) {
            *kept = score(leg);
        }
        for leg in &mut self.legs {
            leg.chosen = false;
        }
        for _ in 0..most.min(self.legs.len()) {
            let candidates = self.legs.iter().enumerate().filter(|(_, leg)| leg.taken && !leg.chosen);
            let scored = candidates.map(|(n, _)| (n, scores.get(n).copied().unwrap_or_default()));
            let Some((loudest, _)) = scored.max_by(|one, other| one.1.total_cmp(&other.1)) else { return };
            if let Some(leg) = self.legs.get_mut(loudest) {
                leg.chosen = true;
            }
        }
    }

    fn find_speaker(&mut self) {
        let loudness = |place: usize| self.legs.get(place).map_or(0.0, |leg| leg.loudness);
        let places = 0..self.legs.len();
        let loudest = places.max_by(|&one, &other| loudness(one).total_cmp(&loudness(other)));
        let Some(loudest) = loudest.filter(|&place| loudness(place) > SPEECH) else {
            self.rival = None;
            return;
        };
        let Some(speaker) = self.speaker else {
            self.speaker = Some(loudest);
            return;
        };
        if loudest == speaker || loudness(loudest) < loudness(speaker) * CLEARLY {
            self.rival = None;
            return;
        }
        let ticks = self.rival.filter(|&(rival, _)| rival == loudest).map_or(1, |(_, ticks)| ticks + 1);
        self.rival = Some((loudest, ticks));
        if ticks >= RIVAL_TICKS {
            (self.speaker, self.rival) = (Some(loudest), None);
        }
    }
}

/// A sum as 16 bits: as it is up to three quarters of full scale, bent above so that it never clips.
#[inline]
fn soft_limit(sum: i32) -> i16 {
    let size = sum.unsigned_abs();
    if size <= KNEE {
        return sum as i16;
    }
    let over = (size - KNEE) as f32;
    let room = (i16::MAX as u32 - KNEE) as f32;
    // From slope 1 at the knee towards full scale, which no sum reaches.
    let bent = KNEE as f32 + over * room / (over + room);
    if sum < 0 { -bent as i16 } else { bent as i16 }
}

/// Legs of a mixer at most.
pub const MAX_LEGS: usize = 128;
/// Samples of a frame at most: 60 ms at 48 kHz.
pub const MAX_FRAME: usize = 2880;
const KNEE: u32 = 24_576;
/// How fast loudness follows a rising and a falling level, in each tick.
const RISE: f32 = 0.5;
const FALL: f32 = 0.08;
/// Twice the power, 3 dB.
const CLEARLY: f32 = 2.0;
/// The loudness that may be speech: -50 dBov.
const SPEECH: f32 = 1e-5;
/// How many ticks in a row another leg has to be the louder one.
const RIVAL_TICKS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;

    fn mixer(legs: usize, loudest: Option<usize>) -> (Mixer, Vec<Place>) {
        let mut mixer = Mixer::new(MixerSettings { frame: FRAME, legs, loudest });
        let places = (0..legs).map(|_| mixer.join().unwrap()).collect();
        (mixer, places)
    }

    /// What each leg hears when each says a constant of its own.
    fn tick(mixer: &mut Mixer, places: &[Place], said: &[i16]) -> Vec<i16> {
        for (&place, &value) in places.iter().zip(said) {
            mixer.handle_frame(place, &[value; FRAME]);
        }
        mixer.mix();
        let heard = places.iter().map(|&place| {
            let mut heard = [1; FRAME];
            mixer.read(place, &mut heard);
            assert!(heard.iter().all(|&sample| sample == heard[0]));
            heard[0]
        });
        heard.collect()
    }

    #[test]
    fn each_hears_all_but_itself() {
        let (mut mixer, places) = mixer(4, None);
        assert_eq!(tick(&mut mixer, &places, &[1, 10, 100, 1000]), [1110, 1101, 1011, 111]);
        assert_eq!(mixer.whole()[0], 1111);
        // Who gives no frame is not heard, and hears.
        assert_eq!(tick(&mut mixer, &places, &[1, 10]), [10, 1, 11, 11]);
        mixer.leave(places[0]);
        assert_eq!(tick(&mut mixer, &places, &[1, 10, 100]), [110, 100, 10, 110]);
        assert_eq!(mixer.join(), Some(places[0]));
        assert_eq!(mixer.join(), None);
    }

    #[test]
    fn many_loud_legs_are_bent_and_never_clipped_or_wrapped() {
        let (mut mixer, places) = mixer(MAX_LEGS, None);
        for value in [i16::MAX, i16::MIN] {
            let heard = tick(&mut mixer, &places, &[value; MAX_LEGS]);
            assert!(
                heard.iter().all(|heard| heard.signum() == value.signum() && heard.unsigned_abs() > 32_000)
            );
        }
        let mut last = 0;
        for sum in 0..200_000 {
            let limited = soft_limit(sum);
            assert!(limited >= last && i32::from(limited) <= sum, "{sum} is {limited}");
            assert_eq!(soft_limit(-sum), -limited);
            last = limited;
        }
        assert_eq!(soft_limit(24_576), 24_576);
    }

    #[test]
    fn only_the_loudest_are_summed_and_a_newcomer_has_to_be_clearly_louder() {
        let (mut mixer, places) = mixer(5, Some(3));
        for _ in 0..20 {
            tick(&mut mixer, &places, &[1000, 900, 800, 10, 10]);
        }
        assert_eq!(tick(&mut mixer, &places, &[1000, 900, 800, 10, 10]), [1700, 1800, 1900, 2700, 2700]);
        // A little louder than the third is not enough, twice as loud is.
        for _ in 0..100 {
            tick(&mut mixer, &places, &[1000, 900, 800, 950, 10]);
        }
        assert!(mixer.is_heard(places[2]) && !mixer.is_heard(places[3]));
        for _ in 0..100 {
            tick(&mut mixer, &places, &[1000, 900, 800, 1600, 10]);
        }
        assert!(!mixer.is_heard(places[2]) && mixer.is_heard(places[3]));
    }

    #[test]
    fn the_active_speaker_changes_after_a_while_and_stays_in_silence() {
        let (mut mixer, places) = mixer(3, None);
        assert_eq!(mixer.active_speaker(), None);
        tick(&mut mixer, &places, &[3000, 0, 0]);
        assert_eq!(mixer.active_speaker(), Some(places[0]));
        assert_eq!(mixer.level(places[0]), 21);
        assert_eq!(mixer.level(places[1]), 127);
        // A cough of 60 ms changes nothing.
        for _ in 0..3 {
            tick(&mut mixer, &places, &[3000, 20_000, 0]);
        }
        assert_eq!(mixer.active_speaker(), Some(places[0]));
        for _ in 0..100 {
            tick(&mut mixer, &places, &[0, 0, 3000]);
        }
        assert_eq!(mixer.active_speaker(), Some(places[2]));
        for _ in 0..1000 {
            tick(&mut mixer, &places, &[0, 0, 0]);
        }
        assert_eq!(mixer.active_speaker(), Some(places[2]));
    }

    #[test]
    fn frames_and_places_of_any_kind_are_safe() {
        for frame in [0, 1, usize::MAX] {
            let mut mixer = Mixer::new(MixerSettings { frame, legs: usize::MAX, loudest: Some(usize::MAX) });
            let place = mixer.join().unwrap();
            for len in [0, 1, 5000] {
                mixer.handle_frame(place, &vec![9; len]);
                mixer.mix();
                mixer.read(place, &mut vec![1; len]);
                mixer.read(Place(MAX_LEGS), &mut vec![1; len]);
                mixer.handle_frame(Place(MAX_LEGS), &[1]);
            }
        }
    }
}

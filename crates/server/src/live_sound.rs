//! The microphone and the speaker of `call` and `room`: opened when there is somebody to talk with, told of in a line, and
//! gone without when they fail.

use std::collections::VecDeque;
use std::time::Instant;

use ringback_peer::audio::RATE;
use ringback_peer::sound::{DeviceError, Microphone, SoundCounts, Speaker};

/// A device as the command line asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// None.
    #[default]
    Nothing,
    /// That of the machine, if it has one.
    Default,
    /// The one of this name.
    Named(String),
}

impl Choice {
    fn name(&self) -> Option<&str> {
        match self {
            Choice::Named(name) => Some(name),
            Choice::Nothing | Choice::Default => None,
        }
    }

    fn is_wanted(&self) -> bool {
        *self != Choice::Nothing
    }
}

/// The devices that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What is spoken into.
    pub microphone: Choice,
    /// What is listened to.
    pub speaker: Choice,
}

/// Something that whoever has typed the command is to know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is so.
    Line(String),
    /// It is not as it should be.
    Warning(String),
}

/// The devices of a command.
pub(crate) struct LiveSound {
    wanted: Wanted,
    is_open: bool,
    microphone: Option<Microphone>,
    speaker: Option<Speaker>,
    /// Whether the microphone has failed.
    is_deaf: bool,
    news: VecDeque<News>,
}

impl LiveSound {
    /// Looks whether what was named is there; nothing is opened yet.
    pub(crate) fn new(wanted: Wanted) -> Result<Self, DeviceError> {
        if let Some(name) = wanted.microphone.name() {
            Microphone::check(Some(name))?;
        }
        if let Some(name) = wanted.speaker.name() {
            Speaker::check(Some(name))?;
        }
        let (microphone, speaker, news) = (None, None, VecDeque::new());
        Ok(LiveSound { wanted, is_open: false, microphone, speaker, is_deaf: false, news })
    }

    /// Whether there is to be any.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.microphone.is_wanted() || self.wanted.speaker.is_wanted()
    }

    /// Opens the devices, once. What cannot be had is told, and gone without.
    pub(crate) fn open(&mut self) {
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        let mut parts = Vec::new();
        if self.wanted.microphone.is_wanted() {
            match Microphone::open(self.wanted.microphone.name()) {
                Ok(microphone) => {
                    parts.push(format!("the microphone `{}`", microphone.name()));
                    self.microphone = Some(microphone);
                }
                Err(error) => self.warn(&error, UNHEARD),
            }
        }
        if self.wanted.speaker.is_wanted() {
            match Speaker::open(self.wanted.speaker.name()) {
                Ok(speaker) => {
                    parts.push(format!("the speaker `{}`", speaker.name()));
                    self.speaker = Some(speaker);
                }
                Err(error) => self.warn(&error, UNHEARING),
            }
        }
        if !parts.is_empty() {
            self.news.push_back(News::Line(format!("live sound by {}", parts.join(" and "))));
        }
    }

    /// Has the microphone listen from here on.
    pub(crate) fn start(&mut self, now: Instant) {
        if let Some(Err(error)) = self.microphone.as_mut().map(|microphone| microphone.start(now)) {
            self.warn(&error, UNHEARD);
            self.microphone = None;
        }
    }

    /// The next 20 ms to say, if they are due.
    pub(crate) fn poll_frame(&mut self, now: Instant) -> Option<&[i16]> {
        self.microphone.as_mut()?.poll_frame(now)
    }

    /// Plays what a stream says.
    pub(crate) fn hear(&mut self, stream: u32, samples: &[i16]) {
        if let Some(speaker) = &mut self.speaker {
            speaker.playout().hear(stream, samples);
        }
    }

    /// A stream has ended.
    pub(crate) fn forget(&mut self, stream: u32) {
        if let Some(speaker) = &mut self.speaker {
            speaker.playout().forget(stream);
        }
    }

    /// Looks whether the devices are still well.
    pub(crate) fn look(&mut self, now: Instant) {
        let failure = self.microphone.as_mut().and_then(|microphone| microphone.poll_failure(now));
        // It is silent from here on, which is what is said then.
        if let Some(error) = failure {
            self.is_deaf = true;
            self.warn(&error, UNHEARD);
        }
        let failure = self.speaker.as_mut().and_then(|speaker| speaker.poll_failure(now));
        if let Some(error) = failure {
            self.warn(&error, UNHEARING);
            self.speaker = None;
        }
    }

    /// What is to be told next.
    pub(crate) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Closes the devices, and tells what was wrong with their sound, if anything was.
    pub(crate) fn close(&mut self) {
        let microphone = self.microphone.take().filter(|_| !self.is_deaf);
        let told = microphone.and_then(|microphone| faults(microphone.name(), microphone.counts()));
        self.news.extend(told.map(|faults| News::Line(format!("the microphone {faults}"))));
        let told = self.speaker.take().and_then(|speaker| faults(speaker.name(), speaker.counts()));
        self.news.extend(told.map(|faults| News::Line(format!("the speaker {faults}"))));
    }

    fn warn(&mut self, error: &DeviceError, consequence: &str) {
        self.news.push_back(News::Warning(format!("{error}; {consequence}")));
    }
}

/// What was wrong with the sound of a device, in words; what was left out or put in for its clock is not.
fn faults(name: &str, counts: SoundCounts) -> Option<String> {
    let SoundCounts { gaps, dropped, late, .. } = counts;
    if gaps + dropped + late == 0 {
        return None;
    }
    let ms = |samples: u64| samples * 1000 / u64::from(RATE);
    let clock = format!("{} ms left out and {} ms put in", ms(counts.left_out), ms(counts.put_in));
    Some(format!("`{name}` had {gaps} gaps, was late {late} times; {} ms lost, {clock}", ms(dropped)))
}

const UNHEARD: &str = "others hear silence";
const UNHEARING: &str = "what others say is not played";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_opened_unless_it_is_wanted() {
        let mut sound = LiveSound::new(Wanted::default()).unwrap();
        assert!(!sound.is_wanted());
        sound.open();
        sound.start(Instant::now());
        sound.look(Instant::now());
        sound.close();
        assert_eq!(sound.poll_news(), None);
    }

    #[test]
    fn a_device_that_is_not_there_is_told_before_anybody_rings() {
        let named = || Choice::Named("no such thing".to_owned());
        let microphone = Wanted { microphone: named(), ..Wanted::default() };
        let speaker = Wanted { speaker: named(), ..Wanted::default() };
        for wanted in [microphone, speaker] {
            assert!(LiveSound::new(wanted).is_err());
        }
    }

    #[test]
    fn what_was_wrong_with_the_sound_is_told_in_words() {
        let clock = SoundCounts { left_out: 1600, put_in: 320, ..SoundCounts::default() };
        assert_eq!(faults("default", clock), None, "a clock that is not ours is no fault");
        let counts = SoundCounts { gaps: 2, dropped: 3200, late: 1, ..clock };
        assert_eq!(
            faults("default", counts).unwrap(),
            "`default` had 2 gaps, was late 1 times; 200 ms lost, 100 ms left out and 20 ms put in"
        );
    }
}

//! What is played to the members of a room, and recorded of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ringback_peer::audio::{Audio, Clip, FileError, Recorder};

use crate::live_sound::{LiveSound, News};

/// Sound for every member.
pub(super) struct Sound {
    clip: Option<Arc<Clip>>,
    record: Option<PathBuf>,
    recorders: BTreeMap<u32, Recorder>,
    played_to: Vec<u32>,
    live: LiveSound,
    /// Whether the devices were opened, for the first who is there.
    is_live: bool,
}

impl Sound {
    /// Plays a clip to everybody, and records each into a file of its own: `heard.wav` is `heard-3.wav` for member 3.
    pub(super) fn new(
        clip: Option<Clip>,
        record: Option<PathBuf>,
        live: LiveSound,
    ) -> Result<Self, FileError> {
        // Told before anybody is met.
        record.as_deref().map_or(Ok(()), Recorder::check_name)?;
        let (recorders, played_to) = (BTreeMap::new(), Vec::new());
        Ok(Sound { clip: clip.map(Arc::new), record, recorders, played_to, live, is_live: false })
    }

    /// Whether there is any.
    pub(super) fn is_wanted(&self) -> bool {
        self.clip.is_some() || self.record.is_some() || self.live.is_wanted()
    }

    /// Whether a microphone or a speaker is used.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_wanted()
    }

    /// Opens the devices as soon as somebody is there, and gives what is to be said to everybody.
    pub(super) fn listen(&mut self, now: Instant, is_anybody_there: bool) -> Option<Vec<i16>> {
        if is_anybody_there && !std::mem::replace(&mut self.is_live, true) {
            self.live.open();
            self.live.start(now);
        }
        self.live.look(now);
        self.live.poll_frame(now).map(<[i16]>::to_vec)
    }

    /// What is to be told of the devices.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.live.poll_news()
    }

    /// Closes the devices.
    pub(super) fn close(&mut self) {
        self.live.close();
    }

    /// Begins to play to a member, once, and writes down what was heard.
    pub(super) fn look(
        &mut self,
        member: u32,
        is_connected: bool,
        audio: &mut Audio,
    ) -> Result<(), FileError> {
        if let Some(clip) = self.clip.as_ref().filter(|_| is_connected && !self.played_to.contains(&member)) {
            audio.play(Instant::now(), clip.clone(), None);
            self.played_to.push(member);
        }
        while let Some(heard) = audio.poll_heard() {
            self.live.hear(member, &heard.samples);
            let Some(path) = &self.record else { continue };
            let recorder = match self.recorders.remove(&member) {
                Some(recorder) => recorder,
                None => Recorder::create(&numbered(path, member))?,
            };
            self.recorders.entry(member).or_insert(recorder).write(&heard)?;
        }
        Ok(())
    }

    /// Ends the recording of a member.
    pub(super) fn finish(&mut self, member: u32) -> Result<Option<(PathBuf, f64)>, FileError> {
        self.played_to.retain(|played| *played != member);
        self.live.forget(member);
        let (Some(recorder), Some(path)) = (self.recorders.remove(&member), &self.record) else {
            return Ok(None);
        };
        let seconds = recorder.seconds();
        recorder.finish()?;
        Ok(Some((numbered(path, member), seconds)))
    }

    /// Whose recordings go on.
    pub(super) fn recorded(&self) -> Vec<u32> {
        self.recorders.keys().copied().collect()
    }
}

fn numbered(path: &std::path::Path, member: u32) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!("{stem}-{member}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_sound::Wanted;

    #[test]
    fn each_member_has_a_file_of_its_own() {
        assert_eq!(numbered("a/heard.wav".as_ref(), 3), PathBuf::from("a/heard-3.wav"));
    }

    #[test]
    fn a_name_that_is_no_recording_is_told_at_once() {
        let live = || LiveSound::new(Wanted::default()).unwrap();
        assert!(matches!(Sound::new(None, Some("a.mp3".into()), live()), Err(FileError::Name(_))));
        let sound = Sound::new(None, Some("/nowhere/a.wav".into()), live()).unwrap();
        assert!(sound.is_wanted() && !sound.is_live());
    }
}

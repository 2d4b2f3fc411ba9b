//! What is played to the members of a room, and recorded of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ringback_peer::audio::{Audio, Clip, FileError, Recorder};

/// Sound for every member.
pub(super) struct Sound {
    clip: Option<Arc<Clip>>,
    record: Option<PathBuf>,
    recorders: BTreeMap<u32, Recorder>,
    played_to: Vec<u32>,
}

impl Sound {
    /// Plays a clip to everybody, and records each into a file of its own: `heard.wav` is `heard-3.wav` for member 3.
    pub(super) fn new(clip: Option<Clip>, record: Option<PathBuf>) -> Result<Self, FileError> {
        // Told before anybody is met.
        record.as_deref().map_or(Ok(()), Recorder::check_name)?;
        Ok(Sound { clip: clip.map(Arc::new), record, recorders: BTreeMap::new(), played_to: Vec::new() })
    }

    /// Whether there is any.
    pub(super) fn is_wanted(&self) -> bool {
        self.clip.is_some() || self.record.is_some()
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

    #[test]
    fn each_member_has_a_file_of_its_own() {
        assert_eq!(numbered("a/heard.wav".as_ref(), 3), PathBuf::from("a/heard-3.wav"));
    }

    #[test]
    fn a_name_that_is_no_recording_is_told_at_once() {
        assert!(matches!(Sound::new(None, Some("a.mp3".into())), Err(FileError::Name(_))));
        assert!(Sound::new(None, Some("/nowhere/a.wav".into())).is_ok_and(|sound| sound.is_wanted()));
    }
}

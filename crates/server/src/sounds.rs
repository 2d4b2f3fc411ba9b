//! What can be played: the music on hold, the files of the data directory, the tones of the region.
//!
//! Files are read into memory at the start, so that no call waits for a disk: the music before anything is served, the
//! others by a thread that is gone when it is done.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ringback_control::What;
use ringback_media::audio::{Region, Step, ToneGenerator};
use ringback_media::file::{ClipError, ClipReader};
use ringback_media::insert::{Clip, HOLD_TONES, Sound};

use crate::config::Media;

/// What can be played.
#[derive(Debug)]
pub struct Sounds {
    region: Region,
    hold_music: Option<Sound>,
    beep: Arc<Clip>,
    files: Vec<(Arc<str>, PathBuf)>,
    clips: RwLock<BTreeMap<Arc<str>, Arc<Clip>>>,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing in it that can be played.
    #[error("`{}` cannot be played: {source}", .path.display())]
    Audio {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ClipError,
    },
}

impl Sounds {
    /// The tones alone.
    pub fn none() -> Self {
        let mut samples = vec![0; BEEP_RATE as usize / 5];
        ToneGenerator::of_cadence(BEEP, BEEP_RATE, BEEP_LEVEL).fill(&mut samples);
        let beep = Arc::new(Clip { rate: BEEP_RATE, samples: samples.into() });
        let region = Media::default().tones.into();
        Sounds { region, hold_music: None, beep, files: Vec::new(), clips: RwLock::default() }
    }

    /// Reads the music on hold, and finds what else there is.
    pub fn prepare(config: &Media, data_dir: &Path) -> Result<Self, SoundError> {
        let hold_music = match config.hold_music.as_os_str() {
            none if none.is_empty() => None,
            tones if tones == TONES => Some(Sound::Cadence(HOLD_TONES)),
            _ => Some(Sound::Clip(Arc::new(read(&config.hold_music)?))),
        };
        Ok(Sounds { hold_music, ..Sounds::without_music(config, data_dir) })
    }

    /// Finds what there is, for an engine where nobody waits.
    pub fn without_music(config: &Media, data_dir: &Path) -> Self {
        let mut files = list(&data_dir.join(DIRECTORY));
        if files.len() > MOST_FILES {
            tracing::warn!(files = files.len(), "only the first {MOST_FILES} sounds can be played");
            files.truncate(MOST_FILES);
        }
        Sounds { region: config.tones.into(), files, ..Sounds::none() }
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether there is music for who is held.
    pub fn has_music(&self) -> bool {
        self.hold_music.is_some()
    }

    /// How long each of the files lasts that were read.
    pub fn lengths(&self) -> BTreeMap<Arc<str>, Duration> {
        let clips = self.clips.read().unwrap_or_else(PoisonError::into_inner);
        let length = |clip: &Clip| {
            Duration::from_micros(clip.samples.len() as u64 * 1_000_000 / u64::from(clip.rate.max(1)))
        };
        clips.iter().map(|(name, clip)| (name.clone(), length(clip))).collect()
    }

    /// Reads the files, one after the other; what is too much is left out with a line in the log.
    pub fn read_files(&self) {
        let mut room = MOST_SAMPLES;
        for (name, path) in &self.files {
            let clip = match read(path) {
                Ok(clip) if clip.samples.len() <= room => clip,
                Ok(_) => {
                    tracing::warn!(
                        sound = &**name,
                        "there are more sounds than fit into memory: it is not played"
                    );
                    continue;
                }
                Err(error) => {
                    tracing::warn!(sound = &**name, %error, "a sound is not played");
                    continue;
                }
            };
            room -= clip.samples.len();
            self.clips.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), Arc::new(clip));
        }
    }

    /// What is to be played; `None` when there is no such file, or it was not read yet.
    pub fn find(&self, what: &What) -> Option<Sound> {
        match what {
            What::HoldMusic => self.hold_music.clone(),
            What::Beep => Some(Sound::Clip(self.beep.clone())),
            What::Tone(signal) => Some(Sound::Tone(*signal, self.region)),
            What::File(name) => {
                let clips = self.clips.read().unwrap_or_else(PoisonError::into_inner);
                clips.get(name).cloned().map(Sound::Clip)
            }
        }
    }
}

/// The files of a directory that can be dialled, by their names without the extension, in the order of these.
fn list(directory: &Path) -> Vec<(Arc<str>, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: BTreeMap<Arc<str>, PathBuf> = BTreeMap::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_sound = path.extension().is_some_and(|kind| kind == "wav" || kind == "ogg");
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| is_sound) {
            files.entry(name.into()).or_insert(path);
        }
    }
    files.into_iter().collect()
}

fn read(path: &Path) -> Result<Clip, SoundError> {
    let file = |source| SoundError::File { path: path.to_owned(), source };
    let audio = |source| SoundError::Audio { path: path.to_owned(), source };
    let mut input = File::open(path).map_err(file)?;
    let mut reader = ClipReader::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let len = input.read(&mut piece).map_err(file)?;
        match piece.get(..len) {
            Some(piece) if !piece.is_empty() => reader.read(piece).map_err(audio)?,
            _ => return reader.finish().map_err(audio),
        }
    }
}

/// Where files lie in the data directory that can be dialled.
const DIRECTORY: &str = "sounds";

/// The music of who has none.
const TONES: &str = "tones";

/// Files that can be played.
const MOST_FILES: usize = 256;

/// Samples of all files: an hour at 16 kHz, 115 MB.
const MOST_SAMPLES: usize = 3600 * 16_000;

/// The tone that says that a call is recorded, and how loud it is, -dBov.
const BEEP: &[Step] = &[Step { frequencies: [1400.0, 0.0], gain: 1.0, milliseconds: 180 }];
const BEEP_RATE: u32 = 16_000;
const BEEP_LEVEL: u8 = 20;

#[cfg(test)]
mod tests {
    use ringback_media::file::wav;

    use super::*;

    fn wav(samples: &[i16]) -> Vec<u8> {
        let mut file = wav::header(1, 8000, samples.len() as u64 * 2).to_vec();
        wav::write(samples, &mut file);
        file
    }

    #[test]
    fn the_files_of_the_directory_can_be_played_by_their_names() {
        let data_dir = tempfile::tempdir().unwrap();
        let sounds = data_dir.path().join("sounds");
        fs::create_dir(&sounds).unwrap();
        fs::write(sounds.join("open.wav"), wav(&[5; 100])).unwrap();
        fs::write(sounds.join("broken.ogg"), b"OggS but no more").unwrap();
        fs::write(sounds.join("README"), "not a sound").unwrap();
        let found = Sounds::prepare(&Media::default(), data_dir.path()).unwrap();
        assert_eq!(found.names(), ["broken".into(), Arc::<str>::from("open")]);
        assert!(found.find(&What::File("open".into())).is_none(), "it is read by a thread of its own");
        found.read_files();
        let open = found.find(&What::File("open".into()));
        assert!(matches!(open, Some(Sound::Clip(clip)) if *clip.samples == [5; 100]));
        assert!(found.find(&What::File("broken".into())).is_none());
        assert_eq!(
            found.lengths().into_iter().collect::<Vec<_>>(),
            [("open".into(), Duration::from_micros(12_500))]
        );
        assert!(!found.has_music() && found.find(&What::HoldMusic).is_none());
    }

    #[test]
    fn music_that_cannot_be_played_is_named_at_the_start() {
        let data_dir = tempfile::tempdir().unwrap();
        let path = data_dir.path().join("music.wav");
        let media = Media { hold_music: path.clone(), ..Media::default() };
        let error = |media: &Media| Sounds::prepare(media, data_dir.path()).unwrap_err().to_string();
        assert!(error(&media).contains("cannot be read"), "{}", error(&media));
        fs::write(&path, b"no music").unwrap();
        assert!(error(&media).contains("cannot be played"), "{}", error(&media));
        fs::write(&path, wav(&[1; 8000])).unwrap();
        assert!(Sounds::prepare(&media, data_dir.path()).unwrap().has_music());
        let media = Media { hold_music: "tones".into(), ..Media::default() };
        assert!(Sounds::prepare(&media, data_dir.path()).unwrap().has_music());
    }
}

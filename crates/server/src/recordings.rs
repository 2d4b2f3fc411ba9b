//! The thread that writes recordings, each into a file of its own below the data directory.
//!
//! Voice threads hand it what their desks have recorded over one bounded queue and never wait for a disk: what finds the
//! queue full is missing in its recording, which has a gap there, and is counted. Encoding Opus is done here too.
//!
//! A file that cannot be made or written ends its recording with a line in the log; the call goes on.

mod file;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use ringback_media::insert::{
    Piece, RECORDING_PIECE, Recorded, RecordingEnd, RecordingKey, RecordingSettings,
};

use crate::config::{FileFormat, Recording, Tracks};
use crate::telemetry::{NOBODY, Tally, Telemetry, limited, reasons};
use file::RecordingFile;

reasons! {
    /// What becomes of recordings.
    News {
        /// A file was begun.
        Begun = "begun",
        /// One was ended because it was told to be.
        Stopped = "stopped",
        /// One was thrown away because that was asked for.
        Discarded = "discarded",
        /// One that was to be thrown away could not be.
        NotDiscarded = "not_discarded",
        /// One was ended with its call.
        Over = "over",
        /// One was as long as it may be.
        TooLong = "too_long",
        /// A file could not be made.
        NotMade = "not_made",
        /// What is kept beside one could not be written.
        NoNote = "no_note",
        /// A disk was full, or took nothing for another reason.
        NotWritten = "not_written",
        /// 200 ms of one found the queue full.
        QueueFull = "queue_full",
    }
}

/// The way of a voice thread to the files.
pub struct Tape {
    worker: usize,
    queue: SyncSender<(usize, Recorded)>,
    spare: Receiver<Piece>,
}

/// Whether something was handed over.
#[derive(Debug)]
pub enum Handed {
    /// It was, or nobody is there to take it.
    Over,
    /// There is no room, and it must not be lost.
    Back(Recorded),
    /// There was no room.
    Lost(Piece),
}

impl Tape {
    /// Hands over what was recorded.
    pub fn hand(&self, recorded: Recorded) -> Handed {
        match self.queue.try_send((self.worker, recorded)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => Handed::Over,
            Err(TrySendError::Full((_, Recorded::Piece(piece)))) => Handed::Lost(piece),
            Err(TrySendError::Full((_, news))) => Handed::Back(news),
        }
    }

    /// A piece that was written, whose buffer serves another.
    pub fn next_spare(&self) -> Option<Piece> {
        self.spare.try_recv().ok()
    }
}

/// The thread before it has started.
pub struct RecordingThread {
    directory: PathBuf,
    format: FileFormat,
    telemetry: Arc<Telemetry>,
    queue: SyncSender<(usize, Recorded)>,
    recorded: Receiver<(usize, Recorded)>,
    spares: Vec<SyncSender<Piece>>,
    files: HashMap<RecordingKey, RecordingFile>,
    /// The files that failed of recordings that have not ended.
    failed: HashMap<RecordingKey, RecordingFile>,
}

impl RecordingThread {
    /// A thread that writes below the data directory.
    pub fn new(config: &Recording, data_dir: &Path, telemetry: Arc<Telemetry>) -> Self {
        let (queue, recorded) = sync_channel(QUEUE);
        RecordingThread {
            directory: data_dir.join(Recording::DIRECTORY),
            format: config.format,
            telemetry,
            queue,
            recorded,
            spares: Vec::new(),
            files: HashMap::new(),
            failed: HashMap::new(),
        }
    }

    /// The way of another voice thread to it.
    pub fn tape(&mut self) -> Tape {
        let (give, spare) = sync_channel(QUEUE);
        self.spares.push(give);
        Tape { worker: self.spares.len() - 1, queue: self.queue.clone(), spare }
    }

    /// Runs until the last voice thread is gone.
    pub fn run(self) {
        let RecordingThread { directory, format, telemetry, queue, recorded, spares, mut files, mut failed } =
            self;
        drop(queue);
        let mut writer = Writer {
            directory: &directory,
            format,
            telemetry: &telemetry,
            files: &mut files,
            failed: &mut failed,
        };
        for (worker, recorded) in recorded {
            match recorded {
                Recorded::Begun { recording, name, note, channels } => {
                    writer.begin(recording, &name, note.as_deref(), channels);
                }
                Recorded::Piece(piece) => {
                    writer.write(&piece);
                    // When there is no room for it, another one is made.
                    let _ = spares.get(worker).map(|spare| spare.try_send(piece));
                }
                Recorded::Ended { recording, length, why } => writer.end(recording, length, why),
            }
        }
        // The server stops: what was begun is ended.
        let keys: Vec<RecordingKey> = writer.files.keys().copied().collect();
        for key in keys {
            writer.end(key, 0, RecordingEnd::Over);
        }
    }
}

struct Writer<'a> {
    directory: &'a Path,
    format: FileFormat,
    telemetry: &'a Telemetry,
    files: &'a mut HashMap<RecordingKey, RecordingFile>,
    failed: &'a mut HashMap<RecordingKey, RecordingFile>,
}

impl Writer<'_> {
    fn begin(&mut self, recording: RecordingKey, name: &str, note: Option<&str>, channels: u8) {
        let path = self.directory.join(name);
        let made =
            make_directory(self.directory).and_then(|()| RecordingFile::create(&path, self.format, channels));
        match made {
            Ok(mut file) => {
                self.telemetry.recordings.count(News::Begun);
                tracing::info!(file = name, "a call is recorded");
                let noted = note.map(|note| write_note(&path, note));
                file.has_note = matches!(noted, Some(Ok(())));
                self.files.insert(recording, file);
                if let Some(Err(error)) = noted {
                    self.telemetry.recordings.count(News::NoNote);
                    let words =
                        "what is to be kept beside a recording cannot be written; look at the data directory";
                    limited!(self.telemetry.log, WARN, NOBODY, "no_note", %error, file = name, "{words}");
                }
            }
            Err(error) => {
                self.telemetry.recordings.count(News::NotMade);
                let words = "a call is not recorded: its file cannot be made; look at the data directory";
                limited!(self.telemetry.log, ERROR, NOBODY, "recording_not_made", %error, file = name, "{words}");
            }
        }
    }

    fn write(&mut self, piece: &Piece) {
        let Some(file) = self.files.get_mut(&piece.recording) else { return };
        let written = match self.format {
            FileFormat::Pcap => file.keep(piece.packets()),
            FileFormat::Wav | FileFormat::Ogg => file.write(piece.at, piece.samples()),
        };
        if let Err(error) = written {
            self.give_up(piece.recording, &error);
        }
    }

    fn end(&mut self, recording: RecordingKey, length: u64, why: RecordingEnd) {
        let failed = self.failed.remove(&recording);
        if why == RecordingEnd::Discarded {
            return self.files.remove(&recording).or(failed).iter().for_each(|file| self.discard(file));
        }
        let Some(mut file) = self.files.remove(&recording) else { return };
        if let Err(error) = file.finish(length) {
            self.files.insert(recording, file);
            self.give_up(recording, &error);
            self.failed.remove(&recording);
            return;
        }
        self.telemetry.recordings.count(match why {
            RecordingEnd::Stopped | RecordingEnd::Discarded => News::Stopped,
            RecordingEnd::Over => News::Over,
            RecordingEnd::TooLong => News::TooLong,
        });
        tracing::info!(file = %file.path().display(), seconds = file.seconds(), ?why, "a recording has ended");
    }

    /// Takes a recording away, and what is kept beside it.
    fn discard(&self, recording: &RecordingFile) {
        let (path, file) = (recording.path(), recording.path().display());
        let note = if recording.has_note { fs::remove_file(path.with_extension(NOTE)) } else { Ok(()) };
        match fs::remove_file(path).and(note) {
            Ok(()) => {
                self.telemetry.recordings.count(News::Discarded);
                tracing::info!(%file, "a recording is thrown away, as was asked for");
            }
            Err(error) => {
                self.telemetry.recordings.count(News::NotDiscarded);
                let words = "a recording that was to be thrown away is still there; remove it by hand";
                limited!(self.telemetry.log, ERROR, NOBODY, "recording_not_discarded", %error, %file, "{words}");
            }
        }
    }

    /// The disk takes nothing: what there is of the file is kept.
    fn give_up(&mut self, recording: RecordingKey, error: &io::Error) {
        let Some(file) = self.files.remove(&recording) else { return };
        self.telemetry.recordings.count(News::NotWritten);
        let path = file.path().display();
        let words = "a recording ends because its file cannot be written; its call goes on";
        limited!(self.telemetry.log, ERROR, NOBODY, "recording_not_written", %error, file = %path, "{words}");
        self.failed.insert(recording, file);
    }
}

/// What a desk is told of every recording.
pub fn settings(config: &Recording) -> RecordingSettings {
    RecordingSettings {
        is_separate: config.tracks == Tracks::Separate,
        masks_keys: config.mask_dtmf,
        keeps_packets: config.format == FileFormat::Pcap,
        piece: RECORDING_PIECE,
        most: Duration::from_secs(u64::from(config.max_minutes) * 60),
    }
}

/// What has become of recordings.
pub type Counts = Tally<News>;

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes what is kept beside a recording, under its name with another extension.
fn write_note(recording: &Path, note: &str) -> io::Result<()> {
    let path = recording.with_extension(NOTE);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(note.as_bytes())
}

/// The extension of what is kept beside a recording.
const NOTE: &str = "txt";

/// What may wait for the disk: ten seconds of a hundred recordings.
const QUEUE: usize = 5000;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use ringback_media::codec::Format;
    use ringback_media::insert::{Desk, Side, TICK, Track};
    use ringback_media::session::LegKey;

    use super::*;
    use crate::net::{Bounds, Doorkeeper};
    use crate::store::{Options, Store};

    const RECORDING: RecordingKey = RecordingKey(1);

    fn telemetry(directory: &Path) -> Arc<Telemetry> {
        let store = Store::open(&directory.join("t.db"), Options::default()).unwrap();
        let (writer, _) = store.start_writer(Box::new(|_| {})).unwrap();
        let bounds = Bounds { connections: 1, per_source: 1, per_shared_source: 1 };
        let doorkeeper = Doorkeeper::new(bounds, crate::config::Listen::default());
        Arc::new(Telemetry::new(doorkeeper, writer, Arc::default()))
    }

    /// Two seconds of a recording in which nobody says anything, and its end.
    fn recorded() -> Vec<Recorded> {
        recorded_until(Desk::stop_recording)
    }

    fn recorded_until(end: fn(&mut Desk, RecordingKey)) -> Vec<Recorded> {
        let mut desk = Desk::new(1);
        let mut now = Instant::now();
        let codecs = vec![Format::Pcmu.describe(0)];
        let track = Track {
            recording: RECORDING,
            name: "one.wav".into(),
            note: Some("whose it is".into()),
            side: Side::First,
            codecs,
        };
        desk.record(now, LegKey(1), &track, settings(&Recording::default())).unwrap();
        for _ in 0..100 {
            now += TICK;
            desk.handle_timeout(now);
        }
        end(&mut desk, RECORDING);
        std::iter::from_fn(|| desk.poll_recorded()).collect()
    }

    /// Has a thread write this below a directory; what it counted.
    fn write(directory: &Path, recorded: Vec<Recorded>) -> Arc<Telemetry> {
        let telemetry = telemetry(directory);
        let mut thread = RecordingThread::new(&Recording::default(), directory, telemetry.clone());
        let tape = thread.tape();
        for recorded in recorded {
            assert!(matches!(tape.hand(recorded), Handed::Over));
        }
        drop(tape);
        thread.run();
        telemetry
    }

    #[test]
    fn what_is_handed_over_is_in_a_private_file_when_the_thread_ends() {
        for leaves_out_its_end in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut recorded = recorded();
            if leaves_out_its_end {
                recorded.pop();
            }
            let counts = &write(directory.path(), recorded).recordings;
            let folder = directory.path().join(Recording::DIRECTORY);
            let file = fs::read(folder.join("one.wav")).unwrap();
            assert_eq!(file.len(), 44 + 2 * 32_000);
            assert_eq!(file[40..44], 64_000u32.to_le_bytes(), "the header says so");
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
            let note = folder.join("one.txt");
            assert_eq!(fs::read(&note).unwrap(), b"whose it is");
            assert_eq!(fs::metadata(&note).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!((counts.of(News::Begun), counts.of(News::NotWritten)), (1, 0));
            assert_eq!(counts.of(News::Stopped), u64::from(!leaves_out_its_end));
            assert_eq!(counts.of(News::Over), u64::from(leaves_out_its_end));
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_counted_and_costs_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(Recording::DIRECTORY), "in the way").unwrap();
        let counts = &write(directory.path(), recorded()).recordings;
        assert_eq!((counts.of(News::NotMade), counts.of(News::Begun), counts.of(News::Stopped)), (1, 0, 0));
    }

    #[test]
    fn a_note_that_cannot_be_written_costs_no_recording() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join(Recording::DIRECTORY);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("one.txt"), "in the way").unwrap();
        let counts = &write(directory.path(), recorded()).recordings;
        assert_eq!((counts.of(News::NoNote), counts.of(News::Begun), counts.of(News::Stopped)), (1, 1, 1));
        assert_eq!(fs::read(folder.join("one.wav")).unwrap().len(), 44 + 2 * 32_000);
        assert_eq!(fs::read(folder.join("one.txt")).unwrap(), b"in the way");
    }

    #[test]
    fn what_is_thrown_away_leaves_nothing_behind() {
        for is_in_the_way in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let folder = directory.path().join(Recording::DIRECTORY);
            fs::create_dir(&folder).unwrap();
            if is_in_the_way {
                fs::write(folder.join("one.txt"), "of somebody else").unwrap();
            }
            let counts = &write(directory.path(), recorded_until(Desk::discard_recording)).recordings;
            let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
            assert_eq!(left.len(), usize::from(is_in_the_way), "{left:?}");
            assert_eq!((counts.of(News::Begun), counts.of(News::Discarded)), (1, 1));
            assert_eq!((counts.of(News::Stopped), counts.of(News::NotDiscarded)), (0, 0));
        }
    }

    /// What a full disk has left of a recording goes as well.
    #[test]
    fn what_has_failed_is_thrown_away_too() {
        let directory = tempfile::tempdir().unwrap();
        let telemetry = telemetry(directory.path());
        let path = directory.path().join("one.wav");
        let (mut files, mut failed) = (HashMap::new(), HashMap::new());
        files.insert(RECORDING, RecordingFile::create(&path, FileFormat::Wav, 1).unwrap());
        let mut writer = Writer {
            directory: directory.path(),
            format: FileFormat::Wav,
            telemetry: &telemetry,
            files: &mut files,
            failed: &mut failed,
        };
        writer.give_up(RECORDING, &io::Error::other("full"));
        assert!(path.exists() && writer.files.is_empty());
        writer.end(RECORDING, 0, RecordingEnd::Discarded);
        assert!(!path.exists() && failed.is_empty());
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let telemetry = telemetry(directory.path());
        let (mut files, mut failed) = (HashMap::new(), HashMap::new());
        files.insert(RECORDING, RecordingFile::on_a_full_disk());
        let mut writer = Writer {
            directory: directory.path(),
            format: FileFormat::Wav,
            telemetry: &telemetry,
            files: &mut files,
            failed: &mut failed,
        };
        for recorded in recorded() {
            match recorded {
                Recorded::Begun { .. } => {}
                Recorded::Piece(piece) => writer.write(&piece),
                Recorded::Ended { recording, length, why } => writer.end(recording, length, why),
            }
        }
        assert!(files.is_empty() && failed.is_empty());
        let counts = &telemetry.recordings;
        assert_eq!((counts.of(News::NotWritten), counts.of(News::Stopped)), (1, 0));
    }

    #[test]
    fn what_finds_the_queue_full_is_given_back_if_it_must_not_be_lost() {
        let directory = tempfile::tempdir().unwrap();
        let mut thread =
            RecordingThread::new(&Recording::default(), directory.path(), telemetry(directory.path()));
        let tape = thread.tape();
        let news = || Recorded::Ended { recording: RECORDING, length: 0, why: RecordingEnd::Over };
        for _ in 0..QUEUE {
            assert!(matches!(tape.hand(news()), Handed::Over));
        }
        assert!(matches!(tape.hand(news()), Handed::Back(Recorded::Ended { .. })));
        let piece = recorded().into_iter().find(|recorded| matches!(recorded, Recorded::Piece(_))).unwrap();
        assert!(matches!(tape.hand(piece), Handed::Lost(_)));
        drop(thread);
        assert!(matches!(tape.hand(news()), Handed::Over), "nobody is there to take it");
    }
}

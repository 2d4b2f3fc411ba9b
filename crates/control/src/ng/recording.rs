//! Recording a call: the two who talk, from when it is asked for until its end.
//!
//! It may be asked for before anybody has answered, by a command or by `record-call=on` of an offer, and begins with
//! the answer. It ends with `stop recording`, `record-call=off` and with the delete of the call, not with the media
//! that flows on behind that. Who talks after a branch was exchanged for another is heard in the place of whom he
//! replaces.
//!
//! How it is recorded, and where, is for the configuration to say. From outside comes a part of the name of the file at
//! the most, and text that is kept beside it; a number that is drawn keeps the names apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use ringback_media::insert::{RecordingKey, Side as OfTwo, Track};
use ringback_media::negotiation::recordable;
use ringback_media::session::LegKey;

use super::calls::Call;
use super::command::{Whose, Wish};
use super::engine::{Engine, ok};
use super::flags::{Flags, Switch};
use super::refusal::Reason;
use super::value::{Dict, Value};
use crate::call::recording::MOST_RECORDINGS;
use crate::media::{MediaCommand, What};
use crate::owner;

/// A recording that was asked for.
#[derive(Debug)]
pub(super) struct Recording {
    key: RecordingKey,
    /// The name of its file.
    name: Arc<str>,
    /// What is kept beside it.
    note: Option<Arc<str>>,
    /// How it was asked for.
    wish: Wish,
    /// Whether anybody is heard in it yet.
    is_begun: bool,
    is_paused: bool,
}

/// Why a call is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRecorded {
    /// As many calls are recorded as may be.
    TooMany,
    /// The call has had as many recordings as it may have.
    TooManyOfCall,
    /// Neither side speaks anything that can be understood here, or both are left out.
    NothingHeard,
    /// A file is asked for somewhere else.
    Path,
    /// There is nothing to go on with or to leave a gap in.
    NoRecording,
}

impl NotRecorded {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            NotRecorded::TooMany => "The call is not recorded: as many are as ng.recordings allows at once",
            NotRecorded::TooManyOfCall => {
                const { assert!(MOST_RECORDINGS == 32, "the sentence says how many") };
                "The call is not recorded: it has had 32 recordings already"
            }
            NotRecorded::NothingHeard => {
                "The call is not recorded: no side has opus, G722, PCMA or PCMU, or both are left out"
            }
            NotRecorded::Path => {
                "The call is not recorded: recordings lie in the data directory; give a name, and no path"
            }
            NotRecorded::NoRecording => "The call is not recorded",
        }
    }
}

impl Engine {
    /// Begins to record a call, or goes on. One that is recorded stays so.
    pub(super) fn start_recording(
        &mut self,
        now: Instant,
        whose: &Whose,
        wish: &Wish,
    ) -> Result<Dict, Reason> {
        self.about_recording(now, whose, |engine, call| engine.begin_recording(call, wish))
    }

    /// Ends the recording of a call. It is as it should be where there is none.
    pub(super) fn stop_recording(&mut self, now: Instant, whose: &Whose) -> Result<Dict, Reason> {
        self.about_recording(now, whose, |engine, call| {
            engine.end_recording(call);
            Ok(())
        })
    }

    /// Ends the recording of a call and throws it away. It is as it should be where there is none; those that have ended
    /// before stay.
    pub(super) fn throw_recording_away(&mut self, now: Instant, whose: &Whose) -> Result<Dict, Reason> {
        self.about_recording(now, whose, |engine, call| {
            engine.discard_recording(call);
            Ok(())
        })
    }

    /// Leaves a gap in the recording of a call from here on.
    pub(super) fn pause_recording(&mut self, now: Instant, whose: &Whose) -> Result<Dict, Reason> {
        self.about_recording(now, whose, |engine, call| engine.set_paused(call, true))
    }

    fn about_recording(
        &mut self,
        now: Instant,
        whose: &Whose,
        act: impl FnOnce(&mut Engine, &mut Call) -> Result<(), NotRecorded>,
    ) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let mut call = self.take(number).ok_or(Reason::NoCall)?;
        call.signalled = now;
        let done = act(self, &mut call);
        let answer = with_recordings(ok(), &call);
        self.calls.insert(number, call);
        done.map(|()| answer).map_err(Reason::NotRecorded)
    }

    /// Does what the flags of an offer or an answer say of the recording; what cannot be done is a warning, since the
    /// call goes on without it.
    pub(super) fn record_as_said(
        &mut self,
        call: &mut Call,
        flags: &Flags,
        warnings: &mut Vec<&'static str>,
    ) {
        let done = match flags.record_call {
            // A script says so in every description; what was paused by a command stays so.
            Some(true) if call.recording.is_some() => Ok(()),
            Some(true) => self.begin_recording(call, &flags.wish),
            Some(false) => {
                match flags.has(Switch::DiscardRecording) {
                    true => self.discard_recording(call),
                    false => self.end_recording(call),
                }
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(why) = done {
            warnings.push(why.words());
        }
    }

    fn begin_recording(&mut self, call: &mut Call, wish: &Wish) -> Result<(), NotRecorded> {
        if call.recording.is_some() {
            return self.set_paused(call, false);
        }
        let recording = match self.name_recording(call, wish) {
            Ok(recording) => recording,
            Err(why) => {
                self.stats.recordings_refused += 1;
                return Err(why);
            }
        };
        self.stats.recordings_begun += 1;
        self.recorded.insert(call.number);
        call.recordings.push(recording.name.clone());
        call.recording = Some(recording);
        if let Some((a, b)) = call.talking() {
            self.record_pair(call, a, b);
        }
        Ok(())
    }

    fn name_recording(&mut self, call: &Call, wish: &Wish) -> Result<Recording, NotRecorded> {
        if self.recorded.len() >= self.settings.max_recordings {
            return Err(NotRecorded::TooMany);
        }
        if call.recordings.len() + call.discarded >= MOST_RECORDINGS {
            return Err(NotRecorded::TooManyOfCall);
        }
        let as_packets = self.settings.recording.keeps_packets;
        if let Some((a, b)) = call.talking()
            && heard(call, a, as_packets).is_none()
            && heard(call, b, as_packets).is_none()
        {
            return Err(NotRecorded::NothingHeard);
        }
        let extension = self.settings.recording.extension;
        let wanted = match &wish.name {
            Some(path) if path.contains(&b'/') => return Err(NotRecorded::Path),
            Some(name) => name.strip_suffix(format!(".{extension}").as_bytes()).unwrap_or(name),
            None => &call.id,
        };
        let number = self.random.next_u64();
        let name = format!("{}-{number:016x}.{extension}", safe(wanted));
        let note = wish.metadata.as_ref().map(|metadata| note(&call.id, metadata));
        let key = RecordingKey(number);
        let wish = wish.clone();
        Ok(Recording { key, name: name.into(), note, wish, is_begun: false, is_paused: false })
    }

    /// Has what two who talk say recorded, if the call is: called whenever they were configured.
    pub(super) fn record_pair(&mut self, call: &mut Call, a: LegKey, b: LegKey) {
        let legs = if a.0 < b.0 {
            [(a, OfTwo::First), (b, OfTwo::Second)]
        } else {
            [(b, OfTwo::First), (a, OfTwo::Second)]
        };
        let as_packets = self.settings.recording.keeps_packets;
        let tracks = legs.map(|(leg, side)| Some((leg, side, heard(call, leg, as_packets)?)));
        let Some(recording) = &mut call.recording else { return };
        let is_first = !recording.is_begun;
        let Recording { key, name, note, is_paused, .. } = recording;
        let mut commands = Vec::new();
        for (leg, side, codecs) in tracks.into_iter().flatten() {
            let track = Track { recording: *key, name: name.clone(), note: note.clone(), side, codecs };
            commands.push((leg, MediaCommand::Record(Box::new(track))));
        }
        recording.is_begun |= !commands.is_empty();
        if is_first && *is_paused {
            commands.extend(commands.first().map(|(leg, _)| (*leg, MediaCommand::PauseRecording(*key))));
        }
        let is_begun = is_first && !commands.is_empty();
        for (leg, command) in commands {
            self.command(leg, command);
        }
        if is_begun && self.settings.recording.beep {
            for leg in [a, b] {
                // Who hears a file is told by that, or by nothing: the beep would end it.
                if call.side(leg).is_some_and(|side| side.playing.is_none()) {
                    // Who has no codec of ours cannot be told.
                    let _ = self.play_to(call, leg, &What::Beep, 1, Duration::ZERO);
                }
            }
        }
    }

    fn set_paused(&mut self, call: &mut Call, is_paused: bool) -> Result<(), NotRecorded> {
        let leg = any_open(call);
        let recording = call.recording.as_mut().ok_or(NotRecorded::NoRecording)?;
        let was_paused = std::mem::replace(&mut recording.is_paused, is_paused);
        let key = recording.key;
        if let Some(leg) = leg.filter(|_| recording.is_begun && was_paused != is_paused) {
            let command = match is_paused {
                true => MediaCommand::PauseRecording(key),
                false => MediaCommand::ResumeRecording(key),
            };
            self.command(leg, command);
        }
        Ok(())
    }

    /// Ends the recording of a call, if there is one.
    pub(super) fn end_recording(&mut self, call: &mut Call) {
        if let Some(recording) = call.recording.take() {
            self.command_end(call, &recording, MediaCommand::StopRecording);
        }
    }

    /// Ends the recording of a call, if there is one, and leaves nothing of it.
    pub(super) fn discard_recording(&mut self, call: &mut Call) {
        if let Some(recording) = call.recording.take() {
            call.recordings.retain(|name| *name != recording.name);
            call.discarded += 1;
            self.command_end(call, &recording, MediaCommand::DiscardRecording);
        }
    }

    fn command_end(&mut self, call: &Call, recording: &Recording, command: fn(RecordingKey) -> MediaCommand) {
        self.recorded.remove(&call.number);
        if let Some(leg) = any_open(call).filter(|_| recording.is_begun) {
            self.command(leg, command(recording.key));
        }
    }

    /// Notes what the flags say of who sends a description: whether it is left out of recordings. A recording that has it
    /// in it already ends, and what is left of the call goes into another file.
    pub(super) fn note_exclusion(
        &mut self,
        call: &mut Call,
        leg: LegKey,
        flags: &Flags,
        warnings: &mut Vec<&'static str>,
    ) {
        if !flags.has(Switch::ExcludeRecording) {
            return;
        }
        let Some(side) = call.side_mut(leg).filter(|side| !side.is_unrecorded) else { return };
        side.is_unrecorded = true;
        let Some(Recording { wish, is_begun: true, is_paused, .. }) = &call.recording else { return };
        let (wish, is_paused) = (wish.clone(), *is_paused);
        self.end_recording(call);
        let goes_on = self.begin_recording(call, &wish).and_then(|()| self.set_paused(call, is_paused));
        if let Err(why) = goes_on {
            warnings.push(why.words());
        }
    }

    /// A recording has ended by itself: it is as long as it may be, or nobody is left in it.
    pub(super) fn recording_ended(&mut self, leg: LegKey, key: RecordingKey) {
        let Some(call) = self.calls.get_mut(&owner::call_of(leg)) else { return };
        if call.recording.take_if(|recording| recording.key == key).is_some() {
            self.recorded.remove(&call.number);
        }
    }
}

/// An answer with the names of the files that the call is or was recorded into.
pub(super) fn with_recordings(dict: Dict, call: &Call) -> Dict {
    if call.recordings.is_empty() {
        return dict;
    }
    let names = call.recordings.iter().map(|name| Value::text(&**name)).collect();
    dict.with("recordings", Value::List(names))
}

/// A leg that the media workers know: whichever, since a recording is of the call.
fn any_open(call: &Call) -> Option<LegKey> {
    call.sides.iter().find(|side| side.party().is_some()).map(|side| side.leg)
}

/// What can be recorded of a side, in the numbers that it sends with.
fn heard(call: &Call, leg: LegKey, as_packets: bool) -> Option<Vec<ringback_media::sdp::Codec>> {
    let side = call.side(leg).filter(|side| !side.is_unrecorded)?;
    recordable(side.party()?, as_packets)
}

/// The part of a name that can stand in the name of any file.
fn safe(name: &[u8]) -> String {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'@' | b'.');
    let letter = |byte: &u8| if is_safe(byte) { char::from(*byte) } else { '_' };
    let name: String = name.iter().take(MAX_NAME).map(letter).collect();
    // One that begins with a dot would be hidden.
    name.trim_start_matches('.').to_owned()
}

/// What is kept beside a recording: whose it is, and what was said of it, each on a line of its own.
fn note(id: &Bytes, metadata: &[u8]) -> Arc<str> {
    let breaks = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let line = |text: &[u8]| String::from_utf8_lossy(text).replace(breaks, " ");
    let metadata = metadata.get(..MAX_METADATA).unwrap_or(metadata);
    format!("call-id: {}\nmetadata: {}\n", line(id), line(metadata)).into()
}

/// How much is kept of what was said of a recording, in bytes.
const MAX_METADATA: usize = 8_192;
/// How much of a name that was said is in that of a file.
const MAX_NAME: usize = 64;

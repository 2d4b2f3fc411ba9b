//! What is asked, with what it is asked about.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use ringback_media::dtmf::{Digit, Press};

use super::flags::{Flags, normalised};
use super::value::{Dict, Value};

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Are you there?
    Ping,
    /// A session description that goes from one side to the other and is not an answer.
    Offer(Box<Exchange>),
    /// The answer to one.
    Answer(Box<Exchange>),
    /// The call, or a branch of it, is over.
    Delete(Delete),
    /// What is known of a call.
    Query(Whose),
    /// Which calls there are, and how many of them are wanted.
    List(usize),
    /// What is counted.
    Statistics,
    /// A key that is pressed for whom the one who is meant talks to.
    PlayDtmf(Whose, Press),
    /// A file that is played to who is meant.
    PlayMedia(Whose, PlayMedia),
    /// Nothing more is played to who is meant.
    StopMedia(Whose),
    /// The call is recorded from here on.
    StartRecording(Whose, Wish),
    /// Its recording ends.
    StopRecording(Whose),
    /// Its recording ends, and nothing of it is kept.
    DiscardRecording(Whose),
    /// Its recording has a gap from here on, until it is started again.
    PauseRecording(Whose),
    /// Something for media that flows.
    Media(MediaAction, Whose),
}

/// An offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Whose it is. The tags are those of the offer, also where an answer goes the other way.
    pub whose: Whose,
    /// The description.
    pub sdp: Bytes,
    /// How it is to be passed on.
    pub flags: Flags,
}

/// A call, and who of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whose {
    /// The Call-ID.
    pub call: Bytes,
    /// The tag of who offers, or who is meant.
    pub from: Option<Bytes>,
    /// The tag of who answers.
    pub to: Option<Bytes>,
    /// What tells branches without a tag apart.
    pub via: Option<Bytes>,
    /// The name that a participant was given.
    pub label: Option<Bytes>,
    /// The address that its media goes to.
    pub address: Option<IpAddr>,
    /// Whether all are meant, also those who were named one by one before.
    pub all: bool,
}

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The call and, where there is more than one, the branch.
    pub whose: Whose,
    /// Until when media flows on; `None` for what the settings say.
    pub delay: Option<Duration>,
    /// Whether it is an error that there is no such call.
    pub is_fatal: bool,
    /// Whether the recording of the call is thrown away.
    pub discards_recording: bool,
}

/// What is to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayMedia {
    /// The name of a file, as it was said: a path may stand before it.
    pub file: Bytes,
    /// How often; `None` as often as `during` says, or once.
    pub times: Option<u32>,
    /// For how long it is begun again.
    pub during: Option<Duration>,
    /// Where the first time begins.
    pub from: Duration,
}

/// What is said of a recording that is to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// What its file is called.
    pub name: Option<Bytes>,
    /// What is kept with it.
    pub metadata: Option<Bytes>,
}

/// What can be done to media that flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaAction {
    /// `block media`
    BlockMedia,
    /// `unblock media`
    UnblockMedia,
    /// `silence media`
    SilenceMedia,
    /// `unsilence media`
    UnsilenceMedia,
    /// `block DTMF`
    BlockDtmf,
    /// `unblock DTMF`
    UnblockDtmf,
}

/// Why a dictionary is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is none.
    #[error(
        "The dictionary has no command; send one of ping, offer, answer, delete, query, list, statistics"
    )]
    None,
    /// It is none that we know.
    #[error("The command \"{0}\" is not known here")]
    Unknown(String),
    /// What it needs is not there.
    #[error("The command needs {0}")]
    Lacks(&'static str),
    /// Something is to be played that is no file of ours.
    #[error("The files of the configuration are played, by their names; {0} is not")]
    NotPlayed(&'static str),
    /// Something is too long to be what it says.
    #[error("The value of {0} is longer than {MAX_NAME_LEN} bytes")]
    TooLong(&'static str),
    /// Something is not what it should be.
    #[error("The value of {0} is not {1}")]
    Invalid(&'static str, &'static str),
}

impl Command {
    /// Reads a command.
    pub fn read(dict: &Dict) -> Result<Command, CommandError> {
        let word = dict.text("command").filter(|word| !word.is_empty()).ok_or(CommandError::None)?;
        Ok(match &word[..] {
            b"ping" => Command::Ping,
            b"offer" => Command::Offer(Box::new(Exchange::read(dict, false)?)),
            b"answer" => Command::Answer(Box::new(Exchange::read(dict, true)?)),
            b"delete" => Command::Delete(Delete::read(dict)?),
            b"query" => Command::Query(Whose::read(dict)?),
            b"list" => Command::List(limit(dict)?),
            b"statistics" => Command::Statistics,
            b"play DTMF" => Command::PlayDtmf(Whose::read(dict)?, press(dict)?),
            b"play media" => Command::PlayMedia(Whose::read(dict)?, PlayMedia::read(dict)?),
            b"stop media" => Command::StopMedia(Whose::read(dict)?),
            b"start recording" => Command::StartRecording(Whose::read(dict)?, Wish::read(dict)?),
            b"pause recording" => Command::PauseRecording(Whose::read(dict)?),
            b"stop recording" if is_pause(dict) => Command::PauseRecording(Whose::read(dict)?),
            b"stop recording" if has_flag(dict, DISCARD) => Command::DiscardRecording(Whose::read(dict)?),
            b"stop recording" => Command::StopRecording(Whose::read(dict)?),
            word => match MediaAction::of(word) {
                Some(action) => Command::Media(action, Whose::read(dict)?),
                None => return Err(CommandError::Unknown(shown(word))),
            },
        })
    }
}

impl Exchange {
    fn read(dict: &Dict, is_answer: bool) -> Result<Exchange, CommandError> {
        let whose = Whose::read(dict)?;
        if whose.from.is_none() {
            return Err(CommandError::Lacks("a from-tag"));
        }
        if is_answer && whose.to.is_none() {
            return Err(CommandError::Lacks("a to-tag"));
        }
        let sdp = dict.text("sdp").filter(|sdp| !sdp.is_empty()).ok_or(CommandError::Lacks("an sdp"))?;
        Ok(Exchange { whose, sdp: sdp.clone(), flags: Flags::read(dict) })
    }
}

impl Whose {
    fn read(dict: &Dict) -> Result<Whose, CommandError> {
        let call = name(dict, "call-id")?.ok_or(CommandError::Lacks("a call-id"))?;
        let label = match (name(dict, "label")?, name(dict, "from-label")?) {
            (None, None) => name(dict, "set-label")?,
            (label, from) => label.or(from),
        };
        let all = has_flag(dict, b"all") || dict.text("all").is_some_and(|all| &all[..] == b"all");
        Ok(Whose {
            call,
            from: name(dict, "from-tag")?,
            to: name(dict, "to-tag")?,
            via: name(dict, "via-branch")?,
            label,
            address: address(dict)?,
            all,
        })
    }
}

impl Delete {
    fn read(dict: &Dict) -> Result<Delete, CommandError> {
        let delay = ["delete-delay", "delete delay", "delay"].iter().find_map(|name| dict.value(name));
        let delay = match delay {
            None => None,
            Some(value) => {
                let seconds = value.as_number().and_then(|seconds| u32::try_from(seconds).ok());
                let seconds = seconds.filter(|seconds| *seconds <= MAX_DELAY);
                let seconds =
                    seconds.ok_or(CommandError::Invalid("delete-delay", "a number of seconds in a day"))?;
                Some(Duration::from_secs(seconds.into()))
            }
        };
        Ok(Delete {
            whose: Whose::read(dict)?,
            delay,
            is_fatal: has_flag(dict, b"fatal"),
            discards_recording: has_flag(dict, DISCARD),
        })
    }
}

impl PlayMedia {
    fn read(dict: &Dict) -> Result<PlayMedia, CommandError> {
        let Some(file) = said(dict, "file") else {
            let others = [("blob", "a blob"), ("db-id", "something of a database")];
            let other = others.iter().find(|(key, _)| said(dict, key).is_some());
            return Err(
                other.map_or(CommandError::Lacks("a file"), |(_, what)| CommandError::NotPlayed(what))
            );
        };
        let file = file.as_text().filter(|file| !file.is_empty() && file.len() <= MAX_NAME_LEN);
        let file = file.ok_or(CommandError::Invalid("file", "the name of a file"))?.clone();
        let times = match said(dict, "repeat-times") {
            None => None,
            Some(times) => {
                let times = times.as_number().ok_or(CommandError::Invalid("repeat-times", "a number"))?;
                // Less than once is once, as rtpengine has it.
                Some(u32::try_from(times.max(1)).unwrap_or(u32::MAX))
            }
        };
        let milliseconds = |key| {
            let number = number(dict, key, 0, "a number of milliseconds")?;
            // A negative one is none.
            Ok::<_, CommandError>(Duration::from_millis(u64::try_from(number).unwrap_or(0)))
        };
        let during = Some(milliseconds("repeat-duration")?).filter(|during| !during.is_zero());
        Ok(PlayMedia { file, times, during, from: milliseconds("start-pos")? })
    }
}

impl PlayMedia {
    /// How often a file of this length is played: until its time is over, but to the end that it has come to.
    pub(super) fn times_of(&self, length: Duration) -> u32 {
        let Some(during) = self.during else { return self.times.unwrap_or(1) };
        let rest = during.saturating_sub(length.saturating_sub(self.from));
        let more = rest.as_nanos().div_ceil(length.as_nanos().max(1));
        let enough = u32::try_from(more.saturating_add(1)).unwrap_or(u32::MAX);
        enough.min(self.times.unwrap_or(u32::MAX))
    }
}

impl Wish {
    fn read(dict: &Dict) -> Result<Wish, CommandError> {
        let text = |key: &'static str| match said(dict, key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(CommandError::Invalid(key, "a string")),
        };
        let name = text("recording-file")?.or(text("output-destination")?);
        Ok(Wish { name: name.filter(|name| !name.is_empty()), metadata: text("metadata")? })
    }
}

impl MediaAction {
    const ALL: [(MediaAction, &'static str); 6] = [
        (MediaAction::BlockMedia, "block media"),
        (MediaAction::UnblockMedia, "unblock media"),
        (MediaAction::SilenceMedia, "silence media"),
        (MediaAction::UnsilenceMedia, "unsilence media"),
        (MediaAction::BlockDtmf, "block DTMF"),
        (MediaAction::UnblockDtmf, "unblock DTMF"),
    ];

    fn of(word: &[u8]) -> Option<MediaAction> {
        MediaAction::ALL.iter().find(|(_, name)| name.as_bytes() == word).map(|(action, _)| *action)
    }
}

/// A text that names something: neither empty nor too long.
fn name(dict: &Dict, key: &'static str) -> Result<Option<Bytes>, CommandError> {
    match dict.value(key) {
        None => Ok(None),
        Some(Value::Text(text)) if text.len() > MAX_NAME_LEN => Err(CommandError::TooLong(key)),
        // A module that has no tag yet sends an empty one.
        Some(Value::Text(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(CommandError::Invalid(key, "a string")),
    }
}

fn address(dict: &Dict) -> Result<Option<IpAddr>, CommandError> {
    let Some(value) = dict.value("address") else { return Ok(None) };
    let text = value.as_text().and_then(|text| std::str::from_utf8(text).ok());
    let address = text.and_then(|text| text.parse().ok());
    address.map(Some).ok_or(CommandError::Invalid("address", "an address of IPv4 or IPv6"))
}

/// The key to press: a character, or the number of its event.
fn press(dict: &Dict) -> Result<Press, CommandError> {
    let value = said(dict, "code").or_else(|| said(dict, "digit")).ok_or(CommandError::Lacks("a code"))?;
    let digit = match value.as_text().map(|text| &text[..]) {
        Some([character]) => Digit::from_char(char::from(*character).to_ascii_uppercase()),
        _ => value.as_number().and_then(|code| u8::try_from(code).ok()).and_then(Digit::from_event),
    };
    let digit =
        digit.ok_or(CommandError::Invalid("code", "a key, as 5, # or A, or the number of its event"))?;
    let milliseconds = number(dict, "duration", DEFAULT_PRESS.into(), "a number of milliseconds")?;
    // As rtpengine has it, what lies beyond is the least and the most; and the volume has a sign, or none.
    let milliseconds = u32::try_from(milliseconds.clamp(100, 5_000)).unwrap_or(DEFAULT_PRESS);
    let volume = number(dict, "volume", DEFAULT_VOLUME.into(), "a number of decibels")?.unsigned_abs();
    let volume = u8::try_from(volume.min(MAX_VOLUME)).unwrap_or(DEFAULT_VOLUME);
    Ok(Press { digit, milliseconds, volume })
}

/// A number, or what it is when nothing is said.
fn number(dict: &Dict, key: &'static str, default: i64, what: &'static str) -> Result<i64, CommandError> {
    match said(dict, key) {
        None => Ok(default),
        Some(value) => value.as_number().ok_or(CommandError::Invalid(key, what)),
    }
}

fn limit(dict: &Dict) -> Result<usize, CommandError> {
    let Some(value) = dict.value("limit") else { return Ok(DEFAULT_LIST) };
    let limit = value.as_number().and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    limit.ok_or(CommandError::Invalid("limit", "a number above 0"))
}

/// What is said under a key: of its own, or in the line that the module leaves to us to read.
fn said(dict: &Dict, key: &str) -> Option<Value> {
    let in_line = || {
        let line = dict.text("rtpp-flags")?;
        let mut words = line.split(|byte| *byte == b' ');
        let value = words.find_map(|word| word.strip_prefix(key.as_bytes())?.strip_prefix(b"="))?;
        Some(Value::Text(line.slice_ref(value)))
    };
    dict.value(key).cloned().or_else(in_line)
}

/// Whether stopping is to leave a gap only.
fn is_pause(dict: &Dict) -> bool {
    has_flag(dict, b"pause")
        || dict.text("pause").is_some_and(|pause| matches!(&pause[..], b"yes" | b"on" | b"1"))
}

/// Whether a flag stands in the list of flags, or among those that the module leaves to us to read.
fn has_flag(dict: &Dict, flag: &[u8]) -> bool {
    let listed = dict.value("flags").is_some_and(|flags| flags.texts().any(|f| *normalised(f) == *flag));
    let is_word = |text: &Bytes| text.split(|byte| *byte == b' ').any(|word| word == flag);
    listed || dict.text("rtpp-flags").is_some_and(is_word)
}

/// A word of the far end's in a sentence of ours: short and printable.
pub(super) fn shown(word: &[u8]) -> String {
    let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '?' };
    word.iter().take(MAX_SHOWN).map(printable).filter(|character| *character != '"').collect()
}

/// The flag that throws a recording away.
const DISCARD: &[u8] = b"discard-recording";
/// The longest Call-ID, tag or branch.
const MAX_NAME_LEN: usize = 1_024;
/// The longest delay of a delete, in seconds.
const MAX_DELAY: u32 = 86_400;
/// How long a key is pressed when nothing is said, in milliseconds.
const DEFAULT_PRESS: u32 = 250;
/// How loud a key is when nothing is said, -dBm0.
const DEFAULT_VOLUME: u8 = 8;
/// The least loud that a key may be, -dBm0: what an event can say.
const MAX_VOLUME: u64 = 63;
/// How many calls are listed when nothing is said.
const DEFAULT_LIST: usize = 32;
/// How much of a word is shown.
const MAX_SHOWN: usize = 64;

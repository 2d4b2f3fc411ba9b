//! What is said no to, in words.

use std::borrow::Cow;
use std::time::Duration;

use super::names::InvalidWord;

/// Why a client does not get what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: Code,
    /// What to say instead of the usual words.
    pub says: Option<Cow<'static, str>>,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn says(&self) -> &str {
        self.says.as_deref().unwrap_or_else(|| self.code.words())
    }

    /// With how long to wait.
    pub fn after(code: Code, wait: Duration) -> Self {
        Refusal { retry_after: Some(wait), ..code.into() }
    }

    pub fn bad(says: impl Into<Cow<'static, str>>) -> Self {
        Refusal { says: Some(says.into()), ..Code::BadMessage.into() }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Refusal { code, says: None, retry_after: None }
    }
}

impl From<InvalidWord> for Refusal {
    fn from(word: InvalidWord) -> Self {
        let code = match word {
            InvalidWord::Room => Code::BadRoom,
            InvalidWord::Member => Code::BadName,
            InvalidWord::Pin => Code::BadPin,
            InvalidWord::Token => Code::ResumeUnknown,
        };
        Refusal { says: Some(word.to_string().into()), ..code.into() }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $words:literal;)*) => {
        /// The codes of errors, as `docs/reference/rooms.md` lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$code,)*];

            /// As it is written, and counted.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$code => $name,)* }
            }

            /// The status of HTTP that goes with it.
            pub const fn status(self) -> u16 {
                match self {
                    Code::BadRoom | Code::NoSuchRoom | Code::NoSuchSession => 404,
                    Code::KeyNeeded | Code::KeyWrong => 401,
                    Code::KeyBlocked | Code::WatchTooOften => 429,
                    Code::StreamExists | Code::NoStream => 409,
                    Code::TooManyStreams | Code::TooManyViewers | Code::NoMedia => 503,
                    Code::BadDescription | Code::NoIceRestart => 422,
                    Code::NoPrecondition => 428,
                    Code::OtherSession => 412,
                    _ => 400,
                }
            }

            const fn words(self) -> &'static str {
                match self { $(Code::$code => $words,)* }
            }
        }
    };
}

codes! {
    /// Not understood.
    BadMessage = "bad_message", "This message cannot be read; see the reference of the protocol.";
    /// A type of message that there is not.
    UnknownType = "unknown_type", "There is no message of this type in ringback.rooms.1.";
    /// Above the rate of a connection.
    TooFast = "too_fast", "More was sent than one connection may; come back more slowly.";
    /// Only members may.
    NotJoined = "not_joined", "Join a room first.";
    /// A member already.
    AlreadyJoined = "already_joined", "This connection is in a room already; open another one.";
    /// Not the name of a room.
    BadRoom = "bad_room", "This is not the name of a room.";
    /// Not the name of a member.
    BadName = "bad_name", "This is not a name.";
    /// Not a PIN.
    BadPin = "bad_pin", "This is not a PIN.";
    /// There is no such room.
    NoSuchRoom = "no_such_room", "There is no such room, or it is over; ask for a new link.";
    /// The name is taken.
    RoomExists = "room_exists", "There is a room of that name; join it, or choose another name.";
    /// As many members as there may be.
    RoomFull = "room_full", "The room is full; try again when somebody has left.";
    /// Nobody new is let in.
    Locked = "locked", "The room is locked; ask its host to open it.";
    /// A PIN is asked for.
    PinNeeded = "pin_needed", "This room has a PIN; ask its host for it.";
    /// Another PIN.
    PinWrong = "pin_wrong", "That is not the PIN of this room.";
    /// Too many wrong PINs.
    PinBlocked = "pin_blocked", "Too many wrong PINs were tried; wait a minute and try again.";
    /// Not a token of this room.
    ResumeUnknown = "resume_unknown", "You were away for too long to come back; join anew.";
    /// The host said no.
    Refused = "refused", "The host did not let you in.";
    /// Nobody said anything.
    NotAdmitted = "not_admitted", "Nobody has answered your knock; try again later.";
    /// Enough wait.
    TooManyKnocks = "too_many_knocks", "Too many wait to be let in; try again later.";
    /// Whoever makes rooms has an account.
    SignInNeeded = "sign_in_needed", "Sign in with an account of this server to make a room.";
    /// Not the password of that user.
    SignInWrong = "sign_in_wrong", "The name or the password is wrong.";
    /// Others could read the password.
    SignInUnsafe = "sign_in_unsafe", "Passwords are taken over HTTPS only; open this page with https://.";
    /// Too many wrong passwords.
    SignInBlocked = "sign_in_blocked", "Too many wrong passwords were tried; wait a minute and try again.";
    /// Only the host may.
    NotHost = "not_host", "Only the host of the room may do that.";
    /// No such member.
    NoSuchMember = "no_such_member", "There is no such member.";
    /// Nobody knocks under that number.
    NoSuchKnock = "no_such_knock", "Nobody waits under that number any more.";
    /// Publishing, or watching a room that is not open, without a key.
    KeyNeeded = "key_needed", "Give the key of the stream as `Authorization: Bearer KEY`; the host of the room has it.";
    /// Another key.
    KeyWrong = "key_wrong", "That is not the key for this; ask the host of the room for it.";
    /// Too many wrong keys.
    KeyBlocked = "key_blocked", "Too many wrong keys were tried; wait a minute and try again.";
    /// One stream a room.
    StreamExists = "stream_exists", "There is a stream in this room already; end it first, or wait until its loss is noticed.";
    /// Nothing to watch.
    NoStream = "no_stream", "Nothing is streamed into this room at this time; try again later.";
    /// As many streams as there may be.
    TooManyStreams = "too_many_streams", "There are too many streams; try again later.";
    /// As many who watch as there may be.
    TooManyViewers = "too_many_viewers", "Too many watch this stream; try again later.";
    /// Asks for a stream again and again.
    WatchTooOften = "watch_too_often", "The stream was asked for too often; wait a moment.";
    /// An offer or answer that does not fit.
    BadDescription = "bad_description", "The session description does not fit.";
    /// No media worker takes the leg.
    NoMedia = "no_media", "The server cannot carry the stream; try again later.";
    /// No such resource.
    NoSuchSession = "no_such_session", "There is no such session, or it is over.";
    /// A PATCH without `If-Match`.
    NoPrecondition = "no_precondition", "Say with `If-Match` which ICE session is meant.";
    /// A PATCH for another ICE session.
    OtherSession = "other_session", "`If-Match` names another ICE session than the one that there is.";
    /// A PATCH that restarts ICE.
    NoIceRestart = "no_ice_restart", "ICE is not restarted here; end the session and make another one.";
    /// As many rooms as there may be.
    TooManyRooms = "too_many_rooms", "There are too many rooms; try again later.";
}

/// How often each code was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused([u64; Code::ALL.len()]);

impl Default for Refused {
    fn default() -> Self {
        Refused([0; Code::ALL.len()])
    }
}

impl Refused {
    pub(super) fn count(&mut self, code: Code) {
        if let Some(count) = self.0.get_mut(code as usize) {
            *count += 1;
        }
    }

    /// How often it was given.
    pub fn of(&self, code: Code) -> u64 {
        self.0.get(code as usize).copied().unwrap_or_default()
    }

    /// Every code by its name, zeros included, always in the same order.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Code::ALL.iter().map(|&code| (code.name(), self.of(code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_stands_on_the_page_of_the_protocol() {
        const PAGE: &str = include_str!("../../../../docs/reference/rooms.md");
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn each_is_counted_for_itself() {
        let mut refused = Refused::default();
        for (times, &code) in Code::ALL.iter().enumerate() {
            (0..times).for_each(|_| refused.count(code));
        }
        assert!(Code::ALL.iter().enumerate().all(|(times, &code)| refused.of(code) == times as u64));
    }
}

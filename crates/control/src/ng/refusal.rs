//! Why a command is not done.

use std::time::Duration;

use ringback_media::negotiation::Refusal;

use super::command::CommandError;
use super::recording::NotRecorded;
use super::value::ReadError;

/// Why a command is not done; `Display` is the `error-reason` of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The bytes are no dictionary.
    #[error("Cannot read this: {0}")]
    Unreadable(#[from] ReadError),
    /// The dictionary is no command.
    #[error("{0}")]
    Command(#[from] CommandError),
    /// No call has the Call-ID.
    #[error("Unknown call-id")]
    NoCall,
    /// The call has no side of the tags.
    #[error("No side of the call has this from-tag, to-tag or via-branch")]
    NoTag,
    /// Nothing was offered to who answers.
    #[error("There is no offer that this answers")]
    NoOffer,
    /// Nobody is named for what is for somebody.
    #[error("Nobody is meant: say a from-tag, an address, a label or the flag all")]
    Nobody,
    /// Who is meant has not agreed on media yet, or talks to nobody.
    #[error("The side that is meant talks to nobody yet")]
    NotTalking,
    /// Who is to hear something has no codec of ours.
    #[error("The side that is meant has no codec of opus, G722, PCMA and PCMU to play it in")]
    NoCodec,
    /// Who is to hear a key knows no events, and has no codec of ours.
    #[error("The far end takes no telephone-event, and has no codec of opus, G722, PCMA and PCMU for a tone")]
    NoTones,
    /// There is no such file.
    #[error("There is no sound \"{0}\" to play: put it into \"sounds\" of the data directory, as WAV or Ogg")]
    NoSound(String),
    /// It is to begin where there is nothing left of it.
    #[error("start-pos lies behind the end of the sound, which lasts {} ms", .0.as_millis())]
    BehindSound(Duration),
    /// The call is not recorded.
    #[error("{}", .0.words())]
    NotRecorded(NotRecorded),
    /// The negotiation refuses the description.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// SRTP, and neither SDES nor DTLS.
    #[error("SRTP needs keys: take SDES-off or DTLS=off out of the flags, or use RTP/AVP")]
    NoKeys,
    /// Another transport protocol than a side has.
    #[error("A side cannot change between ICE and ports of its own within a call in this version")]
    OtherTransport,
    /// A fragment of trickle ICE.
    #[error("Fragments of trickle ICE are not in this version; none are needed with us as ICE lite")]
    Fragment,
    /// A direction or an interface that is not configured.
    #[error("No interface has this name; the names stand in the configuration")]
    NoInterface,
    /// No address of the family.
    #[error("The interface has no address of this family")]
    NoFamily,
    /// The media workers cannot open a side.
    #[error("{0}")]
    NotOpened(String),
    /// They say nothing.
    #[error("The media workers did not open the call in time")]
    Silent,
    /// As many calls as there may be. The modules know these words and ask another engine.
    #[error("Parallel session limit reached")]
    TooManyCalls,
    /// The server stops.
    #[error("This engine is stopping and takes no new calls")]
    Draining,
    /// As many sides as a call may have.
    #[error("The call has as many branches as a call may have; delete those that are over")]
    TooManySides,
    /// As many requests as may wait for the media workers.
    #[error("Too many requests for this call wait for its media")]
    TooManyWaiting,
    /// The call was deleted in the meantime.
    #[error("The call was deleted before this was done")]
    Deleted,
    /// What is answered does not fit into a datagram.
    #[error("The answer is longer than a datagram; ask for less")]
    AnswerTooLong,
}

impl Reason {
    /// Whether another engine may be able to do it: this one has no room.
    pub const fn is_load(&self) -> bool {
        matches!(self, Reason::TooManyCalls | Reason::Draining | Reason::NotOpened(_))
    }
}

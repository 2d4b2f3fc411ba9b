//! What clients are told.

use std::time::Duration;

use serde::Serialize;

use super::names::{MemberName, RoomName, Token};
use super::request::Payload;
use super::{IceServer, IceServers};

/// A message to a client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Notice<'a> {
    Joined(Box<Joined<'a>>),
    Waiting {
        room: &'a RoomName,
    },
    Knock {
        knock: KnockEntry<'a>,
    },
    KnockOver {
        knock: u32,
    },
    MemberJoined {
        member: Entry<'a>,
    },
    MemberLeft {
        member: u32,
        reason: Left,
    },
    MemberAway {
        member: u32,
    },
    MemberBack {
        member: u32,
    },
    MemberRenamed {
        member: u32,
        name: &'a MemberName,
    },
    Host {
        member: u32,
    },
    Room(RoomState),
    Signal {
        from: u32,
        #[serde(flatten)]
        payload: &'a Payload,
    },
    IceServers(Servers<'a>),
    /// There is something to watch.
    Stream {
        stream: StreamEntry<'a>,
    },
    /// There is nothing to watch any more.
    StreamOver {
        stream: u32,
        reason: StreamOver,
    },
    /// Our offer to one who watches.
    StreamDescription {
        stream: u32,
        description: Offer<'a>,
    },
    /// What lets somebody publish, and watch from outside.
    StreamKey {
        publish: &'a Token,
        view: &'a Token,
        whip: String,
        whep: String,
    },
    Pong,
    Ended {
        reason: Ended,
        says: &'static str,
    },
    Error {
        code: &'static str,
        says: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

/// What a member is told on coming in.
#[derive(Debug, Serialize)]
pub(super) struct Joined<'a> {
    pub room: &'a RoomName,
    pub you: u32,
    pub members: Vec<Entry<'a>>,
    #[serde(flatten)]
    pub state: RoomState,
    pub resumed: bool,
    pub resume: &'a Token,
    pub resume_within: u64,
    pub expires_in: u64,
    #[serde(flatten)]
    pub servers: Servers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamEntry<'a>>,
    pub knocks: Vec<KnockEntry<'a>>,
}

/// A member as others see it.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    pub id: u32,
    pub name: &'a MemberName,
    pub host: bool,
    pub away: bool,
}

/// What is published into a room.
#[derive(Debug, Serialize)]
pub(super) struct StreamEntry<'a> {
    pub id: u32,
    pub name: &'a MemberName,
}

/// An offer of ours, as an `RTCSessionDescriptionInit`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "offer")]
pub(super) struct Offer<'a> {
    pub sdp: &'a str,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StreamOver {
    /// Its publisher has said so.
    Ended,
    /// Its publisher is gone.
    Lost,
}

/// Somebody who waits.
#[derive(Debug, Serialize)]
pub(super) struct KnockEntry<'a> {
    pub id: u32,
    pub name: &'a MemberName,
}

/// How a room is set.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct RoomState {
    pub locked: bool,
    pub knock: bool,
    pub pin: bool,
}

/// The ICE servers for a member.
#[derive(Debug, Serialize)]
pub(super) struct Servers<'a> {
    ice_servers: &'a [IceServer],
    #[serde(skip_serializing_if = "Option::is_none")]
    ice_expires_in: Option<u64>,
}

impl<'a> From<&'a IceServers> for Servers<'a> {
    fn from(servers: &'a IceServers) -> Self {
        Servers {
            ice_servers: &servers.servers,
            ice_expires_in: servers.expires_in.map(|time| time.as_secs()),
        }
    }
}

/// Why a member is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Left {
    /// It has said so.
    #[serde(rename = "left")]
    Willingly,
    Lost,
    Removed,
    Fresh,
}

/// Why it is over for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    Host,
    Expired,
    Empty,
    Removed,
    Replaced,
}

impl Ended {
    pub fn notice(self) -> Notice<'static> {
        let says = match self {
            Ended::Host => "The host has ended the room.",
            Ended::Expired => "The time of this room is over; make a new one.",
            Ended::Empty => "Nobody was in the room for too long; make a new one.",
            Ended::Removed => "The host has taken you out of the room.",
            Ended::Replaced => "You have come into the room from elsewhere.",
        };
        Notice::Ended { reason: self, says }
    }
}

/// Whole seconds, rounded up: nobody is told 0 of what is still there.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

//! Streams: what one publishes into a room over HTTP ([RFC 9725], WHIP), for its members and for those who take it out again
//! over HTTP (draft-ietf-wish-whep, WHEP).
//!
//! A stream is a leg of the media workers that publishes, and a leg for each who watches: a peer connection of its own, with
//! keys and numbers of its own, to which the packets go as they are. All legs of a stream are on one worker.
//!
//! ```text
//! POST whip ─▶ Opening ──Opened──▶ Agreed ──Connected──▶ the stream is live, and the room is told
//! POST whep ─▶ Opening ──Opened──▶ Agreed
//! watch     ─▶ Opening ──Opened──▶ Offered ──answer──▶ Agreed
//! ```
//!
//! Rules:
//! - One stream a room. It ends with its publisher (DELETE, or a lost connection) and with the room.
//! - Whoever has the key of the room for it may publish: the host hands it out, so neither a lock nor a PIN nor knocking stand
//!   in the way. With the key for viewers it is the same; without one only rooms that anybody may come into are watched.
//! - Members ask for the stream (`watch`) and are made an offer; a client that knows nothing of streams costs nothing.
//! - A session over HTTP is known by a name that nobody can guess, and who knows it may end it.
//! - Our side is a lite ICE agent with all its candidates in its description. What a client trickles is not needed and taken
//!   all the same; ICE is not restarted.
//!
//! Left out: more than one stream a room, layers of simulcast, streams without audio, audio and video made anew for viewers
//! who do not know the codecs of the publisher.
//!
//! [RFC 9725]: https://www.rfc-editor.org/rfc/rfc9725

mod ending;
mod key;
mod media;
mod patch;
mod post;
#[cfg(test)]
mod tests;
mod watching;

pub use patch::Patch;
pub use post::{Bearer, Created, Denied, Part, Post, Reply, RequestId};

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ringback_media::negotiation::Party;
use ringback_media::session::LegKey;
use ringback_sansio::{Deadlines, Flow, source_prefix};

use super::names::{MemberName, Token};
use super::notice::StreamEntry;
use super::room::{Allowance, RoomNumber};
use super::{Provider, Rooms, Timer};
use crate::media::{MediaCommand, Medium};
use crate::owner::{stream_leg_key, stream_of};

/// All streams, and what they have for others.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_number: BTreeMap<u32, Stream>,
    numbers: HashMap<RoomNumber, u32>,
    /// Legs by the names of their sessions over HTTP.
    sessions: HashMap<String, LegKey>,
    last: u32,
    commands: VecDeque<(u16, LegKey, MediaCommand)>,
    replies: VecDeque<(RequestId, Reply)>,
}

/// What is published into a room, or about to be.
#[derive(Debug)]
struct Stream {
    room: RoomNumber,
    name: MemberName,
    publisher: LegKey,
    legs: BTreeMap<LegKey, Attendance>,
    last_leg: u32,
    /// Whether media may come.
    is_live: bool,
    /// How often members may ask for it.
    asked: BTreeMap<u32, Allowance>,
}

/// One of the legs of a stream.
#[derive(Debug)]
struct Attendance {
    who: Who,
    /// Where it is, as those are counted who come from one place.
    source: IpAddr,
    stage: Stage,
    /// Whether its far end was there.
    is_connected: bool,
}

/// Whose leg it is.
#[derive(Debug)]
enum Who {
    /// Of who publishes, over HTTP.
    Publisher(Session),
    /// Of who watches over HTTP.
    Viewer(Session),
    /// Of a member who watches.
    Member(u32),
}

/// A session over HTTP.
#[derive(Debug)]
struct Session {
    /// What its resource is called.
    token: Token,
    /// The name of its ICE session: there is one.
    etag: Token,
}

/// How far a leg has come.
#[derive(Debug)]
enum Stage {
    /// The media worker makes our side; what was asked for over HTTP waits.
    Opening(Option<Box<Asked>>),
    /// A member has our offer.
    Offered(Box<Party>),
    /// Offer and answer are both there.
    Agreed(Box<Party>),
}

/// A request that waits for its answer.
struct Asked {
    id: RequestId,
    offer: bytes::Bytes,
    /// The name by which the client has reached us.
    host: String,
}

impl<P: Provider> Rooms<P> {
    /// A command for a media worker: which, for which leg, what.
    pub fn poll_media(&mut self) -> Option<(u16, LegKey, MediaCommand)> {
        self.streams.commands.pop_front()
    }

    /// The next answer to a request over HTTP. When nobody hears it, say so by [`Rooms::handle_unheard`].
    pub fn poll_reply(&mut self) -> Option<(RequestId, Reply)> {
        self.streams.replies.pop_front()
    }

    /// How many streams there are, those that come up among them.
    pub fn streams(&self) -> usize {
        self.streams.by_number.len()
    }

    /// How many watch streams.
    pub fn watching(&self) -> usize {
        self.streams.by_number.values().map(|stream| stream.legs.len().saturating_sub(1)).sum()
    }

    /// Has a media worker open a leg of a stream.
    fn open_leg(&mut self, number: u32, who: Who, asked: Option<Box<Asked>>, flow: Flow) -> Option<LegKey> {
        let video = self.settings.video;
        let stream = self.streams.by_number.get_mut(&number)?;
        stream.last_leg = stream.last_leg.wrapping_add(1);
        let leg = stream_leg_key(number, stream.last_leg);
        let (source, stage) = (source_prefix(flow.remote().ip()), Stage::Opening(asked));
        stream.legs.insert(leg, Attendance { who, source, stage, is_connected: false });
        self.command(leg, MediaCommand::Open { medium: Medium::WebRtc, signalling: flow, video });
        Some(leg)
    }

    fn command(&mut self, leg: LegKey, command: MediaCommand) {
        let worker = (stream_of(leg) % u32::from(self.settings.workers.max(1))) as u16;
        self.streams.commands.push_back((worker, leg, command));
    }

    fn session(&mut self) -> Session {
        Session { token: Token::generate(&mut self.random), etag: Token::generate(&mut self.random) }
    }
}

/// Without the session description, which holds the password of an ICE session.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("id", &self.id).field("host", &self.host).finish_non_exhaustive()
    }
}

impl Streams {
    /// What there is to watch in a room.
    pub(super) fn entry_of(&self, room: RoomNumber) -> Option<StreamEntry<'_>> {
        let &number = self.numbers.get(&room)?;
        let stream = self.by_number.get(&number).filter(|stream| stream.is_live)?;
        Some(StreamEntry { id: number, name: &stream.name })
    }

    /// The stream of a room that is live, by its number.
    fn live(&mut self, room: RoomNumber) -> Option<(u32, &mut Stream)> {
        let &number = self.numbers.get(&room)?;
        let stream = self.by_number.get_mut(&number).filter(|stream| stream.is_live)?;
        Some((number, stream))
    }

    fn stream_of_leg(&mut self, leg: LegKey) -> Option<&mut Stream> {
        self.by_number.get_mut(&stream_of(leg)).filter(|stream| stream.legs.contains_key(&leg))
    }

    fn attendance(&mut self, leg: LegKey) -> Option<&mut Attendance> {
        self.by_number.get_mut(&stream_of(leg))?.legs.get_mut(&leg)
    }

    /// Takes a leg out of its stream, and what is remembered of it.
    fn take(&mut self, leg: LegKey, deadlines: &mut Deadlines<Timer>) -> Option<Attendance> {
        deadlines.cancel(&Timer::Answer(leg));
        let attendance = self.by_number.get_mut(&stream_of(leg))?.legs.remove(&leg)?;
        if let Some(session) = attendance.who.session() {
            self.sessions.remove(session.token.reveal());
        }
        Some(attendance)
    }
}

impl Stream {
    fn leg_of_member(&self, member: u32) -> Option<LegKey> {
        let is_its = |who: &Who| matches!(who, Who::Member(id) if *id == member);
        self.legs.iter().find(|(_, attendance)| is_its(&attendance.who)).map(|(&leg, _)| leg)
    }

    /// What the publisher has agreed on.
    fn published(&self) -> Option<&Party> {
        match &self.legs.get(&self.publisher)?.stage {
            Stage::Agreed(party) => Some(party),
            Stage::Opening(_) | Stage::Offered(_) => None,
        }
    }
}

impl Who {
    fn session(&self) -> Option<&Session> {
        match self {
            Who::Publisher(session) | Who::Viewer(session) => Some(session),
            Who::Member(_) => None,
        }
    }
}

/// Numbers of streams are below this.
const NUMBERS: u32 = 1 << 24;
/// How long a member may take to answer the offer of a stream.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How often a member may ask for the stream: so often at once, and one more in each of these times.
const WATCH_EACH: Duration = Duration::from_secs(5);
const WATCHES_AT_ONCE: u32 = 5;

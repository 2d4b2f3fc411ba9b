//! What comes over HTTP: who publishes, and who watches from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{Flow, source_prefix};

use super::key::path;
use super::{Asked, NUMBERS, Stream, Who};
use crate::budget::Terms;
use crate::guesses::GUESSED_EACH;
use crate::owner::stream_leg_key;
use crate::rooms::names::{MemberName, RoomName, Token};
use crate::rooms::refusal::Refusal;
use crate::rooms::room::RoomNumber;
use crate::rooms::{Code, IceServer, Provider, Rooms};

/// What somebody wants to do with the stream of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Put one in (WHIP).
    Publish,
    /// Take it out (WHEP).
    View,
}

/// The number of a request, chosen by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a request shows as its right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Nothing.
    Missing,
    /// A key.
    Key(Token),
    /// What can be no key.
    Unreadable,
}

/// A POST with an offer.
pub struct Post {
    /// The name of the room, as it stands in the path.
    pub room: String,
    /// What it is for.
    pub part: Part,
    /// The right to it.
    pub bearer: Bearer,
    /// What the stream is to be called in the room.
    pub name: Option<String>,
    /// The session description.
    pub offer: Bytes,
    /// The connection: its addresses say where media can reach us, and who asks.
    pub flow: Flow,
    /// The name by which the client has reached us.
    pub host: String,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// There is a session (201).
    Created(Box<Created>),
    /// The session is over (200).
    Ended,
    /// Taken (204).
    Taken,
    /// No.
    Denied(Denied),
}

/// A session that was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Created {
    /// The room.
    pub room: RoomName,
    /// What it is for.
    pub part: Part,
    /// The name of its resource, which nobody can guess.
    pub session: Token,
    /// The entity tag of its ICE session.
    pub etag: Token,
    /// The session description.
    pub answer: Bytes,
    /// The ICE servers that the client may use.
    pub ice_servers: Vec<IceServer>,
}

impl Created {
    /// The path of the endpoint that made it; that of its resource has the session behind it.
    pub fn path(&self) -> String {
        path(&self.room, self.part)
    }
}

/// Why a request is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The reason; it has a status of HTTP.
    pub code: Code,
    /// A sentence for people.
    pub says: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl<P: Provider> Rooms<P> {
    /// Somebody wants to publish into a room, or to watch what is published there. The answer comes by
    /// [`Rooms::poll_reply`].
    pub fn handle_post(&mut self, now: Instant, id: RequestId, post: Post) {
        if let Err(refusal) = self.take_post(now, id, post) {
            self.deny(id, &refusal);
        }
    }

    fn take_post(&mut self, now: Instant, id: RequestId, post: Post) -> Result<(), Refusal> {
        let room = RoomName::try_from(post.room)?;
        let &number = self.numbers.get(&room).ok_or(Code::NoSuchRoom)?;
        self.check_key(now, number, post.part, &post.bearer, post.flow)?;
        let asked = Box::new(Asked { id, offer: post.offer, host: post.host });
        match post.part {
            Part::Publish => {
                let name = post.name.unwrap_or_else(|| NAMELESS.to_owned());
                self.publish(number, MemberName::try_from(name)?, asked, post.flow)
            }
            Part::View => self.view(now, number, asked, post.flow),
        }
    }

    /// Whether the request has the right to what it wants.
    fn check_key(
        &mut self,
        now: Instant,
        number: RoomNumber,
        part: Part,
        bearer: &Bearer,
        flow: Flow,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(&number) else { return Err(Code::NoSuchRoom.into()) };
        if *bearer == Bearer::Missing {
            let needs_none = part == Part::View && room.is_open();
            return if needs_none { Ok(()) } else { Err(Code::KeyNeeded.into()) };
        }
        // Those who guess PINs and those who guess keys are the same.
        let source = source_prefix(flow.remote().ip());
        if !self.pins.may_try(now, source) {
            return Err(Refusal::after(Code::KeyBlocked, GUESSED_EACH));
        }
        let expected = room.stream_key(part);
        match bearer {
            Bearer::Key(key) if expected.is_some_and(|expected| expected.is(key)) => Ok(()),
            Bearer::Key(_) | Bearer::Unreadable | Bearer::Missing => {
                self.pins.was_wrong(now, source);
                Err(Code::KeyWrong.into())
            }
        }
    }

    fn publish(
        &mut self,
        room: RoomNumber,
        name: MemberName,
        asked: Box<Asked>,
        flow: Flow,
    ) -> Result<(), Refusal> {
        if self.streams.numbers.contains_key(&room) {
            return Err(Refusal::after(Code::StreamExists, AGAIN));
        }
        if self.streams.by_number.len() >= self.settings.streams {
            return Err(Refusal::after(Code::TooManyStreams, AGAIN));
        }
        let number = self.free_number();
        let stream = Stream {
            room,
            name,
            // The first leg that is opened.
            publisher: stream_leg_key(number, 1),
            legs: BTreeMap::new(),
            last_leg: 0,
            is_live: false,
            asked: BTreeMap::new(),
        };
        self.streams.by_number.insert(number, stream);
        self.streams.numbers.insert(room, number);
        let session = self.session();
        self.open_leg(number, Who::Publisher(session), Some(asked), flow);
        Ok(())
    }

    fn view(&mut self, now: Instant, room: RoomNumber, asked: Box<Asked>, flow: Flow) -> Result<(), Refusal> {
        let viewers = self.settings.viewers;
        let Some((number, stream)) = self.streams.live(room) else {
            return Err(Refusal::after(Code::NoStream, AGAIN));
        };
        let watching = stream.legs.values().filter(|attendance| matches!(attendance.who, Who::Viewer(_)));
        if watching.clone().count() >= viewers {
            return Err(Refusal::after(Code::TooManyViewers, AGAIN));
        }
        // In a room that anybody may come into, nobody needs a key: whoever never comes shall not take the places.
        let source = source_prefix(flow.remote().ip());
        let coming = watching.filter(|attendance| attendance.source == source && !attendance.is_connected);
        if coming.count() >= COMING || !self.viewings.spend(now, source, VIEWINGS) {
            return Err(Refusal::after(Code::WatchTooOften, AGAIN));
        }
        let session = self.session();
        self.open_leg(number, Who::Viewer(session), Some(asked), flow);
        Ok(())
    }

    /// A number that no stream has; those of streams that are over come again only after all others.
    fn free_number(&mut self) -> u32 {
        loop {
            self.streams.last = (self.streams.last + 1) % NUMBERS;
            if self.streams.last > 0 && !self.streams.by_number.contains_key(&self.streams.last) {
                return self.streams.last;
            }
        }
    }

    /// Says no to a request.
    pub(super) fn deny(&mut self, id: RequestId, refusal: &Refusal) {
        self.stats.refused.count(refusal.code);
        let says: String = refusal.says().chars().take(MAX_SAYS).collect();
        let denied = Denied { code: refusal.code, says, retry_after: refusal.retry_after };
        self.reply(id, Reply::Denied(denied));
    }

    pub(super) fn reply(&mut self, id: RequestId, reply: Reply) {
        self.streams.replies.push_back((id, reply));
    }
}

/// Without the session description, which holds the password of an ICE session, and the key.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Post { room, part, flow, .. } = self;
        f.debug_struct("Post")
            .field("room", room)
            .field("part", part)
            .field("flow", flow)
            .finish_non_exhaustive()
    }
}

/// Without the description and the credentials.
impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Created { room, part, .. } = self;
        f.debug_struct("Created").field("room", room).field("part", part).finish_non_exhaustive()
    }
}

/// Viewers of a source whose connection does not stand yet.
const COMING: usize = 8;
/// Those who begin to watch from a source.
const VIEWINGS: Terms = Terms::new(Duration::from_secs(2), 60);
/// When to try again what others stand in the way of.
const AGAIN: Duration = Duration::from_secs(5);
/// What a stream is called that has no name.
const NAMELESS: &str = "Stream";
/// Characters of a sentence.
const MAX_SAYS: usize = 300;

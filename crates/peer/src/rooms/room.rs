//! The room as one member sees it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;

use super::files::{FileEvent, Files, NotOffered, Numbers, Parcel};
use super::servers::Known;
use super::wire::{Candidate, Description, DescriptionKind, FromClient, FromServer, Joined, Named};
use crate::audio::Audio;
use crate::webrtc::{ChannelId, Connection, Event, Negotiated, SendError, Settings};

/// Who comes, and where.
#[derive(Debug, Clone, Default)]
pub struct RoomSettings {
    /// The name of the room; none asks the server to make one.
    pub room: Option<String>,
    /// The name that others see.
    pub name: String,
    /// The PIN of the room.
    pub pin: Option<String>,
    /// Whether the room is to be made; else it has to be there.
    pub creates: bool,
    /// The account that makes it, where the server asks for one.
    pub account: Option<(String, String)>,
    /// Whether audio is offered to others. What they offer is taken in any case.
    pub has_audio: bool,
    /// Our addresses; see [`Settings::addresses`].
    pub addresses: Vec<IpAddr>,
    /// The longest file that is taken or offered.
    pub most_file: u64,
}

/// News of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// We are in it, under that name, and others may be.
    Joined {
        /// Its name.
        room: String,
        /// Whether we have come back as who we were.
        is_resumed: bool,
    },
    /// Its host has to let us in.
    Waiting,
    /// Somebody is in it, or was already.
    Came(u32),
    /// The channels with a member are open.
    Connected(u32),
    /// A member does not answer any more, and may come back.
    Lost(u32),
    /// Somebody has gone for good: who, and under which name.
    Left(u32, String),
    /// Somebody has another name.
    Renamed(u32),
    /// A line of chat.
    Said(u32, String),
    /// What happens to files with a member.
    File(u32, FileEvent),
    /// It is over for us; what the server says.
    Ended(String),
    /// The server does not let us in: its code and what it says.
    Refused(String, String),
    /// The server has refused something else that was asked, and the room goes on: its code and what it says.
    Objected(String, String),
    /// What a member wants is not understood, and left out.
    Misunderstood(u32, String),
    /// Nothing can be sent to a member that has come, since no socket can be opened: its name, and why.
    NotOpened(String, String),
    /// A server does not relay for us to that member, and why.
    NotRelayed(u32, String),
    /// There is something for the server: [`Room::poll_send`].
    Sends,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Nobody of that number is there.
    #[error("there is no such member")]
    NoMember,
    /// The file is not offered.
    #[error("{0}")]
    File(#[from] NotOffered),
    /// The line is empty or too long.
    #[error("a line has 1 to {LONGEST_LINE} characters")]
    Line,
}

/// A room, from the inside.
pub struct Room {
    settings: RoomSettings,
    /// Who we are in it, and what proves it when we come back.
    own: Option<(u32, String)>,
    members: BTreeMap<u32, Member>,
    /// Connections that were closed, and until when they may give back what TURN servers have for them.
    closing: Vec<(Connection, Instant)>,
    known: Known,
    out: VecDeque<FromClient>,
    /// Whether something is in `out` that nobody was told of.
    is_new: bool,
    events: VecDeque<RoomEvent>,
}

/// Another member.
struct Member {
    name: String,
    connection: Connection,
    chat: Option<ChannelId>,
    file: Option<ChannelId>,
    files: Files,
    /// The connection has ended, and has no more news.
    is_over: bool,
    /// An offer of ours was dropped, and is to be made again.
    owes_offer: bool,
    /// Our description, for who may not have got it.
    last: Option<Description>,
}

/// A message of the chat channel.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Room {
    /// A room that nobody has gone to yet: [`Room::handle_opened`] does.
    pub fn new(settings: RoomSettings) -> Self {
        Room {
            settings,
            own: None,
            members: BTreeMap::new(),
            closing: Vec::new(),
            known: Known::default(),
            out: VecDeque::new(),
            is_new: false,
            events: VecDeque::new(),
        }
    }

    /// The connection with the server stands, for the first time or again.
    pub fn handle_opened(&mut self) {
        let RoomSettings { room, name, pin, creates, account, .. } = self.settings.clone();
        self.out.clear();
        let resume = self.own.as_ref().map(|(_, resume)| resume.clone());
        self.send(match (room, resume) {
            (Some(room), Some(resume)) => FromClient::Join { room, name, pin, resume: Some(resume) },
            (Some(room), None) if !creates => FromClient::Join { room, name, pin, resume: None },
            (room, _) => {
                let (user, password) = account.unzip();
                FromClient::Create { name, room, pin, user, password }
            }
        });
    }

    /// Our addresses from here on, for who comes next: those of another network, say.
    pub fn move_to(&mut self, addresses: Vec<IpAddr>) {
        self.settings.addresses = addresses;
    }

    /// Takes a message of the server.
    pub async fn handle_message(&mut self, text: &[u8]) {
        // A message that cannot be read is one of a kind that is not known here.
        match serde_json::from_slice(text).unwrap_or(FromServer::Other) {
            FromServer::Joined(joined) => self.joined(joined).await,
            FromServer::Waiting {} => self.events.push_back(RoomEvent::Waiting),
            FromServer::MemberJoined { member } => self.came(member, false).await,
            FromServer::MemberLeft { member } => self.left(member),
            FromServer::MemberBack { member } => self.say_again(member),
            FromServer::IceServers(servers) => self.known.learn(Instant::now(), &servers).await,
            FromServer::MemberRenamed { member, name } => {
                if let Some(known) = self.members.get_mut(&member) {
                    known.name = name;
                    self.events.push_back(RoomEvent::Renamed(member));
                }
            }
            FromServer::Signal { from, description, candidate } => {
                if let Some(description) = description {
                    self.handle_description(from, description);
                }
                if let Some(candidate) = candidate {
                    self.handle_candidate(from, &candidate);
                }
            }
            FromServer::Ended { reason, says } => {
                let says = if says.is_empty() { reason } else { says };
                self.events.push_back(RoomEvent::Ended(says));
            }
            FromServer::Error { code, .. } if code == "resume_unknown" => {
                // Come as somebody new; the others have closed what they had with us.
                for id in self.members.keys().copied().collect::<Vec<_>>() {
                    self.left(id);
                }
                self.own = None;
                self.known = Known::default();
                self.settings.creates = false;
                self.handle_opened();
            }
            FromServer::Error { code, says, about } => {
                // Before we are in it, nothing else was asked.
                let is_entry = about.map_or(self.own.is_none(), |about| matches!(&*about, "create" | "join"));
                self.events.push_back(match is_entry {
                    true => RoomEvent::Refused(code, says),
                    false => RoomEvent::Objected(code, says),
                });
            }
            // Whether a member has a connection with the server does not matter to ours with it.
            FromServer::MemberAway { .. } | FromServer::Other => {}
        }
    }

    /// The next message for the server.
    pub fn poll_send(&mut self) -> Option<String> {
        self.is_new = false;
        let message = self.out.pop_front()?;
        // What it is made of can be written.
        Some(serde_json::to_string(&message).unwrap_or_default())
    }

    /// Something to keep the connection with the server alive.
    pub fn ping(&mut self) {
        self.send(FromClient::Ping);
    }

    /// Leaves for good. [`Room::next`] says the goodbyes, until [`Room::is_at_rest`].
    pub fn leave(&mut self) {
        self.send(FromClient::Leave);
        for (_, member) in std::mem::take(&mut self.members) {
            self.close(member.connection);
        }
    }

    /// Whether no connection that was closed has anything left to say.
    pub fn is_at_rest(&self) -> bool {
        self.closing.is_empty()
    }

    /// The other members: their numbers, names, and whether they are connected.
    pub fn members(&mut self) -> Vec<(u32, String, bool)> {
        self.members.iter().map(|(id, member)| (*id, member.name.clone(), member.chat.is_some())).collect()
    }

    /// The name of a member.
    pub fn name(&self, member: u32) -> &str {
        self.members.get(&member).map_or("somebody", |member| &member.name)
    }

    /// The audio with a member, once it was agreed on.
    pub fn audio(&mut self, member: u32) -> Option<&mut Audio> {
        self.members.get_mut(&member)?.connection.audio()
    }

    /// Says a line to everybody; gives how many it went to.
    pub fn say(&mut self, text: &str) -> Result<usize, RoomError> {
        if text.is_empty() || text.chars().count() > LONGEST_LINE {
            return Err(RoomError::Line);
        }
        let line = serde_json::to_vec(&Line { text: Some(text.to_owned()) }).unwrap_or_default();
        let mut told = 0;
        for member in self.members.values_mut() {
            let is_said = member.chat.is_some_and(|chat| member.connection.send(chat, true, &line).is_ok());
            told += usize::from(is_said);
        }
        Ok(told)
    }

    /// Offers a file to a member; gives its number with that member.
    pub fn offer_file(&mut self, member: u32, name: &str, size: u64) -> Result<u64, RoomError> {
        let member = self.members.get_mut(&member).filter(|member| member.file.is_some());
        let member = member.ok_or(RoomError::NoMember)?;
        let id = member.files.offer(Instant::now(), name, size)?;
        member.flush();
        Ok(id)
    }

    /// The transfers with a member, to accept, refuse, stop and put away; say what was done by [`Room::flush`].
    pub fn files(&mut self, member: u32) -> Option<&mut Files> {
        self.members.get_mut(&member).map(|member| &mut member.files)
    }

    /// Sends what [`Room::files`] have to say.
    pub fn flush(&mut self, member: u32) {
        if let Some(member) = self.members.get_mut(&member) {
            member.flush();
        }
    }

    /// The next piece of a file that is to be supplied: to whom, its number, where it begins, how long it is at the most.
    pub fn wanted(&mut self) -> Option<(u32, u64, u64, usize)> {
        for (id, member) in &mut self.members {
            let Some(channel) = member.file else { continue };
            let buffered = member.connection.peer().buffered(channel);
            if let Some((file, at, len)) = member.files.wanted(buffered) {
                return Some((*id, file, at, len));
            }
            member.flush();
        }
        None
    }

    /// The next news. It may be given up while it waits, and nothing is lost.
    pub async fn next(&mut self) -> RoomEvent {
        loop {
            self.take_files();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if std::mem::take(&mut self.is_new) {
                return RoomEvent::Sends;
            }
            let files = self.members.values().filter_map(|member| member.files.poll_timeout());
            let due = files.chain(self.known.poll_timeout()).min();
            let sleep = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut waiting: Vec<_> = self
                .members
                .iter_mut()
                .filter(|(_, member)| !member.is_over)
                .map(|(id, member)| Box::pin(async move { (*id, member.connection.next().await) }))
                .collect();
            let closing = self.closing.iter_mut();
            let closing: Vec<_> =
                closing.map(|(connection, until)| Box::pin(connection.linger(*until))).collect();
            let happened = tokio::select! {
                ((id, event), _, _) = async {
                    match waiting.is_empty() {
                        true => std::future::pending().await,
                        false => select_all(&mut waiting).await,
                    }
                } => Some((id, event)),
                () = async {
                    match closing.is_empty() {
                        true => std::future::pending().await,
                        false => drop(select_all(closing).await),
                    }
                } => None,
                () = sleep => None,
            };
            drop(waiting);
            match happened {
                Some((id, Some(event))) => self.handle_event(id, event),
                Some((id, None)) => self.forget_connection(id),
                None => {
                    let now = Instant::now();
                    self.closing.retain(|(connection, until)| !connection.is_at_rest() && *until > now);
                    if self.known.handle_timeout(now) {
                        self.send(FromClient::IceServers);
                    }
                    for member in self.members.values_mut() {
                        member.files.handle_timeout(now);
                        member.flush();
                    }
                }
            }
        }
    }

    fn send(&mut self, message: FromClient) {
        self.out.push_back(message);
        self.is_new = true;
    }

    async fn joined(&mut self, joined: Joined) {
        let Joined { room, you, members, resume, resumed, servers } = joined;
        if self.own.as_ref().is_some_and(|(own, _)| *own != you) {
            // We are somebody else to the others, who have closed what they had with us.
            for id in self.members.keys().copied().collect::<Vec<_>>() {
                self.left(id);
            }
        }
        self.settings.room = Some(room.clone());
        self.own = Some((you, resume));
        self.known.learn(Instant::now(), &servers).await;
        self.events.push_back(RoomEvent::Joined { room, is_resumed: resumed });
        let others: Vec<Named> = members.into_iter().filter(|member| member.id != you).collect();
        let gone: Vec<u32> =
            self.members.keys().copied().filter(|id| others.iter().all(|other| other.id != *id)).collect();
        for id in gone {
            self.left(id);
        }
        for other in others {
            match self.members.contains_key(&other.id) {
                true => self.say_again(other.id),
                // Whoever has the greater number makes the offer.
                false => {
                    let offers = other.id < you;
                    self.came(other, offers).await;
                }
            }
        }
    }

    /// Somebody is there: a connection is made, and an offer if that is ours to make.
    async fn came(&mut self, Named { id, name }: Named, offers: bool) {
        if self.members.contains_key(&id) || self.members.len() >= MOST_MEMBERS {
            return;
        }
        let connection = match Connection::open(self.peer_settings()).await {
            Ok(connection) => connection,
            Err(error) => return self.events.push_back(RoomEvent::NotOpened(name, error.to_string())),
        };
        let is_smaller = self.own.as_ref().is_some_and(|(own, _)| *own < id);
        let numbers = if is_smaller { Numbers::Odd } else { Numbers::Even };
        let files = Files::new(self.settings.most_file, numbers);
        let member = Member {
            name,
            connection,
            chat: None,
            file: None,
            files,
            is_over: false,
            owes_offer: false,
            last: None,
        };
        self.members.insert(id, member);
        self.events.push_back(RoomEvent::Came(id));
        if offers {
            self.make_offer(id, false);
        }
    }

    fn left(&mut self, id: u32) {
        if let Some(mut member) = self.members.remove(&id) {
            self.close(member.connection);
            member.files.close();
            while let Some(event) = member.files.poll_event() {
                self.events.push_back(RoomEvent::File(id, event));
            }
            self.events.push_back(RoomEvent::Left(id, member.name));
        }
    }

    fn close(&mut self, mut connection: Connection) {
        connection.close();
        self.closing.push((connection, Instant::now() + LINGER));
    }

    fn make_offer(&mut self, id: u32, is_restart: bool) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let offer = match is_restart {
            true => member.connection.restart(),
            false => member.connection.offer(),
        };
        match offer {
            Ok(sdp) => self.signal(id, Description { kind: DescriptionKind::Offer, sdp }),
            Err(error) => self.events.push_back(RoomEvent::Misunderstood(id, error.to_string())),
        }
    }

    fn signal(&mut self, to: u32, description: Description) {
        if let Some(member) = self.members.get_mut(&to) {
            member.last = Some(description.clone());
        }
        self.send(FromClient::Signal { to, description: Some(description), candidate: None });
    }

    /// Says again what a member may not have heard ("Coming back").
    fn say_again(&mut self, id: u32) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let is_connected = member.connection.peer().is_connected();
        if member.connection.peer().is_offering() {
            // Another way is looked for when this offer has its answer.
            member.owes_offer |= !is_connected;
            if let Some(offer) = member.last.clone() {
                self.signal(id, offer);
            }
        } else if !is_connected {
            self.make_offer(id, true);
        }
    }

    fn handle_description(&mut self, from: u32, description: Description) {
        let Some((own, _)) = &self.own else { return };
        let is_polite = *own > from;
        let Some(member) = self.members.get_mut(&from) else { return };
        let is_offering = member.connection.peer().is_offering();
        let taken = match description.kind {
            // The impolite one goes on with its own.
            DescriptionKind::Offer if is_offering && !is_polite => return,
            DescriptionKind::Offer => {
                member.owes_offer |= is_offering;
                member.connection.answer(&description.sdp).map(Some)
            }
            // A second copy of an answer.
            DescriptionKind::Answer if !is_offering => return,
            DescriptionKind::Answer => member.connection.accept(&description.sdp).map(|()| None),
            DescriptionKind::Pranswer | DescriptionKind::Rollback => return,
        };
        let owes = std::mem::take(&mut member.owes_offer);
        match taken {
            Ok(Some(sdp)) => self.signal(from, Description { kind: DescriptionKind::Answer, sdp }),
            Ok(None) => {}
            Err(error) => self.events.push_back(RoomEvent::Misunderstood(from, error.to_string())),
        }
        if owes {
            self.make_offer(from, true);
        }
    }

    fn handle_candidate(&mut self, from: u32, candidate: &Candidate) {
        let Some(member) = self.members.get_mut(&from) else { return };
        if let Err(error) = member.connection.add_candidate(&candidate.candidate) {
            self.events.push_back(RoomEvent::Misunderstood(from, error.to_string()));
        }
    }

    fn handle_event(&mut self, id: u32, event: Event) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match event {
            Event::Candidate(candidate) => {
                let candidate = Some(Candidate { candidate, section: Some(0) });
                self.send(FromClient::Signal { to: id, description: None, candidate });
            }
            Event::ChannelOpened { channel, label } => {
                match label.as_str() {
                    CHAT => member.chat = Some(channel),
                    FILE => member.file = Some(channel),
                    _ => {}
                }
                if member.chat.is_some() && member.file.is_some() {
                    self.events.push_back(RoomEvent::Connected(id));
                }
            }
            Event::Message { channel, is_text, data } => {
                if member.chat == Some(channel) && is_text {
                    let line = serde_json::from_slice::<Line>(&data).ok().and_then(|line| line.text);
                    let is_line = |text: &String| {
                        data.len() <= LONGEST_MESSAGE && (1..=LONGEST_LINE).contains(&text.chars().count())
                    };
                    self.events.extend(line.filter(is_line).map(|text| RoomEvent::Said(id, text)));
                } else if member.file == Some(channel) {
                    match is_text {
                        true => member.files.handle_text(&data),
                        false => member.files.handle_bytes(data),
                    }
                    member.flush();
                }
            }
            Event::Drained(_) => member.flush(),
            Event::Disconnected => {
                self.events.push_back(RoomEvent::Lost(id));
                // Of the two, one looks for another way, so that offers do not meet.
                if self.own.as_ref().is_some_and(|(own, _)| *own > id) {
                    self.make_offer(id, true);
                }
            }
            Event::NotRelayed(server, why) => {
                self.events.push_back(RoomEvent::NotRelayed(id, format!("{server}: {why}")));
            }
            Event::Reconnected => self.events.push_back(RoomEvent::Connected(id)),
            Event::ChannelClosed(_) => self.forget_channels(id),
            Event::Closed => self.forget_connection(id),
            Event::Connected | Event::Audio => {}
        }
    }

    fn forget_connection(&mut self, id: u32) {
        self.forget_channels(id);
        if let Some(member) = self.members.get_mut(&id) {
            member.is_over = true;
        }
    }

    fn forget_channels(&mut self, id: u32) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.chat.take().is_some() | member.file.take().is_some() {
            member.files.close();
            self.events.push_back(RoomEvent::Lost(id));
        }
    }

    fn take_files(&mut self) {
        for (id, member) in &mut self.members {
            while let Some(event) = member.files.poll_event() {
                self.events.push_back(RoomEvent::File(*id, event));
            }
        }
    }

    fn peer_settings(&self) -> Settings {
        let channel = |(label, id): (&str, u16)| Negotiated { label: label.to_owned(), id };
        Settings {
            has_audio: self.settings.has_audio,
            channels: [(CHAT, 0), (FILE, 1)].map(channel).to_vec(),
            addresses: self.settings.addresses.clone(),
            stun: self.known.stun().to_vec(),
            turn: self.known.turn().to_vec(),
            ..Settings::default()
        }
    }
}

impl Member {
    /// Sends what files have to say, as far as the channel takes it.
    fn flush(&mut self) {
        let Some(channel) = self.file else { return };
        while let Some(parcel) = self.files.poll_send() {
            let sent = match &parcel {
                Parcel::Text(text) => self.connection.send(channel, true, text.as_bytes()),
                Parcel::Bytes(bytes) => self.connection.send(channel, false, bytes),
            };
            match sent {
                Ok(()) => {}
                Err(SendError::Full) => return self.files.put_back(parcel),
                // The channel's end is told by itself.
                Err(_) => return,
            }
        }
    }
}

/// The channels of the protocol.
const CHAT: &str = "chat";
const FILE: &str = "file";
/// Characters of a line.
const LONGEST_LINE: usize = 4000;
/// The longest message of a channel.
const LONGEST_MESSAGE: usize = 16_384;
/// How long a closed connection may take to give back what TURN servers have for it.
const LINGER: Duration = Duration::from_secs(1);
/// Others in a room.
const MOST_MEMBERS: usize = 5;

//! How clients are told.

use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Flow, Transmit};

use super::notice::{Joined, Notice, seconds};
use super::room::RoomNumber;
use super::{Event, Place, Provider, RESUME_WITHIN, Refusal, Rooms};

impl<P: Provider> Rooms<P> {
    /// Tells one client.
    pub(super) fn tell(&mut self, flow: Flow, notice: &Notice<'_>) {
        if let Some(payload) = written(notice) {
            self.transmits.push_back(Transmit { flow, payload });
        }
    }

    /// Tells every member that is not away, but one.
    pub(super) fn tell_others(&mut self, room: RoomNumber, but: u32, notice: &Notice<'_>) {
        let (Some(room), Some(payload)) = (self.rooms.get(&room), written(notice)) else { return };
        let others = room.members.iter().filter(|(id, _)| **id != but).filter_map(|(_, member)| member.flow);
        self.transmits.extend(others.map(|flow| Transmit { flow, payload: payload.clone() }));
    }

    /// Tells the others of a new member.
    pub(super) fn announce(&mut self, number: RoomNumber, id: u32) {
        let Some(room) = self.rooms.get(&number) else { return };
        let Some(member) = room.members.get(&id) else { return };
        let Some(payload) = written(&Notice::MemberJoined { member: room.entry(id, member) }) else { return };
        let others =
            room.members.iter().filter(|(other, _)| **other != id).filter_map(|(_, member)| member.flow);
        self.transmits.extend(others.map(|flow| Transmit { flow, payload: payload.clone() }));
    }

    /// Tells every member that is not away.
    pub(super) fn tell_all(&mut self, room: RoomNumber, notice: &Notice<'_>) {
        self.tell_others(room, NOBODY, notice);
    }

    /// Tells the host, unless there is none or it is away.
    pub(super) fn tell_host(&mut self, room: RoomNumber, notice: &Notice<'_>) {
        if let Some(host) = self.rooms.get(&room).and_then(|room| room.host_flow()) {
            self.tell(host, notice);
        }
    }

    pub(super) fn refuse(&mut self, flow: Flow, about: Option<&'static str>, refusal: &Refusal) {
        self.stats.refused.count(refusal.code);
        let says: String = refusal.says().chars().take(MAX_SAYS).collect();
        let retry_after = refusal.retry_after.map(seconds);
        self.tell(flow, &Notice::Error { code: refusal.code.name(), says: &says, about, retry_after });
    }

    pub(super) fn pong(&mut self, flow: Flow) {
        self.tell(flow, &Notice::Pong);
    }

    /// Closes a connection of ours to a client, who is outside from here on.
    pub(super) fn close(&mut self, flow: Flow) {
        self.events.push_back(Event::Close(flow));
    }

    /// Tells a member all there is to know of the room.
    pub(super) fn tell_joined(
        &mut self,
        now: Instant,
        flow: Flow,
        number: RoomNumber,
        you: u32,
        resumed: bool,
    ) {
        let (Some(room), Some(connection)) = (self.rooms.get(&number), self.connections.get(&flow)) else {
            return;
        };
        let Some(member) = room.members.get(&you) else { return };
        let servers = self.provider.ice_servers(now, &connection.visit.host, &room.name, you);
        let is_host = room.host == Some(you);
        let joined = Joined {
            room: &room.name,
            you,
            members: room.members.iter().map(|(&id, member)| room.entry(id, member)).collect(),
            state: room.state(),
            resumed,
            resume: &member.token,
            resume_within: RESUME_WITHIN.as_secs(),
            expires_in: seconds(room.expires.saturating_duration_since(now)),
            servers: (&servers).into(),
            stream: self.streams.entry_of(number),
            knocks: if is_host { room.knock_entries() } else { Vec::new() },
        };
        let payload = written(&Notice::Joined(Box::new(joined)));
        self.transmits.extend(payload.map(|payload| Transmit { flow, payload }));
        self.events.push_back(Event::Settled(flow));
    }

    pub(super) fn tell_ice_servers(&mut self, now: Instant, flow: Flow, room: RoomNumber, member: u32) {
        let (Some(room), Some(connection)) = (self.rooms.get(&room), self.connections.get(&flow)) else {
            return;
        };
        let servers = self.provider.ice_servers(now, &connection.visit.host, &room.name, member);
        self.tell(flow, &Notice::IceServers((&servers).into()));
    }

    /// Makes the member host, tells everybody, and the new host who waits.
    pub(super) fn make_host(&mut self, number: RoomNumber, member: u32) {
        let Some(room) = self.rooms.get_mut(&number) else { return };
        room.host = Some(member);
        self.tell_all(number, &Notice::Host { member });
        let Some(room) = self.rooms.get(&number) else { return };
        let Some(flow) = room.host_flow() else { return };
        let knocks = room.knock_entries().into_iter();
        let told = knocks.filter_map(|knock| written(&Notice::Knock { knock }));
        self.transmits.extend(told.map(|payload| Transmit { flow, payload }));
    }

    pub(super) fn put(&mut self, flow: Flow, place: Place) {
        if let Some(connection) = self.connections.get_mut(&flow) {
            connection.place = place;
        }
    }
}

/// Nothing of a notice has a form that JSON lacks.
fn written(notice: &Notice<'_>) -> Option<Bytes> {
    let written = serde_json::to_vec(notice);
    debug_assert!(written.is_ok(), "{notice:?} cannot be written");
    written.ok().map(Bytes::from)
}

/// No member has this id.
const NOBODY: u32 = 0;
/// Characters of a sentence.
const MAX_SAYS: usize = 300;

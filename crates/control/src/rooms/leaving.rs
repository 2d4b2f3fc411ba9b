//! How a client goes, and how a room ends.

use std::time::Instant;

use ringback_sansio::Flow;

use super::notice::{Ended, Left, Notice, StreamOver};
use super::room::RoomNumber;
use super::{Code, Event, Place, Provider, RESUME_WITHIN, Rooms, Timer};

impl<P: Provider> Rooms<P> {
    /// The client leaves for good.
    pub(super) fn leave(&mut self, now: Instant, flow: Flow, place: Place) {
        match place {
            Place::Outside => {}
            Place::Waiting { room, knock } => self.withdraw(room, knock),
            Place::Inside { room, member } => self.take_out(now, room, member, Left::Willingly),
        }
        self.connections.remove(&flow);
        self.close(flow);
    }

    /// The connection is lost: a member is away, a knock is over.
    pub(super) fn lose(&mut self, now: Instant, flow: Flow) {
        let Some(connection) = self.connections.remove(&flow) else { return };
        match connection.place {
            Place::Outside => {}
            Place::Waiting { room, knock } => self.withdraw(room, knock),
            Place::Inside { room: number, member: id } => {
                let member = self.rooms.get_mut(&number).and_then(|room| room.members.get_mut(&id));
                let Some(member) = member.filter(|member| member.flow == Some(flow)) else { return };
                member.flow = None;
                self.deadlines.set(Timer::Away(number, id), now + RESUME_WITHIN);
                self.tell_all(number, &Notice::MemberAway { member: id });
            }
        }
    }

    fn withdraw(&mut self, number: RoomNumber, knock: u32) {
        self.deadlines.cancel(&Timer::Knock(number, knock));
        let Some(room) = self.rooms.get_mut(&number) else { return };
        if room.knocks.remove(&knock).is_some() {
            self.tell_host(number, &Notice::KnockOver { knock });
        }
    }

    pub(super) fn give_up_member(&mut self, now: Instant, number: RoomNumber, member: u32) {
        self.stats.members_lost += 1;
        self.take_out(now, number, member, Left::Lost);
    }

    pub(super) fn give_up_knock(&mut self, number: RoomNumber, id: u32) {
        let Some(room) = self.rooms.get_mut(&number) else { return };
        let Some(knock) = room.knocks.remove(&id) else { return };
        self.stats.knocks_unanswered += 1;
        self.put(knock.flow, Place::Outside);
        self.refuse(knock.flow, Some("join"), &Code::NotAdmitted.into());
        self.tell_host(number, &Notice::KnockOver { knock: id });
    }

    /// Takes a member out of a room: the others are told, and somebody is host.
    pub(super) fn take_out(&mut self, now: Instant, number: RoomNumber, id: u32, reason: Left) {
        self.deadlines.cancel(&Timer::Away(number, id));
        let Some(room) = self.rooms.get_mut(&number) else { return };
        if room.members.remove(&id).is_none() {
            return;
        }
        let was_host = room.host == Some(id);
        if was_host {
            room.host = None;
        }
        if room.members.is_empty() {
            room.empty_since = Some(now);
        }
        // Who comes again under a new id stays host.
        let heir = room.heir().filter(|_| was_host && reason != Left::Fresh);
        self.tell_all(number, &Notice::MemberLeft { member: id, reason });
        if let Some(heir) = heir {
            self.make_host(number, heir);
        }
        self.stop_watching(number, id);
        self.watch_over(number);
        self.note_change(now, number);
    }

    /// Sets when the room has to be looked at.
    pub(super) fn watch_over(&mut self, number: RoomNumber) {
        let Some(room) = self.rooms.get(&number) else { return };
        let deserted = room.empty_since.map(|since| since + self.settings.empty);
        let at = deserted.map_or(room.expires, |deserted| deserted.min(room.expires));
        self.deadlines.set(Timer::Room(number), at);
    }

    /// The time of a room is over.
    pub(super) fn end_of_time(&mut self, now: Instant, number: RoomNumber) {
        let Some(room) = self.rooms.get(&number) else { return };
        if room.expires <= now {
            self.stats.rooms_expired += 1;
            self.end(now, number, Ended::Expired);
        } else {
            self.stats.rooms_deserted += 1;
            self.end(now, number, Ended::Empty);
        }
    }

    /// Ends a room, for those who are in it and those who wait.
    pub(super) fn end(&mut self, now: Instant, number: RoomNumber, reason: Ended) {
        self.end_stream_of(number, StreamOver::Ended);
        let Some(room) = self.rooms.remove(&number) else { return };
        self.numbers.remove(&room.name);
        self.deadlines.cancel(&Timer::Room(number));
        room.members.keys().for_each(|&id| {
            self.deadlines.cancel(&Timer::Away(number, id));
        });
        room.knocks.keys().for_each(|&id| {
            self.deadlines.cancel(&Timer::Knock(number, id));
        });
        let members = room.members.values().filter_map(|member| member.flow);
        for flow in members.chain(room.knocks.values().map(|knock| knock.flow)) {
            self.tell(flow, &reason.notice());
            self.connections.remove(&flow);
            self.close(flow);
        }
        self.changed.remove(&number);
        self.events.push_back(Event::Forget(room.name));
        self.schedule_keeping(now);
    }
}

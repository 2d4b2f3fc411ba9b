//! How streams end, and how one stops watching.

use ringback_media::session::LegKey;

use super::{Reply, RequestId, Stage, Stream};
use crate::media::MediaCommand;
use crate::owner::stream_of;
use crate::rooms::names::Token;
use crate::rooms::notice::{Notice, StreamOver};
use crate::rooms::room::RoomNumber;
use crate::rooms::{Code, Provider, Rooms, Timer};

impl<P: Provider> Rooms<P> {
    /// A DELETE of a session: with the publisher's the stream ends.
    pub fn handle_delete(&mut self, id: RequestId, session: &Token) {
        let Some(&leg) = self.streams.sessions.get(session.reveal()) else {
            return self.deny(id, &Code::NoSuchSession.into());
        };
        self.forsake(leg, StreamOver::Ended);
        self.reply(id, Reply::Ended);
    }

    /// Nobody has heard that a session was made: it ends.
    pub fn handle_unheard(&mut self, reply: &Reply) {
        let Reply::Created(created) = reply else { return };
        if let Some(&leg) = self.streams.sessions.get(created.session.reveal()) {
            self.forsake(leg, StreamOver::Lost);
        }
    }

    /// Ends a leg; with the publisher's the stream ends.
    pub(super) fn forsake(&mut self, leg: LegKey, reason: StreamOver) {
        let Some(stream) = self.streams.stream_of_leg(leg) else { return };
        if stream.publisher == leg {
            self.end_stream(stream_of(leg), reason);
        } else if self.streams.take(leg, &mut self.deadlines).is_some() {
            self.command(leg, MediaCommand::Close);
        }
    }

    /// A member has left the room for good.
    pub(in crate::rooms) fn stop_watching(&mut self, room: RoomNumber, member: u32) {
        let stream =
            self.streams.numbers.get(&room).and_then(|number| self.streams.by_number.get_mut(number));
        let Some(stream) = stream else { return };
        stream.asked.remove(&member);
        if let Some(leg) = stream.leg_of_member(member) {
            self.forsake(leg, StreamOver::Ended);
        }
    }

    /// Ends the stream of a room, if it has one.
    pub(in crate::rooms) fn end_stream_of(&mut self, room: RoomNumber, reason: StreamOver) {
        if let Some(&number) = self.streams.numbers.get(&room) {
            self.end_stream(number, reason);
        }
    }

    /// Ends all streams.
    pub(in crate::rooms) fn end_streams(&mut self) {
        let numbers: Vec<u32> = self.streams.by_number.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.end_stream(number, StreamOver::Ended));
    }

    fn end_stream(&mut self, number: u32, reason: StreamOver) {
        let Some(Stream { room, legs, is_live, .. }) = self.streams.by_number.remove(&number) else { return };
        self.streams.numbers.remove(&room);
        match reason {
            StreamOver::Ended => self.stats.streams_ended += 1,
            StreamOver::Lost => self.stats.streams_lost += 1,
        }
        for (leg, attendance) in legs {
            self.deadlines.cancel(&Timer::Answer(leg));
            if let Some(session) = attendance.who.session() {
                self.streams.sessions.remove(session.token.reveal());
            }
            if let Stage::Opening(Some(asked)) = attendance.stage {
                self.deny(asked.id, &Code::NoStream.into());
            }
            self.command(leg, MediaCommand::Close);
        }
        if is_live {
            self.tell_all(room, &Notice::StreamOver { stream: number, reason });
        }
    }
}

//! What the host of a room may.

use std::time::Instant;

use super::names::{Pin, Token};
use super::notice::{Ended, Left, Notice, StreamOver};
use super::request::{Request, Set};
use super::room::RoomNumber;
use super::{Code, Place, Provider, Refusal, Rooms, Timer};

impl<P: Provider> Rooms<P> {
    /// Carries out what only the host may ask for.
    pub(super) fn host_wants(
        &mut self,
        now: Instant,
        number: RoomNumber,
        by: u32,
        request: Request,
    ) -> Result<(), Refusal> {
        if self.rooms.get(&number).is_none_or(|room| room.host != Some(by)) {
            return Err(Code::NotHost.into());
        }
        match request {
            Request::Admit { knock } => self.admit(now, number, knock),
            Request::Refuse { knock } => self.turn_away(number, knock),
            Request::Set(set) => self.set(now, number, set),
            Request::Remove { member } => self.remove(now, number, by, member),
            Request::StreamKey => {
                self.tell_stream_key(number);
                Ok(())
            }
            Request::EndStream => {
                self.end_stream_of(number, StreamOver::Ended);
                Ok(())
            }
            Request::End => {
                self.stats.rooms_ended += 1;
                self.end(now, number, Ended::Host);
                Ok(())
            }
            // Everything else is anybody's, and is not asked here.
            _ => Ok(()),
        }
    }

    fn admit(&mut self, now: Instant, number: RoomNumber, id: u32) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get_mut(&number) else { return Err(Code::NoSuchRoom.into()) };
        if room.knocks.contains_key(&id) && room.members.len() >= self.settings.members {
            return Err(Code::RoomFull.into());
        }
        let knock = room.knocks.remove(&id).ok_or(Code::NoSuchKnock)?;
        self.deadlines.cancel(&Timer::Knock(number, id));
        self.tell_host(number, &Notice::KnockOver { knock: id });
        let token = Token::generate(&mut self.random);
        self.enter(now, knock.flow, number, knock.name, token);
        Ok(())
    }

    fn turn_away(&mut self, number: RoomNumber, id: u32) -> Result<(), Refusal> {
        let room = self.rooms.get_mut(&number);
        let knock = room.and_then(|room| room.knocks.remove(&id)).ok_or(Code::NoSuchKnock)?;
        self.deadlines.cancel(&Timer::Knock(number, id));
        self.put(knock.flow, Place::Outside);
        self.refuse(knock.flow, Some("join"), &Code::Refused.into());
        self.tell_host(number, &Notice::KnockOver { knock: id });
        Ok(())
    }

    fn set(&mut self, now: Instant, number: RoomNumber, set: Set) -> Result<(), Refusal> {
        let pin = match set.pin {
            Some(pin) if pin.is_empty() => Some(None),
            Some(pin) => Some(Some(Pin::try_from(pin)?)),
            None => None,
        };
        let Some(room) = self.rooms.get_mut(&number) else { return Err(Code::NoSuchRoom.into()) };
        if let Some(pin) = pin {
            room.pin = pin;
        }
        room.locked = set.locked.unwrap_or(room.locked);
        room.knock = set.knock.unwrap_or(room.knock);
        let state = room.state();
        self.note_change(now, number);
        self.tell_all(number, &Notice::Room(state));
        Ok(())
    }

    fn remove(&mut self, now: Instant, number: RoomNumber, by: u32, id: u32) -> Result<(), Refusal> {
        let member = self.rooms.get(&number).and_then(|room| room.members.get(&id));
        let flow = member.filter(|_| id != by).ok_or(Code::NoSuchMember)?.flow;
        self.stats.members_removed += 1;
        if let Some(flow) = flow {
            self.tell(flow, &Ended::Removed.notice());
            self.close(flow);
            self.connections.remove(&flow);
        }
        let room = self.rooms.get_mut(&number);
        if let Some(room) =
            room.filter(|room| room.members.get(&id).is_some_and(|member| room.owner.is(&member.token)))
        {
            // Who made the room is away for long and is put out: its token opens it no more.
            room.owner = Token::generate(&mut self.random);
        }
        self.take_out(now, number, id, Left::Removed);
        Ok(())
    }
}

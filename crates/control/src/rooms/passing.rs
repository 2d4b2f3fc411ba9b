//! What members have for each other.

use std::time::Instant;

use super::names::MemberName;
use super::notice::Notice;
use super::request::Signal;
use super::room::RoomNumber;
use super::{Code, Provider, Refusal, Rooms};

impl<P: Provider> Rooms<P> {
    pub(super) fn signal(&mut self, number: RoomNumber, from: u32, signal: Signal) -> Result<(), Refusal> {
        let to = signal.to;
        let payload = signal.payload().map_err(Refusal::bad)?;
        let Some(room) = self.rooms.get(&number) else { return Err(Code::NoSuchRoom.into()) };
        if to == from || to == 0 || to > room.last_member {
            return Err(Code::NoSuchMember.into());
        }
        let Some(flow) = room.members.get(&to).and_then(|member| member.flow) else {
            self.stats.signals_undeliverable += 1;
            return Ok(());
        };
        self.stats.signals += 1;
        self.tell(flow, &Notice::Signal { from, payload: &payload });
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        now: Instant,
        number: RoomNumber,
        id: u32,
        name: String,
    ) -> Result<(), Refusal> {
        let name = MemberName::try_from(name)?;
        let member = self.rooms.get_mut(&number).and_then(|room| room.members.get_mut(&id));
        let Some(member) = member else { return Err(Code::NotJoined.into()) };
        member.name = name.clone();
        self.note_change(now, number);
        self.tell_all(number, &Notice::MemberRenamed { member: id, name: &name });
        Ok(())
    }
}

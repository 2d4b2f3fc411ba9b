//! How members watch: they ask, are made an offer, and answer.

use std::time::Instant;

use ringback_media::negotiation::Party;
use ringback_media::session::LegKey;
use ringback_sansio::Flow;

use super::media::{sentence, unfit};
use super::{ANSWER_WITHIN, Part, Stage, WATCH_EACH, WATCHES_AT_ONCE, Who, key};
use crate::owner::stream_of;
use crate::rooms::notice::{Notice, Offer, StreamOver};
use crate::rooms::refusal::Refusal;
use crate::rooms::request::StreamDescription;
use crate::rooms::room::RoomNumber;
use crate::rooms::{Code, Provider, Rooms, Timer};

impl<P: Provider> Rooms<P> {
    /// A member wants to watch, for the first time or anew.
    pub(in crate::rooms) fn watch(
        &mut self,
        now: Instant,
        flow: Flow,
        room: RoomNumber,
        member: u32,
        stream: u32,
    ) -> Result<(), Refusal> {
        let (number, found) = self.streams.live(room).ok_or(Code::NoStream)?;
        if number != stream {
            return Err(Code::NoStream.into());
        }
        let asked = found.asked.entry(member).or_default();
        if !asked.spend(now, WATCH_EACH, WATCH_EACH * WATCHES_AT_ONCE) {
            return Err(Refusal::after(Code::WatchTooOften, WATCH_EACH));
        }
        if let Some(before) = found.leg_of_member(member) {
            self.forsake(before, StreamOver::Ended);
        }
        self.open_leg(number, Who::Member(member), None, flow);
        Ok(())
    }

    /// Offers a member what is published.
    pub(super) fn offer_stream(
        &mut self,
        now: Instant,
        leg: LegKey,
        mut party: Party,
    ) -> Result<(), Refusal> {
        let stream = self.streams.stream_of_leg(leg).ok_or(Code::NoStream)?;
        let room = stream.room;
        let published = stream.published().ok_or(Code::NoStream)?;
        let offer = party.offer_stream(published).map_err(|error| unfit(&error))?;
        let attendance = stream.legs.get_mut(&leg).ok_or(Code::NoStream)?;
        attendance.stage = Stage::Offered(Box::new(party));
        let Who::Member(member) = attendance.who else { return Ok(()) };
        let flow = self.rooms.get(&room).and_then(|room| room.members.get(&member)?.flow);
        self.deadlines.set(Timer::Answer(leg), now + ANSWER_WITHIN);
        self.stats.streams_offered += 1;
        // Who is away asks again on coming back.
        if let (Some(flow), Ok(sdp)) = (flow, std::str::from_utf8(&offer)) {
            let description = Offer { sdp };
            self.tell(flow, &Notice::StreamDescription { stream: stream_of(leg), description });
        }
        Ok(())
    }

    /// A member answers our offer.
    pub(in crate::rooms) fn answer_stream(
        &mut self,
        room: RoomNumber,
        member: u32,
        answer: StreamDescription,
    ) -> Result<(), Refusal> {
        let sdp = answer.description.answer().map_err(Refusal::bad)?;
        let (number, stream) = self.streams.live(room).ok_or(Code::NoStream)?;
        if number != answer.stream {
            return Err(Code::NoStream.into());
        }
        let leg = stream.leg_of_member(member).ok_or(Code::NoStream)?;
        let Some(Stage::Offered(party)) = stream.legs.get(&leg).map(|attendance| &attendance.stage) else {
            return Err(sentence("There is no offer to answer."));
        };
        let mut party = party.clone();
        let taken = party.handle_answer(sdp.as_bytes()).map_err(|error| unfit(&error));
        let shown = taken.and_then(|()| self.show(leg, *party));
        match shown {
            Ok(()) => {
                self.deadlines.cancel(&Timer::Answer(leg));
            }
            Err(_) => self.forsake(leg, StreamOver::Lost),
        }
        shown
    }

    pub(in crate::rooms) fn give_up_answer(&mut self, leg: LegKey) {
        self.stats.streams_unanswered += 1;
        self.forsake(leg, StreamOver::Lost);
    }

    /// Tells the host what lets others publish into the room, and watch from outside.
    pub(in crate::rooms) fn tell_stream_key(&mut self, number: RoomNumber) {
        let Some(room) = self.rooms.get(&number) else { return };
        let (whip, whep) = (key::path(&room.name, Part::Publish), key::path(&room.name, Part::View));
        let keys = room.stream_key(Part::Publish).zip(room.stream_key(Part::View));
        if let Some((publish, view)) = keys {
            self.tell_host(number, &Notice::StreamKey { publish: &publish, view: &view, whip, whep });
        }
    }
}

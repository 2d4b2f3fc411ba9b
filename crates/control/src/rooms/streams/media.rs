//! What the media workers tell of the legs of streams, and what follows from it.

use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use ringback_media::negotiation::{Local, Party, payload_map, video_map};
use ringback_media::session::LegKey;

use super::{Asked, Attendance, Created, Part, Reply, Stage, Who};
use crate::media::{MediaCommand, MediaEvent, Route};
use crate::owner::stream_of;
use crate::rooms::notice::{Notice, StreamEntry, StreamOver};
use crate::rooms::refusal::Refusal;
use crate::rooms::{Code, Provider, Rooms};

impl<P: Provider> Rooms<P> {
    /// A media worker has news.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Opened(leg, Ok(local)) => self.opened(now, leg, *local),
            MediaEvent::Opened(leg, Err(why)) => {
                let says = format!("The server cannot carry the stream: {why}.");
                self.give_up(leg, &Refusal { says: Some(says.into()), ..Code::NoMedia.into() });
            }
            MediaEvent::Connected(leg) => self.connected(leg),
            MediaEvent::Gone(leg, _) => self.gone(leg),
            // Nothing else is asked for, and nothing else of it matters.
            MediaEvent::Closed(..)
            | MediaEvent::Reported(..)
            | MediaEvent::VideoOpened(..)
            | MediaEvent::PictureWanted(_)
            | MediaEvent::FirstPacket(_)
            | MediaEvent::Key(..)
            | MediaEvent::Played(..)
            | MediaEvent::RecordingEnded(..) => {}
        }
    }

    /// Our side of a leg is made.
    fn opened(&mut self, now: Instant, leg: LegKey, local: Local) {
        let party = Party::new(local, self.random.next_u64() >> 2);
        let Some(attendance) = self.streams.attendance(leg) else { return };
        let Attendance { who, stage: Stage::Opening(asked), .. } = attendance else { return };
        let is_publisher = matches!(who, Who::Publisher(_));
        let Some(asked) = asked.take() else {
            if let Err(refusal) = self.offer_stream(now, leg, party) {
                self.give_up(leg, &refusal);
            }
            return;
        };
        match self.answer(leg, party, &asked.offer, is_publisher) {
            Ok(answer) => self.tell_created(now, leg, &asked, answer),
            Err(refusal) => {
                self.deny(asked.id, &refusal);
                self.forsake(leg, StreamOver::Lost);
            }
        }
    }

    /// Answers an offer that came over HTTP.
    fn answer(
        &mut self,
        leg: LegKey,
        mut party: Party,
        offer: &[u8],
        is_publisher: bool,
    ) -> Result<Bytes, Refusal> {
        party.handle_offer(offer).map_err(|error| unfit(&error))?;
        if is_publisher { self.answer_publisher(leg, party) } else { self.answer_viewer(leg, party) }
    }

    fn answer_publisher(&mut self, leg: LegKey, mut party: Party) -> Result<Bytes, Refusal> {
        let answer = party.answer_publisher().map_err(|error| unfit(&error))?;
        let settings = party.agreed().filter(|settings| settings.sends);
        let settings = settings.ok_or_else(|| sentence("The offer sends no audio."))?;
        let video = party.agreed_video().map(Box::new);
        self.command(leg, MediaCommand::Configure(Box::new(settings), Route::Audience));
        self.command(leg, MediaCommand::ConfigureVideo(video, Box::default()));
        self.agree(leg, party);
        Ok(answer)
    }

    fn answer_viewer(&mut self, leg: LegKey, mut party: Party) -> Result<Bytes, Refusal> {
        let published = self.streams.stream_of_leg(leg).and_then(|stream| stream.published());
        let answer = party.answer_viewer(published.ok_or(Code::NoStream)?).map_err(|error| unfit(&error))?;
        self.show(leg, party)?;
        Ok(answer)
    }

    /// Has a leg get what is published, as was agreed.
    pub(super) fn show(&mut self, leg: LegKey, party: Party) -> Result<(), Refusal> {
        let stream = self.streams.stream_of_leg(leg).ok_or(Code::NoStream)?;
        let source = stream.publisher;
        let published = stream.published().ok_or(Code::NoStream)?;
        let settings = party.agreed().filter(|settings| settings.receives);
        let settings = settings.ok_or_else(|| sentence("The description takes no audio."))?;
        let (audio, video) = (payload_map(published, &party), video_map(published, &party));
        let (audio, video) = (Box::new(audio), Box::new(video));
        let pictures = party.agreed_video().map(Box::new);
        self.command(leg, MediaCommand::Configure(Box::new(settings), Route::Direct(Box::default())));
        self.command(leg, MediaCommand::ConfigureVideo(pictures, Box::default()));
        self.command(leg, MediaCommand::Watch { source, audio, video });
        self.agree(leg, party);
        Ok(())
    }

    fn agree(&mut self, leg: LegKey, party: Party) {
        if let Some(attendance) = self.streams.attendance(leg) {
            attendance.stage = Stage::Agreed(Box::new(party));
        }
    }

    /// Answers a request whose session is there.
    fn tell_created(&mut self, now: Instant, leg: LegKey, asked: &Asked, answer: Bytes) {
        let Some(stream) = self.streams.stream_of_leg(leg) else { return };
        let number = stream.room;
        let Some(attendance) = stream.legs.get(&leg) else { return };
        let (part, session) = match &attendance.who {
            Who::Publisher(session) => (Part::Publish, session),
            Who::Viewer(session) => (Part::View, session),
            Who::Member(_) => return,
        };
        let (session, etag) = (session.token.clone(), session.etag.clone());
        let Some(room) = self.rooms.get(&number).map(|room| room.name.clone()) else { return };
        // The quota of each is its own, and no member has such an id.
        let account = u32::MAX - (leg.0 as u32 & 0xff_ffff);
        let ice_servers = self.provider.ice_servers(now, &asked.host, &room, account).servers;
        self.streams.sessions.insert(session.reveal().to_owned(), leg);
        match part {
            Part::Publish => self.stats.streams_created += 1,
            Part::View => self.stats.viewers_created += 1,
        }
        let created = Created { room, part, session, etag, answer, ice_servers };
        self.reply(asked.id, Reply::Created(Box::new(created)));
    }

    /// Media may flow: with the publisher's the stream is there.
    fn connected(&mut self, leg: LegKey) {
        let Some(stream) = self.streams.stream_of_leg(leg) else { return };
        if let Some(attendance) = stream.legs.get_mut(&leg) {
            attendance.is_connected = true;
        }
        if stream.publisher != leg || std::mem::replace(&mut stream.is_live, true) {
            return;
        }
        let (room, name) = (stream.room, stream.name.clone());
        self.stats.streams_live += 1;
        let entry = StreamEntry { id: stream_of(leg), name: &name };
        self.tell_all(room, &Notice::Stream { stream: entry });
    }

    /// The far end of a leg is gone, or has never come.
    fn gone(&mut self, leg: LegKey) {
        let Some(attendance) = self.streams.attendance(leg) else { return };
        if let Who::Viewer(_) = attendance.who {
            self.stats.viewers_lost += 1;
        }
        self.give_up(leg, &Code::NoMedia.into());
    }

    /// Ends a leg that does not come to be; with the publisher's the stream ends. Whoever waits for it is told why.
    fn give_up(&mut self, leg: LegKey, refusal: &Refusal) {
        let Some(stream) = self.streams.stream_of_leg(leg) else { return };
        let room = stream.room;
        let Some(attendance) = stream.legs.get_mut(&leg) else { return };
        let (asked, member) = match (&mut attendance.stage, &attendance.who) {
            (Stage::Opening(asked), Who::Member(member)) => (asked.take(), Some(*member)),
            (Stage::Opening(asked), _) => (asked.take(), None),
            (Stage::Offered(_) | Stage::Agreed(_), _) => (None, None),
        };
        if let Some(asked) = asked {
            self.deny(asked.id, refusal);
        }
        let flow = member.and_then(|member| self.rooms.get(&room)?.members.get(&member)?.flow);
        if let Some(flow) = flow {
            self.refuse(flow, Some("watch"), refusal);
        }
        self.forsake(leg, StreamOver::Lost);
    }
}

/// What is wrong with a description, as it is told.
pub(super) fn unfit(error: &ringback_media::negotiation::Refusal) -> Refusal {
    sentence(format!("The session description does not fit: {error}."))
}

pub(super) fn sentence(says: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal { says: Some(says.into()), ..Code::BadDescription.into() }
}

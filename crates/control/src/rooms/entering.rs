//! How a client comes into a room.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_sansio::Flow;

use super::names::{MemberName, Pin, RoomName, Token};
use super::notice::{Ended, KnockEntry, Left, Notice};
use super::request::{Create, Join};
use super::room::{Allowance, Knock, Member, Room, RoomNumber};
use super::{Code, Event, KNOCK_WAITS, MAX_KNOCKS, Place, Provider, Refusal, Rooms, Timer};
use crate::budget::Terms;
use crate::guesses::GUESSED_EACH;

impl<P: Provider> Rooms<P> {
    pub(super) fn create(&mut self, now: Instant, flow: Flow, create: Create) -> Result<(), Refusal> {
        let name = MemberName::try_from(create.name)?;
        let room = create.room.map(RoomName::try_from).transpose()?;
        let pin = create.pin.map(Pin::try_from).transpose()?;
        self.sign_in(
            now,
            flow,
            create.user.as_deref().zip(create.password.as_ref().map(|word| word.reveal())),
        )?;
        let source = self.connections.get(&flow).map(|connection| connection.source);
        let room_name = room.unwrap_or_else(|| RoomName::generate(&mut self.random));
        if self.numbers.contains_key(&room_name) {
            return Err(Code::RoomExists.into());
        }
        if self.rooms.len() >= self.settings.rooms
            || !source.is_some_and(|source| self.creations.spend(now, source, CREATIONS))
        {
            return Err(Refusal::after(Code::TooManyRooms, CREATED_EACH));
        }
        let token = Token::generate(&mut self.random);
        self.last_room += 1;
        let number = RoomNumber(self.last_room);
        let room = Room {
            name: room_name.clone(),
            members: BTreeMap::new(),
            last_member: 0,
            knocks: BTreeMap::new(),
            last_knock: 0,
            pin,
            locked: false,
            knock: create.knock,
            host: None,
            owner: token.clone(),
            expires: now + self.settings.lifetime,
            empty_since: Some(now),
            wrong_pins: Allowance::default(),
        };
        self.rooms.insert(number, room);
        self.numbers.insert(room_name, number);
        self.stats.rooms_created += 1;
        self.enter(now, flow, number, name, token);
        Ok(())
    }

    /// Whether the client may make a room, with these credentials or without any.
    fn sign_in(
        &mut self,
        now: Instant,
        flow: Flow,
        credentials: Option<(&str, &str)>,
    ) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get(&flow) else { return Err(Code::SignInNeeded.into()) };
        let source = connection.source;
        let Some((user, password)) = credentials else {
            return if connection.visit.may_create { Ok(()) } else { Err(Code::SignInNeeded.into()) };
        };
        if !connection.visit.private {
            return Err(Code::SignInUnsafe.into());
        }
        if !self.passwords.may_try(now, source) {
            return Err(Refusal::after(Code::SignInBlocked, GUESSED_EACH));
        }
        if self.provider.is_user(user, password) {
            return Ok(());
        }
        self.passwords.was_wrong(now, source);
        Err(Code::SignInWrong.into())
    }

    pub(super) fn join(&mut self, now: Instant, flow: Flow, join: Join) -> Result<(), Refusal> {
        let name = MemberName::try_from(join.name)?;
        let room_name = RoomName::try_from(join.room)?;
        let token = join.resume.map(Token::try_from).transpose()?;
        let &number = self.numbers.get(&room_name).ok_or(Code::NoSuchRoom)?;
        if let Some(token) = token {
            return self.come_back(now, flow, number, name, token, join.fresh);
        }
        self.check_entry(now, flow, number, join.pin)?;
        let Some(room) = self.rooms.get_mut(&number) else { return Err(Code::NoSuchRoom.into()) };
        if !room.knock {
            let token = Token::generate(&mut self.random);
            self.enter(now, flow, number, name, token);
            return Ok(());
        }
        if room.knocks.len() >= MAX_KNOCKS {
            return Err(Code::TooManyKnocks.into());
        }
        room.last_knock = room.last_knock.wrapping_add(1);
        let knock = room.last_knock;
        room.knocks.insert(knock, Knock { name: name.clone(), flow });
        self.stats.knocks += 1;
        self.deadlines.set(Timer::Knock(number, knock), now + KNOCK_WAITS);
        self.put(flow, Place::Waiting { room: number, knock });
        self.tell(flow, &Notice::Waiting { room: &room_name });
        self.events.push_back(Event::Settled(flow));
        self.tell_host(number, &Notice::Knock { knock: KnockEntry { id: knock, name: &name } });
        Ok(())
    }

    /// Whether somebody new may come in, or knock.
    fn check_entry(
        &mut self,
        now: Instant,
        flow: Flow,
        number: RoomNumber,
        pin: Option<String>,
    ) -> Result<(), Refusal> {
        let source = self.connections.get(&flow).map(|connection| connection.source);
        let (Some(room), Some(source)) = (self.rooms.get_mut(&number), source) else {
            return Err(Code::NoSuchRoom.into());
        };
        if room.locked {
            return Err(Code::Locked.into());
        }
        if let Some(expected) = &room.pin {
            let given = pin.ok_or(Code::PinNeeded)?;
            let wait = room.wrong_pins.wait(now, GUESSED_EACH, GUESSED_EACH * GUESSES_AT_A_ROOM);
            if !wait.is_zero() || !self.pins.may_try(now, source) {
                return Err(Refusal::after(Code::PinBlocked, wait.max(GUESSED_EACH)));
            }
            if !expected.is(&given) {
                room.wrong_pins.spend(now, GUESSED_EACH, GUESSED_EACH * GUESSES_AT_A_ROOM);
                self.pins.was_wrong(now, source);
                return Err(Code::PinWrong.into());
            }
        }
        if room.members.len() >= self.settings.members {
            return Err(Code::RoomFull.into());
        }
        Ok(())
    }

    /// Lets a new member in: it is told, and so are the others.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        flow: Flow,
        number: RoomNumber,
        name: MemberName,
        token: Token,
    ) {
        let Some(room) = self.rooms.get_mut(&number) else { return };
        room.last_member = room.last_member.saturating_add(1);
        let id = room.last_member;
        let is_owner = room.owner.is(&token);
        room.members.insert(id, Member { name, token, flow: Some(flow) });
        room.empty_since = None;
        let takes_over = is_owner && room.host.is_some();
        if room.host.is_none() {
            room.host = Some(id);
        }
        self.stats.members_joined += 1;
        self.put(flow, Place::Inside { room: number, member: id });
        self.watch_over(number);
        self.note_change(now, number);
        self.announce(number, id);
        self.tell_joined(now, flow, number, id, false);
        if takes_over {
            self.make_host(number, id);
        }
    }

    /// Lets somebody in who was in already.
    fn come_back(
        &mut self,
        now: Instant,
        flow: Flow,
        number: RoomNumber,
        name: MemberName,
        token: Token,
        fresh: bool,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get_mut(&number) else { return Err(Code::NoSuchRoom.into()) };
        let is_owner = room.owner.is(&token);
        let Some(id) = room.member_of(&token) else {
            if !is_owner {
                return Err(Code::ResumeUnknown.into());
            }
            if room.members.len() >= self.settings.members {
                return Err(Code::RoomFull.into());
            }
            self.enter(now, flow, number, name, token);
            return Ok(());
        };
        let before = room.members.get_mut(&id).and_then(|member| member.flow.take());
        if let Some(before) = before {
            self.tell(before, &Ended::Replaced.notice());
            self.close(before);
            self.connections.remove(&before);
        }
        self.deadlines.cancel(&Timer::Away(number, id));
        self.stats.members_back += 1;
        if fresh {
            self.take_out(now, number, id, Left::Fresh);
            self.enter(now, flow, number, name, token);
            return Ok(());
        }
        let Some(room) = self.rooms.get_mut(&number) else { return Ok(()) };
        let Some(member) = room.members.get_mut(&id) else { return Ok(()) };
        member.flow = Some(flow);
        let renamed = member.name != name;
        member.name = name.clone();
        let host = room.host;
        self.put(flow, Place::Inside { room: number, member: id });
        self.tell_joined(now, flow, number, id, true);
        self.tell_others(number, id, &Notice::MemberBack { member: id });
        if renamed {
            self.note_change(now, number);
            self.tell_others(number, id, &Notice::MemberRenamed { member: id, name: &name });
        }
        if host.is_none() || is_owner && host != Some(id) {
            self.make_host(number, id);
        }
        Ok(())
    }
}

/// Those at a room, from wherever they come.
const GUESSES_AT_A_ROOM: u32 = 10;
/// Rooms that a source makes.
const CREATED_EACH: Duration = Duration::from_secs(10);
const CREATIONS: Terms = Terms::new(CREATED_EACH, 60);

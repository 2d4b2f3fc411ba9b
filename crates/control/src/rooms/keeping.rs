//! What the store keeps, so that rooms outlive the process.
//!
//! A room is kept soon after it has changed, and not each time: whoever renames itself fifty times a second does not have
//! the disk written fifty times.

use std::time::{Duration, Instant};

use super::record::RoomRecord;
use super::room::{Room, RoomNumber};
use super::{Event, Provider, RESUME_WITHIN, Rooms, Timer};

impl<P: Provider> Rooms<P> {
    /// Takes a room of the process before this one; one whose time is over is forgotten. Its members are away from here on.
    pub fn restore(&mut self, now: Instant, record: RoomRecord) {
        let over = record.expires <= self.settings.epoch.unix_ms(now);
        if over || self.rooms.len() >= self.settings.rooms || self.numbers.contains_key(&record.name) {
            self.events.push_back(Event::Forget(record.name));
            return;
        }
        self.stats.rooms_restored += 1;
        self.last_room += 1;
        let number = RoomNumber(self.last_room);
        let room = Room::restore(record, now, &self.settings.epoch, self.settings.members);
        for &id in room.members.keys() {
            self.deadlines.set(Timer::Away(number, id), now + RESUME_WITHIN);
        }
        self.numbers.insert(room.name.clone(), number);
        self.rooms.insert(number, room);
        self.watch_over(number);
    }

    /// The store has not taken what it was given of a room: it is given again.
    pub fn handle_not_kept(&mut self, now: Instant, record: &RoomRecord) {
        if let Some(&number) = self.numbers.get(&record.name) {
            self.note_change(now, number);
        }
    }

    pub(super) fn note_change(&mut self, now: Instant, number: RoomNumber) {
        self.changed.insert(number);
        self.schedule_keeping(now);
    }

    pub(super) fn schedule_keeping(&mut self, now: Instant) {
        if self.changed.is_empty() || self.deadlines.of(&Timer::Keep).is_some() {
            return;
        }
        let at = self.kept_at.map_or(now, |at| (at + KEEP_EVERY).max(now));
        self.deadlines.set(Timer::Keep, at);
    }

    pub(super) fn keep_changed(&mut self, now: Instant) {
        self.kept_at = Some(now);
        for number in std::mem::take(&mut self.changed) {
            if let Some(room) = self.rooms.get(&number) {
                self.events.push_back(Event::Keep(Box::new(room.record(&self.settings.epoch))));
            }
        }
    }

    /// Keeps everything that has changed and ends all streams, because the process ends.
    pub fn shut_down(&mut self, now: Instant) {
        self.end_streams();
        self.deadlines.cancel(&Timer::Keep);
        self.keep_changed(now);
    }
}

/// The least time between two writes.
const KEEP_EVERY: Duration = Duration::from_millis(200);

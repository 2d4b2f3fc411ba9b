//! A room, and who is in it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_sansio::Flow;

use super::names::{MemberName, Pin, RoomName, Token};
use super::notice::{Entry, KnockEntry, RoomState};

/// The number of a room, which no other room of this process has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RoomNumber(pub u64);

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    pub name: RoomName,
    pub members: BTreeMap<u32, Member>,
    /// The greatest id that was given.
    pub last_member: u32,
    pub knocks: BTreeMap<u32, Knock>,
    pub last_knock: u32,
    pub pin: Option<Pin>,
    pub locked: bool,
    /// Whether who comes has to be let in.
    pub knock: bool,
    pub host: Option<u32>,
    /// The token of who made it, which opens it as long as it lasts.
    pub owner: Token,
    pub expires: Instant,
    /// Since when nobody is in it.
    pub empty_since: Option<Instant>,
    pub wrong_pins: Allowance,
}

/// Somebody in a room.
#[derive(Debug)]
pub(super) struct Member {
    pub name: MemberName,
    pub token: Token,
    /// The connection; `None` for one who is away.
    pub flow: Option<Flow>,
}

/// Somebody who waits to be let in.
#[derive(Debug)]
pub(super) struct Knock {
    pub name: MemberName,
    pub flow: Flow,
}

impl Room {
    pub fn state(&self) -> RoomState {
        RoomState { locked: self.locked, knock: self.knock, pin: self.pin.is_some() }
    }

    pub fn entry<'a>(&self, id: u32, member: &'a Member) -> Entry<'a> {
        Entry { id, name: &member.name, host: self.host == Some(id), away: member.flow.is_none() }
    }

    /// Whether anybody who has its name may come in.
    pub const fn is_open(&self) -> bool {
        !self.locked && !self.knock && self.pin.is_none()
    }

    pub fn knock_entries(&self) -> Vec<KnockEntry<'_>> {
        self.knocks.iter().map(|(&id, knock)| KnockEntry { id, name: &knock.name }).collect()
    }

    /// The connection of the host, when there is one and it is not away.
    pub fn host_flow(&self) -> Option<Flow> {
        self.members.get(&self.host?)?.flow
    }

    /// Who becomes host when there is none: who has been there longest, of those who are not away if there are any.
    pub fn heir(&self) -> Option<u32> {
        let present = self.members.iter().find(|(_, member)| member.flow.is_some());
        present.or_else(|| self.members.iter().next()).map(|(&id, _)| id)
    }

    pub fn member_of(&self, token: &Token) -> Option<u32> {
        self.members.iter().find(|(_, member)| member.token.is(token)).map(|(&id, _)| id)
    }
}

/// How much there may be of something: so much at once, and then as it is earned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowance {
    spent_until: Option<Instant>,
}

impl Allowance {
    /// Takes what costs `price`, the time in which so much is earned, unless more than `most` would be spent.
    pub fn spend(&mut self, now: Instant, price: Duration, most: Duration) -> bool {
        let after = self.after(now, price);
        let has_left = after.saturating_duration_since(now) <= most;
        if has_left {
            self.spent_until = Some(after);
        }
        has_left
    }

    /// How long it takes until `price` can be spent; nothing when it can be now.
    pub fn wait(&self, now: Instant, price: Duration, most: Duration) -> Duration {
        self.after(now, price).saturating_duration_since(now).saturating_sub(most)
    }

    fn after(&self, now: Instant, price: Duration) -> Instant {
        self.spent_until.map_or(now, |until| until.max(now)) + price
    }
}

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn an_allowance_is_a_burst_and_then_a_rate() {
        let now = Clock::new().now();
        let (price, most) = (Duration::from_secs(60), Duration::from_secs(300));
        let mut allowance = Allowance::default();
        assert_eq!((0..9).filter(|_| allowance.spend(now, price, most)).count(), 5);
        assert_eq!(allowance.wait(now, price, most), Duration::from_secs(60));
        let later = now + Duration::from_secs(59);
        assert!(!allowance.spend(later, price, most));
        let later = now + Duration::from_secs(60);
        assert!(allowance.wait(later, price, most).is_zero() && allowance.spend(later, price, most));
    }
}

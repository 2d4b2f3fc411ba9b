//! A room as the store keeps it, so that it outlives the process.

use std::collections::BTreeMap;
use std::time::Instant;

use super::names::{MemberName, Pin, RoomName, Token};
use super::room::{Allowance, Member, Room};
use crate::settings::Epoch;

/// What is kept of a room. Knocks are not: who waits joins again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRecord {
    /// The name.
    pub name: RoomName,
    /// The token of who made it.
    pub owner: Token,
    /// When its time is over, in Unix milliseconds.
    pub expires: u64,
    /// The PIN.
    pub pin: Option<Pin>,
    /// Whether nobody new is let in.
    pub locked: bool,
    /// Whether who comes has to be let in by the host.
    pub knock: bool,
    /// The id of the host.
    pub host: Option<u32>,
    /// The greatest id that a member was given.
    pub last_member: u32,
    /// Its members.
    pub members: Vec<MemberRecord>,
}

/// A member as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The id.
    pub id: u32,
    /// The name.
    pub name: MemberName,
    /// What it comes back with.
    pub token: Token,
}

impl Room {
    pub(super) fn record(&self, epoch: &Epoch) -> RoomRecord {
        let members = self.members.iter().map(|(&id, member)| MemberRecord {
            id,
            name: member.name.clone(),
            token: member.token.clone(),
        });
        RoomRecord {
            name: self.name.clone(),
            owner: self.owner.clone(),
            expires: epoch.unix_ms(self.expires),
            pin: self.pin.clone(),
            locked: self.locked,
            knock: self.knock,
            host: self.host,
            last_member: self.last_member,
            members: members.collect(),
        }
    }

    /// The room of a record, with its first `most` members, all of them away.
    pub(super) fn restore(record: RoomRecord, now: Instant, epoch: &Epoch, most: usize) -> Room {
        let members: BTreeMap<u32, Member> = record
            .members
            .into_iter()
            .take(most)
            .map(|MemberRecord { id, name, token }| (id, Member { name, token, flow: None }))
            .collect();
        Room {
            name: record.name,
            last_member: members.keys().copied().max().unwrap_or_default().max(record.last_member),
            empty_since: members.is_empty().then_some(now),
            host: record.host.filter(|host| members.contains_key(host)),
            members,
            knocks: BTreeMap::new(),
            last_knock: 0,
            pin: record.pin,
            locked: record.locked,
            knock: record.knock,
            owner: record.owner,
            expires: epoch.instant_of(record.expires),
            wrong_pins: Allowance::default(),
        }
    }
}

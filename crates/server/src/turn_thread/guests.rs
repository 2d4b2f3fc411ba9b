//! Members of rooms, who may allocate as long as their room is there.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use ringback_control::rooms::RoomName;
use ringback_nat::turn::{Lookup, Rate, User, Users};
use smallvec::SmallVec;

/// The rooms that there are, for whoever makes them and for the thread of TURN: a clone knows the same.
#[derive(Debug, Clone, Default)]
pub struct Guests(Arc<RwLock<HashSet<Box<[u8]>>>>);

/// What a member may have relayed, in each direction: two megabits in a second, which is a picture of a person with their voice.
const BANDWIDTH: Rate = Rate::per_second(250_000, 250_000);

/// What begins the account of a member. No user has a slash in its name.
const ROOM: &[u8] = b"room/";

impl Guests {
    /// The account of a member: quotas are its own.
    pub fn account(room: &RoomName, member: u32) -> String {
        format!("room/{}/{member}", room.as_str())
    }

    /// There is such a room from now on.
    pub fn open(&self, room: &RoomName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(room.as_str().as_bytes().into());
    }

    /// There is none any more.
    pub fn close(&self, room: &RoomName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(room.as_str().as_bytes());
    }

    /// Whether an account is that of a member of this room.
    pub fn is_of(account: &[u8], room: &RoomName) -> bool {
        room_of(account) == Some(room.as_str().as_bytes())
    }
}

impl Users for Guests {
    fn candidates(&self, _lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        // Their credentials are those for a time.
        SmallVec::new()
    }

    fn has_account(&self, account: &[u8]) -> bool {
        let rooms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        room_of(account).is_some_and(|room| rooms.contains(room))
    }

    fn bandwidth(&self, account: &[u8]) -> Option<Rate> {
        room_of(account).map(|_| BANDWIDTH)
    }
}

/// The name of the room in an account.
fn room_of(account: &[u8]) -> Option<&[u8]> {
    let rest = account.strip_prefix(ROOM)?;
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    rest.get(..slash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_an_account_as_long_as_its_room_is_there() {
        let room = RoomName::try_from("team".to_owned()).unwrap();
        let other = RoomName::try_from("tea".to_owned()).unwrap();
        let guests = Guests::default();
        let account = Guests::account(&room, 7);
        assert!(!guests.has_account(account.as_bytes()));
        guests.clone().open(&room);
        assert!(guests.has_account(account.as_bytes()));
        assert!(Guests::is_of(account.as_bytes(), &room) && !Guests::is_of(account.as_bytes(), &other));
        assert_eq!(guests.bandwidth(account.as_bytes()), Some(BANDWIDTH));
        assert_eq!(guests.bandwidth(b"alice"), None, "users carry as much as they like");
        for none in ["team", "room/team", "room/tea/7", "room//7", "alice"] {
            assert!(!guests.has_account(none.as_bytes()), "{none}");
        }
        guests.close(&room);
        assert!(!guests.has_account(account.as_bytes()));
    }
}

//! `[rooms]`: browsers that find each other by a link and talk directly.

use std::time::Duration;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

/// Who may make rooms, and how many there may be of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rooms {
    /// Who may make a room without an account.
    pub anonymous: Anonymous,
    /// Rooms at the same time.
    pub rooms: u32,
    /// Members of a room.
    pub members: u32,
    /// Streams into rooms at the same time.
    pub streams: u32,
    /// Those who watch the stream of a room from outside (WHEP).
    pub viewers: u32,
    /// How long a room lasts, in hours.
    pub hours: u32,
    /// How long a room lasts with nobody in it, in minutes.
    pub empty_minutes: u32,
}

/// Who may make a room without an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// Who is on this machine.
    #[default]
    Loopback,
    /// Anybody.
    Everybody,
    /// Nobody.
    Nobody,
}

impl Anonymous {
    /// Whether somebody may who is on this machine, or is not.
    pub fn allows(self, is_local: bool) -> bool {
        match self {
            Anonymous::Loopback => is_local,
            Anonymous::Everybody => true,
            Anonymous::Nobody => false,
        }
    }
}

impl Serialize for Anonymous {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Anonymous::Loopback => serializer.serialize_str("loopback"),
            Anonymous::Everybody => serializer.serialize_bool(true),
            Anonymous::Nobody => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Anonymous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Flag(bool),
            Word(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Flag(true)) => Ok(Anonymous::Everybody),
            Ok(Written::Flag(false)) => Ok(Anonymous::Nobody),
            Ok(Written::Word(word)) if word == "loopback" => Ok(Anonymous::Loopback),
            Ok(Written::Word(_)) | Err(_) => Err(D::Error::custom("it is true, false or \"loopback\"")),
        }
    }
}

impl Rooms {
    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 6] {
        [
            ("rooms.rooms", self.rooms, 1, 100_000),
            ("rooms.members", self.members, 2, 6),
            ("rooms.streams", self.streams, 0, 10_000),
            ("rooms.viewers", self.viewers, 0, 1000),
            ("rooms.hours", self.hours, 1, 24 * 30),
            ("rooms.empty_minutes", self.empty_minutes, 1, 60 * 24 * 30),
        ]
    }

    /// [`hours`](Self::hours) as a duration.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.hours) * 3600)
    }

    /// [`empty_minutes`](Self::empty_minutes) as a duration.
    pub fn empty(&self) -> Duration {
        Duration::from_secs(u64::from(self.empty_minutes) * 60)
    }
}

impl Default for Rooms {
    fn default() -> Self {
        // In a mesh of six each sends five times; more is a conference.
        Rooms {
            anonymous: Anonymous::Loopback,
            rooms: 1000,
            members: 6,
            streams: 20,
            viewers: 50,
            hours: 24,
            empty_minutes: 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_make_rooms_is_a_flag_or_loopback() {
        for (text, who) in [
            ("true", Anonymous::Everybody),
            ("false", Anonymous::Nobody),
            ("\"loopback\"", Anonymous::Loopback),
        ] {
            let rooms: Rooms = toml::from_str(&format!("anonymous = {text}")).unwrap();
            assert_eq!(rooms.anonymous, who);
            let again: Rooms = toml::from_str(&toml::to_string(&rooms).unwrap()).unwrap();
            assert_eq!(again, rooms);
        }
        for text in ["1", "\"yes\"", "[]"] {
            let error = toml::from_str::<Rooms>(&format!("anonymous = {text}")).unwrap_err().to_string();
            assert!(error.contains("true, false or \"loopback\""), "{error}");
        }
    }
}

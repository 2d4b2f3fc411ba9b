//! What is asked and answered.

use ringback_control::Features;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::setting::Setting;
use crate::config::UserName;
use crate::secret::Secret;

/// What a command wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Adds a user.
    Add {
        /// The name to sign in with.
        name: UserName,
        /// The name that others see.
        display: String,
        /// The password.
        #[serde(serialize_with = "Secret::serialize_exposed")]
        password: Secret,
    },
    /// Gives a user a new password.
    Passwd {
        /// Whose.
        name: String,
        /// The password.
        #[serde(serialize_with = "Secret::serialize_exposed")]
        password: Secret,
    },
    /// Removes a user with its devices.
    Remove {
        /// Whom.
        name: String,
    },
    /// Lists every user.
    List,
    /// Changes what a user has set about its calls.
    Set {
        /// Whose it is.
        name: String,
        /// The changes.
        settings: Vec<Setting>,
    },
    /// Tells what a user has set.
    Show {
        /// Whose.
        name: String,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// Every user, by name.
    Users {
        /// The users.
        users: Vec<Listed>,
    },
    /// What a user has set.
    Features {
        /// All of it.
        features: Settings,
    },
    /// It is not done.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// A user as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The name to sign in with.
    pub name: String,
    /// The name that others see.
    pub display: String,
    /// The realm of the password.
    pub realm: String,
    /// Whether it stands in the configuration.
    pub from_configuration: bool,
}

/// What a user has set about its calls, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    always: Option<String>,
    busy: Option<String>,
    no_answer: Option<String>,
    ring_seconds: Option<u32>,
    do_not_disturb: bool,
    waiting: Option<u32>,
    group: Option<String>,
}

impl From<Features> for Settings {
    fn from(features: Features) -> Self {
        let Features { always, busy, no_answer, ring_seconds, do_not_disturb, waiting, group } = features;
        Settings { always, busy, no_answer, ring_seconds, do_not_disturb, waiting, group }
    }
}

impl From<Settings> for Features {
    fn from(settings: Settings) -> Self {
        let Settings { always, busy, no_answer, ring_seconds, do_not_disturb, waiting, group } = settings;
        Features { always, busy, no_answer, ring_seconds, do_not_disturb, waiting, group }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is a user of that name.
    #[error("there is a user `{0}` already; use `ringback user passwd {0}` for a new password")]
    Exists(String),
    /// There is no user of that name.
    #[error("there is no user `{0}`; `ringback user list` names them")]
    Unknown(String),
    /// The user stands in the configuration.
    #[error("the user `{0}` stands in the configuration; change its [[user]] entry and restart")]
    FromConfiguration(String),
    /// The group of a user of the configuration.
    #[error("the group of `{0}` stands in the configuration; change its [[user]] entry and restart")]
    GroupFromConfiguration(String),
    /// Calls cannot be forwarded there.
    #[error("calls cannot be forwarded to `{0}`; name a user of this exchange, `echo` or `*43`, or `off`")]
    NoTarget(String),
    /// A number that makes no sense.
    #[error("{number} is out of range; choose 1 to {most}, or `off`")]
    OutOfRange {
        /// What was given.
        number: u32,
        /// The greatest.
        most: u32,
    },
    /// A group cannot have that name.
    #[error("`{0}` is no name of a group; use 1 to 64 characters")]
    NoGroup(String),
    /// The request cannot be read, which is what an older or newer command gets.
    #[error("the server does not understand the command ({0}); use the `ringback` that the server runs")]
    Malformed(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
}

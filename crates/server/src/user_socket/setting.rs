//! One thing that can be set about the calls of a user.

use ringback_control::Features;
use serde::{Deserialize, Serialize};

use super::protocol::Refusal;

/// A change of what a user has set. Nothing is `None`: it is switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "setting", content = "value", rename_all = "snake_case")]
pub enum Setting {
    /// Where every call goes.
    Always(Option<String>),
    /// Where a call goes when the user is busy.
    Busy(Option<String>),
    /// Where a call goes that nobody answers.
    NoAnswer(Option<String>),
    /// For how many seconds the user's phones ring.
    RingSeconds(Option<u32>),
    /// Whether they do not ring.
    DoNotDisturb(bool),
    /// How many calls the user takes at a time.
    Waiting(Option<u32>),
    /// Whose calls the user may pick up.
    Group(Option<String>),
}

impl Setting {
    /// Writes it into what is set.
    pub(super) fn apply(self, features: &mut Features) -> Result<(), Refusal> {
        match self {
            Setting::Always(to) => features.always = target(to)?,
            Setting::Busy(to) => features.busy = target(to)?,
            Setting::NoAnswer(to) => features.no_answer = target(to)?,
            Setting::RingSeconds(seconds) => {
                features.ring_seconds = in_range(seconds, Features::MAX_RING_SECONDS)?
            }
            Setting::DoNotDisturb(on) => features.do_not_disturb = on,
            Setting::Waiting(calls) => features.waiting = in_range(calls, MOST_CALLS)?,
            Setting::Group(group) => features.group = name_of_group(group)?,
        }
        Ok(())
    }
}

fn target(to: Option<String>) -> Result<Option<String>, Refusal> {
    match to {
        Some(to) if !Features::can_forward_to(&to) => Err(Refusal::NoTarget(to)),
        to => Ok(to),
    }
}

fn in_range(number: Option<u32>, most: u32) -> Result<Option<u32>, Refusal> {
    match number {
        Some(number) if !(1..=most).contains(&number) => Err(Refusal::OutOfRange { number, most }),
        number => Ok(number),
    }
}

fn name_of_group(group: Option<String>) -> Result<Option<String>, Refusal> {
    match group {
        Some(group) if !is_group(&group) => Err(Refusal::NoGroup(group)),
        group => Ok(group),
    }
}

/// Whether a group can have that name.
fn is_group(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && !name.chars().any(char::is_control)
}

/// Calls at a time above which a limit is none.
const MOST_CALLS: u32 = 1000;

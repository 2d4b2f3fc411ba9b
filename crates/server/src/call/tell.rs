//! What is told of a call: a line for each thing that happens.

use std::time::Duration;

use ringback_peer::phone::Failure;

use super::CallError;
use crate::live_sound::{LiveSound, News};
use crate::terminal;

/// Writes a line to standard output.
pub(super) fn line(text: &str) -> Result<(), CallError> {
    terminal::line(text).map_err(CallError::Print)
}

/// Tells the news of the microphone and the speaker.
pub(super) fn sound(sound: &mut LiveSound) -> Result<(), CallError> {
    while let Some(news) = sound.poll_news() {
        match news {
            News::Line(text) => line(&text)?,
            News::Warning(text) => terminal::warn(&text),
        }
    }
    Ok(())
}

/// Why the other side did not take the call, with what can be done.
pub(super) fn not_taken(callee: &str, status: u16, reason: &str) -> String {
    let (what, mend) = match status {
        486 | 600 => ("is busy", "call again later"),
        603 => ("has declined", "somebody there does not want to talk now"),
        404 => ("is nobody that the server knows", "look at the address"),
        480 => ("is not there", "its telephone is not signed in, or does not answer"),
        408 | 487 => ("does not answer", "call again later"),
        403 => ("may not be called by us", "look at --user, and ask who runs the server"),
        415 | 488 | 606 => ("takes none of our media", "try --media plain, sdes or webrtc"),
        503 => ("cannot be reached by the server", "it says that it cannot do more; call again later"),
        _ => ("does not take the call", "the number is its reason"),
    };
    format!("{callee} {what} ({status} {reason}); {mend}")
}

/// Whether it is the other side that has not taken the call; else its status and words are those of a mistake.
pub(super) fn refusal(failure: &Failure) -> Option<(u16, &str)> {
    match failure {
        Failure::Refused(status, reason) => Some((*status, reason)),
        _ => None,
    }
}

/// A length for people.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_not_taken_is_told_with_what_can_be_done() {
        let busy = not_taken("sip:bob@x", 486, "Busy Here");
        assert_eq!(busy, "sip:bob@x is busy (486 Busy Here); call again later");
        assert!(not_taken("sip:bob@x", 599, "What").contains("599 What"));
    }
}

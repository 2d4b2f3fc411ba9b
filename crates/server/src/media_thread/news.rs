//! Who hears the news of legs.

use std::thread;
use std::time::Duration;

use ringback_control::MediaEvent;
use ringback_control::ng::is_of_ng;

use crate::inbox::{Inbox, Input, Refused};

/// The threads whose machines make legs. The key of a leg says which of them made it.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The control thread, whose exchange makes legs for its calls.
    pub exchange: Option<Inbox>,
    /// The thread of the ng protocol.
    pub ng: Option<Inbox>,
}

impl News {
    /// Only the control thread.
    pub fn of_exchange(inbox: Inbox) -> Self {
        News { exchange: Some(inbox), ng: None }
    }

    /// Tells whoever made the leg. Each waits for every answer, and a full inbox empties in milliseconds.
    pub fn tell(&self, event: MediaEvent) {
        let inbox = if is_of_ng(event.leg()) { &self.ng } else { &self.exchange };
        let Some(inbox) = inbox else { return };
        let mut input = Input::Media(event.clone());
        while inbox.send(input) == Err(Refused::Full) {
            thread::sleep(Duration::from_millis(1));
            input = Input::Media(event.clone());
        }
    }
}

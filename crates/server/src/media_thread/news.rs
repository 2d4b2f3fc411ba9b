//! Who hears the news of legs.

use std::thread;
use std::time::Duration;

use ringback_control::MediaEvent;
use ringback_control::ng::is_of_ng;
use ringback_control::rooms::is_of_rooms;

use crate::inbox::{Inbox, Input, Refused};

/// The threads whose machines make legs. The key of a leg says which of them made it.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The control thread, whose exchange makes legs for its calls.
    pub exchange: Option<Inbox>,
    /// The thread of the ng protocol.
    pub ng: Option<Inbox>,
    /// The thread of rooms, for streams.
    pub rooms: Option<Inbox>,
}

impl News {
    /// Only the control thread.
    pub fn of_exchange(inbox: Inbox) -> Self {
        News { exchange: Some(inbox), ng: None, rooms: None }
    }

    /// Tells whoever made the leg. Each waits for every answer, and a full inbox empties in milliseconds.
    pub fn tell(&self, event: MediaEvent) {
        let inbox = match event.leg() {
            leg if is_of_ng(leg) => &self.ng,
            leg if is_of_rooms(leg) => &self.rooms,
            _ => &self.exchange,
        };
        let Some(inbox) = inbox else { return };
        let mut input = Input::Media(event.clone());
        while inbox.send(input) == Err(Refused::Full) {
            thread::sleep(Duration::from_millis(1));
            input = Input::Media(event.clone());
        }
    }
}

//! The keys of streams: they follow from the secret of who made the room, so that they are good as long as the room, in the
//! process after this one too, and nothing more has to be kept. Nobody can conclude the one from the other.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Part;
use crate::rooms::names::{RoomName, Token};
use crate::rooms::room::Room;

impl Room {
    /// The key that lets somebody publish into the room, or watch what is published there.
    pub(in crate::rooms) fn stream_key(&self, part: Part) -> Option<Token> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.owner.reveal().as_bytes()).ok()?;
        mac.update(match part {
            Part::Publish => &b"publish into "[..],
            Part::View => &b"view streams of "[..],
        });
        mac.update(self.name.as_str().as_bytes());
        Some(Token::of_bytes(&mac.finalize().into_bytes()))
    }
}

/// Where streams are published into a room, and taken out.
pub(in crate::rooms) fn path(room: &RoomName, part: Part) -> String {
    let part = match part {
        Part::Publish => "whip",
        Part::View => "whep",
    };
    format!("/api/v1/rooms/{}/{part}", room.as_str())
}

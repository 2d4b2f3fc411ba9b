//! A member of a room of Ringback: chat lines, files and audio with every other member directly (docs/reference/rooms.md).
//!
//! A [`Room`] is told what the server of the room says and says what it is to be told, as text: the WebSocket is its
//! user's. It has a [`Connection`] with each other member, with the two channels of the protocol, and carries chat lines and
//! [`Files`].
//!
//! Assumptions and what is left out:
//! - It makes offers to whoever was there before it, and answers those who come later.
//! - TURN over UDP alone; no video: what others show is answered without it. Knocks are not answered: a host is a browser.
//! - An own offer that meets another one is dropped by the member with the greater id, and made again.
//!
//! [`Connection`]: crate::webrtc::Connection

mod files;
mod room;
mod servers;
mod wire;

pub use files::{FileEvent, Files, NotOffered, Numbers, file_name};
pub use room::{Room, RoomError, RoomEvent, RoomSettings};

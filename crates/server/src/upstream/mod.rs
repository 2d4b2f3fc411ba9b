//! The connection of a command to a server: that of `tap` for each browser, and those of `bench`, `call`, `chat` and `room`.
//!
//! A [`Target`] says where the server is and how it is spoken to, a [`Connector`] makes connections to it, and an [`Upstream`]
//! is one: a WebSocket, whose [`frames`] pass as they are, datagrams, or a stream that is cut into messages.

mod connection;
mod error;
pub mod frames;
mod socket;
mod target;
mod trust;

pub(crate) use connection::{ConnectError, Connector, Server, Upstream};
pub use error::UpstreamError;
pub(crate) use frames::{Frame, Kind};
pub(crate) use socket::{Broken, Socket};
pub use target::{Target, TargetError};

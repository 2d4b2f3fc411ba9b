//! A program as a peer: of a browser by WebRTC, or of any telephone by SIP.
//!
//! - [`webrtc`]: audio and data channels with a browser or another peer. The page, the program or the server between the two
//!   carries the session descriptions and candidates; how is for you to say.
//! - [`rtp`]: audio with a telephone, in the clear or under the keys of its session description.
//! - [`phone`]: the SIP of a telephone: signs in, calls, answers, hangs up.
//! - [`rooms`]: a member of a room of Ringback, with chat, files and audio.
//! - [`audio`]: what is said and heard in either, from files and into files.
//! - [`sound`]: a microphone and a speaker for it.
//!
//! Each of these is a machine without sockets and without a clock, driven as everything of Ringback is: `handle_*` tells it
//! what happened and what time it is, plain verbs are commands, `poll_*` say what is to be done. [`webrtc::Connection`] drives
//! a [`webrtc::Peer`] on tokio, and is where most programs begin:
//!
//! ```no_run
//! use ringback_peer::webrtc::{Connection, Event, Settings};
//!
//! # async fn run(offer: String) -> Result<(), Box<dyn std::error::Error>> {
//! let mut connection = Connection::open(Settings::default()).await?;
//! let answer = connection.answer(&offer)?; // for the browser
//! while let Some(event) = connection.next().await {
//!     match event {
//!         Event::ChannelOpened { channel, label } => println!("{label} is open as {channel:?}"),
//!         Event::Message { channel, data, is_text } => {
//!             connection.send(channel, is_text, &data)?; // echo
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has whole programs.

pub mod audio;
#[doc(hidden)]
pub mod fuzz;
pub mod phone;
pub mod rooms;
pub mod rtp;
pub mod sound;
pub mod webrtc;

//! The part of Ringback that touches the world: files, the store, the command line, sockets, threads and clocks.
//!
//! Everything that decides what a message means lives in the crates below this one, without I/O. A newcomer starts at
//! [`cli`] (what the user typed), follows [`config`] (what that means) and [`first_start`] (what must exist on disk) to
//! [`serve`] (the running exchange).

pub mod bench;
pub mod call;
pub mod cli;
pub mod config;
pub mod control_thread;
pub mod first_start;
pub mod http;
pub mod inbox;
pub mod interfaces;
pub mod live_sound;
pub mod media_thread;
pub mod net;
pub mod ng_thread;
pub mod outbox;
pub mod pages;
pub mod recordings;
pub mod room;
pub mod rooms_thread;
pub mod secret;
pub mod serve;
pub mod sounds;
pub mod store;
pub mod tap;
pub mod telemetry;
mod terminal;
pub mod trace;
pub mod turn_thread;
pub mod upstream;
pub mod user_socket;
pub mod voice_thread;

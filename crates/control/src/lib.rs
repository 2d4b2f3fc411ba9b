//! The policy of the exchange: admission, authentication, registration, routing and calls, without I/O.
//!
//! [`Exchange`] is the one machine; everything else is a part of it. It is driven as every machine of Ringback is (see
//! `ringback_sansio`), with two queues more: questions that the driver answers ([`Exchange::poll_ask`]) and commands
//! for the media workers ([`Exchange::poll_media`]).

mod admission;
mod ask;
mod authentication;
mod budget;
mod call;
mod cdr;
mod devices;
mod event;
mod events;
mod exchange;
mod features;
#[doc(hidden)]
pub mod fuzz;
mod guesses;
mod header_tables;
mod keepalive;
mod media;
mod messages;
#[cfg(test)]
extern crate self as ringback_control;
#[cfg(test)]
#[path = "../tests/kit/mod.rs"]
mod kit;
pub mod ng;
mod owner;
mod parked;
mod pressure;
mod proxying;
mod quality_reports;
mod reach;
mod refuse;
mod registration;
pub mod rooms;
mod routing;
mod settings;
mod stats;

pub use admission::Standing;
pub use ask::{Answer, Ask, AskId, NotConnected, User};
pub use call::recording::RecordingRefused;
pub use cdr::{Cdr, CdrLeg, EndedBy, Reported};
pub use event::Event;
pub use events::EventLimits;
pub use exchange::Exchange;
pub use features::Features;
pub use guesses::Guesses;
pub use header_tables::{FixedHeader, HeaderName, HeaderTables, InvalidHeader, PeerTable};
pub use media::{MediaCommand, MediaEvent, Medium, Play, PlayNumber, Route, What};
pub use messages::{MessageLimits, StoredMessage};
pub use pressure::Pressure;
pub use routing::advertised;
pub use settings::{Bypass, Epoch, InvalidSettings, Limits, RecordedCalls, Recording, Settings};
pub use stats::Stats;

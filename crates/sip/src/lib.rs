//! SIP: messages, framing, transactions, dialogs, digest, registrar and location service.
//!
//! Nothing here does I/O or reads a clock. A [`message::Message`] keeps the bytes it came in and an index of spans over
//! them; [`header`] and [`uri`] read those spans on demand; [`framing`] cuts a byte stream into messages; the other
//! modules are the machines of RFC 3261 on top.

pub mod dialog;
pub mod digest;
pub mod event;
pub mod framing;
pub mod fuzz;
pub mod grammar;
pub mod gruu;
pub mod header;
pub mod location;
pub mod message;
pub mod outbound;
pub mod proxy;
pub mod registrar;
pub mod reliable;
pub mod resolve;
pub mod transaction;
pub mod uri;

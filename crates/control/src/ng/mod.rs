//! The ng control protocol of rtpengine: a SIP proxy of somebody else's has its session descriptions rewritten here,
//! and its media goes by our media workers.
//!
//! The modules of Kamailio and OpenSIPS speak it over UDP: a cookie, a space, and a dictionary in bencode or JSON. The
//! proxy sends each SDP that it passes on as an *offer* or an *answer*, with the tags of the SIP message and with flags
//! that say what the other side is like, and puts what comes back in its place.
//!
//! ```text
//! kamailio                          Engine                       media worker
//!   │ offer (INVITE of A) ───────────▶ │ Open A, Open B ─────────────▶ │
//!   │                                  │ ◀───────────── Opened A, B    │
//!   │ ◀──────────────── SDP for B      │                               │
//!   │ answer (200 of B) ─────────────▶ │ Configure A, B; Join ───────▶ │
//!   │ ◀──────────────── SDP for A      │                               │
//!   │ delete (BYE) ──────────────────▶ │ Close A, Close B ───────────▶ │  after the delay
//! ```
//!
//! [`Engine`] is one machine without I/O and is driven as every machine of Ringback is, with [`Engine::poll_media`] and
//! [`Engine::handle_media`] for the media workers. A command that needs a side that is not open yet is parked, and so
//! is every later one of the same call. Whatever cannot be done is answered with `result=error` and a sentence.
//!
//! Rules:
//! - The protocol has no authentication: who can send to the port commands the media. The port belongs on loopback or on
//!   a network of its own.
//! - A repeat of a request, by its cookie and where it came from, gets the answer that was given.
//! - Nothing tells us that an offer was refused over SIP. So an offer replaces whatever waits, be it from the other side.
//! - Several branches answer one offer, each on a leg of its own; who answered last is heard.
//! - `delete` lets media flow for 30 s more, unless it says otherwise; an offer within that time keeps the call.
//! - A call without a delete ends when the media of all its sides has, or an hour after an offer without an answer.
//! - An address in an SDP that is private although its SIP came from a public one is replaced by the source of the SIP,
//!   unless the flags say `trust-address`.
//! - What a description says of the session, and attributes that only its two ends understand, pass (`passing.rs`); all
//!   that media depends on is ours, in the order in which rtpengine writes it.
//! - Stripping codecs happens before the negotiation reads the SDP, so it holds for both sides; masking happens after it
//!   has written ours (`codecs.rs`).
//! - Audio has video beside it where both ends have a codec of it in common (`video.rs`).
//! - `query` and `delete` are answered when the media workers have said what the legs carried.
//! - What is recorded and played is for the configuration to name: no path from outside is followed (`recording.rs`,
//!   `playing.rs`). A recording has what was let pass of each side, and nothing of what is played.
//!
//! Read, and of no effect: `replace-session-connection` (addresses are ours in any case), `symmetric`, `asymmetric`,
//! `strict-source`, `media-handover` and `port-latching` (the media worker has rules of its own for whom it hears), the
//! role of DTLS (`actpass` is offered and `passive` answered where that may be), `generate-mid` (WebRTC has it, plain
//! RTP needs it not), `TOS`, `ptime`, `DTMF-security`. What would be missed is a `warning` of the answer.
//!
//! Left out: ICE without DTLS-SRTP, rtcp-mux in offers without ICE, `start forwarding`, `publish` and `subscribe`, T.38
//! made out of audio (a fax is passed on as it is), a second m= section of video, packets of calls in progress in
//! `statistics`, and the transports TCP, HTTP and WebSocket; of recordings more than two sides at a time; of playing
//! `blob`, `db-id`, `last-frame-pos`, the `pause` between keys (60 ms), and media for who has not agreed on any yet.

mod bencode;
mod blocking;
mod calls;
mod codecs;
mod command;
mod containment;
mod edit;
mod ending;
mod engine;
mod flags;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod message;
mod offering;
mod passing;
mod plan;
mod playing;
mod recording;
mod refusal;
mod settings;
mod telling;
mod value;
mod video;

pub use crate::owner::is_of_ng;
pub use command::{Command, CommandError, Delete, Exchange, MediaAction, PlayMedia, Whose, Wish};
pub use engine::Engine;
pub use flags::{
    CodecChange, Dtls, DtmfSecurity, Family, Flags, Ice, IceLite, Osrtp, Replace, RtcpMux, Sdes, Switch,
    TransportProtocol,
};
pub use message::{AnswerLimits, Message, write};
pub use recording::NotRecorded;
pub use refusal::Reason;
pub use settings::{Address, Interface, Settings, Stats};
pub use value::{Dict, Encoding, MAX_DEPTH, MAX_LEN, MAX_VALUES, ReadError, Value};

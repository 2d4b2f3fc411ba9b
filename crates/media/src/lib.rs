//! Media: SDP, RTP, SRTP, DTLS and the media sessions that join two legs.
//!
//! [`session`] is the machine of one media worker: it owns the legs that the worker serves and forwards their packets.
//! The rest is what it is made of. [`sdp`] and [`negotiation`] are used by the layer above, which agrees with each far
//! end on what [`session`] then does.
//!
//! [`insert`] is what makes audio anew for legs that share no codec, and mixes conferences. [`codec`], [`audio`], [`dtmf`] and
//! [`file`] work on what is in the packets: samples, pressed keys and files of audio.

#[cfg(test)]
extern crate self as ringback_media;

pub mod audio;
pub mod codec;
pub mod dtls;
pub mod dtmf;
pub mod file;
pub mod insert;
pub mod negotiation;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
#[cfg(test)]
#[path = "../tests/session_world/mod.rs"]
mod session_world;
pub mod srtp;

//! What stands between legs, or behind one, where packets cannot be passed on as they are: as on a mixing desk, an
//! insert.
//!
//! A [`Desk`] holds the inserts of one media worker and runs on a thread of its own, because making audio takes a hundred
//! times as long as passing it on. The worker opens packets, checks who sent them and hands them over
//! ([`Verdict::Insert`]); what the desk makes, it numbers and protects ([`Worker::handle_made`]).
//!
//! Each leg has at the most an ear, which makes samples of what its far end sends, and a voice, which makes packets of
//! samples for it. What connects them:
//! - **Transcoding** is driven by packets and adds no delay: a packet that comes is decoded, and every frame that is
//!   complete then is sent. The timestamps of the one stream become those of the other, so that pauses stay pauses, and the
//!   jitter stays for the far end's buffer. Lost packets are concealed, or mended by what Opus carries for it; longer gaps
//!   stay gaps.
//! - **A conference** is driven by its clock: every 20 ms each ear gives a frame out of its jitter buffer, and each voice gets
//!   the sum of the others.
//! - **Playing** is driven by the clock too: a tone or what was read from a file goes in the place of what a leg would hear,
//!   or, as music on hold, under it, so that whoever speaks to the leg ends it. A leg whose packets are passed on gets a
//!   voice for as long as something is played to it, be it the tone of a key.
//! - **A recording** has ears of its own beside whatever else becomes of the packets (`record`), or keeps copies of them.
//!
//! Keys that are pressed pass as telephone events where both know them, else as tones: see [`dtmf`](crate::dtmf). In a
//! conference nobody hears them.
//!
//! Left out: stereo, and packets that overtake each other in transcoding: the late one is dropped and counted.
//!
//! [`Verdict::Insert`]: crate::session::Verdict::Insert
//! [`Worker::handle_made`]: crate::session::Worker::handle_made

mod clocked;
mod conference;
mod desk;
mod ear;
mod follow;
#[doc(hidden)]
pub mod fuzz;
mod kept;
mod made;
mod player;
mod record;
mod voice;

pub use conference::MAX_MEMBERS;
pub use desk::{ConferenceKey, Desk, DeskError, DeskStats};
pub use kept::{KeptPacket, PacketWay};
pub use made::Made;
pub(crate) use player::PACKETS_IN_A_ROW;
pub use player::{Clip, HOLD_TONES, Manner, Play, PlayEnd, PressError, Sound};
pub use record::{
    LONGEST_PIECE as RECORDING_PIECE, Piece, RATE as RECORDING_RATE, Recorded, RecordingEnd, RecordingKey,
    RecordingSettings, Side, Track,
};

/// A frame of the desk's clock.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(20);

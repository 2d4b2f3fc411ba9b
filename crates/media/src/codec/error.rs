//! What codecs refuse.

use thiserror::Error;

/// There is no codec for a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no codec for this format: leave it out of the description")]
pub struct Unsupported;

/// Why a payload gives no samples. The far end, or somebody in its name, is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum DecodeError {
    /// It has no bytes.
    #[error("the payload is empty: conceal the frame")]
    Empty,
    /// It is none of the codec.
    #[error("the payload is not one of its codec: conceal the frame")]
    Malformed,
    /// It has more samples than there is room for.
    #[error("the payload holds more samples than the buffer: conceal the frame")]
    TooLong,
}

/// Why samples give no payload. The caller is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum EncodeError {
    /// The codec has no frames of this length.
    #[error("the codec has no frame of this length: ask Format::frame_ms")]
    FrameLength,
    /// The buffer is too small for the frame.
    #[error("the buffer is too small for the frame: MAX_PAYLOAD bytes are enough")]
    TooSmall,
    /// The library gave up.
    #[error("the codec cannot encode the frame: skip it")]
    Failed,
}

//! Why there is no sound.

use std::fmt;

use thiserror::Error;

/// Which of the two devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What is spoken into.
    Microphone,
    /// What is listened to: a loudspeaker or a headset.
    Speaker,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::Microphone => "microphone",
            Which::Speaker => "speaker",
        })
    }
}

/// Why there is no sound, with what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// This build has none.
    #[error("this program was built without sound; build it with `--features sound`")]
    NotBuilt,
    /// The machine has none.
    #[error("this machine has no {0}: plug one in, or start the sound server")]
    Nothing(Which),
    /// It has none of that name; those that it has.
    #[error("there is no {0} `{1}`; there are: {2}")]
    Unknown(Which, String, String),
    /// It does not give it.
    #[error("the {0} `{1}` cannot be used: {2}")]
    Unusable(Which, String, String),
    /// It was there, and is no more.
    #[error("the {0} `{1}` is gone: {2}")]
    Gone(Which, String, String),
}

impl DeviceError {
    /// Whether the name is wrong that was asked for.
    pub fn is_name(&self) -> bool {
        matches!(self, DeviceError::Unknown(..))
    }
}

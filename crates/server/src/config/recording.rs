//! `[recording]`: which calls are recorded, and how.

use ringback_control::RecordedCalls;
use serde::{Deserialize, Serialize};

/// How calls are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Which calls.
    pub calls: Calls,
    /// Of what kind the files are.
    pub format: FileFormat,
    /// What is in them.
    pub tracks: Tracks,
    /// How long a recording may be.
    pub max_minutes: u32,
    /// Whether the keys that are pressed are kept out.
    pub mask_dtmf: bool,
    /// Whether both parties hear a tone when a recording begins.
    pub beep: bool,
}

/// Which calls are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Calls {
    /// None.
    #[default]
    None,
    /// Those whose parties ask for it by the record key of a telephone.
    Asked,
    /// All in which two parties talk.
    All,
}

impl From<Calls> for RecordedCalls {
    fn from(calls: Calls) -> Self {
        match calls {
            Calls::None => RecordedCalls::None,
            Calls::Asked => RecordedCalls::Asked,
            Calls::All => RecordedCalls::All,
        }
    }
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Linear samples.
    #[default]
    Wav,
    /// Opus in Ogg.
    Ogg,
    /// The RTP packets as they came, but for their encryption.
    Pcap,
}

impl FileFormat {
    /// What the names of files end with.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Wav => "wav",
            FileFormat::Ogg => "ogg",
            FileFormat::Pcap => "pcap",
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracks {
    /// Both parties in one channel.
    #[default]
    Mixed,
    /// The caller's side left and the other right.
    Separate,
}

impl Recording {
    /// Where recordings lie in the data directory.
    pub const DIRECTORY: &str = "recordings";

    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 1] {
        [("recording.max_minutes", self.max_minutes, 1, 24 * 60)]
    }

    /// Why the keys cannot all be as they are.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let is_one = self.format == FileFormat::Pcap && self.mask_dtmf;
        is_one.then_some(
            "the packets of `format = \"pcap\"` are kept as they came, keys among them; set `mask_dtmf = false`",
        )
    }
}

impl Default for Recording {
    fn default() -> Self {
        Recording {
            calls: Calls::default(),
            format: FileFormat::default(),
            tracks: Tracks::default(),
            max_minutes: 240,
            mask_dtmf: true,
            beep: false,
        }
    }
}

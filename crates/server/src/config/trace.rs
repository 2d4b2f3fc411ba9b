//! `[trace]`: where SIP messages are written or sent for those who look for faults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where SIP messages go besides their way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trace {
    /// HOST:PORT of a HEP3 collector such as Homer; empty for none.
    pub hep: String,
    /// The capture id that this server gives there.
    pub hep_id: u32,
    /// A pcap file; empty for none. A relative path starts in the working directory.
    pub pcap: PathBuf,
    /// The size at which the file is begun anew; the one before it is kept with `.1` at its end.
    pub pcap_megabytes: u32,
}

impl Trace {
    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 1] {
        [("trace.pcap_megabytes", self.pcap_megabytes, 1, 1_000_000)]
    }
}

impl Default for Trace {
    fn default() -> Self {
        Trace { hep: String::new(), hep_id: 1, pcap: PathBuf::new(), pcap_megabytes: 100 }
    }
}

//! What holds for any bytes that claim to be a session description; a fuzz target and a test of its corpus call it.

use super::{Description, MAX_CANDIDATES, MAX_CRYPTO, MAX_FORMATS, MAX_SECTIONS};

/// Parses, and checks that what was understood survives being written and read again.
pub fn sdp(data: &[u8]) {
    let Ok(description) = Description::parse(data) else { return };
    assert!(description.sections.len() <= MAX_SECTIONS);
    for section in &description.sections {
        assert!(section.codecs.len() <= MAX_FORMATS);
        assert!(section.candidates.len() <= MAX_CANDIDATES);
        assert!(section.crypto.len() <= MAX_CRYPTO);
        for crypto in &section.crypto {
            assert!(crypto.master.sender().is_ok() && crypto.master.receiver().is_ok());
        }
        assert!(section.codecs.iter().all(|codec| codec.clock_rate > 0 && codec.payload_type < 128));
    }

    let written = description.write();
    match Description::parse(&written) {
        Ok(again) => {
            assert_eq!(again.write(), written, "writing is not stable");
            for (section, again) in description.sections.iter().zip(&again.sections) {
                assert_eq!(section.crypto, again.crypto, "a key is not what it was");
            }
        }
        // Writing is wordier than the input: every static payload type gets its line.
        Err(error) => assert!(written.len() > super::MAX_LEN, "our own text is refused: {error}"),
    }
}

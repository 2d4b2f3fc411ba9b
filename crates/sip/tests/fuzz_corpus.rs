//! Replays the corpus of the fuzzer: every file of `fuzz/corpus/<target>` through its target.

use std::path::PathBuf;

use ringback_sip::fuzz::TARGETS;

#[test]
fn every_file_passes_its_target() {
    for (name, target) in TARGETS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut count = 0;
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            #[expect(clippy::disallowed_methods, reason = "a test reads its corpus")]
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            target(&bytes);
            // A message cut off anywhere, too: the parser must stop at every byte as well as at the last.
            for end in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                target(&bytes[..end]);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}

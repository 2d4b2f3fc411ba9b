#![no_main]

// The frames are a folder that needs nothing else of the server, so the server is not built for them.
#[path = "../../crates/server/src/upstream/frames/mod.rs"]
#[allow(dead_code, reason = "what the server alone uses of them")]
mod frames;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::fuzz::frames(bytes));

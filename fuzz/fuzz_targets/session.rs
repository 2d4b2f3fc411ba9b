#![no_main]

use ringback_fuzz::{identity, start};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_media::session::fuzz::session(bytes, identity(), start());
});

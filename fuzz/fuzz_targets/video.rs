#![no_main]

use ringback_fuzz::{identity, start};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_media::session::video::fuzz::video(bytes, identity(), start());
});

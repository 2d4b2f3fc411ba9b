#![no_main]

use ringback_fuzz::{identity, start};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_media::dtls::fuzz::dtls(bytes, identity(), start()));

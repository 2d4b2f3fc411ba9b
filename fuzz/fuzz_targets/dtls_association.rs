#![no_main]

use ringback_fuzz::{server_identity, start};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_media::dtls::fuzz::association(bytes, server_identity(), start());
});

#![no_main]

use ringback_fuzz::start;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_peer::fuzz::peer(bytes, start()));

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_control::ng::fuzz::ng(bytes, ringback_fuzz::start()));

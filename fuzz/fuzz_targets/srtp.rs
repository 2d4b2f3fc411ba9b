#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_media::srtp::fuzz::srtp(bytes));

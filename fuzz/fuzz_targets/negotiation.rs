#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_media::negotiation::fuzz::negotiation(bytes));

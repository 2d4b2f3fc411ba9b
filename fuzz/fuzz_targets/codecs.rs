#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_media::codec::fuzz::codecs(bytes));

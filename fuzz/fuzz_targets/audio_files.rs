#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_media::file::fuzz::audio_files(bytes));

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringback_sip::event::documents::fuzz::vq_report(bytes));

#![no_main]

use ringback_fuzz::start;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_sip::transaction::fuzz::transaction(bytes, start());
});

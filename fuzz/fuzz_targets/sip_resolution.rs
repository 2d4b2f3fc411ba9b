#![no_main]

use ringback_sansio::sim::Clock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_sip::resolve::fuzz::resolution(bytes, Clock::new().now());
});

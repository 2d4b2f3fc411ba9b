#![no_main]

use ringback_sansio::sim::Clock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ringback_sip::proxy::fuzz::proxy(bytes, Clock::new().now());
});

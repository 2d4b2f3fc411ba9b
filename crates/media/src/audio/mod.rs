//! Samples between codecs: 16 bits, one channel.

pub mod resample;

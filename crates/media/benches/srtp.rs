//! Protecting and opening a packet of 20 ms of G.711: 172 bytes with its header.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use ringback_media::srtp::{Receiver, Sender, Suite};

fn main() {
    divan::main();
}

const LEN: usize = 172;

/// One packet protected by one end and opened by the other.
#[divan::bench(args = Suite::ALL, sample_size = 2000)]
fn protect_and_open(bencher: Bencher<'_, '_>, suite: Suite) {
    let (mut sender, mut receiver) = contexts(suite);
    let mut sequence = 0u16;
    let mut buffer = [0; 256];
    bencher.bench_local(|| {
        packet(&mut buffer, &mut sequence);
        let len = sender.protect_rtp(&mut buffer, LEN).unwrap();
        black_box(receiver.unprotect_rtp(&mut buffer[..len]).unwrap())
    });
}

#[divan::bench(args = Suite::ALL, sample_size = 2000)]
fn protect(bencher: Bencher<'_, '_>, suite: Suite) {
    let (mut sender, _) = contexts(suite);
    let mut sequence = 0u16;
    let mut buffer = [0; 256];
    bencher.bench_local(|| {
        packet(&mut buffer, &mut sequence);
        black_box(sender.protect_rtp(&mut buffer, LEN).unwrap())
    });
}

/// What an attacker's packet costs.
#[divan::bench(args = Suite::ALL, sample_size = 2000)]
fn refuse(bencher: Bencher<'_, '_>, suite: Suite) {
    let (_, mut receiver) = contexts(suite);
    let mut sequence = 0u16;
    let mut buffer = [0; 256];
    bencher.bench_local(|| {
        packet(&mut buffer, &mut sequence);
        black_box(receiver.unprotect_rtp(&mut buffer[..LEN + 16]).unwrap_err())
    });
}

/// Both directions' contexts out of master keys, as after a handshake.
#[divan::bench(args = Suite::ALL, sample_size = 2000)]
fn derive(bencher: Bencher<'_, '_>, suite: Suite) {
    bencher.bench(|| contexts(black_box(suite)));
}

fn contexts(suite: Suite) -> (Sender, Receiver) {
    let (key, salt) = ([1; 32], [2; 14]);
    let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
    (Sender::new(suite, key, salt).unwrap(), Receiver::new(suite, key, salt).unwrap())
}

/// The next packet of a stream.
fn packet(buffer: &mut [u8; 256], sequence: &mut u16) {
    *sequence = sequence.wrapping_add(1);
    buffer[..4].copy_from_slice(&[0x80, 0, (*sequence >> 8) as u8, *sequence as u8]);
    buffer[4..12].fill(7);
}

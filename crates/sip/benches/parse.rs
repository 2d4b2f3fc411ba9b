//! Parsing and forwarding the INVITE of a browser: `cargo bench -p ringback-sip --bench parse`.
//!
//! `fixed` reads one message again and again, so that the branch predictor knows it by heart; `shuffled` reads many that
//! differ in order, spelling, number and length of their headers, which is nearer to a server's day. They are few
//! enough that their heads stay in the cache, as bytes that have just been received are.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod webrtc_invite;

use std::hint::black_box;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use ringback_sip::message::{Message, Name};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(sample_size = 1000)]
fn parse_fixed(bencher: Bencher<'_, '_>) {
    each(bencher, fixed(), read_six_headers);
}

#[divan::bench(sample_size = 512)]
fn parse_shuffled(bencher: Bencher<'_, '_>) {
    each(bencher, shuffled(), read_six_headers);
}

#[divan::bench(sample_size = 512)]
fn index_only_shuffled(bencher: Bencher<'_, '_>) {
    each(bencher, shuffled(), |bytes| Message::parse(bytes).is_ok());
}

#[divan::bench(sample_size = 1000)]
fn hop_fixed(bencher: Bencher<'_, '_>) {
    each(bencher, fixed(), forward);
}

#[divan::bench(sample_size = 512)]
fn hop_shuffled(bencher: Bencher<'_, '_>) {
    each(bencher, shuffled(), forward);
}

/// Parses and reads what a transaction layer reads of a request.
fn read_six_headers(bytes: Bytes) -> usize {
    let message = Message::parse(bytes).unwrap();
    let via = message.via().unwrap();
    let (from, to) = (message.from().unwrap(), message.to().unwrap());
    let cseq = message.cseq().unwrap();
    via.branch().unwrap().len()
        + from.tag().unwrap().len()
        + to.uri.len()
        + message.call_id().unwrap().len()
        + cseq.number as usize
        + usize::from(message.max_forwards().unwrap().unwrap_or(70))
}

/// One hop of a proxy: parse, count the hop, add a Via, write.
///
/// The message is dropped here, as it is when it has been sent: kept, it would make the benchmark one of page faults.
fn forward(bytes: Bytes) -> usize {
    let message = Message::parse(bytes).unwrap();
    let hops = message.max_forwards().unwrap().unwrap_or(70);
    let mut edit = message.edit();
    edit.replace(Name::MaxForwards, (hops - 1).to_string().as_bytes());
    edit.push_front(Name::Via, b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK7d6f3a1c5b9e512;rport");
    black_box(edit.finish()).bytes().len()
}

fn fixed() -> Vec<Bytes> {
    vec![Bytes::from(webrtc_invite::fixed())]
}

fn shuffled() -> Vec<Bytes> {
    webrtc_invite::shuffled(512).into_iter().map(Bytes::from).collect()
}

fn each<T>(bencher: Bencher<'_, '_>, messages: Vec<Bytes>, work: fn(Bytes) -> T) {
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % messages.len();
        work(black_box(messages[at].clone()))
    });
}

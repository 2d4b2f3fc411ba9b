//! What one connectivity check costs: request in, authenticated, success response out.
//!
//! `cargo bench -p ringback-nat --bench check`. The table beside the times counts allocations.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::net::SocketAddr;
use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use ringback_nat::ice::{Check, Credentials, Lite};
use ringback_nat::stun::{REPLY_ROOM, username};
use ringback_sansio::sim::Clock;
use stun_types::attribute as st;
use stun_types::attribute::{Attribute as _, AttributeStaticType as _};
use stun_types::message as stm;
use stun_types::message::{MessageWrite as _, MessageWriteExt as _};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBtQw";
const USERNAME: &str = "evtjAbCd:h6vY";

/// A check as Chromium sends it: USERNAME, NETWORK-INFO, ICE-CONTROLLING, USE-CANDIDATE, PRIORITY.
fn request() -> Vec<u8> {
    let mut message = stm::Message::builder_request(stm::BINDING, stm::MessageWriteVec::new());
    message.add_attribute(&st::Username::new(USERNAME).unwrap()).unwrap();
    let raw = |ty: u16, v: &'static [u8]| st::RawAttribute::new(ty.into(), v);
    message.add_attribute(&raw(0xc057, &[0, 1, 0, 10])).unwrap();
    message.add_attribute(&raw(0x802a, &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
    message.add_attribute(&raw(0x0025, &[])).unwrap();
    message.add_attribute(&raw(0x0024, &[0x6e, 0x7f, 0x1e, 0xff])).unwrap();
    let credentials = stm::ShortTermCredentials::new(PASSWORD.to_owned()).into();
    message.add_message_integrity(&credentials, stm::IntegrityAlgorithm::Sha1).unwrap();
    message.add_fingerprint().unwrap();
    message.finish()
}

/// Our lite agent.
#[divan::bench]
fn ringback(bencher: Bencher<'_, '_>) {
    let request = request();
    let remote: SocketAddr = "192.0.2.9:40000".parse().unwrap();
    let local: SocketAddr = "192.0.2.1:8443".parse().unwrap();
    let start = Clock::new().now();
    let mut agent = Lite::new(Credentials { ufrag: "evtjAbCd".to_owned(), pwd: PASSWORD.to_owned() }, start);
    agent.set_remote(Credentials { ufrag: "h6vY".to_owned(), pwd: "x".repeat(24) });
    let mut reply = [0u8; REPLY_ROOM];
    let mut step = 0u64;
    bencher.bench_local(|| {
        step += 1;
        let now = start + Duration::from_micros(step);
        let (ours, _) = username(black_box(&request)).unwrap();
        assert_eq!(ours, b"evtjAbCd");
        let check = agent.handle_check(now, local, remote, black_box(&request), &mut reply);
        while agent.poll_event().is_some() {}
        assert!(matches!(check, Check::Reply(_)));
        check
    });
}

/// Only whose leg it is.
#[divan::bench]
fn ringback_username(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.bench_local(|| username(black_box(&request)).is_some());
}

/// The crate `stun-types` with its key cached for the leg.
#[divan::bench]
fn stun_types(bencher: Bencher<'_, '_>) {
    let request = request();
    let remote: SocketAddr = "192.0.2.9:40000".parse().unwrap();
    let credentials: stm::MessageIntegrityCredentials =
        stm::ShortTermCredentials::new(PASSWORD.to_owned()).into();
    let key = credentials.make_key(stm::IntegrityAlgorithm::Sha1);
    let mut reply = [0u8; 256];
    bencher.bench_local(|| {
        let message = stm::Message::from_bytes(black_box(&request)).unwrap();
        let username = message.raw_attribute(st::Username::TYPE).unwrap();
        assert!(username.value.starts_with(b"evtjAbCd:"));
        message.validate_integrity_with_key(&key).unwrap();
        let nominated = message.has_attribute(0x0025.into());
        let controlled = message.has_attribute(0x8029.into());
        assert!(nominated && !controlled);
        let unknown = message.iter_attributes().any(|(_, a)| {
            a.get_type().comprehension_required() && !matches!(a.get_type().value(), 6 | 8 | 0x24 | 0x25)
        });
        assert!(!unknown);
        let mut out = stm::Message::builder_success(&message, stm::MessageWriteMutSlice::new(&mut reply));
        out.add_attribute(&st::XorMappedAddress::new(remote, message.transaction_id())).unwrap();
        out.add_message_integrity_with_key(&key, stm::IntegrityAlgorithm::Sha1).unwrap();
        out.add_fingerprint().unwrap();
        out.finish()
    });
}

/// The crate `is` as a lite agent.
#[divan::bench]
fn is_lite(bencher: Bencher<'_, '_>) {
    let request = request();
    let remote: SocketAddr = "192.0.2.9:40000".parse().unwrap();
    let local: SocketAddr = "192.0.2.1:8443".parse().unwrap();
    let mut agent =
        is::IceAgent::new(is::IceCreds { ufrag: "evtjAbCd".to_owned(), pass: PASSWORD.to_owned() });
    agent.set_ice_lite(true);
    agent.set_remote_credentials(is::IceCreds { ufrag: "h6vY".to_owned(), pass: "x".repeat(24) });
    agent.add_local_candidate(is::Candidate::host(local, "udp").unwrap());
    let start = Clock::new().now();
    agent.handle_timeout(start);
    let mut step = 0u64;
    bencher.bench_local(|| {
        step += 1;
        let message = is::stun::StunMessage::parse(black_box(&request)).unwrap();
        assert!(agent.accepts_message(&message));
        let packet =
            is::stun::StunPacket { proto: is::Protocol::Udp, source: remote, destination: local, message };
        assert!(agent.handle_packet(start + Duration::from_micros(step), packet));
        let reply = agent.poll_transmit().unwrap();
        while agent.poll_event().is_some() {}
        reply.contents.len()
    });
}

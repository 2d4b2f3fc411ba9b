//! What a DTLS handshake costs, both ends together, and what an association holds afterwards.
//!
//! `cargo bench -p ringback-media --bench dtls`. The far end is the bare engine with a certificate of its own, so that
//! either version can be asked for. The lines `alloc` count both ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use divan::{AllocProfiler, Bencher, black_box};
use ringback_media::dtls::{Endpoint, Event, Fingerprint, HashAlgorithm, Identity, MAX_TRANSMIT, Role};
use ringback_sansio::sim::Clock;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = [(12, Role::Server), (12, Role::Client), (13, Role::Server), (13, Role::Client)])]
fn handshake(bencher: Bencher<'_, '_>, (version, role): (u8, Role)) {
    let setting = Setting::new();
    bencher.bench_local(|| black_box(setting.connect(version, role)));
}

/// Associations that are connected, made and kept: `max alloc` divided by 50 is what one holds, the far end's excluded.
#[divan::bench(args = [(12, Role::Server), (13, Role::Server)], sample_count = 5, sample_size = 1)]
fn fifty_kept(bencher: Bencher<'_, '_>, (version, role): (u8, Role)) {
    let setting = Setting::new();
    bencher.bench_local(|| {
        let kept: Vec<Endpoint> = (0..50).map(|_| setting.connect(version, role)).collect();
        black_box(kept).len()
    });
}

/// A server that waits for its ClientHello.
#[divan::bench]
fn waiting_server(bencher: Bencher<'_, '_>) {
    let setting = Setting::new();
    bencher.bench_local(|| Endpoint::new(&setting.identity, Role::Server, setting.now));
}

/// A client with its ClientHello.
#[divan::bench]
fn starting_client(bencher: Bencher<'_, '_>) {
    let setting = Setting::new();
    bencher.bench_local(|| Endpoint::new(&setting.identity, Role::Client, setting.now));
}

struct Setting {
    identity: Arc<Identity>,
    theirs: DtlsCertificate,
    expected: Fingerprint,
    config: Arc<Config>,
    now: Instant,
}

impl Setting {
    fn new() -> Self {
        let (certificate, key) = made();
        let identity = Arc::new(Identity::from_der(certificate, key).unwrap());
        let (certificate, private_key) = made();
        let expected = Fingerprint::of(&certificate, HashAlgorithm::Sha256);
        let config = Arc::new(Config::builder().use_server_cookie(false).build().unwrap());
        let theirs = DtlsCertificate { certificate, private_key };
        Setting { identity, theirs, expected, config, now: Clock::new().now() }
    }

    fn connect(&self, version: u8, role: Role) -> Endpoint {
        let now = self.now;
        let mut near = Endpoint::new(&self.identity, role, now);
        near.expect(vec![self.expected.clone()]);
        let (config, theirs) = (Arc::clone(&self.config), self.theirs.clone());
        let mut far =
            if version == 12 { Dtls::new_12(config, theirs, now) } else { Dtls::new_13(config, theirs, now) };
        far.set_active(role == Role::Server);
        far.handle_timeout(now).unwrap();
        let mut out = [0; MAX_TRANSMIT];
        let mut buffer = [0; 2048];
        for _ in 0..8 {
            while let Some(len) = near.poll_transmit(&mut out) {
                far.handle_packet(&out[..len]).unwrap();
            }
            loop {
                match far.poll_output(&mut buffer) {
                    Output::Packet(bytes) => near.handle_datagram(now, bytes).unwrap(),
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
            far.handle_timeout(now + Duration::from_millis(1)).unwrap();
            if let Some(event) = near.poll_event() {
                assert!(matches!(event, Event::Connected { .. }), "{event:?}");
                return near;
            }
        }
        panic!("not connected");
    }
}

fn made() -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key).unwrap();
    (certificate.der().to_vec(), key.serialize_der())
}

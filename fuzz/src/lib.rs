//! What the targets need of the world: a time to start from, and a certificate.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ringback_media::dtls::{Identity, ServerIdentity};
use ringback_sansio::sim::Clock;

/// A time to start from, the same for every input.
pub fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(|| Clock::new().now())
}

/// A certificate, the same for every input.
pub fn identity() -> &'static Arc<Identity> {
    static MADE: OnceLock<Arc<Identity>> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names are good names");
        let certificate = params.self_signed(&key).expect("a key signs");
        let identity = Identity::from_der(certificate.der().to_vec(), key.serialize_der());
        Arc::new(identity.expect("what was just made can be used"))
    })
}

/// The certificate of a server of strangers, the same for every input.
pub fn server_identity() -> &'static ServerIdentity {
    static MADE: OnceLock<ServerIdentity> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names are good names");
        let certificate = params.self_signed(&key).expect("a key signs");
        let identity = ServerIdentity::from_der(certificate.der().to_vec(), key.serialize_der());
        identity.expect("what was just made can be used")
    })
}

//! Our certificate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dimpl::crypto::{Buf, CryptoProvider, aws_lc_rs};
use dimpl::{Config, ConfigBuilder, DtlsCertificate};

use super::{Fingerprint, HashAlgorithm, MAX_TRANSMIT};

/// A certificate with its private key, and what every association under it shares.
///
/// The caller makes or loads them: an ECDSA key on P-256 (or P-384) in PKCS#8, and a certificate of it, both in DER.
pub struct Identity {
    pub(super) certificate: DtlsCertificate,
    pub(super) config: Arc<Config>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Takes a certificate and its private key, and makes sure that the one belongs to the other.
    pub fn from_der(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Self, IdentityError> {
        let fingerprint = Fingerprint::of(&certificate, HashAlgorithm::Sha256);
        let (certificate, config) =
            credential(aws_lc_rs::default_provider(), certificate, private_key, |config| {
                // ICE has shown that the far end is where it says it is.
                config.use_server_cookie(false).flight_start_rto(FLIGHT_RTO).flight_retries(FLIGHT_RETRIES)
            })?;
        Ok(Identity { certificate, config, fingerprint })
    }

    /// What the far end is told in SDP.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint.to_string()).finish_non_exhaustive()
    }
}

/// Why a certificate and key were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdentityError {
    /// The private key is of another kind or form.
    #[error("the private key is not an ECDSA key on P-256 or P-384 in PKCS#8 DER")]
    PrivateKey,
    /// The certificate cannot be read, or is not of this key.
    #[error("the certificate does not belong to the private key")]
    Certificate,
    /// The cryptography of this build fails its own checks.
    #[error("the cryptography library fails its self-test")]
    Cryptography,
}

/// A certificate and key that belong together, and the engine's settings: `more` says what is not the same for all.
pub(super) fn credential(
    provider: CryptoProvider,
    certificate: Vec<u8>,
    private_key: Vec<u8>,
    more: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> Result<(DtlsCertificate, Arc<Config>), IdentityError> {
    check_pair(&provider, &certificate, &private_key)?;
    let config =
        Config::builder().with_crypto_provider(provider).mtu(MAX_TRANSMIT).handshake_timeout(ENGINE_TIMEOUT);
    let config = more(config).build().map_err(|_| IdentityError::Cryptography)?;
    Ok((DtlsCertificate { certificate, private_key }, Arc::new(config)))
}

/// Signs with the key and verifies with the certificate.
fn check_pair(
    provider: &CryptoProvider,
    certificate: &[u8],
    private_key: &[u8],
) -> Result<(), IdentityError> {
    let mut key =
        provider.key_provider.load_private_key(private_key).map_err(|_| IdentityError::PrivateKey)?;
    let (hash, algorithm) = (key.hash_algorithm(), key.algorithm());
    let mut signature = Buf::new();
    key.sign(PROBE, hash, &mut signature).map_err(|_| IdentityError::PrivateKey)?;
    provider
        .signature_verification
        .verify_signature(certificate, PROBE, &signature, hash, algorithm)
        .map_err(|_| IdentityError::Certificate)
}

const PROBE: &[u8] = b"does this certificate belong to this key?";
/// The first retransmission of a flight. RFC 9147 §5.8.2 allows less than its 1 s where round trips are short and
/// somebody is waiting; ICE has found a working path by then.
const FLIGHT_RTO: Duration = Duration::from_millis(300);
/// With doubling from 300 ms, more than [`super::endpoint::HANDSHAKE_TIMEOUT`] has room for.
const FLIGHT_RETRIES: usize = 10;
/// Never reached: how long a handshake may take is ours to watch.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate =
            rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key).unwrap();
        (certificate.der().to_vec(), key.serialize_der())
    }

    #[test]
    fn takes_what_the_server_makes() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
            let (certificate, key) = made(algorithm);
            let identity = Identity::from_der(certificate.clone(), key).unwrap();
            assert!(Fingerprint::is_among(&certificate, &[identity.fingerprint()]));
        }
    }

    #[test]
    fn refuses_what_cannot_work() {
        let (certificate, key) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (_, another) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let refused = |certificate: &[u8], key: &[u8]| {
            Identity::from_der(certificate.to_vec(), key.to_vec()).map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(&certificate, &another), IdentityError::Certificate);
        assert_eq!(refused(b"no certificate", &key), IdentityError::Certificate);
        assert_eq!(refused(&certificate, b"no key"), IdentityError::PrivateKey);
        let (_, ed25519) = made(&rcgen::PKCS_ED25519);
        assert_eq!(refused(&certificate, &ed25519), IdentityError::PrivateKey);
    }

    #[test]
    fn debug_shows_the_fingerprint_only() {
        let (certificate, key) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let identity = Identity::from_der(certificate, key).unwrap();
        let shown = format!("{identity:?}");
        assert!(shown.contains(&identity.fingerprint().to_string()) && shown.len() < 140, "{shown}");
    }
}

//! What we show over TLS and whom the listeners take: certificates by the name that a client asks for, or by our own name
//! where we are the client, exchanged while the server runs.
//!
//! The files are looked at twice a minute and at SIGHUP. When one has changed all are read; a new connection gets what
//! was read, one that stands keeps what it began with. What cannot be used changes nothing and is told to the log.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use ringback_media::dtls::{IdentityError, ServerIdentity};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::{Identity, Tls, TlsProblem};

/// How often the files are looked at: who renews a certificate does it weeks before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The certificates in use.
pub struct Certificates {
    settings: Tls,
    /// Shown when the configuration names none.
    local: Identity,
    current: RwLock<Current>,
    /// Whether somebody shows one over DTLS.
    serves_dtls: AtomicBool,
}

/// One reading of the files.
struct Current {
    stamps: Vec<Stamp>,
    /// Of HTTPS: HTTP/1.1 only.
    https: Arc<ServerConfig>,
    /// Of TURN.
    turn: Arc<ServerConfig>,
    /// Of SIP, whose clients name no application protocol.
    sip: Arc<ServerConfig>,
    shown: Arc<ByName>,
    dtls: OverDtls,
}

impl Certificates {
    /// Reads what `settings` name; `local` is shown when they name no certificate.
    pub fn read(settings: Tls, local: Identity) -> Result<Self, CertificatesError> {
        let current = Current::read(&settings, &local)?;
        let (current, serves_dtls) = (RwLock::new(current), AtomicBool::new(false));
        Ok(Certificates { settings, local, current, serves_dtls })
    }

    /// What takes the next connection to HTTPS.
    pub fn https(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).https.clone().into()
    }

    /// What takes the next connection of TURN.
    pub fn turn(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).turn.clone().into()
    }

    /// What takes the next connection of SIP.
    pub fn sip(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).sip.clone().into()
    }

    /// What the next DTLS association is shown, if there is anything.
    pub fn dtls(&self) -> Option<Arc<ServerIdentity>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).dtls.identity.clone()
    }

    /// From here on certificates are shown over DTLS, and the log is told what is not as it is over TLS.
    pub fn serve_dtls(&self) {
        self.serves_dtls.store(true, Ordering::Relaxed);
        self.tell_of_dtls();
    }

    fn tell_of_dtls(&self) {
        if !self.serves_dtls.load(Ordering::Relaxed) {
            return;
        }
        if let Some(shortcoming) =
            &self.current.read().unwrap_or_else(PoisonError::into_inner).dtls.shortcoming
        {
            tracing::warn!("TURN over DTLS: {shortcoming}");
        }
    }

    /// What a server may be shown that asks who we are, the likeliest first: the certificates of these names of ours,
    /// then the one of all others, then those of other names.
    pub fn own(&self, names: &[String]) -> Vec<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).shown.in_order(names)
    }

    /// Reads the files again; on an error what was in use stays.
    fn read_again(&self) -> Result<(), CertificatesError> {
        let current = Current::read(&self.settings, &self.local)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        self.tell_of_dtls();
        Ok(())
    }

    /// The files as they are now, when they are not those in use.
    fn changed(&self) -> Option<Vec<Stamp>> {
        let stamps = stamps(&self.settings);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (stamps != current.stamps).then_some(stamps)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Current {
    fn read(settings: &Tls, local: &Identity) -> Result<Self, CertificatesError> {
        // Before the files themselves: one that changes while it is read is read again.
        let stamps = stamps(settings);
        let now = SystemTime::now();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let default = settings.load(now)?.unwrap_or_else(|| local.clone());
        let mut named = HashMap::new();
        for (identity, names) in settings.load_named(now)? {
            let certified = certified(&identity, &provider)?;
            named.extend(names.into_iter().map(|name| (name, certified.clone())));
        }
        let resolver = Arc::new(ByName { default: certified(&default, &provider)?, named });
        let builder =
            || ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let mut https = builder()?.with_no_client_auth().with_cert_resolver(resolver.clone());
        // RFC 7443: TURN comes by the port of HTTPS as well.
        let turn_protocols = [b"stun.turn".to_vec(), b"stun.nat-discovery".to_vec()];
        https.alpn_protocols = vec![b"http/1.1".to_vec()];
        https.alpn_protocols.extend(turn_protocols.clone());
        let mut turn = builder()?.with_no_client_auth().with_cert_resolver(resolver.clone());
        turn.alpn_protocols = turn_protocols.into();
        let sip = match settings.load_client_ca()? {
            None => builder()?.with_no_client_auth(),
            Some(authorities) => {
                let authorities = Arc::new(authorities);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities, provider.clone()).build()?;
                builder()?.with_client_cert_verifier(verifier)
            }
        };
        let sip = sip.with_cert_resolver(resolver.clone());
        let (https, turn, sip) = (Arc::new(https), Arc::new(turn), Arc::new(sip));
        let dtls = OverDtls::of(&default);
        Ok(Current { stamps, https, turn, sip, shown: resolver, dtls })
    }
}

/// Why certificates cannot be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A file is not what it should be.
    #[error(transparent)]
    File(#[from] TlsProblem),
    /// TLS does not take them.
    #[error("TLS does not take the certificates of [tls]: {0}")]
    Tls(#[from] rustls::Error),
    /// Clients cannot be verified by the authorities.
    #[error("`tls.client_ca` verifies nobody: {0}")]
    Clients(#[from] rustls::server::VerifierBuilderError),
}

/// What is shown over DTLS, which has one certificate for all names, of ECDSA, and no chain.
#[derive(Debug)]
struct OverDtls {
    identity: Option<Arc<ServerIdentity>>,
    /// What is not as it is over TLS.
    shortcoming: Option<Shortcoming>,
}

impl OverDtls {
    /// The certificate of all names, or one of our own where DTLS cannot show that: most clients of TURN verify none, and
    /// those that do refuse it.
    fn of(default: &Identity) -> Self {
        let leaf = default.chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
        let error = match ServerIdentity::from_der(leaf, default.key.secret_der().to_vec()) {
            Ok(identity) => {
                let shortcoming = (default.chain.len() > 1).then_some(Shortcoming::Alone);
                return OverDtls { identity: Some(Arc::new(identity)), shortcoming };
            }
            Err(error) => error,
        };
        match self_signed() {
            Some(identity) => {
                let shortcoming = Some(Shortcoming::SelfSigned(error));
                OverDtls { identity: Some(Arc::new(identity)), shortcoming }
            }
            None => OverDtls { identity: None, shortcoming: Some(Shortcoming::NotOffered(error)) },
        }
    }
}

/// A certificate for nobody in particular, new with each reading.
fn self_signed() -> Option<ServerIdentity> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).ok()?;
    let certificate = rcgen::CertificateParams::new(Vec::<String>::new()).ok()?.self_signed(&key).ok()?;
    ServerIdentity::from_der(certificate.der().to_vec(), key.serialize_der()).ok()
}

/// What is not over DTLS as it is over TLS, and how it is mended.
#[derive(Debug, thiserror::Error)]
enum Shortcoming {
    /// The intermediates are not shown.
    #[error(
        "the certificate of `tls.certificate` is shown without its intermediates; clients that verify it have to trust its \
         issuer, or use TLS (`turns:HOST?transport=tcp`)"
    )]
    Alone,
    /// One of our own is shown in its place.
    #[error(
        "the certificate of `tls.certificate` cannot be shown, since {0}; one that is signed by itself is shown, which clients \
         that verify it refuse: give `tls.certificate` one of an ECDSA key on P-256 or P-384, or have them use TLS"
    )]
    SelfSigned(IdentityError),
    /// There is none.
    #[error(
        "there is no certificate that can be shown, since {0}, so nobody is answered; give `tls.certificate` one of an ECDSA \
         key on P-256 or P-384"
    )]
    NotOffered(IdentityError),
}

fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, rustls::Error> {
    CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), provider).map(Arc::new)
}

/// Chooses by the name that the client asks for ([RFC 6066 §3]): the certificate of that name, else that of the wildcard
/// over it, else the one of all others.
///
/// [RFC 6066 §3]: https://www.rfc-editor.org/rfc/rfc6066#section-3
#[derive(Debug)]
struct ByName {
    default: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.default };
        let name = name.to_ascii_lowercase();
        let wildcard = || self.named.get(&format!("*.{}", name.split_once('.')?.1));
        self.named.get(&name).or_else(wildcard).unwrap_or(&self.default)
    }

    fn in_order(&self, names: &[String]) -> Vec<Arc<CertifiedKey>> {
        let mut others: Vec<_> = self.named.iter().collect();
        others.sort_by_key(|(name, _)| *name);
        let ours = names.iter().map(|name| self.choose(Some(name)));
        let all = ours.chain([&self.default]).chain(others.into_iter().map(|(_, other)| other));
        let mut found: Vec<Arc<CertifiedKey>> = Vec::new();
        for certificate in all {
            if !found.iter().any(|known| Arc::ptr_eq(known, certificate)) {
                found.push(certificate.clone());
            }
        }
        found
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()).clone())
    }
}

/// What tells one state of a file from another; `None` when it cannot be looked at.
type Stamp = Option<(u64, u64, SystemTime)>;

fn stamps(settings: &Tls) -> Vec<Stamp> {
    settings.files().map(stamp).collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

/// What makes the files be looked at again.
pub struct Freshness {
    hang_up: Option<Signal>,
}

impl Freshness {
    /// Listens for SIGHUP, unless the process has a terminal: then that is gone, and SIGHUP ends the process as it does
    /// for whoever does not listen.
    pub fn listen() -> io::Result<Self> {
        let has_terminal = io::stdin().is_terminal();
        let hang_up = (!has_terminal).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Freshness { hang_up })
    }

    /// Keeps the certificates those of the files, for ever.
    pub async fn keep(mut self, certificates: Arc<Certificates>) {
        // What was refused is told once, and tried again when it has changed.
        let mut refused = None;
        // Files may be on a disk that is slow, and the threads of the network are two.
        loop {
            let asked = tokio::select! {
                () = hung_up(&mut self.hang_up) => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let (of_files, seen) = (certificates.clone(), refused.clone());
            let looked = spawn_blocking(move || {
                let changed = of_files.changed();
                let is_due = asked || changed.is_some() && changed != seen;
                is_due.then(|| (of_files.read_again(), changed))
            });
            // A panic is in the log already, and the next look may go better.
            let Ok(Some((read, changed))) = looked.await else { continue };
            match read {
                Ok(()) => {
                    refused = None;
                    tracing::info!("the certificates were read again; new connections get them");
                }
                Err(error) => {
                    refused = changed;
                    tracing::error!(%error, "the certificates of before stay in use");
                }
            }
        }
    }
}

async fn hung_up(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(names: &[&str]) -> (Identity, String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let identity = Identity {
            chain: vec![certificate.der().clone()],
            key: rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        };
        (identity, certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_name_its_wildcard_and_every_other() {
        let provider = aws_lc_rs::default_provider();
        let of = |names: &[&str]| certified(&identity(names).0, &provider).unwrap();
        let (default, exact, wild) = (of(&["localhost"]), of(&["phone.example.com"]), of(&["*.example.com"]));
        let named = HashMap::from([
            ("phone.example.com".to_owned(), exact.clone()),
            ("*.example.com".to_owned(), wild.clone()),
        ]);
        let by_name = ByName { default: default.clone(), named };
        for (asked, expected) in [
            (Some("phone.example.com"), &exact),
            (Some("PHONE.example.COM"), &exact),
            (Some("other.example.com"), &wild),
            // A wildcard stands for one label (RFC 6125 §6.4.3).
            (Some("a.b.example.com"), &default),
            (Some("example.com"), &default),
            (None, &default),
        ] {
            assert!(Arc::ptr_eq(by_name.choose(asked), expected), "{asked:?}");
        }
    }

    #[test]
    fn a_server_is_shown_the_certificate_of_our_own_name_first() {
        let provider = aws_lc_rs::default_provider();
        let of = |names: &[&str]| certified(&identity(names).0, &provider).unwrap();
        let (default, exact, wild) = (of(&["localhost"]), of(&["one.example.com"]), of(&["*.example.net"]));
        let named = HashMap::from([
            ("one.example.com".to_owned(), exact.clone()),
            ("also-one.example.com".to_owned(), exact.clone()),
            ("*.example.net".to_owned(), wild.clone()),
        ]);
        let by_name = ByName { default: default.clone(), named };
        let order = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let label = |certificate: &Arc<CertifiedKey>| match certificate {
                one if Arc::ptr_eq(one, &default) => "default",
                one if Arc::ptr_eq(one, &exact) => "exact",
                _ => "wild",
            };
            by_name.in_order(&names).iter().map(label).collect::<Vec<_>>()
        };
        assert_eq!(order(&["One.example.com"]), ["exact", "default", "wild"]);
        assert_eq!(order(&["sip.example.net", "one.example.com"]), ["wild", "exact", "default"]);
        assert_eq!(order(&["elsewhere.example.org"]), ["default", "wild", "exact"]);
        assert_eq!(order(&[]), ["default", "wild", "exact"]);
    }

    #[test]
    fn over_dtls_the_certificate_is_shown_where_it_can_be_and_else_one_of_our_own() {
        let made = |algorithm: &'static rcgen::SignatureAlgorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
            let chain = vec![certificate.self_signed(&key).unwrap().der().clone()];
            let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity { chain, key }
        };
        let shown = |of: &OverDtls| of.identity.as_ref().unwrap().certificate().to_vec();
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
            let identity = made(algorithm);
            let alone = OverDtls::of(&identity);
            assert!(alone.shortcoming.is_none());
            assert_eq!(shown(&alone), identity.chain[0].to_vec());
            let chain = [identity.chain.clone(), made(algorithm).chain].concat();
            let with_issuer = OverDtls::of(&Identity { chain, ..identity });
            assert!(matches!(with_issuer.shortcoming, Some(Shortcoming::Alone)));
            assert_eq!(shown(&with_issuer), shown(&alone));
        }
        let ed25519 = made(&rcgen::PKCS_ED25519);
        let own = OverDtls::of(&ed25519);
        let Some(shortcoming @ Shortcoming::SelfSigned(_)) = &own.shortcoming else { panic!("it is told") };
        assert!(
            shortcoming.to_string().contains("since the private key is not an ECDSA key"),
            "{shortcoming}"
        );
        assert_ne!(shown(&own), ed25519.chain[0].to_vec());
    }

    #[test]
    fn a_file_that_changes_is_seen_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Tls {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
            ..Tls::default()
        };
        let write = |certificate: &str, key: &str| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(&settings.certificate, certificate).unwrap();
            std::fs::write(&settings.key, key).unwrap();
            std::fs::set_permissions(&settings.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let (local, certificate, key) = identity(&["one.example.com"]);
        write(&certificate, &key);
        let certificates = Certificates::read(settings.clone(), local).unwrap();
        assert_eq!(certificates.changed(), None);

        let before = certificates.current.read().unwrap().sip.clone();
        let over_dtls = certificates.dtls().unwrap();
        write("no certificate, and longer than any that", &key);
        assert!(certificates.changed().is_some());
        certificates.read_again().unwrap_err();
        assert!(Arc::ptr_eq(&certificates.current.read().unwrap().sip, &before));
        assert!(certificates.changed().is_some(), "it is still not what is in use");

        let (_, certificate, key) = identity(&["two.example.com", "three.example.com"]);
        write(&certificate, &key);
        certificates.read_again().unwrap();
        assert!(!Arc::ptr_eq(&certificates.current.read().unwrap().sip, &before));
        assert_ne!(certificates.dtls().unwrap().certificate(), over_dtls.certificate());
        assert_eq!(certificates.changed(), None);
    }
}

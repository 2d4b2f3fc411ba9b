//! Whom we trust when we connect by TLS: the authorities of the machine, and those of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// The authorities, read when the first connection needs them: there are more than a hundred on most machines.
pub struct Trust {
    file: Vec<CertificateDer<'static>>,
    connector: OnceCell<Option<TlsConnector>>,
}

/// Why nobody can be verified.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file holds no certificate of an authority.
    #[error("`{}` holds no certificate of an authority in PEM", .0.display())]
    File(PathBuf),
    /// There is no authority at all.
    #[error("this machine knows no authorities; install `ca-certificates`, or name a file of them")]
    Nobody,
    /// The provider of TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// Trusts the authorities of the machine and those of `file`, if there is one.
    pub fn new(file: Option<&Path>) -> Result<Self, TrustError> {
        let file = file.map_or(Ok(Vec::new()), certificates)?;
        Ok(Trust { file, connector: OnceCell::new() })
    }

    /// What makes TLS connections; `None` when nobody is trusted, which is said once.
    pub(super) async fn connector(&self) -> Option<&TlsConnector> {
        let make = || async {
            let file = self.file.clone();
            let made = tokio::task::spawn_blocking(move || roots(file).and_then(connector)).await;
            match made {
                Ok(Ok(connector)) => Some(connector),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "no connections are made over TLS");
                    None
                }
                Err(_) => None,
            }
        };
        self.connector.get_or_init(make).await.as_ref()
    }
}

/// The authorities of the machine and these.
pub fn roots(more: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(more);
    if roots.is_empty() { Err(TrustError::Nobody) } else { Ok(roots) }
}

/// The authorities of a file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unusable = || TrustError::File(path.to_owned());
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|_| unusable())?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 { Err(unusable()) } else { Ok(certificates) }
}

/// Versions 1.2 and 1.3 with the suites of the provider, verified by name ([RFC 5922 §7]).
///
/// [RFC 5922 §7]: https://www.rfc-editor.org/rfc/rfc5922#section-7
fn connector(roots: RootCertStore) -> Result<TlsConnector, TrustError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

//! Whom we trust when we connect by TLS: the authorities of the machine, and those of a file. Who asks us in return is
//! shown what our listeners show.

use std::path::Path;
use std::sync::Arc;

use ringback_sansio::Transport;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::OnceCell;

use super::identity::Verifier;
use super::own::Presented;
use super::stream::Tls;
use crate::config::{NoAuthority, authorities};
use crate::net::Certificates;

/// The authorities, read when the first connection needs them: there are more than a hundred on most machines.
pub struct Trust {
    file: Vec<CertificateDer<'static>>,
    own: Arc<Certificates>,
    /// The names that we go by, the first one in front.
    names: Vec<String>,
    ways: OnceCell<Option<Ways>>,
}

/// What TLS is spoken by; each connection adds whom we are to its server.
struct Ways {
    /// With SIP servers, which are verified as [`Verifier`] says.
    sip: ClientConfig,
    /// With WebSocket servers, which are verified as those of HTTPS are ([RFC 6455 §4.1]).
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    web: ClientConfig,
}

/// Why nobody can be verified.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file holds no certificate of an authority.
    #[error(transparent)]
    File(#[from] NoAuthority),
    /// There is no authority at all.
    #[error("this machine knows no authorities; install `ca-certificates`, or name a file of them")]
    Nobody,
    /// The provider of TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// Trusts the authorities of the machine and those of `file`, if there is one. Who asks is shown one of `own`, for
    /// the first of `names` that has one.
    pub fn new(file: Option<&Path>, own: Arc<Certificates>, names: Vec<String>) -> Result<Self, TrustError> {
        let file = file.map_or(Ok(Vec::new()), authorities)?;
        Ok(Trust { file, own, names, ways: OnceCell::new() })
    }

    /// What to speak TLS by with the server of that name; `None` when nobody is trusted, which is said once, or when no
    /// certificate can be for the name.
    pub(super) async fn towards(&self, transport: Transport, name: &str) -> Option<Tls> {
        let name = ServerName::try_from(name.to_owned()).ok()?;
        let ways = self.ways().await?;
        let mut config = if transport.is_websocket() { ways.web.clone() } else { ways.sip.clone() };
        let presented = Arc::new(Presented::new(self.own.own(&self.names)));
        config.client_auth_cert_resolver = presented.clone();
        Some(Tls { connector: Arc::new(config).into(), name, presented: Some(presented) })
    }

    async fn ways(&self) -> Option<&Ways> {
        let make = || async {
            let file = self.file.clone();
            let made = tokio::task::spawn_blocking(move || roots(file).and_then(Ways::new)).await;
            match made {
                Ok(Ok(ways)) => Some(ways),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "no connections are made over TLS");
                    None
                }
                Err(_) => None,
            }
        };
        self.ways.get_or_init(make).await.as_ref()
    }
}

impl Ways {
    /// Versions 1.2 and 1.3 with the suites of the provider.
    fn new(roots: RootCertStore) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let way = |verifier: Arc<dyn ServerCertVerifier>| -> Result<ClientConfig, TrustError> {
            let builder = ClientConfig::builder_with_provider(provider.clone());
            let builder = builder.with_safe_default_protocol_versions()?.dangerous();
            Ok(builder.with_custom_certificate_verifier(verifier).with_no_client_auth())
        };
        let web = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let web = web.map_err(|_| TrustError::Nobody)?;
        let sip = Verifier::of_sip_servers(roots, &provider);
        Ok(Ways { sip: way(Arc::new(sip))?, web: way(web)? })
    }
}

/// The authorities of the machine and these.
pub fn roots(more: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(more);
    if roots.is_empty() { Err(TrustError::Nobody) } else { Ok(roots) }
}

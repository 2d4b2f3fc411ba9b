//! TLS on both sides of a tap: whom it trusts, and what it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::TapError;
use crate::config::{Identity, NoAuthority, authorities};
use crate::net::client::Verifier;
use crate::net::client::trust::{self, TrustError};

/// What connects to a server: versions 1.2 and 1.3, verified against the system's authorities and those of the file.
pub(super) fn connector(authorities: Option<&Path>, is_insecure: bool) -> Result<TlsConnector, TapError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TapError::Certificate)?;
    let config = if is_insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::of_anybody(&provider)))
            .with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(authorities)?).with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What takes the connections of browsers.
pub(super) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, TapError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(identity.chain.clone(), identity.key.clone_key())
        })
        .map_err(TapError::Certificate)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, TapError> {
    let unusable = |error| match error {
        TrustError::File(NoAuthority(path)) => TapError::Authorities(path),
        TrustError::Nobody => TapError::NoAuthorities,
        TrustError::Tls(error) => TapError::Certificate(error),
    };
    let more = file.map_or(Ok(Vec::new()), authorities).map_err(|error| unusable(error.into()))?;
    trust::roots(more).map_err(unusable)
}

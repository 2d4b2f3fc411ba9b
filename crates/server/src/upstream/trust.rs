//! Whom a connection to a server trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::UpstreamError;
use crate::config::{NoAuthority, authorities};
use crate::net::client::Verifier;
use crate::net::client::trust::{self, TrustError};

/// What connects to a server: versions 1.2 and 1.3, verified against the system's authorities and those of the file.
pub(super) fn connector(
    authorities: Option<&Path>,
    is_insecure: bool,
) -> Result<TlsConnector, UpstreamError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::Tls)?;
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

fn roots(file: Option<&Path>) -> Result<RootCertStore, UpstreamError> {
    let unusable = |error| match error {
        TrustError::File(NoAuthority(path)) => UpstreamError::Authorities(path),
        TrustError::Nobody => UpstreamError::NoAuthorities,
        TrustError::Tls(error) => UpstreamError::Tls(error),
    };
    let more = file.map_or(Ok(Vec::new()), authorities).map_err(|error| unusable(error.into()))?;
    trust::roots(more).map_err(unusable)
}

//! What a tap shows to browsers.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::TapError;
use crate::config::Identity;

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

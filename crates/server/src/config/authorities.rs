//! Files of the certificates of authorities.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// A file that holds no authority.
#[derive(Debug, Error)]
#[error("`{}` holds no certificate of an authority in PEM", .0.display())]
pub struct NoAuthority(pub PathBuf);

/// The authorities of a file in PEM; at least one that can be used.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, NoAuthority> {
    let unusable = || NoAuthority(path.to_owned());
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|_| unusable())?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 { Err(unusable()) } else { Ok(certificates) }
}

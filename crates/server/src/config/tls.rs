//! `[tls]`: the certificate of HTTPS, WSS and SIP over TLS.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::authorities;

/// Paths of certificates and keys in PEM; the first two empty for the local certificate of the data directory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities of those who may connect to SIP over TLS; empty when everybody may.
    pub client_ca: PathBuf,
    /// Authorities that are trusted besides those of the machine when we connect to somebody; empty for none.
    pub trust: PathBuf,
    /// `[[tls.sni]]`: certificates for clients that ask for one of their names.
    pub sni: Vec<NamedCertificate>,
}

/// Paths of a certificate that is shown to clients that ask for one of the names in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedCertificate {
    /// The certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Tls {
    /// Every file that is read again when it changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let named = self.sni.iter().flat_map(|named| [&named.certificate, &named.key]);
        let all = [&self.certificate, &self.key, &self.client_ca].into_iter().chain(named);
        all.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
    }

    /// Checks that there are authorities where some should be.
    pub fn check_trust(&self) -> Result<(), TlsProblem> {
        self.trust().map_or(Ok(()), |path| authorities_of("tls.trust", path).map(drop))
    }

    /// Reads and checks the certificates of `[[tls.sni]]`, each with the names that it is for, in small letters.
    pub fn load_named(&self, now: SystemTime) -> Result<Vec<(Identity, Vec<String>)>, TlsProblem> {
        let mut found: Vec<(Identity, Vec<String>)> = Vec::with_capacity(self.sni.len());
        for named in &self.sni {
            let path = &named.certificate;
            let identity = Identity::load(path, &named.key, now)?;
            let names = identity.names();
            if names.is_empty() {
                return Err(TlsProblem::Nameless { path: path.clone() });
            }
            let mut others = found.iter().flat_map(|(_, names)| names);
            if let Some(name) = others.find(|name| names.contains(name)) {
                return Err(TlsProblem::NamedTwice { path: path.clone(), name: name.clone() });
            }
            found.push((identity, names));
        }
        Ok(found)
    }

    /// Reads the authorities of clients; `None` when no client needs a certificate.
    pub fn load_client_ca(&self) -> Result<Option<RootCertStore>, TlsProblem> {
        let path = &self.client_ca;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(authorities_of("tls.client_ca", path)?);
        Ok(Some(authorities))
    }

    /// The file of authorities, if there is one.
    pub fn trust(&self) -> Option<&Path> {
        Some(&*self.trust).filter(|path| !path.as_os_str().is_empty())
    }

    /// Reads and checks the certificate; `None` when the local one is wanted.
    pub fn load(&self, now: SystemTime) -> Result<Option<Identity>, TlsProblem> {
        match (self.certificate.as_os_str().is_empty(), self.key.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (true, false) => Err(TlsProblem::CertificateMissing),
            (false, true) => Err(TlsProblem::KeyMissing),
            (false, false) => Identity::load(&self.certificate, &self.key, now).map(Some),
        }
    }
}

/// A certificate chain with the key of its first certificate.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, then its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate and its key, and refuses what a client would refuse or what others could have read.
    pub fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<Identity, TlsProblem> {
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TlsProblem::NotACertificate { path: certificate.to_owned() })?;
        let leaf =
            chain.first().ok_or_else(|| TlsProblem::NotACertificate { path: certificate.to_owned() })?;
        check_validity(certificate, leaf, now)?;

        let mode = fs::metadata(key)
            .map_err(|source| TlsProblem::Unreadable { path: key.to_owned(), source })?
            .permissions()
            .mode();
        if mode & READABLE_BY_OTHERS != 0 {
            return Err(TlsProblem::KeyReadableByOthers { path: key.to_owned(), mode: mode & 0o777 });
        }
        let private_key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|_| TlsProblem::NotAKey { path: key.to_owned() })?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match CertifiedKey::from_der(chain.clone(), private_key.clone_key(), &provider) {
            Ok(_) => Ok(Identity { chain, key: private_key }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsProblem::KeyOfAnotherCertificate {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            }),
            Err(_) => Err(TlsProblem::NotAKey { path: key.to_owned() }),
        }
    }
}

impl Identity {
    /// The names of hosts that the certificate is for ([RFC 5280 §4.2.1.6]), in small letters; wildcards among them.
    ///
    /// [RFC 5280 §4.2.1.6]: https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6
    fn names(&self) -> Vec<String> {
        let leaf = self.chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
        let names = leaf.as_ref().and_then(|(_, leaf)| leaf.subject_alternative_name().ok().flatten());
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let dns = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        dns.collect()
    }
}

/// The authorities in the file that a key names; at least one.
fn authorities_of(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    authorities(path).map_err(|_| TlsProblem::NoAuthority { key, path: path.to_owned() })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    fs::read(path).map_err(|source| TlsProblem::Unreadable { path: path.to_owned(), source })
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum TlsProblem {
    /// Only `tls.key` is set.
    #[error("`tls.key` is set without `tls.certificate`; set both, or neither for the local certificate")]
    CertificateMissing,
    /// Only `tls.certificate` is set.
    #[error("`tls.certificate` is set without `tls.key`; set both, or neither for the local certificate")]
    KeyMissing,
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}; check the path in [tls] and the permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate file holds no certificate.
    #[error(
        "`{}` holds no PEM certificate; give `tls.certificate` a file that starts with -----BEGIN CERTIFICATE-----",
        .path.display()
    )]
    NotACertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds no key.
    #[error(
        "`{}` holds no PEM private key that TLS can use; give `tls.key` an unencrypted ECDSA, RSA or Ed25519 key",
        .path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The certificate has expired.
    #[error("the certificate `{}` expired on {until}; renew it", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The end of its validity.
        until: String,
    },
    /// The certificate is not valid yet.
    #[error("the certificate `{}` is valid only from {from}; check the clock of this machine", .path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// The beginning of its validity.
        from: String,
    },
    /// The key belongs to another certificate.
    #[error(
        "the key `{}` does not belong to the certificate `{}`; give `tls.key` the key the certificate was made with",
        .key.display(), .certificate.display()
    )]
    KeyOfAnotherCertificate {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A certificate of `[[tls.sni]]` is for no name.
    #[error("the certificate `{}` of [[tls.sni]] names no host, so nobody can ask for it; take one with a DNS name in it", .path.display())]
    Nameless {
        /// The file.
        path: PathBuf,
    },
    /// Two certificates of `[[tls.sni]]` are for one name.
    #[error("the certificate `{}` of [[tls.sni]] is for `{name}`, and so is one before it; take one of them out", .path.display())]
    NamedTwice {
        /// The second file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file of authorities holds none.
    #[error(
        "`{}` cannot be read or holds no authority; give `{key}` a file that starts with -----BEGIN CERTIFICATE-----",
        .path.display()
    )]
    NoAuthority {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the machine can read the key.
    #[error("others can read the key `{}` (mode {mode:o}); run `chmod 600 {}`", .path.display(), .path.display())]
    KeyReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl TlsProblem {
    /// The key of the configuration that has to change.
    pub(super) fn key(&self) -> &'static str {
        match self {
            TlsProblem::NotAKey { .. }
            | TlsProblem::CertificateMissing
            | TlsProblem::KeyOfAnotherCertificate { .. }
            | TlsProblem::KeyReadableByOthers { .. } => "tls.key",
            TlsProblem::Nameless { .. } | TlsProblem::NamedTwice { .. } => "tls.sni",
            TlsProblem::NoAuthority { key, .. } => key,
            _ => "tls.certificate",
        }
    }
}

/// The permission bits of "others". The group is left out: services read keys through a group of their own.
pub(crate) const READABLE_BY_OTHERS: u32 = 0o006;

fn check_validity(path: &Path, leaf: &CertificateDer<'_>, now: SystemTime) -> Result<(), TlsProblem> {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
        return Err(TlsProblem::NotACertificate { path: path.to_owned() });
    };
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if validity.not_after.timestamp() < now {
        return Err(TlsProblem::Expired { path: path.to_owned(), until: validity.not_after.to_string() });
    }
    if validity.not_before.timestamp() > now {
        return Err(TlsProblem::NotYetValid { path: path.to_owned(), from: validity.not_before.to_string() });
    }
    Ok(())
}

//! Who we are to a server that asks for a certificate: mutual TLS towards trunks and peers.
//!
//! We show what our own listeners show, so there is no key besides theirs, and one that is renewed is shown from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// The answer to one server, if it asks.
#[derive(Debug)]
pub struct Presented {
    /// The likeliest first.
    certificates: Vec<Arc<CertifiedKey>>,
    was_asked: AtomicBool,
}

impl Presented {
    /// One of these certificates is shown; the first one, unless the server names the authorities that it takes.
    pub(super) fn new(certificates: Vec<Arc<CertifiedKey>>) -> Self {
        Presented { certificates, was_asked: AtomicBool::new(false) }
    }

    /// Whether the server has asked.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// The certificate for who takes those of `authorities` ([RFC 8446 §4.2.4]) and verifies by `schemes`. A server may
    /// know more authorities than it names, so one of another is shown rather than none.
    ///
    /// [RFC 8446 §4.2.4]: https://www.rfc-editor.org/rfc/rfc8446#section-4.2.4
    fn choose(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let usable = || self.certificates.iter().filter(|one| one.key.choose_scheme(schemes).is_some());
        usable().find(|certificate| is_of(certificate, authorities)).or_else(|| usable().next())
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.choose(authorities, schemes).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.certificates.is_empty()
    }
}

/// Whether one of the chain was issued by one of these.
fn is_of(certificate: &CertifiedKey, authorities: &[&[u8]]) -> bool {
    certificate.cert.iter().any(|link| {
        X509Certificate::from_der(link).is_ok_and(|(_, link)| authorities.contains(&link.issuer().as_raw()))
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    /// A certificate of an authority of this name, with the name as it stands in a request for a certificate.
    fn issued_by(authority: &str) -> (Arc<CertifiedKey>, Vec<u8>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let (_, parsed) = X509Certificate::from_der(root.der()).unwrap();
        let subject = parsed.subject().as_raw().to_vec();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["sip.example".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(vec![leaf.der().clone()], key, &provider).unwrap();
        (Arc::new(certified), subject)
    }

    #[test]
    fn the_certificate_of_an_authority_that_the_server_names_is_shown_and_else_the_first() {
        let ((first, one), (second, two)) = (issued_by("one"), issued_by("two"));
        let (_, three) = issued_by("three");
        let presented = Presented::new(vec![first.clone(), second.clone()]);
        let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
        for (named, expected) in [
            (vec![], &first),
            (vec![&three[..]], &first),
            (vec![&two[..]], &second),
            (vec![&two[..], &one[..]], &first),
        ] {
            assert!(Arc::ptr_eq(presented.choose(&named, &schemes).unwrap(), expected), "{named:?}");
        }
    }

    #[test]
    fn nothing_is_shown_that_the_server_cannot_verify_and_that_it_asked_is_known() {
        let presented = Presented::new(vec![issued_by("one").0]);
        assert!(!presented.was_asked());
        assert!(presented.resolve(&[], &[SignatureScheme::RSA_PSS_SHA256]).is_none());
        assert!(presented.was_asked());
    }
}

//! Whom a SIP server's certificate is for ([RFC 5922 §7.1]): the domains of its `sip:` URIs, and its DNS names if it
//! has no such URI.
//!
//! A certificate for `sip:example.com` and the DNS name of a machine that serves many domains is good for `example.com`
//! alone. A name in a URI is taken as it stands. A wildcard in a DNS name stands for one label, which [RFC 5922 §7.2]
//! forbids and the certificates of many providers need. The common name is not looked at. Addresses, of which the RFC
//! says nothing, are those of the certificate (`iPAddress`), or of its URIs.
//!
//! [RFC 5922 §7.1]: https://www.rfc-editor.org/rfc/rfc5922#section-7.1
//! [RFC 5922 §7.2]: https://www.rfc-editor.org/rfc/rfc5922#section-7.2

use std::net::IpAddr;
use std::sync::Arc;

use ringback_sip::uri::{Scheme, Uri};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Verifies servers by rules of ours. The handshake itself is verified in any case, so the key is that of the
/// certificate.
#[derive(Debug)]
pub struct Verifier {
    whom: Whom,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Whose certificates are taken.
#[derive(Debug)]
enum Whom {
    /// Those that an authority of these has made for the SIP server that we look for.
    SipServer(Arc<RootCertStore>),
    Anybody,
}

impl Verifier {
    /// Takes servers of SIP over TLS, by the authorities.
    pub(super) fn of_sip_servers(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> Self {
        Verifier { whom: Whom::SipServer(roots), algorithms: provider.signature_verification_algorithms }
    }

    /// Takes every certificate.
    pub fn of_anybody(provider: &CryptoProvider) -> Self {
        Verifier { whom: Whom::Anybody, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Whom::SipServer(roots) = &self.whom else { return Ok(ServerCertVerified::assertion()) };
        let (certificate, algorithms) = (ParsedCertificate::try_from(end_entity)?, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        verify_identity(end_entity, &certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn verify_identity(
    der: &CertificateDer<'_>,
    certificate: &ParsedCertificate<'_>,
    expected: &ServerName<'_>,
) -> Result<(), Error> {
    let identities = sip_identities(der)?;
    let is_among = match expected {
        ServerName::DnsName(name) => {
            identities.iter().any(|identity| identity.eq_ignore_ascii_case(name.as_ref()))
        }
        ServerName::IpAddress(address) => {
            let address = IpAddr::from(*address);
            identities.iter().any(|identity| identity.parse() == Ok(address))
        }
        _ => false,
    };
    match expected {
        _ if is_among => Ok(()),
        ServerName::DnsName(_) if !identities.is_empty() => {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
        _ => verify_server_name(certificate, expected),
    }
}

/// The hosts of the `sip:` URIs in subjectAltName that name a domain: those without a user.
fn sip_identities(der: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let unreadable = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
    // Who cannot read all of the names cannot know that there is no URI among them.
    let Some(names) = certificate.subject_alternative_name().map_err(|_| unreadable())? else {
        return Ok(Vec::new());
    };
    let uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Uri::parse(uri.as_bytes()).ok(),
        _ => None,
    });
    let of_domains = uris.filter(|uri| uri.scheme == Scheme::Sip && uri.user.is_none());
    Ok(of_domains.map(|uri| uri.host.ip().map_or(uri.host.to_string(), |ip| ip.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    /// A certificate with these names: `dns:`, `ip:` or a URI.
    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.split_once(':') {
                Some(("dns", name)) => SanType::DnsName(name.try_into().unwrap()),
                Some(("ip", address)) => SanType::IpAddress(address.parse().unwrap()),
                _ => SanType::URI((*name).try_into().unwrap()),
            });
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn is_for(names: &[&str], expected: &str) -> bool {
        let der = certificate(names);
        let parsed = ParsedCertificate::try_from(&der).unwrap();
        verify_identity(&der, &parsed, &ServerName::try_from(expected.to_owned()).unwrap()).is_ok()
    }

    #[test]
    fn a_sip_uri_names_the_domain_and_dns_names_count_only_without_one() {
        let both = ["sip:example.com", "dns:edge.example.net"];
        assert!(is_for(&both, "example.com"));
        assert!(is_for(&both, "EXAMPLE.com"));
        assert!(!is_for(&both, "edge.example.net"));
        assert!(is_for(&["dns:edge.example.net"], "edge.example.net"));
        assert!(!is_for(&["dns:edge.example.net"], "example.com"));
        assert!(is_for(&["sip:example.com", "sip:example.org"], "example.org"));
        assert!(is_for(&["sip:example.com:5061;transport=tls"], "example.com"));
    }

    #[test]
    fn a_uri_of_a_user_or_of_another_scheme_names_no_domain() {
        for uri in ["sip:alice@example.com", "sips:example.com", "https://example.com", "sip:"] {
            assert!(!is_for(&[uri], "example.com"), "{uri}");
            assert!(is_for(&[uri, "dns:edge.example.net"], "edge.example.net"), "{uri}");
        }
    }

    #[test]
    fn a_name_is_taken_whole() {
        for other in ["sip.example.com", "com", "xample.com"] {
            assert!(!is_for(&["sip:example.com"], other), "{other}");
        }
        assert!(!is_for(&["sip:*.example.com"], "sip.example.com"), "no wildcards in URIs");
        assert!(is_for(&["dns:*.example.com"], "sip.example.com"));
    }

    #[test]
    fn an_address_is_that_of_the_certificate_or_of_its_uri() {
        assert!(is_for(&["ip:192.0.2.7"], "192.0.2.7"));
        assert!(is_for(&["sip:example.com", "ip:192.0.2.7"], "192.0.2.7"));
        assert!(is_for(&["sip:192.0.2.7"], "192.0.2.7"));
        assert!(is_for(&["sip:[2001:db8::7]"], "2001:db8::7"));
        assert!(!is_for(&["sip:192.0.2.7"], "192.0.2.8"));
    }

    #[test]
    fn a_certificate_of_nobody_we_trust_is_for_nobody() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let verifier = Verifier::of_sip_servers(Arc::new(RootCertStore::empty()), &provider);
        let name = ServerName::try_from("example.com").unwrap();
        let verified =
            verifier.verify_server_cert(&certificate(&["sip:example.com"]), &[], &name, &[], UnixTime::now());
        assert_eq!(verified.err(), Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
    }
}

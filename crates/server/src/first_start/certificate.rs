//! The local certificate: an authority of this server and a certificate that it signs.
//!
//! A browser that trusts the authority once trusts every later certificate of this server. The authority signs nothing
//! else: its key stays in the data directory, readable by its owner only. The certificate lives at most 398 days, the
//! most that browsers accept, and is replaced when it is about to expire or when the machine has a name or an address
//! that it does not carry.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::StartError;
use super::data_dir::write_whole;
use crate::config::{Config, Identity};
use crate::interfaces;

/// A certificate ready for use, and the authority to trust.
#[derive(Debug)]
pub(super) struct LocalCertificate {
    pub(super) identity: Identity,
    pub(super) authority: PathBuf,
}

/// What a certificate has to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    hosts: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// `localhost`, the host name, the domain, the loopback addresses, those of the interfaces and the public ones.
    pub(super) fn of_this_machine(config: &Config) -> Result<Names, StartError> {
        let mut hosts = BTreeSet::from(["localhost".to_owned()]);
        hosts.extend(host_name());
        hosts.extend(config.domain.names().iter().cloned());
        let mut addresses =
            BTreeSet::from([IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
        let found = interfaces::addresses().map_err(StartError::Interfaces)?;
        addresses.extend(found.iter().filter(|entry| !entry.is_link_local()).map(|entry| entry.address));
        addresses.extend(config.public_address.iter().map(|address| address.ip()));
        Ok(Names { hosts, addresses })
    }

    /// What `certificate` names.
    fn of_certificate(certificate: &X509Certificate<'_>) -> Names {
        let mut names = Names { hosts: BTreeSet::new(), addresses: BTreeSet::new() };
        let Ok(Some(extension)) = certificate.subject_alternative_name() else { return names };
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(host) => {
                    names.hosts.insert((*host).to_owned());
                }
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                    names.addresses.extend(v4.or(v6));
                }
                _ => {}
            }
        }
        names
    }

    fn covers(&self, other: &Names) -> bool {
        self.hosts.is_superset(&other.hosts) && self.addresses.is_superset(&other.addresses)
    }
}

/// Gives the certificate of the data directory, made or renewed if it has to be.
pub(super) fn prepare(
    data_dir: &Path,
    names: &Names,
    now: SystemTime,
) -> Result<LocalCertificate, StartError> {
    let folder = data_dir.join("tls");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(StartError::file("make the directory", &folder))?;
    let files = Files {
        authority: data_dir.join("ringback-ca.pem"),
        authority_key: data_dir.join(AUTHORITY_KEY),
        certificate: folder.join("server.pem"),
        key: data_dir.join(KEY),
    };
    // Whether others can read the keys was looked at before: a key that they may have read is not taken, and not quietly
    // replaced either.
    let authority = match Authority::load(&files) {
        Some(authority) if authority.until > now + LEAF_LIFE => authority,
        _ => Authority::make(&files, now)?,
    };
    if let Some(identity) = usable(&files, &authority, names, now) {
        return Ok(LocalCertificate { identity, authority: files.authority });
    }
    authority.issue(&files, names, now)?;
    let identity = Identity::load(&files.certificate, &files.key, now)?;
    Ok(LocalCertificate { identity, authority: files.authority })
}

struct Files {
    authority: PathBuf,
    authority_key: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// The local authority with its key.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    until: SystemTime,
}

impl Authority {
    /// Reads the authority; `None` if it is missing or unusable in any way, so that a new one is made.
    fn load(files: &Files) -> Option<Authority> {
        let certificate = CertificateDer::from_pem_slice(&fs::read(&files.authority).ok()?).ok()?;
        let key = KeyPair::from_pem(&fs::read_to_string(&files.authority_key).ok()?).ok()?;
        let (name, until, matches) = {
            let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
            let name = parsed.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
            let until = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
            (name, until, parsed.public_key().subject_public_key.data.as_ref() == key.public_key_raw())
        };
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
        matches.then(|| Authority { certificate, issuer: Issuer::new(authority_params(&name), key), until })
    }

    fn make(files: &Files, now: SystemTime) -> Result<Authority, StartError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        // The number tells the authorities of several servers, or of one that was set up twice, from each other.
        let number: u32 = rand::random();
        let host = host_name().unwrap_or_else(|| "localhost".to_owned());
        let name = format!("Ringback local authority of {host} {number:08x}");
        let mut params = authority_params(&name);
        let until = now + AUTHORITY_LIFE;
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = until.into();
        let certificate = params.self_signed(&key)?;
        write_whole(&files.authority_key, key.serialize_pem().as_bytes(), true)?;
        write_whole(&files.authority, certificate.pem().as_bytes(), false)?;
        let certificate = certificate.der().clone();
        Ok(Authority { certificate, issuer: Issuer::new(authority_params(&name), key), until })
    }

    /// Signs a fresh certificate. The key is written last: until both are there and match, the pair is not usable.
    fn issue(&self, files: &Files, names: &Names, now: SystemTime) -> Result<(), StartError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.subject_alt_names = names
            .hosts
            .iter()
            .map(|host| Ok(SanType::DnsName(host.as_str().try_into()?)))
            .chain(names.addresses.iter().map(|&address| Ok(SanType::IpAddress(address))))
            .collect::<Result<_, rcgen::Error>>()?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Ringback");
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + LEAF_LIFE - CLOCK_SKEW).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        write_whole(&files.certificate, certificate.pem().as_bytes(), false)?;
        write_whole(&files.key, key.serialize_pem().as_bytes(), true)
    }
}

/// The certificate on disk, if it is whole, of this authority, of these names and not about to expire.
fn usable(files: &Files, authority: &Authority, names: &Names, now: SystemTime) -> Option<Identity> {
    let identity = Identity::load(&files.certificate, &files.key, now + RENEWED_BEFORE).ok()?;
    let (_, leaf) = X509Certificate::from_der(identity.chain.first()?).ok()?;
    let (_, issuer) = X509Certificate::from_der(&authority.certificate).ok()?;
    let ours =
        leaf.issuer().as_raw() == issuer.subject().as_raw() && Names::of_certificate(&leaf).covers(names);
    // One that was made for servers alone cannot be shown to a peer that asks who connects.
    let usage = leaf.extended_key_usage().ok()??.value;
    (ours && usage.server_auth && usage.client_auth).then_some(identity.clone())
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The host name, if it is one that a certificate can carry.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_ascii_lowercase();
    let is_sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(is_sound)).then_some(name)
}

/// The key of the authority.
pub(super) const AUTHORITY_KEY: &str = "tls/ca.key";
/// The key of the certificate.
pub(super) const KEY: &str = "tls/server.key";

const DAY: u64 = 86_400;
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * DAY);
/// The most that browsers accept of a certificate, start to end.
const LEAF_LIFE: Duration = Duration::from_secs(398 * DAY);
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * DAY);
/// Clients whose clocks are behind ours by less than this accept a certificate made just now.
const CLOCK_SKEW: Duration = Duration::from_secs(DAY);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    fn names(hosts: &[&str], addresses: &[&str]) -> Names {
        Names {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    /// Verifies as a client does that trusts the authority and nothing else.
    fn verify(local: &LocalCertificate, name: &str, at: SystemTime) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(&local.authority).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let (leaf, rest) = local.identity.chain.split_first().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        verifier.verify_server_cert(leaf, rest, &name, &[], at).map(drop)
    }

    #[test]
    fn a_client_that_trusts_the_authority_accepts_every_name_for_less_than_398_days() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let local =
            prepare(directory.path(), &names(&["localhost", "pbx"], &["127.0.0.1", "::1"]), now).unwrap();
        for name in ["localhost", "pbx", "127.0.0.1", "::1"] {
            verify(&local, name, now).unwrap();
        }
        verify(&local, "example.com", now).unwrap_err();
        verify(&local, "pbx", now + LEAF_LIFE).unwrap_err();
        for key in ["tls/ca.key", "tls/server.key"] {
            let mode = fs::metadata(directory.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn it_is_kept_while_it_serves_and_replaced_under_the_same_authority_when_it_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = prepare(directory.path(), &names(&["localhost"], &[]), now).unwrap();
        let authority = fs::read(&first.authority).unwrap();

        let again = prepare(directory.path(), &names(&["localhost"], &[]), now).unwrap();
        assert_eq!(again.identity.chain, first.identity.chain);

        let renamed = prepare(directory.path(), &names(&["localhost"], &["10.0.0.1"]), now).unwrap();
        assert_ne!(renamed.identity.chain, first.identity.chain);
        verify(&renamed, "10.0.0.1", now).unwrap();

        let late = now + Duration::from_secs(370 * DAY);
        let renewed = prepare(directory.path(), &names(&["localhost"], &["10.0.0.1"]), late).unwrap();
        assert_ne!(renewed.identity.chain, renamed.identity.chain);
        verify(&renewed, "10.0.0.1", late).unwrap();
        assert_eq!(fs::read(&renewed.authority).unwrap(), authority, "browsers keep their trust");
    }

    #[test]
    fn one_for_servers_alone_is_made_anew_so_that_peers_can_be_shown_it() {
        let usage = |local: &LocalCertificate| {
            let (_, leaf) = X509Certificate::from_der(&local.identity.chain[0]).unwrap();
            let usage = leaf.extended_key_usage().unwrap().unwrap().value.clone();
            (usage.server_auth, usage.client_auth)
        };
        let directory = tempfile::tempdir().unwrap();
        let (now, names) = (SystemTime::now(), names(&["localhost"], &[]));
        let first = prepare(directory.path(), &names, now).unwrap();
        assert_eq!(usage(&first), (true, true));

        let key =
            KeyPair::from_pem(&fs::read_to_string(directory.path().join("tls/ca.key")).unwrap()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&first.identity.chain[0]).unwrap();
        let issuer = parsed.issuer().iter_common_name().next().unwrap().as_str().unwrap().to_owned();
        let issuer = Issuer::new(authority_params(&issuer), key);
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = (now + LEAF_LIFE - CLOCK_SKEW).into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let old = params.signed_by(&key, &issuer).unwrap();
        fs::write(directory.path().join("tls/server.pem"), old.pem()).unwrap();
        fs::write(directory.path().join("tls/server.key"), key.serialize_pem()).unwrap();

        let renewed = prepare(directory.path(), &names, now).unwrap();
        assert_ne!(&renewed.identity.chain[0], old.der());
        assert_eq!(usage(&renewed), (true, true));
        assert_eq!(fs::read(&renewed.authority).unwrap(), fs::read(&first.authority).unwrap());
    }

    #[test]
    fn a_lost_key_makes_a_new_authority() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = prepare(directory.path(), &names(&["localhost"], &[]), now).unwrap();
        fs::remove_file(directory.path().join("tls/ca.key")).unwrap();
        let second = prepare(directory.path(), &names(&["localhost"], &[]), now).unwrap();
        assert_ne!(second.identity.chain, first.identity.chain);
        verify(&second, "localhost", now).unwrap();
    }
}

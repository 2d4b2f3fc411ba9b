//! What an operator should know although the server starts.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Config, Limits};
use crate::interfaces::{self, InterfaceAddress};

/// What the machine offers, as far as a configuration has to be measured against it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The addresses of the interfaces.
    pub addresses: Vec<InterfaceAddress>,
    /// How many files this process may have open; `None` if unlimited or unknown.
    pub open_files: Option<u64>,
    /// The largest receive buffer a socket can ask for, in bytes; `None` if unknown.
    pub receive_buffer: Option<u64>,
    /// The permission bits of the data directory; `None` if it is not there yet.
    pub data_dir_mode: Option<u32>,
}

impl Surroundings {
    /// Looks around, as a server does that keeps its state in `data_dir`.
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        Ok(Surroundings {
            addresses: interfaces::addresses()?,
            open_files: fs::read_to_string("/proc/self/limits").ok().and_then(|limits| hard_limit(&limits)),
            receive_buffer: fs::read_to_string("/proc/sys/net/core/rmem_max")
                .ok()
                .and_then(|bytes| bytes.trim().parse().ok()),
            data_dir_mode: fs::metadata(data_dir).ok().map(|found| found.permissions().mode() & 0o777),
        })
    }
}

/// A circumstance that is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Media can be reached from the local network only.
    NoPublicAddress,
    /// Browsers will warn about the certificate.
    LocalCertificate,
    /// Too few files may be open for the connections and calls allowed.
    FewFiles {
        /// How many may be open.
        limit: u64,
        /// How many are needed.
        needed: u64,
    },
    /// Bursts of packets can overflow the receive buffer.
    SmallReceiveBuffer {
        /// Its greatest size in bytes.
        bytes: u64,
    },
    /// Plain HTTP listens where others reach it.
    HttpOffLoopback,
    /// Others can reach the ng protocol, which has no authentication.
    NgOffLoopback,
    /// The data directory is open to its group or to others.
    DataDirOpen {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NoPublicAddress => f.write_str(
                "no public address is known for media, so calls from other networks have no sound; set \
                 `public_address` if this server has one",
            ),
            Warning::LocalCertificate => f.write_str(
                "the certificate is a local one, so browsers warn; set `tls.certificate` and `tls.key`, or trust \
                 `ringback-ca.pem` of the data directory",
            ),
            Warning::FewFiles { limit, needed } => write!(
                f,
                "only {limit} files may be open, and {needed} are needed by `limits.connections` and `limits.calls`; \
                 raise `ulimit -n` or lower the keys"
            ),
            Warning::SmallReceiveBuffer { bytes } => write!(
                f,
                "UDP receive buffers end at {bytes} bytes, so bursts are lost; run `sysctl -w \
                 net.core.rmem_max={WANTED_RECEIVE_BUFFER}`"
            ),
            Warning::HttpOffLoopback => f.write_str(
                "`listen.http` is reachable from other machines without encryption, where browsers give pages no \
                 microphone; use `listen.https`, or put a proxy with TLS in front",
            ),
            Warning::NgOffLoopback => f.write_str(
                "`ng.listen` is reachable from other machines, and whoever reaches it commands all calls of it, because \
                 the protocol has no authentication; use a loopback address, or let a firewall admit your proxies only",
            ),
            Warning::DataDirOpen { path, mode } => {
                let path = path.display();
                write!(f, "the data directory `{path}` is open to others (mode {mode:o}); run `chmod 700 {path}`")
            }
        }
    }
}

pub(super) fn warnings(config: &Config, surroundings: &Surroundings) -> Vec<Warning> {
    let mut found = Vec::new();
    let is_public =
        |entry: &InterfaceAddress| !entry.loopback && !entry.is_link_local() && is_global(entry.address);
    if config.public_address.is_empty() && !surroundings.addresses.iter().any(is_public) {
        found.push(Warning::NoPublicAddress);
    }
    if config.tls.certificate.as_os_str().is_empty() {
        found.push(Warning::LocalCertificate);
    }
    let Limits { connections, calls, .. } = config.limits;
    let needed = u64::from(connections) * FILES_PER_CONNECTION + u64::from(calls) * FILES_PER_CALL;
    if let Some(limit) = surroundings.open_files.filter(|&limit| limit < needed) {
        found.push(Warning::FewFiles { limit, needed });
    }
    if let Some(bytes) = surroundings.receive_buffer.filter(|&bytes| bytes < WANTED_RECEIVE_BUFFER) {
        found.push(Warning::SmallReceiveBuffer { bytes });
    }
    if config.listen.http.as_slice().iter().any(|address| !address.ip().is_loopback()) {
        found.push(Warning::HttpOffLoopback);
    }
    if config.ng.listen.as_slice().iter().any(|address| !address.ip().is_loopback()) {
        found.push(Warning::NgOffLoopback);
    }
    if let Some(mode) = surroundings.data_dir_mode.filter(|mode| mode & OPEN_TO_OTHERS != 0) {
        found.push(Warning::DataDirOpen { path: config.data_dir.clone(), mode });
    }
    found
}

/// Whether the world can reach the address: not of a private, shared or unique-local range
/// ([RFC 6890](https://www.rfc-editor.org/rfc/rfc6890)).
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            !(address.is_private() || a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(address) => !address.is_unique_local(),
    }
}

/// Reads the hard limit of open files: a server raises its soft limit to it.
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The permission bits of the group and of others.
const OPEN_TO_OTHERS: u32 = 0o077;
const FILES_PER_CONNECTION: u64 = 4;
/// Two sockets for each of two telephones.
const FILES_PER_CALL: u64 = 4;
const WANTED_RECEIVE_BUFFER: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(address: &str) -> Surroundings {
        let addresses = vec![InterfaceAddress { address: address.parse().unwrap(), loopback: false }];
        Surroundings {
            addresses,
            open_files: Some(1 << 20),
            receive_buffer: Some(8 << 20),
            data_dir_mode: Some(0o700),
        }
    }

    #[test]
    fn a_private_address_is_not_a_public_one() {
        let config = Config::default();
        for private in ["10.1.2.3", "192.168.1.2", "100.64.0.1", "fd00::1", "fe80::1", "169.254.1.1"] {
            assert!(config.warnings(&surroundings(private)).contains(&Warning::NoPublicAddress), "{private}");
        }
        for public in ["203.0.113.5", "2001:4860::1"] {
            assert!(!config.warnings(&surroundings(public)).contains(&Warning::NoPublicAddress), "{public}");
        }
    }

    #[test]
    fn an_ng_listener_off_loopback_is_warned_of() {
        for (listen, is_warned) in
            [("127.0.0.1:2223", false), ("[::1]:2223", false), ("192.0.2.7:2223", true)]
        {
            let mut config = Config::default();
            config.ng.listen = [listen.parse().unwrap()].into();
            let warnings = config.warnings(&surroundings("203.0.113.5"));
            assert_eq!(warnings.contains(&Warning::NgOffLoopback), is_warned, "{listen}");
        }
        assert!(!Config::default().warnings(&surroundings("203.0.113.5")).contains(&Warning::NgOffLoopback));
    }

    #[test]
    fn the_machine_is_measured_against_the_limits() {
        let mut small = surroundings("203.0.113.5");
        small.open_files = Some(1024);
        small.receive_buffer = Some(212_992);
        let found = Config::default().warnings(&small);
        assert!(found.contains(&Warning::FewFiles { limit: 1024, needed: 88_000 }));
        assert!(found.contains(&Warning::SmallReceiveBuffer { bytes: 212_992 }));
    }

    #[test]
    fn a_data_directory_that_is_open_is_told_with_its_mend() {
        let told = |mode: Option<u32>| {
            let surroundings = Surroundings { data_dir_mode: mode, ..surroundings("203.0.113.5") };
            let found = Config::default().warnings(&surroundings);
            let told = found.iter().find(|warning| matches!(warning, Warning::DataDirOpen { .. }));
            told.map(ToString::to_string)
        };
        assert_eq!((told(None), told(Some(0o700))), (None, None));
        assert_eq!(
            told(Some(0o755)).as_deref(),
            Some(
                "the data directory `ringback-data` is open to others (mode 755); run `chmod 700 ringback-data`"
            )
        );
        assert!(told(Some(0o710)).is_some());
    }

    #[test]
    fn the_hard_limit_is_the_second_column() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(hard_limit(limits), Some(524_288));
        assert!(Surroundings::read(Path::new("/nowhere")).unwrap().open_files.is_some());
    }
}

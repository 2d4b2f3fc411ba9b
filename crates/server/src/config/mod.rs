//! The configuration: TOML, every key with a default, checked as a whole before anything is bound.
//!
//! One file for each section, one type for each kind of value. The keys that exist are those of [`Config`] itself; keys
//! of later versions are refused as such. Relative paths start in the working directory unless the key says otherwise.

mod addresses;
mod authorities;
mod checks;
mod digest;
mod dns;
mod domain;
mod error;
mod explain;
mod headers;
mod keys;
mod limits;
mod listen;
mod log;
mod media;
mod ng;
mod public_address;
mod recording;
#[cfg(test)]
mod reference;
mod rooms;
mod source;
mod store;
mod texts;
mod tls;
mod trace;
mod turn;
mod user;
mod warnings;

use std::path::PathBuf;

use ringback_sip::digest::Algorithm;
use serde::{Deserialize, Serialize};

pub use addresses::Addresses;
pub use authorities::{NoAuthority, authorities};
pub use digest::DigestAlgorithm;
pub use dns::Dns;
pub use domain::Domain;
pub use error::{ConfigError, Place, Problem};
pub use headers::{Headers, Peer};
pub use limits::Limits;
pub use listen::{Listen, Origin};
pub use log::{Format, Log};
pub use media::{Media, PortRange};
pub use ng::{NamedAddress, Ng};
pub use public_address::PublicAddress;
pub use recording::{FileFormat, Recording, Tracks};
pub use rooms::{Anonymous, Rooms};
pub use source::Source;
pub use store::StoreSettings;
pub(crate) use tls::READABLE_BY_OTHERS;
pub use tls::{Identity, NamedCertificate, Tls, TlsProblem};
pub use trace::Trace;
pub use turn::Turn;
pub use user::{User, UserName};
pub use warnings::{Surroundings, Warning};

use crate::secret::Secret;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The domain and its aliases; empty when the host of any request URI is local.
    pub domain: Domain,
    /// The digest realm as written; use [`Config::realm`] for the one in force.
    #[serde(deserialize_with = "domain::realm")]
    pub realm: String,
    /// What SIP phones are challenged with; browsers always get MD5.
    #[serde(deserialize_with = "digest::algorithms", serialize_with = "texts::print_list")]
    pub digest: Vec<DigestAlgorithm>,
    /// Where state is kept.
    pub data_dir: PathBuf,
    /// Where the world reaches this server; empty to advertise the addresses of its interfaces.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_each")]
    pub public_address: Vec<PublicAddress>,
    /// `[listen]`.
    pub listen: Listen,
    /// `[tls]`.
    pub tls: Tls,
    /// `[dns]`.
    pub dns: Dns,
    /// `[media]`.
    pub media: Media,
    /// `[ng]`.
    pub ng: Ng,
    /// `[turn]`.
    pub turn: Turn,
    /// `[rooms]`.
    pub rooms: Rooms,
    /// `[recording]`.
    pub recording: Recording,
    /// `[limits]`.
    pub limits: Limits,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[log]`.
    pub log: Log,
    /// `[[headers]]`.
    pub headers: Vec<Headers>,
    /// `[trace]`.
    pub trace: Trace,
    /// `[[user]]`.
    #[serde(rename = "user")]
    pub users: Vec<User>,
}

impl Config {
    /// Whether anything listens for clients of TURN.
    pub fn has_turn(&self) -> bool {
        !self.listen.turn.as_slice().is_empty() || !self.listen.turn_tls.as_slice().is_empty()
    }

    /// The digest realm: `realm`, else the domain, else `ringback`.
    pub fn realm(&self) -> &str {
        match (self.realm.as_str(), self.domain.name()) {
            ("", Some(domain)) => domain,
            ("", None) => DEFAULT_REALM,
            (realm, _) => realm,
        }
    }

    /// The database file.
    pub fn store_file(&self) -> PathBuf {
        self.data_dir.join(&self.store.file)
    }

    /// The effective configuration as a file, passwords hidden, with what follows from it in comments.
    ///
    /// Fails for a path that is not UTF-8, which TOML cannot hold.
    pub fn explain(&self) -> Result<String, toml::ser::Error> {
        explain::explain(self)
    }

    /// What an operator should know although the server starts.
    pub fn warnings(&self, surroundings: &Surroundings) -> Vec<Warning> {
        warnings::warnings(self, surroundings)
    }

    /// The defaults, one user, one table of header fields and one more certificate, which is every key there is.
    fn with_example_user() -> Self {
        let name = user::UserName::example();
        let user =
            User { name, password: Secret::new("secret"), display: String::new(), group: String::new() };
        let tls = Tls { sni: vec![NamedCertificate::default()], ..Tls::default() };
        Config { headers: vec![Headers::example()], users: vec![user], tls, ..Config::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            domain: Domain::default(),
            realm: String::new(),
            digest: vec![DigestAlgorithm(Algorithm::Md5)],
            data_dir: PathBuf::from("ringback-data"),
            public_address: Vec::new(),
            listen: Listen::default(),
            tls: Tls::default(),
            dns: Dns::default(),
            media: Media::default(),
            ng: Ng::default(),
            turn: Turn::default(),
            rooms: Rooms::default(),
            recording: Recording::default(),
            limits: Limits::default(),
            store: StoreSettings::default(),
            log: Log::default(),
            headers: Vec::new(),
            trace: Trace::default(),
            users: Vec::new(),
        }
    }
}

const DEFAULT_REALM: &str = "ringback";

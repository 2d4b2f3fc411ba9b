//! What must exist on disk before the first listener opens, made when it is missing: the data directory, the local
//! certificate, the database, the admin password, two users to try things with.
//!
//! Nothing here is done twice: a second start finds everything and changes nothing, except a certificate that is about
//! to expire or that does not name this machine any more.

mod admin;
mod announcement;
mod certificate;
mod data_dir;
mod demo_users;
mod kept_secret;
mod password;
mod secrecy;
mod users;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

pub use announcement::Opened;
pub use data_dir::DataDir;
pub use demo_users::DemoUser;
pub use password::random_password;
pub use users::Account;

use crate::config::{Config, Identity, TlsProblem};
use crate::store::{OpenError, Options, Recovery, Store, StoreError};

/// Everything a server needs before it listens.
#[derive(Debug)]
pub struct Prepared {
    /// The data directory, locked against a second server.
    pub data_dir: DataDir,
    /// The certificate for HTTPS, WSS and SIP over TLS.
    pub identity: Identity,
    /// The certificate of the local authority, when the local certificate is in use.
    pub local_authority: Option<PathBuf>,
    /// The database, checked and of the latest schema.
    pub store: Store,
    /// Who may sign in: `[[user]]` entries over the rows of the store.
    pub accounts: Vec<Account>,
    /// The users made by this start, with their passwords.
    pub demo_users: Vec<DemoUser>,
    /// What temporary GRUUs are sealed with.
    pub gruu_secret: [u8; 32],
    /// What credentials of TURN are made with where the configuration says nothing else.
    pub turn_secret: [u8; 32],
    /// Whether the admin password was made by this start.
    pub admin_password_made: bool,
}

impl Prepared {
    /// What to print when the listeners are open: what to open, what to dial, where passwords are.
    ///
    /// `interfaces` are the addresses that stand for a wildcard, the likeliest first. Passwords are in the text only if
    /// `show_passwords`, which is for a terminal; a pipe may end in a log.
    pub fn announcement(&self, opened: &Opened, interfaces: &[IpAddr], show_passwords: bool) -> String {
        announcement::announcement(self, opened, interfaces, show_passwords)
    }
}

/// Prepares the data directory of `config` and opens what is in it.
pub fn prepare(config: &Config, recovery: Recovery) -> Result<Prepared, StartError> {
    let now = SystemTime::now();
    let data_dir = DataDir::lock(&config.data_dir)?;
    secrecy::check(config)?;
    let (identity, local_authority) = match config.tls.load(now)? {
        Some(identity) => (identity, None),
        None => {
            let names = certificate::Names::of_this_machine(config)?;
            let local = certificate::prepare(data_dir.path(), &names, now)?;
            (local.identity, Some(local.authority))
        }
    };
    let store = Store::open(&config.store_file(), Options::new(&config.store, recovery))?;
    if let Some(salvage) = store.salvage() {
        let rows: Vec<String> = salvage.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
        tracing::warn!(
            kept = %salvage.kept.display(),
            saved = rows.join(", "),
            incomplete = salvage.incomplete.join(", "),
            "the database was damaged: what could be read is in a fresh one, the damaged one is kept"
        );
    }
    let admin_password_made = admin::prepare(data_dir.path(), &store)?;
    let demo_users = demo_users::prepare(config, data_dir.path(), &store, unix_milliseconds(now))?;
    let gruu_secret = kept_secret::prepare(&store, kept_secret::GRUU)?;
    let turn_secret = kept_secret::prepare(&store, kept_secret::TURN)?;
    let accounts = users::accounts(config, &store)?;
    Ok(Prepared {
        data_dir,
        identity,
        local_authority,
        store,
        accounts,
        demo_users,
        gruu_secret,
        turn_secret,
        admin_password_made,
    })
}

/// A time as the store keeps it.
pub fn unix_milliseconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A file or directory cannot be made.
    #[error("cannot {action} `{}`: {source}; check `data_dir` and its permissions", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another server has the data directory.
    #[error(
        "another ringback already uses `{}`; stop it, or give this one another directory with --data-dir",
        .path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Everybody on the machine can put other keys and users into the data directory.
    #[error(
        "others can write to the data directory `{}` (mode {mode:o}); run `chmod 700 {}`",
        .path.display(), .path.display()
    )]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Everybody on the machine can read a secret.
    #[error(
        "others can read `{}` (mode {mode:o}) and it holds {holds}; run `chmod 600 {}`",
        .path.display(), .path.display()
    )]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What it holds.
        holds: &'static str,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsProblem),
    /// The local certificate cannot be made.
    #[error(
        "cannot make the local certificate: {0}; set `tls.certificate` and `tls.key` to use one of your own"
    )]
    Certificate(#[from] rcgen::Error),
    /// The interfaces cannot be listed.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read or written.
    #[error("cannot use the database: {0}")]
    Store(#[from] StoreError),
    /// The admin password cannot be hashed.
    #[error("cannot hash the admin password: {0}")]
    Hash(argon2::password_hash::Error),
    /// Passwords of the store belong to another realm, so that nobody could sign in with them.
    #[error(
        "the passwords of {users} belong to the realm `{theirs}` and this server has `{ours}`; set `realm = \
         \"{theirs}\"`, or give each a new password with `ringback user passwd`"
    )]
    OtherRealm {
        /// Whose passwords.
        users: String,
        /// Their realm.
        theirs: String,
        /// The realm of the configuration.
        ours: String,
    },
}

impl StartError {
    /// Whether the configuration has to change, rather than the machine.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            StartError::Tls(_)
                | StartError::WritableByOthers { .. }
                | StartError::ReadableByOthers { .. }
                | StartError::OtherRealm { .. }
                | StartError::Open(OpenError::Foreign { .. } | OpenError::Newer { .. })
        )
    }

    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StartError {
        let path = path.into();
        move |source| StartError::File { action, path, source }
    }
}

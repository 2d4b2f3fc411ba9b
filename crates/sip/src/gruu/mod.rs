//! GRUUs ([RFC 5627]): URIs that lead to one device of a user.
//!
//! ```text
//! public      sip:alice@example.com;gr=urn:uuid:f81d4fae-…    says whose it is, and is the same for ever
//! temporary   sip:tgruu.mYc2…@example.com;gr                  says nothing, and another one comes with each REGISTER
//! ```
//!
//! Neither is kept anywhere. A public GRUU is the address of record with the instance of the device; a temporary one is
//! sealed, and holds the address of record and hashes of instance and Call-ID. It leads to the device as long as that has
//! a binding of the same Call-ID: with another one, or without a binding, it is void (RFC 5627 §4.1).
//!
//! Assumptions and what is left out:
//! - The address of record is what the To of the REGISTER says; its name in the location service is the caller's.
//! - Who has the secret can read temporary GRUUs. It must outlive the process, or all of them are void at a restart.
//! - An address of record of more than 128 bytes has no temporary GRUU.
//! - `sip.instance` values are compared in any case of letters, as UUIDs are.
//!
//! [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627

mod seal;

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use crate::grammar;
use crate::location::{Binding, Location};
use crate::uri::{Scheme, Uri, unescape};
use seal::Seal;

/// Makes GRUUs and finds what they lead to.
#[derive(Clone)]
pub struct Gruus {
    seal: Seal,
}

/// Why a GRUU leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeadsNowhere {
    /// It is none of ours, or a temporary one that is void.
    #[error("Not Found (no such GRUU)")]
    Void,
    /// Its device is not there.
    #[error("Temporarily Unavailable (the device of the GRUU is not registered)")]
    Absent,
}

impl LeadsNowhere {
    /// The status code of the answer ([RFC 5627 §5.1]).
    ///
    /// [RFC 5627 §5.1]: https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    pub const fn status(self) -> u16 {
        match self {
            LeadsNowhere::Void => 404,
            LeadsNowhere::Absent => 480,
        }
    }
}

impl Gruus {
    /// GRUUs under a secret, which must outlive the process.
    pub fn new(secret: [u8; 32]) -> Self {
        Gruus { seal: Seal::new(secret) }
    }

    /// Appends the public GRUU of a device ([RFC 5627 §3.2]); `aor` is the URI of its user.
    ///
    /// [RFC 5627 §3.2]: https://www.rfc-editor.org/rfc/rfc5627#section-3.2
    pub fn write_public(&self, aor: &Uri<'_>, instance: &[u8], uri: &mut Vec<u8>) {
        write_scheme(aor, uri);
        uri.extend_from_slice(aor.user.unwrap_or_default());
        if aor.user.is_some() {
            uri.push(b'@');
        }
        write_host(aor, uri);
        uri.extend_from_slice(b";gr=");
        for &byte in bare(instance) {
            // What a URI parameter may hold stands as it is: a URN mostly does.
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte) {
                uri.push(byte);
            } else {
                uri.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
    }

    /// Appends a temporary GRUU for a device ([RFC 5627 §3.3]), another one for each refresh of its binding; says whether
    /// there is one.
    ///
    /// [RFC 5627 §3.3]: https://www.rfc-editor.org/rfc/rfc5627#section-3.3
    pub fn write_temporary(&self, aor: &Uri<'_>, binding: &Binding, uri: &mut Vec<u8>) -> bool {
        let Some(instance) = binding.instance() else { return false };
        let start = uri.len();
        write_scheme(aor, uri);
        uri.extend_from_slice(PREFIX);
        let (name, call_id) = (binding.aor().as_bytes(), binding.call_id());
        if !self.seal.seal(name, bare(instance), call_id, binding.recency(), uri) {
            uri.truncate(start);
            return false;
        }
        uri.push(b'@');
        write_host(aor, uri);
        uri.extend_from_slice(b";gr");
        true
    }

    /// The bindings that a GRUU leads to, the newest first: a request goes to one of them, the next ones are tried when
    /// its flow has failed. `None` when the URI is no GRUU.
    ///
    /// `aor` is the name of the address of record that the URI has without its `gr`; a temporary GRUU brings its own.
    pub fn resolve(
        &self,
        location: &Location,
        uri: &Uri<'_>,
        aor: &[u8],
    ) -> Option<Result<Vec<Arc<Binding>>, LeadsNowhere>> {
        if !uri.is_sip() {
            return None;
        }
        Some(match uri.params.get(b"gr")? {
            Some(instance) => self.public_targets(location, &unescape(instance), aor),
            None => self.temporary_targets(location, uri.user.unwrap_or_default()),
        })
    }

    fn public_targets(
        &self,
        location: &Location,
        instance: &[u8],
        aor: &[u8],
    ) -> Result<Vec<Arc<Binding>>, LeadsNowhere> {
        let is_of = |binding: &&Arc<Binding>| {
            binding.instance().is_some_and(|own| bare(own).eq_ignore_ascii_case(instance))
        };
        newest_first(location.targets(aor).filter(is_of))
    }

    fn temporary_targets(&self, location: &Location, user: &[u8]) -> Result<Vec<Arc<Binding>>, LeadsNowhere> {
        let token = user.strip_prefix(PREFIX).ok_or(LeadsNowhere::Void)?;
        let opened = self.seal.open(token).ok_or(LeadsNowhere::Void)?;
        let is_of = |binding: &&Arc<Binding>| {
            self.seal.is_of(&opened, bare(binding.instance().unwrap_or_default()), binding.call_id())
        };
        if !location.bindings(&opened.aor).iter().any(|binding| is_of(&binding)) {
            return Err(LeadsNowhere::Void);
        }
        newest_first(location.targets(&opened.aor).filter(is_of))
    }
}

impl fmt::Debug for Gruus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gruus").finish_non_exhaustive()
    }
}

/// Whether a Contact URI is a GRUU of that address of record: bound to it, requests would go round in circles
/// ([RFC 5627 §5.1]).
///
/// [RFC 5627 §5.1]: https://www.rfc-editor.org/rfc/rfc5627#section-5.1
pub(crate) fn is_gruu_of(contact: &Uri<'_>, aor: &Uri<'_>) -> bool {
    contact.is_sip()
        && contact.params.has(b"gr")
        && contact.host == aor.host
        && (contact.user == aor.user || contact.user.is_some_and(|user| user.starts_with(PREFIX)))
}

fn newest_first<'l>(
    bindings: impl Iterator<Item = &'l Arc<Binding>>,
) -> Result<Vec<Arc<Binding>>, LeadsNowhere> {
    let mut bindings: Vec<_> = bindings.cloned().collect();
    bindings.sort_by_key(|binding| std::cmp::Reverse(binding.recency()));
    if bindings.is_empty() { Err(LeadsNowhere::Absent) } else { Ok(bindings) }
}

fn write_scheme(aor: &Uri<'_>, uri: &mut Vec<u8>) {
    uri.extend_from_slice(if aor.scheme == Scheme::Sips { b"sips:" } else { b"sip:" });
}

fn write_host(aor: &Uri<'_>, uri: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match aor.port {
        Some(port) => write!(uri, "{}:{port}", aor.host),
        None => write!(uri, "{}", aor.host),
    };
}

/// The instance without angle brackets.
fn bare(instance: &[u8]) -> &[u8] {
    let instance = grammar::trim(instance);
    match instance {
        [b'<', inner @ .., b'>'] => inner,
        bare => bare,
    }
}

/// What the user part of a temporary GRUU starts with.
const PREFIX: &[u8] = b"tgruu.";

//! Addresses of record.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// An address of record, in the one form that its owner has chosen for it; cheap to clone.
///
/// Which addresses are the same one is policy (with no `domain` set, every host is local), so the bytes are compared as
/// they are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Arc<[u8]>);

impl Aor {
    /// The address of record with that name.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Aor(Arc::from(name.as_ref()))
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Aor {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Aor {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aor({self})")
    }
}

//! `a=setup`: who begins the DTLS handshake.

use std::fmt;

/// The value of `a=setup` ([RFC 4145 §4], for DTLS [RFC 8842 §5]).
///
/// [RFC 4145 §4]: https://www.rfc-editor.org/rfc/rfc4145#section-4
/// [RFC 8842 §5]: https://www.rfc-editor.org/rfc/rfc8842#section-5
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The writer takes either role; the answer chooses.
    ActPass,
    /// The writer is the DTLS client.
    Active,
    /// The writer is the DTLS server.
    Passive,
    /// No connection for the time being; not usable with DTLS.
    HoldConn,
}

impl Setup {
    /// The value as it is written.
    pub const fn value(self) -> &'static str {
        match self {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::HoldConn => "holdconn",
        }
    }

    /// Reads a value, in any case of letters.
    pub(super) fn from_value(value: &str) -> Option<Self> {
        [Setup::ActPass, Setup::Active, Setup::Passive, Setup::HoldConn]
            .into_iter()
            .find(|setup| setup.value().eq_ignore_ascii_case(value))
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value())
    }
}

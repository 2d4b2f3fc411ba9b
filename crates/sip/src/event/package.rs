//! The event packages of which there are documents here.

use std::time::Duration;

/// An event package ([RFC 6665 §7.2]).
///
/// [RFC 6665 §7.2]: https://www.rfc-editor.org/rfc/rfc6665#section-7.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Package {
    /// Whether somebody can be reached ([RFC 3856](https://www.rfc-editor.org/rfc/rfc3856)).
    Presence,
    /// The calls of somebody ([RFC 4235](https://www.rfc-editor.org/rfc/rfc4235)).
    Dialog,
    /// What waits in a mailbox ([RFC 3842](https://www.rfc-editor.org/rfc/rfc3842)).
    MessageSummary,
    /// The contacts of an address of record ([RFC 3680](https://www.rfc-editor.org/rfc/rfc3680)).
    Reg,
    /// Who watches the presence of somebody ([RFC 3857](https://www.rfc-editor.org/rfc/rfc3857)).
    PresenceWinfo,
}

impl Package {
    /// Every package.
    pub const ALL: [Package; 5] =
        [Package::Presence, Package::Dialog, Package::MessageSummary, Package::Reg, Package::PresenceWinfo];

    /// The package of that name; event packages are compared case by case (RFC 6665 §8.2.1).
    pub fn parse(name: &[u8]) -> Option<Package> {
        Package::ALL.into_iter().find(|package| package.name().as_bytes() == name)
    }

    /// Its name in an Event header field.
    pub const fn name(self) -> &'static str {
        match self {
            Package::Presence => "presence",
            Package::Dialog => "dialog",
            Package::MessageSummary => "message-summary",
            Package::Reg => "reg",
            Package::PresenceWinfo => "presence.winfo",
        }
    }

    /// The type of its documents.
    pub const fn content_type(self) -> &'static str {
        match self {
            Package::Presence => "application/pidf+xml",
            Package::Dialog => "application/dialog-info+xml",
            Package::MessageSummary => "application/simple-message-summary",
            Package::Reg => "application/reginfo+xml",
            Package::PresenceWinfo => "application/watcherinfo+xml",
        }
    }

    /// The package that tells who watches this one (RFC 3857 §4.1), where there is one.
    pub const fn watcher_information(self) -> Option<Package> {
        match self {
            Package::Presence => Some(Package::PresenceWinfo),
            _ => None,
        }
    }

    /// Whether its documents are for nobody but whom they are about.
    pub const fn is_private(self) -> bool {
        matches!(self, Package::MessageSummary | Package::Reg | Package::PresenceWinfo)
    }

    /// The least time between two NOTIFYs that nobody asked for: RFC 3856 §6.10, RFC 4235 §3.10, RFC 3842 §3.10,
    /// RFC 3680 §4.10, RFC 3857 §4.10.
    pub const fn interval(self) -> Duration {
        match self {
            Package::Presence | Package::Reg | Package::PresenceWinfo => Duration::from_secs(5),
            Package::Dialog | Package::MessageSummary => Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_by_its_name_alone() {
        for package in Package::ALL {
            assert_eq!(Package::parse(package.name().as_bytes()), Some(package));
        }
        for name in ["Presence", "presence.winfo.winfo", "dialog.winfo", "refer", ""] {
            assert_eq!(Package::parse(name.as_bytes()), None, "{name}");
        }
    }
}

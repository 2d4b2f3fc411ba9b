//! What is done differently with header fields towards one kind of peer: passed, dropped or set.
//!
//! A name is normalised once, when the table is made: in any case of letters, and in its compact form, it is the same
//! name. What names a dialog, a hop, a capability, an identity or a body is the exchange's own and in no table.

use std::sync::Arc;

use ringback_sip::message::Name;

use crate::call::headers::{Class, class_of, class_of_other};

/// The table of each kind of peer. There are only users so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderTables {
    /// That of the phones of users.
    pub users: Arc<PeerTable>,
}

/// The header fields of what is sent to one kind of peer, where they differ from the table of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerTable {
    pass: Vec<HeaderName>,
    drop: Vec<HeaderName>,
    set: Vec<(HeaderName, String)>,
    asserts_identity: bool,
}

/// A header field name that a table may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderName {
    /// One that the project knows.
    Known(Name),
    /// Another one, in lower case.
    Other(Box<str>),
}

/// A header field that is the exchange's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is written by the exchange itself; name a header field that passes from one party to the other")]
pub struct FixedHeader(pub String);

/// Why a table cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// No name at all.
    #[error("`{0}` is no header field name; write it as in `X-Ticket`")]
    NotAName(String),
    /// Not for a table.
    #[error(transparent)]
    Fixed(#[from] FixedHeader),
    /// A value that would end the line.
    #[error("the value of {0} has a control character in it; write it as one line")]
    BadValue(String),
    /// In two lists at once.
    #[error("{0} stands in `pass` and in `drop`; keep it in one of them")]
    Contradiction(String),
}

impl HeaderName {
    /// The name that the text spells.
    pub fn parse(text: &str) -> Result<HeaderName, InvalidHeader> {
        let is_name = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte));
        if !is_name {
            return Err(InvalidHeader::NotAName(text.to_owned()));
        }
        let (name, class) = match Name::parse(text.as_bytes()) {
            Name::Other => {
                let lower = text.to_ascii_lowercase();
                let class = class_of_other(lower.as_bytes());
                (HeaderName::Other(lower.into()), class)
            }
            known => (HeaderName::Known(known), class_of(known)),
        };
        if class.is_fixed() {
            let written = match &name {
                HeaderName::Known(known) => known.as_str().to_owned(),
                HeaderName::Other(_) => text.to_owned(),
            };
            return Err(FixedHeader(written).into());
        }
        Ok(name)
    }

    /// Whether a header line has this name.
    pub(crate) fn is(&self, known: Name, raw: &[u8]) -> bool {
        match self {
            HeaderName::Known(own) => *own == known,
            HeaderName::Other(own) => known == Name::Other && raw.eq_ignore_ascii_case(own.as_bytes()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            HeaderName::Known(known) => known.as_bytes(),
            HeaderName::Other(other) => other.as_bytes(),
        }
    }
}

impl PeerTable {
    /// A table of names as they are written in a configuration.
    pub fn new<'t>(
        pass: impl IntoIterator<Item = &'t str>,
        drop: impl IntoIterator<Item = &'t str>,
        set: impl IntoIterator<Item = (&'t str, &'t str)>,
        asserts_identity: bool,
    ) -> Result<PeerTable, InvalidHeader> {
        let pass = pass.into_iter().map(HeaderName::parse).collect::<Result<Vec<_>, _>>()?;
        let drop = drop.into_iter().map(HeaderName::parse).collect::<Result<Vec<_>, _>>()?;
        if let Some(both) = pass.iter().find(|name| drop.contains(name)) {
            let name = String::from_utf8_lossy(both.as_bytes()).into_owned();
            return Err(InvalidHeader::Contradiction(name));
        }
        let set = set.into_iter().map(|(name, value)| {
            let parsed = HeaderName::parse(name)?;
            if value.chars().any(char::is_control) {
                return Err(InvalidHeader::BadValue(name.to_owned()));
            }
            Ok((parsed, value.to_owned()))
        });
        Ok(PeerTable { pass, drop, set: set.collect::<Result<_, _>>()?, asserts_identity })
    }

    /// Whether P-Asserted-Identity is written: the peer is within our trust domain (RFC 3325 §2.3).
    pub fn asserts_identity(&self) -> bool {
        self.asserts_identity
    }

    /// Whether a line passes, where the table of all says that it does or does not.
    pub(crate) fn passes(&self, known: Name, raw: &[u8], by_default: bool) -> bool {
        let has = |names: &[HeaderName]| names.iter().any(|name| name.is(known, raw));
        let is_set = self.set.iter().any(|(name, _)| name.is(known, raw));
        !is_set && !has(&self.drop) && (by_default || has(&self.pass))
    }

    /// What is written in place of whatever came.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.set.iter().map(|(name, value)| (name.as_bytes(), value.as_str()))
    }
}

impl Class {
    /// Whether no table can change what becomes of it.
    fn is_fixed(self) -> bool {
        !matches!(
            self,
            Class::InRequests
                | Class::InResponses
                | Class::Both
                | Class::Alerting
                | Class::Private
                | Class::Product
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_every_spelling() {
        let subject = HeaderName::Known(Name::Subject);
        for text in ["Subject", "SUBJECT", "s", "S"] {
            assert_eq!(HeaderName::parse(text), Ok(subject.clone()), "{text}");
        }
        assert_eq!(HeaderName::parse("X-Ticket"), HeaderName::parse("x-tICKET"));
        let ticket = HeaderName::parse("X-Ticket").unwrap();
        assert!(ticket.is(Name::Other, b"x-TICKET") && !ticket.is(Name::Other, b"X-Ticket2"));
    }

    #[test]
    fn what_is_the_exchanges_own_is_in_no_table() {
        for text in
            ["From", "v", "Content-Length", "P-Asserted-Identity", "Privacy", "x-ringback-trunk", "Supported"]
        {
            let refused = PeerTable::new([text], [], [], false).unwrap_err();
            assert!(matches!(refused, InvalidHeader::Fixed(_)), "{text}: {refused}");
            assert!(PeerTable::new([], [], [(text, "x")], false).is_err(), "{text}");
        }
        for text in ["", "X Y", "X:", "X\r\nY"] {
            assert!(matches!(HeaderName::parse(text), Err(InvalidHeader::NotAName(_))), "{text}");
        }
        assert!(PeerTable::new([], [], [("X-A", "b\r\nFrom: c")], false).is_err());
        assert!(PeerTable::new(["X-A"], ["x-a"], [], false).is_err());
        assert!(
            PeerTable::new(["Alert-Info", "P-Early-Media"], ["Organization"], [("User-Agent", "x")], true)
                .is_ok()
        );
    }
}

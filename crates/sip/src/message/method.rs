//! Request methods.

use std::fmt;
use std::sync::Arc;

use crate::grammar;

/// A request method ([RFC 3261 §7.1] and the RFCs that add to it); the comparison is case-sensitive.
///
/// [RFC 3261 §7.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.1
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Info,
    Prack,
    Subscribe,
    Notify,
    Publish,
    Message,
    Refer,
    Update,
    /// A method that we only pass on.
    Other(Token),
}

impl Method {
    /// Reads a method; `None` when the bytes are not a token.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"INFO" => Method::Info,
            b"PRACK" => Method::Prack,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"PUBLISH" => Method::Publish,
            b"MESSAGE" => Method::Message,
            b"REFER" => Method::Refer,
            b"UPDATE" => Method::Update,
            other => Method::Other(Token::parse(other)?),
        })
    }

    /// The method as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Info => "INFO",
            Method::Prack => "PRACK",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Publish => "PUBLISH",
            Method::Message => "MESSAGE",
            Method::Refer => "REFER",
            Method::Update => "UPDATE",
            Method::Other(token) => token.as_str(),
        }
    }

    /// The method as it stands on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token of the grammar, kept: cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Arc<str>);

impl Token {
    /// Keeps the bytes when they are a token.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if !grammar::is_token(bytes) {
            return None;
        }
        Some(Token(Arc::from(std::str::from_utf8(bytes).ok()?)))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_tokens() {
        assert_eq!(Method::parse(b"INVITE"), Some(Method::Invite));
        assert_eq!(Method::parse(b"invite").unwrap().as_str(), "invite");
        assert_ne!(Method::parse(b"invite"), Some(Method::Invite));
        assert_eq!(Method::parse(b"!odd.%45~"), Method::parse(b"!odd.%45~"));
        assert_eq!(Method::parse(b"NO SPACE"), None);
        assert_eq!(Method::parse(b""), None);
    }

    #[test]
    fn every_known_method_reads_what_it_writes() {
        for name in [
            "INVITE",
            "ACK",
            "BYE",
            "CANCEL",
            "REGISTER",
            "OPTIONS",
            "INFO",
            "PRACK",
            "SUBSCRIBE",
            "NOTIFY",
            "PUBLISH",
            "MESSAGE",
            "REFER",
            "UPDATE",
        ] {
            let method = Method::parse(name.as_bytes()).unwrap();
            assert!(!matches!(method, Method::Other(_)), "{name}");
            assert_eq!(method.as_str(), name);
        }
    }
}

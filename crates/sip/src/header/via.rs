//! Via ([RFC 3261 §20.42], RFC 3581).
//!
//! [RFC 3261 §20.42]: https://www.rfc-editor.org/rfc/rfc3261#section-20.42

use std::net::IpAddr;

use super::{Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;
use crate::uri::{Host, host_and_port};

/// One Via value: how a request came a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport token, such as `UDP` or `WSS`.
    pub transport: &'a [u8],
    /// The host of sent-by.
    pub host: Host<'a>,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// Host and port as they stand.
    pub sent_by: &'a [u8],
    /// The whole value as it stands.
    pub raw: &'a [u8],
}

impl<'a> Via<'a> {
    /// What a branch starts with when it is unique over space and time ([RFC 3261 §8.1.1.7]).
    ///
    /// [RFC 3261 §8.1.1.7]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.7
    pub const MAGIC_COOKIE: &'static [u8] = b"z9hG4bK";

    /// Reads one value; [`Values`](super::Values) cuts a line into them.
    pub fn parse(raw: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |fault| HeaderError::new(Name::Via, fault);
        let raw = grammar::trim(raw);
        let (protocol, rest) = token_and_slash(raw).ok_or(error(Fault::Malformed))?;
        let (_version, rest) = token_and_slash(rest).ok_or(error(Fault::Malformed))?;
        let (transport, rest) = grammar::take_while(rest, grammar::is_token_byte);
        let sent_by_and_params = grammar::trim_start(rest);
        if !protocol.eq_ignore_ascii_case(b"SIP")
            || transport.is_empty()
            || sent_by_and_params.len() == rest.len()
        {
            return Err(error(Fault::Malformed));
        }
        let (sent_by, params) = grammar::take_while(sent_by_and_params, |byte| byte != b';');
        let sent_by = grammar::trim_end(sent_by);
        let (host, port) = host_and_port(sent_by).ok_or(error(Fault::Malformed))?;
        let params = Params::parse(params).map_err(error)?;
        Ok(Via { transport, host, port, params, sent_by, raw })
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.get(b"branch").flatten()
    }

    /// The branch when it is unique by itself: the magic cookie and something after it.
    pub fn unique_branch(&self) -> Option<&'a [u8]> {
        self.branch().filter(|branch| {
            branch.len() > Self::MAGIC_COOKIE.len() && branch.starts_with(Self::MAGIC_COOKIE)
        })
    }

    /// The `received` parameter; IPv6 with or without brackets.
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.get(b"received").flatten()?;
        match value {
            [b'[', ..] => Host::parse(value)?.ip(),
            _ => std::str::from_utf8(value).ok()?.parse().ok(),
        }
    }

    /// The `rport` parameter ([RFC 3581]): `Some(None)` asks for the port, `Some(Some(_))` tells it.
    ///
    /// [RFC 3581]: https://www.rfc-editor.org/rfc/rfc3581
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get(b"rport")?;
        Some(value.and_then(|digits| grammar::number(digits).ok()).and_then(|port| u16::try_from(port).ok()))
    }
}

/// `token SLASH` with white space around the slash.
fn token_and_slash(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (token, rest) = grammar::take_while(bytes, grammar::is_token_byte);
    let rest = grammar::trim_start(rest).strip_prefix(b"/")?;
    (!token.is_empty()).then_some((token, grammar::trim_start(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_and_phone() {
        let via = Via::parse(b"SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks").unwrap();
        assert_eq!((via.transport, via.port), (&b"WSS"[..], None));
        assert_eq!(via.host, Host::Name(b"df7jal23ls0d.invalid"));
        assert_eq!(via.unique_branch(), Some(&b"z9hG4bK56sdasks"[..]));
        assert_eq!((via.received(), via.rport()), (None, None));

        let via = Via::parse(b"SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK").unwrap();
        assert_eq!((via.sent_by, via.port, via.rport()), (&b"192.0.2.1:5070"[..], Some(5070), Some(None)));
        assert_eq!(via.unique_branch(), None);
    }

    #[test]
    fn white_space_wherever_the_grammar_has_it() {
        let via =
            Via::parse(b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5 ; branch =\r\n 390skdjuw ; rport=7")
                .unwrap();
        assert_eq!((via.transport, via.port), (&b"UDP"[..], Some(5)));
        assert_eq!((via.branch(), via.rport()), (Some(&b"390skdjuw"[..]), Some(Some(7))));
    }

    #[test]
    fn received_with_and_without_brackets() {
        for value in ["2001:db8::9:255", "[2001:db8::9:255]"] {
            let text = format!("SIP/2.0/UDP [2001:db8::9:1];received={value};branch=z9hG4bKas3");
            let via = Via::parse(text.as_bytes()).unwrap();
            assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        }
    }

    #[test]
    fn malformed() {
        for value in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 192.0.2.1",
            "HTTP/2.0/UDP 192.0.2.1",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP host:99999",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP a b",
        ] {
            assert!(Via::parse(value.as_bytes()).is_err(), "{value}");
        }
    }
}

//! Who calls, as the people called see it ([RFC 3323], [RFC 3325]).
//!
//! The identity is that of the credentials; what a phone says of itself counts where it says the same. A caller that
//! asks for privacy (`id`, `user` or `header`) is anonymous to every callee; that our Contact, Via, Call-ID and media
//! addresses tell nothing of the caller holds for every call. The record of the call keeps who it was.
//!
//! Left out: privacy of the callee in responses, of who is called and then transferred, and of instant messages;
//! `Privacy: history`.
//!
//! [RFC 3323]: https://www.rfc-editor.org/rfc/rfc3323
//! [RFC 3325]: https://www.rfc-editor.org/rfc/rfc3325

use ringback_sip::header::Address;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::uri::Uri;

use super::setup::sip_uri;
use crate::ask::User;
use crate::header_tables::PeerTable;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user part of the AOR.
    user: String,
    /// The name to show; may be empty.
    display: String,
    privacy: Privacy,
}

/// Whether the callees may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privacy {
    /// The caller asked for none, or for nothing.
    Shown,
    Hidden,
}

impl Identity {
    /// Who an authenticated INVITE is from.
    pub fn of(caller: &User, invite: &Message) -> Self {
        let is_hiding = |value: &[u8]| {
            value.split(|&byte| byte == b';').any(|word| {
                [&b"id"[..], b"user", b"header"]
                    .iter()
                    .any(|kind| kind.eq_ignore_ascii_case(word.trim_ascii()))
            })
        };
        let privacy =
            if invite.headers(Name::Privacy).any(is_hiding) { Privacy::Hidden } else { Privacy::Shown };
        Identity { user: caller.name.clone(), display: display_name(caller, invite), privacy }
    }

    /// A user who has said nothing of itself.
    pub fn of_user(user: &str) -> Self {
        Identity { user: user.to_owned(), display: String::new(), privacy: Privacy::Shown }
    }

    /// Whether the callees may not know who it is.
    pub fn is_hidden(&self) -> bool {
        self.privacy == Privacy::Hidden
    }

    /// The From of the INVITE of a branch.
    pub fn as_from(&self, host: &str, tag: &str) -> String {
        match self.privacy {
            Privacy::Shown => from_value(&self.display, &self.user, host, tag),
            // RFC 3323 §4.1.1.3: the address is not one that anybody has.
            Privacy::Hidden => format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag={tag}"),
        }
    }

    /// Asserts the identity to a peer within our trust domain. A caller that hides is asserted to nobody: users are
    /// where the domain ends, and there are no other peers.
    pub fn assert(&self, request: Builder, host: &str, table: &PeerTable) -> Builder {
        if !table.asserts_identity() || self.is_hidden() {
            return request;
        }
        request.header(Name::PAssertedIdentity, address(&self.display, &sip_uri(&self.user, host)))
    }
}

/// The name to show: what the store knows, else what the caller says of itself; may be empty.
pub(crate) fn display_name(caller: &User, request: &Message) -> String {
    let own = || preferred(caller, request).or_else(|| display_of(request.from().ok()?));
    caller.display.clone().or_else(own).unwrap_or_default()
}

/// A From header field value.
pub(crate) fn from_value(display: &str, user: &str, host: &str, tag: &str) -> String {
    address(display, &sip_uri(user, host)) + ";tag=" + tag
}

/// The name in a P-Preferred-Identity that is an identity of the caller (RFC 3325 §6).
fn preferred(caller: &User, invite: &Message) -> Option<String> {
    let is_own = |address: &Address<'_>| {
        let user =
            Uri::parse(address.uri).ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        user.as_deref() == Some(caller.name.as_bytes())
    };
    invite
        .values(Name::PPreferredIdentity)
        .filter_map(|value| Address::parse(value).ok())
        .find(is_own)
        .and_then(display_of)
}

fn display_of(address: Address<'_>) -> Option<String> {
    let display = String::from_utf8_lossy(&address.display_unquoted()).into_owned();
    Some(display).filter(|display| !display.is_empty())
}

/// An address with its name, quoted as RFC 3261 §25.1 asks.
fn address(display: &str, uri: &str) -> String {
    if display.is_empty() {
        return format!("<{uri}>");
    }
    let quoted: String = display
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_DISPLAY)
        .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    format!("\"{quoted}\" <{uri}>")
}

/// Characters of a name that are shown.
const MAX_DISPLAY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(user: &str, display: &str) -> String {
        let identity =
            Identity { user: user.to_owned(), display: display.to_owned(), privacy: Privacy::Shown };
        identity.as_from("example.org", "1")
    }

    #[test]
    fn a_display_name_cannot_break_out_of_its_quotes() {
        let value = shown("alice", "Al \"the\r\nX: y\" \\");
        assert_eq!(value, r#""Al \"theX: y\" \\" <sip:alice@example.org>;tag=1"#);
        assert_eq!(shown("alice", ""), "<sip:alice@example.org>;tag=1");
    }

    #[test]
    fn a_user_cannot_break_out_of_its_address() {
        assert_eq!(shown("a@b>,<sip:c", ""), "<sip:a%40b%3E,%3Csip%3Ac@example.org>;tag=1");
    }
}

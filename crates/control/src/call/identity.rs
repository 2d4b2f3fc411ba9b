//! Who calls, as the people called see it, and who has answered, as the caller sees it ([RFC 3323], [RFC 3325]).
//!
//! The identity is that of the credentials, or of the registration that was called; what a phone says of itself
//! counts where it says the same. A caller that asks for privacy (`id`, `user` or `header`) is anonymous to every
//! callee; that our Contact, Via, Call-ID and media addresses tell nothing of the caller holds for every call. The
//! record of the call keeps who it was.
//!
//! A caller is told in P-Asserted-Identity which user rings and which one has answered ([`Exchange::connected`]): it
//! may be another one than was dialled. A callee that asks for privacy in a response is not asserted, from that
//! response on, until another one says `none`; nor is anybody who was reached by a temporary GRUU, which is made to
//! tell nothing of its user.
//!
//! A phone that picks a call up, or takes it over, is told the same of whom it talks to.
//!
//! Left out: privacy of instant messages, and what parties are told of each other after a transfer (RFC 4916).
//!
//! [RFC 3323]: https://www.rfc-editor.org/rfc/rfc3323
//! [RFC 3325]: https://www.rfc-editor.org/rfc/rfc3325

use ringback_media::session::LegKey;
use ringback_sip::header::Address;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::uri::Uri;

use super::setup::sip_uri;
use super::{Call, Leg, Signalling};
use crate::ask::User;
use crate::exchange::Exchange;
use crate::header_tables::PeerTable;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user part of the AOR.
    user: String,
    /// The name to show; may be empty.
    display: String,
    privacy: Privacy,
    /// Whether the callees may know by whom the call came to them.
    history: Privacy,
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
        Identity {
            user: caller.name.clone(),
            display: display_name(caller, invite),
            privacy: Privacy::asked(invite, &IDENTITY).unwrap_or(Privacy::Shown),
            history: Privacy::asked(invite, &HISTORY).unwrap_or(Privacy::Shown),
        }
    }

    /// A party of a call. Only who has called has said how it is named.
    pub fn of_party(call: &Call, leg: &Leg) -> Self {
        if leg.key == call.caller.key {
            return (*call.identity).clone();
        }
        let privacy = if leg.is_hidden { Privacy::Hidden } else { Privacy::Shown };
        Identity { user: leg.aor.clone(), display: String::new(), privacy, history: Privacy::Shown }
    }

    /// Whether the callees may not know who it is.
    pub fn is_hidden(&self) -> bool {
        self.privacy == Privacy::Hidden
    }

    /// Whether the callees may not know by whom the call came to them (RFC 7044 §10.1).
    pub fn hides_history(&self) -> bool {
        self.history == Privacy::Hidden
    }

    /// The From of the INVITE of a branch.
    pub fn as_from(&self, host: &str, tag: &str) -> String {
        match self.privacy {
            Privacy::Shown => from_value(&self.display, &self.user, host, tag),
            // RFC 3323 §4.1.1.3: the address is not one that anybody has.
            Privacy::Hidden => format!("{};tag={tag}", anonymous()),
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

impl Privacy {
    /// What a message asks for by a word of these; `None` when it does not speak of privacy.
    fn asked(message: &Message, words: &[&[u8]]) -> Option<Privacy> {
        let is_hidden = message.headers(Name::Privacy).any(|value| has_word(value, words));
        message.has(Name::Privacy).then_some(if is_hidden { Privacy::Hidden } else { Privacy::Shown })
    }
}

/// Whether the sender of a message wants to be anonymous; `None` when it does not speak of privacy.
pub(crate) fn asks_to_hide(message: &Message) -> Option<bool> {
    Privacy::asked(message, &IDENTITY).map(|privacy| privacy == Privacy::Hidden)
}

/// Whether the value of a Privacy header field asks that nobody be named by whom the call came.
pub(super) fn asks_to_hide_history(value: &[u8]) -> bool {
    has_word(value, &HISTORY)
}

fn has_word(value: &[u8], words: &[&[u8]]) -> bool {
    value
        .split(|&byte| byte == b';')
        .any(|word| words.iter().any(|known| known.eq_ignore_ascii_case(word.trim_ascii())))
}

/// Whether a request is for a device whose user its sender does not know.
pub(super) fn is_to_temporary_gruu(request: &Message) -> bool {
    Uri::parse(request.request_uri()).is_ok_and(|uri| uri.params.get(b"gr") == Some(None))
}

impl Leg {
    /// Takes note of what a response of the leg says of privacy (RFC 3323 §4.2).
    pub fn note_privacy(&mut self, response: &Message) {
        if let Some(hides) = asks_to_hide(response) {
            self.is_hidden = hides;
            self.hides_history = response.headers(Name::Privacy).any(asks_to_hide_history);
        }
    }
}

impl Exchange {
    /// The P-Asserted-Identity of leg `key` for the caller (RFC 3325 §5); `None` when there is nobody to tell of, or
    /// nobody who wants to be known. The name is what its response says, where it speaks of the same user.
    pub(super) fn connected(&self, call: &Call, key: LegKey, response: Option<&Message>) -> Option<String> {
        let Signalling::Invited { invite, .. } = &call.caller.signalling else { return None };
        let leg = call.leg(key).filter(|leg| leg.key != call.caller.key && !leg.is_hidden)?;
        if is_to_temporary_gruu(invite) {
            return None;
        }
        let display = response.and_then(|response| preferred(&leg.aor, response)).unwrap_or_default();
        Some(address(&display, &sip_uri(&leg.aor, &self.identity_host(&call.caller.flow))))
    }

    /// The same for a phone that comes into a call, of the leg that it talks to.
    pub(super) fn connected_newcomer(&self, call: &Call, newcomer: LegKey, other: LegKey) -> Option<String> {
        let host = self.identity_host(&call.leg(newcomer)?.flow);
        let Identity { user, display, privacy, .. } = Identity::of_party(call, call.leg(other)?);
        (privacy == Privacy::Shown).then(|| address(&display, &sip_uri(&user, &host)))
    }
}

/// The name to show: what the store knows, else what the caller says of itself; may be empty.
pub(crate) fn display_name(caller: &User, request: &Message) -> String {
    let own = || preferred(&caller.name, request).or_else(|| display_of(request.from().ok()?));
    caller.display.clone().or_else(own).unwrap_or_default()
}

/// A From header field value.
pub(crate) fn from_value(display: &str, user: &str, host: &str, tag: &str) -> String {
    address(display, &sip_uri(user, host)) + ";tag=" + tag
}

/// The name in a P-Preferred-Identity that is an identity of the user (RFC 3325 §6); a phone that asserts itself means
/// the same by it (RFC 5876).
fn preferred(user: &str, message: &Message) -> Option<String> {
    let is_own = |address: &Address<'_>| {
        let named =
            Uri::parse(address.uri).ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        named.as_deref() == Some(user.as_bytes())
    };
    message
        .values(Name::PPreferredIdentity)
        .chain(message.values(Name::PAssertedIdentity))
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

/// An address that nobody has (RFC 3323 §4.1.1.3), with the name that goes with it.
pub(super) fn anonymous() -> String {
    address("Anonymous", ANONYMOUS)
}

/// The URI of an address that nobody has (RFC 3323 §4.1.1.3).
pub(crate) const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// The words of Privacy that hide who somebody is.
const IDENTITY: [&[u8]; 3] = [b"id", b"user", b"header"];

/// The words of Privacy that hide by whom a call came (RFC 7044 §10.1.1).
const HISTORY: [&[u8]; 3] = [b"history", b"header", b"session"];

/// Characters of a name that are shown.
const MAX_DISPLAY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(user: &str, display: &str) -> String {
        let identity = Identity {
            user: user.to_owned(),
            display: display.to_owned(),
            privacy: Privacy::Shown,
            history: Privacy::Shown,
        };
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

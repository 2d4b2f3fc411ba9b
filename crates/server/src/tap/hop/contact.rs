//! The Contact of a browser, as its server can reach it, and back.
//!
//! A GRUU ([RFC 5627]) in a Contact is rewritten like any other: its `gr` stays, and not every server finds the flow of a
//! GRUU within a dialog.
//!
//! [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627

use std::collections::VecDeque;
use std::net::SocketAddr;

use ringback_sansio::Transport;
use ringback_sip::header::{Address, Values};
use ringback_sip::message::{Edit, Message, Name};
use ringback_sip::uri::Uri;

/// Contacts that are remembered of one browser: a phone has one or two.
const MOST: usize = 16;

/// The user part, and the device of a GRUU.
type Key = (Vec<u8>, Vec<u8>);

/// The contacts of one browser.
#[derive(Debug)]
pub(super) struct Contacts {
    local: SocketAddr,
    transport: Transport,
    /// What each is known by, with its URI as the browser wrote it.
    known: VecDeque<(Key, Vec<u8>)>,
}

impl Contacts {
    /// None so far; `local` is where the browser is to be reached.
    pub(super) fn new(local: SocketAddr, transport: Transport) -> Self {
        Contacts { local, transport, known: VecDeque::new() }
    }

    /// Writes our address into every Contact of a message of the browser.
    pub(super) fn rewrite(&mut self, message: &Message, edit: &mut Edit<'_>) {
        each_contact(message, edit, |uri| {
            let ours = self.ours(uri)?;
            self.remember(uri);
            Some(ours)
        });
    }

    /// Turns our address back into the browser's, in the Request-URI and in every Contact.
    pub(super) fn restore(&self, message: &Message, edit: &mut Edit<'_>) {
        if let Some(uri) = self.theirs(message.request_uri()) {
            edit.set_request_uri(uri);
        }
        each_contact(message, edit, |uri| self.theirs(uri.raw).map(<[u8]>::to_vec));
    }

    fn ours(&self, uri: &Uri<'_>) -> Option<Vec<u8>> {
        if !uri.is_sip() {
            return None;
        }
        let scheme = uri.raw.split(|&byte| byte == b':').next()?;
        let mut ours = [scheme, b":"].concat();
        if let Some(user) = uri.user {
            ours.extend_from_slice(user);
            ours.push(b'@');
        }
        ours.extend_from_slice(self.local.to_string().as_bytes());
        for param in uri.params.iter().filter(|param| !param.name.eq_ignore_ascii_case(b"transport")) {
            ours.extend_from_slice(param.raw);
        }
        ours.extend_from_slice(b";transport=");
        ours.extend_from_slice(self.transport.token().to_ascii_lowercase().as_bytes());
        Some(ours)
    }

    /// The URI of the browser that a URI of ours stands for.
    fn theirs(&self, raw: &[u8]) -> Option<&[u8]> {
        let uri = Uri::parse(raw).ok().filter(Uri::is_sip)?;
        if uri.host.ip() != Some(self.local.ip()) || uri.port != Some(self.local.port()) {
            return None;
        }
        let key = key(&uri);
        self.known.iter().find(|(known, _)| *known == key).map(|(_, theirs)| &theirs[..])
    }

    fn remember(&mut self, uri: &Uri<'_>) {
        let key = key(uri);
        self.known.retain(|(known, _)| *known != key);
        self.known.push_front((key, uri.raw.to_vec()));
        self.known.truncate(MOST);
    }
}

fn key(uri: &Uri<'_>) -> Key {
    let device = uri.params.get(b"gr").flatten().unwrap_or_default();
    (uri.user.unwrap_or_default().to_vec(), device.to_vec())
}

/// Replaces the URI of each Contact for which there is another one; the rest of the line stays as it stands.
fn each_contact(
    message: &Message,
    edit: &mut Edit<'_>,
    mut replace: impl FnMut(&Uri<'_>) -> Option<Vec<u8>>,
) {
    for (nth, line) in message.headers(Name::Contact).enumerate() {
        let mut new = Vec::with_capacity(line.len() + 32);
        let mut copied = 0;
        for value in Values::new(line) {
            let Ok(address) = Address::parse(value) else { continue };
            let Ok(uri) = Uri::parse(address.uri) else { continue };
            let Some(other) = replace(&uri) else { continue };
            let start = address.uri.as_ptr().addr().saturating_sub(line.as_ptr().addr());
            new.extend_from_slice(line.get(copied..start).unwrap_or_default());
            // Without angle brackets the parameters of a URI would be those of the header.
            let is_bare = start.checked_sub(1).and_then(|before| line.get(before)) != Some(&b'<');
            new.extend_from_slice(if is_bare { b"<" } else { b"" });
            new.extend_from_slice(&other);
            new.extend_from_slice(if is_bare { b">" } else { b"" });
            copied = start + address.uri.len();
        }
        if copied > 0 {
            new.extend_from_slice(line.get(copied..).unwrap_or_default());
            edit.replace_nth(Name::Contact, nth, &new);
        }
    }
}

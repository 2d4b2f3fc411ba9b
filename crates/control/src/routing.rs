//! Where an INVITE goes: to a number that the exchange answers, or to the contacts of a local user.
//!
//! What users have set about their calls is in [`crate::call::divert`], the order of contacts in [`crate::call::hunt`].

use std::net::IpAddr;
use std::sync::Arc;

use ringback_media::insert::ConferenceKey;
use ringback_sansio::Flow;
use ringback_sip::message::Message;
use ringback_sip::uri::Uri;

use crate::call::divert::Diversion;
use crate::call::hunt::Groups;
use crate::call::playing::Number;
use crate::call::refused::CallRefused;
use crate::devices::Addressee;
use crate::exchange::Exchange;
use crate::features::Code;
use crate::settings::Settings;

/// Where a call goes.
#[derive(Debug)]
pub(crate) enum Destination {
    /// The caller hears itself.
    Echo,
    /// The caller is with the others in a conference.
    Conference(ConferenceKey),
    /// The caller hears something.
    Hear(Number),
    /// The exchange does something for the caller.
    Code(Code),
    /// The target set.
    Targets {
        /// Whose contacts they are.
        user: String,
        groups: Groups,
        /// How the call came to be for that user.
        steps: Arc<[Diversion]>,
    },
    /// A user who is not signed in, if there is one of that name.
    Absent {
        /// The user part of the Request-URI, or who the call was forwarded to.
        user: String,
        is_forwarded: bool,
    },
}

/// The numbers that the exchange answers by itself as an echo.
pub(crate) const ECHO: [&str; 2] = ["echo", "*43"];

impl Exchange {
    /// The destination of a caller's INVITE.
    pub(crate) fn route(
        &self,
        caller: &str,
        flow: Flow,
        invite: &Message,
    ) -> Result<Destination, CallRefused> {
        let uri = self.uri_of_ours(invite, flow)?;
        match self.addressee(&uri)? {
            Addressee::Device { user, bindings } => self.destination_of_device(user, &bindings, caller, flow),
            Addressee::User(user) => match Code::parse(&user) {
                Some(code) => Ok(Destination::Code(code)),
                None => self.destination_of(&user, caller, flow, &[]),
            },
        }
    }

    /// The Request-URI of a request for a domain of ours (RFC 3261 §8.2.2.1).
    pub(crate) fn uri_of_ours<'m>(&self, request: &'m Message, flow: Flow) -> Result<Uri<'m>, CallRefused> {
        let uri = Uri::parse(request.request_uri()).map_err(|_| CallRefused::BadUri)?;
        if !uri.is_sip() {
            return Err(CallRefused::Scheme);
        }
        if !self.is_local(&uri, flow) {
            return Err(CallRefused::Domain);
        }
        Ok(uri)
    }

    /// Whether the URI's host is ours. Without a domain, every host is.
    pub(crate) fn is_local(&self, uri: &Uri<'_>, flow: Flow) -> bool {
        let domains = &self.settings.domains;
        if domains.is_empty() {
            return true;
        }
        if let Some(address) = uri.host.ip() {
            let Settings { public_addresses, own_addresses, .. } = &self.settings;
            return address == flow.local().ip()
                || public_addresses.contains(&address)
                || own_addresses.contains(&address);
        }
        let name = uri.host.name().unwrap_or_default();
        domains.iter().any(|domain| domain.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// What was dialled, for the record.
pub(crate) fn dialled(invite: &Message) -> String {
    let user = Uri::parse(invite.request_uri())
        .ok()
        .and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
    let user = String::from_utf8_lossy(user.as_deref().unwrap_or(invite.request_uri())).into_owned();
    user.chars().take(MAX_DIALLED).collect()
}

/// Characters of what was dialled that are recorded.
const MAX_DIALLED: usize = 128;

/// The address of ours that the far end of a flow is told: the public one of its family if it is not of our own
/// network, else the one that it reached us by.
pub fn advertised(public: &[IpAddr], flow: &Flow) -> IpAddr {
    let local = flow.local().ip();
    let outside = is_outside(flow.remote().ip());
    let public = public.iter().find(|address| outside && address.is_ipv4() == local.is_ipv4());
    public.copied().unwrap_or(local)
}

fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_is_for_those_outside() {
        let public: Vec<IpAddr> = vec!["203.0.113.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let seen = |local: &str, remote: &str| {
            advertised(&public, &Flow::datagram(local.parse().unwrap(), remote.parse().unwrap())).to_string()
        };
        assert_eq!(seen("10.0.0.1:5060", "198.51.100.7:5060"), "203.0.113.1");
        assert_eq!(seen("10.0.0.1:5060", "10.0.0.9:5060"), "10.0.0.1");
        assert_eq!(seen("127.0.0.1:5060", "127.0.0.1:9"), "127.0.0.1");
        assert_eq!(seen("[fd00::1]:5060", "[2001:db8:1::2]:5060"), "2001:db8::1");
        assert_eq!(seen("[fd00::1]:5060", "[fd00::2]:5060"), "fd00::1");
    }
}

//! Which header fields cross the exchange from one leg to the other.
//!
//! The legs are dialogs of their own, so whatever names a dialog, a hop, a capability or an identity is written anew.
//! What the other side may need and would lose passes: [`class_of`] has a row for every name that we know, and what we
//! do not know passes too, but for what is known to speak within a trust domain. Fields that make a phone answer by
//! itself (`Alert-Info`, `Answer-Mode`, `Call-Info`) do not come from an untrusted peer. A table of the peer
//! ([`PeerTable`]) may say otherwise about what is not the exchange's own.

use ringback_sip::message::{Builder, Line, Message, Name};

use super::identity::{Identity, asks_to_hide};
use crate::header_tables::PeerTable;

/// What kind of thing a header field is, which says whether it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It names or drives the dialog, the transaction or its session: each leg has its own.
    Dialog,
    /// It speaks to the next hop, or of the way there.
    Hop,
    /// It says what a peer can do, and our capabilities are those that count.
    Capability,
    /// It says who somebody is; `identity` and `divert` write what we say.
    Identity,
    /// It describes a body, and passes where the body does.
    Body,
    /// It belongs to an event package or a publication, which does not cross a call.
    Event,
    /// It changes how a phone rings or answers.
    Alerting,
    /// It means something within a trust domain that we do not share.
    Private,
    /// It names the program that somebody uses.
    Product,
    /// It passes in requests.
    InRequests,
    /// It passes in responses.
    InResponses,
    /// It passes in both.
    Both,
    /// It is ours, and never comes from outside.
    Internal,
}

/// The class of a name that we know.
pub(crate) const fn class_of(name: Name) -> Class {
    match name {
        Name::Accept => Class::Capability,
        Name::AcceptContact => Class::Hop,
        Name::AcceptEncoding => Class::Capability,
        Name::AcceptLanguage => Class::InRequests,
        Name::AlertInfo => Class::Alerting,
        Name::Allow => Class::Capability,
        Name::AllowEvents => Class::Capability,
        Name::AuthenticationInfo => Class::Hop,
        Name::Authorization => Class::Hop,
        Name::CallId => Class::Dialog,
        Name::CallInfo => Class::Alerting,
        Name::Contact => Class::Dialog,
        Name::ContentDisposition => Class::Body,
        Name::ContentEncoding => Class::Body,
        Name::ContentLanguage => Class::Body,
        Name::ContentLength => Class::Body,
        Name::ContentType => Class::Body,
        Name::CSeq => Class::Dialog,
        Name::Date => Class::Hop,
        Name::Diversion => Class::Identity,
        Name::ErrorInfo => Class::InResponses,
        Name::Event => Class::Event,
        Name::Expires => Class::Hop,
        Name::FlowTimer => Class::Hop,
        Name::From => Class::Dialog,
        Name::HistoryInfo => Class::Identity,
        Name::Identity => Class::Identity,
        Name::IdentityInfo => Class::Identity,
        Name::InReplyTo => Class::InRequests,
        Name::Join => Class::Dialog,
        Name::MaxBreadth => Class::Hop,
        Name::MaxForwards => Class::Hop,
        Name::MimeVersion => Class::Body,
        Name::MinExpires => Class::Hop,
        Name::MinSe => Class::Dialog,
        Name::Organization => Class::InRequests,
        Name::PAssertedIdentity => Class::Identity,
        Name::Path => Class::Hop,
        Name::PPreferredIdentity => Class::Identity,
        Name::Priority => Class::InRequests,
        Name::Privacy => Class::Identity,
        Name::ProxyAuthenticate => Class::Hop,
        Name::ProxyAuthorization => Class::Hop,
        Name::ProxyRequire => Class::Hop,
        Name::Rack => Class::Dialog,
        Name::Reason => Class::Both,
        Name::RecordRoute => Class::Hop,
        Name::RecvInfo => Class::Capability,
        Name::ReferSub => Class::Event,
        Name::ReferTo => Class::Dialog,
        Name::ReferredBy => Class::Identity,
        Name::RejectContact => Class::Hop,
        Name::RemotePartyId => Class::Identity,
        Name::Replaces => Class::Dialog,
        Name::ReplyTo => Class::InRequests,
        Name::RequestDisposition => Class::Hop,
        Name::Require => Class::Capability,
        Name::RetryAfter => Class::InResponses,
        Name::Route => Class::Hop,
        Name::RSeq => Class::Dialog,
        Name::Server => Class::Product,
        Name::ServiceRoute => Class::Hop,
        Name::SessionExpires => Class::Dialog,
        Name::SipETag => Class::Event,
        Name::SipIfMatch => Class::Event,
        Name::Subject => Class::InRequests,
        Name::SubscriptionState => Class::Event,
        Name::Supported => Class::Capability,
        Name::Timestamp => Class::Hop,
        Name::To => Class::Dialog,
        Name::Unsupported => Class::Capability,
        Name::UserAgent => Class::Product,
        Name::Via => Class::Hop,
        Name::Warning => Class::InResponses,
        Name::WwwAuthenticate => Class::Hop,
        // By its text: see `class_of_other`.
        Name::Other => Class::Both,
    }
}

/// The class of a name that has no [`Name`], in lower case. What nobody has heard of passes.
pub(crate) fn class_of_other(name: &[u8]) -> Class {
    let starts = |prefix: &[u8]| name.starts_with(prefix);
    match name {
        _ if starts(b"x-ringback-") => Class::Internal,
        b"answer-mode" | b"priv-answer-mode" => Class::Alerting,
        // Private headers of one operator's network (RFC 5727 §4), and what asks it for favours.
        b"resource-priority" | b"feature-caps" | b"restoration-info" => Class::Private,
        _ if starts(b"p-") => Class::Private,
        b"target-dialog" | b"suppress-if-match" | b"refer-events-at" => Class::Event,
        _ if starts(b"security-") || starts(b"proxy-") => Class::Hop,
        b"info-package" => Class::Body,
        _ if starts(b"content-") => Class::Body,
        _ => Class::Both,
    }
}

/// Which message is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// One that begins a call.
    Request,
    /// One within a dialog, whose body goes along as it is.
    InDialog,
    Response,
}

/// Copies what passes from a caller's INVITE into that of a branch.
pub(crate) fn pass_request(from: &Message, to: Builder, caller: &Identity, table: &PeerTable) -> Builder {
    pass(from, to, Passing::Request, caller.is_hidden(), table)
}

/// Copies what passes from a request within a dialog; `hides` for one of a party who wants to be anonymous.
pub(crate) fn pass_in_dialog(from: &Message, to: Builder, hides: bool, table: &PeerTable) -> Builder {
    pass(from, to, Passing::InDialog, hides, table)
}

/// Copies what passes from a response of one leg into a response for the other; less of one that asks for privacy, or
/// of a party who `hides` and does not speak of it again.
pub(crate) fn pass_response(from: &Message, to: Builder, hides: bool, table: &PeerTable) -> Builder {
    pass(from, to, Passing::Response, asks_to_hide(from).unwrap_or(hides), table)
}

fn pass(from: &Message, mut to: Builder, what: Passing, hides: bool, table: &PeerTable) -> Builder {
    for line in from.lines() {
        if passes(&line, what, table) && !(hides && tells_of_sender(&line)) {
            to = to.header_named(line.raw_name(), line.value());
        }
    }
    set_headers(to, table)
}

/// The bytes of what passes from a request, and of what a table sets.
pub(crate) fn passed_length(from: &Message, table: &PeerTable) -> usize {
    let passed = from.lines().filter(|line| passes(line, Passing::Request, table));
    let passed = passed.map(|line| line.raw_name().len() + line.value().len());
    let set = table.set().map(|(name, value)| name.len() + value.len());
    passed.chain(set).map(|length| length + b": \r\n".len()).sum()
}

/// Writes what a table sets.
pub(crate) fn set_headers(mut to: Builder, table: &PeerTable) -> Builder {
    for (name, value) in table.set() {
        to = to.header_named(name, value);
    }
    to
}

/// Whether a header line goes along with a body that is passed on outside of dialogs.
pub(crate) fn passed_with_body(line: &Line<'_>, table: &PeerTable) -> bool {
    passes(line, Passing::InDialog, table)
}

/// Whether a header line of a message that is passed on whole goes along: all but what speaks of identities, within a
/// trust domain, or makes a phone answer by itself.
pub(crate) fn passed_through(line: &Line<'_>, table: &PeerTable) -> bool {
    let (name, raw) = (line.name(), line.raw_name());
    let class = match name {
        Name::Other => class_of_other(&raw.to_ascii_lowercase()),
        known => class_of(known),
    };
    match class {
        // What the message is made of; no table speaks of it.
        Class::Dialog | Class::Hop => true,
        Class::Identity | Class::Private | Class::Internal | Class::Alerting => {
            table.passes(name, raw, false)
        }
        _ => table.passes(name, raw, true),
    }
}

fn passes(line: &Line<'_>, what: Passing, table: &PeerTable) -> bool {
    let (name, raw) = (line.name(), line.raw_name());
    let class = match name {
        Name::Other => class_of_other(&raw.to_ascii_lowercase()),
        known => class_of(known),
    };
    let by_default = match class {
        Class::Both => true,
        Class::InRequests => what != Passing::Response,
        Class::InResponses => what == Passing::Response,
        Class::Body => what == Passing::InDialog && !matches!(name, Name::ContentLength | Name::ContentType),
        _ => false,
    };
    table.passes(name, raw, by_default)
}

/// What a user says of itself beside its address; it goes with the address (RFC 3323 §5.3).
fn tells_of_sender(line: &Line<'_>) -> bool {
    let is_place = line.raw_name().eq_ignore_ascii_case(b"geolocation");
    is_place
        || matches!(
            line.name(),
            Name::CallInfo
                | Name::InReplyTo
                | Name::Organization
                | Name::ReplyTo
                | Name::Server
                | Name::Subject
                | Name::UserAgent
                | Name::Warning
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `class_of` has an arm for every name, or it does not compile. This is what the table comes to.
    #[test]
    fn what_passes_by_default_is_this_and_nothing_else() {
        let passing: Vec<(&str, Class)> = Name::all()
            .iter()
            .map(|name| (name.as_str(), class_of(*name)))
            .filter(|(_, class)| matches!(class, Class::InRequests | Class::InResponses | Class::Both))
            .collect();
        use Class::{Both, InRequests, InResponses};
        let expected = [
            ("Accept-Language", InRequests),
            ("Error-Info", InResponses),
            ("In-Reply-To", InRequests),
            ("Organization", InRequests),
            ("Priority", InRequests),
            ("Reason", Both),
            ("Reply-To", InRequests),
            ("Retry-After", InResponses),
            ("Subject", InRequests),
            ("Warning", InResponses),
        ];
        assert_eq!(passing, expected);
    }

    #[test]
    fn unknown_names_pass_unless_they_are_known_to_be_of_a_kind_that_does_not() {
        for (name, class) in [
            ("x-ticket", Class::Both),
            ("user-to-user", Class::Both),
            ("session-id", Class::Both),
            ("geolocation", Class::Both),
            ("x-ringback-trunk", Class::Internal),
            ("p-charging-vector", Class::Private),
            ("p-early-media", Class::Private),
            ("resource-priority", Class::Private),
            ("answer-mode", Class::Alerting),
            ("info-package", Class::Body),
            ("content-id", Class::Body),
            ("security-verify", Class::Hop),
            ("target-dialog", Class::Event),
        ] {
            assert_eq!(class_of_other(name.as_bytes()), class, "{name}");
        }
    }
}

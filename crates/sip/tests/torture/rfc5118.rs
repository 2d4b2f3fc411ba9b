//! RFC 5118: the torture test messages with IPv6.

use std::net::IpAddr;

use ringback_sip::message::{InvalidCause, Message, Name};
use ringback_sip::uri::{Uri, UriError};

use crate::outcome::Outcome::{Invalid, User};
use crate::outcome::Stream::Framed;
use crate::outcome::{Outcome, Row};

pub const ROWS: &[Row] = &[
    row("ipv6-good", "4.1", request_host()),
    // An address without its brackets is no host.
    row("ipv6-bad", "4.2", Invalid { cause: InvalidCause::RequestUri(UriError::Host), status: Some(400) }),
    // What looks like a port inside the brackets belongs to the address.
    row(
        "port-ambiguous",
        "4.3",
        User {
            must: "the host is 2001:db8::10:5070 and there is no port",
            shown: |message| request_is(message, "2001:db8::10:5070", None),
        },
    ),
    row(
        "port-unambiguous",
        "4.4",
        User { must: "the port is 5070", shown: |message| request_is(message, "2001:db8::10", Some(5070)) },
    ),
    row("via-received-param-with-delim", "4.5", received()),
    row("via-received-param-no-delim", "4.5", received()),
    row("ipv6-in-sdp", "4.6", request_host()),
    row(
        "mult-ip-in-header",
        "4.7",
        User {
            must: "Vias of both families in one message",
            shown: |message| {
                let hosts: Vec<String> = vias(message).map(|via| via.host.to_string()).collect();
                hosts == ["[2001:db8::9:1]", "192.0.2.1", "[2001:db8::9:255]"]
            },
        },
    ),
    row("mult-ip-in-sdp", "4.8", request_host()),
    row(
        "ipv4-mapped-ipv6",
        "4.9",
        User {
            must: "mapped addresses are read as what they are",
            shown: |message| {
                let hosts: Vec<Option<IpAddr>> = vias(message).map(|via| via.host.ip()).collect();
                hosts == ["::ffff:192.0.2.10", "::ffff:192.0.2.2"].map(|text| Some(text.parse().unwrap()))
            },
        },
    ),
    // Three colons, as the grammar of RFC 3261 makes them, and two, as was meant: the same host.
    row(
        "ipv6-bug-abnf-3-colons",
        "4.10",
        User {
            must: "the third colon is overlooked",
            shown: |message| request_is(message, "2001:db8::192.0.2.1", None),
        },
    ),
    row(
        "ipv6-correct-abnf-2-colons",
        "4.10",
        User {
            must: "the host is an address",
            shown: |message| request_is(message, "2001:db8::192.0.2.1", None),
        },
    ),
];

const fn row(name: &'static str, section: &'static str, datagram: Outcome) -> Row {
    Row { name, section, datagram, stream: Framed }
}

const fn request_host() -> Outcome {
    User {
        must: "the Request-URI names 2001:db8::10",
        shown: |message| request_is(message, "2001:db8::10", None),
    }
}

const fn received() -> Outcome {
    User {
        must: "the received address is read with and without brackets",
        shown: |message| message.via().unwrap().received() == Some("2001:db8::9:255".parse().unwrap()),
    }
}

fn request_is(message: &Message, host: &str, port: Option<u16>) -> bool {
    let uri = Uri::parse(message.request_uri()).unwrap();
    (uri.host.ip(), uri.port) == (Some(host.parse().unwrap()), port)
}

fn vias(message: &Message) -> impl Iterator<Item = ringback_sip::header::Via<'_>> {
    message.values(Name::Via).map(|value| ringback_sip::header::Via::parse(value).unwrap())
}

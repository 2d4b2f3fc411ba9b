//! What each of the two makes of the same bytes, in one form.

use std::collections::BTreeSet;

use bytes::Bytes;
use ringback_sip::grammar;
use ringback_sip::message::{Message, Name};
use ringback_sip::uri::{Host, Scheme, Uri};

/// A message as both can tell it.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    pub start: Start,
    /// Name in lower case and long form, and value without folds and white space around it.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The bytes that leave when nothing is edited.
    pub unedited: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    Request { method: String, uri: Parts },
    Response { status: u16, reason: String },
}

/// A URI in parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    pub scheme: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    pub params: Vec<(String, Option<String>)>,
}

/// Why a message was refused, by a short name.
pub type Refused = String;

/// What differs between the two readings of the bytes, by short names.
pub fn differences(bytes: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match (ours(bytes), theirs(bytes)) {
        (Err(_), Err(_)) => {}
        (Err(refused), Ok(_)) => {
            found.insert(format!("we refuse: {refused}"));
        }
        (Ok(ours), Err(_)) if has_two_lengths(&ours) => {
            found.insert("we take two Content-Lengths".into());
        }
        (Ok(_), Err(refused)) => {
            found.insert(format!("it refuses: {refused}"));
        }
        (Ok(ours), Ok(theirs)) => compare(&ours, &theirs, bytes, &mut found),
    }
    found
}

/// Whether the message says two different lengths: nobody may guess which one the next element believes.
fn has_two_lengths(reading: &Reading) -> bool {
    let lengths = reading.headers.iter().filter(|(name, _)| name == "content-length");
    lengths.map(|(_, value)| value.parse::<u64>().ok()).collect::<BTreeSet<_>>().len() > 1
}

fn compare(ours: &Reading, theirs: &Reading, bytes: &[u8], found: &mut BTreeSet<String>) {
    if ours.headers != theirs.headers {
        let names =
            |reading: &Reading| reading.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        found.insert(if names(ours) == names(theirs) { "header values" } else { "header names" }.into());
    }
    if ours.body != theirs.body {
        found.insert("body".into());
    }
    match (&ours.start, &theirs.start) {
        (Start::Request { method: one, uri: ours }, Start::Request { method: two, uri: theirs }) => {
            let same = [
                ("method", one == two),
                ("URI scheme", ours.scheme == theirs.scheme),
                ("URI user", ours.user == theirs.user),
                ("URI password", ours.password == theirs.password),
                ("URI host", ours.host == theirs.host),
                ("URI port", ours.port == theirs.port),
                ("URI parameters", ours.params == theirs.params),
            ];
            found.extend(same.iter().filter(|(_, same)| !same).map(|(name, _)| (*name).to_owned()));
        }
        (ours, theirs) if ours != theirs => {
            found.insert("status line".into());
        }
        _ => {}
    }
    for (who, reading) in [("we", ours), ("it", theirs)] {
        if !bytes.starts_with(&reading.unedited) {
            found.insert(format!("{who} alter what is not edited"));
        }
    }
}

fn ours(bytes: &[u8]) -> Result<Reading, Refused> {
    let message = Message::parse(Bytes::copy_from_slice(bytes)).map_err(|error| format!("{error:?}"))?;
    let start = if message.is_request() {
        let uri = Uri::parse(message.request_uri()).map_err(|error| format!("URI {error:?}"))?;
        Start::Request { method: text(message.method_ref().as_bytes()), uri: our_parts(&uri) }
    } else {
        Start::Response { status: message.status().unwrap(), reason: text(message.reason()) }
    };
    let headers = message.lines().map(|line| {
        let name = match line.name() {
            Name::Other => text(line.raw_name()),
            known => known.as_str().to_owned(),
        };
        (name.to_ascii_lowercase(), text(&line.unfolded()))
    });
    Ok(Reading {
        start,
        headers: headers.collect(),
        body: message.body().to_vec(),
        unedited: message.bytes().to_vec(),
    })
}

fn our_parts(uri: &Uri<'_>) -> Parts {
    let scheme = match uri.scheme {
        Scheme::Sip => "sip".to_owned(),
        Scheme::Sips => "sips".to_owned(),
        Scheme::Tel => "tel".to_owned(),
        Scheme::Other(scheme) => text(scheme).to_ascii_lowercase(),
    };
    let is_sip = uri.is_sip();
    let host = match uri.host {
        Host::V6(address) => address.to_string(),
        ref host => host.to_string(),
    };
    let params = uri.params.iter().map(|param| (text(param.name), param.value.map(text)));
    Parts {
        scheme,
        user: uri.user.filter(|_| is_sip).map(text),
        password: uri.password.map(text),
        host: if is_sip { host } else { String::new() },
        port: uri.port,
        params: if is_sip { params.collect() } else { Vec::new() },
    }
}

fn theirs(bytes: &[u8]) -> Result<Reading, Refused> {
    let message = sipx_sip::parse_datagram(Bytes::copy_from_slice(bytes), &sipx_sip::Limits::datagram())
        .map_err(|error| {
            use sipx_sip::error::ParseError;
            match error {
                ParseError::StartLine(error) => format!("{error:?}"),
                ParseError::HeaderSyntax { kind, .. } => format!("{kind:?}"),
                ParseError::Framing(error) => format!("{error:?}"),
                ParseError::Limit { limit, .. } => format!("{limit:?}"),
                other => format!("{other:?}"),
            }
        })?;
    let start = match &message {
        sipx_sip::Message::Request(request) => {
            Start::Request { method: text(request.method.as_bytes()), uri: their_parts(&request.uri) }
        }
        sipx_sip::Message::Response(response) => {
            Start::Response { status: response.status.code(), reason: text(&response.reason) }
        }
    };
    let headers = message.headers().iter().map(|header| {
        let name = text(header.name().canonical()).to_ascii_lowercase();
        (name, text(&grammar::unfold(grammar::trim(header.raw_value()))))
    });
    Ok(Reading {
        start,
        headers: headers.collect(),
        body: message.body().to_vec(),
        unedited: message.to_bytes().to_vec(),
    })
}

fn their_parts(uri: &sipx_sip::Uri) -> Parts {
    let scheme = match uri.scheme() {
        sipx_sip::Scheme::Sip => "sip".to_owned(),
        sipx_sip::Scheme::Sips => "sips".to_owned(),
        sipx_sip::Scheme::Tel => "tel".to_owned(),
        other => text(&scheme_bytes(other)).to_ascii_lowercase(),
    };
    let params = uri.params().into_iter().flat_map(|params| {
        params.iter().map(|param| (text(param.name()), param.value().map(text))).collect::<Vec<_>>()
    });
    Parts {
        scheme,
        user: uri.user().map(text),
        password: uri.password().map(text),
        host: uri.host().map(|host| text(&host.to_bytes())).unwrap_or_default(),
        port: uri.port(),
        params: params.collect(),
    }
}

fn scheme_bytes(scheme: &sipx_sip::Scheme) -> Vec<u8> {
    match scheme {
        sipx_sip::Scheme::Other(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

//! What is changed in a description before the negotiation reads it: its address, and which codecs it has.
//!
//! The lines stay as they came, but for those that are changed. So whatever the negotiation reads from the description
//! is as the far end wrote it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use ringback_media::sdp::Description;

use super::codecs::stripped;
use super::flags::{Flags, Switch};

/// The description as the flags want it read, and what of the flags could not be followed.
pub(super) fn edited(sdp: &Bytes, flags: &Flags, warnings: &mut Vec<&'static str>) -> Bytes {
    let Ok(description) = Description::parse(sdp) else { return sdp.clone() };
    let moved = Moved::by(flags);
    let dropped = stripped(&description, flags, warnings);
    if moved.is_none() && dropped.is_empty() {
        return sdp.clone();
    }
    rewrite(sdp, moved, &dropped)
}

/// Where media of who wrote a description comes from, where that is not what it says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moved {
    /// All of it.
    All(IpAddr),
    /// What is said to come from a private or loopback address: its SIP came from this public one, so that it is behind a
    /// NAT, and where it sends from is all there is to know.
    Private(IpAddr),
}

impl Moved {
    fn by(flags: &Flags) -> Option<Moved> {
        if let Some(address) = flags.media_address {
            return Some(Moved::All(address));
        }
        let source = flags.received_from.filter(|source| !source.is_unspecified())?;
        if flags.has(Switch::SipSourceAddress) {
            return Some(Moved::All(source));
        }
        let is_public = !is_private(source) && !source.is_loopback();
        (is_public && !flags.has(Switch::TrustAddress)).then_some(Moved::Private(source))
    }

    /// The address in place of the one that a `c=` line says.
    fn instead_of(self, said: &[u8]) -> Option<IpAddr> {
        match self {
            Moved::All(address) => Some(address),
            Moved::Private(source) => {
                let said: IpAddr = std::str::from_utf8(said).ok()?.parse().ok()?;
                (is_private(said) || said.is_loopback()).then_some(source)
            }
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The description without these payload types, and with its media where it comes from.
pub(super) fn rewrite(sdp: &[u8], moved: Option<Moved>, dropped: &BTreeSet<u8>) -> Bytes {
    let mut out = Vec::with_capacity(sdp.len() + 16);
    let mut is_audio = false;
    for line in sdp.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        if let Some(media) = text.strip_prefix(b"m=") {
            is_audio = media.starts_with(b"audio ");
            if is_audio && !dropped.is_empty() {
                write_media(media, dropped, &mut out);
                continue;
            }
        }
        let said = [&b"c=IN IP4 "[..], b"c=IN IP6 "].iter().find_map(|start| text.strip_prefix(*start));
        let said = said.filter(|_| !has_zeros(text));
        if let Some(address) = moved.zip(said).and_then(|(moved, said)| moved.instead_of(said)) {
            let family = if address.is_ipv4() { "IP4" } else { "IP6" };
            out.extend_from_slice(format!("c=IN {family} {address}\r\n").as_bytes());
            continue;
        }
        if is_audio && payload_type_of(text).is_some_and(|number| dropped.contains(&number)) {
            continue;
        }
        out.extend_from_slice(line);
    }
    Bytes::from(out)
}

/// An address of zeros is a hold, and stays one.
fn has_zeros(line: &[u8]) -> bool {
    line.ends_with(b" 0.0.0.0") || line.ends_with(b" ::")
}

/// The m= line without what is dropped: behind the media, the port and the protocol stand the payload types.
fn write_media(media: &[u8], dropped: &BTreeSet<u8>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"m=");
    for (index, part) in media.split(|byte| *byte == b' ').enumerate() {
        if index >= 3 && number(part).is_some_and(|number| dropped.contains(&number)) {
            continue;
        }
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// The payload type that an attribute is about.
fn payload_type_of(line: &[u8]) -> Option<u8> {
    let attributes: [&[u8]; 3] = [b"a=rtpmap:", b"a=fmtp:", b"a=rtcp-fb:"];
    let rest = attributes.iter().find_map(|attribute| line.strip_prefix(*attribute))?;
    number(rest.split(|byte| *byte == b' ').next()?)
}

fn number(text: &[u8]) -> Option<u8> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

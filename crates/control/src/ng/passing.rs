//! A description as it is passed on: what is ours of it, in the order in which rtpengine writes it, and what it says
//! besides.
//!
//! The negotiation has written all that media depends on. Of the description that came, the identity stays (`o=`,
//! `s=`), and so does every line that only the two ends understand. What would be wrong where our media worker is in
//! between does not: addresses, keys and ICE; SSRCs, which are ours; header extensions and feedback, which end here;
//! and groups, msid and mid, which belong to a leg.
//!
//! rtpengine passes `a=ssrc`, `a=msid`, `a=extmap` and `a=rtcp-fb` as they are, because it does with packets what they
//! say.

use std::net::IpAddr;

use bytes::Bytes;
use ringback_media::negotiation::{Local, Profile};
use ringback_media::sdp::MAX_LEN;

use super::flags::{Flags, Replace, Sdes, Switch};

/// Our description `ours`, made from `theirs`, as the far end gets it.
pub(super) fn passed_on(theirs: &[u8], ours: &Bytes, local: &Local, flags: &Flags) -> Bytes {
    let (theirs, own) = (Text::read(theirs), Text::read(ours));
    let mut out = Vec::with_capacity(ours.len() + 512);
    out.extend_from_slice(b"v=0\r\n");
    origin(theirs.value(b"o="), own.value(b"o="), local.address, flags, &mut out);
    let name =
        theirs.value(b"s=").filter(|name| !name.is_empty() && !flags.replace.contains(&Replace::SessionName));
    line(b"s=", name.unwrap_or(b"-"), &mut out);
    for kind in [&b"i="[..], b"u=", b"e=", b"p="] {
        theirs.session_lines(kind).for_each(|text| line(b"", text, &mut out));
    }
    own.session_lines(b"c=").for_each(|text| line(b"", text, &mut out));
    theirs.session_lines(b"b=").for_each(|text| line(b"", text, &mut out));
    line(b"t=", theirs.value(b"t=").unwrap_or(b"0 0"), &mut out);
    theirs.session_lines(b"a=").filter(|text| passes(text)).for_each(|text| line(b"", text, &mut out));
    own.session_lines(b"a=").for_each(|text| line(b"", text, &mut out));
    // One section of audio is served, and one of video.
    let mut served: Vec<&[u8]> = Vec::new();
    for section in &own.sections {
        let media = live_media(section).filter(|media| !served.contains(media));
        let of_same_media = |media| theirs.sections.iter().find(|theirs| live_media(theirs) == Some(media));
        served.extend(media);
        match media.and_then(of_same_media) {
            Some(theirs) => write_served(theirs, section, local, flags, &mut out),
            None => section.iter().for_each(|text| line(b"", text, &mut out)),
        }
    }
    // What nobody could read is not passed on.
    if out.len() > MAX_LEN { ours.clone() } else { Bytes::from(out) }
}

fn origin(theirs: Option<&[u8]>, ours: Option<&[u8]>, address: IpAddr, flags: &Flags, out: &mut Vec<u8>) {
    let replaces = |what| flags.replace.contains(&what);
    let parts = |text: Option<&[u8]>| -> Option<[String; 6]> {
        let text = std::str::from_utf8(text?).ok()?;
        let parts: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parts.try_into().ok()
    };
    let (Some(ours), Some(theirs)) = (parts(ours), parts(theirs)) else {
        return line(b"o=", ours.unwrap_or(b"- 0 0 IN IP4 127.0.0.1"), out);
    };
    let [mut user, mut session, mut version, net, mut family, mut host] = theirs;
    if replaces(Replace::Username) {
        (user, session) = (ours[0].clone(), ours[1].clone());
    }
    if replaces(Replace::SdpVersion) || replaces(Replace::ForceVersion) {
        version = ours[2].clone();
    }
    if replaces(Replace::Origin) {
        family = if address.is_ipv4() { "IP4" } else { "IP6" }.to_owned();
        host = address.to_string();
    }
    line(b"o=", format!("{user} {session} {version} {net} {family} {host}").as_bytes(), out);
}

/// The section that is served. The lines of a codec stay together, as they are written.
fn write_served(theirs: &[&[u8]], ours: &[&[u8]], local: &Local, flags: &Flags, out: &mut Vec<u8>) {
    let mut write = |text: &[u8]| line(b"", text, out);
    let (media, attributes) = ours.split_first().map_or((&b""[..], ours), |(media, rest)| (*media, rest));
    write(media);
    let is_attribute = |text: &&&[u8]| text.starts_with(b"a=");
    theirs.iter().filter(|text| text.starts_with(b"i=")).for_each(|text| write(text));
    attributes.iter().filter(|text| !is_attribute(text)).for_each(|text| write(text));
    theirs.iter().filter(|text| text.starts_with(b"b=")).for_each(|text| write(text));
    theirs.iter().filter(|text| is_attribute(text) && passes(text)).for_each(|text| write(text));
    let has_mux = attributes.contains(&&b"a=rtcp-mux"[..]);
    for place in ORDER {
        if *place == "rtcp" && !flags.has(Switch::NoRtcpAttribute) {
            let (rtp, rtcp) = match &local.video {
                Some(video) if media.starts_with(b"m=video ") => (video.rtp, video.rtcp),
                _ => (local.rtp, local.rtcp),
            };
            let port = if has_mux { rtp } else { rtcp };
            let address = local.address;
            let family = if address.is_ipv4() { "IP4" } else { "IP6" };
            match flags.has(Switch::FullRtcpAttribute) {
                true => write(format!("a=rtcp:{port} IN {family} {address}").as_bytes()),
                false => write(format!("a=rtcp:{port}").as_bytes()),
            }
            continue;
        }
        let here = attributes.iter().filter(|text| place_of(text) == Some(place));
        here.filter(|text| is_wanted(text, local, flags)).for_each(|text| write(text));
    }
    let others = attributes.iter().filter(|text| is_attribute(text) && place_of(text).is_none());
    others.for_each(|text| write(text));
}

/// Whether a line of ours is left by the flags.
fn is_wanted(text: &[u8], local: &Local, flags: &Flags) -> bool {
    let Some(crypto) = text.strip_prefix(b"a=crypto:").filter(|_| local.profile == Profile::Rtp) else {
        return true;
    };
    let suite = crypto.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let is_suite = |name: &String| name.as_bytes().eq_ignore_ascii_case(suite);
    let mut only = flags.sdes.iter().filter_map(|sdes| match sdes {
        Sdes::Only(name) => Some(name),
        _ => None,
    });
    let is_out = flags.sdes.iter().any(|sdes| matches!(sdes, Sdes::Without(name) if is_suite(name)));
    let is_listed = only.clone().next().is_none() || only.any(is_suite);
    is_listed && !is_out
}

/// Where an attribute of ours stands, by the word of [`ORDER`].
fn place_of(text: &[u8]) -> Option<&'static &'static str> {
    let name = name_of(text)?;
    ORDER.iter().find(|place| match **place {
        "codecs" => ["rtpmap", "fmtp", "rtcp-fb"].iter().any(|of_codec| of_codec.as_bytes() == name),
        "direction" => DIRECTIONS.iter().any(|direction| direction.as_bytes() == name),
        place => place.as_bytes() == name,
    })
}

/// Whether an attribute that came means the same to the far end, with us in between.
fn passes(text: &[u8]) -> bool {
    let Some(name) = name_of(text) else { return false };
    let is_known = |list: &[&str]| list.iter().any(|known| known.as_bytes() == name);
    !(is_known(OURS) || is_known(&DIRECTIONS) || place_of(text).is_some())
}

/// The name of an attribute.
fn name_of(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"a=")?;
    text.split(|byte| *byte == b':').next()
}

/// The media of a section that is in use, if it is one that can be served.
fn live_media<'a>(section: &[&'a [u8]]) -> Option<&'a [u8]> {
    let mut words = section.first()?.strip_prefix(b"m=")?.split(|byte| *byte == b' ');
    let media = words.next().filter(|media| matches!(*media, b"audio" | b"video"))?;
    words.next().filter(|port| *port != b"0").map(|_| media)
}

fn line(kind: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// The lines of a description, without their ends.
struct Text<'a> {
    session: Vec<&'a [u8]>,
    /// The lines of each section, its m= line first.
    sections: Vec<Vec<&'a [u8]>>,
}

impl<'a> Text<'a> {
    fn read(text: &'a [u8]) -> Self {
        let mut read = Text { session: Vec::new(), sections: Vec::new() };
        let lines =
            text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
        for line in lines.take(MAX_LINES) {
            match read.sections.last_mut() {
                _ if line.starts_with(b"m=") => read.sections.push(vec![line]),
                Some(section) => section.push(line),
                None => read.session.push(line),
            }
        }
        read
    }

    /// What stands behind the first line of a kind in the part of the session.
    fn value(&self, kind: &[u8]) -> Option<&'a [u8]> {
        self.session.iter().find_map(|line| line.strip_prefix(kind))
    }

    fn session_lines(&self, kind: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.session.iter().copied().filter(move |line| line.starts_with(kind))
    }
}

/// The order of what is ours in the section that is served.
const ORDER: &[&str] = &[
    "mid",
    "msid",
    "codecs",
    "direction",
    "rtcp",
    "rtcp-mux",
    "crypto",
    "setup",
    "fingerprint",
    "ptime",
    "maxptime",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "candidate",
    "end-of-candidates",
];

const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/// Attributes that say something of a leg, beside those of [`ORDER`]. They do not pass.
const OURS: &[&str] = &[
    "acap",
    "acfg",
    "bundle-only",
    "connection",
    "creq",
    "csup",
    "depend",
    "extmap",
    "extmap-allow-mixed",
    "framesize",
    "group",
    "ice-lite",
    "ice-mismatch",
    "ice-pacing",
    "identity",
    "imageattr",
    "key-mgmt",
    "msid-semantic",
    "pcfg",
    "remote-candidates",
    "rid",
    "rtcp-mux-only",
    "rtcp-rsize",
    "rtcp-xr",
    "simulcast",
    "ssrc",
    "ssrc-group",
    "tcap",
    "tls-id",
];

/// More lines than this no description has that was read.
const MAX_LINES: usize = 2_000;

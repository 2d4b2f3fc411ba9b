//! What the clients write: the shape of their header fields and session descriptions.

use ringback_media::sdp::{Codec, Description, Kind};

use super::phone::Client;

/// What a session description of a phone says.
#[derive(Clone)]
pub struct Says {
    pub version: u32,
    pub direction: &'static str,
    /// Grows with every restart of ICE.
    pub generation: u32,
    pub address: String,
}

impl Client {
    /// The host of its Via and Contact: what a browser writes there does not exist.
    pub fn host(self, address: &str) -> String {
        match self {
            Client::JsSip => "df7jal23ls0d.invalid".to_owned(),
            Client::SipJs => "192.0.2.177".to_owned(),
            Client::Baresip | Client::OldPhone | Client::Foreign => format!("{address}:5060"),
        }
    }

    pub fn contact(self, user: &str, host: &str) -> String {
        match self {
            Client::JsSip => format!("<sip:{user}8r@{host};transport=ws;ob>"),
            Client::SipJs => format!("<sip:{user}9k@{host};transport=wss>"),
            Client::Baresip | Client::OldPhone | Client::Foreign => format!("<sip:{user}-0x55d0c1a2@{host}>"),
        }
    }

    /// The Contact of a REGISTER.
    pub fn registered_contact(self, user: &str, host: &str, seconds: u32) -> String {
        let contact = self.contact(user, host).replace(";ob", "");
        match self {
            Client::JsSip => format!(
                "{contact};+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-{user:0>12}>\";expires={seconds}"
            ),
            Client::SipJs | Client::Baresip | Client::OldPhone | Client::Foreign => {
                format!("{contact};expires={seconds}")
            }
        }
    }

    pub fn supported(self) -> &'static str {
        match self {
            Client::JsSip => "timer,ice,replaces,outbound",
            Client::SipJs => "outbound",
            Client::Baresip | Client::OldPhone | Client::Foreign => "gruu",
        }
    }

    pub fn user_agent(self) -> &'static str {
        match self {
            Client::JsSip => "JsSIP 3.13.8",
            Client::SipJs => "SIP.js/0.21.1",
            Client::Baresip => "baresip v1.0.0 (x86_64/linux)",
            Client::OldPhone | Client::Foreign => "a telephone",
        }
    }

    pub fn allow(self) -> &'static str {
        match self {
            Client::JsSip => "INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY,SUBSCRIBE",
            Client::SipJs => "ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER",
            Client::Baresip => "INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,REFER",
            Client::OldPhone | Client::Foreign => "INVITE,ACK,BYE,CANCEL,OPTIONS",
        }
    }

    pub fn is_browser(self) -> bool {
        matches!(self, Client::JsSip | Client::SipJs)
    }

    /// Its offer.
    pub fn offer(self, says: &Says) -> String {
        if self.is_browser() {
            let codecs = [
                (111, "opus/48000/2"),
                (0, "PCMU/8000"),
                (8, "PCMA/8000"),
                (110, "telephone-event/48000"),
                (126, "telephone-event/8000"),
            ];
            browser(says, "actpass", "0", &codecs.map(|(number, name)| (number, name.to_owned())))
        } else {
            let codecs = [(8, "PCMA/8000"), (0, "PCMU/8000"), (101, "telephone-event/8000")];
            let known = match self {
                Client::OldPhone => &codecs[..2],
                Client::Foreign => &[(18, "G729/8000")],
                _ => &codecs[..],
            };
            let known: Vec<_> = known.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
            plain(says, &known)
        }
    }

    /// Its answer: everything offered that it knows; a baresip takes one codec.
    pub fn answer(self, offer: &[u8], says: &Says) -> String {
        let offer = Description::parse(offer).expect("the exchange writes SDP");
        let section = offer.sections.first().expect("a section");
        let known = |codec: &&Codec| match codec.name.as_str() {
            "opus" => self.is_browser(),
            "telephone-event" => self != Client::OldPhone,
            "G729" => self == Client::Foreign,
            name => matches!(name, "PCMA" | "PCMU") && self != Client::Foreign,
        };
        let mut codecs: Vec<&Codec> = section.codecs.iter().filter(known).collect();
        if !self.is_browser() {
            let first = codecs.iter().position(|codec| codec.kind() == Kind::Audio);
            let events = |codec: &Codec| codec.kind() == Kind::TelephoneEvent && codec.clock_rate == 8000;
            let mut index = 0;
            codecs.retain(|codec| {
                index += 1;
                Some(index - 1) == first || events(codec)
            });
        }
        let codecs: Vec<(u8, String)> = codecs
            .iter()
            .map(|codec| {
                let channels =
                    if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
                (codec.payload_type, format!("{}/{}{channels}", codec.name, codec.clock_rate))
            })
            .collect();
        if self.is_browser() {
            browser(says, "active", section.mid.as_deref().unwrap_or("0"), &codecs)
        } else {
            plain(says, &codecs)
        }
    }
}

fn browser(says: &Says, setup: &str, mid: &str, codecs: &[(u8, String)]) -> String {
    let Says { version, direction, generation, address } = says;
    let lines = [
        format!("v=0\no=- 4611730259438274721 {version} IN IP4 127.0.0.1\ns=-\nt=0 0"),
        format!("a=group:BUNDLE {mid}\na=extmap-allow-mixed"),
        format!("m=audio 51372 UDP/TLS/RTP/SAVPF {}\nc=IN IP4 {address}", numbers(codecs)),
        "a=rtcp:9 IN IP4 0.0.0.0".to_owned(),
        format!("a=candidate:3267425498 1 udp 2122260223 {address} 51372 typ host generation 0"),
        format!("a=ice-ufrag:pQ{generation:02}\na=ice-pwd:U8mZk1b0fVt5qRjYwLc2hN{generation:02}"),
        "a=ice-options:trickle".to_owned(),
        format!("a=fingerprint:sha-256 {}", ["5C"; 32].join(":")),
        format!("a=setup:{setup}\na=mid:{mid}\na={direction}\na=rtcp-mux"),
        names(codecs),
    ];
    crlf(&lines.join("\n"))
}

fn plain(says: &Says, codecs: &[(u8, String)]) -> String {
    let Says { version, direction, address, .. } = says;
    let lines = [
        format!("v=0\no=- 1523874690 {version} IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0"),
        format!("m=audio 19834 RTP/AVP {}", numbers(codecs)),
        names(codecs),
        format!("a=rtcp:19835\na={direction}\na=ptime:20"),
    ];
    crlf(&lines.join("\n"))
}

fn numbers(codecs: &[(u8, String)]) -> String {
    codecs.iter().map(|(number, _)| number.to_string()).collect::<Vec<_>>().join(" ")
}

fn names(codecs: &[(u8, String)]) -> String {
    codecs.iter().map(|(number, name)| format!("a=rtpmap:{number} {name}")).collect::<Vec<_>>().join("\n")
}

fn crlf(text: &str) -> String {
    format!("{text}\n").replace('\n', "\r\n")
}

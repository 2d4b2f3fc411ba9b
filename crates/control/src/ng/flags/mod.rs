//! How an offer or an answer is to be passed on: the flags of the modules, each in a type of its own.
//!
//! One thing can be said in several ways: as a key of its own (`"ICE": "force"`), as an entry of a list (`"replace":
//! ["origin"]`), as a word among `flags` (`codec-strip-opus`), or as a word of `rtpp-flags`, the line of the routing
//! script that newer modules leave to us to read. [`Flags::read`] brings all of them together. Spaces and hyphens
//! mean the same. What is not known is remembered by name and changes nothing.

mod words;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;

use super::command::Wish;
use super::value::{Dict, Value};
pub use words::{
    CodecChange, Dtls, DtmfSecurity, Family, Ice, IceLite, Osrtp, Replace, RtcpMux, Sdes, Switch,
    TransportProtocol,
};

/// The flags of one offer or answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// The transport protocol of the side that the description goes to.
    pub transport: Option<TransportProtocol>,
    /// What becomes of ICE.
    pub ice: Option<Ice>,
    /// Towards whom ICE lite is spoken.
    pub ice_lite: Option<IceLite>,
    /// DTLS-SRTP towards the side that the description goes to.
    pub dtls: Option<Dtls>,
    /// The same towards the side that it comes from.
    pub dtls_reverse: Option<Dtls>,
    /// What is said of SDES.
    pub sdes: Vec<Sdes>,
    /// What is said of OSRTP ([RFC 8643]).
    ///
    /// [RFC 8643]: https://www.rfc-editor.org/rfc/rfc8643
    pub osrtp: BTreeSet<Osrtp>,
    /// What is said of rtcp-mux.
    pub rtcp_mux: BTreeSet<RtcpMux>,
    /// What of the description is ours to write.
    pub replace: BTreeSet<Replace>,
    /// The interfaces of the two sides: of who sends the description, and of who gets it.
    pub direction: Vec<Bytes>,
    /// The interface where only one is meant.
    pub interface: Option<Bytes>,
    /// What becomes of codecs, in the order in which it was said.
    pub codecs: Vec<(CodecChange, String)>,
    /// What is on or off.
    pub switches: BTreeSet<Switch>,
    /// Where media of who sends the description comes from and goes to, whatever it says.
    pub media_address: Option<IpAddr>,
    /// The family of our address for the side that the description goes to.
    pub family: Option<Family>,
    /// Where the SIP message came from.
    pub received_from: Option<IpAddr>,
    /// What becomes of DTMF when it is blocked.
    pub dtmf_security: Option<DtmfSecurity>,
    /// Whether the call is recorded.
    pub record_call: Option<bool>,
    /// Milliseconds of audio in a packet, towards who gets the description.
    pub ptime: Option<u16>,
    /// The same towards who sends it.
    pub ptime_reverse: Option<u16>,
    /// The type of service of our packets.
    pub tos: Option<u8>,
    /// How it is recorded.
    pub wish: Wish,
    /// Whether who asks knows `load limit` as a result.
    pub knows_load_limit: bool,
    /// What is not known here, by name; the first of them.
    pub unknown: Vec<Bytes>,
}

impl Flags {
    /// Reads the flags of a dictionary.
    pub fn read(dict: &Dict) -> Flags {
        let mut flags = Flags::default();
        for (name, value) in dict.iter() {
            match &name[..] {
                b"rtpp-flags" => {
                    let line = value.as_text().cloned().unwrap_or_default();
                    let words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
                    for word in words.take(MAX_WORDS) {
                        flags.take_word(&line.slice_ref(word), true);
                    }
                }
                b"flags" => {
                    for word in value.texts().take(MAX_WORDS) {
                        flags.take_word(word, false);
                    }
                }
                _ => flags.take_key(name, value),
            }
        }
        flags
    }

    /// Whether a switch is on.
    pub fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    /// Takes a word of a list of flags: a switch, `key=value`, or the name of a list with an entry of it behind a
    /// hyphen. A line of the script says more in this way than a list does.
    fn take_word(&mut self, word: &Bytes, is_line: bool) {
        let text = normalised(word);
        if let Some(at) = word.iter().position(|byte| *byte == b'=') {
            let value = Value::Text(word.slice(at + 1..));
            return self.take_key(&word.slice(..at), &value);
        }
        if let Some(switch) = Switch::of(&text) {
            self.switches.insert(switch);
            return;
        }
        for prefix in LISTS {
            let Some(rest) = text.strip_prefix(prefix.as_bytes()).and_then(|rest| rest.strip_prefix(b"-"))
            else {
                continue;
            };
            return self.take_key(&Bytes::from_static(prefix.as_bytes()), &Value::text(rest));
        }
        match &text[..] {
            b"record-call" => self.record_call = Some(true),
            b"internal" | b"external" => self.add_direction(word),
            b"all" | b"fatal" | b"pause" | b"directional" | b"force" | b"to-tag" | b"force-answer" => {}
            _ if is_line && self.take_transport(&text) => {}
            _ => self.not_known(word),
        }
    }

    /// Takes a word of the transport protocol, which a line of the script has without a key.
    fn take_transport(&mut self, word: &[u8]) -> bool {
        let Some(transport) = TransportProtocol::of_word(word, self.transport) else { return false };
        self.transport = Some(transport);
        true
    }

    fn take_key(&mut self, name: &Bytes, value: &Value) {
        let key = normalised(name);
        if let Some(change) = key.strip_prefix(b"codec-").and_then(CodecChange::of) {
            return self.add_codecs(change, value);
        }
        if let Some(change) = Some(&key[..]).filter(|key| *key == b"transcode").and_then(CodecChange::of) {
            return self.add_codecs(change, value);
        }
        match &key[..] {
            b"transport-protocol" => {
                self.set(name, value, TransportProtocol::of, |flags| &mut flags.transport)
            }
            b"ICE" => self.set(name, value, Ice::of, |flags| &mut flags.ice),
            b"ICE-lite" => self.set(name, value, IceLite::of, |flags| &mut flags.ice_lite),
            b"DTLS" => self.set(name, value, Dtls::of, |flags| &mut flags.dtls),
            b"DTLS-reverse" => self.set(name, value, Dtls::of, |flags| &mut flags.dtls_reverse),
            b"DTMF-security" => self.set(name, value, DtmfSecurity::of, |flags| &mut flags.dtmf_security),
            b"address-family" => self.set(name, value, Family::of, |flags| &mut flags.family),
            b"media-address" => self.set(name, value, address, |flags| &mut flags.media_address),
            b"record-call" => self.set(name, value, yes_or_no, |flags| &mut flags.record_call),
            b"ptime" => self.ptime = value.as_number().and_then(|number| u16::try_from(number).ok()),
            b"ptime-reverse" => {
                self.ptime_reverse = value.as_number().and_then(|number| u16::try_from(number).ok());
            }
            b"TOS" => self.tos = value.as_number().and_then(|number| u8::try_from(number).ok()),
            b"recording-file" => self.wish.name = name_of(value).or(self.wish.name.take()),
            b"output-destination" => self.wish.name = self.wish.name.take().or(name_of(value)),
            b"metadata" => self.wish.metadata = value.as_text().cloned(),
            b"interface" => self.interface = value.as_text().cloned(),
            b"received-from" => self.received_from = value.texts().last().and_then(|text| address(text)),
            b"SDES" => self.each(value, Sdes::of, |flags, sdes| flags.sdes.push(sdes)),
            b"OSRTP" => self.each(value, Osrtp::of, |flags, osrtp| {
                flags.osrtp.insert(osrtp);
            }),
            b"rtcp-mux" => self.each(value, RtcpMux::of, |flags, mux| {
                flags.rtcp_mux.insert(mux);
            }),
            b"replace" => self.each(value, Replace::of, |flags, replace| {
                flags.replace.insert(replace);
            }),
            b"direction" => value.texts().for_each(|name| self.add_direction(name)),
            b"supports" => {
                self.knows_load_limit = value.texts().any(|text| *normalised(text) == *b"load-limit")
            }
            b"codec" => self.take_codecs(value),
            // What says who and what is meant is read with the command.
            _ if ARGUMENTS.iter().any(|known| known.as_bytes() == &key[..]) => {}
            _ => self.not_known(name),
        }
    }

    /// Sets what has one value; a value that is not known is remembered with its name.
    fn set<T>(
        &mut self,
        name: &Bytes,
        value: &Value,
        read: impl Fn(&[u8]) -> Option<T>,
        place: impl Fn(&mut Flags) -> &mut Option<T>,
    ) {
        match value.as_text().and_then(|text| read(&normalised(text))) {
            Some(read) => *place(self) = Some(read),
            None => self.not_known(name),
        }
    }

    /// Takes the entries of a list.
    fn each<T>(
        &mut self,
        value: &Value,
        read: impl Fn(&[u8]) -> Option<T>,
        mut take: impl FnMut(&mut Flags, T),
    ) {
        for text in value.texts().take(MAX_WORDS) {
            match read(&normalised(text)) {
                Some(entry) => take(self, entry),
                None => self.not_known(text),
            }
        }
    }

    fn take_codecs(&mut self, value: &Value) {
        let Value::Dict(dict) = value else { return };
        for (name, value) in dict.iter() {
            match CodecChange::of(name) {
                Some(change) => self.add_codecs(change, value),
                None => self.not_known(name),
            }
        }
    }

    fn add_codecs(&mut self, change: CodecChange, value: &Value) {
        for text in value.texts() {
            // Several in one word are separated by semicolons.
            for name in text.split(|byte| *byte == b';').filter(|name| !name.is_empty()) {
                if self.codecs.len() < MAX_WORDS {
                    self.codecs.push((change, String::from_utf8_lossy(name).into_owned()));
                }
            }
        }
    }

    fn add_direction(&mut self, name: &Bytes) {
        if self.direction.len() < 2 {
            self.direction.push(name.clone());
        }
    }

    fn not_known(&mut self, name: &Bytes) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push(name.clone());
        }
    }
}

/// A word with hyphens where it has spaces.
pub(super) fn normalised(word: &[u8]) -> Cow<'_, [u8]> {
    if !word.contains(&b' ') {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.iter().map(|byte| if *byte == b' ' { b'-' } else { *byte }).collect())
}

fn name_of(value: &Value) -> Option<Bytes> {
    value.as_text().cloned().filter(|name| !name.is_empty())
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn yes_or_no(text: &[u8]) -> Option<bool> {
    match text {
        b"yes" | b"on" | b"1" => Some(true),
        b"no" | b"off" | b"0" => Some(false),
        _ => None,
    }
}

/// The lists whose entries may stand among the flags, behind the name of the list and a hyphen.
const LISTS: [&str; 14] = [
    "replace",
    "rtcp-mux",
    "SDES",
    "OSRTP",
    "codec-strip",
    "codec-offer",
    "codec-transcode",
    "codec-mask",
    "codec-except",
    "codec-accept",
    "codec-consume",
    "codec-set",
    "transcode",
    "received-from",
];

/// The keys that are no flags.
const ARGUMENTS: [&str; 19] = [
    "command",
    "call-id",
    "from-tag",
    "to-tag",
    "via-branch",
    "sdp",
    "sip-message-type",
    "all",
    "label",
    "from-label",
    "set-label",
    "to-label",
    "delete-delay",
    "delay",
    "limit",
    "code",
    "digit",
    "pause",
    "address",
];

/// How many words of one list are read.
const MAX_WORDS: usize = 256;
/// How many names that are not known are kept of one message.
const MAX_UNKNOWN: usize = 32;

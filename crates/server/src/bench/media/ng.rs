//! The client's end of the ng protocol: a request is repeated until it is answered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_control::ng::{Dict, Encoding, Message, Value, write};

use super::Kind;

/// The requests that wait for an answer.
#[derive(Debug)]
pub(super) struct Requests {
    /// What cookies begin with: an engine takes a cookie that it knows for a repeat, be it another load's.
    prefix: u64,
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    call: usize,
    datagram: Bytes,
    sent: Instant,
    tries: u8,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// The caller's description becomes one for the callee.
    Offer(&'a [u8]),
    /// The callee's description becomes one for the caller.
    Answer(&'a [u8]),
    /// The call is over.
    Delete,
}

/// The answer to the request of a call: the description, if any, or the engine's words.
pub(super) type Answered = (usize, Result<Option<Bytes>, String>);

impl Requests {
    /// None yet; no other load has the same prefix.
    pub(super) fn new(prefix: u64) -> Self {
        Requests { prefix, waiting: BTreeMap::new(), next: 0 }
    }

    /// Whether every request has its answer, or was given up.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes a request.
    pub(super) fn ask(&mut self, now: Instant, call: usize, dict: &Dict) -> Bytes {
        self.next += 1;
        let cookie = format!("{:016x}-{}", self.prefix, self.next);
        let datagram = write(cookie.as_bytes(), Encoding::Bencode, dict);
        let waiting = Waiting { call, datagram: datagram.clone(), sent: now, tries: 1 };
        self.waiting.insert(self.next, waiting);
        datagram
    }

    /// Reads an answer; `None` for what nobody waits for.
    pub(super) fn answered(&mut self, datagram: &[u8]) -> Option<Answered> {
        let Message { cookie, dict, .. } = Message::read(&Bytes::copy_from_slice(datagram))?;
        let (prefix, number) = std::str::from_utf8(&cookie).ok()?.split_once('-')?;
        if u64::from_str_radix(prefix, 16).ok()? != self.prefix {
            return None;
        }
        let Waiting { call, .. } = self.waiting.remove(&number.parse().ok()?)?;
        let words =
            |dict: &Dict, name| dict.text(name).map(|text| String::from_utf8_lossy(text).into_owned());
        let answer = match dict {
            Ok(dict) if words(&dict, "result").as_deref() == Some("ok") => Ok(dict.text("sdp").cloned()),
            Ok(dict) => Err(words(&dict, "error-reason").unwrap_or_else(|| "no reason was given".to_owned())),
            Err(error) => Err(error.to_string()),
        };
        Some((call, answer))
    }

    /// What has to be sent again, and the calls whose request is not answered at all.
    pub(super) fn overdue(&mut self, now: Instant) -> (Vec<Bytes>, Vec<usize>) {
        let (mut again, mut lost) = (Vec::new(), Vec::new());
        self.waiting.retain(|_, waiting| {
            if now < waiting.sent + REPEAT {
                return true;
            }
            if waiting.tries == TRIES {
                lost.push(waiting.call);
                return false;
            }
            waiting.tries += 1;
            waiting.sent = now;
            again.push(waiting.datagram.clone());
            true
        });
        (again, lost)
    }
}

/// The dictionary of a request, with the flags that the how-tos of Kamailio give for each side.
pub(super) fn dictionary(kind: Kind, name: &str, from: IpAddr, request: Request<'_>) -> Dict {
    let text = |text: &str| Value::text(text);
    let list = |words: &[&str]| Value::List(words.iter().map(|word| text(word)).collect());
    let dict = Dict::new().with("call-id", text(name)).with("from-tag", text("caller"));
    let command = match request {
        Request::Delete => {
            return dict.with("command", text("delete")).with("delete-delay", Value::Number(0));
        }
        Request::Offer(_) => "offer",
        Request::Answer(_) => "answer",
    };
    let mut dict = dict
        .with("command", text(command))
        .with("replace", list(&["origin", "session-connection"]))
        .with("flags", list(&["trust-address"]))
        .with("received-from", list(&["IP4", &from.to_string()]));
    match request {
        Request::Offer(sdp) => {
            dict = dict.with("sdp", Value::text(sdp)).with("transport-protocol", text("RTP/AVP"));
            match kind {
                Kind::Plain | Kind::Sdes => dict.with("ICE", text("remove")),
                Kind::Webrtc => dict.with("ICE", text("remove")).with("rtcp-mux", list(&["demux"])),
                Kind::Opus => {
                    let codec = Dict::new().with("transcode", list(&["PCMU"])).with("mask", list(&["opus"]));
                    dict.with("ICE", text("remove")).with("codec", Value::Dict(codec))
                }
            }
        }
        Request::Answer(sdp) => {
            dict = dict.with("sdp", Value::text(sdp)).with("to-tag", text("callee"));
            match kind {
                Kind::Plain | Kind::Opus => {
                    dict.with("transport-protocol", text("RTP/AVP")).with("ICE", text("remove"))
                }
                Kind::Sdes => dict.with("transport-protocol", text("RTP/SAVP")).with("ICE", text("remove")),
                Kind::Webrtc => dict
                    .with("transport-protocol", text("UDP/TLS/RTP/SAVPF"))
                    .with("ICE", text("force"))
                    .with("DTLS", text("passive"))
                    .with("SDES", list(&["off"]))
                    .with("rtcp-mux", list(&["require"])),
            }
        }
        Request::Delete => dict,
    }
}

/// How long an answer is waited for before a request is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// How often it is sent at the most.
const TRIES: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn an_answer_finds_its_call_and_a_stray_one_finds_none() {
        let (mut requests, now) = (Requests::new(0xab), now());
        let dict = dictionary(Kind::Plain, "one", [127, 0, 0, 1].into(), Request::Delete);
        requests.ask(now, 7, &dict);
        requests.ask(now, 8, &dict);
        requests.ask(now, 9, &dict);
        assert_eq!(
            requests.answered(b"00000000000000ab-2 d3:sdp3:v=06:result2:oke"),
            Some((8, Ok(Some("v=0".into()))))
        );
        assert_eq!(requests.answered(b"00000000000000ab-1 d6:result2:oke"), Some((7, Ok(None))));
        let refused = b"00000000000000ab-3 d12:error-reason4:full6:result5:errore";
        assert_eq!(requests.answered(refused), Some((9, Err("full".to_owned()))));
        for stray in [
            &b"00000000000000ab-2 d6:result2:oke"[..],
            b"ac-1 d6:result2:oke",
            b"2 d6:result2:oke",
            b"",
            b"ab-9 le",
        ] {
            assert_eq!(requests.answered(stray), None);
        }
    }

    #[test]
    fn a_request_is_repeated_and_then_given_up() {
        let (mut requests, mut now) = (Requests::new(0xab), now());
        let dict = dictionary(Kind::Plain, "one", [127, 0, 0, 1].into(), Request::Delete);
        let datagram = requests.ask(now, 7, &dict);
        for _ in 1..TRIES {
            assert_eq!(requests.overdue(now), (vec![], vec![]));
            now += REPEAT;
            assert_eq!(requests.overdue(now), (vec![datagram.clone()], vec![]));
        }
        now += REPEAT;
        assert_eq!(requests.overdue(now), (vec![], vec![7]));
        assert_eq!(requests.overdue(now + REPEAT), (vec![], vec![]));
    }
}

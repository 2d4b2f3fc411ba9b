//! What clients say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Request {
    Create(Create),
    Join(Join),
    Signal(Signal),
    Rename { name: String },
    IceServers,
    Leave,
    Ping,
    Admit { knock: u32 },
    Refuse { knock: u32 },
    Set(Set),
    Remove { member: u32 },
    End,
    StreamKey,
    EndStream,
    Watch { stream: u32 },
    StreamDescription(StreamDescription),
}

/// The types of messages, as they are written.
const TYPES: &[&str] = &[
    "create",
    "join",
    "signal",
    "rename",
    "ice_servers",
    "leave",
    "ping",
    "admit",
    "refuse",
    "set",
    "remove",
    "end",
    "stream_key",
    "end_stream",
    "watch",
    "stream_description",
];

/// Makes a room.
#[derive(Debug, Deserialize)]
pub(super) struct Create {
    pub name: String,
    pub room: Option<String>,
    pub pin: Option<String>,
    #[serde(default)]
    pub knock: bool,
    pub user: Option<String>,
    pub password: Option<Password>,
}

/// Comes into a room, or back into it.
#[derive(Debug, Deserialize)]
pub(super) struct Join {
    pub room: String,
    pub name: String,
    pub pin: Option<String>,
    pub resume: Option<String>,
    #[serde(default)]
    pub fresh: bool,
}

/// What a member has for another one.
#[derive(Debug, Deserialize)]
pub(super) struct Signal {
    pub to: u32,
    pub description: Option<Description>,
    pub candidate: Option<Candidate>,
}

/// What a member answers to our offer of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamDescription {
    pub stream: u32,
    pub description: Description,
}

/// Changes how the room is set.
#[derive(Debug, Deserialize)]
pub(super) struct Set {
    pub locked: Option<bool>,
    pub knock: Option<bool>,
    pub pin: Option<String>,
}

/// A password of a user, which nothing shows.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Password(String);

impl Password {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// An `RTCSessionDescriptionInit` ([WebRTC §4.6.1]).
///
/// [WebRTC §4.6.1]: https://www.w3.org/TR/webrtc/#rtcsessiondescription-class
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    #[serde(rename = "type")]
    kind: DescriptionType,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DescriptionType {
    Offer,
    Answer,
    Pranswer,
    Rollback,
}

/// An `RTCIceCandidateInit` ([WebRTC §4.8.1]).
///
/// [WebRTC §4.8.1]: https://www.w3.org/TR/webrtc/#rtcicecandidate-interface
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    candidate: String,
    #[serde(rename = "sdpMid", skip_serializing_if = "Option::is_none")]
    sdp_mid: Option<String>,
    #[serde(rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    sdp_m_line_index: Option<u16>,
    #[serde(rename = "usernameFragment", skip_serializing_if = "Option::is_none")]
    username_fragment: Option<String>,
}

/// What goes from one member to another: one of the two, within its limits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Payload {
    Description(Description),
    Candidate(Candidate),
}

impl Signal {
    /// What is for the other member; otherwise the sentence that says what is wrong.
    pub fn payload(self) -> Result<Payload, &'static str> {
        match (self.description, self.candidate) {
            (Some(description), None) => description.check().map(Payload::Description),
            (None, Some(candidate)) => candidate.check().map(Payload::Candidate),
            _ => Err("a signal has either a description or a candidate"),
        }
    }
}

impl Description {
    /// The session description of an answer; otherwise the sentence that says what is wrong.
    pub fn answer(self) -> Result<String, &'static str> {
        match self.check()? {
            Description { kind: DescriptionType::Answer, sdp: Some(sdp) } => Ok(sdp),
            _ => Err("the offer of a stream is answered with an `answer`"),
        }
    }

    fn check(self) -> Result<Self, &'static str> {
        match (self.kind, &self.sdp) {
            (DescriptionType::Rollback, _) => Ok(Description { kind: self.kind, sdp: None }),
            (_, None) => Err("a description has `sdp`, unless it is a rollback"),
            (_, Some(sdp)) if sdp.len() > MAX_SDP => {
                Err("the `sdp` of a description has at most 49152 bytes")
            }
            _ => Ok(self),
        }
    }
}

impl Candidate {
    fn check(self) -> Result<Self, &'static str> {
        let within = |text: &Option<String>, most| text.as_ref().is_none_or(|text| text.len() <= most);
        if self.candidate.len() > MAX_CANDIDATE {
            Err("the line of a candidate has at most 1024 bytes")
        } else if !within(&self.sdp_mid, MAX_MID) {
            Err("the `sdpMid` of a candidate has at most 64 bytes")
        } else if !within(&self.username_fragment, MAX_FRAGMENT) {
            Err("the `usernameFragment` of a candidate has at most 256 bytes")
        } else {
            Ok(self)
        }
    }
}

/// Why a message is not understood.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A type that is not one of ours.
    UnknownType,
    /// No message, for this reason.
    Bad(String),
}

impl Request {
    /// Reads a message; what comes back besides is its type, when it has one that is known.
    pub fn read(bytes: &[u8]) -> (Option<&'static str>, Result<Request, Unreadable>) {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
        }
        let head: Head = match serde_json::from_slice(bytes) {
            Ok(head) => head,
            Err(error) => return (None, Err(Unreadable::Bad(error.to_string()))),
        };
        let Some(&about) = TYPES.iter().find(|&&known| known == head.r#type) else {
            return (None, Err(Unreadable::UnknownType));
        };
        (Some(about), serde_json::from_slice(bytes).map_err(|error| Unreadable::Bad(error.to_string())))
    }
}

const MAX_SDP: usize = 49_152;
const MAX_CANDIDATE: usize = 1024;
const MAX_MID: usize = 64;
const MAX_FRAGMENT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read() {
        for kind in TYPES {
            let text = format!(
                r#"{{"type":"{kind}","name":"a","room":"abc","to":1,"knock":1,"member":1,"candidate":{{"candidate":""}},"stream":1,"description":{{"type":"answer","sdp":""}},"later":[1]}}"#
            );
            // `knock` is a number for some and a flag for others.
            let text = if matches!(*kind, "create" | "set") {
                text.replace(r#""knock":1"#, r#""knock":true"#)
            } else {
                text
            };
            let (about, request) = Request::read(text.as_bytes());
            assert_eq!(about, Some(*kind));
            assert!(request.is_ok(), "{request:?}");
        }
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for text in ["", "7", "[]", "{}", r#"{"type":1}"#, r#"{"type":"join"}"#, "{\"type\":\"ping\"} {}"] {
            assert!(matches!(Request::read(text.as_bytes()).1, Err(Unreadable::Bad(_))), "{text}");
        }
        assert!(matches!(Request::read(br#"{"type":"sing"}"#).1, Err(Unreadable::UnknownType)));
        let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
        assert!(matches!(Request::read(deep.as_bytes()).1, Err(Unreadable::Bad(_))));
    }

    fn signal(text: &str) -> Result<String, &'static str> {
        let (_, Ok(Request::Signal(signal))) =
            Request::read(format!(r#"{{"type":"signal","to":1,{text}}}"#).as_bytes())
        else {
            panic!("{text}")
        };
        signal.payload().map(|payload| serde_json::to_string(&payload).unwrap())
    }

    #[test]
    fn what_passes_between_members_is_what_the_page_names() {
        assert_eq!(
            signal(r#""description":{"sdp":"v=0","type":"offer","more":1}"#).unwrap(),
            r#"{"description":{"type":"offer","sdp":"v=0"}}"#
        );
        assert_eq!(
            signal(r#""description":{"type":"rollback","sdp":"x"}"#).unwrap(),
            r#"{"description":{"type":"rollback"}}"#
        );
        assert_eq!(
            signal(r#""candidate":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":null}"#)
                .unwrap(),
            r#"{"candidate":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0}}"#
        );
        assert!(
            signal(r#""candidate":null"#).is_err() && signal(r#""description":{"type":"answer"}"#).is_err()
        );
        assert!(signal(&format!(r#""candidate":{{"candidate":"{}"}}"#, "x".repeat(1025))).is_err());
        assert!(
            signal(&format!(r#""description":{{"type":"offer","sdp":"{}"}}"#, "x".repeat(49_153))).is_err()
        );
    }
}

//! The messages between a client and the server of rooms (docs/reference/rooms.md).

use serde::{Deserialize, Serialize};

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    Create {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
    Join {
        room: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    Signal {
        to: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<Description>,
        #[serde(skip_serializing_if = "Option::is_none")]
        candidate: Option<Candidate>,
    },
    IceServers,
    Ping,
    Leave,
}

/// What a server says; what a client has no use for is [`FromServer::Other`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer {
    Joined(Joined),
    Waiting {},
    MemberJoined {
        member: Named,
    },
    MemberLeft {
        member: u32,
    },
    MemberAway {
        member: u32,
    },
    MemberBack {
        member: u32,
    },
    MemberRenamed {
        member: u32,
        name: String,
    },
    IceServers(Servers),
    Signal {
        from: u32,
        description: Option<Description>,
        candidate: Option<Candidate>,
    },
    Ended {
        #[serde(default)]
        reason: String,
        #[serde(default)]
        says: String,
    },
    Error {
        code: String,
        #[serde(default)]
        says: String,
        /// The type of the message that it answers.
        about: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Joined {
    pub(super) room: String,
    pub(super) you: u32,
    pub(super) members: Vec<Named>,
    pub(super) resume: String,
    #[serde(default)]
    pub(super) resumed: bool,
    #[serde(flatten)]
    pub(super) servers: Servers,
}

/// What helps to find a way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Servers {
    #[serde(default)]
    pub(super) ice_servers: Vec<IceServer>,
    /// Seconds for which their credentials are good.
    #[serde(default)]
    pub(super) ice_expires_in: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Named {
    pub(super) id: u32,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct IceServer {
    #[serde(default)]
    pub(super) urls: Vec<String>,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) credential: String,
}

/// An `RTCSessionDescriptionInit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    #[serde(rename = "type")]
    pub(super) kind: DescriptionKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) sdp: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DescriptionKind {
    Offer,
    Answer,
    Pranswer,
    Rollback,
}

/// An `RTCIceCandidateInit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) candidate: String,
    #[serde(rename = "sdpMLineIndex", default, skip_serializing_if = "Option::is_none")]
    pub(super) section: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_of_the_protocol_shows_is_read() {
        let joined = r#"{"type":"joined", "room":"team", "you":2,
            "members":[{"id":1,"name":"Ada","host":true,"away":false}, {"id":2,"name":"Grace","host":false,"away":false}],
            "locked":false, "knock":false, "pin":true, "resumed":false,
            "resume":"k7", "resume_within":60, "expires_in":86340,
            "ice_servers":[{"urls":["stun:example.com:3478"]},
                           {"urls":["turn:example.com:3478?transport=udp"],"username":"u","credential":"c"}],
            "ice_expires_in":600, "knocks":[]}"#;
        let Ok(FromServer::Joined(joined)) = serde_json::from_str(joined) else { panic!("it is read") };
        assert_eq!((joined.you, joined.members.len(), joined.resume.as_str()), (2, 2, "k7"));
        let [stun, turn] = joined.servers.ice_servers.as_slice() else { panic!("there are two") };
        assert_eq!(stun.urls, ["stun:example.com:3478"]);
        assert_eq!((turn.username.as_str(), turn.credential.as_str()), ("u", "c"));
        assert_eq!(joined.servers.ice_expires_in, Some(600));
        let signal = r#"{"type":"signal", "from":1, "description":{"type":"offer","sdp":"v=0"}}"#;
        let Ok(FromServer::Signal { from: 1, description: Some(offer), candidate: None }) =
            serde_json::from_str(signal)
        else {
            panic!("it is read")
        };
        assert_eq!((offer.kind, offer.sdp.as_str()), (DescriptionKind::Offer, "v=0"));
        for (text, message) in [
            (r#"{"type":"waiting","room":"team"}"#, FromServer::Waiting {}),
            (r#"{"type":"member_away","member":3}"#, FromServer::MemberAway { member: 3 }),
            (r#"{"type":"pong"}"#, FromServer::Other),
            (r#"{"type":"something_new","x":[1]}"#, FromServer::Other),
        ] {
            assert_eq!(serde_json::from_str::<FromServer>(text).unwrap(), message, "{text}");
        }
    }

    #[test]
    fn what_a_client_says_has_the_form_of_the_page() {
        let candidate = Candidate { candidate: "candidate:1".into(), section: Some(0) };
        for (message, text) in [
            (
                FromClient::Join { room: "team".into(), name: "Grace".into(), pin: None, resume: None },
                r#"{"type":"join","room":"team","name":"Grace"}"#,
            ),
            (
                FromClient::Signal { to: 3, description: None, candidate: Some(candidate) },
                r#"{"type":"signal","to":3,"candidate":{"candidate":"candidate:1","sdpMLineIndex":0}}"#,
            ),
            (FromClient::Leave, r#"{"type":"leave"}"#),
        ] {
            assert_eq!(serde_json::to_string(&message).unwrap(), text);
        }
    }
}

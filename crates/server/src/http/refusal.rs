//! What is refused over HTTP, in words.

use std::net::IpAddr;

use hyper::header::{HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::{Body, plain};
use crate::telemetry::{Reason, Shown, Telemetry, limited, reasons};

reasons! {
    /// Why a request over HTTP was refused.
    Refusal {
        /// `Host` names another server than this one.
        UnknownHost = "unknown_host",
        /// The page that opens a WebSocket is of an origin that is not in `listen.origins`.
        UnknownOrigin = "unknown_origin",
        /// A page of another origin asks for what is for our own.
        ForeignOrigin = "foreign_origin",
        /// Another method than GET and HEAD.
        Method = "method",
        /// A method that there is not for a stream.
        StreamMethod = "stream_method",
        /// A body of another media type than is taken there.
        MediaType = "media_type",
        /// A body longer than a session description may be.
        BodyTooLarge = "body_too_large",
        /// A body that did not come in time.
        BodyLate = "body_late",
        /// A body that broke off.
        BodyBroken = "body_broken",
        /// The thread of rooms does not take or answer a request.
        RoomsBehind = "rooms_behind",
        /// There is no such page.
        NoPage = "no_page",
        /// No password where one is asked for.
        NoPassword = "no_password",
        /// A wrong password, or one of nobody.
        WrongPassword = "wrong_password",
        /// Too many wrong passwords came from the source before.
        TooManyGuesses = "too_many_guesses",
        /// A password over a connection that others can read.
        Insecure = "insecure",
        /// `/ws` without an upgrade.
        NoUpgrade = "no_upgrade",
        /// `/rooms/ws` without an upgrade.
        NoRoomsUpgrade = "no_rooms_upgrade",
        /// Another version of WebSocket than 13.
        WebSocketVersion = "websocket_version",
        /// The sub-protocol `sip` is not offered.
        NoSubProtocol = "no_subprotocol",
        /// The sub-protocol of rooms is not offered.
        NoRoomsProtocol = "no_rooms_protocol",
        /// `Sec-WebSocket-Key` is missing or malformed.
        WebSocketKey = "websocket_key",
    }
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Refusal::UnknownOrigin | Refusal::ForeignOrigin | Refusal::Insecure => StatusCode::FORBIDDEN,
            Refusal::NoPassword | Refusal::WrongPassword => StatusCode::UNAUTHORIZED,
            Refusal::TooManyGuesses => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Method | Refusal::StreamMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyLate => StatusCode::REQUEST_TIMEOUT,
            Refusal::RoomsBehind => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::NoPage => StatusCode::NOT_FOUND,
            Refusal::NoUpgrade | Refusal::NoRoomsUpgrade | Refusal::WebSocketVersion => {
                StatusCode::UPGRADE_REQUIRED
            }
            Refusal::NoSubProtocol
            | Refusal::NoRoomsProtocol
            | Refusal::WebSocketKey
            | Refusal::BodyBroken => StatusCode::BAD_REQUEST,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Refusal::UnknownHost => {
                "this server does not answer to that name; set `domain` in its configuration\n"
            }
            Refusal::UnknownOrigin => "this origin is not in listen.origins\n",
            Refusal::Method => "only GET and HEAD are served here\n",
            Refusal::StreamMethod => "a stream is made with POST, and its session ends with DELETE\n",
            Refusal::MediaType => {
                "send a session description as application/sdp, with PATCH application/trickle-ice-sdpfrag\n"
            }
            Refusal::BodyTooLarge => "a session description has at most 49152 bytes\n",
            Refusal::BodyLate => "the body did not come within five seconds\n",
            Refusal::BodyBroken => "the body broke off\n",
            Refusal::RoomsBehind => "the server is overloaded; try again\n",
            Refusal::NoPassword => "sign in with the name and password of a user\n",
            Refusal::WrongPassword => "there is no such user, or the password is another\n",
            Refusal::TooManyGuesses => {
                "too many wrong passwords came from this address; try again in a minute\n"
            }
            Refusal::Insecure => "a password or a key is taken over HTTPS only\n",
            Refusal::ForeignOrigin => "pages of another origin are not answered\n",
            Refusal::NoPage => "there is no such page\n",
            Refusal::NoUpgrade => "this address speaks SIP over WebSocket (RFC 7118)\n",
            Refusal::NoRoomsUpgrade => "this address speaks the protocol of rooms over WebSocket\n",
            Refusal::WebSocketVersion => "only WebSocket version 13 is spoken here\n",
            Refusal::NoSubProtocol => "the sub-protocol `sip` must be offered (RFC 7118, section 4)\n",
            Refusal::NoRoomsProtocol => "the sub-protocol `ringback.rooms.1` must be offered\n",
            Refusal::WebSocketKey => "Sec-WebSocket-Key is missing or malformed\n",
        }
    }
}

/// Refuses a request of `source`, counts it, and logs what an operator may have to mend. `named` is what the client gave
/// as its host or origin.
pub fn refuse(telemetry: &Telemetry, source: IpAddr, refusal: Refusal, named: &[u8]) -> Response<Body> {
    telemetry.http_refused.count(refusal);
    let (log, reason) = (&telemetry.log, refusal.name());
    let named = Shown(String::from_utf8_lossy(named));
    match refusal {
        Refusal::UnknownHost => limited!(
            log, WARN, source, reason, host = %named,
            "a request for an unknown host was refused; add it to `domain` to serve it"
        ),
        Refusal::UnknownOrigin => limited!(
            log, INFO, source, reason, origin = %named,
            "a page of an unknown origin was refused; add it to `listen.origins` to let it in"
        ),
        _ => limited!(log, DEBUG, source, reason, reason, "a request over HTTP was refused"),
    }
    let mut response = plain(refusal.status(), refusal.words());
    let header = match refusal {
        Refusal::WebSocketVersion => (SEC_WEBSOCKET_VERSION, "13"),
        Refusal::NoPassword | Refusal::WrongPassword => {
            (WWW_AUTHENTICATE, "Basic realm=\"Ringback\", charset=\"UTF-8\"")
        }
        Refusal::TooManyGuesses => (RETRY_AFTER, "60"),
        Refusal::RoomsBehind => (RETRY_AFTER, "5"),
        _ => return response,
    };
    response.headers_mut().insert(header.0, HeaderValue::from_static(header.1));
    response
}

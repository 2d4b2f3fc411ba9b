//! What goes over WebSockets: SIP ([RFC 7118]) at `/ws`, the signalling of rooms at `/rooms/ws` (`rooms.rs`).
//!
//! Text and binary frames are taken alike and answered in kind, one message each; frames of CRLF are keep-alives and
//! are answered as RFC 5626 §3.5.1 has it. The server keeps flows alive by WebSocket pings, because not every client
//! understands a CRLF, and gives up a flow after two that were not answered.
//!
//! permessage-deflate is offered by browsers and not taken: it costs tens of kilobytes a connection and saves nothing
//! on a signalling path.
//!
//! [RFC 7118]: https://www.rfc-editor.org/rfc/rfc7118

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::header::{
    CONNECTION, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use ringback_control::rooms::Visit;
use ringback_sansio::{FiveTuple, Flow, Transport};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message as Frame, Role, WebSocketConfig};

use super::host::is_page_of;
use super::message_clock::MessageClock;
use super::refusal::{Refusal, refuse};
use super::rooms::{MAX_MESSAGE, SUB_PROTOCOL};
use super::{Body, Peer, Server};
use crate::config::Limits;
use crate::inbox::Input;
use crate::net::{End, Place, discard_rest};
use crate::outbox::Outgoing;

/// The bytes of a read buffer. Most connections are idle most of the time and each has one.
const READ_BUFFER: usize = 2 << 10;

/// Pings without an answer after which the flow is given up.
const PINGS_MISSED: u32 = 2;

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long a close frame may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MessageClock<TokioIo<Upgraded>>>;

/// Who speaks over a WebSocket.
#[derive(Debug)]
pub enum Service {
    /// SIP.
    Sip,
    /// A client of rooms, which has come so.
    Rooms(Visit),
}

impl Service {
    /// The sub-protocol that has to be offered.
    const fn sub_protocol(&self) -> &'static str {
        match self {
            Service::Sip => "sip",
            Service::Rooms(_) => SUB_PROTOCOL,
        }
    }

    /// The longest message.
    fn longest(&self, limits: &Limits) -> usize {
        match self {
            Service::Sip => limits.message_bytes as usize,
            Service::Rooms(_) => MAX_MESSAGE,
        }
    }

    /// Whether a page of that origin may open it.
    fn takes(&self, server: &Server, origin: &HeaderValue) -> Result<(), Refusal> {
        let (is_taken, refusal) = match self {
            Service::Sip => {
                let origins = &server.config.listen.origins;
                let is_known =
                    |origin: &str| origins.is_empty() || origins.iter().any(|known| known.matches(origin));
                (origin.to_str().is_ok_and(is_known), Refusal::UnknownOrigin)
            }
            // The page and its WebSocket are of one host and port.
            Service::Rooms(visit) => (is_page_of(origin, visit.host.as_bytes()), Refusal::ForeignOrigin),
        };
        if is_taken { Ok(()) } else { Err(refusal) }
    }
}

/// Answers the opening handshake of `source`, and serves the connection once it is upgraded.
pub fn upgrade(
    server: &Server,
    peer: Peer,
    source: IpAddr,
    place: &Arc<Place>,
    request: Request<Incoming>,
    service: Service,
) -> Response<Body> {
    let accept = match handshake(server, &request, &service) {
        Ok(accept) => accept,
        Err(refusal) => {
            let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
            return refuse(&server.telemetry, source, refusal, origin.unwrap_or_default());
        }
    };
    let peer = peer.on_behalf_of(SocketAddr::new(source, peer.remote.port()), place);
    let transport = if peer.secure { Transport::Wss } else { Transport::Ws };
    let tuple = FiveTuple::new(transport, peer.local, peer.remote);
    let (server, place) = (server.clone(), place.clone());
    let (sub_protocol, longest) = (service.sub_protocol(), service.longest(&server.config.limits));
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                let flow = Flow { tuple, connection: server.numbers.next() };
                let opened = match service {
                    Service::Sip => server.inbox.open(flow, &place),
                    Service::Rooms(visit) => server.inbox.visit(flow, visit, &place),
                };
                match opened {
                    Ok(outgoing) => {
                        serve(server, flow, upgraded, place, outgoing, (Side::Server, longest)).await;
                    }
                    Err(refused) => server.telemetry.ended(tuple, refused.into()),
                }
            }
            Err(_) => server.telemetry.ended(tuple, End::Broken),
        }
    });
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(sub_protocol));
    response
}

/// Checks the opening handshake (RFC 6455 §4.2.1); the answer is the value of `Sec-WebSocket-Accept`.
fn handshake(
    server: &Server,
    request: &Request<Incoming>,
    service: &Service,
) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err(match service {
            Service::Sip => Refusal::NoUpgrade,
            Service::Rooms(_) => Refusal::NoRoomsUpgrade,
        });
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::WebSocketVersion);
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, service.sub_protocol()) {
        return Err(match service {
            Service::Sip => Refusal::NoSubProtocol,
            Service::Rooms(_) => Refusal::NoRoomsProtocol,
        });
    }
    if let Some(origin) = headers.get(ORIGIN) {
        service.takes(server, origin)?;
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::WebSocketKey)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Refusal::WebSocketKey)
}

/// Which side of a connection we are.
#[derive(Debug, Clone, Copy)]
enum Side {
    Server,
    /// The connection is given up when nothing but pongs comes over it for so long.
    Client(Duration),
}

/// Carries messages over a connection that we made and that the control thread knows, until it ends or nothing comes
/// over it for `idle`.
pub async fn serve_web_socket(
    server: Server,
    flow: Flow,
    upgraded: Upgraded,
    place: Arc<Place>,
    outgoing: Outgoing,
    idle: Duration,
) {
    let longest = server.config.limits.message_bytes as usize;
    serve(server, flow, upgraded, place, outgoing, (Side::Client(idle), longest)).await;
}

async fn serve(
    server: Server,
    flow: Flow,
    upgraded: Upgraded,
    place: Arc<Place>,
    outgoing: Outgoing,
    (side, limit): (Side, usize),
) {
    let closed = server.inbox.owes_closed(flow);
    let limits = &server.config.limits;
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * limit)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let stream = MessageClock::new(TokioIo::new(upgraded), limits.message());
    let role = match side {
        Side::Server => Role::Server,
        Side::Client(_) => Role::Client,
    };
    let mut socket = WebSocketStream::from_raw_socket(stream, role, Some(settings)).await;
    let end = tokio::select! {
        end = converse(&server, flow, &mut socket, outgoing, side) => end,
        end = place.lost(limits.sign_in()) => end,
    };
    server.telemetry.ended(flow.tuple, end);
    closed.say(Input::Closed(flow)).await;
    if let Some(code) = close_code(end) {
        let close = CloseFrame { code, reason: end.words().into() };
        if let Ok(Ok(())) = timeout(CLOSE_WITHIN, socket.close(Some(close))).await {
            discard_rest(socket.get_mut()).await;
        }
    }
}

/// Carries messages both ways until one side ends.
async fn converse(
    server: &Server,
    flow: Flow,
    socket: &mut Socket,
    mut outgoing: Outgoing,
    side: Side,
) -> End {
    let limits = &server.config.limits;
    let mut pings = interval_at(Instant::now() + limits.ping(), limits.ping());
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let first_request = sleep_until(Instant::now() + limits.first_request());
    tokio::pin!(first_request);
    let mut kind = Kind::Text;
    // Who was connected to owes nothing.
    let mut has_request = matches!(side, Side::Client(_));
    let mut received_last = Instant::now();
    loop {
        let frame = tokio::select! {
            received = socket.next() => match received {
                None => return End::ClosedByClient,
                Some(Err(error)) => return end_of(&error),
                Some(Ok(frame)) => {
                    unanswered = 0;
                    match received_frame(frame) {
                        Received::Nothing => continue,
                        Received::KeepAlive(pong) => pong,
                        Received::Message(message, of_kind) => {
                            (has_request, kind) = (true, of_kind);
                            received_last = Instant::now();
                            if let Err(refused) = server.inbox.send(Input::Message(flow, message)) {
                                return refused.into();
                            }
                            continue;
                        }
                    }
                }
            },
            message = outgoing.next() => match message {
                None => return End::ClosedByServer,
                Some(message) => outgoing_frame(message, kind),
            },
            _ = pings.tick() => {
                if unanswered >= PINGS_MISSED {
                    return End::NoPong;
                }
                if matches!(side, Side::Client(idle) if received_last.elapsed() >= idle) {
                    return End::Idle;
                }
                unanswered += 1;
                Frame::Ping(Bytes::new())
            },
            () = &mut first_request, if !has_request => return End::FirstRequestLate,
        };
        match timeout(WRITE_WITHIN, socket.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return end_of(&error),
            Err(_) => return End::NotReading,
        }
    }
}

/// The two kinds of frames that carry SIP.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Binary,
}

/// What a frame of the client asks for.
enum Received {
    Nothing,
    /// A keep-alive that wants this answer.
    KeepAlive(Frame),
    Message(Bytes, Kind),
}

fn received_frame(frame: Frame) -> Received {
    let (payload, kind) = match frame {
        Frame::Text(text) => (Bytes::from(text), Kind::Text),
        Frame::Binary(bytes) => (bytes, Kind::Binary),
        // Pings are answered by the WebSocket layer, and a close frame is followed by the end of the stream.
        Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_) => return Received::Nothing,
    };
    if !payload.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return Received::Message(payload, kind);
    }
    match payload.len() {
        0..=3 => Received::Nothing,
        _ => Received::KeepAlive(match kind {
            Kind::Text => Frame::text("\r\n"),
            Kind::Binary => Frame::binary(&b"\r\n"[..]),
        }),
    }
}

/// A client is written to in the frames that it sends itself: some read no others. What is no text goes in a binary one
/// in any case.
fn outgoing_frame(message: Bytes, kind: Kind) -> Frame {
    match kind {
        Kind::Binary => Frame::Binary(message),
        Kind::Text => match tokio_tungstenite::tungstenite::Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Frame::Text(text),
            Err(_) => Frame::Binary(message),
        },
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooLarge,
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => End::MessageLate,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::ClosedByClient,
        Error::Protocol(ProtocolError::SendAfterClosing) => End::ClosedByClient,
        Error::Protocol(_) | Error::Utf8(_) => End::WebSocketError,
        _ => End::Broken,
    }
}

/// The code of [RFC 6455 §7.4.1] that a client is told; `None` where nobody is there to hear it, or no time to tell it.
///
/// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
fn close_code(end: End) -> Option<CloseCode> {
    match end {
        End::TooLarge => Some(CloseCode::Size),
        End::WebSocketError => Some(CloseCode::Protocol),
        End::FirstRequestLate | End::MessageLate | End::NotSignedIn | End::OverBudget => {
            Some(CloseCode::Policy)
        }
        End::ClosedByServer | End::Stopping => Some(CloseCode::Away),
        End::Overloaded => Some(CloseCode::Again),
        _ => None,
    }
}

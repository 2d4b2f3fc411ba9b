//! SIP over WebSocket ([RFC 7118]): `/ws`.
//!
//! Text and binary frames are taken alike, one SIP message each; frames of CRLF are keep-alives and are answered as
//! RFC 5626 §3.5.1 has it. The server keeps flows alive by WebSocket pings, because not every client understands a
//! CRLF, and gives up a flow after two that were not answered.
//!
//! permessage-deflate is offered by browsers and not taken: it costs tens of kilobytes a connection and saves nothing
//! on a signalling path.
//!
//! [RFC 7118]: https://www.rfc-editor.org/rfc/rfc7118

use std::net::SocketAddr;
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
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message as Frame, Role, WebSocketConfig};

use super::{Body, Peer, Server, plain};
use crate::inbox::{Input, OUTBOX_LENGTH, Outbox};
use crate::net::accept::Place;

/// What a proxy names the client in.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The bytes of a read buffer. Most connections are idle most of the time and each has one.
const READ_BUFFER: usize = 2 << 10;

/// How often a client is pinged. Load balancers and NATs close what is quiet for 30 s.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Pings without an answer after which the flow is given up.
const PINGS_MISSED: u32 = 2;

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Answers the opening handshake and serves the connection once it is upgraded.
pub fn upgrade(
    server: &Server,
    peer: Peer,
    place: &Arc<Place>,
    request: Request<Incoming>,
) -> Response<Body> {
    let headers = request.headers();
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return plain(StatusCode::UPGRADE_REQUIRED, "this address speaks SIP over WebSocket (RFC 7118)\n");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = plain(StatusCode::UPGRADE_REQUIRED, "only WebSocket version 13 is spoken here\n");
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, "sip") {
        return plain(
            StatusCode::BAD_REQUEST,
            "the sub-protocol `sip` must be offered (RFC 7118, section 4)\n",
        );
    }
    let origins = &server.config.listen.origins;
    if let Some(origin) = headers.get(ORIGIN)
        && !origins.is_empty()
        && !origin.to_str().is_ok_and(|origin| origins.iter().any(|known| known.matches(origin)))
    {
        tracing::info!(?origin, "a page of an origin that is not in listen.origins was refused");
        return plain(StatusCode::FORBIDDEN, "this origin is not in listen.origins\n");
    }
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY) else {
        return plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing\n");
    };
    let accept = derive_accept_key(key.as_bytes());
    let Ok(accept) = HeaderValue::from_str(&accept) else {
        return plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is malformed\n");
    };
    let forwarded = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let source = server.config.listen.source(peer.remote.ip(), forwarded);
    let peer = Peer { remote: SocketAddr::new(source, peer.remote.port()), ..peer };
    let (server, place) = (server.clone(), place.clone());
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => serve(server, peer, upgraded, place).await,
            Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
        }
    });
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
    response
}

async fn serve(server: Server, peer: Peer, upgraded: Upgraded, place: Arc<Place>) {
    let limit = server.config.limits.message_bytes as usize;
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * limit)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let transport = if peer.secure { Transport::Wss } else { Transport::Ws };
    let flow =
        Flow { tuple: FiveTuple::new(transport, peer.local, peer.remote), connection: server.numbers.next() };
    debug_assert_ne!(flow.connection, ConnectionId::NONE);
    let (sender, outgoing) = mpsc::channel(OUTBOX_LENGTH);
    let outbox = Outbox { sender, place };
    if server.inbox.send(Input::Opened(flow, outbox)).is_err() {
        return;
    }
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(settings)).await;
    let end = converse(&server, flow, socket, outgoing).await;
    tracing::debug!(%flow, end, "a WebSocket ended");
    // The control thread must hear of it, or the contact would stay; when it is behind, it is waited for.
    while let Err(crate::inbox::Refused::Full) = server.inbox.send(Input::Closed(flow)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Carries messages both ways until one side ends; says why it ended.
async fn converse(
    server: &Server,
    flow: Flow,
    mut socket: WebSocketStream<TokioIo<Upgraded>>,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> &'static str {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let frame = tokio::select! {
            received = socket.next() => match received {
                None => return "closed by the client",
                Some(Err(_)) => return "broken",
                Some(Ok(frame)) => {
                    unanswered = 0;
                    match received_frame(server, flow, frame) {
                        Ok(None) => continue,
                        Ok(Some(reply)) => reply,
                        Err(end) => return end,
                    }
                }
            },
            message = outgoing.recv() => match message {
                None => return "closed by the server",
                Some(message) => outgoing_frame(message),
            },
            _ = pings.tick() => {
                if unanswered >= PINGS_MISSED {
                    return "two pings without an answer";
                }
                unanswered += 1;
                Frame::Ping(Bytes::new())
            }
        };
        match timeout(WRITE_WITHIN, socket.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "broken",
            Err(_) => return "the client does not read",
        }
    }
}

/// What a frame of the client asks for: a reply, nothing, or the end.
fn received_frame(server: &Server, flow: Flow, frame: Frame) -> Result<Option<Frame>, &'static str> {
    let payload = match frame {
        Frame::Text(text) => Bytes::from(text),
        Frame::Binary(bytes) => bytes,
        // Pings are answered by the WebSocket layer, and a close frame is followed by the end of the stream.
        Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_) => return Ok(None),
    };
    if payload.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        let is_ping = payload.len() >= 4;
        return Ok(is_ping.then(|| Frame::text("\r\n")));
    }
    match server.inbox.send(Input::Message(flow, payload)) {
        Ok(()) => Ok(None),
        Err(_) => Err("the control thread is overloaded"),
    }
}

/// SIP goes in text frames where it is text: some clients take no others.
fn outgoing_frame(message: Bytes) -> Frame {
    match tokio_tungstenite::tungstenite::Utf8Bytes::try_from(message.clone()) {
        Ok(text) => Frame::Text(text),
        Err(_) => Frame::Binary(message),
    }
}

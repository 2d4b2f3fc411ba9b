//! The client's side of the opening handshake of a WebSocket ([RFC 6455 §4.1]): of SIP ([RFC 7118 §4]), and of rooms.
//!
//! [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
//! [RFC 7118 §4]: https://www.rfc-editor.org/rfc/rfc7118#section-4

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, HOST, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Why a server does not speak with us over WebSocket.
#[derive(Debug, Error)]
pub enum NotOpened {
    /// It does not speak HTTP.
    #[error("it does not answer as a WebSocket server: {0}")]
    Http(#[from] hyper::Error),
    /// It does not want a WebSocket.
    #[error("it answered the WebSocket handshake with {0}")]
    Refused(StatusCode),
    /// Its answer is none to our question: it may be one that a cache has kept.
    #[error("its answer to the WebSocket handshake is not one to our key")]
    WrongAccept,
    /// It does not take the sub-protocol.
    #[error("it did not take the sub-protocol `{0}`; does the path lead to what speaks it?")]
    NoSubProtocol(String),
}

/// The sub-protocol of SIP.
pub const SIP: &str = "sip";

/// The request that asks `host` for a WebSocket of a sub-protocol, at the path `/`.
pub fn opening(host: HeaderValue, protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(key) = HeaderValue::from_str(&generate_key()) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    request
}

/// Sends the request; the stream carries frames from then on.
pub async fn open<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Upgraded, NotOpened>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let wanted = request.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
    let expected = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Who waits for the answer is told of its error.
        let _ = connection.with_upgrades().await;
    });
    let mut response = sender.send_request(request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(NotOpened::Refused(response.status()));
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accept.map(HeaderValue::as_bytes) != expected.as_ref().map(String::as_bytes) {
        return Err(NotOpened::WrongAccept);
    }
    let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let wanted = wanted.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
    if !protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(wanted)) {
        return Err(NotOpened::NoSubProtocol(wanted.escape_ascii().to_string()));
    }
    Ok(hyper::upgrade::on(&mut response).await?)
}

//! A browser: its opening handshake, and the conversation with its server.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ringback_sansio::FiveTuple;
use ringback_sip::message::limits::MAX_STREAM_MESSAGE;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::ladder::{What, clean};
use super::listener::Shared;
use super::passage::Passage;
use super::{Ends, Side};
use crate::net::discard_rest;
use crate::upstream::frames::{Farewell, Role};
use crate::upstream::{Broken, Frame, Socket, Upstream};

/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long the other side has for its close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

type BrowserSocket = Socket<TokioIo<Upgraded>>;

/// Serves a connection until it ends.
pub(super) async fn serve<S>(
    shared: Arc<Shared>,
    stream: S,
    tuple: FiveTuple,
    stopped: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = Arc::new(place);
    let service = service_fn(move |request| {
        let (shared, stopped, place) = (shared.clone(), stopped.clone(), place.clone());
        async move { Ok::<_, Infallible>(open(shared, request, tuple, stopped, place).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // What is no HTTP, and who leaves before the handshake, has nothing to show.
    let _ = connection.await;
}

/// Answers the opening handshake (RFC 6455 §4.2), once the server has taken ours.
async fn open(
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
    tuple: FiveTuple,
    stopped: watch::Receiver<bool>,
    place: Arc<OwnedSemaphorePermit>,
) -> Response<Full<Bytes>> {
    let accept = match check(&request) {
        Ok(accept) => accept,
        Err((status, words)) => return plain(status, words.to_owned()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let number = shared.next_number();
    let origin = request.headers().get(ORIGIN).map(|origin| clean(origin.as_bytes()));
    let tell = |words: String| shared.enter(shared.moment().entry(number, What::Told(words)));
    match shared.connector.connect(&request).await {
        Ok((upstream, server)) => {
            let from = origin.map_or(String::new(), |origin| format!(" by a page of {origin}"));
            tell(format!("{} opened{from}", tuple.remote));
            let ends = Ends { browser: tuple, server };
            let conversation = Conversation { shared: shared.clone(), number, stopped };
            tokio::spawn(async move {
                conversation.run(upgrade, upstream, ends).await;
                drop(place);
            });
            switching(accept)
        }
        Err(error) => {
            tell(format!("{} was turned away: {error}", tuple.remote));
            plain(error.status(), format!("{error}\n"))
        }
    }
}

fn check(request: &Request<Incoming>) -> Result<HeaderValue, (StatusCode, &'static str)> {
    let headers = request.headers();
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let is_websocket =
        request.method() == Method::GET && has(UPGRADE, "websocket") && has(CONNECTION, "upgrade");
    if !is_websocket || headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let words = "This is ringback tap: point the WebSocket of a SIP phone to this address.\n";
        return Err((StatusCode::UPGRADE_REQUIRED, words));
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, "sip") {
        return Err((StatusCode::BAD_REQUEST, "The WebSocket does not offer the sub-protocol `sip`.\n"));
    }
    headers
        .get(SEC_WEBSOCKET_KEY)
        .and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())
        .ok_or((StatusCode::BAD_REQUEST, "The WebSocket has no key.\n"))
}

fn switching(accept: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
    response
}

fn plain(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(words));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// One browser with its server.
struct Conversation {
    shared: Arc<Shared>,
    number: u32,
    stopped: watch::Receiver<bool>,
}

/// How a conversation ends.
enum End {
    /// A close frame.
    Closed(Side, Option<Farewell>),
    /// The end of a stream without one.
    Vanished(Side),
    /// Something that ends it.
    Broken(Side, Broken),
    /// The tap ends.
    Stopped,
}

impl Conversation {
    async fn run(mut self, upgrade: OnUpgrade, mut upstream: Upstream, ends: Ends) {
        let Ok(upgraded) = upgrade.await else { return };
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        let mut browser = Socket::new(TokioIo::new(upgraded), Role::Server, MAX_STREAM_MESSAGE);
        let mut passage = Passage::new(self.number, ends, self.shared.rules.clone());
        let end = self.converse(&mut browser, &mut upstream, &mut passage).await;
        passage.note(self.shared.moment(), words(&end));
        self.enter(&mut passage);
        say_goodbye(end, &mut browser, &mut upstream).await;
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn enter(&self, passage: &mut Passage) {
        while let Some(entry) = passage.poll_entry() {
            self.shared.enter(entry);
        }
    }

    async fn converse(
        &mut self,
        browser: &mut BrowserSocket,
        upstream: &mut Upstream,
        passage: &mut Passage,
    ) -> End {
        loop {
            self.enter(passage);
            while let Some(outgoing) = passage.poll_outgoing() {
                let frame = Frame::Message(outgoing.bytes, outgoing.kind);
                let sent = match outgoing.to {
                    Side::Browser => browser.send(&frame).await,
                    Side::Server => upstream.send(&frame).await,
                };
                if let Err(error) = sent {
                    return End::Broken(outgoing.to, error);
                }
            }
            let deadline = passage.poll_timeout();
            let due = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let (from, frame) = tokio::select! {
                frame = browser.next() => (Side::Browser, frame),
                frame = upstream.next() => (Side::Server, frame),
                () = due => {
                    passage.handle_timeout(self.shared.moment().now);
                    continue;
                }
                _ = self.stopped.changed() => return End::Stopped,
            };
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Ok(None) => return End::Vanished(from),
                Err(Broken::Io(error)) if from == Side::Server && upstream.is_datagrams() => {
                    passage.note(self.shared.moment(), format!("the server's address answers: {error}"));
                    continue;
                }
                Err(error) => return End::Broken(from, error),
            };
            let sent = match (frame, from) {
                (Frame::Message(bytes, kind), _) => {
                    passage.handle_message(self.shared.moment(), from, bytes, kind);
                    Ok(())
                }
                (Frame::Close(farewell), _) => return End::Closed(from, farewell),
                // Pings end where there is nobody behind the tap to answer them.
                (Frame::Ping(payload), Side::Browser) if !upstream.is_websocket() => {
                    browser.send(&Frame::Pong(payload)).await
                }
                (Frame::Ping(payload), Side::Server) if !upstream.is_websocket() => {
                    upstream.send(&Frame::Pong(payload)).await
                }
                (Frame::Pong(_), _) if !upstream.is_websocket() => Ok(()),
                (frame, Side::Browser) => upstream.send(&frame).await,
                (frame, Side::Server) => browser.send(&frame).await,
            };
            if let Err(error) = sent {
                return End::Broken(from.other(), error);
            }
        }
    }
}

/// How an end reads in the ladder.
fn words(end: &End) -> String {
    match end {
        End::Closed(side, None) => format!("the {} closed", side.word()),
        End::Closed(side, Some(farewell)) => {
            let reason = clean(&farewell.reason);
            format!("the {} closed: {} {reason}", side.word(), farewell.code).trim_end().to_owned()
        }
        End::Vanished(side) => format!("the {} is gone without a close frame", side.word()),
        End::Broken(side, error) => format!("the {} is given up: {error}", side.word()),
        End::Stopped => "closed by the tap, which ends".to_owned(),
    }
}

/// Ends both connections as the end asks for. Whatever fails here fails a connection that is closed next.
async fn say_goodbye(end: End, browser: &mut BrowserSocket, upstream: &mut Upstream) {
    let (to_browser, to_server) = match end {
        End::Closed(Side::Browser, farewell) => {
            let _ = browser.send(&Frame::Close(farewell.clone())).await;
            let _ = upstream.send(&Frame::Close(farewell)).await;
            let _ = timeout(CLOSE_WITHIN, upstream.closed()).await;
            return discard_rest(browser.stream()).await;
        }
        End::Closed(Side::Server, farewell) => {
            let _ = upstream.send(&Frame::Close(farewell.clone())).await;
            let _ = browser.send(&Frame::Close(farewell)).await;
            let closed = async {
                while let Ok(Some(frame)) = browser.next().await {
                    if matches!(frame, Frame::Close(_)) {
                        break;
                    }
                }
            };
            let _ = timeout(CLOSE_WITHIN, closed).await;
            return discard_rest(browser.stream()).await;
        }
        // Who is gone without a word is gone without a word for the other side too.
        End::Vanished(Side::Server) if !upstream.is_websocket() => {
            (Some(Farewell::new(1001, "the server has closed its connection")), None)
        }
        End::Vanished(_) => (None, None),
        End::Broken(Side::Browser, error) => {
            (error.farewell(), Some(Farewell::new(1011, "the browser's side of the tap failed")))
        }
        End::Broken(Side::Server, error) => {
            (Some(Farewell::new(1011, "the server's side of the tap failed")), error.farewell())
        }
        End::Stopped => {
            (Some(Farewell::new(1001, "the tap ends")), Some(Farewell::new(1001, "the tap ends")))
        }
    };
    if let Some(farewell) = to_server {
        let _ = timeout(CLOSE_WITHIN, upstream.send(&Frame::Close(Some(farewell)))).await;
    }
    if let Some(farewell) = to_browser
        && let Ok(Ok(())) = timeout(CLOSE_WITHIN, browser.send(&Frame::Close(Some(farewell)))).await
    {
        discard_rest(browser.stream()).await;
    }
}

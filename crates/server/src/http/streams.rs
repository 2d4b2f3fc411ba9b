//! `/api/v1/rooms/NAME/whip` and `/whep`: a stream into a room ([RFC 9725]) and out of it (draft-ietf-wish-whep), by one request
//! each. What is decided about them is decided by the thread of rooms; here are the methods, the headers and the bodies.
//!
//! Pages of other origins are refused, whatever they know: a page that publishes is one of ours, and programs name no origin.
//!
//! [RFC 9725]: https://www.rfc-editor.org/rfc/rfc9725

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use ringback_control::rooms::{Bearer, Created, Denied, IceServer, Part, Patch, Post, Reply, Token};
use ringback_sansio::{FiveTuple, Flow, Transport};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::own_machine::is_of_own_machine;
use super::sign_in::is_of_our_origin;
use super::{Body, Peer, Refusal, Server, refuse};
use crate::inbox::Input;
use crate::rooms_thread::{Asked, What};

/// The bytes of a session description, as over the WebSocket of rooms.
const MAX_BODY: usize = 49_152;

/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// How long the thread of rooms and a media worker may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    room: String,
    part: Part,
    /// The session; without one it is the endpoint that makes them.
    session: Option<String>,
}

impl Target {
    /// What a path is, if it is one of streams.
    pub fn of(path: &str) -> Option<Target> {
        let mut parts = path.strip_prefix("/api/v1/rooms/")?.split('/');
        let room = parts.next()?.to_owned();
        let part = match parts.next()? {
            "whip" => Part::Publish,
            "whep" => Part::View,
            _ => return None,
        };
        let session = parts.next().map(str::to_owned);
        parts.next().is_none().then_some(Target { room, part, session })
    }

    const fn methods(&self) -> &'static str {
        if self.session.is_some() { "PATCH, DELETE, OPTIONS" } else { "POST, OPTIONS" }
    }
}

/// Answers a request of `source`.
pub async fn serve(
    server: &Server,
    peer: Peer,
    source: IpAddr,
    target: Target,
    request: Request<Incoming>,
) -> Response<Body> {
    let origin = request.headers().get(ORIGIN).cloned();
    if !is_of_our_origin(request.headers()) {
        return refuse(&server.telemetry, source, Refusal::ForeignOrigin, b"");
    }
    let methods = target.methods();
    let (method, session) = (request.method().clone(), target.session.clone());
    let answered = match (&method, session) {
        (&Method::OPTIONS, session) => Ok(options(session.is_some())),
        (&Method::POST, None) => post(server, peer, source, target, request).await,
        (&Method::DELETE, Some(session)) => match Token::try_from(session) {
            Ok(session) => ask(server, What::Delete(session)).await,
            Err(_) => Err(Refusal::NoPage),
        },
        (&Method::PATCH, Some(session)) => match Token::try_from(session) {
            Ok(session) => patch(server, session, request).await,
            Err(_) => Err(Refusal::NoPage),
        },
        _ => Err(Refusal::StreamMethod),
    };
    let mut response = answered.unwrap_or_else(|refusal| refuse(&server.telemetry, source, refusal, b""));
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        let names = HeaderValue::from_static("Authorization, Content-Type, If-Match");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Link, Location"));
    }
    response
}

fn options(is_session: bool) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let (name, media) = if is_session { ("accept-patch", FRAGMENT) } else { ("accept-post", SDP) };
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(media));
    response
}

async fn post(
    server: &Server,
    peer: Peer,
    source: IpAddr,
    target: Target,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let headers = request.headers();
    if !is_of_type(headers, SDP) {
        return Err(Refusal::MediaType);
    }
    let bearer = bearer(headers);
    // A key that others can read is no key.
    if bearer != Bearer::Missing && !peer.secure && !is_of_own_machine(peer, source, headers) {
        return Err(Refusal::Insecure);
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let name = request.uri().query().and_then(name_in);
    let offer = body(request).await?;
    let transport = if peer.secure { Transport::Tls } else { Transport::Tcp };
    let tuple = FiveTuple::new(transport, peer.local, SocketAddr::new(source, peer.remote.port()));
    let flow = Flow { tuple, connection: server.numbers.next() };
    let Target { room, part, .. } = target;
    ask(server, What::Post(Box::new(Post { room, part, bearer, name, offer, flow, host }))).await
}

async fn patch(
    server: &Server,
    session: Token,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    if !is_of_type(request.headers(), FRAGMENT) {
        return Err(Refusal::MediaType);
    }
    let if_match = request.headers().get(IF_MATCH);
    let if_match = if_match.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let fragment = String::from_utf8_lossy(&body(request).await?).into_owned();
    ask(server, What::Patch(Patch { session, if_match, fragment })).await
}

/// Reads a body, within its time and its length.
async fn body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let limited = Limited::new(request.into_body(), MAX_BODY);
    match timeout(BODY_WITHIN, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyLate),
    }
}

/// Asks the thread of rooms.
async fn ask(server: &Server, what: What) -> Result<Response<Body>, Refusal> {
    let (reply, answer) = oneshot::channel();
    server.rooms.send(Input::Asked(Asked { what, reply })).map_err(|_| Refusal::RoomsBehind)?;
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(reply)) => Ok(written(&reply)),
        Ok(Err(_)) | Err(_) => Err(Refusal::RoomsBehind),
    }
}

fn written(reply: &Reply) -> Response<Body> {
    match reply {
        Reply::Created(created) => created_response(created),
        Reply::Ended => empty(StatusCode::OK),
        Reply::Taken => empty(StatusCode::NO_CONTENT),
        Reply::Denied(denied) => denied_response(denied),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn created_response(created: &Created) -> Response<Body> {
    let Created { session, etag, answer, ice_servers, .. } = created;
    let mut response = Response::new(Body::from(answer.clone()));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let location = format!("{}/{}", created.path(), session.reveal());
    let texts = [(LOCATION, location), (ETAG, format!("\"{}\"", etag.reveal()))];
    let links = ice_servers.iter().flat_map(links).map(|link| (LINK, link));
    for (name, text) in texts.into_iter().chain(links) {
        // What they are made of has no character that a header cannot have.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(name, value);
        }
    }
    response
}

/// An ICE server as RFC 9725 §4.6 has it.
fn links(server: &IceServer) -> impl Iterator<Item = String> {
    let credentials = server.username.as_ref().zip(server.credential.as_ref()).map(|(name, credential)| {
        format!("; username=\"{name}\"; credential=\"{credential}\"; credential-type=\"password\"")
    });
    let credentials = credentials.unwrap_or_default();
    server.urls.iter().map(move |url| format!("<{url}>; rel=\"ice-server\"{credentials}"))
}

fn denied_response(denied: &Denied) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{}\n", denied.says)));
    *response.status_mut() = StatusCode::from_u16(denied.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Ringback\""));
    }
    if let Some(wait) = denied.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}

fn is_of_type(headers: &HeaderMap, media: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named = value.split(';').next().unwrap_or_default().trim();
    named.eq_ignore_ascii_case(media)
}

/// The key of `Authorization: Bearer KEY` ([RFC 6750 §2.1]).
///
/// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
fn bearer(headers: &HeaderMap) -> Bearer {
    let Some(value) = headers.get(AUTHORIZATION) else { return Bearer::Missing };
    let key = value.to_str().ok().and_then(|value| value.split_once(' '));
    let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let key = key.and_then(|(_, key)| Token::try_from(key.trim().to_owned()).ok());
    key.map_or(Bearer::Unreadable, Bearer::Key)
}

/// What a stream is to be called: `?name=…`, as in a form.
fn name_in(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == "name").map(|(_, name)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_endpoints_and_sessions() {
        let target = |room: &str, part, session: Option<&str>| {
            Some(Target { room: room.to_owned(), part, session: session.map(str::to_owned) })
        };
        assert_eq!(Target::of("/api/v1/rooms/team/whip"), target("team", Part::Publish, None));
        assert_eq!(Target::of("/api/v1/rooms/team/whep/abc"), target("team", Part::View, Some("abc")));
        for path in
            ["/api/v1/rooms/team", "/api/v1/rooms/team/whop", "/api/v1/rooms/team/whip/a/b", "/rooms/ws", "/"]
        {
            assert_eq!(Target::of(path), None, "{path}");
        }
    }

    #[test]
    fn a_key_is_what_follows_bearer() {
        let of = |value: &'static str| {
            bearer(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]))
        };
        let key = "abcdefghijkmnpqrstuvwxyz23";
        assert_eq!(bearer(&HeaderMap::new()), Bearer::Missing);
        assert!(
            matches!(of("Bearer abcdefghijkmnpqrstuvwxyz23"), Bearer::Key(token) if token.reveal() == key)
        );
        assert!(matches!(of("bearer  abcdefghijkmnpqrstuvwxyz23"), Bearer::Key(_)));
        for wrong in ["Basic abcdefghijkmnpqrstuvwxyz23", "Bearer", "Bearer short", "Bearer ABC"] {
            assert_eq!(of(wrong), Bearer::Unreadable, "{wrong}");
        }
    }

    #[test]
    fn a_name_comes_as_in_a_form() {
        assert_eq!(name_in("a=1&name=Main+stage%20%C3%A9").as_deref(), Some("Main stage é"));
        assert_eq!(name_in("other=1&names=2"), None);
        // What cannot be read is not left out: a name with it in is refused as one.
        assert_eq!(name_in("name=a%00%ff").as_deref(), Some("a\0\u{fffd}"));
    }

    #[test]
    fn ice_servers_are_links() {
        let turn = IceServer {
            urls: vec!["turn:example.org:3478?transport=udp".to_owned()],
            username: Some("17:room/team/9".to_owned()),
            credential: Some("c2VjcmV0".to_owned()),
        };
        let stun =
            IceServer { urls: vec!["stun:example.org:3478".to_owned()], username: None, credential: None };
        assert_eq!(
            links(&turn).chain(links(&stun)).collect::<Vec<_>>(),
            [
                "<turn:example.org:3478?transport=udp>; rel=\"ice-server\"; username=\"17:room/team/9\"; \
                 credential=\"c2VjcmV0\"; credential-type=\"password\"",
                "<stun:example.org:3478>; rel=\"ice-server\"",
            ]
        );
    }
}

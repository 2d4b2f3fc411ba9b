//! The port of HTTPS, where TURN is spoken too: a firewall that lets nothing else out lets this out.
//!
//! What it is that a client speaks is told by the first byte it sends under TLS: an HTTP request begins with a letter, STUN
//! with a byte below four, whatever ALPN ([RFC 7443]) was said, which browsers leave out.
//!
//! [RFC 7443]: https://www.rfc-editor.org/rfc/rfc7443

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::demux::{Class, classify};
use ringback_sansio::{FiveTuple, Transport};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{End, Place, turn_stream};
use crate::http::{self, Peer, Server};

/// Serves one connection until it ends. The inbox of `turn` leads to the thread of TURN, if there is one.
pub async fn serve<S>(server: Server, turn: Option<Server>, peer: Peer, mut stream: S, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + AsyncBufReadExt + Unpin + Send + 'static,
{
    let began = Instant::now();
    let Some(turn) = turn else { return http::serve_connection(server, peer, stream, place, began).await };
    let within = server.config.limits.first_request().max(Duration::from_secs(1));
    let end = tokio::select! {
        read = timeout(within, stream.fill_buf()) => match read.map(|read| read.map(classify)) {
            Ok(Ok(Class::Stun)) => return turn_stream::serve(turn, peer, stream, place).await,
            // What has ended is told as HTTP tells it.
            Ok(_) => return http::serve_connection(server, peer, stream, place, began).await,
            Err(_) => End::FirstRequestLate,
        },
        end = place.evicted() => end,
    };
    server.telemetry.ended(FiveTuple::new(Transport::Tls, peer.local, peer.remote), end);
}

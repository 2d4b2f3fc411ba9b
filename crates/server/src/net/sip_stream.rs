//! SIP over TCP and TLS: one task a connection, framing, time limits.
//!
//! A connection that has not sent its first message in time, or takes too long over one, is closed. Keep-alives of
//! RFC 5626 §4.4.1 are answered here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringback_sansio::{FiveTuple, Flow, Transport};
use ringback_sip::framing::{Frame, StreamFramer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::http::{Peer, Server};
use crate::inbox::{Input, OUTBOX_LENGTH, Outbox};
use crate::net::accept::Place;

/// The bytes read at once. Every connection has a buffer of this size while it waits.
const READ_BUFFER: usize = 2 << 10;

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// A registered phone sends a keep-alive every 95–120 s over a stream (RFC 5626 §4.4.1); one that does not, and says
/// nothing else, is closed after this long.
const IDLE_WITHIN: Duration = Duration::from_secs(3600);

/// Serves one connection until it ends.
pub async fn serve<S>(server: Server, peer: Peer, stream: S, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let transport = if peer.secure { Transport::Tls } else { Transport::Tcp };
    let tuple = FiveTuple::new(transport, peer.local, peer.remote);
    let flow = Flow { tuple, connection: server.numbers.next() };
    let (sender, outgoing) = mpsc::channel(OUTBOX_LENGTH);
    let outbox = Outbox { sender, place };
    if server.inbox.send(Input::Opened(flow, outbox)).is_err() {
        return;
    }
    let end = converse(&server, flow, stream, outgoing).await;
    tracing::debug!(%flow, end, "a SIP connection ended");
    // The control thread must hear of it, or the contact would stay; when it is behind, it is waited for.
    while let Err(crate::inbox::Refused::Full) = server.inbox.send(Input::Closed(flow)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn converse<S>(
    server: &Server,
    flow: Flow,
    mut stream: S,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> &'static str
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &server.config.limits;
    let mut framer = StreamFramer::new();
    let mut buffer = [0; READ_BUFFER];
    let mut deadline = Instant::now() + limits.first_request();
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let read = match read {
                    Ok(0) => return "closed by the client",
                    Ok(read) => read,
                    Err(_) => return "broken",
                };
                let was_in_message = framer.is_in_message();
                let pushed = framer.push(buffer.get(..read).unwrap_or_default());
                while let Some(frame) = framer.next() {
                    let input = match frame {
                        Frame::Message(bytes) => Input::Message(flow, bytes),
                        Frame::Ping => {
                            if !write(&mut stream, b"\r\n").await {
                                return "the client does not read";
                            }
                            continue;
                        }
                        Frame::Pong => continue,
                    };
                    if server.inbox.send(input).is_err() {
                        return "the control thread is overloaded";
                    }
                }
                if let Err(error) = pushed {
                    if let Ok(reply) = error.reply() {
                        write(&mut stream, reply.bytes()).await;
                    }
                    return "not SIP";
                }
                match (was_in_message, framer.is_in_message()) {
                    (false, true) => deadline = Instant::now() + limits.message(),
                    (true, true) => {}
                    (_, false) => deadline = Instant::now() + IDLE_WITHIN,
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else { return "closed by the server" };
                if !write(&mut stream, &message).await {
                    return "the client does not read";
                }
            }
            () = sleep_until(deadline) => return "too slow",
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> bool {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    matches!(timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
}

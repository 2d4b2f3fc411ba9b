//! SIP over TCP and TLS: one task a connection, framing, time limits.
//!
//! A connection that has not sent its first request in time, takes too long over a message, or on which nobody signs in,
//! is closed. Keep-alives of RFC 5626 §4.4.1 are answered here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sansio::{FiveTuple, Flow, Transport};
use ringback_sip::framing::{Frame, FrameError, StreamFramer};
use ringback_sip::message::ParseError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};

use super::patience::{Patience, Progress};
use super::{End, Place, discard_rest};
use crate::http::{Peer, Server};
use crate::inbox::Input;
use crate::outbox::Outgoing;

/// The bytes read at once. Every connection has a buffer of this size while it waits.
const READ_BUFFER: usize = 2 << 10;

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long the messages before one that cannot be framed have to be answered.
const ANSWERED_WITHIN: Duration = Duration::from_millis(200);

/// Serves one connection until it ends.
pub async fn serve<S>(server: Server, peer: Peer, stream: S, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let transport = if peer.secure { Transport::Tls } else { Transport::Tcp };
    let tuple = FiveTuple::new(transport, peer.local, peer.remote);
    let flow = Flow { tuple, connection: server.numbers.next() };
    let patience = Patience::new(Instant::now(), &server.config.limits);
    match server.inbox.open(flow, &place) {
        Ok(outgoing) => carry(server, flow, stream, place, outgoing, patience).await,
        Err(refused) => server.telemetry.ended(tuple, refused.into()),
    }
}

/// Carries messages over a connection that the control thread knows, whoever made it, until it ends.
pub async fn carry<S>(
    server: Server,
    flow: Flow,
    mut stream: S,
    place: Arc<Place>,
    outgoing: Outgoing,
    patience: Patience,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closed = server.inbox.owes_closed(flow);
    let end = tokio::select! {
        end = converse(&server, flow, &mut stream, outgoing, patience) => end,
        end = place.lost(server.config.limits.sign_in()) => end,
    };
    drop(stream);
    server.telemetry.ended(flow.tuple, end);
    closed.say(Input::Closed(flow)).await;
}

async fn converse<S>(
    server: &Server,
    flow: Flow,
    stream: &mut S,
    mut outgoing: Outgoing,
    mut patience: Patience,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &server.config.limits;
    let mut framer = StreamFramer::with_limit(limits.message_bytes as usize);
    let mut buffer = [0; READ_BUFFER];
    loop {
        let (deadline, late) = patience.deadline();
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let read = match read {
                    Ok(0) => return End::ClosedByClient,
                    Ok(read) => read,
                    Err(_) => return End::Broken,
                };
                let pushed = framer.push(buffer.get(..read).unwrap_or_default());
                let mut has_message = false;
                while let Some(frame) = framer.next() {
                    let input = match frame {
                        Frame::Message(bytes) => Input::Message(flow, bytes),
                        Frame::Ping => {
                            if !write(stream, b"\r\n").await {
                                return End::NotReading;
                            }
                            continue;
                        }
                        Frame::Pong => continue,
                    };
                    has_message = true;
                    if let Err(refused) = server.inbox.send(input) {
                        return refused.into();
                    }
                }
                if let Err(error) = pushed {
                    if has_message {
                        answer_what_came_before(stream, &mut outgoing).await;
                    }
                    return refuse(stream, &error).await;
                }
                let progress = Progress { has_message, is_in_message: framer.is_in_message() };
                patience.handle_read(Instant::now(), progress);
            }
            message = outgoing.next() => {
                let Some(message) = message else { return End::ClosedByServer };
                if !write(stream, &message).await {
                    return End::NotReading;
                }
            }
            () = sleep_until(deadline.into()) => return late,
        }
    }
}

/// Sends what the exchange says to the messages that stood before one that cannot be framed, for a moment.
async fn answer_what_came_before<S: AsyncWrite + Unpin>(stream: &mut S, outgoing: &mut Outgoing) {
    let answer = async {
        while let Some(message) = outgoing.next().await
            && write(stream, &message).await
        {}
    };
    // It ends by the time: what is answered later is not waited for.
    let _ = timeout(ANSWERED_WITHIN, answer).await;
}

/// Answers what cannot be framed, where it says whom to answer.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, error: &FrameError) -> End {
    let answered = match error.reply() {
        Ok(reply) => write(stream, reply.bytes()).await,
        Err(_) => true,
    };
    if answered {
        discard_rest(stream).await;
    }
    match error.error {
        ParseError::TooLarge | ParseError::BodyTooLarge => End::TooLarge,
        _ => End::Unframed,
    }
}

pub(super) async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> bool {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    matches!(timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
}

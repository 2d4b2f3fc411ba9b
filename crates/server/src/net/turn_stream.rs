//! TURN over TCP and TLS: one task a connection, cutting, time limits.
//!
//! A connection whose first message is late, that takes too long over one, or on which nobody has an allocation in time, is
//! closed. What comes for a client faster than it reads is dropped by the thread that relays it (`turn_thread`).

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use ringback_nat::turn::{LONGEST_IN_STREAM, first_message};
use ringback_sansio::{FiveTuple, Flow, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::sleep_until;

use super::patience::{Patience, Progress};
use super::sip_stream::write;
use super::{End, Place};
use crate::http::{Peer, Server};
use crate::inbox::Input;
use crate::outbox::Outgoing;

/// The bytes that a connection has room for while it waits.
const READ_BUFFER: usize = 4 << 10;

/// Serves one connection until it ends. `server` is one whose inbox leads to the thread of TURN.
pub async fn serve<S>(server: Server, peer: Peer, mut stream: S, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let transport = if peer.secure { Transport::Tls } else { Transport::Tcp };
    let tuple = FiveTuple::new(transport, peer.local, peer.remote);
    let flow = Flow { tuple, connection: server.numbers.next() };
    let outgoing = match server.inbox.open(flow, &place) {
        Ok(outgoing) => outgoing,
        Err(refused) => return server.telemetry.ended(tuple, refused.into()),
    };
    let closed = server.inbox.owes_closed(flow);
    let end = tokio::select! {
        end = converse(&server, flow, &mut stream, outgoing) => end,
        end = place.lost(server.config.limits.sign_in()) => end,
    };
    drop(stream);
    server.telemetry.ended(tuple, end);
    closed.say(Input::Closed(flow)).await;
}

async fn converse<S>(server: &Server, flow: Flow, stream: &mut S, mut outgoing: Outgoing) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut patience = Patience::new(Instant::now(), &server.config.limits);
    let mut received = BytesMut::with_capacity(READ_BUFFER);
    loop {
        let (deadline, late) = patience.deadline();
        tokio::select! {
            read = stream.read_buf(&mut received) => {
                match read {
                    Ok(0) => return End::ClosedByClient,
                    Ok(_) => {}
                    Err(_) => return End::Broken,
                }
                let mut has_message = false;
                loop {
                    let message = match first_message(&received) {
                        Ok(Some(length)) => received.split_to(length).freeze(),
                        Ok(None) => break,
                        Err(_) => return End::NotTurn,
                    };
                    has_message = true;
                    if let Err(refused) = server.inbox.send(Input::Message(flow, message)) {
                        return refused.into();
                    }
                }
                received.reserve(LONGEST_IN_STREAM.min(READ_BUFFER));
                let progress = Progress { has_message, is_in_message: !received.is_empty() };
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

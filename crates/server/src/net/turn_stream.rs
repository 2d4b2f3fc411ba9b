//! TURN over TCP and TLS: one task a connection, cutting, time limits.
//!
//! A connection whose first message is late, that takes too long over one, or on which nobody has an allocation in time, is
//! closed. What comes for a client faster than it reads is dropped by the thread that relays it (`turn_thread`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ringback_nat::turn::{LONGEST_IN_STREAM, first_message};
use ringback_sansio::{FiveTuple, Flow, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{sleep, sleep_until};

use super::patience::{Patience, Progress};
use super::sip_stream::write;
use super::{End, Place};
use crate::http::{Peer, Server};
use crate::inbox::Input;
use crate::outbox::Outgoing;

/// The bytes that a connection has room for while it waits.
const READ_BUFFER: usize = 4 << 10;

/// How much of what a client has sent may wait for the thread of TURN before no more is read, in bytes.
const CREDIT: usize = 64 << 10;
/// The same before it has an allocation.
const CREDIT_OF_STRANGERS: usize = 4 << 10;

/// How long the thread is given to catch up.
const A_MOMENT: Duration = Duration::from_millis(1);

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
        end = converse(&server, flow, &mut stream, &place, outgoing) => end,
        end = place.lost(server.config.limits.sign_in()) => end,
    };
    drop(stream);
    server.telemetry.ended(tuple, end);
    closed.say(Input::Closed(flow)).await;
}

async fn converse<S>(
    server: &Server,
    flow: Flow,
    stream: &mut S,
    place: &Place,
    mut outgoing: Outgoing,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut patience = Patience::new(Instant::now(), &server.config.limits);
    let mut received = BytesMut::with_capacity(READ_BUFFER);
    loop {
        let (deadline, late) = patience.deadline();
        // What is not read waits at the client: TCP has it stop.
        let credit = if place.has_user() { CREDIT } else { CREDIT_OF_STRANGERS };
        let is_behind = outgoing.unhandled() > credit;
        tokio::select! {
            () = sleep(A_MOMENT), if is_behind => {}
            read = stream.read_buf(&mut received), if !is_behind => {
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
                    outgoing.handed_in(message.len());
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

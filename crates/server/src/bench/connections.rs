//! The connections of the phones: a task each, with a bounded outbox.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use ringback_sansio::{ConnectionId, Flow, Transmit, Transport};
use socket2::SockRef;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::upstream::{ConnectError, Connector, Frame, Kind, Upstream};

/// Messages that wait to be sent over one connection.
const OUTBOX: usize = 32;

/// The same for the socket that the phones over UDP share.
const SHARED_OUTBOX: usize = 16_384;

/// News that wait for the load.
const INBOX: usize = 4096;

/// The receive buffer of that socket: the answers to a burst.
const SOCKET_BUFFER: usize = 4 << 20;

/// What happens to connections.
pub(super) enum News {
    /// One stands; the number is that of the phone that asked for it.
    Opened(usize, Flow, Sender<Bytes>),
    /// One could not be made.
    Refused(ConnectError),
    /// A message came.
    Message(Flow, Bytes),
    /// The server asked whether the phone is there, and was answered.
    Ping,
    /// One has ended.
    Closed(Flow),
}

/// Every connection.
pub(super) struct Connections {
    connector: Arc<Connector>,
    transport: Transport,
    outboxes: HashMap<ConnectionId, Sender<Bytes>>,
    news: Sender<News>,
    last: u64,
    /// Messages that found their outbox full, and are lost.
    pub(super) lost: u64,
}

impl Connections {
    /// None, and where to hear of them.
    pub(super) fn new(connector: Connector, transport: Transport) -> (Self, Receiver<News>) {
        let (news, inbox) = channel(INBOX);
        let connections = Connections {
            connector: Arc::new(connector),
            transport,
            outboxes: HashMap::new(),
            news,
            last: 0,
            lost: 0,
        };
        (connections, inbox)
    }

    /// Begins a connection for a phone; [`News`] tell what came of it.
    pub(super) fn open(&mut self, phone: usize) {
        let (connector, news) = (self.connector.clone(), self.news.clone());
        let id = match self.transport {
            Transport::Udp => ConnectionId::NONE,
            _ => {
                self.last += 1;
                ConnectionId(self.last)
            }
        };
        tokio::spawn(async move {
            match connector.connect(&Request::new(())).await {
                Ok((upstream, tuple)) => {
                    let flow = Flow { tuple, connection: id };
                    carry(upstream, phone, flow, news).await;
                }
                // Nobody is left to tell when the load has ended.
                Err(error) => drop(news.send(News::Refused(error)).await),
            }
        });
    }

    /// Notes that one stands.
    pub(super) fn opened(&mut self, flow: Flow, outbox: Sender<Bytes>) {
        self.outboxes.insert(flow.connection, outbox);
    }

    /// Notes that one has ended.
    pub(super) fn closed(&mut self, flow: Flow) {
        self.outboxes.remove(&flow.connection);
    }

    /// Sends a message; says whether there is a connection for it.
    pub(super) fn send(&mut self, transmit: Transmit) -> bool {
        let Some(outbox) = self.outboxes.get(&transmit.flow.connection) else { return false };
        if outbox.try_send(transmit.payload).is_err() {
            self.lost += 1;
        }
        true
    }
}

/// Carries messages until the connection or the load ends.
async fn carry(mut upstream: Upstream, phone: usize, flow: Flow, news: Sender<News>) {
    let length = if upstream.is_datagrams() { SHARED_OUTBOX } else { OUTBOX };
    if let Upstream::Datagrams(socket, _) = &upstream {
        // The system may allow less; what is then lost is sent again.
        let _ = SockRef::from(socket).set_recv_buffer_size(SOCKET_BUFFER);
    }
    let (outbox, mut waiting) = channel(length);
    if news.send(News::Opened(phone, flow, outbox)).await.is_err() {
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = upstream.next() => frame,
            message = waiting.recv() => {
                let Some(message) = message else { break };
                if upstream.send(&Frame::Message(message, Kind::Text)).await.is_err() {
                    break;
                }
                continue;
            }
        };
        let told = match frame {
            Ok(Some(Frame::Message(bytes, _))) => news.send(News::Message(flow, bytes)).await,
            Ok(Some(Frame::Ping(payload))) => {
                if upstream.send(&Frame::Pong(payload)).await.is_err() {
                    break;
                }
                news.send(News::Ping).await
            }
            Ok(Some(Frame::Pong(_))) => Ok(()),
            // The answer to an earlier datagram.
            Err(_) if upstream.is_datagrams() => Ok(()),
            Ok(Some(Frame::Close(_)) | None) | Err(_) => break,
        };
        if told.is_err() {
            return;
        }
    }
    // Nobody is left to tell when the load has ended.
    let _ = news.send(News::Closed(flow)).await;
}

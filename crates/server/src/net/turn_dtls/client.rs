//! One association: its handshake, its messages, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringback_media::dtls::{Association, Change, Failure, ServerIdentity, Verified};
use ringback_sansio::{FiveTuple, Flow, Transport};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::{Associations, Dropped};
use crate::http::Server;
use crate::inbox::{Input, Refused};
use crate::net::datagram::DatagramSocket;
use crate::net::patience::{Patience, Progress};
use crate::net::{End, Place};
use crate::outbox::Outgoing;
use crate::telemetry::{Shown, limited};

/// How much of what a client has sent may wait for the thread of TURN before more is dropped, in bytes.
const CREDIT: usize = 64 << 10;
/// The same before it has an allocation.
const CREDIT_OF_STRANGERS: usize = 4 << 10;

/// What an association is served with.
pub struct Client {
    /// One whose inbox leads to the thread of TURN.
    pub server: Server,
    /// What is sent leaves by it.
    pub socket: Arc<DatagramSocket>,
    /// Our address that the client sends to.
    pub local: SocketAddr,
    /// The client's.
    pub remote: SocketAddr,
    /// Its place among those of its source.
    pub place: Arc<Place>,
    /// What it sends; it ends when the client has begun another association.
    pub incoming: mpsc::Receiver<Bytes>,
    /// Where those that are connected are counted.
    pub associations: Associations,
}

impl Client {
    /// Serves the association that begins with `hello`, until it ends.
    pub async fn serve(mut self, identity: Arc<ServerIdentity>, hello: Verified) {
        let limits = &self.server.config.limits;
        let (within, sign_in_within) = (limits.tls_handshake(), limits.sign_in());
        let mut association = Association::accept(&identity, &hello, Instant::now(), within);
        drop((identity, hello));
        let tuple = FiveTuple::new(Transport::Dtls, self.local, self.remote);
        let place = self.place.clone();
        let shaken = tokio::select! {
            shaken = self.shake_hands(&mut association) => shaken,
            end = place.evicted() => Err(end),
        };
        if let Err(end) = shaken {
            return self.server.telemetry.ended(tuple, end);
        }
        let _one = self.associations.one();
        let flow = Flow { tuple, connection: self.server.numbers.next() };
        let opened = self.server.inbox.open(flow, &place);
        let closed = opened.is_ok().then(|| self.server.inbox.owes_closed(flow));
        let end = match opened {
            Ok(outgoing) => tokio::select! {
                end = self.converse(&mut association, flow, outgoing) => end,
                end = place.lost(sign_in_within) => end,
            },
            Err(refused) => refused.into(),
        };
        // Whoever has closed it knows, and who has begun another has no keys any more to read it by; everybody else is told.
        if end != End::Replaced {
            association.close();
            self.send(&mut association);
        }
        self.server.telemetry.ended(tuple, end);
        if let Some(closed) = closed {
            closed.say(Input::Closed(flow)).await;
        }
    }

    /// Takes what comes until the handshake is complete.
    async fn shake_hands(&mut self, association: &mut Association) -> Result<(), End> {
        loop {
            self.send(association);
            match association.poll_change() {
                Some(Change::Connected) => return Ok(()),
                Some(Change::Failed(Failure::Timeout)) => return Err(End::TlsLate),
                Some(Change::Failed(failure)) => {
                    let (error, source) = (Shown(failure), self.remote.ip());
                    limited!(self.server.telemetry.log, DEBUG, source, "dtls", %error, "a DTLS handshake failed");
                    return Err(End::TlsFailed);
                }
                Some(Change::Closed) => return Err(End::ClosedByClient),
                None => {}
            }
            tokio::select! {
                datagram = self.incoming.recv() => {
                    self.take(association, &datagram.ok_or(End::Replaced)?);
                }
                () = until(association.poll_timeout()) => association.handle_timeout(Instant::now()),
            }
        }
    }

    /// Hands in what comes and sends what is for the client, until one of both ends it.
    async fn converse(&mut self, association: &mut Association, flow: Flow, mut outgoing: Outgoing) -> End {
        let mut patience = Patience::new(Instant::now(), &self.server.config.limits);
        loop {
            self.send(association);
            while let Some(message) = association.poll_data() {
                patience.handle_read(Instant::now(), MESSAGE);
                match self.hand_in(flow, message, &outgoing) {
                    Ok(()) => {}
                    Err(Refused::Full) => self.count(Dropped::Overloaded),
                    Err(Refused::Stopped) => return End::Stopping,
                }
            }
            match association.poll_change() {
                Some(Change::Closed) => return End::ClosedByClient,
                Some(Change::Failed(_)) => return End::Broken,
                Some(Change::Connected) | None => {}
            }
            let (deadline, late) = patience.deadline();
            tokio::select! {
                datagram = self.incoming.recv() => {
                    let Some(datagram) = datagram else { return End::Replaced };
                    self.take(association, &datagram);
                }
                message = outgoing.next() => {
                    let Some(message) = message else { return End::ClosedByServer };
                    if association.send(&message).is_err() {
                        self.count(Dropped::NotConnected);
                    }
                }
                () = until(association.poll_timeout()) => association.handle_timeout(Instant::now()),
                () = sleep_until(deadline.into()) => return late,
            }
        }
    }

    fn take(&self, association: &mut Association, datagram: &[u8]) {
        if let Err(reason) = association.handle_datagram(Instant::now(), datagram) {
            self.count(reason.into());
        }
    }

    /// Hands a message to the thread of TURN. What it has no room for is dropped: no datagram waits for another.
    fn hand_in(&self, flow: Flow, message: Bytes, outgoing: &Outgoing) -> Result<(), Refused> {
        let credit = if self.place.has_user() { CREDIT } else { CREDIT_OF_STRANGERS };
        if outgoing.unhandled() > credit {
            self.count(Dropped::Unhandled);
            return Ok(());
        }
        let length = message.len();
        // Nobody would take back what was refused.
        self.server.inbox.send(Input::Message(flow, message))?;
        outgoing.handed_in(length);
        Ok(())
    }

    /// Sends what the association has to send.
    fn send(&self, association: &mut Association) {
        while let Some(datagram) = association.poll_transmit() {
            if self.socket.send(self.local.ip(), self.remote, &datagram).is_err() {
                self.count(Dropped::SendFailed);
            }
        }
    }

    fn count(&self, reason: Dropped) {
        self.server.telemetry.turn_dtls.count(reason);
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Every record has a message, and the whole of it.
const MESSAGE: Progress = Progress { has_message: true, is_in_message: false };

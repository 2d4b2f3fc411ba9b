//! A client of a TURN server ([RFC 8656]): one allocation, and channels to peers.
//!
//! Assumptions: the server takes the long-term credential mechanism with MD5 and SHA-1, as every server does. Peers are
//! reached by channels alone, which give the permission as well. One allocation, of the server's own family, is all that a
//! client has: for another one take another client, with a socket of its own.
//!
//! Left out: Send indications, ALTERNATE-SERVER (an answer with 300 is a refusal), and whatever needs another server than the
//! one that it began with.
//!
//! [RFC 8656]: https://www.rfc-editor.org/rfc/rfc8656

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;
use stun_types::message::Method;

use super::channel_data::{self, ChannelNumber, HEADER};
use super::credentials::PasswordAlgorithm;
use super::{ALLOCATE, CHANNEL_BIND, REFRESH};
use crate::stun::attribute::{
    CHANNEL_NUMBER, LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
};
use crate::stun::{Algorithm, Key, Message, MessageClass, TransactionId, Writer};

/// A client without a socket.
///
/// - [`Client::allocate`], [`Client::bind`] and [`Client::close`] are what it can be asked for; what becomes of it is told by
///   `poll_event`.
/// - `handle_datagram` takes what the server sent, and gives the data of a peer by value.
/// - `handle_timeout` is due at `poll_timeout`: requests are repeated, and what would expire is refreshed.
#[derive(Debug)]
pub struct Client {
    name: Box<[u8]>,
    password: Box<[u8]>,
    /// How the server wants us to be known; `None` before it has said so.
    known: Option<Known>,
    next_transaction: u128,
    /// Requests without an answer.
    asked: SmallVec<[Asked; 2]>,
    /// The allocation, and when it is to be refreshed.
    refresh_at: Option<Instant>,
    channels: SmallVec<[Channel; 2]>,
    /// Whether an allocation is given back as soon as there is one.
    is_closing: bool,
    transmits: VecDeque<Bytes>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Known {
    realm: Box<[u8]>,
    nonce: Box<[u8]>,
    key: Key,
}

#[derive(Debug)]
struct Channel {
    number: ChannelNumber,
    peer: SocketAddr,
    /// When it is to be bound anew; `None` before it is bound.
    bind_at: Option<Instant>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Asked {
    transaction: TransactionId,
    what: What,
    bytes: Bytes,
    /// When it is repeated, or given up.
    due: Instant,
    sent: u32,
    /// Whether its nonce has been refused before: once is enough.
    is_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Allocate,
    Refresh,
    End,
    Bind(ChannelNumber),
}

/// What has become of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is an allocation.
    Allocated {
        /// Its address, where peers send to.
        relayed: SocketAddr,
        /// Where the server sees the client.
        mapped: Option<SocketAddr>,
    },
    /// What is sent to the peer goes through now.
    Bound(SocketAddr),
    /// A channel to the peer was refused, or was not refreshed: nothing goes through any more.
    NotBound(SocketAddr, Refused),
    /// There is no allocation, or no more.
    Ended(Refused),
    /// The allocation was closed as we asked.
    Closed,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The server has said so, with this code.
    #[error("the TURN server refused with {0}")]
    Code(u16),
    /// The server wants neither a name nor a password that we have.
    #[error("the TURN server does not know the user, or the password is another")]
    WrongCredentials,
    /// It did not answer.
    #[error("the TURN server did not answer")]
    Silent,
    /// It has answered something that cannot be read.
    #[error("the TURN server answered something that is no answer")]
    Unreadable,
}

/// The first repeat of a request over UDP ([RFC 8489 §6.2.1]); each one waits twice as long.
///
/// [RFC 8489 §6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1
const FIRST_REPEAT: Duration = Duration::from_millis(500);
/// How often a request is sent.
const MOST_SENT: u32 = 7;
/// A permission stands for five minutes, and a channel for ten: a new binding gives both.
const BIND_EVERY: Duration = Duration::from_secs(240);
/// The longest request: a name of 513 bytes, a realm and a nonce of 763 each, and the rest.
const ROOM: usize = 2304;
/// The bytes of a channel's header, which stands before what is sent.
pub const CHANNEL_HEADER: usize = HEADER;

impl Client {
    /// A client that has asked for nothing. `seed` is where its transaction ids begin: a random number.
    pub fn new(name: &str, password: &str, seed: u128) -> Self {
        Client {
            name: name.as_bytes().into(),
            password: password.as_bytes().into(),
            known: None,
            next_transaction: seed,
            asked: SmallVec::new(),
            refresh_at: None,
            channels: SmallVec::new(),
            is_closing: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Asks for an allocation; there may be one.
    pub fn allocate(&mut self, now: Instant) {
        self.ask(now, What::Allocate, false);
    }

    /// Asks for a channel to a peer, which makes what follows. One that was refused is asked for again.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr) {
        if let Some(channel) = self.channels.iter().find(|channel| channel.peer == peer) {
            // The number stays with its peer: a server that was silent may have bound it.
            let what = What::Bind(channel.number);
            if channel.bind_at.is_none() && self.asked.iter().all(|asked| asked.what != what) {
                self.ask(now, what, false);
            }
            return;
        }
        let number =
            u16::try_from(self.channels.len()).ok().and_then(|count| FIRST_CHANNEL.checked_add(count));
        let Some(number) = number.and_then(ChannelNumber::new) else { return };
        self.channels.push(Channel { number, peer, bind_at: None });
        self.ask(now, What::Bind(number), false);
    }

    /// Gives the allocation up, or what comes of asking for it; [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        if std::mem::replace(&mut self.is_closing, true) {
            return;
        }
        self.refresh_at = None;
        self.asked.retain(|asked| asked.what == What::Allocate);
        if self.asked.is_empty() {
            self.ask(now, What::End, false);
        }
    }

    /// The header of what is sent to a peer, to stand before `length` bytes of data; `None` without a bound channel.
    pub fn header(&self, peer: SocketAddr, length: u16) -> Option<[u8; CHANNEL_HEADER]> {
        let bound = |channel: &&Channel| channel.peer == peer && channel.bind_at.is_some();
        self.channels.iter().find(bound).map(|channel| channel_data::header(channel.number, length))
    }

    /// Takes what the server sent: the data, with its peer, where it is that of one.
    pub fn handle_datagram<'p>(&mut self, now: Instant, packet: &'p [u8]) -> Option<(SocketAddr, &'p [u8])> {
        if let Some((number, data)) = channel_data::parse(packet) {
            let channel = self.channels.iter().find(|channel| channel.number == number)?;
            return Some((channel.peer, data));
        }
        let message = Message::parse(packet).ok()?;
        let place = self.asked.iter().position(|asked| asked.transaction == message.transaction())?;
        match message.class() {
            MessageClass::Success => self.succeeded(now, place, &message),
            MessageClass::Error => self.refused(now, place, &message),
            MessageClass::Request | MessageClass::Indication => {}
        }
        None
    }

    /// Repeats what has no answer, and refreshes what would expire.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(place) = self.asked.iter().position(|asked| asked.due <= now) {
            let Some(asked) = self.asked.get_mut(place) else { break };
            if asked.sent >= MOST_SENT {
                let what = asked.what;
                self.asked.remove(place);
                self.failed(what, Refused::Silent);
                continue;
            }
            asked.due = now + FIRST_REPEAT * (1 << asked.sent);
            asked.sent += 1;
            let bytes = asked.bytes.clone();
            self.transmits.push_back(bytes);
        }
        if self.refresh_at.is_some_and(|due| due <= now) {
            self.refresh_at = None;
            self.ask(now, What::Refresh, false);
        }
        for place in 0..self.channels.len() {
            let Some(channel) = self.channels.get_mut(place) else { break };
            if channel.bind_at.is_some_and(|due| due <= now) {
                channel.bind_at = Some(now + BIND_EVERY);
                let number = channel.number;
                self.ask(now, What::Bind(number), false);
            }
        }
    }

    /// The next message for the server.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// The next of what has become of what was asked for.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Client::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let channels = self.channels.iter().filter_map(|channel| channel.bind_at);
        self.asked.iter().map(|asked| asked.due).chain(self.refresh_at).chain(channels).min()
    }

    fn ask(&mut self, now: Instant, what: What, is_again: bool) {
        let transaction = TransactionId::from(self.next_transaction);
        self.next_transaction = self.next_transaction.wrapping_add(1);
        let mut out = [0; ROOM];
        let Some(bytes) = self.write(what, transaction, &mut out) else {
            // A name, realm or nonce longer than any may be.
            return self.failed(what, Refused::Unreadable);
        };
        self.transmits.push_back(bytes.clone());
        let due = now + FIRST_REPEAT;
        self.asked.push(Asked { transaction, what, bytes, due, sent: 1, is_again });
    }

    fn write(&self, what: What, transaction: TransactionId, out: &mut [u8]) -> Option<Bytes> {
        let mut message = Writer::new(MessageClass::Request, what.method(), transaction, out);
        match what {
            // 17 is UDP.
            What::Allocate => message.attribute(REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
            What::Refresh => {}
            What::End => message.attribute(LIFETIME, &[0; 4]),
            What::Bind(number) => {
                let channel = self.channels.iter().find(|channel| channel.number == number)?;
                let [high, low, ..] = channel_data::header(number, 0);
                message.attribute(CHANNEL_NUMBER, &[high, low, 0, 0]);
                message.xor_address(XOR_PEER_ADDRESS, channel.peer);
            }
        }
        if let Some(Known { realm, nonce, key }) = &self.known {
            message.attribute(USERNAME, &self.name);
            message.attribute(REALM, realm);
            message.attribute(NONCE, nonce);
            message.integrity(key, Algorithm::Sha1);
        }
        let length = message.finish().ok()?;
        out.get(..length).map(Bytes::copy_from_slice)
    }

    fn succeeded(&mut self, now: Instant, place: usize, message: &Message<'_>) {
        // What does not know our password is not the server.
        let is_genuine = self.known.as_ref().is_some_and(|known| message.verify(&known.key).is_ok());
        if !is_genuine {
            return;
        }
        let Asked { what, .. } = self.asked.remove(place);
        let lifetime =
            message.attribute(LIFETIME).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
        // A sixth of the time is for repeats.
        let refresh_at = lifetime.map(|seconds| now + Duration::from_secs(u64::from(seconds) * 5 / 6));
        match what {
            What::Allocate => {
                let relayed =
                    message.attribute(XOR_RELAYED_ADDRESS).and_then(|value| message.xor_address(value));
                if self.is_closing {
                    return self.ask(now, What::End, false);
                }
                let Some(relayed) = relayed else { return self.failed(what, Refused::Unreadable) };
                self.refresh_at = refresh_at;
                self.events.push_back(Event::Allocated { relayed, mapped: message.mapped_address() });
            }
            What::Refresh => self.refresh_at = refresh_at,
            What::End => self.events.push_back(Event::Closed),
            What::Bind(number) => {
                let Some(channel) = self.channels.iter_mut().find(|channel| channel.number == number) else {
                    return;
                };
                let is_new = channel.bind_at.is_none();
                channel.bind_at = Some(now + BIND_EVERY);
                if is_new {
                    self.events.push_back(Event::Bound(channel.peer));
                }
            }
        }
    }

    fn refused(&mut self, now: Instant, place: usize, message: &Message<'_>) {
        let Some(code) = message.error_code() else { return };
        let Asked { what, is_again, .. } = self.asked.remove(place);
        let challenge = message.attribute(REALM).zip(message.attribute(NONCE));
        let is_challenge = matches!(code, UNAUTHORIZED | STALE_NONCE);
        match challenge {
            // It has seen our credentials with a nonce that was good.
            Some(_) if code == UNAUTHORIZED && self.known.is_some() => {
                self.failed(what, Refused::WrongCredentials)
            }
            Some((realm, nonce)) if is_challenge && !is_again => {
                let Ok(text) = str::from_utf8(realm) else { return self.failed(what, Refused::Unreadable) };
                let key = PasswordAlgorithm::Md5.key(&self.name, text, &self.password);
                self.known = Some(Known { realm: realm.into(), nonce: nonce.into(), key });
                self.ask(now, what, code == STALE_NONCE);
            }
            _ => self.failed(what, Refused::Code(code)),
        }
    }

    fn failed(&mut self, what: What, why: Refused) {
        match what {
            // There is nothing to give back.
            What::Allocate if self.is_closing => self.events.push_back(Event::Closed),
            What::Allocate | What::Refresh => {
                self.refresh_at = None;
                self.channels.clear();
                self.events.push_back(Event::Ended(why));
            }
            // It ends by itself.
            What::End => self.events.push_back(Event::Closed),
            What::Bind(number) => {
                let Some(channel) = self.channels.iter_mut().find(|channel| channel.number == number) else {
                    return;
                };
                channel.bind_at = None;
                self.events.push_back(Event::NotBound(channel.peer, why));
            }
        }
    }
}

impl What {
    fn method(self) -> Method {
        match self {
            What::Allocate => ALLOCATE,
            What::Refresh | What::End => REFRESH,
            What::Bind(_) => CHANNEL_BIND,
        }
    }
}

const FIRST_CHANNEL: u16 = 0x4000;
const UNAUTHORIZED: u16 = 401;
const STALE_NONCE: u16 = 438;

//! What holds whatever comes to a media worker, in whatever order; a fuzz target and a test call it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::demux::{Class, classify};
use ringback_nat::ice::Credentials;
use ringback_nat::stun::{self, Algorithm, BindingRequest, Key};
use ringback_sansio::fuzz::Input;

use super::{
    Destination, Event, HEAD_ROOM, LegKey, Medium, Packet, SLOT_LEN, Settings, Socket, Stats, Verdict, Way,
    Worker,
};
use crate::dtls::{self, Endpoint, Identity, MAX_TRANSMIT, Role};
use crate::negotiation::{Candidates, Dtls, LegSettings, Payload, PayloadMap, Remote, Sdes};
use crate::rtcp::{Cname, NtpClock, Outgoing};
use crate::sdp::Kind;
use crate::srtp::{MasterKey, Receiver, Sender, Suite, TAIL_ROOM};

/// Lets a worker and the far ends of four legs, two telephones and two browsers, live through what the bytes say: a
/// byte for how it begins, then steps, each an opcode and what it takes. Nothing panics; every packet has one fate;
/// nothing goes to or comes from an address that nobody named; media of a browser passes after its handshake only, and
/// only what it has protected; what is sent unasked is bounded; and in the end nothing is left. Gives the counters,
/// which say how deep it went.
///
/// All of them show the certificate `identity`.
pub fn session(data: &[u8], identity: &Arc<Identity>, start: Instant) -> Stats {
    let mut play = Play::new(identity, start);
    let mut input = Input(data);
    play.live(&mut Input(input.one_of(PROLOGUES, &[])));
    play.live(&mut input);
    play.end()
}

/// A worker and what stands around it.
struct Play<'i> {
    identity: &'i Arc<Identity>,
    now: Instant,
    worker: Worker,
    packet: Packet,
    far: [Far; 4],
    /// Packets handed to the worker.
    handed: u64,
    /// Media that browsers protected lately: whose leg and what.
    protected: VecDeque<(usize, Vec<u8>)>,
    serial: u32,
}

/// The far end of a leg.
#[derive(Default)]
struct Far {
    is_open: bool,
    /// The worker's ICE credentials, the latest last.
    ours: Vec<Credentials>,
    /// Where authenticated checks came from, and were answered to.
    validated: Vec<SocketAddr>,
    /// The worker's role in DTLS and whether it expects the right certificate, as agreed last.
    agreed: Option<(Role, bool)>,
    /// Whether the worker has said that media may flow.
    is_connected: bool,
    endpoint: Option<Endpoint>,
    keys: Option<(Sender, Receiver)>,
    /// A telephone's keys: which of the two pairs, what it sends with and what it opens with.
    sdes: Option<(bool, Sender, Receiver)>,
    /// DTLS for it.
    inbox: VecDeque<Vec<u8>>,
    sequence: u16,
    /// Whether it has agreed on a fax last.
    is_fax: bool,
}

impl<'i> Play<'i> {
    fn new(identity: &'i Arc<Identity>, start: Instant) -> Self {
        let clock = NtpClock::new(start, Duration::from_secs(1_700_000_000));
        Play {
            identity,
            now: start,
            worker: Worker::new(Settings { identity: Arc::clone(identity), seed: [7; 32], clock }),
            packet: Packet::new(),
            far: Default::default(),
            handed: 0,
            protected: VecDeque::new(),
            serial: 0,
        }
    }

    fn live(&mut self, input: &mut Input<'_>) {
        for _ in 0..MAX_STEPS {
            let Some(opcode) = input.byte() else { break };
            self.step(opcode, input);
            self.drain();
            self.check_counters();
        }
    }

    fn step(&mut self, opcode: u8, input: &mut Input<'_>) {
        match opcode % 16 {
            0 => self.open(input.number(4)),
            1 | 2 => self.configure(input, opcode & FAX != 0),
            3 => {
                let (a, b) = input.one_of(JOINS, (0, 1));
                self.worker.join(key(a), key(b));
            }
            4 => {
                if input.one_in(3) {
                    self.close(input);
                }
            }
            5 => self.restart(input.number(4)),
            6 if opcode & FAX != 0 => self.fax(input),
            6 => self.anything(input),
            7..=9 => self.plain_rtp(input),
            10 => self.plain_rtcp(input),
            11 => self.check(input),
            12 => self.shake(input),
            13 => self.secure_rtp(input),
            14 => self.replay(input),
            _ => {
                const MILLISECONDS: [u64; 12] =
                    [1, 20, 20, 20, 500, 500, 1_000, 1_000, 3_000, 6_000, 31_000, 66_000];
                let time = Duration::from_millis(input.one_of(&MILLISECONDS, 1));
                self.pass(time);
            }
        }
    }

    fn open(&mut self, at: usize) {
        let ours = self.credentials();
        let medium = match at {
            0 | 1 => Medium::Rtp { signalling: address(at, 0).ip() },
            _ => Medium::WebRtc { ice: ours.clone() },
        };
        let opened = self.worker.open(self.now, key(at), medium);
        let Some(far) = self.far.get_mut(at) else { return };
        assert_eq!(opened.is_err(), far.is_open, "a leg is opened once");
        if opened.is_ok() {
            *far = Far { is_open: true, ours: vec![ours], ..Far::default() };
        }
    }

    fn configure(&mut self, input: &mut Input<'_>, is_fax: bool) {
        let at = input.number(4);
        let is_fax = is_fax && at < 2;
        // Half the time as it has to be.
        let choice = if input.one_in(2) { 0 } else { input.byte().unwrap_or_default() };
        let bit = |bit: u8| choice >> bit & 1 == 0;
        let is_browser = at > 1;
        let role = if bit(0) { Role::Server } else { Role::Client };
        let mut fingerprint = self.identity.fingerprint();
        let is_right = bit(1) || bit(2);
        if !is_right {
            fingerprint.value.reverse();
        }
        // The SDP of a telephone names its address, a private one, or none.
        let named = match choice >> 3 & 3 {
            0 | 1 => Some(address(at, 0)),
            2 => Some(PRIVATE.into()),
            _ => None,
        };
        let remote = named.filter(|_| !is_browser).map(|rtp| Remote {
            rtp,
            rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
            mux: bit(0),
        });
        // Some telephones have keys, and some of these another key than before.
        let keyed = (!is_browser && choice & 7 == 7 && !is_fax).then(|| bit(7));
        let settings = LegSettings {
            sdes: keyed.map(|generation| sdes(at, generation)),
            remote,
            ice: is_browser.then(|| theirs(at)),
            candidates: Candidates::default(),
            dtls: is_browser.then(|| Dtls { role, fingerprints: vec![fingerprint] }),
            sends: bit(5),
            receives: bit(6),
            payloads: [(0, Kind::Audio), (8, Kind::Audio), (101, Kind::TelephoneEvent)]
                .map(|(number, kind)| {
                    (
                        number,
                        Payload { kind, clock_rate: 8000, silence: (kind == Kind::Audio).then_some(0xff) },
                    )
                })
                .into_iter()
                .collect(),
            is_silenced: choice & 0x0c == 0x0c,
            is_fax,
            codec: "PCMU".to_owned(),
        };
        let map: PayloadMap = [(0, 0), (101, if bit(7) { 101 } else { 96 })].into_iter().collect();
        let way = if choice & 0xc0 == 0xc0 { Way::Insert } else { Way::Direct(map) };
        self.worker.configure(self.now, key(at), settings, way);
        if let Some(far) = self.far.get_mut(at).filter(|far| far.is_open) {
            far.is_fax = is_fax;
        }
        // Keys rest while there is a fax.
        if let Some(far) = self.far.get_mut(at).filter(|far| far.is_open && !is_fax)
            && far.sdes.as_ref().map(|(generation, ..)| *generation) != keyed
        {
            far.sdes = keyed.and_then(|generation| {
                let Sdes { send, receive } = sdes(at, generation);
                Some((generation, receive.sender().ok()?, send.receiver().ok()?))
            });
        }
        let Some(far) = self.far.get_mut(at).filter(|far| far.is_open && is_browser) else { return };
        let agreed = Some((role, is_right));
        // Another association: the old keys are worth nothing.
        if far.agreed.is_some() && far.agreed != agreed {
            far.is_connected = false;
        }
        // Before the answer the worker waits for a ClientHello.
        if far.agreed.map_or(Role::Server, |(role, _)| role) != role {
            far.endpoint = None;
            far.keys = None;
        }
        far.agreed = agreed;
    }

    fn close(&mut self, input: &mut Input<'_>) {
        let at = input.number(4);
        let report = self.worker.close(self.now, key(at));
        let Some(far) = self.far.get_mut(at) else { return };
        assert_eq!(report.is_some(), far.is_open, "what is open can be closed");
        far.is_open = false;
        far.is_connected = false;
        self.drain();
        // The next leg has its ports.
        if input.one_in(2) {
            self.open(at);
        }
    }

    fn restart(&mut self, at: usize) {
        let credentials = self.credentials();
        let restarted = self.worker.restart(self.now, key(at), credentials.clone());
        assert_eq!(restarted, Ok(()), "nobody else has these names");
        if let Some(far) = self.far.get_mut(at) {
            far.ours.push(credentials);
        }
    }

    /// Any bytes, by any socket.
    fn anything(&mut self, input: &mut Input<'_>) {
        let (at, source, socket) = (input.number(4), source(input), input.number(3));
        let socket = [Socket::Shared, Socket::Rtp(key(at)), Socket::Rtcp(key(at))].get(socket).copied();
        let length = usize::from(input.byte().unwrap_or_default()) * 4;
        let bytes = input.bytes(length);
        let socket = socket.unwrap_or(Socket::Shared);
        let verdict = self.hand(socket, at, source, bytes);
        if let Verdict::Forward(_) = verdict {
            assert!(at < 2 && source != STRANGER, "out of nothing");
            assert_eq!(socket, Socket::Rtp(key(at)));
        }
    }

    /// A datagram of a fax: its sequence number, mostly the length of what follows, and some bytes.
    fn fax(&mut self, input: &mut Input<'_>) {
        let (at, source) = (input.number(2), source(input));
        let Some(far) = self.far.get_mut(at) else { return };
        far.sequence = far.sequence.wrapping_add(1);
        let mut bytes = far.sequence.to_be_bytes().to_vec();
        bytes.push(input.one_of(&[3, 3, 3, 3, 3, 0, 0x80, 0xff], 3));
        bytes.extend_from_slice(input.bytes(7));
        let verdict = self.hand(Socket::Rtp(key(at)), at, source, &bytes);
        assert!(source != STRANGER || !matches!(verdict, Verdict::Forward(_)), "a stranger is heard");
    }

    fn plain_rtp(&mut self, input: &mut Input<'_>) {
        let (at, source) = (input.number(2), source(input));
        let mut bytes = self.rtp(at, input);
        if let Some(Far { sdes: Some((_, sender, _)), .. }) = self.far.get_mut(at) {
            let len = bytes.len();
            bytes.resize(len + TAIL_ROOM, 0);
            let Ok(len) = sender.protect_rtp(&mut bytes, len) else { return };
            bytes.truncate(len);
        }
        let verdict = self.hand(Socket::Rtp(key(at)), at, source, &bytes);
        assert!(source != STRANGER || !matches!(verdict, Verdict::Forward(_)), "a stranger is heard");
    }

    fn plain_rtcp(&mut self, input: &mut Input<'_>) {
        let (at, source, choice) = (input.number(2), source(input), input.byte().unwrap_or_default());
        let cname = Cname::from_random([1; 12]);
        let report = Outgoing {
            ssrc: u32::from(choice & 3),
            cname: &cname,
            sent: None,
            received: None,
            last_sender_report: None,
            bye: choice & 4 != 0,
        };
        let mut buffer = [0; crate::rtcp::MAX_LEN];
        let len = report.write(&mut buffer).unwrap_or_default();
        let socket = if choice & 8 == 0 { Socket::Rtcp(key(at)) } else { Socket::Rtp(key(at)) };
        let verdict = self.hand(socket, at, source, buffer.get(..len).unwrap_or_default());
        let is_fax = self.far.get(at).is_some_and(|far| far.is_fax);
        assert!(is_fax || !matches!(verdict, Verdict::Forward(_)), "RTCP ends here");
        assert!(!matches!(verdict, Verdict::Reply(_)), "RTCP ends here");
        assert!(source != STRANGER || verdict != Verdict::Consumed, "a stranger is believed");
    }

    /// A connectivity check with the right names, and perhaps with the right password.
    fn check(&mut self, input: &mut Input<'_>) {
        let (at, source, choice) = (2 + input.number(2), source(input), input.byte().unwrap_or_default());
        let back = usize::from(choice >> 2 & 1);
        let Some(ours) = self.far.get(at).and_then(|far| far.ours.iter().rev().nth(back)).cloned() else {
            return;
        };
        let password = if choice & 2 == 0 { ours.pwd.clone() } else { "abcdefghijklmnopqrstuvwx".to_owned() };
        self.serial += 1;
        let username = format!("{}:{}", ours.ufrag, theirs(at).ufrag);
        let request = BindingRequest {
            transaction: u128::from(self.serial).into(),
            username: Some(&username),
            priority: Some(1),
            role: Some((stun::Role::Controlling, 9)),
            use_candidate: choice & 1 == 0,
        };
        let mut buffer = [0; 256];
        let key_of = Key::new(&password);
        let len = request.write(Some((&key_of, Algorithm::Sha1)), &mut buffer).unwrap_or_default();
        let bytes = buffer.get(..len).unwrap_or_default();
        let verdict = self.hand(Socket::Shared, at, source, bytes);
        let is_success = self.packet.bytes().get(..2) == Some(&[0x01, 0x01]);
        if let Verdict::Reply(to) = verdict {
            assert_eq!(to.remote, address(at, source), "an answer goes back");
            let is_authentic = choice & 2 == 0;
            assert!(!is_success || is_authentic, "a check with the wrong password is answered");
            if is_success && let Some(far) = self.far.get_mut(at) {
                far.validated.push(address(at, source));
            }
        }
    }

    /// The browser's end of the handshake, as far as it comes by now.
    fn shake(&mut self, input: &mut Input<'_>) {
        let (at, source) = (2 + input.number(2), source(input));
        let Some(far) = self.far.get_mut(at) else { return };
        let role = far.agreed.map_or(Role::Client, |(role, _)| role.other());
        if far.endpoint.is_none() {
            let mut endpoint = Endpoint::new(self.identity, role, self.now);
            endpoint.expect(vec![self.identity.fingerprint()]);
            far.endpoint = Some(endpoint);
        }
        for _ in 0..MAX_FLIGHTS {
            let mut flight = Vec::new();
            let Some(Far { endpoint: Some(endpoint), inbox, keys, .. }) = self.far.get_mut(at) else {
                return;
            };
            while let Some(datagram) = inbox.pop_front() {
                let _ = endpoint.handle_datagram(self.now, &datagram);
            }
            if endpoint.poll_timeout().is_some_and(|due| due <= self.now) {
                endpoint.handle_timeout(self.now);
            }
            let mut out = [0; MAX_TRANSMIT];
            while let Some(len) = endpoint.poll_transmit(&mut out) {
                flight.push(out.get(..len).unwrap_or_default().to_vec());
            }
            if let Some(dtls::Event::Connected { suite, keys: agreed, .. }) = endpoint.poll_event()
                && let (Ok(sender), Ok(receiver)) = (
                    Sender::new(suite, &agreed.local_key, &agreed.local_salt),
                    Receiver::new(suite, &agreed.remote_key, &agreed.remote_salt),
                )
            {
                *keys = Some((sender, receiver));
            }
            if flight.is_empty() {
                return;
            }
            for datagram in flight {
                let verdict = self.hand(Socket::Shared, at, source, &datagram);
                assert!(matches!(verdict, Verdict::Consumed | Verdict::Drop(_)));
                self.drain();
            }
        }
    }

    fn secure_rtp(&mut self, input: &mut Input<'_>) {
        let (at, source) = (2 + input.number(2), source(input));
        let mut bytes = self.rtp(at, input);
        let len = bytes.len();
        bytes.resize(len + TAIL_ROOM, 0);
        let Some(Far { keys: Some((sender, _)), .. }) = self.far.get_mut(at) else { return };
        let Ok(len) = sender.protect_rtp(&mut bytes, len) else { return };
        bytes.truncate(len);
        let verdict = self.hand(Socket::Shared, at, source, &bytes);
        if let Verdict::Forward(_) = verdict {
            let far = self.far.get(at);
            assert!(far.is_some_and(|far| far.is_connected), "media before the handshake");
            assert!(
                far.is_some_and(|far| far.validated.contains(&address(at, source))),
                "from no valid pair"
            );
            self.protected.push_front((at, bytes));
            self.protected.truncate(KEPT);
        }
    }

    /// Media that was taken before, from the same address.
    fn replay(&mut self, input: &mut Input<'_>) {
        let (back, source) = (input.number(KEPT), source(input));
        let Some((at, bytes)) = self.protected.get(back).cloned() else { return };
        let verdict = self.hand(Socket::Shared, at, source, &bytes);
        assert!(matches!(verdict, Verdict::Drop(_)), "a packet is taken twice");
    }

    /// An RTP packet of a far end: mostly the next of a stream.
    fn rtp(&mut self, at: usize, input: &mut Input<'_>) -> Vec<u8> {
        const STEPS: [u16; 8] = [1, 1, 1, 2, 0, 100, 0x7fff, 0xfffe];
        let payload_type = input.one_of(&[0, 0, 0, 0, 0, 101, 8, 18], 0);
        let (step, ssrc) = (input.one_of(&STEPS, 1), input.one_of(&[1, 1, 1, 2], 1));
        let Some(far) = self.far.get_mut(at) else { return Vec::new() };
        far.sequence = far.sequence.wrapping_add(step);
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(far.sequence.to_be_bytes());
        bytes.extend((u32::from(far.sequence) * 160).to_be_bytes());
        bytes.extend((ssrc + 16 * at as u32).to_be_bytes());
        if input.one_in(4) {
            bytes.splice(..1, [0x90]);
            bytes.extend([0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0]);
        }
        bytes.extend([0x55; 20]);
        bytes
    }

    /// Hands a datagram to the worker and looks at what becomes of it.
    fn hand(&mut self, socket: Socket, at: usize, source: usize, bytes: &[u8]) -> Verdict {
        if !self.packet.fill(bytes) {
            return Verdict::Consumed;
        }
        self.handed += 1;
        let local = if socket == Socket::Shared { SHARED } else { OURS };
        let (local, remote) = (SocketAddr::from(local), address(at, source));
        let verdict = self.worker.handle_packet(self.now, socket, local, remote, &mut self.packet);
        let is_fax = socket != Socket::Shared && self.far.get(at).is_some_and(|far| far.is_fax);
        match verdict {
            Verdict::Forward(to) if is_fax => {
                assert_eq!(self.packet.bytes(), bytes, "a fax passes as it is");
                let mut telephones = (0..2).filter(|&at| to.socket == Socket::Rtp(key(at)));
                let to_fax = telephones.any(|at| self.far.get(at).is_some_and(|far| far.is_fax));
                assert!(to_fax, "a fax goes to a fax");
                self.check_destination(to, true);
            }
            Verdict::Forward(to) => {
                assert_eq!(classify(bytes), Class::Rtp, "only media is sent on");
                assert!(self.packet.bytes().len() <= bytes.len() + TAIL_ROOM);
                self.check_destination(to, true);
                self.check_protection(to);
            }
            Verdict::Reply(to) => {
                assert_eq!((to.socket, to.local, to.remote), (socket, local, remote));
                assert_eq!(classify(bytes), Class::Stun, "only a check is answered");
                assert!(self.packet.bytes().len() <= stun::REPLY_ROOM);
            }
            Verdict::Insert(leg) => {
                assert_eq!(classify(bytes), Class::Rtp, "only media goes to an insert");
                // An insert that changes nothing, between two legs or behind one.
                self.handed += 1;
                let made_for = key((leg.0 as usize - 1) ^ 1);
                if let Verdict::Forward(to) =
                    self.worker.handle_made(self.now, made_for, 8000, &mut self.packet)
                {
                    self.check_destination(to, true);
                    self.check_protection(to);
                }
            }
            // The copies are checked as they are sent.
            Verdict::Shown | Verdict::Consumed | Verdict::Drop(_) => {}
        }
        verdict
    }

    /// Whether something may be sent there: to a telephone that is open and no stranger, or to a browser over a pair
    /// that was checked; media after its handshake only.
    fn check_destination(&self, to: Destination, is_media: bool) {
        assert!((0..4).all(|at| to.remote != address(at, STRANGER) || at > 1), "to a stranger: {to:?}");
        match to.socket {
            Socket::Shared => {
                let mut browsers = self.far.iter().filter(|far| far.validated.contains(&to.remote));
                let may = browsers.any(|far| far.is_connected || !is_media);
                assert!(may, "{to:?} is no valid pair, or has no keys");
            }
            Socket::Rtp(_) | Socket::Rtcp(_) => {
                assert_ne!(
                    to.remote.ip(),
                    SocketAddr::from(PRIVATE).ip(),
                    "to an address of another network"
                );
            }
        }
    }

    /// What goes to a browser, or to a telephone that has keys, is protected with its keys.
    fn check_protection(&mut self, to: Destination) {
        let mut packet = self.packet.bytes().to_vec();
        if let Socket::Rtp(leg) = to.socket
            && let Some(far) = self.far.get_mut(leg.0.saturating_sub(1) as usize)
            && let Some((.., receiver)) = &mut far.sdes
        {
            assert!(receiver.unprotect_rtp(&mut packet).is_ok(), "not protected for whom it goes to");
            return;
        }
        let mut browsers = self.far.iter_mut().filter(|far| {
            to.socket == Socket::Shared && far.is_connected && far.validated.contains(&to.remote)
        });
        // Two can have had the address; and one may not have seen the end of the handshake.
        if let (Some(Far { keys: Some((_, receiver)), .. }), None) = (browsers.next(), browsers.next()) {
            assert!(receiver.unprotect_rtp(&mut packet).is_ok(), "not protected for whom it goes to");
        }
    }

    /// Takes what the worker says by itself.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(to) = self.worker.poll_transmit(&mut self.packet) {
            count += 1;
            assert!(count <= MAX_SENT, "it sends without end");
            assert!(self.packet.bytes().len() <= SLOT_LEN - HEAD_ROOM);
            self.check_destination(to, false);
            let is_dtls = classify(self.packet.bytes()) == Class::Dtls;
            for far in self.far.iter_mut().skip(2) {
                if is_dtls && far.validated.contains(&to.remote) {
                    far.inbox.push_back(self.packet.bytes().to_vec());
                    far.inbox.truncate(MAX_SENT);
                }
            }
        }
        while let Some(event) = self.worker.poll_event() {
            let (Event::Connected { leg }
            | Event::FirstPacket { leg }
            | Event::PictureWanted { leg }
            | Event::Loss { leg, .. }
            | Event::Interrupted { leg }
            | Event::Gone { leg, .. }) = event;
            let at = leg.0.saturating_sub(1) as usize;
            // Both browsers have the certificate, and one can stand where the other stood.
            let is_anybody_there = self.far.iter().any(|far| far.endpoint.is_some());
            let Some(far) = self.far.get_mut(at) else { unreachable!("news of no leg: {event:?}") };
            assert!(far.is_open, "news of a leg that is closed: {event:?}");
            if let Event::Connected { .. } = event {
                assert!(is_anybody_there, "connected with nobody");
                assert!(far.agreed.is_some_and(|(_, is_right)| is_right), "with the wrong certificate");
                far.is_connected = true;
            }
        }
    }

    /// Time goes by, deadline after deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(at) = self.worker.poll_timeout().filter(|&at| at <= end) {
            rounds += 1;
            assert!(rounds <= MAX_ROUNDS, "it is always due");
            self.now = self.now.max(at);
            self.worker.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Every packet has one fate, and nothing went wrong.
    fn check_counters(&self) {
        let stats = self.worker.stats();
        assert_eq!(stats.panics, 0, "a mistake was contained");
        let handled = stats.forwarded + stats.replied + stats.consumed + stats.inserted;
        let fates = handled + stats.made + stats.drops.total();
        assert_eq!(fates, self.handed, "{stats:?}");
    }

    /// All legs are closed: nothing is left.
    fn end(mut self) -> Stats {
        let stats = self.worker.stats();
        for at in 0..4 {
            self.worker.close(self.now, key(at));
        }
        for far in &mut self.far {
            far.is_open = false;
        }
        while self.worker.poll_event().is_some() {}
        self.drain();
        assert_eq!(self.worker.stats().legs, 0);
        assert_eq!(self.worker.poll_timeout(), None, "a leg that is closed has deadlines");
        self.check_counters();
        stats
    }

    /// Credentials that no leg has had.
    fn credentials(&mut self) -> Credentials {
        self.serial += 1;
        // Of each byte six bits become a character.
        let digit = |at: usize| self.serial.checked_shr(6 * at as u32).map(|rest| rest as u8);
        Credentials::from_random(&std::array::from_fn(|at| digit(at).unwrap_or(at as u8)))
    }
}

fn key(at: usize) -> LegKey {
    LegKey(1 + at as u64)
}

/// The credentials of a browser.
fn theirs(at: usize) -> Credentials {
    Credentials::from_random(&[at as u8; Credentials::RANDOM_LEN])
}

/// The keys that a telephone has agreed on, one time or another.
fn sdes(at: usize, generation: bool) -> Sdes {
    let suite = if at == 0 { Suite::AesCm128HmacSha1_80 } else { Suite::AeadAes128Gcm };
    let key = |byte: u8| {
        let material = vec![byte; suite.key_len() + suite.salt_len()];
        let Some(key) = MasterKey::split(suite, &material) else { unreachable!("of the right length") };
        key
    };
    let base = 0x10 + 4 * at as u8 + 2 * u8::from(generation);
    Sdes { send: key(base), receive: key(base + 1) }
}

/// Where datagrams of a far end come from: its own address, another port of it, a neighbour, somebody else, or the
/// address of the other far end of its kind.
fn address(at: usize, source: usize) -> SocketAddr {
    let own = 10 + 10 * at as u8;
    match source {
        0 => ([198, 51, 100, own], 4000).into(),
        1 => ([198, 51, 100, own], 4002).into(),
        2 => ([198, 51, 100, own + 1], 4000).into(),
        STRANGER => ([203, 0, 113, own], 4000).into(),
        _ => address(at ^ 1, 0),
    }
}

/// Mostly its own address.
fn source(input: &mut Input<'_>) -> usize {
    input.one_of(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, STRANGER, 4], 0)
}

/// What makes a step one of a fax.
const FAX: u8 = 0x80;

/// The source that no telephone's packets may come from.
const STRANGER: usize = 3;

/// Who hears whom.
const JOINS: &[(usize, usize)] = &[(0, 1), (0, 2), (2, 3), (1, 3), (0, 0), (2, 2), (3, 0), (1, 0)];

const SHARED: ([u8; 4], u16) = ([192, 0, 2, 1], 8443);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 20_000);
/// What a telephone behind NAT has in its SDP.
const PRIVATE: ([u8; 4], u16) = ([192, 168, 1, 5], 4000);

/// How a play can begin: with nothing, with two telephones that talk, with a browser and a telephone, with two
/// browsers, and with two faxes.
const PROLOGUES: &[&[u8]] = &[
    &[],
    &[0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 3, 0],
    &[0, 2, 0, 0, 1, 2, 0, 1, 0, 0, 3, 1, 11, 0, 0, 0, 12, 0, 0],
    &[0, 2, 0, 3, 1, 2, 0, 1, 3, 0, 3, 2, 11, 0, 0, 0, 12, 0, 0, 11, 1, 0, 0, 12, 1, 0],
    &[0, 0, 0, 1, FAX | 1, 0, 0, FAX | 1, 1, 0, 3, 0],
];

/// Steps that one input may have.
const MAX_STEPS: usize = 400;
/// Flights of a handshake that are exchanged in one step.
const MAX_FLIGHTS: usize = 12;
/// Datagrams that the worker may send by itself at one moment.
const MAX_SENT: usize = 64;
/// Deadlines within one step of time: reports and retransmissions of four legs.
const MAX_ROUNDS: usize = 500;
/// Packets that are remembered.
const KEPT: usize = 8;

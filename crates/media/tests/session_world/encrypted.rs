//! Far ends that have agreed with us by session descriptions: in the clear, by SDES, by DTLS without ICE, or a browser.

use ringback_media::dtls::{self, Endpoint, Role};
use ringback_media::negotiation::{LegSettings, Local, Party, PayloadMap, Profile, Sdes, Seed, Srtp};
use ringback_media::sdp::Description;
use ringback_media::session::{Destination, Event, LegKey, Medium, Socket, Verdict};
use ringback_media::srtp::{MasterKey, Receiver, Sender, Suite};

use super::{BROWSER, Browser, OURS, Rtp, SHARED, WORKER, World, at, identity};

/// How a far end's media is protected, and what its descriptions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Clear(&'static str),
    Sdes(&'static str, Suite),
    Dtls(&'static str),
    WebRtc,
}

/// A far end with its leg.
pub struct FarEnd {
    pub leg: LegKey,
    pub kind: Kind,
    pub address: &'static str,
    pub party: Option<Party>,
    pub keys: Option<(Sender, Receiver)>,
    browser: Option<Browser>,
}

impl FarEnd {
    /// Opens a leg, offers, is answered, and shakes hands where that is to be done.
    pub fn connect(world: &mut World, leg: LegKey, kind: Kind, address: &'static str) -> FarEnd {
        if kind == Kind::WebRtc {
            let mut browser = Browser::open_at(world, leg, Role::Server, address);
            browser.configure(world, Role::Server);
            assert!(matches!(browser.check(world, true), Verdict::Reply(_)));
            browser.shake(world);
            assert_eq!(world.take_events(), [Event::Connected { leg }]);
            return FarEnd { leg, kind, address, party: None, keys: None, browser: Some(browser) };
        }
        let signalling = at(address).ip();
        world.worker.open(world.clock.now(), leg, Medium::Rtp { signalling }).unwrap();
        let local = Local {
            profile: Profile::Rtp,
            address: at(OURS).ip(),
            rtp: at(OURS).port(),
            rtcp: at(OURS).port() + 1,
            ice: None,
            candidates: Vec::new(),
            fingerprint: Some(identity(WORKER).fingerprint()),
            srtp: Srtp::Offered,
            seed: Some(Seed::new([leg.0 as u8; 32])),
            video: None,
        };
        let party = Some(Party::new(local, leg.0));
        let mut far = FarEnd { leg, kind, address, party, keys: None, browser: None };
        far.offer(world, 1, "");
        if let Kind::Dtls(_) = kind {
            far.keys = Some(far.shake(world, address, Socket::Rtp(leg), BROWSER).unwrap());
            assert_eq!(world.take_events(), [Event::Connected { leg }]);
        }
        far
    }

    /// The key that this far end sends with after so many changes.
    pub fn key(&self, suite: Suite, generation: u8) -> MasterKey {
        let material = vec![self.leg.0 as u8 * 16 + generation; suite.key_len() + suite.salt_len()];
        MasterKey::split(suite, &material).unwrap()
    }

    /// Offers with the key of this generation; takes our answer, and so does the worker.
    pub fn offer(&mut self, world: &mut World, generation: u8, lines: &str) -> LegSettings {
        let settings = self.agree(generation, lines);
        if let Some(Sdes { send, receive }) = &settings.sdes {
            self.keys = Some((receive.sender().unwrap(), send.receiver().unwrap()));
        }
        world.worker.configure(world.clock.now(), self.leg, settings.clone(), map());
        world.drain();
        settings
    }

    /// The same without the worker.
    pub fn agree(&mut self, generation: u8, lines: &str) -> LegSettings {
        let (protocol, keyed) = match self.kind {
            Kind::Clear(protocol) => (protocol, String::new()),
            Kind::Sdes(protocol, suite) => {
                let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".as_bytes();
                let MasterKey { key, salt, .. } = self.key(suite, generation);
                let bits: String = key.iter().chain(&*salt).map(|byte| format!("{byte:08b}")).collect();
                let text: String = bits
                    .as_bytes()
                    .chunks(6)
                    .map(|six| format!("{:0<6}", String::from_utf8_lossy(six)))
                    .map(|six| char::from(digits[usize::from_str_radix(&six, 2).unwrap()]))
                    .collect();
                (protocol, format!("a=crypto:1 {} inline:{text}\r\n", suite.name()))
            }
            Kind::Dtls(protocol) => {
                let fingerprint = identity(BROWSER).fingerprint();
                (protocol, format!("a=fingerprint:{fingerprint}\r\na=setup:actpass\r\n"))
            }
            Kind::WebRtc => panic!("a browser is configured by hand"),
        };
        let (ip, port) = (at(self.address).ip(), at(self.address).port());
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} {protocol} 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{keyed}{lines}"
        );
        let party = self.party.as_mut().unwrap();
        party.handle_offer(offer.as_bytes()).unwrap();
        let answer = Description::parse(&party.answer_alone().unwrap()).unwrap();
        assert_eq!(answer.sections[0].protocol, protocol);
        party.agreed().unwrap()
    }

    /// Shakes hands as the client, from an address and with somebody's certificate; the keys, if any came of it.
    pub fn shake(
        &self,
        world: &mut World,
        from: &str,
        socket: Socket,
        whose: usize,
    ) -> Option<(Sender, Receiver)> {
        let mut endpoint = Endpoint::new(&identity(whose), Role::Client, world.clock.now());
        endpoint.expect(vec![identity(WORKER).fingerprint()]);
        let mut made = None;
        loop {
            let mut is_quiet = true;
            let mut out = [0; 1500];
            while let Some(len) = endpoint.poll_transmit(&mut out) {
                world.deliver(socket, OURS, from, &out[..len]);
                is_quiet = false;
            }
            for bytes in world.take_sent(from) {
                if (20..64).contains(&bytes[0]) {
                    is_quiet = false;
                    let _ = endpoint.handle_datagram(world.clock.now(), &bytes);
                }
            }
            if let Some(dtls::Event::Connected { suite, keys, .. }) = endpoint.poll_event() {
                let sender = Sender::new(suite, &keys.local_key, &keys.local_salt).unwrap();
                let receiver = Receiver::new(suite, &keys.remote_key, &keys.remote_salt).unwrap();
                made = Some((sender, receiver));
            }
            if is_quiet {
                return made;
            }
        }
    }

    /// What it sends on the wire.
    pub fn wire(&mut self, rtp: &Rtp) -> Vec<u8> {
        if let Some(browser) = &mut self.browser {
            return browser.protect(rtp);
        }
        match &mut self.keys {
            Some((sender, _)) => protect(sender, rtp),
            None => rtp.bytes(),
        }
    }

    /// Sends a packet.
    pub fn send(&mut self, world: &mut World, rtp: &Rtp) -> (Verdict, Vec<u8>) {
        let bytes = self.wire(rtp);
        self.send_bytes(world, &bytes)
    }

    pub fn send_bytes(&self, world: &mut World, bytes: &[u8]) -> (Verdict, Vec<u8>) {
        let (socket, to) = match self.kind {
            Kind::WebRtc => (Socket::Shared, SHARED),
            _ => (Socket::Rtp(self.leg), OURS),
        };
        world.deliver(socket, to, self.address, bytes)
    }

    /// Reads what was sent to it.
    pub fn read(&mut self, bytes: &[u8]) -> Rtp {
        if let Some(browser) = &mut self.browser {
            return browser.unprotect(bytes);
        }
        match &mut self.keys {
            Some((_, receiver)) => {
                let mut bytes = bytes.to_vec();
                let len = receiver.unprotect_rtp(&mut bytes).unwrap();
                Rtp::parse(&bytes[..len])
            }
            None => Rtp::parse(bytes),
        }
    }

    /// Bytes that protection adds to what is sent to it.
    pub fn overhead(&self) -> usize {
        match (&self.keys, &self.browser) {
            (Some((sender, _)), _) => sender.suite().rtp_overhead(),
            (None, Some(browser)) => browser.keys.as_ref().unwrap().0.suite().rtp_overhead(),
            (None, None) => 0,
        }
    }

    /// Where media for it goes.
    pub fn destination(&self) -> (Socket, std::net::SocketAddr) {
        let socket = match self.kind {
            Kind::WebRtc => Socket::Shared,
            _ => Socket::Rtp(self.leg),
        };
        (socket, at(self.address))
    }
}

pub fn protect(sender: &mut Sender, rtp: &Rtp) -> Vec<u8> {
    let mut bytes = rtp.bytes();
    let len = bytes.len();
    bytes.resize(len + 32, 0);
    let len = sender.protect_rtp(&mut bytes, len).unwrap();
    bytes.truncate(len);
    bytes
}

pub fn forwarded((verdict, bytes): (Verdict, Vec<u8>)) -> (Destination, Vec<u8>) {
    match verdict {
        Verdict::Forward(destination) => (destination, bytes),
        verdict => panic!("{verdict:?}"),
    }
}

fn map() -> PayloadMap {
    [(0, 0), (101, 101)].into_iter().collect()
}

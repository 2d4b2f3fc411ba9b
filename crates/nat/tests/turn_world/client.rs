//! A client.

use hmac::{Hmac, KeyInit, Mac};
use ringback_nat::turn::{PasswordAlgorithm, userhash};
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use sha2::Digest;
use stun_types::attribute::RawAttribute;
use stun_types::message::{
    LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
    MessageWriteVec, Method,
};

use super::*;

/// A client over one flow.
#[derive(Debug, Clone)]
pub struct Client {
    pub flow: Flow,
    pub name: String,
    pub password: String,
    pub algorithm: Option<PasswordAlgorithm>,
    pub by_hash: bool,
    pub nonce: Vec<u8>,
    pub transaction: u128,
}

impl Client {
    /// Over UDP, from an address of its own.
    pub fn new(name: &str, password: &str, from: &str) -> Self {
        Client {
            flow: Flow::datagram(at(SERVER), at(from)),
            name: name.to_owned(),
            password: password.to_owned(),
            algorithm: None,
            by_hash: false,
            nonce: Vec::new(),
            transaction: 0,
        }
    }

    pub fn alice() -> Self {
        Client::new("alice", "sesame", "192.0.2.10:4000")
    }

    pub fn bob() -> Self {
        Client::new("bob", "builder", "192.0.2.20:4000")
    }

    /// With credentials for a time.
    pub fn limited(account: &str, expiry: u64, from: &str) -> Self {
        let (name, password) = limited().issue(account, expiry).unwrap();
        Client::new(&name, &password, from)
    }

    pub fn over(mut self, transport: Transport) -> Self {
        let tuple = FiveTuple::new(transport, self.flow.local(), self.flow.remote());
        self.flow = Flow { tuple, connection: ConnectionId(1) };
        self
    }

    /// A client that has its nonce already.
    pub fn challenged(mut self, world: &mut World) -> Self {
        let packet = self.plain(ALLOCATE, &[transport(17)]);
        self.nonce = world.ask(self.flow, &packet).unwrap().value(NONCE).unwrap();
        self
    }

    fn key(&self) -> Vec<u8> {
        let text = format!("{}:{REALM}:{}", self.name, self.password);
        match self.algorithm {
            Some(PasswordAlgorithm::Sha256) => sha2::Sha256::digest(text).to_vec(),
            _ => md5::Md5::digest(text).to_vec(),
        }
    }

    /// What RFC 8489 has both ends use: who names a password algorithm has SHA-256, whichever it is.
    pub fn integrity(&self) -> IntegrityAlgorithm {
        match self.algorithm {
            Some(_) => IntegrityAlgorithm::Sha256,
            None => IntegrityAlgorithm::Sha1,
        }
    }

    fn begin(&mut self, class: MessageClass, method: u16, attributes: &[(u16, Vec<u8>)]) -> MessageWriteVec {
        self.transaction += 1;
        let kind = MessageType::from_class_method(class, Method::new(method));
        let id = self.transaction << 16 | u128::from(self.flow.remote().port());
        let mut message = Message::builder(kind, id.into(), MessageWriteVec::new());
        for (kind, value) in attributes {
            message.add_attribute(&RawAttribute::new((*kind).into(), value)).unwrap();
        }
        message
    }

    /// A request without credentials.
    pub fn plain(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.begin(MessageClass::Request, method, attributes).finish()
    }

    /// A request with credentials.
    pub fn request(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let all = self.with_credentials(attributes);
        self.protected(method, &all)
    }

    /// With what a request with credentials has besides its code.
    pub fn with_credentials(&self, attributes: &[(u16, Vec<u8>)]) -> Vec<(u16, Vec<u8>)> {
        let mut all = attributes.to_vec();
        if self.by_hash {
            all.push((USERHASH, userhash(self.name.as_bytes(), REALM).to_vec()));
        } else {
            all.push((USERNAME, self.name.clone().into_bytes()));
        }
        all.push((REALM_ATTRIBUTE, REALM.as_bytes().to_vec()));
        all.push((NONCE, self.nonce.clone()));
        if let Some(algorithm) = self.algorithm {
            let number = if algorithm == PasswordAlgorithm::Md5 { 1 } else { 2 };
            all.push((PASSWORD_ALGORITHM, vec![0, number, 0, 0]));
            all.push((PASSWORD_ALGORITHMS, vec![0, 2, 0, 0, 0, 1, 0, 0]));
        }
        all
    }

    /// A request with just these attributes and a message integrity code.
    pub fn protected(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.protected_by(self.integrity(), method, attributes)
    }

    pub fn protected_by(
        &mut self,
        integrity: IntegrityAlgorithm,
        method: u16,
        attributes: &[(u16, Vec<u8>)],
    ) -> Vec<u8> {
        let mut message = self.begin(MessageClass::Request, method, attributes).finish();
        let code = seal(&mut message, &self.key(), integrity);
        message.extend_from_slice(&code);
        message
    }

    pub fn indication(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.begin(MessageClass::Indication, method, attributes).finish()
    }

    /// An indication that ends with a FINGERPRINT.
    pub fn fingerprinted(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = self.begin(MessageClass::Indication, method, attributes);
        message.add_fingerprint().unwrap();
        message.finish()
    }

    /// Asks with credentials; what answers is protected with the same ones.
    pub fn ask(&mut self, world: &mut World, method: u16, attributes: &[(u16, Vec<u8>)]) -> Answer {
        let packet = self.request(method, attributes);
        let answer = world.ask(self.flow, &packet).unwrap();
        self.check(&answer);
        answer
    }

    /// An answer to what was authenticated is authenticated too.
    pub fn check(&self, answer: &Answer) {
        if !matches!(answer.error(), Some(401 | 438)) {
            assert_eq!(self.integrity_of(answer), self.integrity());
        }
        assert_eq!(answer.value(SOFTWARE), None);
    }

    /// By which code an answer is protected, and rightly: read by hand, and by the crate where it has such a key.
    pub fn integrity_of(&self, answer: &Answer) -> IntegrityAlgorithm {
        let (integrity, start, code) = answer.code.clone().unwrap();
        let mut before = answer.bytes[..start].to_vec();
        assert_eq!(seal(&mut before, &self.key(), integrity)[4..], code);
        if self.algorithm != Some(PasswordAlgorithm::Md5) && integrity == self.integrity() {
            let credentials =
                LongTermKeyCredentials::new(self.name.clone(), self.password.clone(), REALM.to_owned());
            let read = Message::from_bytes(&answer.bytes).unwrap();
            assert_eq!(read.validate_integrity(&credentials.into()).unwrap(), integrity);
        }
        integrity
    }

    pub fn allocate(&mut self, world: &mut World) -> Answer {
        self.ask(world, ALLOCATE, &[transport(17)])
    }

    /// Asks for both families.
    pub fn allocate_both(&mut self, world: &mut World) -> Answer {
        self.ask(world, ALLOCATE, &[transport(17), (ADDITIONAL_ADDRESS_FAMILY, vec![2, 0, 0, 0])])
    }

    pub fn permit(&mut self, world: &mut World, peers: &[&str]) -> Answer {
        let peers: Vec<_> = peers.iter().map(|peer| self.next_peer(peer)).collect();
        self.ask(world, CREATE_PERMISSION, &peers)
    }

    pub fn bind(&mut self, world: &mut World, number: u16, peer: &str) -> Answer {
        let peer = self.next_peer(peer);
        self.ask(world, CHANNEL_BIND, &[channel(number), peer])
    }

    pub fn refresh(&mut self, world: &mut World, lifetime: u32) -> Answer {
        self.ask(world, REFRESH, &[(LIFETIME, lifetime.to_be_bytes().to_vec())])
    }

    pub fn send(&mut self, peer: &str, data: &[u8]) -> Vec<u8> {
        let peer = self.next_peer(peer);
        self.indication(SEND, &[peer, (DATA, data.to_vec())])
    }

    /// XOR-PEER-ADDRESS in the next message.
    pub fn next_peer(&self, peer: &str) -> (u16, Vec<u8>) {
        let id = (self.transaction + 1) << 16 | u128::from(self.flow.remote().port());
        (XOR_PEER_ADDRESS, mix(id, at(peer)))
    }
}

/// The attribute with the code over a message, whose length is set to end behind it.
fn seal(message: &mut [u8], key: &[u8], integrity: IntegrityAlgorithm) -> Vec<u8> {
    let (kind, size) = match integrity {
        IntegrityAlgorithm::Sha1 => (MESSAGE_INTEGRITY, 20),
        IntegrityAlgorithm::Sha256 => (MESSAGE_INTEGRITY_SHA256, 32),
    };
    let length = u16::try_from(message.len() - 20 + 4 + size).unwrap();
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let code = match integrity {
        IntegrityAlgorithm::Sha1 => hmac::<Hmac<sha1::Sha1>>(key, message),
        IntegrityAlgorithm::Sha256 => hmac::<Hmac<sha2::Sha256>>(key, message),
    };
    [&kind.to_be_bytes(), &u16::try_from(size).unwrap().to_be_bytes(), &code[..]].concat()
}

fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = M::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

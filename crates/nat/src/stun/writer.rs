//! Writing a message attribute by attribute.

use std::net::{IpAddr, SocketAddr};

use stun_types::attribute::Fingerprint;
use stun_types::message::{MessageClass, MessageHeader, Method, TransactionId};

use super::attribute::{
    ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, UNKNOWN_ATTRIBUTES,
};
use super::integrity::{Algorithm, Key};
use super::message::Message;

/// A message that grows in a buffer of the caller. When the buffer is too small, the end says so.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    out: &'b mut [u8],
    /// How much is written; `None` once something did not fit.
    length: Option<usize>,
    transaction: TransactionId,
}

impl<'b> Writer<'b> {
    /// Begins a message with its header.
    pub(crate) fn new(
        class: MessageClass,
        method: Method,
        transaction: TransactionId,
        out: &'b mut [u8],
    ) -> Self {
        let mut writer = Writer { out, length: Some(0), transaction };
        let id = u128::from(transaction) | u128::from(MAGIC_COOKIE) << 96;
        writer.put(&message_type(class, method).to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&id.to_be_bytes());
        writer
    }

    /// Adds an attribute with its padding.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let Ok(length) = u16::try_from(value.len()) else {
            self.length = None;
            return;
        };
        self.put(&kind.to_be_bytes());
        self.put(&length.to_be_bytes());
        self.put(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.put([0; 4].get(..padding).unwrap_or_default());
        self.set_length(0);
    }

    /// Adds the header of the last attribute, whose value follows what is written here, with its padding.
    pub(crate) fn announce(&mut self, kind: u16, length: u16) {
        self.put(&kind.to_be_bytes());
        self.put(&length.to_be_bytes());
        self.set_length(usize::from(length).next_multiple_of(4));
    }

    /// Adds an address that is mixed with the transaction, as XOR-MAPPED-ADDRESS has it ([RFC 8489 §14.2]).
    ///
    /// [RFC 8489 §14.2]: https://www.rfc-editor.org/rfc/rfc8489#section-14.2
    pub(crate) fn xor_address(&mut self, kind: u16, address: SocketAddr) {
        let mask = u128::from(MAGIC_COOKIE) << 96 | u128::from(self.transaction);
        self.masked_address(kind, address, mask);
    }

    /// Adds an address as it is, such as ALTERNATE-SERVER.
    pub(crate) fn address(&mut self, kind: u16, address: SocketAddr) {
        self.masked_address(kind, address, 0);
    }

    fn masked_address(&mut self, kind: u16, address: SocketAddr, mask: u128) {
        let (value, length) = masked_address(mask, address);
        self.attribute(kind, value.get(..length).unwrap_or_default());
    }

    /// Adds an ERROR-CODE without a reason phrase.
    pub(crate) fn error_code(&mut self, code: u16) {
        self.attribute(ERROR_CODE, &error_value(code));
    }

    /// Adds UNKNOWN-ATTRIBUTES: the first of those in the request.
    pub(crate) fn unknown_attributes(&mut self, request: &Message<'_>) {
        let mut value = [0; 2 * UNKNOWN_NAMED];
        let mut length = 0;
        for (place, kind) in value.chunks_exact_mut(2).zip(request.unknown_attributes()) {
            place.copy_from_slice(&kind.to_be_bytes());
            length += 2;
        }
        self.attribute(UNKNOWN_ATTRIBUTES, value.get(..length).unwrap_or_default());
    }

    /// Adds MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 over what is written.
    pub(crate) fn integrity(&mut self, key: &Key, algorithm: Algorithm) {
        let (kind, size) = match algorithm {
            Algorithm::Sha1 => (MESSAGE_INTEGRITY, 20),
            Algorithm::Sha256 => (MESSAGE_INTEGRITY_SHA256, 32),
        };
        self.set_length(4 + size);
        let code = key.code(algorithm, &[self.written()]);
        self.attribute(kind, &code);
    }

    /// Adds FINGERPRINT over what is written.
    pub(crate) fn fingerprint(&mut self) {
        self.set_length(8);
        let crc = u32::from_be_bytes(Fingerprint::compute(&[self.written()]));
        self.attribute(FINGERPRINT, &(crc ^ FINGERPRINT_XOR).to_be_bytes());
    }

    /// The length of the message.
    pub(crate) fn finish(self) -> Result<usize, NoRoom> {
        self.length.ok_or(NoRoom)
    }

    fn written(&self) -> &[u8] {
        self.length.and_then(|length| self.out.get(..length)).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.length = self.length.and_then(|length| {
            let end = length + bytes.len();
            self.out.get_mut(length..end)?.copy_from_slice(bytes);
            Some(end)
        });
    }

    /// Writes the length field as it is with so many bytes that are still to come.
    fn set_length(&mut self, to_come: usize) {
        let body = self.written().len().saturating_sub(MessageHeader::LENGTH) + to_come;
        match (u16::try_from(body), self.out.get_mut(2..4)) {
            (Ok(body), Some(field)) => field.copy_from_slice(&body.to_be_bytes()),
            _ => self.length = None,
        }
    }
}

/// The bits of the class stand between those of the method ([RFC 8489 §5]).
///
/// [RFC 8489 §5]: https://www.rfc-editor.org/rfc/rfc8489#section-5
fn message_type(class: MessageClass, method: Method) -> u16 {
    let class = match class {
        MessageClass::Request => 0x000,
        MessageClass::Indication => 0x010,
        MessageClass::Success => 0x100,
        MessageClass::Error => 0x110,
    };
    let method = method.value();
    class | method & 0xf | (method & 0x70) << 1 | (method & 0xf80) << 2
}

/// The value of an address attribute, and how much of it is used.
fn masked_address(mask: u128, address: SocketAddr) -> ([u8; 20], usize) {
    let mask = mask.to_be_bytes();
    let [high, low, ..] = mask;
    let (family, octets, length) = match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            (1, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8)
        }
        IpAddr::V6(ip) => (2, ip.octets(), 20),
    };
    let mut value = [0; 20];
    let [_, kind, port1, port2, rest @ ..] = &mut value;
    *kind = family;
    [*port1, *port2] = (address.port() ^ u16::from_be_bytes([high, low])).to_be_bytes();
    for (to, (octet, mask)) in rest.iter_mut().zip(octets.iter().zip(mask)) {
        *to = octet ^ mask;
    }
    (value, length)
}

/// The value of ERROR-CODE, and of ADDRESS-ERROR-CODE but for its family.
pub(crate) fn error_value(code: u16) -> [u8; 4] {
    [0, 0, (code / 100) as u8, (code % 100) as u8]
}

/// The buffer is too small; [`REPLY_ROOM`](super::REPLY_ROOM) is enough for any answer to a Binding request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small for the message")]
pub struct NoRoom;

const MAGIC_COOKIE: u32 = 0x2112_a442;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// How many attributes a 420 names at most.
const UNKNOWN_NAMED: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::attribute::{DATA, XOR_PEER_ADDRESS};
    use super::*;

    fn write(out: &mut [u8]) -> Result<usize, NoRoom> {
        let method = Method::new(0x007);
        let mut message = Writer::new(MessageClass::Indication, method, 7.into(), out);
        message.xor_address(XOR_PEER_ADDRESS, "[2001:db8::1]:9".parse().unwrap());
        message.attribute(DATA, b"hello");
        message.integrity(&Key::long_term(&[1; 16]), Algorithm::Sha256);
        message.fingerprint();
        message.finish()
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_fit_is_said() {
        let mut out = [0; 200];
        let length = write(&mut out).unwrap();
        let message = Message::parse(&out[..length]).unwrap();
        assert_eq!((message.class(), message.method()), (MessageClass::Indication, Method::new(0x007)));
        assert_eq!(message.attribute(DATA), Some(&b"hello"[..]));
        let peer = message.attribute(XOR_PEER_ADDRESS).and_then(|value| message.xor_address(value));
        assert_eq!(peer, Some("[2001:db8::1]:9".parse().unwrap()));
        assert_eq!(message.verify(&Key::long_term(&[1; 16])), Ok(Algorithm::Sha256));
        assert!(message.has_fingerprint());
        for room in 0..length {
            assert_eq!(write(&mut out[..room]), Err(NoRoom), "{room}");
        }
    }

    #[test]
    fn a_value_that_follows_is_counted_with_its_padding() {
        let mut out = [0; 64];
        let mut message = Writer::new(MessageClass::Indication, Method::new(0x007), 7.into(), &mut out);
        message.announce(DATA, 5);
        assert_eq!(message.finish(), Ok(24));
        assert_eq!(Message::parse(&out[..32]).unwrap().attribute(DATA), Some(&[0; 5][..]));
        let mut message = Writer::new(MessageClass::Indication, Method::new(0x007), 7.into(), &mut out);
        message.announce(DATA, u16::MAX);
        assert_eq!(message.finish(), Err(NoRoom), "no length field says so much");
    }

    #[test]
    fn every_class_and_method_has_the_bits_of_the_library() {
        use stun_types::message::MessageType;
        let classes =
            [MessageClass::Request, MessageClass::Indication, MessageClass::Success, MessageClass::Error];
        for (class, method) in
            classes.into_iter().flat_map(|class| (0..0x1000).map(move |method| (class, method)))
        {
            let method = Method::new(method);
            let theirs = MessageType::from_class_method(class, method).to_bytes();
            assert_eq!(message_type(class, method).to_be_bytes()[..], theirs[..]);
        }
    }
}

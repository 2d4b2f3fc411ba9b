//! A received STUN message.

use std::net::SocketAddr;

use stun_types::attribute::{Fingerprint, RawAttribute, XorMappedAddress};
use stun_types::message::{BINDING, MessageClass, MessageHeader, MessageType, Method, TransactionId};

use super::attribute::{
    ERROR_CODE, FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256,
    PRIORITY, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, is_unknown,
};
use crate::demux::{Class, classify};

/// A STUN message whose structure is sound and whose FINGERPRINT, if it has one, is right.
///
/// It borrows the datagram. Attributes behind MESSAGE-INTEGRITY are not seen ([RFC 8489 §14.5]); of several attributes
/// of one type the first counts. Nothing is said about who sent it: [`Message::verify`] does that.
///
/// [RFC 8489 §14.5]: https://www.rfc-editor.org/rfc/rfc8489#section-14.5
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    kind: MessageType,
    transaction: TransactionId,
    pub(super) sha1: Option<Sealed<'a>>,
    pub(super) sha256: Option<Sealed<'a>>,
    has_fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let header = header(datagram)?;
        let mut message = Message {
            bytes: datagram,
            kind: header.get_type(),
            transaction: header.transaction_id(),
            sha1: None,
            sha256: None,
            has_fingerprint: false,
        };
        for attribute in Attributes::of(datagram) {
            message.note(&attribute?)?;
        }
        Ok(message)
    }

    /// Remembers the attributes that protect the message and checks the one that needs no key.
    fn note(&mut self, attribute: &Attribute<'a>) -> Result<(), Malformed> {
        if self.has_fingerprint {
            return Err(Malformed::FingerprintNotLast);
        }
        let before = self.bytes.get(..attribute.offset).ok_or(Malformed::Attribute)?;
        match (attribute.kind, attribute.value.len()) {
            (MESSAGE_INTEGRITY, 20) if self.sha1.is_none() && self.sha256.is_none() => {
                self.sha1 = Some(Sealed { before, code: attribute.value });
            }
            (MESSAGE_INTEGRITY_SHA256, 32) if self.sha256.is_none() => {
                self.sha256 = Some(Sealed { before, code: attribute.value });
            }
            (FINGERPRINT, 4) => {
                // The crate's `compute` leaves the XOR of §14.7 to the reader and the writer of the attribute.
                let raw = RawAttribute::new(FINGERPRINT.into(), attribute.value);
                let claimed = Fingerprint::try_from(&raw).map_err(|_| Malformed::Attribute)?;
                if *claimed.fingerprint() != Fingerprint::compute(&[before]) {
                    return Err(Malformed::Fingerprint);
                }
                self.has_fingerprint = true;
            }
            (MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 | FINGERPRINT, _) => {
                return Err(Malformed::Attribute);
            }
            _ => {}
        }
        Ok(())
    }

    /// Request, indication, success or error.
    pub fn class(&self) -> MessageClass {
        self.kind.class()
    }

    /// Whether the method is Binding, the only one of STUN itself and of ICE.
    pub fn is_binding(&self) -> bool {
        self.kind.has_method(BINDING)
    }

    /// The method.
    pub(crate) fn method(&self) -> Method {
        self.kind.method()
    }

    /// The transaction it belongs to.
    pub fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Whether it ends with a FINGERPRINT.
    pub fn has_fingerprint(&self) -> bool {
        self.has_fingerprint
    }

    /// USERNAME.
    pub fn username(&self) -> Option<&'a [u8]> {
        self.attribute(USERNAME)
    }

    /// PRIORITY: of the peer-reflexive candidate that the check may make.
    pub fn priority(&self) -> Option<u32> {
        self.attribute(PRIORITY).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes)
    }

    /// Whether the controlling agent nominates the pair that the check came over.
    pub fn has_use_candidate(&self) -> bool {
        self.attribute(USE_CANDIDATE).is_some()
    }

    /// ICE-CONTROLLING: the tie-breaker of a peer that claims the controlling role.
    pub fn controlling(&self) -> Option<u64> {
        self.attribute(ICE_CONTROLLING).and_then(|value| value.try_into().ok()).map(u64::from_be_bytes)
    }

    /// ICE-CONTROLLED: the tie-breaker of a peer that claims the controlled role.
    pub fn controlled(&self) -> Option<u64> {
        self.attribute(ICE_CONTROLLED).and_then(|value| value.try_into().ok()).map(u64::from_be_bytes)
    }

    /// XOR-MAPPED-ADDRESS: where the server saw the request come from.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.attribute(XOR_MAPPED_ADDRESS).and_then(|value| self.xor_address(value))
    }

    /// ERROR-CODE.
    pub fn error_code(&self) -> Option<u16> {
        match self.attribute(ERROR_CODE)? {
            [_, _, class @ 3..=6, number @ 0..=99, ..] => Some(u16::from(*class) * 100 + u16::from(*number)),
            _ => None,
        }
    }

    /// The attributes that would have to be understood and are not: a request that has one is answered with 420.
    pub fn unknown_attributes(&self) -> impl Iterator<Item = u16> + 'a {
        let is_binding = self.is_binding();
        self.protected().map(|attribute| attribute.kind).filter(move |&kind| is_unknown(kind, is_binding))
    }

    /// The value of the first attribute of a type.
    pub(crate) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes(kind).next()
    }

    /// The values of all attributes of a type.
    pub(crate) fn attributes(&self, kind: u16) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.protected().filter(move |attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// An address as XOR-MAPPED-ADDRESS and its like have it ([RFC 8489 §14.2]).
    ///
    /// [RFC 8489 §14.2]: https://www.rfc-editor.org/rfc/rfc8489#section-14.2
    pub(crate) fn xor_address(&self, value: &[u8]) -> Option<SocketAddr> {
        let raw = RawAttribute::new(XOR_MAPPED_ADDRESS.into(), value);
        XorMappedAddress::try_from(&raw).ok().map(|address| address.addr(self.transaction))
    }

    /// The attributes before MESSAGE-INTEGRITY, or all when there is none.
    fn protected(&self) -> impl Iterator<Item = Attribute<'a>> + 'a {
        Attributes::of(self.bytes).map_while(Result::ok).take_while(|attribute| {
            !matches!(attribute.kind, MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 | FINGERPRINT)
        })
    }
}

/// Takes the two user name fragments out of the USERNAME of a Binding request: ours, theirs ([RFC 8445 §7.2.2]).
///
/// It tells whose leg a check belongs to before anything is spent on it: the checksum and the integrity are not looked
/// at. `None` means that the packet is no ICE check; a plain Binding request is for [`server`](super::server).
///
/// [RFC 8445 §7.2.2]: https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2
pub fn username(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let kind = header(packet).ok()?.get_type();
    if !kind.has_method(BINDING) || !kind.has_class(MessageClass::Request) {
        return None;
    }
    let attribute =
        Attributes::of(packet).map_while(Result::ok).find(|attribute| attribute.kind == USERNAME)?;
    split_username(attribute.value)
}

/// Splits a USERNAME at its colon, which no fragment can hold.
pub(crate) fn split_username(username: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = username.iter().position(|&byte| byte == b':')?;
    Some((username.get(..colon)?, username.get(colon + 1..)?))
}

/// Why a datagram is no STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The header is cut short, or has neither the two zero bits nor the magic cookie.
    #[error("no STUN header")]
    Header,
    /// The length field does not agree with the datagram.
    #[error("the length field does not agree with the datagram")]
    Length,
    /// An attribute ends behind the message or has a length that its type forbids.
    #[error("an attribute is cut short or has the wrong length")]
    Attribute,
    /// Something follows the FINGERPRINT.
    #[error("FINGERPRINT is not the last attribute")]
    FingerprintNotLast,
    /// The FINGERPRINT is wrong.
    #[error("FINGERPRINT does not match")]
    Fingerprint,
}

/// What a MESSAGE-INTEGRITY attribute protects, and its code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed<'a> {
    /// The message up to the attribute.
    pub(super) before: &'a [u8],
    /// The value of the attribute.
    pub(super) code: &'a [u8],
}

fn header(datagram: &[u8]) -> Result<MessageHeader, Malformed> {
    // Fewer bytes than a header are refused here, so that the crate's partial parse has nothing to say about them.
    let bytes = datagram.get(..MessageHeader::LENGTH).ok_or(Malformed::Header)?;
    let header = MessageHeader::from_bytes(bytes).map_err(|_| Malformed::Header)?;
    // RFC 7983 §7: methods above 255 are none that is known, and would be told from DTLS by nothing.
    if classify(datagram) != Class::Stun {
        return Err(Malformed::Header);
    }
    let length = usize::from(header.data_length());
    if length % 4 != 0 || MessageHeader::LENGTH + length != datagram.len() {
        return Err(Malformed::Length);
    }
    Ok(header)
}

#[derive(Debug, Clone, Copy)]
struct Attribute<'a> {
    /// Where its header starts in the message.
    offset: usize,
    kind: u16,
    /// The value without padding.
    value: &'a [u8],
}

/// The attributes of a message in their order; the first that is cut short ends it with an error.
struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    fn of(datagram: &'a [u8]) -> Self {
        let rest = datagram.get(MessageHeader::LENGTH..).unwrap_or_default();
        Attributes { rest, offset: MessageHeader::LENGTH }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (&[k1, k2, l1, l2], body) = match self.rest.split_first_chunk() {
            Some(split) => split,
            None => {
                self.rest = &[];
                return Some(Err(Malformed::Attribute));
            }
        };
        let length = usize::from(u16::from_be_bytes([l1, l2]));
        let padded = length.next_multiple_of(4);
        let (Some(value), Some(rest)) = (body.get(..length), body.get(padded..)) else {
            self.rest = &[];
            return Some(Err(Malformed::Attribute));
        };
        let attribute = Attribute { offset: self.offset, kind: u16::from_be_bytes([k1, k2]), value };
        self.rest = rest;
        self.offset += 4 + padded;
        Some(Ok(attribute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Binding request with the given attributes, written by hand.
    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend_from_slice(&[7; 12]);
        for (kind, value) in attributes {
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = u16::try_from(bytes.len() - 20).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    #[test]
    fn the_username_is_split_at_its_colon() {
        let packet = request(&[(0x8022, b"ringback"), (USERNAME, b"abcd:efgh")]);
        assert_eq!(username(&packet), Some((&b"abcd"[..], &b"efgh"[..])));
        assert_eq!(username(&request(&[(USERNAME, b"abcd")])), None, "no colon, no check");
        assert_eq!(username(&request(&[])), None, "a plain Binding request");
        let mut response = packet.clone();
        response[0] = 1;
        assert_eq!(username(&response), None, "a success response");
        let mut allocate = packet;
        allocate[1] = 3;
        assert_eq!(username(&allocate), None, "a TURN Allocate request");
    }

    #[test]
    fn the_length_field_must_agree_with_the_datagram() {
        let packet = request(&[(PRIORITY, &[0, 0, 0, 9])]);
        assert_eq!(Message::parse(&packet).unwrap().priority(), Some(9));
        let mut longer = packet.clone();
        longer.extend_from_slice(&[0x80, 0x22, 0, 0]);
        assert_eq!(Message::parse(&longer).unwrap_err(), Malformed::Length, "bytes behind the message");
        assert_eq!(Message::parse(&packet[..packet.len() - 4]).unwrap_err(), Malformed::Length);
        let mut odd = packet;
        odd.truncate(26);
        odd[3] = 6;
        assert_eq!(Message::parse(&odd).unwrap_err(), Malformed::Length, "not a multiple of four");
    }

    #[test]
    fn what_is_not_stun_is_refused_by_its_header() {
        assert_eq!(Message::parse(&[]).unwrap_err(), Malformed::Header);
        assert_eq!(Message::parse(&[0, 1, 0, 0, 0x21, 0x12]).unwrap_err(), Malformed::Header);
        let mut rfc3489 = request(&[]);
        rfc3489[4] = 0;
        assert_eq!(Message::parse(&rfc3489).unwrap_err(), Malformed::Header);
        let mut rtp = request(&[]);
        rtp[0] = 0x80;
        assert_eq!(Message::parse(&rtp).unwrap_err(), Malformed::Header);
    }

    #[test]
    fn an_attribute_may_not_end_behind_the_message() {
        let mut packet = request(&[(USERNAME, b"abcd:efgh")]);
        packet[23] = 200;
        assert_eq!(Message::parse(&packet).unwrap_err(), Malformed::Attribute);
        assert_eq!(
            Message::parse(&request(&[(MESSAGE_INTEGRITY, &[0; 16])])).unwrap_err(),
            Malformed::Attribute
        );
        assert_eq!(
            Message::parse(&request(&[(MESSAGE_INTEGRITY_SHA256, &[0; 16])])).unwrap_err(),
            Malformed::Attribute,
            "a truncated code is for usages that say so, and ICE does not"
        );
    }

    #[test]
    fn attributes_behind_message_integrity_are_not_seen() {
        let packet = request(&[(MESSAGE_INTEGRITY, &[0; 20]), (USE_CANDIDATE, &[]), (0x7fff, &[])]);
        let message = Message::parse(&packet).unwrap();
        assert!(!message.has_use_candidate());
        assert_eq!(message.unknown_attributes().count(), 0);
    }

    #[test]
    fn the_first_of_two_equal_attributes_counts() {
        let packet = request(&[(PRIORITY, &[0, 0, 0, 1]), (PRIORITY, &[0, 0, 0, 2])]);
        assert_eq!(Message::parse(&packet).unwrap().priority(), Some(1));
    }

    #[test]
    fn the_fingerprint_is_last_and_right() {
        let wrong = request(&[(FINGERPRINT, &[1, 2, 3, 4])]);
        assert_eq!(Message::parse(&wrong).unwrap_err(), Malformed::Fingerprint);
        let mut right = request(&[(FINGERPRINT, &[0; 4])]);
        let crc = u32::from_be_bytes(Fingerprint::compute(&[&right[..20]]));
        right[24..].copy_from_slice(&(crc ^ 0x5354_554e).to_be_bytes());
        assert!(Message::parse(&right).unwrap().has_fingerprint());
        let mut followed = right;
        followed[3] += 4;
        let crc = u32::from_be_bytes(Fingerprint::compute(&[&followed[..20]]));
        followed[24..].copy_from_slice(&(crc ^ 0x5354_554e).to_be_bytes());
        followed.extend_from_slice(&[0x80, 0x22, 0, 0]);
        assert_eq!(Message::parse(&followed).unwrap_err(), Malformed::FingerprintNotLast);
    }

    #[test]
    fn only_what_must_be_understood_is_unknown() {
        let packet = request(&[(0x0003, &[0; 4]), (0xc057, &[0; 4]), (USERNAME, b"a:b"), (0x7777, &[])]);
        let unknown: Vec<u16> = Message::parse(&packet).unwrap().unknown_attributes().collect();
        assert_eq!(unknown, [0x0003, 0x7777]);
    }
}

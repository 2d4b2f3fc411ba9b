//! Attributes that are written by hand, and messages that are read so.

use std::net::{IpAddr, SocketAddr};

use super::*;

pub fn transport(number: u8) -> (u16, Vec<u8>) {
    (REQUESTED_TRANSPORT, vec![number, 0, 0, 0])
}

pub fn channel(number: u16) -> (u16, Vec<u8>) {
    let [high, low] = number.to_be_bytes();
    (CHANNEL_NUMBER, vec![high, low, 0, 0])
}

pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    message.extend_from_slice(data);
    message
}

/// A message that was read by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub bytes: Vec<u8>,
    /// Its message integrity code, and where the attribute begins.
    pub code: Option<(IntegrityAlgorithm, usize, Vec<u8>)>,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 20, bytes.len());
        let (mut attributes, mut code) = (Vec::new(), None);
        let mut rest = &bytes[20..];
        while let [k1, k2, l1, l2, body @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*l1, *l2]));
            let (kind, value) = (u16::from_be_bytes([*k1, *k2]), body[..length].to_vec());
            let start = bytes.len() - rest.len();
            match kind {
                MESSAGE_INTEGRITY => code = Some((IntegrityAlgorithm::Sha1, start, value.clone())),
                MESSAGE_INTEGRITY_SHA256 => code = Some((IntegrityAlgorithm::Sha256, start, value.clone())),
                _ => {}
            }
            attributes.push((kind, value));
            rest = &body[length.next_multiple_of(4)..];
        }
        Answer { bytes: bytes.to_vec(), code, attributes }
    }

    pub fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub fn is_success(&self) -> bool {
        self.kind() & 0x0110 == 0x0100
    }

    pub fn value(&self, kind: u16) -> Option<Vec<u8>> {
        self.attributes.iter().find(|(known, _)| *known == kind).map(|(_, value)| value.clone())
    }

    pub fn error(&self) -> Option<u16> {
        assert!(self.is_success() || self.kind() & 0x0110 == 0x0110);
        self.value(ERROR_CODE).map(|value| u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub fn lifetime(&self) -> Option<u32> {
        self.value(LIFETIME).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
    }

    pub fn addresses(&self, kind: u16) -> Vec<SocketAddr> {
        let mut id = [0; 16];
        id[4..].copy_from_slice(&self.bytes[8..20]);
        let id = u128::from_be_bytes(id);
        let of_kind = self.attributes.iter().filter(|(known, _)| *known == kind);
        of_kind.map(|(_, value)| unmix(id, value)).collect()
    }
}

/// An address as XOR attributes have it.
pub fn mix(id: u128, address: SocketAddr) -> Vec<u8> {
    let mask = (0x2112_a442u128 << 96 | id).to_be_bytes();
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut value = vec![0, if octets.len() == 4 { 1 } else { 2 }];
    value.extend_from_slice(&(address.port() ^ 0x2112).to_be_bytes());
    value.extend(octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    value
}

fn unmix(id: u128, value: &[u8]) -> SocketAddr {
    let mask = (0x2112_a442u128 << 96 | id).to_be_bytes();
    let octets: Vec<u8> = value[4..].iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
    let port = u16::from_be_bytes([value[2], value[3]]) ^ 0x2112;
    match <[u8; 4]>::try_from(&octets[..]) {
        Ok(octets) => SocketAddr::new(octets.into(), port),
        Err(_) => SocketAddr::new(<[u8; 16]>::try_from(&octets[..]).unwrap().into(), port),
    }
}

//! HEP3, the encapsulation of [Homer]: a message with its addresses and time, in one datagram.
//!
//! A packet is `HEP3`, its whole length, and chunks of vendor, type, length and value; numbers are in network order.
//! Left out: compressed payloads, and the capture key, a password that would go in the clear with each packet.
//!
//! [Homer]: https://github.com/sipcapture/HEP

use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use ringback_sansio::Transport;

use super::Traced;

/// Writes one message into `out`, which is cleared first. What does not fit into a datagram is cut off. `agent` is the
/// capture id, which names this server to Homer.
pub fn write(out: &mut Vec<u8>, agent: u32, traced: &Traced) {
    out.clear();
    out.extend_from_slice(b"HEP3\0\0");
    let (from, to) = traced.ends();
    let since = traced.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_ipv4 = from.is_ipv4();
    chunk(out, IP_FAMILY, &[if is_ipv4 { AF_INET } else { AF_INET6 }]);
    chunk(out, IP_PROTOCOL, &[if traced.flow.transport() == Transport::Udp { UDP } else { TCP }]);
    for (address, v4, v6) in
        [(from.ip(), IPV4_SOURCE, IPV6_SOURCE), (to.ip(), IPV4_DESTINATION, IPV6_DESTINATION)]
    {
        match address {
            IpAddr::V4(address) => chunk(out, v4, &address.octets()),
            IpAddr::V6(address) => chunk(out, v6, &address.octets()),
        }
    }
    chunk(out, SOURCE_PORT, &from.port().to_be_bytes());
    chunk(out, DESTINATION_PORT, &to.port().to_be_bytes());
    let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
    chunk(out, SECONDS, &seconds.to_be_bytes());
    chunk(out, MICROSECONDS, &since.subsec_micros().to_be_bytes());
    chunk(out, PROTOCOL, &[SIP]);
    chunk(out, AGENT, &agent.to_be_bytes());
    if let Some(correlation) = &traced.correlation {
        chunk(out, CORRELATION, correlation);
    }
    let room = MAX_PACKET.saturating_sub(out.len() + CHUNK_HEADER);
    chunk(out, PAYLOAD, traced.bytes.get(..room).unwrap_or(&traced.bytes));
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    out.splice(4..6, length);
}

/// A chunk of the generic vendor; a value that is too long for one is cut off.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = value.get(..MAX_PACKET).unwrap_or(value);
    let length = u16::try_from(CHUNK_HEADER + value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

const CHUNK_HEADER: usize = 6;

/// The largest UDP payload over IPv4.
const MAX_PACKET: usize = 65_507;

const IP_FAMILY: u16 = 1;
const IP_PROTOCOL: u16 = 2;
const IPV4_SOURCE: u16 = 3;
const IPV4_DESTINATION: u16 = 4;
const IPV6_SOURCE: u16 = 5;
const IPV6_DESTINATION: u16 = 6;
const SOURCE_PORT: u16 = 7;
const DESTINATION_PORT: u16 = 8;
const SECONDS: u16 = 9;
const MICROSECONDS: u16 = 10;
const PROTOCOL: u16 = 11;
const AGENT: u16 = 12;
const PAYLOAD: u16 = 15;
const CORRELATION: u16 = 17;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const UDP: u8 = 17;
const TCP: u8 = 6;
const SIP: u8 = 1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use ringback_sansio::{ConnectionId, FiveTuple, Flow};

    use super::super::Direction;
    use super::*;

    fn traced(transport: Transport, local: &str, remote: &str, bytes: Bytes) -> Traced {
        let tuple = FiveTuple::new(transport, local.parse().unwrap(), remote.parse().unwrap());
        Traced {
            at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_042),
            flow: Flow { tuple, connection: ConnectionId::NONE },
            direction: Direction::Received,
            bytes,
            correlation: Some(Bytes::from_static(b"abc")),
        }
    }

    #[test]
    fn a_packet_is_what_homer_reads() {
        let mut out = Vec::new();
        let message =
            traced(Transport::Udp, "192.0.2.1:5060", "198.51.100.7:40000", Bytes::from_static(b"SIP"));
        write(&mut out, 7, &message);
        let mut wanted = b"HEP3\0\x6f".to_vec();
        wanted.extend_from_slice(b"\0\0\0\x01\0\x07\x02");
        wanted.extend_from_slice(b"\0\0\0\x02\0\x07\x11");
        wanted.extend_from_slice(b"\0\0\0\x03\0\x0a\xc6\x33\x64\x07");
        wanted.extend_from_slice(b"\0\0\0\x04\0\x0a\xc0\x00\x02\x01");
        wanted.extend_from_slice(b"\0\0\0\x07\0\x08\x9c\x40");
        wanted.extend_from_slice(b"\0\0\0\x08\0\x08\x13\xc4");
        wanted.extend_from_slice(b"\0\0\0\x09\0\x0a\x65\x53\xf1\x00");
        wanted.extend_from_slice(b"\0\0\0\x0a\0\x0a\0\0\0\x2a");
        wanted.extend_from_slice(b"\0\0\0\x0b\0\x07\x01");
        wanted.extend_from_slice(b"\0\0\0\x0c\0\x0a\0\0\0\x07");
        wanted.extend_from_slice(b"\0\0\0\x11\0\x09abc");
        wanted.extend_from_slice(b"\0\0\0\x0f\0\x09SIP");
        assert_eq!(out, wanted);
    }

    #[test]
    fn a_sent_message_goes_the_other_way() {
        let mut message = traced(Transport::Wss, "[2001:db8::1]:8443", "[2001:db8::2]:9", Bytes::new());
        message.direction = Direction::Sent;
        let mut out = Vec::new();
        write(&mut out, 1, &message);
        let source = [&b"\0\0\0\x05\0\x16\x20\x01\x0d\xb8"[..], &[0; 11], &[1]].concat();
        assert!(out.windows(source.len()).any(|window| window == source));
        assert!(out.windows(7).any(|window| window == b"\0\0\0\x02\0\x07\x06"), "over TCP");
    }

    #[test]
    fn a_message_of_any_size_fits_into_a_datagram() {
        let mut out = Vec::new();
        let long = Bytes::from(vec![b'x'; 70_000]);
        write(&mut out, 1, &traced(Transport::Tcp, "192.0.2.1:1", "192.0.2.2:2", long));
        assert_eq!(out.len(), MAX_PACKET);
        assert_eq!(out[4..6], u16::try_from(MAX_PACKET).unwrap().to_be_bytes());
    }
}

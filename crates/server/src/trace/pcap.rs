//! pcap files: a message as one UDP datagram between its addresses, whatever it was carried by.
//!
//! Messages of TLS and secure WebSockets are readable in it, and every tool that reads SIP from UDP finds them. The link
//! type is raw IP. A message that does not fit into one IP packet is cut off, and the file says so.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use ringback_sansio::as_ipv6;

/// Begins a file.
pub fn write_header(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&MAGIC.to_le_bytes())?;
    out.write_all(&2_u16.to_le_bytes())?;
    out.write_all(&4_u16.to_le_bytes())?;
    // Time zone and accuracy: always zero.
    out.write_all(&[0; 8])?;
    out.write_all(&MAX_PACKET.to_le_bytes())?;
    out.write_all(&LINKTYPE_RAW.to_le_bytes())
}

/// Adds a message; returns how many bytes the file has grown by.
pub fn write_message(
    out: &mut impl Write,
    at: SystemTime,
    from: SocketAddr,
    to: SocketAddr,
    message: &[u8],
) -> io::Result<u64> {
    let payload = message.get(..MAX_PAYLOAD).unwrap_or(message);
    let packet = packet(from, to, payload);
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let kept = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    let cut = u32::try_from(message.len() - payload.len()).unwrap_or(u32::MAX);
    out.write_all(&u32::try_from(since.as_secs()).unwrap_or(u32::MAX).to_le_bytes())?;
    out.write_all(&since.subsec_micros().to_le_bytes())?;
    out.write_all(&kept.to_le_bytes())?;
    out.write_all(&kept.saturating_add(cut).to_le_bytes())?;
    out.write_all(&packet)?;
    Ok(u64::from(RECORD_HEADER) + u64::from(kept))
}

/// The IP packet of a datagram. Two addresses of different families are written as IPv6.
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(UDP_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut udp = Vec::with_capacity(usize::from(length));
    udp.extend_from_slice(&from.port().to_be_bytes());
    udp.extend_from_slice(&to.port().to_be_bytes());
    udp.extend_from_slice(&length.to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    let (mut header, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = u16::try_from(IPV4_HEADER + udp.len()).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, UDP, 0, 0];
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            let sum = checksum(&[&header]).to_be_bytes();
            header.splice(10..12, sum);
            (header, [from.octets().to_vec(), to.octets().to_vec()].concat())
        }
        (from, to) => {
            let [from, to] = [from, to].map(|address| as_ipv6(address).octets());
            let [high, low] = length.to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, high, low, UDP, 64];
            header.extend_from_slice(&from);
            header.extend_from_slice(&to);
            (header, [from, to].concat())
        }
    };
    // RFC 768 and RFC 8200 §8.1: the sum is over a pseudo-header too, and zero is written as all ones.
    let pseudo = [0, UDP, length.to_be_bytes()[0], length.to_be_bytes()[1]];
    let sum = match checksum(&[&addresses, &pseudo, &udp]) {
        0 => 0xffff,
        sum => sum,
    };
    udp.splice(6..8, sum.to_be_bytes());
    header.append(&mut udp);
    header
}

/// The Internet checksum ([RFC 1071]) of parts that each have an even length but for the last.
///
/// [RFC 1071]: https://www.rfc-editor.org/rfc/rfc1071
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            sum += u32::from(word);
        }
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

const MAGIC: u32 = 0xa1b2_c3d4;
const LINKTYPE_RAW: u32 = 101;
const MAX_PACKET: u32 = 65_535;
const RECORD_HEADER: u32 = 16;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
/// What fits into the largest IPv4 packet.
const MAX_PAYLOAD: usize = MAX_PACKET as usize - IPV4_HEADER - UDP_HEADER;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(from: &str, to: &str, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let at = UNIX_EPOCH + Duration::from_micros(1_000_002);
        let grown = write_message(&mut out, at, from.parse().unwrap(), to.parse().unwrap(), message).unwrap();
        assert_eq!(grown, out.len() as u64);
        out
    }

    #[test]
    fn the_header_is_24_bytes() {
        let mut out = Vec::new();
        write_header(&mut out).unwrap();
        assert_eq!(
            out,
            [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0]
        );
    }

    #[test]
    fn a_record_has_its_time_and_a_packet_whose_sums_are_right() {
        for (from, to, header) in [
            ("192.0.2.1:5060", "198.51.100.7:40000", 20),
            ("[2001:db8::1]:5060", "[2001:db8::2]:9", 40),
            ("192.0.2.1:1", "[2001:db8::2]:9", 40),
        ] {
            let out = written(from, to, b"hello");
            assert_eq!(out[..8], [1, 0, 0, 0, 2, 0, 0, 0], "seconds and microseconds");
            let packet = &out[16..];
            assert_eq!(out[8..12], u32::try_from(packet.len()).unwrap().to_le_bytes());
            assert_eq!(packet.len(), header + 8 + 5);
            let (ip, udp) = packet.split_at(header);
            let addresses = if header == 20 { &ip[12..] } else { &ip[8..] };
            assert_eq!(checksum(&[addresses, &[0, 17, 0, 13], udp]), 0, "the sum over it is nothing");
            if header == 20 {
                assert_eq!(checksum(&[ip]), 0);
            }
            assert!(udp.ends_with(b"hello"));
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_off_and_says_so() {
        let out = written("192.0.2.1:1", "192.0.2.2:2", &[b'x'; 65_536]);
        assert_eq!(out[8..12], 65_535_u32.to_le_bytes());
        assert_eq!(out[12..16], (65_536_u32 + 28).to_le_bytes());
    }
}

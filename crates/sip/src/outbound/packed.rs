//! A flow in as few bytes as it needs: 13 for a datagram flow over IPv4 where [`Flow`] takes 80.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};

/// The number of bytes that [`pack`] appends.
pub(crate) fn size(flow: &Flow) -> usize {
    let address = |address: SocketAddr| if address.is_ipv6() { 18 } else { 6 };
    let connection = if flow.transport() == Transport::Udp { 0 } else { 8 };
    1 + address(flow.local()) + address(flow.remote()) + connection
}

/// Appends the flow: one byte of transport and address families, both addresses with their ports, and the connection
/// unless the transport is datagrams.
pub(crate) fn pack(flow: &Flow, out: &mut Vec<u8>) {
    let (local, remote) = (flow.local(), flow.remote());
    let families = (u8::from(local.is_ipv6()) * LOCAL_V6) | (u8::from(remote.is_ipv6()) * REMOTE_V6);
    let transport = match flow.transport() {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
        Transport::Dtls => 5,
    };
    out.push(families | transport);
    pack_address(local, out);
    pack_address(remote, out);
    if flow.transport() != Transport::Udp {
        out.extend_from_slice(&flow.connection.0.to_be_bytes());
    }
}

/// The number of bytes that [`pack`] wrote at the start of the bytes.
pub(crate) fn length(bytes: &[u8]) -> usize {
    let head = bytes.first().copied().unwrap_or_default();
    let address = |flag| if head & flag != 0 { 18 } else { 6 };
    let connection = if head & !(LOCAL_V6 | REMOTE_V6) == 0 { 0 } else { 8 };
    1 + address(LOCAL_V6) + address(REMOTE_V6) + connection
}

/// Reads what [`pack`] wrote from the start of the bytes: the flow and what follows it.
pub(crate) fn unpack(bytes: &[u8]) -> Option<(Flow, &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    let transport = match head & !(LOCAL_V6 | REMOTE_V6) {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        2 => Transport::Tls,
        3 => Transport::Ws,
        4 => Transport::Wss,
        5 => Transport::Dtls,
        _ => return None,
    };
    let (local, rest) = unpack_address(head & LOCAL_V6 != 0, rest)?;
    let (remote, rest) = unpack_address(head & REMOTE_V6 != 0, rest)?;
    let (connection, rest) = match transport {
        Transport::Udp => (ConnectionId::NONE, rest),
        _ => {
            let (number, rest) = rest.split_first_chunk()?;
            (ConnectionId(u64::from_be_bytes(*number)), rest)
        }
    };
    Some((Flow { tuple: FiveTuple { transport, local, remote }, connection }, rest))
}

fn pack_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn unpack_address(v6: bool, bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (ip, rest) = if v6 {
        let (octets, rest) = bytes.split_first_chunk::<16>()?;
        (IpAddr::V6(Ipv6Addr::from(*octets)), rest)
    } else {
        let (octets, rest) = bytes.split_first_chunk::<4>()?;
        (IpAddr::V4(Ipv4Addr::from(*octets)), rest)
    };
    let (port, rest) = rest.split_first_chunk()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

const LOCAL_V6: u8 = 0x10;
const REMOTE_V6: u8 = 0x20;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_flow() -> impl Strategy<Value = Flow> {
        let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        let address = || (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port));
        (prop::sample::select(transports), address(), address(), any::<u64>()).prop_map(
            |(transport, local, remote, connection)| Flow {
                tuple: FiveTuple::new(transport, local, remote),
                connection: match transport {
                    Transport::Udp => ConnectionId::NONE,
                    _ => ConnectionId(connection),
                },
            },
        )
    }

    #[test]
    fn a_datagram_flow_over_ipv4_takes_13_bytes() {
        let flow = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:40000".parse().unwrap());
        let mut packed = Vec::new();
        pack(&flow, &mut packed);
        assert_eq!(packed.len(), 13);
    }

    proptest! {
        #[test]
        fn every_flow_comes_back(flow in any_flow(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut packed = Vec::new();
            pack(&flow, &mut packed);
            prop_assert_eq!((length(&packed), size(&flow)), (packed.len(), packed.len()));
            for short in 0..packed.len() {
                prop_assert_eq!(unpack(&packed[..short]), None);
            }
            packed.extend_from_slice(&tail);
            prop_assert_eq!(unpack(&packed), Some((flow, &tail[..])));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((flow, rest)) = unpack(&bytes) {
                let mut packed = Vec::new();
                pack(&flow, &mut packed);
                packed.extend_from_slice(rest);
                prop_assert_eq!(packed, bytes);
            }
        }
    }
}

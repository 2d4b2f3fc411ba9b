//! The packets of a recording that keeps them as they came, for tools that read captures.
//!
//! They are opened: what was encrypted on its way is readable in them. Who keeps packets masks no keys.

use std::net::SocketAddr;
use std::time::Duration;

/// Packets of a recording, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct KeptPackets {
    heads: Vec<Head>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    at: Duration,
    way: PacketWay,
    len: usize,
}

/// Where a packet came from, and by which address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketWay {
    /// The address of the far end.
    pub from: SocketAddr,
    /// Ours.
    pub to: SocketAddr,
}

impl PacketWay {
    /// The way of RTCP beside RTP that comes this way: by the ports above, also where it shares those of RTP, so that
    /// readers of captures know it by its port ([RFC 3550 §11]).
    ///
    /// [RFC 3550 §11]: https://www.rfc-editor.org/rfc/rfc3550#section-11
    pub(super) fn of_rtcp(self) -> PacketWay {
        let beside = |at: SocketAddr| SocketAddr::new(at.ip(), at.port().saturating_add(1));
        PacketWay { from: beside(self.from), to: beside(self.to) }
    }
}

/// A packet that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPacket<'a> {
    /// How long after its recording began it came.
    pub at: Duration,
    /// Where it came from.
    pub way: PacketWay,
    /// The RTP packet, or the compound one of RTCP, opened.
    pub bytes: &'a [u8],
}

impl KeptPackets {
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
    }

    pub(super) fn push(&mut self, at: Duration, way: PacketWay, packet: &[u8]) {
        self.heads.push(Head { at, way, len: packet.len() });
        self.bytes.extend_from_slice(packet);
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The bytes of them all.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = KeptPacket<'_>> {
        let mut left = self.bytes.as_slice();
        self.heads.iter().map_while(move |head| {
            let (bytes, rest) = left.split_at_checked(head.len)?;
            left = rest;
            Some(KeptPacket { at: head.at, way: head.way, bytes })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        let way = |port| PacketWay { from: ([192, 0, 2, 1], port).into(), to: ([192, 0, 2, 2], 7).into() };
        let mut kept = KeptPackets::default();
        for (at, port, packet) in [(1, 5, &b"one"[..]), (1, 6, b""), (9, 5, b"three")] {
            kept.push(Duration::from_millis(at), way(port), packet);
        }
        let all: Vec<_> = kept.iter().map(|it| (it.at.as_millis(), it.way.from.port(), it.bytes)).collect();
        assert_eq!(all, [(1, 5, &b"one"[..]), (1, 6, b""), (9, 5, b"three")]);
        let beside = way(4000).of_rtcp();
        assert_eq!((beside.from.port(), beside.to.port()), (4001, 8));
        assert_eq!(way(u16::MAX).of_rtcp().from.port(), u16::MAX);
        kept.clear();
        assert_eq!((kept.len(), kept.iter().count()), (0, 0));
    }
}

//! What holds for any bytes that come as RTP; a fuzz target and a test of its corpus call it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;

use super::{Continuity, Header, Reception, strip_extension};

/// Takes the packets in `data`, each behind two bytes of length and a byte of milliseconds, as one stream: read, counted,
/// renumbered, stripped. The numbers of what goes out are unique, the payload is what came, and each packet is counted
/// once at most.
pub fn rtp(data: &[u8], now: Instant) {
    let mut input = Input(data);
    let mut now = now;
    let mut reception = Reception::new();
    let mut stream = Continuity::new(OURS, 100, 1000);
    let mut packets = 0;
    // Our number and the source's, of the latest packets.
    let mut sent: VecDeque<(u16, u32, u16)> = VecDeque::new();
    while let Some(packet) = input.framed() {
        now += Duration::from_millis(u64::from(input.byte().unwrap_or_default()));
        let Some(header) = Header::parse(packet) else { continue };
        let payload = packet.get(header.payload..);
        assert!(payload.is_some(), "the payload lies in the packet");
        reception.receive(now, &header, CLOCK_RATE);
        packets += 1;

        let mut stripped = packet.to_vec();
        let moved = strip_extension(&mut stripped);
        let (_, stripped) = stripped.split_at_mut(moved);
        let Ok(rewrite) = stream.rewrite(now, &header, PAYLOAD_TYPE, CLOCK_RATE) else { continue };
        rewrite.apply(stripped);
        let after = Header::parse(stripped);
        let expected = Header {
            payload_type: PAYLOAD_TYPE,
            marker: header.marker,
            sequence: rewrite.sequence,
            timestamp: rewrite.timestamp,
            ssrc: OURS,
            has_extension: false,
            payload: after.map_or(0, |after| after.payload),
        };
        assert_eq!(after, Some(expected), "a packet of ours is read as it was written");
        assert_eq!(stripped.get(expected.payload..), payload, "the payload is what came");
        // Two packets never have one number; a copy has that of its original, and SRTP refuses it.
        let numbers = (rewrite.sequence, header.ssrc, header.sequence);
        let same = sent.iter().find(|(ours, ..)| *ours == rewrite.sequence);
        assert!(same.is_none_or(|same| *same == numbers), "{same:?} {numbers:?}");
        sent.push_front(numbers);
        sent.truncate(KEPT);
    }
    let tally = reception.tally();
    assert!(tally.received + tally.duplicates <= packets && tally.late <= packets, "{tally:?}");
    assert!(tally.gaps <= tally.skipped && tally.gaps <= packets, "{tally:?}");
    let quality = reception.report();
    assert!(quality.is_none_or(|quality| reception.ssrc() == Some(quality.ssrc)));
    let _ = (reception.lost(), reception.jitter(), stream.timestamp_at(now, CLOCK_RATE));
}

/// Packets that are compared: far fewer than it takes to come round.
const KEPT: usize = 64;
const OURS: u32 = 0x0a0b_0c0d;
const PAYLOAD_TYPE: u8 = 96;
const CLOCK_RATE: u32 = 8000;

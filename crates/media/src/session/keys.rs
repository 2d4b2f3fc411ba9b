//! Keys that we press for a leg: telephone events between the packets that are passed on.

use std::time::{Duration, Instant};

use crate::dtmf::{EventPacket, EventSender, EventSettings, Press, Refusal, TelephoneEvent};
use crate::rtp::{Continuity, Rewrite};

/// The keys that wait and the one that is down. Audio goes on meanwhile, in the same stream.
pub(super) struct Keys {
    payload_type: u8,
    sender: EventSender,
    /// The next packet, and where in the stream it would lie.
    next_at: Instant,
    timestamp: u32,
    step: u32,
}

impl Keys {
    /// Nothing is pressed. Events go to the far end as `payload_type` in the clock of `clock_rate`, from `timestamp` on.
    pub(super) fn new(now: Instant, payload_type: u8, clock_rate: u32, timestamp: u32) -> Self {
        let sender = EventSender::new(EventSettings::new(clock_rate));
        Keys { payload_type, sender, next_at: now, timestamp, step: clock_rate / 1000 * FRAME_MS }
    }

    pub(super) fn press(&mut self, press: Press) -> Result<(), Refusal> {
        self.sender.press(press)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_idle()
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// The packet that is due, if one is: its numbers, its marker and its payload.
    pub(super) fn poll_packet(
        &mut self,
        now: Instant,
        stream: &mut Continuity,
    ) -> Option<(Rewrite, bool, [u8; TelephoneEvent::LEN])> {
        if self.next_at > now {
            return None;
        }
        self.next_at = (self.next_at + Duration::from_millis(FRAME_MS.into())).max(now);
        let packet = self.sender.poll_packet(self.timestamp);
        self.timestamp = self.timestamp.wrapping_add(self.step);
        let EventPacket { timestamp, marker, event } = packet?;
        Some((stream.interpose(now, timestamp, self.payload_type), marker, event.write()))
    }
}

/// The time between two packets.
const FRAME_MS: u32 = 20;

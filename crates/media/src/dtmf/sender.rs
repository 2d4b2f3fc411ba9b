//! The packets of telephone events that are to be sent.

use std::collections::VecDeque;

use super::{MAX_QUEUED, Press, Refusal, TelephoneEvent, playable};

/// Sends presses as telephone events ([RFC 4733 §2.5.1]), one after the other.
///
/// Whoever sends the stream asks at each frame, with the timestamp of that frame, and sends the event instead of audio.
///
/// [RFC 4733 §2.5.1]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.1
#[derive(Debug)]
pub struct EventSender {
    settings: EventSettings,
    /// A frame in units of the timestamp.
    frame: u32,
    queue: VecDeque<Press>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    /// The key is down: it began at `timestamp`, and lasts in all `total`, of which `before` were earlier segments.
    Down {
        press: Press,
        timestamp: u32,
        lasted: u64,
        before: u64,
    },
    /// The key was let go, and `left` more packets say so.
    Ending {
        packet: EventPacket,
        left: u8,
    },
    /// The pause before the next key, in frames.
    Pause(u32),
}

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSettings {
    /// The clock of the timestamps.
    pub clock_rate: u32,
    /// How long a frame is, milliseconds.
    pub frame_ms: u32,
    /// The pause between two keys at least, milliseconds.
    pub pause_ms: u32,
}

impl EventSettings {
    /// Frames of 20 ms with pauses of 60 ms.
    pub const fn new(clock_rate: u32) -> Self {
        EventSettings { clock_rate, frame_ms: 20, pause_ms: 60 }
    }
}

/// A packet to send in the place of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// Its timestamp: that of the beginning of the event.
    pub timestamp: u32,
    /// Its marker: the first packet of an event.
    pub marker: bool,
    /// What it reports.
    pub event: TelephoneEvent,
}

impl EventSender {
    /// A sender without anything to send.
    pub fn new(settings: EventSettings) -> Self {
        let frame_ms = settings.frame_ms.clamp(1, 200);
        let clock_rate = settings.clock_rate.clamp(1000, 192_000);
        EventSender {
            frame: clock_rate / 1000 * frame_ms,
            settings: EventSettings { frame_ms, clock_rate, ..settings },
            queue: VecDeque::with_capacity(MAX_QUEUED),
            state: State::Idle,
        }
    }

    /// Has a key sent after those that wait.
    pub fn press(&mut self, press: Press) -> Result<(), Refusal> {
        playable(press, self.queue.len())?;
        self.queue.push_back(press);
        Ok(())
    }

    /// The packet to send in the place of the frame that begins at `timestamp`; `None` when that is for audio.
    pub fn poll_packet(&mut self, timestamp: u32) -> Option<EventPacket> {
        match self.state {
            State::Idle => {
                let press = self.queue.pop_front()?;
                Some(self.hold(press, timestamp, 0, 0))
            }
            State::Down { press, timestamp, lasted, before } => {
                Some(self.hold(press, timestamp, lasted, before))
            }
            State::Ending { packet, left } => {
                self.state = if left > 1 {
                    State::Ending { packet, left: left - 1 }
                } else {
                    State::Pause(self.settings.pause_ms.div_ceil(self.settings.frame_ms))
                };
                Some(packet)
            }
            State::Pause(left) => {
                self.state = if left > 1 { State::Pause(left - 1) } else { State::Idle };
                None
            }
        }
    }

    /// Whether a key is being sent or waits.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.queue.is_empty()
    }

    /// Forgets the keys that wait; the one that is down goes to its end, for the far end must hear of that.
    pub fn cancel(&mut self) {
        self.queue.clear();
    }

    /// One more frame of a key.
    fn hold(&mut self, press: Press, start: u32, lasted: u64, before: u64) -> EventPacket {
        let total = u64::from(press.milliseconds) * u64::from(self.settings.clock_rate) / 1000;
        let now = (lasted + u64::from(self.frame)).min(total);
        let segment = now - before;
        let full = u64::from(u16::MAX);
        let event = |end, duration| TelephoneEvent {
            event: press.digit.event(),
            end,
            volume: press.volume.min(MAX_VOLUME),
            duration,
        };
        if segment > full {
            // The next segment begins where this one is full, without a marker.
            let timestamp = start.wrapping_add(u32::from(u16::MAX));
            let before = before + full;
            let packet =
                EventPacket { timestamp, marker: false, event: event(now == total, (now - before) as u16) };
            self.go_on(packet, press, now, before, now == total);
            return packet;
        }
        let packet =
            EventPacket { timestamp: start, marker: lasted == 0, event: event(now == total, segment as u16) };
        self.go_on(packet, press, now, before, now == total);
        packet
    }

    fn go_on(&mut self, packet: EventPacket, press: Press, lasted: u64, before: u64, over: bool) {
        self.state = if over {
            State::Ending { packet: EventPacket { marker: false, ..packet }, left: ENDS - 1 }
        } else {
            State::Down { press, timestamp: packet.timestamp, lasted, before }
        };
    }
}

/// The most that the field of the volume holds (RFC 4733 §2.3.3).
const MAX_VOLUME: u8 = 63;

/// Packets that say that a key was let go (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::Digit;

    fn press(key: char, milliseconds: u32) -> Press {
        Press::new(Digit::from_char(key).unwrap(), milliseconds)
    }

    /// Timestamp, marker, key, end, duration.
    type Packet = (u32, bool, u8, bool, u16);

    /// What is sent frame by frame.
    fn sent(sender: &mut EventSender, frames: u32) -> Vec<Option<Packet>> {
        let packets = (0..frames).map(|n| sender.poll_packet(1000 + n * sender.frame));
        packets
            .map(|p| p.map(|p| (p.timestamp, p.marker, p.event.event, p.event.end, p.event.duration)))
            .collect()
    }

    #[test]
    fn a_press_has_a_marker_a_growing_duration_and_three_ends() {
        let mut sender = EventSender::new(EventSettings::new(8000));
        sender.press(press('7', 50)).unwrap();
        sender.press(press('#', 40)).unwrap();
        let expected = [
            Some((1000, true, 7, false, 160)),
            Some((1000, false, 7, false, 320)),
            Some((1000, false, 7, true, 400)),
            Some((1000, false, 7, true, 400)),
            Some((1000, false, 7, true, 400)),
            None,
            None,
            None,
            Some((2280, true, 11, false, 160)),
            Some((2280, false, 11, true, 320)),
            Some((2280, false, 11, true, 320)),
            Some((2280, false, 11, true, 320)),
            None,
        ];
        assert_eq!(sent(&mut sender, 13), expected);
        assert_eq!(sent(&mut sender, 20), [None; 20]);
        assert!(sender.is_idle());
    }

    #[test]
    fn a_long_press_is_sent_in_segments_that_follow_each_other() {
        let mut sender = EventSender::new(EventSettings::new(48_000));
        sender.press(press('1', 3000)).unwrap();
        let packets: Vec<_> = sent(&mut sender, 200).into_iter().flatten().collect();
        let mut starts: Vec<u32> = packets.iter().map(|packet| packet.0).collect();
        starts.dedup();
        assert_eq!(starts, [1000, 66_535, 132_070]);
        assert_eq!(packets.iter().filter(|packet| packet.1).count(), 1);
        let ends: Vec<_> = packets.iter().filter(|packet| packet.3).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|end| end.0 + u32::from(end.4) == 1000 + 144_000));
    }

    #[test]
    fn too_many_and_too_long_presses_are_refused() {
        let mut sender = EventSender::new(EventSettings { clock_rate: 0, frame_ms: 0, pause_ms: 0 });
        for milliseconds in [0, 39, 60_001, u32::MAX] {
            assert_eq!(sender.press(press('1', milliseconds)), Err(Refusal::Duration));
        }
        for _ in 0..MAX_QUEUED {
            sender.press(press('1', 60_000)).unwrap();
        }
        assert_eq!(sender.press(press('1', 40)), Err(Refusal::QueueFull));
        sent(&mut sender, 1000);
        sender.cancel();
        assert!(sender.press(press('1', 40)).is_ok());
    }
}

//! Phones that talk by a desk, and its clock.

use std::time::Instant;

use ringback_media::codec::{Decoder, MAX_SAMPLES};
use ringback_media::dtmf::TelephoneEvent;
use ringback_media::insert::{Desk, TICK};
use ringback_media::negotiation::{Keys, Patch};
use ringback_media::rtp::Header;
use ringback_media::session::LegKey;
use ringback_sansio::sim::Clock;

use super::{Speaker, codec, codecs, share};

pub const A: LegKey = LegKey(1);
pub const B: LegKey = LegKey(2);
pub const C: LegKey = LegKey(3);

pub const OPUS: &str = "111 opus/48000/2";
pub const PCMU: &str = "0 PCMU/8000";
pub const PCMA: &str = "8 PCMA/8000";
pub const G722: &str = "9 G722/8000";
pub const EVENTS: &str = "101 telephone-event/8000";
pub const EVENTS_48: &str = "110 telephone-event/48000";

pub fn patch(from: &[&str], to: &[&str]) -> Patch {
    Patch { from: codecs(from), to: codecs(to), ptime: 20, keys: Keys::Heard }
}

/// A far end: it says a tone in 20 ms packets, and decodes what it gets.
pub struct Phone {
    pub mouth: Speaker,
    decoder: Decoder,
    /// What it got: samples at the rate of its decoder, timestamps, and events.
    pub heard: Vec<i16>,
    pub stamps: Vec<(u16, u32)>,
    pub events: Vec<(u32, bool, TelephoneEvent)>,
}

impl Phone {
    pub fn new(leg: LegKey, codec: &str, hertz: f32) -> Self {
        Self::at(16_000, leg, codec, hertz)
    }

    /// A phone whose own side of its codec has so many samples a second, if the codec can choose.
    pub fn at(rate: u32, leg: LegKey, format: &str, hertz: f32) -> Self {
        let codec = codec(format);
        let decoder = Decoder::new(&codec, rate).unwrap();
        let mouth = Speaker::at(rate, leg, codec, hertz);
        Phone { mouth, decoder, heard: Vec::new(), stamps: Vec::new(), events: Vec::new() }
    }

    pub fn leg(&self) -> LegKey {
        self.mouth.leg
    }

    pub fn clock_rate(&self) -> u32 {
        self.mouth.clock_rate()
    }

    /// The next packet of its tone.
    pub fn say(&mut self) -> Vec<u8> {
        self.mouth.say()
    }

    /// A packet that is lost on its way, or a frame in which nothing is said.
    pub fn lose(&mut self) {
        self.say();
    }

    pub fn hear(&mut self, packet: &[u8]) {
        let header = Header::parse(packet).unwrap();
        let payload = &packet[header.payload..];
        if header.payload_type != self.mouth.codec.payload_type {
            let event = TelephoneEvent::read(payload).unwrap();
            self.events.push((header.timestamp, header.marker, event));
            return;
        }
        self.stamps.push((header.sequence, header.timestamp));
        let mut samples = [0; MAX_SAMPLES];
        let len = self.decoder.decode(payload, &mut samples).unwrap();
        self.heard.extend(&samples[..len]);
    }

    /// The share of the power of what it heard last that a tone has.
    pub fn share(&self, hertz: f32) -> f32 {
        let rate = self.decoder.sample_rate();
        let last = &self.heard[self.heard.len() - rate as usize / 4..];
        share(last, hertz, rate)
    }
}

/// A desk, its clock and the phones that speak to each other by it.
pub struct World {
    pub desk: Desk,
    pub now: Instant,
    pub phones: Vec<Phone>,
}

impl World {
    pub fn new(phones: Vec<Phone>) -> Self {
        World { desk: Desk::new(7), now: Clock::new().now(), phones }
    }

    pub fn deliver(&mut self) {
        while let Some(made) = self.desk.poll_made() {
            let phone = self.phones.iter_mut().find(|phone| phone.leg() == made.leg).unwrap();
            assert_eq!(made.clock_rate, phone.clock_rate());
            phone.hear(made.bytes());
            self.desk.recycle(made);
        }
    }

    pub fn hand(&mut self, leg: LegKey, packet: &[u8]) {
        self.desk.handle_packet(self.now, leg, packet);
        self.deliver();
    }

    /// 20 ms in which these phones say what they say.
    pub fn step(&mut self, speakers: &[usize]) {
        for &speaker in speakers {
            let packet = self.phones[speaker].say();
            let leg = self.phones[speaker].leg();
            self.hand(leg, &packet);
        }
        self.pass();
    }

    pub fn pass(&mut self) {
        self.now += TICK;
        self.desk.handle_timeout(self.now);
        self.deliver();
    }
}

use std::time::Duration;

use ringback_media::audio::{Oscillator, level};
use ringback_media::insert::Clip;
use ringback_sansio::sim::Clock;

use super::*;
use crate::audio::{Digit, RATE};
use crate::webrtc::Negotiated;

/// Two peers and the wire between them.
struct Pair {
    clock: Clock,
    peers: [Peer; 2],
    events: [Vec<Event>; 2],
    heard: [Vec<i16>; 2],
    is_cut: bool,
}

fn address(which: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + which as u8], 4000))
}

impl Pair {
    fn new(settings: &Settings) -> Pair {
        let clock = Clock::new();
        let peer = |which| {
            let mut peer = Peer::new(clock.now(), settings);
            assert!(peer.add_address(address(which)));
            peer
        };
        let peers = [peer(0), peer(1)];
        Pair { clock, peers, events: Default::default(), heard: Default::default(), is_cut: false }
    }

    fn agree(&mut self) {
        let now = self.clock.now();
        let offer = self.peers[0].offer(now).unwrap();
        let answer = self.peers[1].answer(now, &offer).unwrap();
        self.peers[0].accept(now, &answer).unwrap();
    }

    fn run(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            let now = self.clock.advance(Duration::from_millis(5));
            for own in [0, 1] {
                self.peers[own].handle_timeout(now);
                while let Some((from, to, datagram)) = self.peers[own].poll_transmit() {
                    assert_eq!(from, address(own));
                    if !self.is_cut {
                        self.peers[1 - own].handle_datagram(now, from, to, &datagram);
                    }
                }
                while let Some(event) = self.peers[own].poll_event() {
                    self.events[own].push(event);
                }
                while let Some(heard) = self.peers[own].audio().and_then(Audio::poll_heard) {
                    self.heard[own].extend(heard.samples);
                }
            }
        }
    }

    fn channel(&self, which: usize, name: &str) -> ChannelId {
        let found = self.events[which].iter().find_map(|event| match event {
            Event::ChannelOpened { channel, label } if label == name => Some(*channel),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{name} is open: {:?}", self.events[which]))
    }
}

fn tone() -> Arc<Clip> {
    let mut oscillator = Oscillator::new(440.0, RATE);
    let samples: Vec<i16> = (0..RATE).map(|_| (oscillator.next_sample() * 8000.0) as i16).collect();
    Arc::new(Clip { rate: RATE, samples: samples.into() })
}

#[test]
fn two_peers_hear_each_other_and_press_keys() {
    let mut pair = Pair::new(&Settings::default());
    pair.agree();
    let now = pair.clock.now();
    pair.peers[0].audio().unwrap().play(now, tone(), None);
    pair.run(Duration::from_secs(2));
    for events in &pair.events {
        assert!(events.contains(&Event::Connected) && events.contains(&Event::Audio), "{events:?}");
    }
    let heard = &pair.heard[1];
    assert!(level(&heard[heard.len() / 2..]) < 20, "{}", level(&heard[heard.len() / 2..]));
    let own = &pair.heard[0];
    assert!(level(&own[own.len() / 2..]) > 60);

    let now = pair.clock.now();
    pair.peers[1].audio().unwrap().press(now, Digit::from_char('5').unwrap()).unwrap();
    pair.run(Duration::from_millis(600));
    assert_eq!(pair.peers[0].audio().unwrap().poll_pressed().map(Digit::key), Some('5'));
    assert_eq!(pair.peers[0].counts().strange, 0);
}

/// An exchange writes descriptions without `a=ssrc`, and sends no header extensions.
#[test]
fn a_far_end_that_names_no_source_is_heard() {
    let mut pair = Pair::new(&Settings::default());
    let now = pair.clock.now();
    let offer = pair.peers[0].offer(now).unwrap();
    let is_named = |line: &&str| !line.starts_with("a=ssrc") && !line.starts_with("a=extmap");
    let plain: String = offer.lines().filter(is_named).map(|line| format!("{line}\r\n")).collect();
    assert!(plain.len() < offer.len());
    let answer = pair.peers[1].answer(now, &plain).unwrap();
    pair.peers[0].accept(now, &answer).unwrap();
    pair.peers[0].audio().unwrap().play(now, tone(), None);
    pair.run(Duration::from_secs(2));
    let heard = &pair.heard[1];
    assert!(level(&heard[heard.len() / 2..]) < 20, "{}", level(&heard[heard.len() / 2..]));
    assert_eq!(pair.peers[1].counts().crowded, 0);
}

#[test]
fn channels_carry_text_and_bytes_however_they_were_made() {
    let channels = vec![Negotiated { label: "both".into(), id: 0 }];
    let mut pair = Pair::new(&Settings { has_audio: false, channels, ..Settings::default() });
    let now = pair.clock.now();
    pair.peers[0].open_channel(now, "one");
    pair.agree();
    pair.run(Duration::from_secs(1));
    let now = pair.clock.now();
    pair.peers[1].open_channel(now, "later");
    pair.run(Duration::from_secs(1));
    for label in ["both", "one", "later"] {
        let (own, other) = (pair.channel(0, label), pair.channel(1, label));
        let now = pair.clock.now();
        pair.peers[0].send(now, own, true, label.as_bytes()).unwrap();
        pair.peers[1].send(now, other, false, &[7; 20_000]).unwrap();
        pair.run(Duration::from_millis(500));
        let text = Event::Message { channel: other, is_text: true, data: label.as_bytes().to_vec() };
        assert!(pair.events[1].contains(&text), "{label}");
        let bytes = Event::Message { channel: own, is_text: false, data: vec![7; 20_000] };
        assert!(pair.events[0].contains(&bytes), "{label}");
    }
}

#[test]
fn what_is_too_much_is_refused_and_goes_on_when_it_is_drained() {
    let mut pair = Pair::new(&Settings { has_audio: false, ..Settings::default() });
    let now = pair.clock.now();
    pair.peers[0].open_channel(now, "files");
    pair.agree();
    pair.run(Duration::from_secs(1));
    let channel = pair.channel(0, "files");
    let now = pair.clock.now();
    let too_long = pair.peers[0].send(now, channel, false, &vec![0; 1 << 20]);
    assert!(matches!(too_long, Err(SendError::TooLong(..))), "{too_long:?}");
    let piece = vec![1; 16 << 10];
    let mut sent = 0;
    while pair.peers[0].send(now, channel, false, &piece).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "what waits is bounded");
    }
    pair.run(Duration::from_secs(5));
    assert!(pair.events[0].contains(&Event::Drained(channel)));
    let of_files = |event: &&Event| matches!(event, Event::Message { .. });
    assert_eq!(pair.events[1].iter().filter(of_files).count(), sent);
}

#[test]
fn a_way_that_is_lost_is_told_and_found_again() {
    let mut pair = Pair::new(&Settings::default());
    pair.agree();
    pair.run(Duration::from_secs(1));
    pair.is_cut = true;
    pair.run(Duration::from_secs(30));
    assert!(pair.events[0].contains(&Event::Disconnected), "{:?}", pair.events[0]);
    pair.is_cut = false;
    let now = pair.clock.now();
    let offer = pair.peers[0].restart(now).unwrap();
    // The other one has looked for another way too, and gives in.
    pair.peers[1].restart(now).unwrap();
    let answer = pair.peers[1].answer(now, &offer).unwrap();
    pair.peers[0].accept(now, &answer).unwrap();
    pair.run(Duration::from_secs(2));
    assert!(pair.events[0].contains(&Event::Reconnected), "{:?}", pair.events[0]);
}

#[test]
fn who_says_goodbye_is_gone_at_both_ends() {
    let mut pair = Pair::new(&Settings::default());
    pair.agree();
    pair.run(Duration::from_secs(1));
    let now = pair.clock.now();
    pair.peers[0].close(now);
    pair.run(Duration::from_secs(1));
    for events in &pair.events {
        assert_eq!(events.iter().filter(|event| **event == Event::Closed).count(), 1, "{events:?}");
    }
    assert_eq!(pair.peers[0].poll_timeout(), None);
}

#[test]
fn what_cannot_be_taken_is_told() {
    let now = Clock::new().now();
    let mut peer = Peer::new(now, &Settings { has_audio: false, ..Settings::default() });
    assert!(matches!(peer.offer(now), Err(DescriptionError::NothingToOffer)));
    assert!(matches!(peer.answer(now, "no description"), Err(DescriptionError::Unreadable(_))));
    assert!(matches!(peer.add_candidate(now, "candidate:?"), Err(DescriptionError::Candidate(_))));
    assert!(peer.add_candidate(now, "").is_ok(), "the end of candidates");
    let hidden = "candidate:1 1 udp 2113937151 4d0e1f6a-0a3c-4d7e-8f1d-1e2f3a4b5c6d.local 50000 typ host";
    assert!(peer.add_candidate(now, hidden).is_ok(), "a name is passed over");
    let mut other = Peer::new(now, &Settings::default());
    other.offer(now).unwrap();
    let offer = Peer::new(now, &Settings::default()).offer(now).unwrap();
    assert!(matches!(other.answer(now, &offer), Err(DescriptionError::Offering)));
    assert!(!peer.add_address("0.0.0.0:4000".parse().unwrap()));
}

#[test]
fn an_offer_with_hidden_candidates_is_answered() {
    let now = Clock::new().now();
    let mut offerer = Peer::new(now, &Settings::default());
    assert!(offerer.add_address(address(0)));
    let offer = offerer.offer(now).unwrap().replace("10.0.0.1 4000", "4d0e1f6a.local 4000");
    assert!(offer.contains(".local"), "{offer}");
    assert!(Peer::new(now, &Settings::default()).answer(now, &offer).is_ok());
}

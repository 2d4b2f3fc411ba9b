use std::sync::Arc;
use std::time::Duration;

use ringback_media::audio::{Oscillator, level};
use ringback_media::insert::Clip;
use ringback_sansio::sim::Clock;

use super::*;
use crate::audio::RATE;

const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn session(port: u16, protection: Protection) -> RtpSession {
    RtpSession::new(SocketAddr::new(HOST, port), HOST, protection, u64::from(port) << 20)
}

/// Carries what both have to say for a second; gives what the second has heard.
fn talk(clock: &mut Clock, caller: &mut RtpSession, callee: &mut RtpSession) -> Vec<i16> {
    let mut heard = Vec::new();
    for _ in 0..100 {
        let now = clock.advance(Duration::from_millis(10));
        carry(now, caller, callee, 4000);
        carry(now, callee, caller, 5000);
        while let Some(part) = callee.audio().unwrap().poll_heard() {
            heard.extend(part.samples);
        }
    }
    heard
}

fn carry(now: Instant, from: &mut RtpSession, to: &mut RtpSession, port: u16) {
    from.handle_timeout(now);
    while let Some((_, packet)) = from.poll_transmit() {
        to.handle_datagram(now, SocketAddr::new(HOST, port), &mut packet.to_vec());
    }
}

fn tone() -> Arc<Clip> {
    let mut oscillator = Oscillator::new(440.0, RATE);
    let samples: Vec<i16> = (0..RATE).map(|_| (oscillator.next_sample() * 8000.0) as i16).collect();
    Arc::new(Clip { rate: RATE, samples: samples.into() })
}

#[test]
fn a_call_is_heard_in_the_clear_and_under_keys() {
    for (protection, protocol) in [(Protection::Plain, "RTP/AVP "), (Protection::Sdes, "RTP/SAVP ")] {
        let mut clock = Clock::new();
        let (mut caller, mut callee) = (session(4000, protection), session(5000, protection));
        let offer = caller.offer();
        assert!(String::from_utf8_lossy(&offer).contains(protocol));
        let answer = callee.answer(clock.now(), &offer).unwrap();
        caller.accept(clock.now(), &answer).unwrap();
        caller.audio().unwrap().play(clock.now(), tone(), None);
        let heard = talk(&mut clock, &mut caller, &mut callee);
        assert!(level(&heard[heard.len() / 2..]) < 20, "{protection:?}");
        let counts = callee.counts();
        assert!(counts.received >= 45 && counts.unauthentic == 0, "{counts:?}");
    }
}

#[test]
fn what_a_stranger_sends_is_not_heard_and_is_counted() {
    let clock = Clock::new();
    let (mut caller, mut callee) = (session(4000, Protection::Sdes), session(5000, Protection::Sdes));
    let answer = callee.answer(clock.now(), &caller.offer()).unwrap();
    caller.accept(clock.now(), &answer).unwrap();
    let mut packet = [0; 172];
    packet[0] = 0x80;
    callee.handle_datagram(clock.now(), "192.0.2.9:4000".parse().unwrap(), &mut packet);
    callee.handle_datagram(clock.now(), "127.0.0.1:4000".parse().unwrap(), &mut packet);
    callee.handle_datagram(clock.now(), "127.0.0.1:4000".parse().unwrap(), &mut [7; 3]);
    let counts = callee.counts();
    assert_eq!((counts.strange, counts.unauthentic, counts.unusable, counts.received), (1, 1, 1, 0));
}

#[test]
fn hold_and_resume_go_on_with_the_same_audio() {
    let mut clock = Clock::new();
    let (mut caller, mut callee) = (session(4000, Protection::Plain), session(5000, Protection::Plain));
    let offer = caller.offer();
    let answer = callee.answer(clock.now(), &offer).unwrap();
    caller.accept(clock.now(), &answer).unwrap();
    let held = String::from_utf8(offer.to_vec()).unwrap().replace("a=sendrecv", "a=sendonly");
    let answer = callee.answer(clock.now(), held.as_bytes()).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("a=recvonly"));
    talk(&mut clock, &mut caller, &mut callee);
    assert_eq!(callee.counts().sent, 0, "who holds hears nothing");
    callee.answer(clock.now(), &offer).unwrap();
    talk(&mut clock, &mut caller, &mut callee);
    assert!(callee.counts().sent >= 45);
}

#[test]
fn what_cannot_be_agreed_is_told() {
    let now = Clock::new().now();
    let mut plain = session(4000, Protection::Plain);
    plain.offer();
    let dtls = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
    assert_eq!(plain.answer(now, dtls.as_bytes()), Err(RtpError::OtherProtection(Wanted::Dtls)));
    assert_eq!(
        plain.accept(now, b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"),
        Err(RtpError::NoAudio)
    );
    let g729 = dtls.replace("UDP/TLS/RTP/SAVPF 0", "RTP/AVP 18");
    assert_eq!(plain.answer(now, g729.as_bytes()), Err(RtpError::NoCodec(crate::audio::NoCodec)));
    let clear = dtls.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    let mut sdes = session(4000, Protection::Sdes);
    sdes.offer();
    let refused = Err(RtpError::OtherProtection(Wanted::Plain));
    assert_eq!(sdes.accept(now, clear.as_bytes()), refused);
    assert_eq!(sdes.answer(now, clear.as_bytes()).map(drop), refused);
}

#[test]
fn sections_that_are_no_audio_are_rejected_in_their_place() {
    let now = Clock::new().now();
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 6000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio 6002 RTP/AVP 8 0\r\n";
    let answer = session(4000, Protection::Plain).answer(now, offer.as_bytes()).unwrap();
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 8 0"]);
}

#[test]
fn a_new_offer_under_the_same_keys_goes_on_with_the_same_indices() {
    let mut clock = Clock::new();
    let (mut caller, mut callee) = (session(4000, Protection::Sdes), session(5000, Protection::Sdes));
    let offer = caller.offer();
    let answer = callee.answer(clock.now(), &offer).unwrap();
    caller.accept(clock.now(), &answer).unwrap();
    // The sequence numbers wrap, so that the packets are counted beyond what they carry.
    let pass = |clock: &mut Clock, caller: &mut RtpSession, callee: &mut RtpSession, packets: u64| {
        for _ in 0..packets {
            let now = clock.advance(Duration::from_millis(20));
            carry(now, callee, caller, 5000);
            while caller.audio().unwrap().poll_heard().is_some() {}
        }
    };
    pass(&mut clock, &mut caller, &mut callee, 70_000);
    let before = caller.counts();
    assert!(before.received > 65_536 && before.unauthentic == 0, "{before:?}");
    let again = callee.answer(clock.now(), &offer).unwrap();
    let crypto = |sdp: &[u8]| {
        String::from_utf8_lossy(sdp).lines().find(|line| line.contains("inline")).map(str::to_owned)
    };
    assert_eq!(crypto(&again), crypto(&answer), "the key stays");
    pass(&mut clock, &mut caller, &mut callee, 100);
    let after = caller.counts();
    assert!(after.received >= before.received + 95 && after.unauthentic == 0, "{after:?}");
}

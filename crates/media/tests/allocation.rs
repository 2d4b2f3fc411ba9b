//! A packet on its way allocates nothing: invariant 6 of the architecture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../../sansio/tests/counting/mod.rs"]
mod counting;
mod session_world;

use counting::allocations;
use ringback_media::audio::{
    Arrival, JitterBuffer, JitterSettings, Mixer, MixerSettings, RATES, Region, Resampler, Signal,
    SpeechDetector, Stretch, ToneGenerator,
};
use ringback_media::codec::{Decoder, Encoder, Format, MAX_PAYLOAD, MAX_SAMPLES, OPUS_RATES, comfort_noise};
use ringback_media::dtmf::{
    Digit, EventReceiver, EventSender, EventSettings, Press, ToneDetector, ToneLevels, ToneMask, TonePlayer,
};
use ringback_media::insert::{
    Clip, ConferenceKey, Desk, Manner, Play, RECORDING_PIECE, Recorded, RecordingKey, RecordingSettings,
    Side, Sound, Track,
};
use ringback_media::negotiation::{Keys, LegSettings, Patch, PayloadMap};
use ringback_media::rtcp::Request;
use ringback_media::rtp::Rewrite;
use ringback_media::sdp;
use ringback_media::session::{LegKey, Packet, Socket, Verdict};
use ringback_media::srtp::{Receiver, Sender, Suite};
use session_world::encrypted::{FarEnd, Kind};
use session_world::video::*;
use session_world::*;

#[test]
fn plain_to_plain() {
    let mut world = World::phones();
    let packets: Vec<_> = (0..1100).map(|n| Rtp::nth(7, n).bytes()).collect();
    let count = forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &packets);
    assert_eq!(count, 0);
}

#[test]
fn plain_to_dtls_and_back() {
    let mut world = World::new();
    let mut browser = Browser::connect(&mut world, A);
    world.phone(B, PHONE_B);
    let map: PayloadMap = [(0, 0)].into_iter().collect();
    world.worker.configure(world.clock.now(), B, phone_settings(Some(PHONE_B)), map);
    world.worker.join(A, B);
    let plain: Vec<_> = (0..1100).map(|n| Rtp::nth(9, n).bytes()).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(B), OURS, PHONE_B, &plain), 0);
    let protected: Vec<_> = (0..1100).map(|n| browser.protect(&Rtp::nth(7, n))).collect();
    assert_eq!(forward(&mut world, Socket::Shared, SHARED, BROWSER_AT, &protected), 0);
}

#[test]
fn plain_to_sdes_and_back() {
    for suite in Suite::ALL {
        let mut world = World::new();
        let mut far = FarEnd::connect(&mut world, A, Kind::Sdes("RTP/SAVP", suite), PHONE_A);
        world.phone(B, PHONE_B);
        world.worker.join(A, B);
        let plain: Vec<_> = (0..1100).map(|n| Rtp::nth(9, n).bytes()).collect();
        assert_eq!(forward(&mut world, Socket::Rtp(B), OURS, PHONE_B, &plain), 0, "{suite:?}");
        let protected: Vec<_> = (0..1100).map(|n| far.wire(&Rtp::nth(7, n))).collect();
        assert_eq!(forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &protected), 0, "{suite:?}");
    }
}

/// With several keys of the far end, and their identifiers.
#[test]
fn plain_to_several_keys_and_back() {
    let mut world = World::new();
    let mut far = FarEnd::connect(&mut world, A, Kind::Clear("RTP/AVP"), PHONE_A);
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    let key = |number: u32| format!("inline:{}|{number}:4", "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz");
    far.offer(&mut world, 2, &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {};{}\r\n", key(1), key(2)));
    let plain: Vec<_> = (0..1100).map(|n| Rtp::nth(9, n).bytes()).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(B), OURS, PHONE_B, &plain), 0);
    let protected: Vec<_> = (0..1100).map(|n| far.wire(&Rtp::nth(7, n))).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &protected), 0);
}

#[test]
fn video_and_what_is_sent_again() {
    for has_repairs in [true, false] {
        let pli = sdp::Feedback { pli: true, nack: true, ..sdp::Feedback::default() };
        let (mut world, mut browser) = browser_and_phone(has_repairs, pli);
        from_phone(&mut world, &mut browser, 0);
        let shown: Vec<_> = (1..1100).map(|n| picture(9, n).bytes()).collect();
        assert_eq!(forward(&mut world, Socket::Rtp(B.video()), OURS, VIDEO_B, &shown), 0, "{has_repairs}");
        browser.check(&mut world, true);
        let protected: Vec<_> = (0..1100).map(|n| browser.protect(&picture(8, n))).collect();
        assert_eq!(forward(&mut world, Socket::Shared, SHARED, BROWSER_AT, &protected), 0, "{has_repairs}");
        // Asked for again, and for a whole picture, by a browser that is still there.
        browser.check(&mut world, true);
        let last = from_phone(&mut world, &mut browser, 1100).sequence;
        world.pass(secs(1));
        let mut wishes: Vec<_> = (0..2)
            .map(|n| browser.wish(&[Request::Nack(&[last.wrapping_sub(n)]), Request::PictureLoss]))
            .collect();
        let mut slot = Packet::new();
        let mut tell = |world: &mut World, wish: &[u8]| {
            let now = world.clock.now();
            slot.fill(wish);
            let verdict =
                world.worker.handle_packet(now, Socket::Shared, at(SHARED), at(BROWSER_AT), &mut slot);
            assert_eq!(verdict, Verdict::Consumed);
            let mut sent = 0;
            let count = allocations(|| {
                while world.worker.poll_transmit(&mut slot).is_some() {
                    sent += 1;
                }
            });
            assert_eq!(sent, 2, "the packet again, and the wish for a picture");
            count
        };
        // The first time our stream of repairs is new to the keys.
        tell(&mut world, &wishes.remove(0));
        world.clock.advance(secs(1));
        assert_eq!(tell(&mut world, &wishes.remove(0)), 0, "{has_repairs}");
    }
}

#[test]
fn drops_too() {
    let mut world = World::phones();
    let packet = Rtp::nth(7, 0).bytes();
    let mut slot = Packet::new();
    let now = world.clock.now();
    let count = allocations(|| {
        for n in 0..1000u64 {
            slot.fill(&packet);
            let socket = Socket::Rtp(LegKey(n % 3));
            let verdict = world.worker.handle_packet(now, socket, at(OURS), at("192.0.2.200:9"), &mut slot);
            assert!(matches!(verdict, Verdict::Drop(_)));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn every_suite() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
        let mut sender = Sender::new(suite, &key, &salt).unwrap();
        let mut receiver = Receiver::new(suite, &key, &salt).unwrap();
        let mut buffer = [0; 300];
        let mut round = |n: u32| {
            let packet = Rtp::nth(7, n);
            let bytes = packet.bytes();
            allocations(|| {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                let len = sender.protect_rtp(&mut buffer, bytes.len()).unwrap();
                let len = receiver.unprotect_rtp(&mut buffer[..len]).unwrap();
                assert_eq!(len, bytes.len());
            })
        };
        round(0);
        let count: u64 = (1..1000).map(&mut round).sum();
        assert_eq!(count, 0, "{suite:?}");
    }
}

#[test]
fn every_codec() {
    let linear =
        [(Format::L16 { rate: 16000, channels: 1 }, 16000), (Format::L16 { rate: 8000, channels: 2 }, 8000)];
    let opus = OPUS_RATES.map(|rate| (Format::Opus, rate));
    let others = [(Format::Pcmu, 8000), (Format::Pcma, 8000), (Format::G722, 16000)];
    for (format, rate) in others.into_iter().chain(linear).chain(opus) {
        let mut codec = format.describe(96);
        codec.fmtp = Some("useinbandfec=1".to_owned());
        let mut encoder = Encoder::new(&codec, rate).unwrap();
        let mut decoder = Decoder::new(&codec, rate).unwrap();
        encoder.expect_loss(10);
        let (mut payload, mut pcm) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
        let frame = rate as usize / 50;
        let voice: Vec<i16> = (0..frame * 200)
            .map(|n| (((n * n / 900) % 160) as i16 - 80) * 60 * i16::from(n / frame % 40 < 30))
            .collect();
        let (mut encoding, mut repairing, mut decoding) = (0, 0, 0);
        for (n, chunk) in voice.chunks_exact(frame).enumerate() {
            let (mut len, mut repaired) = (0, 0);
            let encoded = allocations(|| len = encoder.encode(chunk, &mut payload).unwrap());
            if n % 9 == 8 {
                repaired = allocations(|| {
                    decoder.decode_fec(&payload[..len], &mut pcm[..frame]);
                    decoder.conceal(&mut pcm[..frame]);
                });
            }
            let decoded = allocations(|| {
                decoder.decode(&payload[..len], &mut pcm).unwrap();
            });
            if n >= 50 {
                encoding += encoded;
                repairing += repaired;
                decoding += decoded;
            }
        }
        assert_eq!(decoding, 0, "decoding {format:?} at {rate}");
        // The library makes a few short-lived buffers to encode a frame and to conceal one: docs/decisions/0020.
        let (most_encoding, most_repairing) = if format == Format::Opus { (12, 24) } else { (0, 0) };
        assert!(encoding <= 150 * most_encoding, "encoding {format:?} at {rate}: {encoding}");
        assert!(repairing <= 17 * most_repairing, "repairing {format:?} at {rate}: {repairing}");
    }
}

#[test]
fn every_conversion_and_comfort_noise() {
    for from in RATES {
        for to in RATES {
            let mut resampler = Resampler::new(from, to).unwrap();
            let (input, mut output) = (vec![100; from as usize / 50], vec![0; to as usize / 50]);
            let count = allocations(|| {
                for _ in 0..10 {
                    assert_eq!(resampler.convert(&input, &mut output), output.len());
                }
            });
            assert_eq!(count, 0, "{from} to {to}");
        }
    }
    let mut noise = comfort_noise::Generator::new(1);
    let mut pcm = [0; 160];
    let count = allocations(|| {
        noise.describe(&[40, 100, 150]);
        noise.fill(&mut pcm);
    });
    assert_eq!(count, 0);
}

#[test]
fn audio() {
    let now = session_world::World::new().clock.now();
    let mut buffer = JitterBuffer::new(JitterSettings::new(8000));
    let mut mixer = Mixer::new(MixerSettings { frame: 160, legs: 3, loudest: Some(2) });
    let places = [(); 3].map(|()| mixer.join().unwrap());
    let mut tone = ToneGenerator::new(Signal::RingBack, Region::Europe, 8000, 10);
    let mut player = TonePlayer::new(8000, ToneLevels::default());
    let (mut detector, mut mask) = (ToneDetector::new(8000), ToneMask::new(8000));
    let (mut speech, mut stretch) = (SpeechDetector::new(), Stretch::new(8000));
    let mut sender = EventSender::new(EventSettings::new(8000));
    let mut receiver = EventReceiver::new(8000);
    let count = allocations(|| {
        for n in 0..1000u32 {
            let now = now + ms(u64::from(n) * 20);
            // Every tenth packet is lost and every seventh is long; keys are pressed all the while.
            if n % 10 != 0 {
                let payload = [0; 1000];
                let payload = if n % 7 == 0 { &payload[..] } else { &payload[..160] };
                let (sequence, timestamp) = (n as u16, n * 160);
                buffer.push(now, &Arrival { sequence, timestamp, marker: false, payload_type: 0, payload });
            }
            let _ = buffer.pull(now);
            if n % 20 == 0 {
                let press = Press::new(Digit::from_event((n % 16) as u8).unwrap(), 100);
                player.press(press).unwrap();
                sender.press(press).unwrap();
            }
            if let Some(packet) = sender.poll_packet(n * 160) {
                receiver.handle_packet(now, packet.timestamp, packet.marker, &packet.event.write());
            }
            let mut frame = [0; 240];
            tone.fill(&mut frame[..160]);
            player.fill(&mut frame[..160]);
            speech.handle_frame(&frame[..160], 20);
            detector.handle_frame(&frame[..160], |_| {});
            places.iter().for_each(|&place| mixer.handle_frame(place, &frame[..160]));
            mixer.mix();
            mask.handle_frame(&mut frame[..160], |_| {});
            let len = stretch.slower(&mut frame, 160);
            stretch.faster(&mut frame[..len]);
            places.iter().for_each(|&place| mixer.read(place, &mut frame));
        }
    });
    assert_eq!(count, 0);
    assert!(buffer.stats().kept >= 800 && receiver.stats().presses >= 40);
}

/// Allocations while all but the first hundred packets are forwarded.
fn forward(world: &mut World, socket: Socket, to: &str, from: &str, packets: &[Vec<u8>]) -> u64 {
    let mut slot = Packet::new();
    let (to, from) = (at(to), at(from));
    let (warm, steady) = packets.split_at(100);
    let mut pass = |bytes: &[u8]| {
        slot.fill(bytes);
        let now = world.clock.advance(ms(20));
        let verdict = world.worker.handle_packet(now, socket, to, from, &mut slot);
        assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
    };
    warm.iter().for_each(|bytes| pass(bytes));
    allocations(|| steady.iter().for_each(|bytes| pass(bytes)))
}

#[test]
fn faxes() {
    let mut world = World::phones();
    for (leg, address) in [(A, PHONE_A), (B, PHONE_B)] {
        let settings = LegSettings { is_fax: true, ..phone_settings(Some(address)) };
        world.worker.configure(world.clock.now(), leg, settings, phone_map());
    }
    let datagrams: Vec<_> =
        (0..1100u16).map(|n| [&n.to_be_bytes()[..], &[3, 1, 2, 3, 0, 0]].concat()).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &datagrams), 0);
    assert_eq!(world.worker.report(B).unwrap().packets_out, 1100);
}

#[test]
fn copies_for_a_recording() {
    let mut world = World::phones();
    world.worker.tap(A, true);
    let packets: Vec<_> = (0..1100).map(|n| Rtp::nth(7, n).bytes()).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &packets), 0);
    assert!(world.worker.poll_copy().is_some());
}

/// The encoder of Opus allocates: docs/decisions/0020.
#[test]
fn audio_that_is_made_anew() {
    let now = session_world::World::new().clock.now();
    let pcmu = Format::Pcmu.describe(0);
    let g722 = Format::G722.describe(9);
    let mut desk = Desk::new(1);
    let patch = Patch { from: vec![pcmu.clone()], to: vec![g722.clone()], ptime: 20, keys: Keys::Heard };
    desk.patch(A, B, &patch).unwrap();
    for (leg, codec) in [(LegKey(7), pcmu), (LegKey(8), g722)] {
        let patch = Patch { from: vec![codec.clone()], to: vec![codec], ptime: 20, keys: Keys::Heard };
        desk.join(now, leg, ConferenceKey(1), &patch).unwrap();
    }
    // One leg is recorded whose audio is made anew, and one that is passed on, to which a file is played.
    for (leg, side) in [(A, Side::First), (LegKey(9), Side::Second)] {
        let track = Track {
            recording: RecordingKey(1),
            name: "one".into(),
            note: None,
            side,
            codecs: vec![Format::Pcmu.describe(0)],
        };
        let most = std::time::Duration::from_secs(3600);
        desk.record(
            now,
            leg,
            &track,
            RecordingSettings {
                is_separate: true,
                masks_keys: true,
                keeps_packets: false,
                piece: RECORDING_PIECE,
                most,
            },
        )
        .unwrap();
    }
    let clip = Clip { rate: 16_000, samples: vec![1000; 5000].into() };
    let play = Play {
        sound: Sound::Clip(clip.into()),
        times: None,
        from: std::time::Duration::ZERO,
        manner: Manner::Under,
    };
    desk.play(now, LegKey(9), play, &patch).unwrap();
    let mut pass = |n: u32| {
        let now = now + ms(u64::from(n) * 20);
        for (leg, payload_type) in [(A, 0), (LegKey(7), 0), (LegKey(8), 9), (LegKey(9), 0)] {
            let mut packet = [0x55; 172];
            let numbers =
                Rewrite { payload_type, sequence: n as u16, timestamp: n * 160, ssrc: leg.0 as u32 };
            numbers.write(false, packet.first_chunk_mut().unwrap());
            if leg == LegKey(9) {
                desk.handle_copy(now, leg, &packet);
            } else if n % 10 != 9 {
                desk.handle_packet(now, leg, &packet);
            }
        }
        desk.handle_timeout(now);
        let mut made = 0;
        while let Some(packet) = desk.poll_made() {
            desk.recycle(packet);
            made += 1;
        }
        while let Some(recorded) = desk.poll_recorded() {
            if let Recorded::Piece(piece) = recorded {
                desk.recycle_piece(piece);
            }
        }
        made
    };
    assert!((0..100).map(&mut pass).sum::<u32>() > 200);
    let count = allocations(|| {
        (100..400).for_each(|n| {
            pass(n);
        });
    });
    assert_eq!(count, 0);
}

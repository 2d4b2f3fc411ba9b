//! What holds for any video between two far ends; a fuzz target and a test of its corpus call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;

use crate::dtls::Identity;
use crate::negotiation::{Candidates, LegSettings, Payload, Remote, VideoSettings};
use crate::rtcp::NtpClock;
use crate::sdp::{Feedback, Kind};
use crate::session::{LegKey, Medium, Packet, Settings, Socket, Stats, Verdict, Way, Worker};

/// Lets two telephones with video live through what the bytes say: offers and answers with whatever feedback, RTP of
/// any number, RTCP of any bytes, and time. Nothing panics; nothing leaves for where nobody is; what is sent unasked is
/// bounded by what came. Gives the counters, which say how deep it went.
pub fn video(data: &[u8], identity: &Arc<Identity>, start: Instant) -> Stats {
    let clock = NtpClock::new(start, Duration::from_secs(1_700_000_000));
    let mut worker = Worker::new(Settings { identity: Arc::clone(identity), seed: [7; 32], clock });
    let (mut input, mut now, mut packet) = (Input(data), start, Packet::new());
    let mut agreed = [Feedback::default(); 2];
    for side in 0..2 {
        for leg in [LEGS[side], LEGS[side].video()] {
            let opened = worker.open(now, leg, Medium::Rtp { signalling: far(side, false).ip() });
            assert_eq!(opened, Ok(()), "two legs and their video");
        }
        worker.configure_video(now, LEGS[side], Some(settings(side, agreed[side], false)), map());
    }
    worker.join(LEGS[0], LEGS[1]);
    for _ in 0..MAX_STEPS {
        let Some(opcode) = input.byte() else { break };
        let side = usize::from(opcode >> 4 & 1);
        match opcode % 8 {
            0 => {
                let bits = input.byte().unwrap_or_default();
                agreed[side] = Feedback {
                    nack: bits & 1 != 0,
                    pli: bits & 2 != 0,
                    fir: bits & 4 != 0,
                    remb: bits & 8 != 0,
                };
                let settings = (bits & 0x30 != 0x30).then(|| settings(side, agreed[side], bits & 0x40 != 0));
                worker.configure_video(now, LEGS[side], settings, map());
            }
            1 => worker.ask_picture(now, LEGS[side]),
            2 => {
                now += Duration::from_millis(input.one_of(&[1, 20, 300, 5_000], 1));
                worker.handle_timeout(now);
            }
            3 if opcode & 0xc0 == 0xc0 => {
                // The one publishes, and the other watches.
                let [source, viewer] = [side, 1 - side].map(|side| LEGS[side]);
                let leg = settings(side, agreed[side], false).leg;
                worker.configure(now, source, leg, Way::Audience);
                let settings = Some(settings(side, agreed[side], false));
                worker.configure_video(now, source, settings, map());
                worker.watch(viewer, source, map(), map());
            }
            3 if opcode & 0x80 != 0 => worker.join(LEGS[0], LEGS[1]),
            4 | 5 => {
                let mut rtcp = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
                let len = 4 * input.number(24);
                let bits = input.byte().unwrap_or_default();
                let (format, kind) = (bits & 0x1f, 205 + (bits >> 7));
                rtcp.extend([0x80 | format, kind, 0, (2 + len / 4) as u8, 0, 0, 0, 7]);
                // What is told is about our stream now and then: its SSRC stands in the last packet that was sent.
                rtcp.extend(worker.video_ssrc(LEGS[side]).unwrap_or_default().to_be_bytes());
                rtcp.extend((0..len).map(|_| input.byte().unwrap_or_default()));
                hand(&mut worker, now, Socket::Rtcp(LEGS[side].video()), far(side, true), &rtcp, &mut packet);
            }
            _ => {
                let sequence =
                    u16::from_be_bytes([input.byte().unwrap_or_default(), input.byte().unwrap_or_default()]);
                let payload_type = if opcode & 0x20 != 0 { RTX } else { VP8 };
                let mut rtp = vec![0x80 | opcode & 0x20, payload_type];
                rtp.extend(sequence.to_be_bytes());
                rtp.extend([0, 0, 0, opcode, 0, 0, 0, side as u8 + 1]);
                let len = input.number(40);
                rtp.extend((0..len).map(|_| input.byte().unwrap_or_default()));
                hand(&mut worker, now, Socket::Rtp(LEGS[side].video()), far(side, false), &rtp, &mut packet);
            }
        }
        let mut unasked = 0;
        while let Some(destination) = worker.poll_transmit(&mut packet) {
            unasked += 1;
            assert!(is_known(destination.remote), "sent to {}", destination.remote);
            assert!(unasked <= MOST_UNASKED, "one step makes no end of packets");
        }
        while worker.poll_event().is_some() {}
    }
    for leg in LEGS {
        worker.close(now, leg);
    }
    let stats = worker.stats();
    assert_eq!((stats.legs, stats.panics), (0, 0), "something is left or failed");
    stats
}

fn hand(
    worker: &mut Worker,
    now: Instant,
    socket: Socket,
    from: SocketAddr,
    bytes: &[u8],
    packet: &mut Packet,
) {
    assert!(packet.fill(bytes), "what is handed in fits");
    match worker.handle_packet(now, socket, OURS.into(), from, packet) {
        Verdict::Forward(destination) => {
            assert!(is_known(destination.remote), "sent to {}", destination.remote)
        }
        Verdict::Reply(_) | Verdict::Insert(_) => {
            unreachable!("video is passed on or dropped")
        }
        // The copies are looked at as they are sent.
        Verdict::Shown | Verdict::Consumed | Verdict::Drop(_) => {}
    }
}

/// Where the video of a far end comes from, and its RTCP.
fn far(side: usize, is_rtcp: bool) -> SocketAddr {
    ([198, 51, 100, 10 + side as u8], 4000 + u16::from(is_rtcp)).into()
}

fn is_known(remote: SocketAddr) -> bool {
    (0..2).any(|side| remote == far(side, false) || remote == far(side, true))
}

fn settings(side: usize, feedback: Feedback, has_repairs: bool) -> VideoSettings {
    let repairs = if has_repairs { vec![(RTX, VP8)] } else { Vec::new() };
    VideoSettings {
        leg: LegSettings {
            remote: Some(Remote { rtp: far(side, false), rtcp: far(side, true), mux: false }),
            ice: None,
            candidates: Candidates::None,
            dtls: None,
            sdes: None,
            sends: true,
            receives: true,
            payloads: [(VP8, Payload { kind: Kind::Video, clock_rate: 90_000, silence: None })]
                .into_iter()
                .collect(),
            is_silenced: false,
            is_fax: false,
            codec: "VP8".to_owned(),
        },
        sources: None,
        feedback,
        repaired: repairs.clone(),
        repairs,
    }
}

fn map() -> crate::negotiation::PayloadMap {
    [(VP8, VP8)].into_iter().collect()
}

const LEGS: [LegKey; 2] = [LegKey(1), LegKey(2)];
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 20_000);
const VP8: u8 = 96;
const RTX: u8 = 97;
const MAX_STEPS: usize = 500;
/// What is sent again at once, the requests to both, and the reports that are due of four sections.
const MOST_UNASKED: usize = 64 + 2 + 4;

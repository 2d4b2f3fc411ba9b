//! RTCP ends at each leg: what we tell, and what we learn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::session::{Event, Reason, Socket, Verdict};
use rtcp_types::{Compound, Packet};
use session_world::*;

const RTCP_A: &str = "198.51.100.10:4001";
const OUR_RTCP: &str = "192.0.2.1:20001";

#[test]
fn every_five_seconds_each_leg_gets_a_report_of_its_own() {
    let mut world = World::phones();
    for n in 0..1000 {
        world.pass(ms(20));
        if n % 10 != 9 {
            world.rtp(A, PHONE_A, &Rtp::nth(7, n));
        }
    }
    let to_a = world.take_sent(RTCP_A);
    assert_eq!(to_a.len(), 4, "20 s");
    let last = Compound::parse(to_a.last().unwrap()).unwrap().next().unwrap().unwrap();
    let Packet::Rr(report) = last else { panic!("we sent nothing to A: {last:?}") };
    let block = report.report_blocks().next().unwrap();
    assert_eq!(block.ssrc(), 7, "about A's own stream");
    assert!((24..=27).contains(&block.fraction_lost()), "a tenth of 256: {}", block.fraction_lost());
    assert!((70..=100).contains(&block.cumulative_lost()));

    let to_b = world.take_sent("203.0.113.20:5001");
    assert_eq!(to_b.len(), 4);
    let last = Compound::parse(to_b.last().unwrap()).unwrap().next().unwrap().unwrap();
    let Packet::Sr(report) = last else { panic!("we send to B: {last:?}") };
    assert_eq!(report.n_reports(), 0, "B sent nothing");
    assert_eq!(report.octet_count(), report.packet_count() * 160);
    assert!((650..=900).contains(&report.packet_count()));
    assert_eq!(world.worker.report(A).unwrap().lost, 99, "the last is not missed yet");
}

#[test]
fn the_far_ends_reports_tell_loss_jitter_and_round_trip() {
    let mut world = World::phones();
    let (_, out) = world.forwarded(B, PHONE_B, &Rtp::nth(9, 0));
    let sent = loop {
        world.pass(ms(1));
        if let Some(sent) = world.take_sent(RTCP_A).pop() {
            break sent;
        }
    };
    let Packet::Sr(ours) = Compound::parse(&sent).unwrap().next().unwrap().unwrap() else { panic!() };
    assert_eq!(ours.ssrc(), out.ssrc);
    let middle = (ours.ntp_timestamp() >> 16) as u32;
    assert_eq!(world.worker.report(A).unwrap().round_trip, None);
    // Each way takes 40 ms, and A waits for one second before it reports.
    world.pass(ms(1_080));
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 7];
    report.extend(out.ssrc.to_be_bytes());
    report.extend([32, 0, 0, 5]);
    report.extend([0; 4]);
    report.extend(80u32.to_be_bytes());
    report.extend(middle.to_be_bytes());
    report.extend((1u32 << 16).to_be_bytes());
    assert_eq!(world.deliver(Socket::Rtcp(A), OUR_RTCP, RTCP_A, &report).0, Verdict::Consumed);
    assert!(world.take_events().contains(&Event::Loss { leg: A, percent: 13 }));
    assert_eq!(world.deliver(Socket::Rtcp(A), OUR_RTCP, RTCP_A, &report).0, Verdict::Consumed);
    assert!(world.take_events().is_empty(), "the same is not told twice");
    let leg = world.worker.report(A).unwrap();
    let far = leg.far.unwrap();
    assert_eq!((far.fraction_lost, far.lost, far.jitter), (32, 5, ms(10)));
    let trip = leg.round_trip.unwrap();
    assert!(trip >= ms(79) && trip <= ms(81), "{trip:?}");
}

#[test]
fn our_block_refers_to_the_far_ends_sender_report() {
    let mut world = World::phones();
    world.rtp(A, PHONE_A, &Rtp::nth(7, 0));
    let mut sender_report = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
    sender_report.extend(0x1122_3344_5566_7788u64.to_be_bytes());
    sender_report.extend([0; 12]);
    world.deliver(Socket::Rtcp(A), OUR_RTCP, RTCP_A, &sender_report);
    let came = world.clock.now();
    let before = world.worker.poll_timeout().unwrap();
    world.pass(secs(5));
    let sent = world.take_sent(RTCP_A).remove(0);
    let Packet::Rr(report) = Compound::parse(&sent).unwrap().next().unwrap().unwrap() else { panic!() };
    let block = report.report_blocks().next().unwrap();
    assert_eq!(block.last_sender_report_timestamp(), 0x3344_5566);
    let delay = f64::from(block.delay_since_last_sender_report_timestamp()) / 65_536.0;
    assert!(delay >= (before - came).as_secs_f64() - 0.001 && delay < 5.001, "{delay}");
}

#[test]
fn a_bye_is_not_the_end_of_a_call_and_is_not_forwarded() {
    let mut world = World::phones();
    world.rtp(A, PHONE_A, &Rtp::nth(7, 0));
    world.take_events();
    let bye = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];
    assert_eq!(world.deliver(Socket::Rtcp(A), OUR_RTCP, RTCP_A, &bye).0, Verdict::Consumed);
    assert_eq!(world.take_events(), []);
    assert!(world.take_sent("203.0.113.20:5001").is_empty());
}

#[test]
fn closing_a_leg_says_bye_to_whom_we_sent() {
    let mut world = World::phones();
    world.rtp(A, PHONE_A, &Rtp::nth(7, 0));
    let now = world.clock.now();
    world.worker.close(now, A);
    world.worker.close(now, B);
    world.drain();
    assert!(world.take_sent(RTCP_A).is_empty(), "A never got anything from us");
    let sent = world.take_sent("203.0.113.20:5001").pop().unwrap();
    let packets: Vec<_> = Compound::parse(&sent).unwrap().map(Result::unwrap).collect();
    assert!(matches!(packets[..], [Packet::Sr(_), Packet::Sdes(_), Packet::Bye(_)]), "{packets:?}");
}

#[test]
fn malformed_rtcp_is_dropped_and_multiplexed_rtcp_goes_by_the_rtp_socket() {
    let mut world = World::phones();
    world.rtp(A, PHONE_A, &Rtp::nth(7, 0));
    let (verdict, _) = world.deliver(Socket::Rtcp(A), OUR_RTCP, RTCP_A, &[0x80, 200, 0, 9, 0, 0, 0, 7]);
    assert_eq!(verdict, Verdict::Drop(Reason::RtcpMalformed));
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    assert_eq!(world.deliver(Socket::Rtp(A), OURS, PHONE_A, &report).0, Verdict::Consumed);
    let (verdict, _) = world.deliver(Socket::Rtp(A), OURS, RTCP_A, &report);
    assert_eq!(verdict, Verdict::Drop(Reason::WrongSource));
    let mut muxed = phone_settings(Some(PHONE_A));
    if let Some(remote) = &mut muxed.remote {
        remote.mux = true;
        remote.rtcp = remote.rtp;
    }
    world.worker.configure(world.clock.now(), A, muxed, phone_map());
    world.sent.clear();
    world.pass(secs(5));
    let (to, _) = world.sent.iter().find(|(to, _)| to.remote == at(PHONE_A)).unwrap();
    assert_eq!(to.socket, Socket::Rtp(A));
}

#[test]
fn reports_to_a_browser_are_protected_and_its_own_are_read() {
    let mut world = World::new();
    let mut browser = Browser::connect(&mut world, A);
    world.worker.echo(A);
    let (_, echoed) = browser.send(&mut world, &Rtp::nth(7, 0));
    let out = browser.unprotect(&echoed);
    world.pass(secs(5));
    let mut sent = world.take_sent(BROWSER_AT).pop().unwrap();
    let (sender, receiver) = browser.keys.as_mut().unwrap();
    let len = receiver.unprotect_rtcp(&mut sent).unwrap();
    let Packet::Sr(report) = Compound::parse(&sent[..len]).unwrap().next().unwrap().unwrap() else {
        panic!()
    };
    assert_eq!((report.ssrc(), report.packet_count()), (out.ssrc, 1));
    assert_eq!(report.report_blocks().next().unwrap().ssrc(), 7);

    let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 7];
    answer.extend(out.ssrc.to_be_bytes());
    answer.extend([16, 0, 0, 2]);
    answer.extend([0; 16]);
    let plain = answer.clone();
    let len = answer.len();
    answer.resize(len + 32, 0);
    let len = sender.protect_rtcp(&mut answer, len).unwrap();
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &answer[..len]);
    assert_eq!(verdict, Verdict::Consumed);
    assert_eq!(world.worker.report(A).unwrap().far.unwrap().lost, 2);
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &plain);
    assert!(matches!(verdict, Verdict::Drop(Reason::Unauthentic | Reason::Unencrypted)), "{verdict:?}");
}

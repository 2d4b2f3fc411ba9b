//! Calls without sound are told why, in words; and the score of a call falls as its losses grow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use proptest::prelude::*;
use ringback_media::dtls::Role;
use ringback_media::negotiation::{Candidates, LegSettings, PayloadMap, Profile};
use ringback_media::quality::{Cause, Hop, Mos, Party, Verdict, blame, judge};
use ringback_media::session::{LegReport, Medium, Socket};
use ringback_nat::stun::{self, Algorithm, BindingRequest, Key};
use session_world::*;

/// Ends the call: what became of the audio from A to B and from B to A, and the reports.
fn end(world: &mut World) -> [Verdict; 2] {
    let [a, b] = reports(world);
    [judge(&a, &b), judge(&b, &a)]
}

fn reports(world: &mut World) -> [LegReport; 2] {
    let now = world.clock.now();
    [A, B].map(|leg| world.worker.close(now, leg).unwrap())
}

fn speaker(cause: Cause) -> Verdict {
    Verdict { cause, party: Party::Speaker }
}

fn listener(cause: Cause) -> Verdict {
    Verdict { cause, party: Party::Listener }
}

/// A browser A and a phone B that are joined; the phone talks.
struct BrowserCall {
    world: World,
    alice: Browser,
    sent: u32,
}

impl BrowserCall {
    fn new() -> Self {
        Self::naming(Candidates::Private)
    }

    /// The browser names candidates of this kind.
    fn naming(candidates: Candidates) -> Self {
        let mut world = World::new();
        let alice = Browser::open(&mut world, A, Role::Server);
        let settings =
            LegSettings { candidates, ..alice.settings(Role::Server, vec![identity(BROWSER).fingerprint()]) };
        world.worker.configure(world.clock.now(), A, settings, Browser::map());
        world.phone(B, PHONE_B);
        world.worker.join(A, B);
        BrowserCall { world, alice, sent: 0 }
    }

    /// The phone talks for two seconds.
    fn talk(&mut self) {
        for _ in 0..100 {
            self.world.pass(ms(20));
            self.world.rtp(B, PHONE_B, &Rtp::nth(9, self.sent));
            self.sent += 1;
        }
    }

    fn connect(&mut self) {
        self.alice.check(&mut self.world, true);
        self.alice.shake(&mut self.world);
        assert!(self.alice.keys.is_some());
    }

    /// What became of the browser's audio, in words, and of the phone's.
    fn end(mut self) -> [Verdict; 2] {
        end(&mut self.world)
    }
}

fn told(verdict: Verdict) -> String {
    verdict.told(("alice", Profile::WebRtc), ("bob", Profile::Rtp)).to_string()
}

#[test]
fn a_call_with_audio_both_ways_is_no_trouble() {
    let mut call = BrowserCall::new();
    call.connect();
    for n in 0..100 {
        call.alice.send(&mut call.world, &Rtp::nth(7, n));
    }
    call.talk();
    assert_eq!(call.end(), [speaker(Cause::Beyond); 2]);
}

#[test]
fn no_check_ever_came() {
    for (candidates, cause, words) in [
        (Candidates::None, Cause::NoCandidates, "it named no candidate"),
        (Candidates::Hidden, Cause::HiddenCandidates, ".local names"),
        (Candidates::Private, Cause::PrivateCandidates, "all candidates were private addresses"),
        (Candidates::Public, Cause::NoCheck, "no check came, though it has a public address"),
    ] {
        let mut call = BrowserCall::naming(candidates);
        call.talk();
        let [from_alice, from_bob] = call.end();
        assert_eq!(from_alice, speaker(cause));
        let words = ("alice's browser sent no packet: ICE never succeeded; ", words);
        assert!(
            told(from_alice).starts_with(words.0) && told(from_alice).contains(words.1),
            "{from_alice:?}"
        );
        // Bob is heard by us, and Alice cannot be reached for the same reason.
        assert_eq!(from_bob, listener(cause));
    }
}

#[test]
fn checks_had_the_wrong_password() {
    let mut call = BrowserCall::new();
    let right = std::mem::replace(&mut call.alice.theirs.pwd, "another-password-of-24-ch".into());
    let bytes = call.alice.check_bytes(true);
    call.world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bytes);
    call.alice.theirs.pwd = right;
    call.talk();
    assert_eq!(call.end()[0], speaker(Cause::WrongIcePassword));
}

#[test]
fn checks_were_not_sound() {
    let mut call = BrowserCall::new();
    // It claims the role that only we can have.
    let username = format!("{}:{}", call.alice.theirs.ufrag, call.alice.ours.ufrag);
    let request = BindingRequest {
        transaction: 1.into(),
        username: Some(&username),
        priority: Some(1),
        role: Some((stun::Role::Controlled, 9)),
        use_candidate: false,
    };
    let mut bytes = vec![0; 200];
    let key = Key::new(&call.alice.theirs.pwd);
    let len = request.write(Some((&key, Algorithm::Sha1)), &mut bytes).unwrap();
    bytes.truncate(len);
    call.world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bytes);
    call.talk();
    assert_eq!(call.end()[0], speaker(Cause::ChecksRefused));
}

#[test]
fn no_pair_was_nominated() {
    let mut call = BrowserCall::new();
    call.alice.check(&mut call.world, false);
    call.talk();
    assert_eq!(call.end(), [speaker(Cause::NeverNominated), listener(Cause::NeverNominated)]);
}

#[test]
fn no_handshake_began() {
    let mut call = BrowserCall::new();
    call.alice.check(&mut call.world, true);
    call.talk();
    assert_eq!(call.end()[0], speaker(Cause::NoDtls));
}

#[test]
fn the_handshake_was_not_completed() {
    let mut call = BrowserCall::new();
    call.alice.check(&mut call.world, true);
    let mut out = [0; 1500];
    let len = call.alice.endpoint.poll_transmit(&mut out).unwrap();
    call.world.deliver(Socket::Shared, SHARED, BROWSER_AT, &out[..len]);
    call.talk();
    let [from_alice, _] = call.end();
    assert!(matches!(from_alice.cause, Cause::DtlsFailed(_)), "{from_alice:?}");
    assert!(told(from_alice).contains("the DTLS handshake failed: the handshake was not completed in time"));
}

#[test]
fn the_certificate_was_another() {
    let mut call = BrowserCall::new();
    let settings = call.alice.settings(Role::Server, vec![identity(STRANGER).fingerprint()]);
    call.world.worker.configure(call.world.clock.now(), A, settings, Browser::map());
    call.alice.check(&mut call.world, true);
    call.alice.shake(&mut call.world);
    call.talk();
    assert_eq!(call.end()[0], speaker(Cause::WrongFingerprint));
}

#[test]
fn a_connected_browser_sent_nothing() {
    let mut call = BrowserCall::new();
    call.connect();
    call.talk();
    let [from_alice, from_bob] = call.end();
    assert_eq!(from_alice, speaker(Cause::NothingSent));
    assert_eq!(from_bob, speaker(Cause::Beyond));
}

#[test]
fn srtp_had_other_keys() {
    let mut call = BrowserCall::new();
    call.connect();
    for n in 0..100 {
        let mut bytes = call.alice.protect(&Rtp::nth(7, n));
        *bytes.last_mut().unwrap() ^= 1;
        call.world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bytes);
    }
    assert_eq!(call.end()[0], speaker(Cause::WrongKeys));
}

#[test]
fn a_phone_sent_from_elsewhere() {
    let mut world = World::phones();
    for n in 0..100 {
        world.rtp(A, "192.0.2.200:7000", &Rtp::nth(7, n));
        world.rtp(B, PHONE_B, &Rtp::nth(9, n));
    }
    let [from_a, from_b] = end(&mut world);
    assert_eq!((from_a, from_b), (speaker(Cause::WrongSource), speaker(Cause::Beyond)));
    let words = from_a.told(("alice", Profile::Rtp), ("bob", Profile::Rtp)).to_string();
    assert!(
        words.starts_with("alice's phone is not heard: its packets come from another address"),
        "{words}"
    );
}

#[test]
fn nothing_came_from_a_phone_but_perhaps_rtcp() {
    for (sends_rtcp, cause) in [(false, Cause::NothingCame), (true, Cause::OnlyRtcp)] {
        let mut world = World::phones();
        if sends_rtcp {
            let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 7];
            world.deliver(Socket::Rtcp(A), "192.0.2.1:20001", "198.51.100.10:4001", &receiver_report);
        }
        world.pass(secs(10));
        assert_eq!(end(&mut world)[0], speaker(cause));
    }
}

#[test]
fn only_silence_came() {
    let silence = |n| Rtp { payload: vec![0xff; 160], ..Rtp::nth(7, n) };
    let comfort_noise = |n| Rtp { payload_type: 101, payload: vec![3, 10, 0, 160], ..Rtp::nth(7, n) };
    for packet in [&silence as &dyn Fn(u32) -> Rtp, &comfort_noise] {
        let mut world = World::phones();
        for n in 0..100 {
            world.forwarded(A, PHONE_A, &packet(n));
        }
        assert_eq!(end(&mut world)[0], speaker(Cause::OnlySilence));
    }
}

#[test]
fn packets_had_the_wrong_payload_type() {
    let mut world = World::phones();
    for n in 0..100 {
        world.rtp(A, PHONE_A, &Rtp { payload_type: 18, ..Rtp::nth(7, n) });
    }
    assert_eq!(end(&mut world)[0], speaker(Cause::WrongPayloadType));
}

#[test]
fn what_came_was_no_rtp() {
    let mut world = World::phones();
    for _ in 0..100 {
        world.deliver(Socket::Rtp(A), OURS, PHONE_A, &[22, 254, 253, 0, 0]);
    }
    assert_eq!(end(&mut world)[0], speaker(Cause::NotRtp));
}

#[test]
fn one_way_calls_are_somebodys_wish() {
    for (b_receives, expected) in
        [(true, speaker(Cause::NeverSends)), (false, listener(Cause::NeverReceives))]
    {
        let mut world = World::new();
        let now = world.clock.now();
        world.worker.open(now, A, Medium::Rtp { signalling: at(PHONE_A).ip() }).unwrap();
        let quiet = LegSettings { sends: false, ..phone_settings(Some(PHONE_A)) };
        world.worker.configure(now, A, quiet, phone_map());
        world.worker.open(now, B, Medium::Rtp { signalling: at(PHONE_B).ip() }).unwrap();
        let deaf = LegSettings { receives: b_receives, ..phone_settings(Some(PHONE_B)) };
        world.worker.configure(now, B, deaf, phone_map());
        world.worker.join(A, B);
        world.pass(secs(3));
        let [from_a, _] = end(&mut world);
        assert_eq!(from_a, expected);
        assert!(from_a.cause.is_wished());
    }
}

#[test]
fn one_was_held_before_it_could_speak() {
    let mut world = World::phones();
    let now = world.clock.now();
    let (held, holds) = (phone_settings(Some(PHONE_A)), phone_settings(Some(PHONE_B)));
    world.worker.configure(now, A, LegSettings { sends: false, ..held }, phone_map());
    world.worker.configure(now, B, LegSettings { receives: false, ..holds }, phone_map());
    world.pass(secs(3));
    let [from_a, _] = end(&mut world);
    assert_eq!(from_a, listener(Cause::OnHold));
    assert!(from_a.cause.is_wished());
}

#[test]
fn the_other_held_while_one_spoke() {
    let mut world = World::phones();
    let held = LegSettings { receives: false, ..phone_settings(Some(PHONE_B)) };
    world.worker.configure(world.clock.now(), B, held, phone_map());
    for n in 0..100 {
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    assert_eq!(end(&mut world)[0], listener(Cause::OnHold));
}

#[test]
fn the_other_had_no_codec_for_it() {
    let mut world = World::phones();
    world.worker.configure(world.clock.now(), A, phone_settings(Some(PHONE_A)), PayloadMap::default());
    for n in 0..100 {
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    assert_eq!(end(&mut world)[0], listener(Cause::CodecNotAccepted));
}

#[test]
fn the_other_never_said_where_it_receives() {
    let mut world = World::new();
    let now = world.clock.now();
    world.phone(A, PHONE_A);
    world.worker.open(now, B, Medium::Rtp { signalling: at(PHONE_B).ip() }).unwrap();
    world.worker.configure(now, B, phone_settings(None), phone_map());
    world.worker.join(A, B);
    for n in 0..100 {
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    assert_eq!(end(&mut world)[0], listener(Cause::NoAddress));
}

#[test]
fn a_leg_was_joined_with_no_other() {
    let mut world = World::phones();
    world.worker.part(A);
    for n in 0..100 {
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    assert_eq!(end(&mut world)[0], speaker(Cause::NotJoined));
}

#[test]
fn the_milestones_have_their_times() {
    let mut call = BrowserCall::new();
    let start = call.world.clock.now();
    call.world.pass(ms(100));
    call.alice.check(&mut call.world, false);
    call.world.pass(ms(100));
    call.alice.check(&mut call.world, true);
    call.world.pass(ms(100));
    call.alice.shake(&mut call.world);
    call.world.pass(ms(100));
    call.alice.send(&mut call.world, &Rtp::nth(7, 0));
    call.world.pass(ms(100));
    call.world.rtp(B, PHONE_B, &Rtp::nth(9, 0));
    call.world.pass(ms(500));
    let [alice, _] = reports(&mut call.world);
    let history = alice.history;
    let times = [
        history.agreed,
        history.connecting.first_check,
        history.connecting.validated,
        history.connecting.nominated,
        history.connecting.dtls_begun,
        history.connecting.dtls_done,
        history.first_received,
        history.first_sent,
        history.closed,
    ];
    let after = times.map(|time| (time.unwrap() - start).as_millis());
    assert_eq!(after, [0, 100, 100, 200, 300, 300, 400, 500, 1000]);
    assert_eq!(history.profile, Profile::WebRtc);
}

/// Reports of a call of 30 s in which each packet from A is lost by this chance, and one in ten more from B.
fn with_losses(seed: u64, percent: u64) -> [LegReport; 2] {
    let mut world = World::phones();
    let mut state = seed | 1;
    let mut lost = |percent: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 100 < percent
    };
    for n in 0..1500 {
        world.pass(ms(20));
        // The first has to come: what was lost before it is not seen.
        if n == 0 || !lost(percent) {
            world.rtp(A, PHONE_A, &Rtp::nth(7, n));
        }
        world.rtp(B, PHONE_B, &Rtp::nth(9, n));
    }
    reports(&mut world)
}

#[test]
fn the_far_ends_reports_and_round_trips_come_into_the_summary() {
    let mut world = World::phones();
    for n in 0..300 {
        world.pass(ms(20));
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
        world.rtp(B, PHONE_B, &Rtp::nth(9, n));
    }
    // B's receiver report about our stream: a quarter lost, 100 units of jitter, 80 ms after our sender report.
    let sent = world.take_sent("203.0.113.20:5001");
    let ours = sent.iter().find(|bytes| bytes[1] == 200).expect("a sender report").clone();
    world.pass(ms(80));
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    report.extend(&ours[4..8]);
    report.extend([64, 0, 0, 75, 0, 0, 0, 1, 0, 0, 0, 80]);
    report.extend(&ours[10..14]);
    // Since our report: what passed in between, but for 80 ms.
    report.extend([0, 0, 0, 0]);
    world.deliver(Socket::Rtcp(B), "192.0.2.1:20001", "203.0.113.20:5001", &report);
    world.pass(secs(6));
    let [a, b] = reports(&mut world);
    assert_eq!(a.quality.outgoing.mos(), None, "A has reported nothing");
    let heard = b.quality.outgoing;
    assert!((heard.loss().unwrap() - 0.25).abs() < 0.001 && heard.jitter().unwrap() == ms(10), "{heard:?}");
    assert!(heard.mos() < a.quality.incoming.mos(), "{heard:?}");
    assert!(b.quality.round_trip().unwrap() >= ms(80));
    let blamed = blame(&a.quality, &b.quality).unwrap();
    assert_eq!(blamed.hop, Hop::UsToSecond);
    assert_eq!(judge(&a, &b), speaker(Cause::Beyond));
}

#[test]
fn a_far_end_that_reports_everything_lost_is_named() {
    let mut world = World::phones();
    for n in 0..300 {
        world.pass(ms(20));
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    let sent = world.take_sent("203.0.113.20:5001");
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    report.extend(&sent[0][4..8]);
    report.extend([255, 0, 1, 44, 0, 0, 0, 1, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0]);
    world.deliver(Socket::Rtcp(B), "192.0.2.1:20001", "203.0.113.20:5001", &report);
    world.pass(secs(6));
    assert_eq!(end(&mut world)[0], listener(Cause::NotArriving));
}

#[test]
fn the_series_of_an_open_leg_can_be_looked_at() {
    let mut world = World::phones();
    for n in 0..1000 {
        world.pass(ms(20));
        world.rtp(A, PHONE_A, &Rtp::nth(7, n));
    }
    let series = world.worker.series(A).unwrap();
    let samples: Vec<_> = series.iter().collect();
    assert!((3..=5).contains(&samples.len()), "20 s are four intervals: {samples:?}");
    assert!(samples.iter().all(|sample| sample.incoming.mos > Some(Mos::SATISFIED)));
    assert_eq!(world.worker.series(B).unwrap().iter().len(), 0, "nothing came from B");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// More loss, by whatever seed, is a lower score; and the hop that loses is the one to blame.
    #[test]
    fn the_score_falls_as_loss_is_added(seed in any::<u64>()) {
        let mut last: Option<Mos> = None;
        for percent in [0, 3, 8, 20, 40] {
            let [a, b] = with_losses(seed, percent);
            let mos = a.quality.incoming.mos().unwrap();
            prop_assert!(last.is_none_or(|last| mos < last), "{} at {} % after {:?}", mos, percent, last);
            prop_assert!(a.quality.incoming.worst.unwrap() <= mos);
            prop_assert!(b.quality.incoming.mos().unwrap() > Mos::SATISFIED, "the other direction is as it was");
            let loss = a.quality.incoming.loss().unwrap() * 100.0;
            prop_assert!((loss - percent as f64).abs() < 5.0, "{} % of {} %", loss, percent);
            if percent >= 8 {
                prop_assert_eq!(blame(&a.quality, &b.quality).map(|blame| blame.hop), Some(Hop::FirstToUs));
            }
            last = Some(mos);
        }
    }
}

//! Video in the world of a worker: a browser and a phone that see each other.

use ringback_media::dtls::Role;
use ringback_media::negotiation::{LegSettings, Payload, PayloadMap, VideoSettings};
use ringback_media::rtcp::{self, Cname, Request};
use ringback_media::sdp::{self, Kind, Sources};
use ringback_media::session::{Medium, Socket, Verdict};

use super::*;

pub const VP8: u8 = 96;
pub const RTX: u8 = 97;
pub const VIDEO_B: &str = "203.0.113.20:5010";
/// The SSRCs of our video to the browser.
pub const OURS_TO_BROWSER: (u32, u32) = (0x1111, 0x2222);

pub fn leg_settings(leg: LegSettings) -> LegSettings {
    let payloads =
        [(VP8, Payload { kind: Kind::Video, clock_rate: 90_000, silence: None })].into_iter().collect();
    LegSettings { payloads, codec: "VP8".into(), ..leg }
}

/// A phone's video, with this feedback.
pub fn phone_video(address: &str, feedback: sdp::Feedback) -> VideoSettings {
    let leg = leg_settings(phone_settings(Some(address)));
    VideoSettings { leg, sources: None, feedback, repaired: Vec::new(), repairs: Vec::new() }
}

/// A browser's video, with packets sent again in a stream of their own.
pub fn browser_video(browser: &Browser, has_repairs: bool) -> VideoSettings {
    let leg = leg_settings(browser.settings(Role::Server, Vec::new()));
    let repairs = if has_repairs { vec![(RTX, VP8)] } else { Vec::new() };
    VideoSettings {
        leg,
        sources: Some(Sources {
            media: OURS_TO_BROWSER.0,
            repair: Some(OURS_TO_BROWSER.1),
            cname: Cname::from_random([1; 12]),
        }),
        feedback: sdp::Feedback::ALL,
        repaired: repairs.clone(),
        repairs,
    }
}

pub fn map() -> PayloadMap {
    [(VP8, VP8)].into_iter().collect()
}

/// The n-th packet of a stream of VP8.
pub fn picture(ssrc: u32, n: u16) -> Rtp {
    Rtp {
        payload_type: VP8,
        marker: false,
        sequence: 3000 + n,
        timestamp: 3000 * u32::from(n),
        ssrc,
        payload: vec![n as u8; 900],
        extension: Vec::new(),
    }
}

/// A browser that talks to a phone, both with video.
pub fn browser_and_phone(has_repairs: bool, phone: sdp::Feedback) -> (World, Browser) {
    let mut world = World::new();
    let browser = Browser::connect(&mut world, A);
    world.phone(B, PHONE_B);
    let now = world.clock.now();
    let signalling = at(PHONE_B).ip();
    world.worker.open(now, B.video(), Medium::Rtp { signalling }).unwrap();
    world.worker.configure_video(now, A, Some(browser_video(&browser, has_repairs)), map());
    world.worker.configure_video(now, B, Some(phone_video(VIDEO_B, phone)), map());
    world.worker.join(A, B);
    world.drain();
    world.take_events();
    (world, browser)
}

/// A picture of the phone, as it leaves for the browser.
pub fn from_phone(world: &mut World, browser: &mut Browser, n: u16) -> Rtp {
    let (verdict, bytes) = world.deliver(Socket::Rtp(B.video()), OURS, VIDEO_B, &picture(9, n).bytes());
    assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
    browser.unprotect(&bytes)
}

/// RTCP of a far end about a source of ours.
pub fn compound(requests: &[Request<'_>], about: u32) -> Vec<u8> {
    let mut bytes = vec![0; 600];
    let cname = Cname::from_random([2; 12]);
    let report = rtcp::Outgoing {
        ssrc: 7,
        cname: &cname,
        sent: None,
        received: None,
        last_sender_report: None,
        bye: false,
    };
    let mut len = report.write(&mut bytes).unwrap();
    for request in requests {
        len += request.write(7, about, &mut bytes[len..]).unwrap();
    }
    bytes.truncate(len);
    bytes
}

impl Told for Browser {
    fn wish(&mut self, requests: &[Request<'_>]) -> Vec<u8> {
        let mut bytes = compound(requests, OURS_TO_BROWSER.0);
        let len = bytes.len();
        bytes.resize(len + 64, 0);
        let len = self.keys.as_mut().unwrap().0.protect_rtcp(&mut bytes, len).unwrap();
        bytes.truncate(len);
        bytes
    }

    fn tell(&mut self, world: &mut World, requests: &[Request<'_>]) {
        let bytes = self.wish(requests);
        let verdict = world.deliver(Socket::Shared, SHARED, self.address, &bytes).0;
        assert_eq!(verdict, Verdict::Consumed);
    }

    fn asked(&mut self, world: &mut World) -> Vec<u8> {
        let mut all = Vec::new();
        for bytes in world.take_sent(self.address) {
            if (192..224).contains(&bytes[1]) {
                let mut bytes = bytes;
                let len = self.keys.as_mut().unwrap().1.unprotect_rtcp(&mut bytes).unwrap();
                all.extend_from_slice(&bytes[..len]);
            }
        }
        all
    }
}

pub trait Told {
    /// Feedback about what it is sent, protected.
    fn wish(&mut self, requests: &[Request<'_>]) -> Vec<u8>;
    /// Sends feedback about what it is sent.
    fn tell(&mut self, world: &mut World, requests: &[Request<'_>]);
    /// The RTCP that it was sent.
    fn asked(&mut self, world: &mut World) -> Vec<u8>;
}

/// The RTCP that the phone was sent about its video.
pub fn phone_asked(world: &mut World) -> Vec<u8> {
    world.take_sent("203.0.113.20:5011").concat()
}

//! Both ends of a negotiation in tests: our side of legs, and what real far ends write.
//!
//! The texts are the seed corpus of the fuzz target `sdp`, in the shape that Chromium with JsSIP, Firefox, baresip, sipp,
//! Linphone and desk phones write them.
#![allow(dead_code, reason = "each test file uses a part")]

use std::net::SocketAddr;

use ringback_media::dtls::{Fingerprint, HashAlgorithm};
use ringback_media::negotiation::{Local, LocalVideo, Party, Profile, Seed, Srtp};
use ringback_media::rtcp::Cname;
use ringback_media::sdp::{Description, Section, Sources};
use ringback_nat::ice::Credentials;

/// A text of the corpus by its name.
macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../../fuzz/corpus/sdp/", $name, ".sdp"))
    };
}
pub(crate) use text;

/// Our side of a WebRTC leg.
pub fn webrtc() -> Party {
    Party::new(
        Local {
            profile: Profile::WebRtc,
            address: "192.0.2.1".parse().unwrap(),
            rtp: 8443,
            rtcp: 8443,
            ice: Some(Credentials { ufrag: "ourfragm".into(), pwd: "ourpasswordourpasswordou".into() }),
            candidates: vec![
                SocketAddr::new("192.0.2.1".parse().unwrap(), 8443),
                SocketAddr::new("2001:db8::1".parse().unwrap(), 8443),
            ],
            fingerprint: Some(fingerprint()),
            srtp: Srtp::Offered,
            seed: None,
            video: None,
        },
        1001,
    )
}

/// Our side of a plain leg.
pub fn rtp() -> Party {
    rtp_with_ports(20000, 20001)
}

/// Our side of a plain leg with these ports.
pub fn rtp_with_ports(rtp: u16, rtcp: u16) -> Party {
    rtp_with(Srtp::Offered, rtp, rtcp)
}

/// Our side of a leg with ports of its own that is encrypted as this says.
pub fn rtp_with_srtp(srtp: Srtp) -> Party {
    rtp_with(srtp, 20000, 20001)
}

fn fingerprint() -> Fingerprint {
    Fingerprint { hash: HashAlgorithm::Sha256, value: vec![0xab; 32] }
}

fn rtp_with(srtp: Srtp, rtp: u16, rtcp: u16) -> Party {
    Party::new(
        Local {
            profile: Profile::Rtp,
            address: "192.0.2.1".parse().unwrap(),
            rtp,
            rtcp,
            ice: None,
            candidates: Vec::new(),
            fingerprint: Some(fingerprint()),
            srtp,
            seed: Some(Seed::new([rtp as u8; 32])),
            video: None,
        },
        2002,
    )
}

/// Carries an offer from one party to another and the answer back; what we wrote to both: the offer, the answer.
pub fn exchange(a: &mut Party, offer: &str, b: &mut Party, answer: &str) -> (String, String) {
    a.handle_offer(offer.as_bytes()).expect("the offer is taken");
    let to_b = shown(&b.offer(a).expect("it can be passed on"));
    b.handle_answer(answer.as_bytes()).expect("the answer is taken");
    let to_a = shown(&a.answer(b).expect("it can be passed back"));
    (to_b, to_a)
}

/// A text as snapshots show it.
pub fn shown(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).expect("we write UTF-8");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "every line ends in CRLF");
    text.replace("\r\n", "\n")
}

/// The sections of a text of ours.
pub fn sections(text: impl AsRef<[u8]>) -> Vec<Section> {
    Description::parse(text.as_ref()).expect("we can read what we write").sections
}

/// The first line of a text that begins so.
pub fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find(|line| line.starts_with(start))
}

/// All lines of a text that begin so.
pub fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

/// The version in the `o=` line.
pub fn version(text: impl AsRef<[u8]>) -> u64 {
    Description::parse(text.as_ref()).expect("we can read what we write").origin.version
}

/// The text with another direction attribute.
pub fn with_direction(text: &str, direction: &str) -> String {
    ["sendrecv", "sendonly", "recvonly", "inactive"]
        .iter()
        .fold(text.to_owned(), |text, old| text.replace(&format!("a={old}\r\n"), ""))
        + &format!("a={direction}\r\n")
}

/// The party with a place for video.
pub fn with_video(mut party: Party) -> Party {
    let is_webrtc = party.local().profile == Profile::WebRtc;
    let cname = Cname::from_random([0xc5; 12]);
    let sources = is_webrtc.then_some(Sources { media: 1111, repair: Some(2222), cname });
    let (rtp, rtcp) = if is_webrtc { (8443, 8443) } else { (20010, 20011) };
    let seed = (!is_webrtc).then(|| Seed::new([0x77; 32]));
    party.set_video(LocalVideo { rtp, rtcp, sources, seed });
    party
}

//! What holds for any offer and any answer; a fuzz target and a test of its corpus call it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ringback_nat::ice::Credentials;

use super::{Local, LocalVideo, Party, Profile, Seed, Srtp, payload_map, video_map};
use crate::dtls::{Fingerprint, HashAlgorithm};
use crate::rtcp::Cname;
use crate::sdp::{Description, MAX_LEN, MediaType, Section, Sources};

/// The input is a byte of profiles and, with NULs between them, an offer, an answer, and as many later offers and
/// answers as there are. Whatever is accepted is negotiated to the end.
pub fn negotiation(data: &[u8]) {
    let Some((profiles, texts)) = data.split_first() else { return };
    // What we write may be longer than what it answers, and must not come to the limit of what we read.
    if texts.len() > MAX_LEN / 2 {
        return;
    }
    let mut parts = texts.split(|byte| *byte == 0);
    let offer = parts.next().unwrap_or_default();
    let answer = parts.next().unwrap_or(offer);
    let srtp = |bits: u8| match bits & 3 {
        0 => Srtp::Offered,
        1 => Srtp::Preferred,
        2 if profiles & 64 != 0 => Srtp::Handshake,
        2 => Srtp::Required,
        _ => Srtp::Never,
    };
    let mut a = Party::new(local(profiles & 1 != 0, srtp(profiles >> 2)), 1);
    let mut b = Party::new(local(profiles & 2 != 0, srtp(profiles >> 4)), 2);

    if a.handle_offer(offer).is_err() {
        return;
    }
    if let Ok(text) = a.clone().answer_alone() {
        check(&text);
    }
    let Ok(text) = b.offer(&a) else { return };
    check(&text);
    if b.handle_answer(answer).is_err() {
        return;
    }
    let Ok(text) = a.answer(&b) else { return };
    let written = check(&text);
    let sections = Description::parse(offer).map(|offer| offer.sections.len());
    assert_eq!(sections, Ok(written.sections.len()), "an answer has the sections of its offer");
    assert_eq!(a.answer(&b).as_ref(), Ok(&text), "answering again changes the answer");
    assert_eq!(a.current().as_ref(), Some(&text));

    for (from, to) in [(&a, &b), (&b, &a), (&a, &a), (&b, &b)] {
        let settings = from.agreed();
        assert!(settings.is_some(), "an exchange without settings");
        if let Some(settings) = &settings {
            let is_protected = settings.sdes.is_some() || settings.dtls.is_some();
            assert!(
                is_protected || !matches!(from.local().srtp, Srtp::Required | Srtp::Handshake),
                "media in the clear"
            );
            assert!(settings.sdes.is_none() || from.local().srtp != Srtp::Never, "media that is encrypted");
            assert!(settings.sdes.as_ref().is_none_or(|sdes| sdes.send != sdes.receive), "one key for both");
        }
        let video = from.agreed_video();
        if let (Some(settings), Some(video)) = (&settings, &video) {
            let is_protected = video.leg.sdes.is_some() || video.leg.dtls.is_some();
            assert!(is_protected || from.local().srtp != Srtp::Required, "video in the clear");
            let keys = settings.sdes.as_ref().zip(video.leg.sdes.as_ref());
            assert!(
                keys.is_none_or(|(audio, video)| audio.send != video.send),
                "one key for audio and video"
            );
        }
        for (payload_type, _) in video_map(from, to).iter() {
            assert!(video.as_ref().is_some_and(|video| video.leg.payloads.accepts(payload_type)));
        }
        for (payload_type, _) in payload_map(from, to).iter() {
            assert!(settings.as_ref().is_some_and(|settings| settings.payloads.accepts(payload_type)));
        }
    }

    // They go on: hold, another address, a fax, audio again.
    let mut written = written;
    while let (Some(offer), Some(answer)) = (parts.next(), parts.next()) {
        let (mut later, mut other) = (a.clone(), b.clone());
        if later.handle_offer(offer).is_err() || other.offer(&later).map(|text| check(&text)).is_err() {
            continue;
        }
        if other.handle_answer(answer).is_ok()
            && let Ok(text) = later.answer(&other)
        {
            written = check(&text);
            let is_fax = |party: &Party| party.agreed().is_some_and(|agreed| agreed.is_fax);
            assert_eq!(is_fax(&later), is_fax(&other), "a fax with audio");
            (a, b) = (later, other);
        }
    }

    // The answerer offers in turn.
    if b.handle_offer(answer).is_ok()
        && let Ok(text) = a.offer(&b)
    {
        assert!(check(&text).sections.len() >= written.sections.len(), "a later offer lost sections");
    }
}

/// Our own text is read back, and serves one section of audio or a fax and one of video at most.
fn check(text: &[u8]) -> Description {
    let written = match Description::parse(text) {
        Ok(written) => written,
        Err(error) => unreachable!("our own text is refused: {error}"),
    };
    for media in [[MediaType::Audio, MediaType::Image], [MediaType::Video, MediaType::Image]] {
        let is_live = |section: &&Section| section.is_live() && media.contains(&section.media);
        assert!(written.sections.iter().filter(is_live).count() <= 1);
    }
    let is_other = |section: &Section| {
        !matches!(section.media, MediaType::Audio | MediaType::Video | MediaType::Image) && section.is_live()
    };
    assert!(!written.sections.iter().any(is_other));
    written
}

fn local(is_webrtc: bool, srtp: Srtp) -> Local {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let fingerprint = Fingerprint { hash: HashAlgorithm::Sha256, value: vec![0xab; 32] };
    if !is_webrtc {
        return Local {
            profile: Profile::Rtp,
            address,
            rtp: 20000,
            rtcp: 20001,
            ice: None,
            candidates: Vec::new(),
            fingerprint: Some(fingerprint),
            srtp,
            seed: Some(Seed::new([0x5a; 32])),
            video: Some(local_video(20002, 20003, None)),
        };
    }
    Local {
        profile: Profile::WebRtc,
        address,
        rtp: 8443,
        rtcp: 8443,
        ice: Some(Credentials { ufrag: "abcdefgh".to_owned(), pwd: "abcdefghijklmnopqrstuvwx".to_owned() }),
        candidates: vec![SocketAddr::new(address, 8443)],
        fingerprint: Some(fingerprint),
        srtp,
        seed: None,
        video: Some(local_video(
            8443,
            8443,
            Some(Sources { media: 1, repair: Some(2), cname: Cname::from_random([3; 12]) }),
        )),
    }
}

fn local_video(rtp: u16, rtcp: u16, sources: Option<Sources>) -> LocalVideo {
    LocalVideo { rtp, rtcp, sources, seed: Some(Seed::new([0x3c; 32])) }
}

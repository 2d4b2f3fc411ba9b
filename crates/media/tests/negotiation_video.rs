//! Offer and answer with video beside the audio: the texts that both ends see, and what the media worker is told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::negotiation::{Party, offers_video, payload_map, video_map};
use ringback_media::sdp::{Feedback, MediaType};
use ringback_media::session::LegKey;
use sdp_peers::{exchange, lines, rtp, sections, shown, text, webrtc, with_video};

/// What a video phone answers, with this video.
fn phone_answers(video: &str) -> String {
    text!("baresip-answer").to_owned() + video
}

const PHONE_VIDEO: &str = "m=video 19840 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";

/// What Chromium answers to our offer with video, in numbers of ours.
fn browser_answers(numbers: &str, formats: &str) -> String {
    let audio = text!("chromium-answer-all").replace("a=group:BUNDLE 0", "a=group:BUNDLE 0 1");
    let transport: String = audio
        .lines()
        .filter(|line| ["a=ice-", "a=fingerprint", "a=setup"].iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "{audio}m=video 9 UDP/TLS/RTP/SAVPF {numbers}\r\nc=IN IP4 0.0.0.0\r\n{transport}a=mid:1\r\na=sendrecv\r\n\
         a=rtcp-mux\r\n{formats}"
    )
}

const BROWSER_VP8: &str = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
                           a=rtcp-fb:96 transport-cc\r\n";

fn browser_and_phone() -> (Party, Party) {
    (with_video(webrtc()), with_video(rtp()))
}

#[test]
fn a_browser_calls_a_video_phone() {
    let (mut a, mut b) = browser_and_phone();
    let (to_b, to_a) =
        exchange(&mut a, text!("chromium-offer-audio-video-data"), &mut b, &phone_answers(PHONE_VIDEO));
    insta::assert_snapshot!("video_browser_to_phone_offer", to_b);
    insta::assert_snapshot!("video_browser_to_phone_answer", to_a);
    assert_eq!(video_map(&a, &b).iter().collect::<Vec<_>>(), [(96, 96)]);

    let browser = a.agreed_video().unwrap();
    assert!(browser.leg.sends && browser.leg.receives && browser.leg.remote.is_none());
    assert_eq!((browser.repaired, browser.repairs), (vec![(97, 96)], vec![(97, 96)]));
    assert_eq!(browser.feedback, Feedback { pli: true, remb: true, ..Feedback::default() });
    assert_eq!(browser.sources.map(|sources| (sources.media, sources.repair)), Some((1111, Some(2222))));
    let phone = b.agreed_video().unwrap();
    assert_eq!(phone.leg.remote.unwrap().rtp, "198.51.100.50:19840".parse().unwrap());
    assert_eq!((phone.repaired, phone.repairs), (vec![], vec![]));
    assert_eq!(phone.feedback, Feedback { pli: true, ..Feedback::default() });
}

#[test]
fn a_video_phone_calls_a_browser() {
    let (mut a, mut b) = (with_video(rtp()), with_video(webrtc()));
    let offer = text!("baresip-offer").to_owned() + PHONE_VIDEO;
    let answer =
        browser_answers("96 97", &format!("{BROWSER_VP8}a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"));
    let (to_b, to_a) = exchange(&mut a, &offer, &mut b, &answer);
    insta::assert_snapshot!("video_phone_to_browser_offer", to_b);
    insta::assert_snapshot!("video_phone_to_browser_answer", to_a);
    assert_eq!(b.agreed_video().unwrap().repairs, [(97, 96)]);
    assert_eq!(video_map(&b, &a).iter().collect::<Vec<_>>(), [(96, 96)]);
}

#[test]
fn payload_types_of_a_bundle_stand_for_one_format_each() {
    // The phone's number for VP8 is one that its audio has on the browser's leg.
    let (mut a, mut b) = (with_video(rtp()), with_video(webrtc()));
    let offer = text!("baresip-offer").to_owned()
        + "m=video 19840 RTP/AVP 101 99\r\na=rtpmap:101 VP8/90000\r\na=rtpmap:99 H264/90000\r\n";
    a.handle_offer(offer.as_bytes()).unwrap();
    let to_b = b.offer(&a).unwrap();
    let mut numbers: Vec<u8> = sections(&to_b)
        .iter()
        .flat_map(|section| section.codecs.iter().map(|codec| codec.payload_type))
        .collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "{}", shown(&to_b));
    assert_eq!(sections(&to_b)[1].codecs.len(), 4, "each with a format in which it is sent again");
}

#[test]
fn what_is_not_taken_keeps_its_place_and_the_call_goes_on() {
    for video in [
        "",
        "m=video 0 RTP/AVP 96\r\n",
        "m=video 19840 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=640028\r\n",
        "m=video 19840 RTP/SAVP 96\r\na=rtpmap:96 VP8/90000\r\n",
    ] {
        let (mut a, mut b) = browser_and_phone();
        let offer = text!("chromium-offer-audio-video-data");
        let (_, to_a) = exchange(&mut a, offer, &mut b, &phone_answers(video));
        let answered = sections(&to_a);
        let kinds: Vec<_> = answered.iter().map(|section| section.media.clone()).collect();
        assert_eq!(kinds, [MediaType::Audio, MediaType::Video, MediaType::Application], "{video}");
        let live: Vec<_> = answered.iter().map(|section| section.is_live()).collect();
        assert_eq!(live, [true, false, false], "{video}");
        assert_eq!(lines(&to_a, "a=group:"), ["a=group:BUNDLE 0"]);
        assert_eq!((a.agreed_video(), b.agreed_video()), (None, None));
        assert!(a.agreed().is_some() && !payload_map(&a, &b).iter().collect::<Vec<_>>().is_empty());
    }
}

#[test]
fn a_leg_without_a_place_for_video_has_none() {
    let (mut a, mut b) = (with_video(webrtc()), rtp());
    let (to_b, to_a) =
        exchange(&mut a, text!("chromium-offer-audio-video-data"), &mut b, text!("baresip-answer"));
    assert_eq!((sections(&to_b).len(), sections(&to_a)[1].is_live()), (1, false));
    assert!(b.lacks_video() && !a.lacks_video());
    assert!(offers_video(text!("chromium-offer-audio-video-data").as_bytes()));
    assert!(!offers_video(text!("chromium-offer").as_bytes()));
}

#[test]
fn video_of_a_browser_that_is_not_bundled_with_its_audio_is_refused() {
    let (mut a, mut b) = browser_and_phone();
    let offer =
        text!("chromium-offer-audio-video-data").replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2");
    a.handle_offer(offer.as_bytes()).unwrap();
    assert_eq!(sections(b.offer(&a).unwrap()).len(), 1);
}

#[test]
fn video_comes_and_goes_in_mid_call() {
    let (mut a, mut b) = browser_and_phone();
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    assert_eq!(a.agreed_video(), None);

    // The browser adds its camera.
    let video = text!("chromium-offer-audio-video-data")
        .replace("o=- 4611730259438274721 2", "o=- 4611730259438274721 3");
    let (to_b, to_a) = exchange(&mut a, &video, &mut b, &phone_answers(PHONE_VIDEO));
    assert_eq!(sections(&to_b).len(), 2);
    assert!(sections(&to_b)[1].is_live() && sections(&to_a)[1].is_live());
    assert!(a.has_video() && b.has_video());

    // It holds its video alone.
    let video_held = video.replacen(
        "a=mid:1\r\na=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\na=sendrecv",
        "a=mid:1\r\na=inactive",
        1,
    );
    let held = "m=video 19840 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=inactive\r\n";
    exchange(&mut a, &video_held, &mut b, &phone_answers(held));
    let (audio, video) = (a.agreed().unwrap(), a.agreed_video().unwrap().leg);
    assert_eq!((audio.sends, audio.receives, video.sends, video.receives), (true, true, false, false));

    // It takes it away; the phone's section stays in its place, rejected.
    let without = video_held.replace("m=video 9 ", "m=video 0 ");
    let (to_b, to_a) = exchange(&mut a, &without, &mut b, &phone_answers("m=video 0 RTP/AVP 96\r\n"));
    let ports = |text: &str| sections(text).iter().map(|section| section.port).collect::<Vec<_>>();
    assert_eq!((ports(&to_b), ports(&to_a)), (vec![20000, 0], vec![8443, 0, 0]));
    assert!(!a.has_video() && !b.has_video());

    // The phone adds its own: the browser is offered it under a mid that was not used yet.
    let (to_a, to_b) = exchange(
        &mut b,
        &(text!("baresip-offer").to_owned() + PHONE_VIDEO),
        &mut a,
        &browser_answers("96 97", BROWSER_VP8)
            .replace("a=mid:1\r\n", "a=mid:3\r\n")
            .replace("BUNDLE 0 1", "BUNDLE 0 3"),
    );
    assert_eq!(lines(&to_a, "a=mid:"), ["a=mid:0", "a=mid:3", "a=mid:2"]);
    assert_eq!(sections(&to_b)[1].port, 20010);
}

#[test]
fn an_answer_with_video_may_follow_one_without() {
    let (mut a, mut b) = browser_and_phone();
    exchange(&mut a, text!("chromium-offer-audio-video-data"), &mut b, text!("baresip-answer"));
    assert!(!a.has_video());
    // Another branch answers the same offer.
    let mut c = with_video(rtp());
    c.offer(&a).unwrap();
    c.rollback();
    let mut first = with_video(webrtc());
    first.handle_offer(text!("chromium-offer-audio-video-data").as_bytes()).unwrap();
    c.offer(&first).unwrap();
    c.handle_answer(phone_answers(PHONE_VIDEO).as_bytes()).unwrap();
    let to_a = shown(&a.answer(&c).unwrap());
    assert!(sections(&to_a)[1].is_live() && a.has_video(), "{to_a}");
}

#[test]
fn the_keys_of_video_are_its_own() {
    let (mut a, mut b) = (with_video(rtp()), with_video(webrtc()));
    let key = |number: char| {
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", number.to_string().repeat(40))
    };
    let offer = text!("baresip-offer").replace("RTP/AVP 8", "RTP/SAVP 8")
        + &key('A')
        + &PHONE_VIDEO.replace("RTP/AVP", "RTP/SAVP")
        + &key('B');
    let (_, to_a) = exchange(&mut a, &offer, &mut b, &browser_answers("96", BROWSER_VP8));
    let keys = lines(&to_a, "a=crypto:");
    assert_eq!(keys.len(), 2, "{to_a}");
    assert_ne!(keys[0], keys[1]);
    let (audio, video) = (a.agreed().unwrap().sdes.unwrap(), a.agreed_video().unwrap().leg.sdes.unwrap());
    assert!(audio.receive != video.receive && audio.send != video.send);

    // Asked again, nothing changes; another key of theirs for the video changes that of the video alone.
    let again = offer.replace(&key('B'), &key('C'));
    let (_, changed) = exchange(&mut a, &again, &mut b, &browser_answers("96", BROWSER_VP8));
    let others = lines(&changed, "a=crypto:");
    assert_eq!(others[0], keys[0]);
    assert_ne!(others[1], keys[1]);
}

#[test]
fn the_name_of_a_video_leads_back_to_its_leg() {
    let leg = LegKey((7 << 48) | 1025);
    assert!(leg.video().is_video() && !leg.is_video());
    assert_eq!((leg.video().owner(), leg.video().video()), (leg, leg.video()));
}

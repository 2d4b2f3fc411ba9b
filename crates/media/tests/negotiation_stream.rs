//! Offer and answer of a stream: one publishes, others watch.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::negotiation::{Party, Refusal, payload_map, video_map};
use ringback_media::sdp::{Direction, MediaType, Section};
use sdp_peers::{sections, text, webrtc, with_video};

/// Chromium that publishes.
fn publishes() -> String {
    text!("chromium-offer-audio-video-data").replace("a=sendrecv", "a=sendonly")
}

/// Chromium that watches.
fn watches() -> String {
    text!("chromium-offer-audio-video-data").replace("a=sendrecv", "a=recvonly")
}

fn publisher() -> Party {
    let mut party = with_video(webrtc());
    party.handle_offer(publishes().as_bytes()).unwrap();
    party.answer_publisher().unwrap();
    party
}

fn names(section: &Section) -> Vec<String> {
    section.codecs.iter().map(ToString::to_string).collect()
}

#[test]
fn a_publisher_is_answered_with_one_codec_of_each_kind() {
    let mut party = with_video(webrtc());
    party.handle_offer(publishes().as_bytes()).unwrap();
    let answer = sections(party.answer_publisher().unwrap());
    assert_eq!(names(&answer[0]), ["opus/48000/2"]);
    assert_eq!(names(&answer[1]), ["VP8/90000", "rtx/90000"]);
    assert_eq!((answer[0].direction, answer[1].direction), (Direction::RecvOnly, Direction::RecvOnly));
    assert!(!answer[2].is_live(), "data has no place in a stream");
    let settings = party.agreed().unwrap();
    assert!(settings.sends && !settings.receives);
    assert!(party.agreed_video().unwrap().leg.sends);
}

#[test]
fn who_watches_is_answered_with_what_is_published_and_nothing_else() {
    let (published, mut viewer) = (publisher(), with_video(webrtc()));
    viewer.handle_offer(watches().as_bytes()).unwrap();
    let answer = sections(viewer.answer_viewer(&published).unwrap());
    assert_eq!(names(&answer[0]), ["opus/48000/2"]);
    assert_eq!(names(&answer[1]), ["VP8/90000", "rtx/90000"]);
    assert_eq!((answer[0].direction, answer[1].direction), (Direction::SendOnly, Direction::SendOnly));
    let settings = viewer.agreed().unwrap();
    assert!(settings.receives && !settings.sends);
    assert_eq!(payload_map(&published, &viewer).iter().collect::<Vec<_>>(), [(111, 111)]);
    assert_eq!(video_map(&published, &viewer).iter().collect::<Vec<_>>(), [(96, 96)]);
}

#[test]
fn who_is_offered_a_stream_can_take_it_without_its_video() {
    let (published, mut viewer) = (publisher(), with_video(webrtc()));
    let offer = sections(viewer.offer_stream(&published).unwrap());
    assert_eq!(
        (names(&offer[0]), names(&offer[1])),
        (vec!["opus/48000/2".to_owned()], vec!["VP8/90000".to_owned(), "rtx/90000".to_owned()])
    );
    assert_eq!((offer[0].direction, offer[1].direction), (Direction::SendOnly, Direction::SendOnly));
    assert_eq!(offer[1].media, MediaType::Video);
    let answer = text!("chromium-answer-all").replace("a=sendrecv", "a=recvonly");
    viewer.handle_answer(answer.as_bytes()).unwrap();
    assert!(viewer.agreed().unwrap().receives && viewer.agreed_video().is_none());
    assert_eq!(payload_map(&published, &viewer).iter().collect::<Vec<_>>(), [(111, 111)]);
}

#[test]
fn a_publisher_of_h264_is_taken_at_its_word() {
    let mut party = with_video(webrtc());
    let offer = publishes().replace("VP8/90000", "VP10/90000");
    party.handle_offer(offer.as_bytes()).unwrap();
    let answer = sections(party.answer_publisher().unwrap());
    let video = &answer[1].codecs[0];
    assert_eq!(
        (video.name.as_str(), video.parameter("packetization-mode")),
        ("H264", Some("1")),
        "{answer:?}"
    );
}

#[test]
fn what_nobody_could_watch_is_refused() {
    let mut party = with_video(webrtc());
    let silent = publishes().replace("m=audio 51372 ", "m=audio 0 ");
    assert_eq!(party.handle_offer(silent.as_bytes()), Err(Refusal::NoAudio));
    let mut viewer = with_video(webrtc());
    let unpublished = with_video(webrtc());
    assert_eq!(viewer.offer_stream(&unpublished), Err(Refusal::NoDescription));
    viewer.handle_offer(watches().as_bytes()).unwrap();
    assert!(matches!(viewer.answer_viewer(&unpublished), Err(Refusal::NoCommonCodec { .. })));
}

//! Which codecs pass, under which numbers, and what each packet's payload type becomes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::negotiation::{Keys, Party, Refusal, Signalled, Transcoding, patch, payload_map};
use ringback_media::sdp::{Codec, Kind};
use sdp_peers::{exchange, line, rtp, rtp_with_ports, sections, shown, text, webrtc};

fn map(from: &Party, to: &Party) -> Vec<(u8, u8)> {
    payload_map(from, to).iter().collect()
}

/// A plain description of these formats.
fn plain(formats: &str, lines: &[&str]) -> String {
    let attributes: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
    format!("v=0\r\nc=IN IP4 198.51.100.9\r\nm=audio 4000 RTP/AVP {formats}\r\n{attributes}")
}

#[test]
fn numbers_differ_between_the_legs() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (_, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("phone-answer-other-numbers"));
    assert_eq!(line(&to_a, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 111 0 126"));
    assert_eq!(
        line(&to_a, "a=fmtp:111"),
        Some("a=fmtp:111 useinbandfec=1"),
        "what the phone wants to receive"
    );
    assert_eq!(line(&to_a, "a=ptime"), Some("a=ptime:20"));

    // The phone receives as its answer says.
    assert_eq!(map(&a, &b), [(0, 0), (111, 107), (126, 96)]);
    // It sends as our offer said; its own numbers are taken as well, for phones that send with those.
    assert_eq!(map(&b, &a), [(0, 0), (96, 126), (107, 111), (111, 111), (126, 126)]);

    let payloads = b.agreed().unwrap().payloads;
    let events = payloads.meaning(126).unwrap();
    assert_eq!((events.kind, events.clock_rate), (Kind::TelephoneEvent, 8000));
    assert_eq!(payloads.meaning(111).unwrap().clock_rate, 48000);
    assert!(!payloads.accepts(110), "the phone did not take events at 48000");
    assert!(!payloads.accepts(9) && !payloads.accepts(63));
}

#[test]
fn a_number_of_theirs_never_overrides_one_of_ours() {
    // Both sides use 96 and 97, for each other's formats.
    let (mut a, mut b) = (rtp(), rtp_with_ports(20002, 20003));
    let offer = plain("96 97", &["rtpmap:96 opus/48000/2", "rtpmap:97 speex/16000"]);
    let answer = plain("96 97", &["rtpmap:96 speex/16000", "rtpmap:97 opus/48000/2"]);
    exchange(&mut a, &offer, &mut b, &answer);
    assert_eq!(map(&a, &b), [(96, 97), (97, 96)]);
    assert_eq!(map(&b, &a), [(96, 96), (97, 97)], "B sends with the numbers of our offer");
}

#[test]
fn events_pass_only_beside_audio_of_their_clock_rate() {
    let events = |answer: &str| {
        let (mut a, mut b) = (webrtc(), rtp());
        let (_, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, answer);
        sections(to_a)[0]
            .codecs
            .iter()
            .filter(|codec| codec.kind() == Kind::TelephoneEvent)
            .map(|codec| (codec.payload_type, codec.clock_rate))
            .collect::<Vec<_>>()
    };
    let opus = "rtpmap:96 opus/48000/2";
    let (wide, narrow) = ("rtpmap:97 telephone-event/48000", "rtpmap:98 telephone-event/8000");
    assert_eq!(events(&plain("96 97 98", &[opus, wide, narrow])), [(110, 48000)]);
    assert_eq!(events(&plain("96 98", &[opus, narrow])), [(110, 48000)], "made into what the phone hears");
    assert_eq!(events(&plain("8 97 98", &[wide, narrow])), [(126, 8000)]);
    assert_eq!(events(&plain("8 96 97 98", &[opus, wide, narrow])), [(110, 48000), (126, 8000)]);
    assert_eq!(events(&plain("8", &[])), [(126, 8000)], "made into what the phone hears");
}

#[test]
fn the_events_of_a_browser_are_made_into_what_a_phone_without_them_hears() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (_, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("phone-answer-no-events"));
    assert_eq!(line(&to_a, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 8 126"));
    assert_eq!(payload_map(&a, &b).translate(126), None);
    let kinds = |codecs: &[Codec]| codecs.iter().map(Codec::kind).collect::<Vec<_>>();
    let to_b = patch(&a, &b, Signalled::default()).unwrap();
    assert_eq!(
        (kinds(&to_b.from), kinds(&to_b.to)),
        (vec![Kind::Audio, Kind::TelephoneEvent], vec![Kind::Audio])
    );
    assert_eq!(to_b.keys, Keys::Heard);
    let told = Signalled { to: true, ..Signalled::default() };
    assert_eq!(patch(&a, &b, told).unwrap().keys, Keys::Told);
    let back = patch(&b, &a, Signalled::default()).unwrap();
    assert_eq!(
        (kinds(&back.from), kinds(&back.to)),
        (vec![Kind::Audio], vec![Kind::Audio, Kind::TelephoneEvent])
    );
}

#[test]
fn a_phone_without_events_leaves_them_out_of_the_answer_where_nothing_is_made() {
    let (mut a, mut b) = (webrtc(), rtp());
    a.set_transcoding(Transcoding::Never);
    b.set_transcoding(Transcoding::Never);
    let (_, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("phone-answer-no-events"));
    assert_eq!(line(&to_a, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 8"));
    assert_eq!(map(&a, &b), [(8, 8)]);
    assert_eq!(payload_map(&a, &b).translate(126), None);
    assert_eq!(patch(&a, &b, Signalled::default()), None);
}

#[test]
fn the_answer_follows_the_order_of_the_answerer() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (_, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, &plain("8 9 0", &[]));
    assert_eq!(line(&to_a, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 8 9 0 126"));
    assert_eq!(a.agreed().unwrap().codec, "PCMA");
}

#[test]
fn a_later_offer_from_the_other_side_keeps_each_legs_numbers() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("phone-answer-other-numbers"));
    // B offers in its own numbers, and 111 for something else.
    let offer = plain(
        "107 0 111 96",
        &["rtpmap:107 opus/48000/2", "rtpmap:111 speex/16000", "rtpmap:96 telephone-event/8000"],
    );
    b.handle_offer(offer.as_bytes()).unwrap();
    let to_a = sections(a.offer(&b).unwrap());
    let shown: Vec<_> =
        to_a[0].codecs.iter().map(|codec| format!("{} {codec}", codec.payload_type)).collect();
    assert_eq!(shown, ["111 opus/48000/2", "0 PCMU/8000", "96 speex/16000", "126 telephone-event/8000"]);

    a.handle_answer(text!("chromium-answer-all").as_bytes()).unwrap();
    b.answer(&a).unwrap();
    assert_eq!(map(&b, &a), [(0, 0), (96, 126), (107, 111)]);
    // 126 is of A's own answer only in the first exchange: from A it is what our offer gave it.
    assert_eq!(map(&a, &b), [(0, 0), (111, 107), (126, 96)]);
}

#[test]
fn an_answer_that_took_nothing_we_offered_names_the_codecs_of_both() {
    let (mut a, mut b) = (webrtc(), rtp());
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    b.offer(&a).unwrap();
    let refusal = b.handle_answer(text!("phone-offer-only-g729").as_bytes()).unwrap_err();
    assert_eq!((refusal.status(), refusal.warning()), (488, 305));
    assert_eq!(
        refusal.to_string(),
        "No codec in common: one side has opus/48000/2, G722/8000, PCMU/8000, PCMA/8000; \
         the other has G729/8000, G723/8000",
    );
}

#[test]
fn a_browser_and_a_phone_that_share_nothing() {
    // A's codec left the call, and what B described before does not have the new one.
    let (mut a, mut b) = (rtp(), rtp_with_ports(20002, 20003));
    exchange(&mut a, text!("sipp-offer"), &mut b, text!("sipp-answer"));
    a.handle_offer(text!("phone-offer-only-g729").as_bytes()).unwrap();
    let refusal = a.answer(&b).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::NoCommonCodec {
            offered: vec!["G729/8000".into(), "G723/8000".into()],
            supported: vec!["PCMU/8000".into()],
        },
    );
    assert_eq!(a.codecs(), ["G729/8000", "G723/8000"]);
    assert_eq!(a.agreed().unwrap().codec, "PCMU", "the agreement stays");
}

#[test]
fn the_echo_of_an_unknown_codec_is_refused_by_name() {
    let mut a = rtp();
    a.handle_offer(text!("phone-offer-only-g729").as_bytes()).unwrap();
    assert_eq!(
        a.answer_alone().unwrap_err().to_string(),
        "No codec in common: one side has G729/8000, G723/8000; \
         the other has opus/48000/2, G722/8000, PCMA/8000, PCMU/8000",
    );
}

#[test]
fn every_audio_codec_of_an_offer_passes_with_its_parameters() {
    let (mut a, mut b) = (rtp(), webrtc());
    a.handle_offer(text!("linphone-offer").as_bytes()).unwrap();
    let offer = shown(&b.offer(&a).unwrap());
    assert_eq!(line(&offer, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 96 97 98 0 8 18 101 99 100"));
    for parameters in ["a=fmtp:96 useinbandfec=1", "a=fmtp:97 vbr=on", "a=fmtp:18 annexb=yes"] {
        assert!(offer.contains(parameters), "{parameters}");
    }
    assert_eq!(line(&offer, "a=rtcp-fb"), None);
    assert_eq!(line(&offer, "a=extmap"), None);
}

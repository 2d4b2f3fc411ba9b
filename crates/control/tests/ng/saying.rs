//! What the flags say, however it is said.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ringback_control::ng::{
    CodecChange, Command, Dict, Dtls, DtmfSecurity, Family, Flags, Ice, Osrtp, Replace, RtcpMux, Sdes,
    Switch, TransportProtocol,
};

use crate::kit::{World, about, browser, dict, phone, sdp, text};

#[test]
fn a_key_an_entry_and_a_word_say_the_same() {
    let by_keys = Flags::read(&dict(&[
        ("transport-protocol", "UDP/TLS/RTP/SAVPF"),
        ("ICE", "force"),
        ("DTLS", "passive"),
        ("SDES", "|off|no-NULL_HMAC_SHA1_32"),
        ("OSRTP", "|accept"),
        ("rtcp-mux", "|offer|require"),
        ("replace", "|origin|session connection"),
        ("direction", "|priv|pub"),
        ("flags", "|trust address|symmetric|generate mid|record call|codec-strip-opus"),
        ("address family", "IP6"),
        ("media address", "2001:db8::1"),
        ("DTMF-security", "silence"),
        ("received from", "|IP4|198.51.100.7"),
    ]));
    let line = "UDP/TLS/RTP/SAVPF ICE=force DTLS=passive SDES-off SDES-no-NULL_HMAC_SHA1_32 OSRTP-accept \
                rtcp-mux-offer rtcp-mux-require replace-origin replace-session-connection direction=priv \
                direction=pub trust-address symmetric generate-mid record-call codec-strip-opus \
                address-family=IP6 media-address=2001:db8::1 DTMF-security=silence received-from=198.51.100.7";
    assert_eq!(Flags::read(&dict(&[("rtpp-flags", line)])), by_keys);
    let expected = Flags {
        transport: Some(TransportProtocol::DtlsSavpf),
        ice: Some(Ice::Force),
        dtls: Some(Dtls::Passive),
        sdes: vec![Sdes::Off, Sdes::Without("NULL_HMAC_SHA1_32".to_owned())],
        osrtp: BTreeSet::from([Osrtp::Accept]),
        rtcp_mux: BTreeSet::from([RtcpMux::Offer, RtcpMux::Require]),
        replace: BTreeSet::from([Replace::Origin, Replace::SessionConnection]),
        direction: vec!["priv".into(), "pub".into()],
        codecs: vec![(CodecChange::Strip, "opus".to_owned())],
        switches: BTreeSet::from([Switch::TrustAddress, Switch::Symmetric, Switch::GenerateMid]),
        media_address: Some("2001:db8::1".parse().unwrap()),
        family: Some(Family::Ip6),
        received_from: Some("198.51.100.7".parse().unwrap()),
        dtmf_security: Some(DtmfSecurity::Silence),
        record_call: Some(true),
        ..Flags::default()
    };
    assert_eq!(by_keys, expected);
}

#[test]
fn a_script_may_say_half_of_a_transport_protocol() {
    let of = |line: &str| Flags::read(&dict(&[("rtpp-flags", line)])).transport;
    for (line, expected) in [
        ("", None),
        ("RTP/AVP", Some(TransportProtocol::Avp)),
        ("SRTP AVPF", Some(TransportProtocol::Savpf)),
        ("AVPF SRTP", Some(TransportProtocol::Savpf)),
        ("RTP/SAVPF RTP AVP", Some(TransportProtocol::Avp)),
        ("DTLS", Some(TransportProtocol::DtlsSavp)),
        ("UDP/TLS/RTP/SAVP AVPF", Some(TransportProtocol::DtlsSavpf)),
        ("transport-protocol=accept", Some(TransportProtocol::Accept)),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn codecs_come_in_a_dictionary_too() {
    let codec = Dict::new().with("transcode", dict(&[("x", "|PCMU|PCMA")]).value("x").unwrap().clone());
    let flags = Flags::read(&Dict::new().with("codec", ringback_control::ng::Value::Dict(codec)));
    let expected = [(CodecChange::Transcode, "PCMU".to_owned()), (CodecChange::Transcode, "PCMA".to_owned())];
    assert_eq!(flags.codecs, expected);
}

#[test]
fn what_is_not_known_is_counted_by_name_within_bounds() {
    let mut world = World::new();
    let sdp = phone("203.0.113.9", 4000);
    let more = [
        ("from-tag", "a"),
        ("sdp", &sdp[..]),
        ("flags", "|moon-phase|trust-address"),
        ("weather", "fair"),
        ("ICE", "hot"),
    ];
    for _ in 0..2 {
        assert_eq!(text(&world.ask(&about("offer", &more)), "result"), "ok");
    }
    let unknown: Vec<_> =
        world.engine.stats().unknown_flags.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(unknown, [("ICE", 2), ("moon-phase", 2), ("weather", 2)]);
    for number in 0..300 {
        let flag = format!("|f{number}");
        world.ask(&about("offer", &[("from-tag", "a"), ("sdp", &sdp), ("flags", &flag)]));
    }
    assert_eq!(
        (world.engine.stats().unknown_flags.len(), world.engine.stats().unknown_flags_beyond),
        (256, 47)
    );
}

#[test]
fn codecs_are_stripped_kept_and_never_all_lost() {
    for (flags, expected) in [
        ("|codec-strip-opus", "9 0 8 110"),
        ("|codec-strip-opus/48000/2|codec-strip-G722/16000", "9 0 8 110"),
        ("|codec-strip-111;9", "0 8 110"),
        ("|codec-strip-all|codec-offer-PCMA|codec-offer-telephone-event", "8 110"),
        ("|codec-mask-all|transcode-PCMU", "0 110"),
        ("|codec-except-PCMU", "0"),
        ("|codec-strip-all", "111 9 0 8 110"),
    ] {
        let mut world = World::new();
        let offer = browser("actpass", "brow");
        let more =
            [("from-tag", "a"), ("sdp", &offer[..]), ("flags", flags), ("transport-protocol", "RTP/AVP")];
        let offered = sdp(&world.ask(&about("offer", &more)));
        assert!(offered.contains(&format!(" RTP/AVP {expected}\r\n")), "{flags}: {offered}");
    }
}

#[test]
fn what_is_lost_on_the_way_is_a_warning() {
    let mut world = World::new();
    let offer = phone("203.0.113.9", 4000);
    let more = [("from-tag", "a"), ("sdp", &offer[..]), ("ICE", "force"), ("flags", "|codec-transcode-iLBC")];
    let answer = world.ask(&about("offer", &more));
    sdp(&answer);
    let warning = text(&answer, "warning");
    for words in ["no ICE", "no other codec"] {
        assert!(warning.contains(words), "no {words} in {warning}");
    }
}

#[test]
fn an_interface_is_chosen_by_name_and_family() {
    let mut world = World::with(|settings| {
        let mut other = settings.interfaces[0].clone();
        other.name = "pub".into();
        other.addresses =
            ["203.0.113.1", "2001:db8::1"].map(|it| it.parse::<IpAddr>().unwrap().into()).to_vec();
        settings.interfaces.push(other);
    });
    let offer = phone("203.0.113.9", 4000);
    let more =
        [("from-tag", "a"), ("sdp", &offer[..]), ("direction", "|default|pub"), ("address family", "IP6")];
    sdp(&world.ask(&about("offer", &more)));
    assert_eq!(
        world.happened(),
        "rtp1 opens at 192.0.2.1, far end 0.0.0.0\nrtp2 opens at 2001:db8::1, far end ::"
    );
}

#[test]
fn stopping_with_pause_is_pausing() {
    for more in [("flags", "|pause"), ("pause", "yes"), ("rtpp-flags", "pause")] {
        let command = Command::read(&about("stop recording", &[more])).unwrap();
        assert!(matches!(command, Command::PauseRecording(_)), "{command:?}");
    }
}

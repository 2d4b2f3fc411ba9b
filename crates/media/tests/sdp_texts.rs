//! Session descriptions as real far ends write them, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use ringback_media::dtls::{Fingerprint, HashAlgorithm};
use ringback_media::sdp::{
    Candidate, Codec, Description, Direction, Host, MAX_FORMATS, MAX_LEN, MAX_SECTIONS, MediaType, Origin,
    ParseError, Rtcp, Section, Setup, fuzz,
};
use ringback_nat::ice::Credentials;
use sdp_peers::text;

/// What the typed view holds of a description, a line for each thing.
fn outline(sdp: &[u8]) -> String {
    let description = Description::parse(sdp).unwrap();
    let mut out = String::new();
    writeln!(out, "lite {} bundles {:?}", description.ice_lite, description.bundles).unwrap();
    for s in &description.sections {
        writeln!(
            out,
            "{} {} {} | {} | mid {:?} mux {} rtcp {:?} setup {:?} ice {:?} fingerprints {}{} candidates {} ptime {:?}{}{}",
            s.media.value(),
            s.port,
            s.protocol,
            s.direction,
            s.mid,
            s.rtcp_mux,
            s.rtcp.map(|rtcp| rtcp.to_string()),
            s.setup.map(Setup::value),
            s.ice.as_ref().map(|ice| &ice.ufrag),
            s.fingerprints.len(),
            if s.has_unusable_fingerprint { " and unusable ones" } else { "" },
            s.candidates.len(),
            s.ptime,
            if s.bundle_only { " bundle-only" } else { "" },
            if s.has_crypto { " crypto" } else { "" },
        )
        .unwrap();
        writeln!(out, "  at {}", s.connection.as_ref().map_or("nowhere".to_owned(), Host::to_string))
            .unwrap();
        for codec in &s.codecs {
            writeln!(out, "  {} {codec} {}", codec.payload_type, codec.fmtp.as_deref().unwrap_or(""))
                .unwrap();
        }
    }
    out.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn chromium() {
    insta::assert_snapshot!(outline(text!("chromium-offer-audio-video-data").as_bytes()));
}

#[test]
fn chromium_with_hidden_addresses() {
    insta::assert_snapshot!(outline(text!("chromium-offer-hidden-addresses").as_bytes()));
}

#[test]
fn firefox() {
    insta::assert_snapshot!(outline(text!("firefox-offer").as_bytes()));
}

#[test]
fn linphone() {
    insta::assert_snapshot!(outline(text!("linphone-offer").as_bytes()));
}

#[test]
fn attributes_of_the_session_level_hold_for_every_section() {
    insta::assert_snapshot!(outline(text!("session-level-attributes").as_bytes()));
}

#[test]
fn untidy_lines_refuse_nothing_that_a_call_needs() {
    insta::assert_snapshot!(outline(include_bytes!("../../../fuzz/corpus/sdp/untidy-lines.sdp")));
}

#[test]
fn an_error_names_the_line_of_the_text() {
    let broken = "v=0\r\no=broken\r\ns=-\r\nm=audio x RTP/AVP 0\r\n";
    assert_eq!(Description::parse(broken.as_bytes()), Err(ParseError::Line(4)));
    assert_eq!(Description::parse(b"INVITE sip:a SIP/2.0\r\n"), Err(ParseError::NoVersion));
    assert_eq!(Description::parse(b""), Err(ParseError::NoVersion));
    assert_eq!(Description::parse(b"v=1\r\n"), Err(ParseError::NoVersion));
}

#[test]
fn limits() {
    let with_sections = |n| format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(n));
    assert!(Description::parse(with_sections(MAX_SECTIONS).as_bytes()).is_ok());
    assert_eq!(
        Description::parse(with_sections(MAX_SECTIONS + 1).as_bytes()),
        Err(ParseError::TooManySections(MAX_SECTIONS + 1)),
    );

    let with_formats = |n| {
        let formats: Vec<_> = (0..n).map(|n: usize| n.to_string()).collect();
        format!("v=0\r\nm=audio 1 RTP/AVP {}\r\n", formats.join(" "))
    };
    assert!(Description::parse(with_formats(MAX_FORMATS).as_bytes()).is_ok());
    assert_eq!(
        Description::parse(with_formats(MAX_FORMATS + 1).as_bytes()),
        Err(ParseError::TooManyFormats(MAX_FORMATS + 1)),
    );

    let mut long = b"v=0\r\na=x:".to_vec();
    long.resize(MAX_LEN, b'x');
    assert!(Description::parse(&long).is_ok());
    long.push(b'x');
    assert_eq!(Description::parse(&long), Err(ParseError::TooLong(MAX_LEN + 1)));

    // More candidates than are kept do no harm: a machine may have dozens of interfaces.
    let candidates = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n".repeat(100);
    let sdp = format!("v=0\r\nm=audio 1 RTP/AVP 0\r\n{candidates}a=recvonly\r\n");
    let section = Description::parse(sdp.as_bytes()).unwrap().sections.remove(0);
    assert_eq!((section.candidates.len(), section.direction), (64, Direction::RecvOnly));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the corpus is read from the source tree")]
fn the_corpus_holds_what_the_fuzz_target_checks() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let mut replayed = 0;
    for entry in corpus.read_dir().unwrap() {
        fuzz::sdp(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 20, "{replayed} files in {}", corpus.display());
}

/// Texts with a few bytes changed, lines doubled or lost: nearer to the edge of the grammar than random bytes.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop::sample::select(vec![
        text!("chromium-offer-audio-video-data"),
        text!("firefox-offer"),
        text!("linphone-offer"),
        text!("phone-offer-sdes-or-plain"),
    ]);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 0..12);
    (texts, damage).prop_map(|(text, damage)| {
        let mut lines: Vec<Vec<u8>> =
            text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
        for (index, what, byte) in damage {
            let at = index.index(lines.len());
            match what {
                0 => lines.insert(at, lines[at].clone()),
                1 if lines.len() > 1 => drop(lines.remove(at)),
                2 => {
                    let column = index.index(lines[at].len() + 1);
                    lines[at].insert(column, byte);
                }
                _ => {
                    let column = index.index(lines[at].len().max(1));
                    if let Some(place) = lines[at].get_mut(column) {
                        *place = byte;
                    }
                }
            }
        }
        lines.concat()
    })
}

fn codec() -> impl Strategy<Value = Codec> {
    (0..128u8, "[A-Za-z][A-Za-z0-9-]{0,12}", 1..100_000u32, 1..4u8, prop::option::of("[a-z]{1,8}=[0-9]{1,4}"))
        .prop_map(|(payload_type, name, clock_rate, channels, fmtp)| Codec {
            payload_type,
            name,
            clock_rate,
            channels,
            fmtp,
        })
}

prop_compose! {
    fn section()(
        codecs in prop::collection::btree_map(0..128u8, codec(), 1..8),
        port in 1..u16::MAX,
        direction in prop::sample::select(Direction::ALL.to_vec()),
        mid in prop::option::of("[a-z0-9]{1,8}"),
        rtcp in prop::option::of(1..u16::MAX),
        mux: bool,
        ice in prop::option::of(("[A-Za-z0-9+/]{4,16}", "[A-Za-z0-9+/]{22,32}")),
        addresses in prop::collection::vec((any::<std::net::IpAddr>(), 1..u16::MAX), 0..4),
        fingerprint in prop::option::of(any::<[u8; 32]>()),
        setup in prop::option::of(prop::sample::select(vec![Setup::ActPass, Setup::Active, Setup::Passive])),
        ptime in prop::option::of(1..200u16),
        rejected in prop::bool::weighted(0.2),
    ) -> Section {
        let codecs: Vec<Codec> =
            codecs.into_iter().map(|(payload_type, codec)| Codec { payload_type, ..codec }).collect();
        let formats: Vec<String> = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
        let addresses: Vec<_> = addresses.into_iter().map(|(ip, port)| std::net::SocketAddr::new(ip, port)).collect();
        let section = Section {
            connection: Some(Host::Address("192.0.2.9".parse().unwrap())),
            codecs,
            direction,
            mid,
            rtcp: rtcp.map(|port| Rtcp { port, address: None }),
            rtcp_mux: mux,
            ice: ice.map(|(ufrag, pwd)| Credentials { ufrag, pwd }),
            end_of_candidates: !addresses.is_empty(),
            candidates: Candidate::hosts(&addresses),
            fingerprints: fingerprint
                .map(|value| Fingerprint { hash: HashAlgorithm::Sha256, value: value.to_vec() })
                .into_iter()
                .collect(),
            setup,
            ptime,
            ..Section::new(MediaType::Audio, port, "RTP/AVP", &formats.join(" "))
        };
        if rejected {
            Section { port: 0, direction: Direction::SendRecv, ..section }
        } else {
            section
        }
    }
}

proptest! {
    #[test]
    fn what_we_write_parses_back(
        sections in prop::collection::vec(section(), 0..4),
        session: u64,
        version: u64,
        ice_lite: bool,
        bundles in prop::collection::vec(prop::collection::vec("[a-z0-9]{1,4}", 1..4), 0..2),
    ) {
        let description = Description {
            connection: Some(Host::Address("192.0.2.9".parse().unwrap())),
            ice_lite,
            bundles,
            sections,
            ..Description::new(Origin { session, version, address: "192.0.2.9".parse().unwrap() })
        };
        prop_assert_eq!(Description::parse(&description.write()), Ok(description));
    }

    #[test]
    fn damaged_texts_never_panic(text in damaged()) {
        fuzz::sdp(&text);
    }

    #[test]
    fn any_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..512)) {
        fuzz::sdp(&data);
        fuzz::sdp(&[b"v=0\r\nm=audio 1 RTP/AVP 0 96\r\na=", &data[..]].concat());
    }
}

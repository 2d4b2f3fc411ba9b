use super::*;
use crate::tap::ladder::tests::{entry, message};

fn saved(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let call = |from, way, start: &str| entry(1, 1500, from, &message(start, "c1", "1 BYE", ""), way, &[]);
    let told = Entry {
        what: What::Told("opened".to_owned()),
        ..call(Side::Browser, Way::Through, "BYE sip:x SIP/2.0")
    };
    let entries = [
        told,
        call(Side::Browser, Way::Through, "BYE sip:x SIP/2.0"),
        call(Side::Browser, Way::ToTap, "BYE sip:y SIP/2.0"),
        call(Side::Server, Way::FromTap, "SIP/2.0 486 Busy Here"),
    ];
    write(&path, entries.iter()).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    let again = write(&path, entries.iter()).unwrap_err().to_string();
    assert!(again.contains("cannot be written: File exists"), "{again}");
    std::fs::read(path).unwrap()
}

/// The addresses of each UDP packet in a pcap file of IPv4, and the first bytes of what it carries.
fn packets(mut file: &[u8]) -> Vec<String> {
    let mut packets = Vec::new();
    file = &file[24..];
    while !file.is_empty() {
        let length = u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize;
        let packet = &file[16..16 + length];
        let port = |at: usize| u16::from_be_bytes(packet[at..at + 2].try_into().unwrap());
        let text = String::from_utf8_lossy(&packet[28..]).lines().next().unwrap().to_owned();
        packets.push(format!("{} → {}: {text}", port(20), port(22)));
        file = &file[16 + length..];
    }
    packets
}

#[test]
fn a_pcap_has_each_message_on_each_connection_that_it_was_on() {
    assert_eq!(
        packets(&saved("tap.pcap")),
        [
            "40000 → 8088: BYE sip:x SIP/2.0",
            "50000 → 8080: BYE sip:x SIP/2.0",
            "40000 → 8088: BYE sip:y SIP/2.0",
            "8088 → 40000: SIP/2.0 486 Busy Here",
        ]
    );
}

#[test]
fn a_hep_file_is_one_packet_after_the_other() {
    let mut file = &saved("tap.hep")[..];
    let mut packets = 0;
    while !file.is_empty() {
        assert_eq!(&file[..4], b"HEP3");
        let length = usize::from(u16::from_be_bytes(file[4..6].try_into().unwrap()));
        file = &file[length..];
        packets += 1;
    }
    assert_eq!(packets, 4);
}

#[test]
fn a_text_is_for_people() {
    insta::assert_snapshot!(String::from_utf8(saved("tap.txt")).unwrap());
}

#[test]
fn a_name_says_the_form() {
    for (name, form) in [
        ("a.pcap", Some(Form::Pcap)),
        ("a.b.hep", Some(Form::Hep)),
        ("a.txt", Some(Form::Text)),
        ("pcap", None),
    ] {
        assert_eq!(Form::of(Path::new(name)), form);
    }
    let error = write(Path::new("a.doc"), std::iter::empty()).unwrap_err().to_string();
    assert_eq!(error, "`a.doc` says no form; end the name in .pcap, .hep or .txt");
}

//! Whatever comes to the proxy core: random scripts, and the corpus of the fuzz target.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;

use ringback_sansio::sim::{Clock, Rng};
use ringback_sip::proxy::fuzz::{self, Depth};

const REQUESTS: [&str; 4] = [
    "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\n\
     To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nRoute: <sip:ours.example;lr;r2=on>, \
     <sip:t@ours.example;lr;r2=on>,<sip:far.example;lr>\r\nContent-Length: 0\r\n\r\n",
    "MESSAGE sip:ours.example;lr SIP/2.0\r\nv: SIP/2.0/WSS x.invalid;branch=z9hG4bKb, SIP/2.0/UDP h\r\n\
     f: <sip:a@x>;tag=1\r\nt: <sip:b@x>\r\ni: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 7\r\nMax-Breadth: 3\r\n\
     Route: <sip:far.example>\r\nRoute:  <sip:bob@192.0.2.1>\r\nX-Other : \"as it\"  stands \r\n\r\nbody",
    "SUBSCRIBE sip:bob@example.com;maddr=ours.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
     From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\nProxy-Require: path\r\n\
     Authorization: Digest realm=\"ringback\"\r\nAuthorization: Digest realm=\"other\"\r\n\r\n",
    "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\n\
     To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Breadth: 0\r\n\r\n",
];

/// The scripts are random and the same each time; the counters tell that they are worth something.
#[test]
fn random_branches_come_to_one_answer() {
    let now = Clock::new().now();
    let mut rng = Rng::new(2026);
    let mut sum = Depth::default();
    for round in 0..6000 {
        let mut script = vec![0; 1 + rng.below(60) as usize];
        rng.fill(&mut script);
        let length = u8::try_from(script.len()).unwrap();
        let request = REQUESTS[round % REQUESTS.len()].as_bytes();
        let depth = fuzz::proxy(&[&[length], &script[..], request].concat(), now);
        sum.refused += depth.refused;
        sum.forwarded += depth.forwarded;
        sum.provisional += depth.provisional;
        sum.answered += depth.answered;
        sum.silent += depth.silent;
        sum.redirected += depth.redirected;
        sum.cancelled += depth.cancelled;
    }
    assert_eq!((sum.refused, sum.forwarded), (1500, 4500), "{sum:?}");
    assert!(
        [sum.provisional, sum.answered, sum.silent, sum.redirected, sum.cancelled].iter().all(|&n| n > 100),
        "{sum:?}"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let now = Clock::new().now();
    let mut count = 0;
    for corpus in ["fuzz/corpus/sip_proxy", "fuzz/corpus/sip_message"] {
        for entry in std::fs::read_dir(folder.join(corpus)).unwrap() {
            let mut bytes = std::fs::read(entry.unwrap().path()).unwrap();
            if corpus == "fuzz/corpus/sip_message" {
                bytes.splice(0..0, [5, 0x3f, 4, 0, 60, 1]);
            }
            fuzz::proxy(&bytes, now);
            count += 1;
        }
    }
    assert!(count >= 60, "only {count} files: is this the corpus?");
}

//! Messages for both: made by the grammar, and made from others by small damage.

use std::path::Path;

use ringback_sansio::sim::Rng;

/// A message as the grammar allows it, in many spellings.
pub fn by_the_grammar(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let is_request = rng.below(2) == 0;
    let method = *pick(rng, &["INVITE", "OPTIONS", "MESSAGE", "X-odd.%!*_+`'~"]);
    if is_request {
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&uri(rng));
        out.extend_from_slice(b" SIP/2.0\r\n");
    } else {
        let status = ["100 Trying", "200 ", "404 Not  Found", "699 \u{e4}\u{f6}"];
        out.extend_from_slice(format!("SIP/2.0 {}\r\n", pick(rng, &status)).as_bytes());
    }
    let body = *pick(rng, &["", "v=0\r\n", "\r\n\r\n", "bytes \0 of any kind"]);
    let cseq = format!("7 {method}");
    let length = body.len().to_string();
    let mut headers: Vec<(&str, &str)> = vec![("CSeq", &cseq)];
    if rng.below(4) > 0 {
        headers.push((*pick(rng, &["Content-Length", "l", "CONTENT-length"]), &length));
    }
    for _ in 0..rng.below(12) {
        headers.push(*pick(rng, HEADERS));
    }
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(pick(rng, &[":", ": ", " : ", "\t:\t "]).as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(pick(rng, &["", "", " ", "\t "]).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
    out
}

fn uri(rng: &mut Rng) -> Vec<u8> {
    let scheme = pick(rng, &["sip:", "sips:", "SIP:", "Sips:"]);
    let user = pick(rng, &["", "alice@", "al%69ce:pass$word@", "+1-201;ext=7@", "a/b?c&d=e@", "*43@"]);
    let host =
        pick(rng, &["example.com", "Example.COM:5070", "192.0.2.1", "[2001:db8::1]:65535", "x.invalid:1"]);
    let params = pick(rng, &["", ";transport=tcp", ";lr;x", ";maddr=192.0.2.7;Transport=WS", ";p=%20%41"]);
    [*scheme, *user, *host, *params].concat().into_bytes()
}

const HEADERS: &[(&str, &str)] = &[
    ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"),
    ("v", "SIP/2.0/TCP a,\r\n SIP/2.0/UDP b"),
    ("From", "\"A \\\" B\" <sip:a@x>;tag=1"),
    ("t", "sip:b@x"),
    ("Subject", ""),
    ("s", "folded\r\n \t twice\r\n\tover"),
    ("X-Other", "any: thing; \u{1f600}"),
    ("x-OTHER", "\"quoted, \\\" comma\""),
    ("Contact", "*"),
    ("i", "a@b"),
    ("Warning", "307 x \"y\""),
];

/// The bytes with one to three small faults.
pub fn damaged(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=rng.below(3) {
        if changed.is_empty() {
            break;
        }
        let at = rng.below(changed.len() as u64) as usize;
        let byte = *pick(rng, b"\r\n \t:;,<>\"@%=?&[]/.0a\x00\xffLl");
        match rng.below(4) {
            0 => drop(changed.remove(at)),
            1 => changed[at] = byte,
            2 => changed.insert(at, byte),
            _ => changed[at] ^= 1 << rng.below(8),
        }
    }
    changed
}

/// The corpus of the message parser, the torture tests among it.
#[expect(clippy::disallowed_methods, reason = "a test reads its corpus")]
pub fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sip_message");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u64) as usize]
}

use ringback_sansio::{FiveTuple, Transport};

use super::*;

/// An entry of a message.
pub(in crate::tap) fn entry(
    browser: u32,
    milliseconds: u64,
    from: Side,
    text: &str,
    way: Way,
    notes: &[&str],
) -> Entry {
    let tuple = |transport, local: &str, remote: &str| {
        FiveTuple::new(transport, local.parse().unwrap(), remote.parse().unwrap())
    };
    let ends = Ends {
        browser: tuple(Transport::Ws, "127.0.0.1:8088", "127.0.0.1:40000"),
        server: tuple(Transport::Ws, "127.0.0.1:50000", "127.0.0.1:8080"),
    };
    let came = Bytes::copy_from_slice(text.as_bytes());
    let message = Message::parse(came.clone()).unwrap();
    let left = (way != Way::ToTap).then(|| came.clone());
    let notes = notes.iter().map(|note| (*note).to_owned()).collect();
    let summary = Summary::of(&message);
    let seen = Seen { from, ends: Arc::new(ends), came, left, way, notes, summary };
    Entry {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds),
        elapsed: Duration::from_millis(milliseconds),
        browser,
        what: What::Seen(Box::new(seen)),
    }
}

/// A message of a call.
pub(in crate::tap) fn message(start: &str, call: &str, cseq: &str, more: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{cseq}\r\nFrom: <sip:alice@example.com>;tag=a\r\n\
         To: <sip:bob@example.com>\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
    )
    .replace("z9hG4bK1 ", "z9hG4bK1")
}

fn register(browser: u32, milliseconds: u64, call: &str, cseq: &str, more: &str) -> Entry {
    let text = message("REGISTER sip:example.com SIP/2.0", call, cseq, more);
    entry(browser, milliseconds, Side::Browser, &text, Way::Through, &[])
}

#[test]
fn the_oldest_gives_way_to_the_newest() {
    let mut ladder = Ladder::new(3);
    for at in 0..5 {
        ladder.push(register(1, at, "c", "1 REGISTER", ""));
    }
    let numbers: Vec<u64> = ladder.numbered().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!((ladder.gone(), ladder.get(2).is_none(), ladder.get(6).is_none()), (2, true, true));
    assert_eq!(ladder.get(3).unwrap().elapsed, Duration::from_millis(2));
}

#[test]
fn few_large_messages_are_as_bounded_as_many_small_ones() {
    let mut ladder = Ladder::new(usize::MAX);
    let large = format!("X-Large: {}\r\n", "x".repeat(8000)).repeat(7);
    let entry = register(1, 0, "c", "1 REGISTER", &large);
    let size = entry.size();
    for _ in 0..MOST_BYTES / size + 10 {
        ladder.push(entry.clone());
    }
    assert_eq!(ladder.numbered().len(), MOST_BYTES / size);
}

#[test]
fn a_message_is_compared_with_the_one_like_it_before() {
    let mut ladder = Ladder::new(10);
    let answer = |milliseconds, status: &str| {
        let text = message(&format!("SIP/2.0 {status}"), "c1", "1 REGISTER", "");
        entry(1, milliseconds, Side::Server, &text, Way::Through, &[])
    };
    ladder.push(register(1, 1, "c1", "1 REGISTER", ""));
    ladder.push(answer(2, "100 Trying"));
    ladder.push(answer(3, "401 Unauthorized"));
    ladder.push(register(2, 4, "c2", "1 REGISTER", ""));
    ladder.push(register(1, 5, "c1", "2 REGISTER", ""));
    ladder.push(answer(6, "100 Trying"));
    ladder.push(answer(7, "200 OK"));
    ladder.push(register(1, 8, "c3", "1 REGISTER", ""));
    let previous = |number| ladder.previous(number).map(|(entry, _)| entry.elapsed.as_millis());
    assert_eq!(previous(1), None);
    assert_eq!(previous(4), None, "of another call and another browser");
    assert_eq!(previous(5), Some(1), "of the same call");
    assert_eq!(previous(6), Some(2), "with the same status");
    assert_eq!(previous(7), Some(6), "to the same method");
    assert_eq!(previous(8), Some(5), "of the same browser");
}

#[test]
fn every_word_of_a_filter_must_be_there() {
    let entry = register(2, 1, "c1", "1 REGISTER", "User-Agent: JsSIP 3\r\n");
    for (words, fits) in [
        ("", true),
        ("register", true),
        ("jssip ALICE #2", true),
        ("jssip #1", false),
        ("invite", false),
        ("browser", true),
    ] {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        assert_eq!(entry.has_words(&words), fits, "{words:?}");
    }
}

#[test]
fn every_way_has_its_arrow() {
    let text = message("BYE sip:x SIP/2.0", "c1", "1 BYE", "");
    let mut shown = String::new();
    for lanes in [Lanes::One(26), Lanes::Two(24)] {
        for (browser, notes) in [(1, &[][..]), (2, &["rule 1: drop"])] {
            for way in [Way::Through, Way::ToTap, Way::FromTap] {
                for from in [Side::Browser, Side::Server] {
                    let row = row(&entry(browser, 1, from, &text, way, notes), lanes);
                    let words = format!("{way:?}, from {}", from.word());
                    shown.push_str(&format!("{} {} {} ({words})\n", row.place, row.lane, row.about));
                }
            }
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn nothing_from_the_network_steers_the_terminal() {
    let text = message("MESSAGE sip:x SIP/2.0", "c\u{1b}[2J", "1 MESSAGE", "");
    let text = text.replace("sip:alice@", "sip:ali\u{9b}2Jce@");
    let shown = row(&entry(1, 1, Side::Browser, &text, Way::Through, &[]), Lanes::One(30));
    assert!(
        !format!("{shown:?}").contains("\\u{1b}") && !shown.about.chars().any(char::is_control),
        "{shown:?}"
    );
    assert_eq!(clean(b"a\x1b[31mb\r\nc\x7f"), "a·[31mb··c·");
}

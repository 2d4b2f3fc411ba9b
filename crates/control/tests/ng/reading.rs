//! bencode and JSON, read and written.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_control::ng::{Dict, Encoding, MAX_DEPTH, MAX_VALUES, Message, ReadError, Value, write};

fn read(text: &[u8]) -> Result<Dict, ReadError> {
    let mut datagram = b"1_1 ".to_vec();
    datagram.extend_from_slice(text);
    Message::read(&Bytes::from(datagram)).expect("a cookie").dict
}

#[test]
fn both_writings_say_the_same() {
    let expected = Dict::new()
        .with("command", Value::text("ping"))
        .with("flags", Value::List(vec![Value::text("a"), Value::Number(-3)]))
        .with("codec", Value::Dict(Dict::new().with("strip", Value::List(Vec::new()))));
    assert_eq!(read(b"d7:command4:ping5:flagsl1:ai-3ee5:codecd5:stripleee").as_ref(), Ok(&expected));
    let json = br#" { "command" : "ping", "flags": ["a", -3], "codec": {"strip": []} } "#;
    assert_eq!(read(json).as_ref(), Ok(&expected));
    assert_eq!(
        &write(b"1_1", Encoding::Bencode, &expected)[..],
        b"1_1 d5:codecd5:striplee7:command4:ping5:flagsl1:ai-3eee"
    );
    assert_eq!(
        &write(b"1_1", Encoding::Json, &expected)[..],
        br#"1_1 {"codec":{"strip":[]},"command":"ping","flags":["a",-3]}"#
    );
}

#[test]
fn json_has_its_escapes() {
    let dict =
        read(br#"{"s":"a\r\n\"\\\/\b\f\t\u0041\u00e9\ud83d\ude00","t":true,"f":false,"n":null}"#).unwrap();
    assert_eq!(dict.text("s").unwrap(), "a\r\n\"\\/\u{8}\u{c}\tAé😀".as_bytes());
    assert_eq!((dict.value("t"), dict.value("f")), (Some(&Value::Number(1)), Some(&Value::Number(0))));
    assert_eq!(dict.value("n"), Some(&Value::text("")));
}

#[test]
fn what_is_no_dictionary_has_a_reason() {
    for (text, expected) in [
        ("", ReadError::Cut(0)),
        ("x", ReadError::Unexpected(0)),
        ("le", ReadError::NoDict),
        ("4:ping", ReadError::NoDict),
        ("d", ReadError::Cut(1)),
        ("d1:a", ReadError::Cut(4)),
        ("d1:ai1e", ReadError::Cut(7)),
        ("di1ei1ee", ReadError::Unexpected(1)),
        ("d1:a1:be1", ReadError::Trailing(8)),
        ("d1:a1:b1:a1:ce", ReadError::Twice(7)),
        ("d9:ae", ReadError::Cut(1)),
        ("d99999999999999999999:ae", ReadError::Number(1)),
        ("d999999999999999999999999:ae", ReadError::Number(1)),
        ("d01:a1:be", ReadError::Number(1)),
        ("d1:ai01ee", ReadError::Number(4)),
        ("d1:ai-0ee", ReadError::Number(4)),
        ("d1:aiee", ReadError::Number(4)),
        ("d1:ai9223372036854775808ee", ReadError::Number(4)),
        ("{", ReadError::Cut(1)),
        ("{\"a\":1,}", ReadError::Unexpected(7)),
        ("{\"a\" 1}", ReadError::Unexpected(5)),
        ("{a:1}", ReadError::Unexpected(1)),
        ("{\"a\":1}x", ReadError::Trailing(7)),
        ("{\"a\":1,\"a\":2}", ReadError::Twice(7)),
        ("{\"a\":1.5}", ReadError::Number(5)),
        ("{\"a\":01}", ReadError::Number(5)),
        ("{\"a\":-}", ReadError::Number(5)),
        ("{\"a\":\"b}", ReadError::Cut(5)),
        ("{\"a\":\"\n\"}", ReadError::Unexpected(6)),
        ("{\"a\":\"\\x\"}", ReadError::Unexpected(6)),
        ("{\"a\":\"\\ud800\"}", ReadError::Unexpected(6)),
        ("{\"a\":\"\\ud800\\u0041\"}", ReadError::Unexpected(6)),
        ("{\"a\":\"\\u00", ReadError::Cut(6)),
        ("{\"a\":[1 2]}", ReadError::Unexpected(8)),
        ("{\"a\":nul}", ReadError::Unexpected(5)),
    ] {
        assert_eq!(read(text.as_bytes()), Err(expected), "{text}");
    }
}

#[test]
fn depth_and_count_have_bounds() {
    let nested = |depth: usize, open: &str, close: &str, start: &str, end: &str| {
        format!("{start}{}{}{end}", open.repeat(depth), close.repeat(depth))
    };
    for (start, open, close, end) in [("d1:a", "l", "e", "e"), ("{\"a\":", "[", "]", "}")] {
        assert!(read(nested(MAX_DEPTH - 1, open, close, start, end).as_bytes()).is_ok());
        for depth in [MAX_DEPTH, 30_000] {
            let text = nested(depth, open, close, start, end);
            assert_eq!(read(text.as_bytes()), Err(ReadError::TooDeep), "{depth}");
        }
    }
    let many = |count: usize| format!("d1:al{}ee", "0:".repeat(count));
    assert!(read(many(MAX_VALUES - 2).as_bytes()).is_ok());
    assert_eq!(read(many(MAX_VALUES - 1).as_bytes()), Err(ReadError::TooMany));
    let long = format!("d1:a65507:{}e", "x".repeat(65_507));
    assert_eq!(read(long.as_bytes()), Err(ReadError::TooLong));
}

#[test]
fn whatever_is_written_is_read_as_it_was() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..2_000 {
        let dict = any_dict(&mut random, 3);
        for encoding in [Encoding::Bencode, Encoding::Json] {
            let written = write(b"9_9", encoding, &dict);
            let message = Message::read(&written).unwrap();
            assert_eq!((message.encoding, message.dict), (encoding, Ok(dict.clone())));
        }
    }
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    let mut random = StdRng::seed_from_u64(2);
    for encoding in [Encoding::Bencode, Encoding::Json] {
        let written = write(b"9_9", encoding, &any_dict(&mut random, 3).with("last", Value::Number(1)));
        for len in 0..written.len() {
            let message = Message::read(&written.slice(..len));
            assert!(message.is_none_or(|message| message.dict.is_err()), "{encoding:?} {len}");
        }
    }
}

#[test]
fn a_datagram_without_a_cookie_is_nobodys() {
    for datagram in
        ["", " ", " d4:aaaae", "d7:command4:pinge", "\u{1} de", &format!("{} de", "c".repeat(257))]
    {
        assert_eq!(Message::read(&Bytes::copy_from_slice(datagram.as_bytes())), None, "{datagram}");
    }
}

fn any_dict(random: &mut StdRng, depth: u32) -> Dict {
    let mut dict = Dict::new();
    for _ in 0..random.next_u32() % 5 {
        let name = any_text(random);
        let value = any_value(random, depth);
        dict.insert(name, value);
    }
    dict
}

fn any_value(random: &mut StdRng, depth: u32) -> Value {
    match random.next_u32() % if depth == 0 { 2 } else { 4 } {
        0 => Value::Text(any_text(random)),
        1 => Value::Number(random.next_u64() as i64 >> (random.next_u32() % 64)),
        2 => Value::List((0..random.next_u32() % 4).map(|_| any_value(random, depth - 1)).collect()),
        _ => Value::Dict(any_dict(random, depth - 1)),
    }
}

fn any_text(random: &mut StdRng) -> Bytes {
    let mut text = vec![0; (random.next_u32() % 12) as usize];
    random.fill_bytes(&mut text);
    Bytes::from(text)
}

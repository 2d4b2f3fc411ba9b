//! DTMF in INFO requests: `application/dtmf-relay` and `application/dtmf`, as the clients write it.

use ringback_media::dtmf::{Digit, LEAST_MS, Press};

/// The duration of a press that does not name one, in milliseconds.
const DEFAULT_DURATION: u32 = 160;

/// The longest press that is believed, in milliseconds.
const MAX_DURATION: u32 = 5_000;

/// The key press that an INFO body holds; one that is shorter than any receiver notices is made longer.
///
/// `application/dtmf-relay` has lines `Signal=5` and `Duration=100`, in any order, with or without spaces around the
/// `=`, with any line end. `application/dtmf` has the key alone, or the same lines.
pub fn parse_info(content_type: &[u8], body: &[u8]) -> Option<Press> {
    let media_type = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let relay = media_type.eq_ignore_ascii_case(b"application/dtmf-relay");
    if !relay && !media_type.eq_ignore_ascii_case(b"application/dtmf") {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let mut digit = None;
    let mut milliseconds = DEFAULT_DURATION;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("signal") => {
                digit = parse_digit(value.trim())
            }
            Some((name, value)) if name.trim().eq_ignore_ascii_case("duration") => {
                let said = value.trim().parse().ok();
                milliseconds = said.map_or(DEFAULT_DURATION, |ms: u32| ms.clamp(LEAST_MS, MAX_DURATION));
            }
            Some(_) => {}
            None if !relay => digit = digit.or_else(|| parse_digit(line)),
            None => {}
        }
    }
    digit.map(|digit| Press::new(digit, milliseconds))
}

/// A key by itself, or by its RFC 4733 event number 10–15 as some clients write `*`, `#` and the letters.
fn parse_digit(text: &str) -> Option<Digit> {
    let mut characters = text.chars();
    match (characters.next()?, characters.next()) {
        (key, None) => Digit::from_char(key),
        ('1', Some('0'..='5')) if text.len() == 2 => Digit::from_event(text.parse().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clients_send_is_understood() {
        let relay = b"application/dtmf-relay".as_slice();
        let press = |key, milliseconds| Some(Press::new(Digit::from_char(key)?, milliseconds));
        for (name, content_type, body, expected) in [
            ("JsSIP", relay, "Signal=5\r\nDuration=100", press('5', 100)),
            ("SIP.js 0.21", relay, "Signal=5\r\nDuration=2000", press('5', 2000)),
            ("SIP.js 0.7.8", relay, "Signal= 5\r\nDuration= 100", press('5', 100)),
            ("another order", relay, "Duration=250\nSignal=#\n", press('#', 250)),
            ("no duration", relay, "Signal=*\r\n", press('*', 160)),
            ("event number", relay, "Signal=11\r\nDuration=100\r\n", press('#', 100)),
            ("letter", relay, "signal=d\r\nduration=100\r\n", press('D', 100)),
            ("bare key", b"application/dtmf", "7", press('7', 160)),
            ("bare key, type with parameter", b"Application/DTMF; charset=utf-8", "7\r\n", press('7', 160)),
            ("a moment", relay, "Signal=5\r\nDuration=1", press('5', 40)),
            ("no key", relay, "Duration=100", None),
            ("bad key", relay, "Signal=x", None),
            ("too many", relay, "Signal=55", None),
            ("another type", b"text/plain", "Signal=5", None),
        ] {
            assert_eq!(parse_info(content_type, body.as_bytes()), expected, "{name}");
        }
    }
}

//! Percent escapes ([RFC 3261 §19.1.2]).
//!
//! [RFC 3261 §19.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.2

use std::borrow::Cow;

use super::UriError;

/// The bytes with every escape undone; a broken escape stays as it is.
pub fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = take(rest) {
        plain.push(byte);
        rest = after;
    }
    Cow::Owned(plain)
}

/// The bytes as a user part: what may not stand there is escaped.
pub fn escape_user(bytes: &[u8]) -> Cow<'_, [u8]> {
    let stays = |byte: u8| byte != b'%' && byte < 0x80 && is_user_byte(byte);
    if bytes.iter().all(|&byte| stays(byte)) {
        return Cow::Borrowed(bytes);
    }
    let mut escaped = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if stays(byte) {
            escaped.push(byte);
        } else {
            escaped.extend_from_slice(&[b'%', upper_hex(byte >> 4), upper_hex(byte & 15)]);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a byte may stand in a user part or password: `unreserved`, `user-unreserved`, `%`, and the UTF-8 that some
/// phones leave unescaped.
pub(super) fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(
            byte,
            b'-' | b'_'
                | b'.'
                | b'!'
                | b'~'
                | b'*'
                | b'\''
                | b'('
                | b')'
                | b'&'
                | b'='
                | b'+'
                | b'$'
                | b','
                | b';'
                | b'?'
                | b'/'
                | b'%'
                | b'#'
        )
}

/// Whether every percent sign has its two digits.
pub(super) fn check(bytes: &[u8]) -> Result<(), UriError> {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(UriError::Escape),
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    Ok(())
}

/// Splits off one byte or one escape: what it stands for.
pub(super) fn take(bytes: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'%', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, rest));
    }
    bytes.split_first().map(|(&byte, rest)| (byte, rest))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn upper_hex(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_made() {
        assert_eq!(&*unescape(b"sips%3Auser%40example.com"), b"sips:user@example.com");
        assert_eq!(&*unescape(b"null-%00-null"), b"null-\0-null");
        assert_eq!(&*unescape(b"100%"), b"100%");
        assert_eq!(&*unescape(b"%4"), b"%4");
        assert_eq!(&*escape_user(b"a@b:c%"), b"a%40b%3Ac%25");
        assert_eq!(&*escape_user("ö".as_bytes()), b"%C3%B6");
        assert_eq!(&*escape_user(b"alice;x=1"), b"alice;x=1");
    }

    #[test]
    fn broken_escapes_are_found() {
        assert_eq!(check(b"a%41%5a"), Ok(()));
        for text in [&b"%"[..], b"%4", b"%zz", b"a%41%"] {
            assert_eq!(check(text), Err(UriError::Escape), "{text:?}");
        }
    }
}

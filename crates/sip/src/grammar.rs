//! The basic rules of [RFC 3261 §25.1]: tokens, linear white space, quoted strings, numbers.
//!
//! LWS may hold a line fold, so everything that reads a header value takes CR and LF for white space: the line scanner
//! has already refused every CR and LF that is not part of CRLF, and a CRLF inside a value can only be a fold.
//!
//! [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1

use std::borrow::Cow;

/// Whether the byte may stand in a `token`.
pub const fn is_token_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether the bytes are a `token`: one byte or more, all of them token bytes.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether the byte may stand in an unquoted parameter value.
///
/// Wider than the grammar's `token / host`: tags and branches in use hold `=`, `/`, `@` and UTF-8, and a value that we
/// only compare and copy does no harm as long as no delimiter is in it.
pub const fn is_value_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & VALUE != 0
}

/// Whether the byte is linear white space, a fold's CR and LF included.
pub const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The bytes without linear white space at either end.
pub fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// The bytes without linear white space at the start.
pub fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    bytes
}

/// The bytes without linear white space at the end.
pub fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Splits off the longest run of bytes that `accept` takes: the run and what follows it.
pub fn take_while(bytes: &[u8], accept: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| !accept(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Splits at the first `byte`: what stands before and after it.
pub fn split_once(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// Splits off a quoted string, quotes included, that starts at the first byte; `None` when it does not end.
pub fn take_quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = match bytes.first() {
        Some(b'"') => 1,
        _ => return None,
    };
    loop {
        let rest = bytes.get(at..)?;
        let found = memchr::memchr2(b'"', b'\\', rest)?;
        match rest.get(found) {
            Some(b'"') => return bytes.split_at_checked(at + found + 1),
            _ => at += found + 2,
        }
    }
}

/// The content of a quoted string with its escapes undone; other bytes as they are.
pub fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = bytes else {
        return Cow::Borrowed(bytes);
    };
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&byte) = rest.next() {
        plain.push(match byte {
            b'\\' => rest.next().copied().unwrap_or(b'\\'),
            byte => byte,
        });
    }
    Cow::Owned(plain)
}

/// Writes `text` as a quoted string: quotes and backslashes escaped, CR and LF as spaces.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\r' | b'\n' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The value with each line fold and the white space around it as one space ([RFC 3261 §7.3.1]).
///
/// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut flat: Vec<u8> = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n') {
        let line = trim(line);
        if !flat.is_empty() && !line.is_empty() {
            flat.push(b' ');
        }
        flat.extend_from_slice(line);
    }
    Cow::Owned(flat)
}

/// A decimal number of at most 32 bits.
///
/// Leading zeros are taken, the number of digits is capped so that the work is bounded.
pub fn number(bytes: &[u8]) -> Result<u32, NumberError> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotDigits);
    }
    if bytes.len() > MAX_DIGITS {
        return Err(NumberError::TooLarge);
    }
    let value = bytes.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    u32::try_from(value).map_err(|_| NumberError::TooLarge)
}

/// Why bytes are not a number of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// Nothing, or something else than digits.
    NotDigits,
    /// More than 32 bits, or too many digits to look at.
    TooLarge,
}

/// Digits of a number that are looked at: `u32::MAX` has ten, the rest are for leading zeros.
const MAX_DIGITS: usize = 12;

const TOKEN: u8 = 1;
const VALUE: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            classes[byte] |= TOKEN;
        }
        if b > b' ' && b != 0x7f && !matches!(b, b';' | b',' | b'"' | b'<' | b'>') {
            classes[byte] |= VALUE;
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_end_at_the_first_unescaped_quote() {
        assert_eq!(take_quoted(br#""a\"b" rest"#), Some((&br#""a\"b""#[..], &b" rest"[..])));
        assert_eq!(take_quoted(br#""open"#), None);
        assert_eq!(take_quoted(br#""ends in a backslash\"#), None);
        assert_eq!(take_quoted(b"bare"), None);
        assert_eq!(&*unquote(br#""J \\\"R""#), br#"J \"R"#);
        assert_eq!(&*unquote(b"bare"), b"bare");
    }

    #[test]
    fn quoting_cannot_end_the_line() {
        let mut out = Vec::new();
        quote(b"a\"b\\\r\nc", &mut out);
        assert_eq!(out, br#""a\"b\\  c""#);
    }

    #[test]
    fn folds_become_one_space() {
        assert_eq!(&*unfold(b"a,\r\n   b\r\n\tc"), b"a, b c");
        assert_eq!(&*unfold(b"a  b"), b"a  b");
    }

    #[test]
    fn numbers_are_capped_before_they_are_read() {
        assert_eq!(number(b"0009"), Ok(9));
        assert_eq!(number(b"4294967295"), Ok(u32::MAX));
        assert_eq!(number(b"4294967296"), Err(NumberError::TooLarge));
        assert_eq!(number(b"0000000000009"), Err(NumberError::TooLarge));
        assert_eq!(number(b""), Err(NumberError::NotDigits));
        assert_eq!(number(b"-1"), Err(NumberError::NotDigits));
        assert_eq!(number(b"1 "), Err(NumberError::NotDigits));
    }
}

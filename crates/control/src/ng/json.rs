//! JSON ([RFC 8259]), as far as it says the same as bencode.
//!
//! Texts are bytes: `\u00e9` and a byte 0xE9 that is no UTF-8 are both taken. `true` and `false` are the numbers 1 and
//! 0, `null` is an empty text, and a number with a fraction is refused, because nothing of the protocol has one.
//!
//! It is written here and not taken from a library, because that would read into values of another kind, with texts
//! that are UTF-8 alone, and without the bounds on depth and count that hold for both writings.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

use bytes::Bytes;

use super::value::{Budget, Dict, ReadError, Value};

/// Reads one value, which all of the bytes have to be, but for white space.
pub fn read(input: &[u8]) -> Result<Value, ReadError> {
    let mut reader = Reader { input, at: 0, budget: Budget::new(input)? };
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < input.len() {
        return Err(ReadError::Trailing(reader.at));
    }
    Ok(value)
}

/// Writes a value behind what `out` has.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => write_text(text, out),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::List(list) => {
            out.push(b'[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(value, out);
            }
            out.push(b']');
        }
        Value::Dict(dict) => write_dict(dict, out),
    }
}

/// Writes a dictionary behind what `out` has.
pub fn write_dict(dict: &Dict, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in dict.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

/// Text as it is, but for what must be escaped. Bytes that are no UTF-8 stay as they are, for a reader like ours.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, ReadError> {
        self.budget.spend()?;
        self.skip_space();
        match self.peek()? {
            b'{' => self.dict(),
            b'[' => self.list(),
            b'"' => Ok(Value::Text(self.text()?)),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Value::Number(1)),
            b'f' => self.word(b"false", Value::Number(0)),
            b'n' => self.word(b"null", Value::Text(Bytes::new())),
            _ => Err(ReadError::Unexpected(self.at)),
        }
    }

    fn list(&mut self) -> Result<Value, ReadError> {
        self.budget.enter()?;
        self.at += 1;
        let mut list = Vec::new();
        if !self.takes(b']')? {
            loop {
                list.push(self.value()?);
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        self.budget.leave();
        Ok(Value::List(list))
    }

    fn dict(&mut self) -> Result<Value, ReadError> {
        self.budget.enter()?;
        self.at += 1;
        let mut dict = Dict::new();
        if !self.takes(b'}')? {
            loop {
                self.skip_space();
                let start = self.at;
                if self.peek()? != b'"' {
                    return Err(ReadError::Unexpected(start));
                }
                let name = self.text()?;
                if !self.takes(b':')? {
                    return Err(ReadError::Unexpected(self.at));
                }
                let value = self.value()?;
                if dict.insert(name, value).is_some() {
                    return Err(ReadError::Twice(start));
                }
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        self.budget.leave();
        Ok(Value::Dict(dict))
    }

    fn number(&mut self) -> Result<Value, ReadError> {
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
        let len = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let text = std::str::from_utf8(rest.get(..len).unwrap_or_default()).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let has_zeros = digits.len() > 1 && digits.starts_with('0');
        let number = text.parse().ok().filter(|_| !has_zeros).ok_or(ReadError::Number(start))?;
        self.at = start + len;
        Ok(Value::Number(number))
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, ReadError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(ReadError::Unexpected(self.at));
        }
        self.at += word.len();
        Ok(value)
    }

    /// A text, from its quotation mark on.
    fn text(&mut self) -> Result<Bytes, ReadError> {
        let start = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = self.input.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let len = plain.ok_or(ReadError::Cut(start))?;
            text.extend_from_slice(rest.get(..len).unwrap_or_default());
            self.at += len;
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape(&mut text)?,
                _ => return Err(ReadError::Unexpected(self.at)),
            }
        }
        self.at += 1;
        Ok(Bytes::from(text))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), ReadError> {
        let start = self.at;
        self.at += 1;
        let byte = match self.peek()? {
            b'u' => {
                self.at += 1;
                let character = self.character(start)?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(ReadError::Unexpected(start)),
        };
        self.at += 1;
        text.push(byte);
        Ok(())
    }

    /// A character, from behind the `u` on; the second half of a pair with it.
    fn character(&mut self, start: usize) -> Result<char, ReadError> {
        let first = self.hex(start)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(ReadError::Unexpected(start));
        }
        if !self.input.get(self.at..).unwrap_or_default().starts_with(b"\\u") {
            return Err(ReadError::Unexpected(start));
        }
        self.at += 2;
        let second = self.hex(start)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(ReadError::Unexpected(start));
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            .ok_or(ReadError::Unexpected(start))
    }

    fn hex(&mut self, start: usize) -> Result<u32, ReadError> {
        let digits = self.input.get(self.at..self.at + 4).ok_or(ReadError::Cut(start))?;
        let mut number = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or(ReadError::Unexpected(start))?;
            number = number << 4 | digit;
        }
        self.at += 4;
        Ok(number)
    }

    /// Whether a comma follows and not the end.
    fn goes_on(&mut self, end: u8) -> Result<bool, ReadError> {
        if self.takes(b',')? {
            return Ok(true);
        }
        if self.takes(end)? { Ok(false) } else { Err(ReadError::Unexpected(self.at)) }
    }

    /// Goes past `byte` if it is next.
    fn takes(&mut self, byte: u8) -> Result<bool, ReadError> {
        self.skip_space();
        let is_next = self.peek()? == byte;
        if is_next {
            self.at += 1;
        }
        Ok(is_next)
    }

    fn skip_space(&mut self) {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len());
    }

    fn peek(&self) -> Result<u8, ReadError> {
        self.input.get(self.at).copied().ok_or(ReadError::Cut(self.at))
    }
}

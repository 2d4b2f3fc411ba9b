//! bencode: `i42e`, `4:ping`, `l…e`, `d…e`.
//!
//! What is written is canonical: names in order, no leading zeros. What is read may have its names in any order, because
//! the modules write them so.

use bytes::Bytes;

use super::value::{Budget, Dict, ReadError, Value};

/// Reads one value, which all of the bytes have to be.
pub fn read(input: &Bytes) -> Result<Value, ReadError> {
    let mut reader = Reader { input, at: 0, budget: Budget::new(input)? };
    let value = reader.value()?;
    if reader.at < input.len() {
        return Err(ReadError::Trailing(reader.at));
    }
    Ok(value)
}

/// Writes a value behind what `out` has.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => write_text(text, out),
        Value::Number(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
        Value::List(list) => {
            out.push(b'l');
            for value in list {
                write(value, out);
            }
            out.push(b'e');
        }
        Value::Dict(dict) => write_dict(dict, out),
    }
}

/// Writes a dictionary behind what `out` has.
pub fn write_dict(dict: &Dict, out: &mut Vec<u8>) {
    out.push(b'd');
    for (name, value) in dict.iter() {
        write_text(name, out);
        write(value, out);
    }
    out.push(b'e');
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", text.len()).as_bytes());
    out.extend_from_slice(text);
}

struct Reader<'a> {
    input: &'a Bytes,
    at: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, ReadError> {
        self.budget.spend()?;
        match self.peek()? {
            b'i' => self.number(),
            b'l' => self.list(),
            b'd' => self.dict(),
            b'0'..=b'9' => Ok(Value::Text(self.text()?)),
            _ => Err(ReadError::Unexpected(self.at)),
        }
    }

    fn list(&mut self) -> Result<Value, ReadError> {
        self.budget.enter()?;
        self.at += 1;
        let mut list = Vec::new();
        while self.peek()? != b'e' {
            list.push(self.value()?);
        }
        self.at += 1;
        self.budget.leave();
        Ok(Value::List(list))
    }

    fn dict(&mut self) -> Result<Value, ReadError> {
        self.budget.enter()?;
        self.at += 1;
        let mut dict = Dict::new();
        while self.peek()? != b'e' {
            let start = self.at;
            let name = self.text()?;
            let value = self.value()?;
            if dict.insert(name, value).is_some() {
                return Err(ReadError::Twice(start));
            }
        }
        self.at += 1;
        self.budget.leave();
        Ok(Value::Dict(dict))
    }

    fn number(&mut self) -> Result<Value, ReadError> {
        let start = self.at;
        self.at += 1;
        let digits = self.until(b'e', MAX_NUMBER)?;
        let number = std::str::from_utf8(digits).ok().filter(|text| is_canonical(text));
        let number = number.and_then(|text| text.parse().ok()).ok_or(ReadError::Number(start))?;
        Ok(Value::Number(number))
    }

    /// A text; it shares the memory of the message.
    fn text(&mut self) -> Result<Bytes, ReadError> {
        let start = self.at;
        if !self.peek()?.is_ascii_digit() {
            return Err(ReadError::Unexpected(start));
        }
        let digits = self.until(b':', MAX_NUMBER)?;
        let len = std::str::from_utf8(digits).ok().filter(|text| is_canonical(text));
        let len: usize = len.and_then(|text| text.parse().ok()).ok_or(ReadError::Number(start))?;
        let end = self.at.checked_add(len).filter(|end| *end <= self.input.len());
        let end = end.ok_or(ReadError::Cut(start))?;
        let text = self.input.slice(self.at..end);
        self.at = end;
        Ok(text)
    }

    /// What stands before `end`, of so many bytes at most; goes on behind `end`.
    fn until(&mut self, end: u8, most: usize) -> Result<&[u8], ReadError> {
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let window = rest.get(..most.saturating_add(1)).unwrap_or(rest);
        let Some(len) = window.iter().position(|byte| *byte == end) else {
            let is_cut = window.len() == rest.len();
            return Err(if is_cut { ReadError::Cut(start) } else { ReadError::Number(start) });
        };
        self.at = start + len + 1;
        Ok(rest.get(..len).unwrap_or_default())
    }

    fn peek(&self) -> Result<u8, ReadError> {
        self.input.get(self.at).copied().ok_or(ReadError::Cut(self.at))
    }
}

/// Whether a number is written in the one way that it has.
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_short = digits == "0" && text == "0";
    is_short || !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The longest number: that of the least of 64 bits.
const MAX_NUMBER: usize = 20;

//! What a message of the ng protocol is made of, however it is written.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A value: what bencode knows, which is what both writings have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Any bytes; text as a rule.
    Text(Bytes),
    /// A whole number.
    Number(i64),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Dict(Dict),
}

/// Values by name, sorted by name as bencode asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dict(BTreeMap<Bytes, Value>);

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As the modules of Kamailio and OpenSIPS write it.
    Bencode,
    /// As [RFC 8259] has it.
    ///
    /// [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259
    Json,
}

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too many bytes.
    #[error("the message has more than {MAX_LEN} bytes")]
    TooLong,
    /// Lists in lists, or dictionaries in dictionaries, too many times.
    #[error("the message is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// Too many values.
    #[error("the message holds more than {MAX_VALUES} values")]
    TooMany,
    /// The bytes end in the middle of a value.
    #[error("the message ends in the middle of a value, at byte {0}")]
    Cut(usize),
    /// Not what can stand there.
    #[error("the message has something else than a value at byte {0}")]
    Unexpected(usize),
    /// A number that is not one, or too large.
    #[error("the message has a number that cannot be read at byte {0}")]
    Number(usize),
    /// A name that stands twice.
    #[error("the message names something twice, at byte {0}")]
    Twice(usize),
    /// Something comes after the value.
    #[error("the message goes on after its end, at byte {0}")]
    Trailing(usize),
    /// A value, and no dictionary.
    #[error("the message is not a dictionary")]
    NoDict,
}

impl Value {
    /// Text.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(Bytes::copy_from_slice(text.as_ref()))
    }

    /// The bytes of a text.
    pub fn as_text(&self) -> Option<&Bytes> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, be it written as one or as text: both are seen.
    pub fn as_number(&self) -> Option<i64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The texts of a list; a text alone is a list of one.
    pub fn texts(&self) -> impl Iterator<Item = &Bytes> {
        let (one, list) = match self {
            Value::Text(_) => (Some(self), &[][..]),
            Value::List(list) => (None, &list[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(list).filter_map(Value::as_text)
    }
}

impl Dict {
    /// A dictionary without anything.
    pub fn new() -> Dict {
        Dict::default()
    }

    /// The same with one value more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Dict {
        self.insert(Bytes::copy_from_slice(name.as_bytes()), value);
        self
    }

    /// Adds a value; gives the one that had the name before.
    pub fn insert(&mut self, name: Bytes, value: Value) -> Option<Value> {
        self.0.insert(name, value)
    }

    /// The value of a name, exactly as it is written.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name.as_bytes())
    }

    /// The text of a name.
    pub fn text(&self, name: &str) -> Option<&Bytes> {
        self.value(name)?.as_text()
    }

    /// All names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Value)> {
        self.0.iter()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The most bytes of a message: the largest payload of UDP over IPv4.
pub const MAX_LEN: usize = 65_507;
/// How many lists and dictionaries may lie in one another. What the modules send is four deep.
pub const MAX_DEPTH: usize = 16;
/// How many values a message may hold. What the modules send is below a hundred.
pub const MAX_VALUES: usize = 4_096;

/// What may still be read.
#[derive(Debug)]
pub(super) struct Budget {
    depth: usize,
    values: usize,
}

impl Budget {
    pub fn new(input: &[u8]) -> Result<Budget, ReadError> {
        if input.len() > MAX_LEN {
            return Err(ReadError::TooLong);
        }
        Ok(Budget { depth: MAX_DEPTH, values: MAX_VALUES })
    }

    /// A value is read.
    pub fn spend(&mut self) -> Result<(), ReadError> {
        self.values = self.values.checked_sub(1).ok_or(ReadError::TooMany)?;
        Ok(())
    }

    /// A list or a dictionary begins.
    pub fn enter(&mut self) -> Result<(), ReadError> {
        self.depth = self.depth.checked_sub(1).ok_or(ReadError::TooDeep)?;
        Ok(())
    }

    /// It ends.
    pub fn leave(&mut self) {
        self.depth += 1;
    }
}

//! The comma-separated values of one header line.

use crate::grammar;

/// Iterates over comma-separated values; a comma inside quotes or angle brackets separates nothing.
///
/// Empty elements are passed over. A quote or bracket that does not end takes the rest of the line with it, so that
/// the reader of that value sees the fault.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// The values of one header line.
    pub fn new(line: &'a [u8]) -> Self {
        Values { rest: line }
    }

    /// What has not been read yet, the separating comma passed.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = value_end(self.rest);
            let (value, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let value = grammar::trim(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

/// Where the first value ends: at its comma or with the bytes.
fn value_end(bytes: &[u8]) -> usize {
    // Most lines hold one value.
    if memchr::memchr(b',', bytes).is_none() {
        return bytes.len();
    }
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b',' => return at,
            b'"' => {
                let rest = bytes.get(at..).unwrap_or_default();
                grammar::take_quoted(rest).map_or(rest.len(), |(quoted, _)| quoted.len())
            }
            b'<' => {
                let rest = bytes.get(at..).unwrap_or_default();
                memchr::memchr(b'>', rest).map_or(rest.len(), |end| end + 1)
            }
            _ => 1,
        };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<&str> {
        Values::new(line.as_bytes()).map(|value| std::str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_separate_nothing() {
        assert_eq!(
            split(r#""A, \", B" <sip:a@x>, <sip:b,c@x;p="q">;r=",",sip:d@x"#),
            [r#""A, \", B" <sip:a@x>"#, r#"<sip:b,c@x;p="q">;r=",""#, "sip:d@x"]
        );
    }

    #[test]
    fn empty_elements_are_passed_over() {
        assert_eq!(split(" , a,,\r\n b ,"), ["a", "b"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn what_does_not_end_is_one_value() {
        assert_eq!(split("\"a, b, c"), ["\"a, b, c"]);
        assert_eq!(split("<a, b, c"), ["<a, b, c"]);
    }
}

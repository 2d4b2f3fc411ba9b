//! Bodies: one, or the parts of a multipart ([RFC 2046 §5.1], RFC 5621).
//!
//! [RFC 2046 §5.1]: https://www.rfc-editor.org/rfc/rfc2046#section-5.1

use memchr::memmem;
use smallvec::SmallVec;
use thiserror::Error;

use super::Name;
use super::index::{Index, index_head};
use super::limits::MAX_MIME_DEPTH;
use crate::grammar;
use crate::header::Params;

/// Iterates over the parts of a body that are not multiparts themselves, in order, to a limited depth.
///
/// A body that is no multipart is its only part. After an error there is nothing more.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// What is still to be read: the innermost multipart last.
    open: SmallVec<[Multipart<'a>; MAX_MIME_DEPTH]>,
    /// The whole body, when it is no multipart.
    single: Option<Part<'a>>,
    failed: Option<BodyError>,
}

/// One part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its Content-Type, parameters included; empty when it has none.
    pub content_type: &'a [u8],
    /// Its Content-Disposition; empty when it has none.
    pub disposition: &'a [u8],
    /// Its bytes.
    pub body: &'a [u8],
}

/// Why a body cannot be cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum BodyError {
    /// A multipart without a usable boundary.
    #[error("Multipart without a boundary")]
    Boundary,
    /// The boundary is not found, or the last one is missing.
    #[error("Multipart does not end")]
    Unterminated,
    /// The headers of a part cannot be read.
    #[error("Malformed part")]
    Part,
    /// Multiparts inside one another beyond the limit.
    #[error("Multipart too deep")]
    TooDeep,
}

impl Part<'_> {
    /// Whether the part is of that type, in any case of letters and with any parameters.
    pub fn is(&self, media_type: &[u8]) -> bool {
        media_type_of(self.content_type).eq_ignore_ascii_case(media_type)
    }
}

impl<'a> Parts<'a> {
    /// The parts of a body of that Content-Type.
    pub(super) fn new(content_type: &'a [u8], body: &'a [u8]) -> Self {
        let mut parts = Parts { open: SmallVec::new(), single: None, failed: None };
        if is_multipart(content_type) {
            parts.failed = parts.enter(content_type, body).err();
        } else if !body.is_empty() {
            parts.single = Some(Part { content_type, disposition: b"", body });
        }
        parts
    }

    /// The first part of that type; an error before it is as good as none.
    pub fn find(mut self, media_type: &[u8]) -> Option<Part<'a>> {
        self.find_map(|part| part.ok().filter(|part| part.is(media_type)))
    }

    fn enter(&mut self, content_type: &'a [u8], body: &'a [u8]) -> Result<(), BodyError> {
        if self.open.len() == MAX_MIME_DEPTH {
            return Err(BodyError::TooDeep);
        }
        let boundary = boundary(content_type).ok_or(BodyError::Boundary)?;
        let mut multipart = Multipart { boundary, rest: Some(body) };
        // What stands before the first boundary is for readers that know no multiparts.
        multipart.skip_preamble()?;
        self.open.push(multipart);
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Part<'a>>, BodyError> {
        loop {
            let Some(innermost) = self.open.last_mut() else {
                return Ok(None);
            };
            let Some(raw) = innermost.next_part()? else {
                self.open.pop();
                continue;
            };
            let mut index = Index::new();
            let start = index_head(raw, 0, &mut index).map_err(|_| BodyError::Part)?;
            let value = |name: Name| {
                let line = index.iter().find(|entry| entry.name == name);
                line.map(|entry| entry.value(raw)).unwrap_or_default()
            };
            let (content_type, disposition) = (value(Name::ContentType), value(Name::ContentDisposition));
            let body = raw.get(start..).unwrap_or_default();
            if !is_multipart(content_type) {
                return Ok(Some(Part { content_type, disposition, body }));
            }
            self.enter(content_type, body)?;
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.open.clear();
            return Some(Err(error));
        }
        if let Some(part) = self.single.take() {
            return Some(Ok(part));
        }
        let part = self.advance();
        if part.is_err() {
            self.open.clear();
        }
        part.transpose()
    }
}

/// A multipart that is being read.
#[derive(Debug, Clone, Copy)]
struct Multipart<'a> {
    boundary: &'a [u8],
    /// What follows the boundary before the next part; `None` after the last.
    rest: Option<&'a [u8]>,
}

impl<'a> Multipart<'a> {
    fn skip_preamble(&mut self) -> Result<(), BodyError> {
        let body = self.rest.unwrap_or_default();
        if let Some(rest) = body.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(self.boundary)) {
            self.after_boundary(rest)
        } else {
            self.until_boundary(body).map(|_preamble| ())
        }
    }

    fn next_part(&mut self) -> Result<Option<&'a [u8]>, BodyError> {
        match self.rest {
            Some(rest) => self.until_boundary(rest).map(Some),
            None => Ok(None),
        }
    }

    /// What stands before the next boundary, which is passed.
    fn until_boundary(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BodyError> {
        for at in memmem::find_iter(bytes, b"\r\n--") {
            let after = bytes.get(at + 4..).unwrap_or_default();
            if let Some(rest) = after.strip_prefix(self.boundary)
                && self.after_boundary(rest).is_ok()
            {
                return Ok(bytes.get(..at).unwrap_or_default());
            }
        }
        Err(BodyError::Unterminated)
    }

    /// A boundary is followed by two dashes when it is the last, else by the end of the line.
    fn after_boundary(&mut self, rest: &'a [u8]) -> Result<(), BodyError> {
        if rest.starts_with(b"--") {
            self.rest = None;
            return Ok(());
        }
        let (_padding, line) = grammar::take_while(rest, |byte| matches!(byte, b' ' | b'\t'));
        // The line break stays where the part is empty: it is then the one before the next boundary.
        self.rest = Some(line.strip_prefix(b"\r\n").ok_or(BodyError::Unterminated)?);
        Ok(())
    }
}

fn is_multipart(content_type: &[u8]) -> bool {
    let media_type = media_type_of(content_type);
    media_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

/// `type/subtype` without parameters.
fn media_type_of(content_type: &[u8]) -> &[u8] {
    grammar::trim_end(grammar::take_while(content_type, |byte| byte != b';').0)
}

/// The `boundary` parameter, which holds no escapes.
fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let params = grammar::take_while(content_type, |byte| byte != b';').1;
    let value = Params::parse(params).ok()?.get(b"boundary")??;
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (!value.is_empty() && value.len() <= MAX_BOUNDARY && !value.contains(&b'\\')).then_some(value)
}

/// Bytes of a boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    fn types(content_type: &str, body: &str) -> Result<Vec<(String, String)>, BodyError> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Parts::new(content_type.as_bytes(), body.as_bytes())
            .map(|part| part.map(|part| (text(part.content_type), text(part.body))))
            .collect()
    }

    fn pair(content_type: &str, body: &str) -> (String, String) {
        (content_type.to_owned(), body.to_owned())
    }

    #[test]
    fn a_plain_body_is_its_only_part() {
        assert_eq!(types("application/sdp", "v=0\r\n"), Ok(vec![pair("application/sdp", "v=0\r\n")]));
        assert_eq!(types("", ""), Ok(vec![]));
    }

    #[test]
    fn parts_in_order_with_preamble_and_epilogue() {
        let body = "preamble\r\n--b\r\nContent-Type: a/b\r\n\r\none\r\n--bee is no boundary\r\n--b  \r\n\r\n\r\n--b--\r\nend";
        assert_eq!(
            types("Multipart/Mixed; boundary=\"b\"", body),
            Ok(vec![pair("a/b", "one\r\n--bee is no boundary"), pair("", "")])
        );
        let found = Parts::new(b"multipart/mixed;boundary=b", body.as_bytes()).find(b"A/B").unwrap();
        assert_eq!(found.body, b"one\r\n--bee is no boundary");
    }

    #[test]
    fn multiparts_nest_to_a_limit() {
        let nest = |depth: usize| {
            let mut body = "v=0".to_owned();
            let mut content_type = "application/sdp".to_owned();
            for level in 0..depth {
                body = format!("--b{level}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--b{level}--");
                content_type = format!("multipart/mixed;boundary=b{level}");
            }
            types(&content_type, &body)
        };
        for depth in 0..=MAX_MIME_DEPTH {
            assert_eq!(nest(depth), Ok(vec![pair("application/sdp", "v=0")]), "{depth}");
        }
        assert_eq!(nest(MAX_MIME_DEPTH + 1), Err(BodyError::TooDeep));
    }

    #[test]
    fn broken_multiparts_say_why() {
        assert_eq!(types("multipart/mixed", "--b\r\n\r\n--b--"), Err(BodyError::Boundary));
        assert_eq!(types("multipart/mixed;boundary=b", "no boundary"), Err(BodyError::Unterminated));
        assert_eq!(types("multipart/mixed;boundary=b", "--b\r\n\r\nopen"), Err(BodyError::Unterminated));
        assert_eq!(
            types("multipart/mixed;boundary=b", "--b\r\nno colon\r\n\r\nx\r\n--b--"),
            Err(BodyError::Part)
        );
    }
}

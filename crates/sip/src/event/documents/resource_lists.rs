//! A list of whom to watch, in the body of a SUBSCRIBE: resource-lists ([RFC 4826 §3], [RFC 5367 §4]).
//!
//! Entries are taken wherever they stand; references to lists elsewhere are passed over.
//!
//! [RFC 4826 §3]: https://www.rfc-editor.org/rfc/rfc4826#section-3
//! [RFC 5367 §4]: https://www.rfc-editor.org/rfc/rfc5367#section-4

use super::BadDocument;
use super::xml::{Piece, Reader};

/// The type of the document.
pub const CONTENT_TYPE: &[u8] = b"application/resource-lists+xml";

/// Entries of one list.
pub const MAX_ENTRIES: usize = 64;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:resource-lists";

/// The URIs of a list, each once, in the order they stand.
pub fn read(bytes: &[u8]) -> Result<Vec<String>, BadDocument> {
    let mut reader = Reader::new(bytes)?;
    let Piece::Start(root) = reader.next()? else { return Err(BadDocument::Root) };
    if !root.is(NAMESPACE, "resource-lists") {
        return Err(BadDocument::Root);
    }
    let mut entries: Vec<String> = Vec::new();
    loop {
        match reader.next()? {
            Piece::Start(element) if element.is(NAMESPACE, "entry") => {
                let uri = element.attribute("uri").ok_or(BadDocument::Malformed)?;
                if entries.contains(&uri) {
                    continue;
                }
                if entries.len() == MAX_ENTRIES {
                    return Err(BadDocument::TooComplex);
                }
                entries.push(uri);
            }
            Piece::Eof => return Ok(entries),
            Piece::Start(_) | Piece::End | Piece::Text(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_in_lists_within_lists() {
        let text = r#"<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"
            xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list name="friends">
            <entry uri="sip:bob@example.org" cp:copyControl="to"><display-name>Bob</display-name></entry>
            <list><entry uri="sip:a&amp;b@example.org"/><entry-ref ref="x"/></list>
            <entry uri="sip:bob@example.org"/></list></resource-lists>"#;
        assert_eq!(read(text.as_bytes()).unwrap(), ["sip:bob@example.org", "sip:a&b@example.org"]);
    }

    #[test]
    fn a_list_is_bounded() {
        let of = |entries: usize| {
            let entries: String = (0..entries).map(|n| format!("<entry uri=\"sip:{n}@x\"/>")).collect();
            read(
                format!("<resource-lists xmlns=\"{NAMESPACE}\"><list>{entries}</list></resource-lists>")
                    .as_bytes(),
            )
        };
        assert_eq!(of(64).map(|entries| entries.len()), Ok(64));
        assert_eq!(of(65), Err(BadDocument::TooComplex));
        assert_eq!(read(b"<resource-lists/>"), Err(BadDocument::Root));
        let nameless = format!("<resource-lists xmlns=\"{NAMESPACE}\"><entry/></resource-lists>");
        assert_eq!(read(nameless.as_bytes()), Err(BadDocument::Malformed));
    }
}

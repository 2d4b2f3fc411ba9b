//! XML: escaping for what is written, and a pull reader with hard limits for what is read.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::reader::NsReader;

use super::BadDocument;

/// What every document of ours begins with.
pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Writes text or the value of an attribute: nothing of it is markup, and nothing that XML forbids is left.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if is_char(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// The same, as a string of its own.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// `Char` of XML 1.0.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Reads a document of a peer event by event.
pub(super) struct Reader<'d> {
    text: &'d str,
    reader: NsReader<&'d [u8]>,
    depth: usize,
    elements: usize,
    has_root: bool,
}

/// What comes next in a document.
pub(super) enum Piece<'d> {
    /// An element begins.
    Start(Element<'d>),
    /// The innermost element ends.
    End,
    /// Text of the innermost element, references resolved.
    Text(String),
    /// The end of the document.
    Eof,
}

/// The start of an element.
pub(super) struct Element<'d> {
    /// Its name as it stands.
    pub name: &'d str,
    /// Its name without a prefix.
    pub local: &'d str,
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Its attributes as they stand, declarations of namespaces included.
    pub attributes: Vec<(&'d str, &'d str)>,
    /// Where what is in it begins.
    pub inside: usize,
}

impl<'d> Reader<'d> {
    pub fn new(bytes: &'d [u8]) -> Result<Self, BadDocument> {
        if bytes.len() > MAX_BYTES {
            return Err(BadDocument::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadDocument::Characters)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.chars().all(is_char) {
            return Err(BadDocument::Characters);
        }
        let mut reader = NsReader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Ok(Reader { text, reader, depth: 0, elements: 0, has_root: false })
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How far it has read.
    pub fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The document from one place to another.
    pub fn slice(&self, from: usize, to: usize) -> &'d str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub fn next(&mut self) -> Result<Piece<'d>, BadDocument> {
        loop {
            let at = self.position();
            match self.reader.read_event().map_err(|_| BadDocument::Malformed)? {
                Event::Start(start) => return self.start(at, &start).map(Piece::Start),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Piece::End);
                }
                Event::Text(text) => {
                    let text: &str = &text;
                    if text.contains("]]>") {
                        return Err(BadDocument::Malformed);
                    }
                    if self.depth > 0 {
                        return Ok(Piece::Text(text.to_owned()));
                    }
                    if !text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
                        return Err(BadDocument::Malformed);
                    }
                }
                Event::GeneralRef(reference) => {
                    let c = match &*reference {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => character(&reference)?,
                    };
                    if self.depth == 0 {
                        return Err(BadDocument::Malformed);
                    }
                    return Ok(Piece::Text(c.to_string()));
                }
                Event::CData(data) if self.depth > 0 => return Ok(Piece::Text((*data).to_owned())),
                Event::CData(_) | Event::Empty(_) => return Err(BadDocument::Malformed),
                Event::Comment(_) => {}
                Event::Decl(declaration) if at == 0 => {
                    let encoding = declaration.encoding().transpose().map_err(|_| BadDocument::Malformed)?;
                    if encoding.is_some_and(|name| !is_utf8(&name)) {
                        return Err(BadDocument::Characters);
                    }
                }
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(BadDocument::Forbidden),
                Event::Eof if self.depth > 0 || !self.has_root => return Err(BadDocument::Malformed),
                Event::Eof => return Ok(Piece::Eof),
            }
        }
    }

    /// Passes over what is left of the innermost element.
    pub fn skip(&mut self) -> Result<(), BadDocument> {
        let inside = self.depth;
        while self.depth >= inside {
            self.next()?;
        }
        Ok(())
    }

    fn start(&mut self, at: usize, start: &BytesStart<'_>) -> Result<Element<'d>, BadDocument> {
        if self.depth == 0 && std::mem::replace(&mut self.has_root, true) {
            return Err(BadDocument::Malformed);
        }
        self.depth += 1;
        self.elements += 1;
        if self.depth > MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(BadDocument::TooComplex);
        }
        // The event borrows from the reader; the same bytes stand in the text, behind the `<`.
        let raw: &str = start;
        let content = self.slice(at + 1, at + 1 + raw.len());
        if content != raw {
            return Err(BadDocument::Malformed);
        }
        let name = content.get(..start.name().as_ref().len()).unwrap_or_default();
        let namespace = self.resolve(start.name(), true)?;
        let local = name.rsplit(':').next().unwrap_or_default();
        let mut attributes = Vec::new();
        let mut rest = content.get(name.len()..).unwrap_or_default();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| BadDocument::Malformed)?;
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(BadDocument::TooComplex);
            }
            let key: &str = attribute.key.as_ref();
            let value: &str = &attribute.value;
            // Found again in the text, in order, so that what is kept outlives the event.
            let (key, after) = found(rest, key).ok_or(BadDocument::Malformed)?;
            let (value, after) = found(after, value).ok_or(BadDocument::Malformed)?;
            rest = after;
            is_value(value)?;
            is_name(key)?;
            let is_declaration = key == "xmlns" || key.starts_with("xmlns:");
            if !is_declaration && key.contains(':') {
                self.resolve(QName(key), false)?;
            }
            attributes.push((key, value));
        }
        is_name(name)?;
        let inside = self.position();
        Ok(Element { name, local, namespace, attributes, inside })
    }

    /// The namespace of a name; a prefix that nothing declares is an error.
    fn resolve(&self, name: QName<'_>, is_element: bool) -> Result<String, BadDocument> {
        match self.reader.resolver().resolve(name, is_element).0 {
            ResolveResult::Bound(namespace) => Ok(namespace.as_ref().to_owned()),
            ResolveResult::Unbound => Ok(String::new()),
            ResolveResult::Unknown(_) => Err(BadDocument::Malformed),
        }
    }
}

impl Element<'_> {
    /// Whether it is that one.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    /// The value of an attribute without a prefix, references resolved.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let (_, value) = self.attributes.iter().find(|(key, _)| *key == name)?;
        quick_xml::escape::unescape(value).ok().map(|value| value.into_owned())
    }
}

/// Splits at the first place where `part` stands.
fn found<'t>(text: &'t str, part: &str) -> Option<(&'t str, &'t str)> {
    let at = text.find(part)?;
    Some((text.get(at..at + part.len())?, text.get(at + part.len()..)?))
}

/// A name with at most one prefix: what may stand in the start of an element that we write again.
fn is_name(name: &str) -> Result<(), BadDocument> {
    let is_nc_name = |part: &str| {
        let mut chars = part.chars();
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        chars.next().is_some_and(is_start)
            && chars.all(|c| is_start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
    };
    let is_one = match name.split_once(':') {
        Some((prefix, local)) => is_nc_name(prefix) && is_nc_name(local),
        None => is_nc_name(name),
    };
    if is_one { Ok(()) } else { Err(BadDocument::Malformed) }
}

/// The value of an attribute as it stands: no markup, no quote that would end it, no entity of its own.
fn is_value(value: &str) -> Result<(), BadDocument> {
    if value.contains('<') {
        return Err(BadDocument::Malformed);
    }
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').ok_or(BadDocument::Malformed)?;
        if !matches!(name, "lt" | "gt" | "amp" | "quot" | "apos") {
            character(name)?;
        }
        rest = after;
    }
    Ok(())
}

/// The character of a reference by number.
fn character(reference: &str) -> Result<char, BadDocument> {
    let digits = reference.strip_prefix('#').ok_or(BadDocument::Forbidden)?;
    let number = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16),
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse(),
        _ => return Err(BadDocument::Malformed),
    };
    let c = number.ok().and_then(char::from_u32).filter(|&c| is_char(c));
    c.ok_or(BadDocument::Characters)
}

fn is_utf8(encoding: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| name.eq_ignore_ascii_case(encoding))
}

/// Bytes of a document.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Levels of elements.
const MAX_DEPTH: usize = 16;
/// Elements in all.
const MAX_ELEMENTS: usize = 512;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 32;

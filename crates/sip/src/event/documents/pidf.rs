//! Presence: PIDF ([RFC 3863]) with persons and devices of the data model (RFC 4479) and their activities (RPID, RFC
//! 4480).
//!
//! Tuples, persons and devices of a published document are kept as [`Fragment`]s and written again into ours as they
//! came, with the namespaces that they need.
//!
//! [RFC 3863]: https://www.rfc-editor.org/rfc/rfc3863

use std::collections::HashSet;

use super::xml::{DECLARATION, escaped, push_escaped};

pub use super::pidf_read::read;

/// The namespace of PIDF.
pub(super) const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
/// The namespace of the data model.
pub(super) const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
/// The namespace of RPID.
const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";

/// Whether somebody takes communication ([RFC 3863 §4.1.4](https://www.rfc-editor.org/rfc/rfc3863#section-4.1.4)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basic {
    /// Yes.
    Open,
    /// No.
    Closed,
}

impl Basic {
    /// Its word in a document.
    pub const fn word(self) -> &'static str {
        match self {
            Basic::Open => "open",
            Basic::Closed => "closed",
        }
    }
}

/// A document that was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// Its tuples.
    pub tuples: Vec<Tuple>,
    /// Its persons, devices and notes.
    pub others: Vec<Fragment>,
}

/// A tuple: a way to reach somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    /// What its status says.
    pub basic: Option<Basic>,
    /// As it stands.
    pub fragment: Fragment,
}

/// An element of a document that was read and found well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub(super) name: String,
    /// Names and values as they stand in the document, the declarations of namespaces among them.
    pub(super) attributes: Vec<(String, String)>,
    /// What is in the element, as it stands.
    pub(super) inside: String,
}

impl Fragment {
    /// Writes the element with another `id`, for two documents may have the same.
    fn write(&self, out: &mut String, id: Option<&str>) {
        out.push('<');
        out.push_str(&self.name);
        for (key, value) in &self.attributes {
            if OUR_NAMESPACES.contains(&(key.as_str(), value.as_str())) {
                continue;
            }
            out.push(' ');
            out.push_str(key);
            out.push_str("=\"");
            match id {
                Some(id) if key == "id" => push_escaped(out, id),
                // It stood in quotes of one kind and may have the other within.
                _ => out.push_str(&value.replace('"', "&quot;")),
            }
            out.push('"');
        }
        out.push('>');
        out.push_str(&self.inside);
        out.push_str("</");
        out.push_str(&self.name);
        out.push_str(">\n");
    }

    fn id(&self) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == "id").map(|(_, value)| value.as_str())
    }
}

/// What is told of somebody.
#[derive(Debug)]
pub struct Composed<'a> {
    /// The URI by which the watcher knows them.
    pub entity: &'a str,
    /// The answer in one word.
    pub basic: Basic,
    /// Whether they are in a call.
    pub is_on_the_phone: bool,
    /// What their devices have published, the newest first.
    pub published: Vec<&'a Presence>,
}

/// Writes the document ([RFC 3863 §4]): a tuple of our own first, then what was published.
///
/// Who cannot be reached has no open tuple: only what is said of the person is passed on.
///
/// [RFC 3863 §4]: https://www.rfc-editor.org/rfc/rfc3863#section-4
pub fn write(composed: &Composed<'_>) -> String {
    let entity = escaped(composed.entity);
    let mut out = format!(
        "{DECLARATION}<presence xmlns=\"{PIDF}\" xmlns:dm=\"{DATA_MODEL}\" xmlns:rpid=\"{RPID}\" entity=\"{entity}\">\n\
         <tuple id=\"ringback\"><status><basic>{}</basic></status><contact>{entity}</contact></tuple>\n",
        composed.basic.word(),
    );
    let mut ids = HashSet::new();
    let mut number = 0;
    // Two publications may name their elements alike: an `id` is said once.
    let mut write = |fragment: &Fragment, out: &mut String| match fragment.id() {
        // One message has to hold it all.
        _ if out.len() + fragment.inside.len() > MOST => {}
        Some(id) if OUR_IDS.contains(&id) || !ids.insert(id.to_owned()) => {
            number += 1;
            fragment.write(out, Some(&format!("p{number}-ringback")));
        }
        _ => fragment.write(out, None),
    };
    if composed.basic == Basic::Open {
        for tuple in composed.published.iter().flat_map(|presence| &presence.tuples) {
            write(&tuple.fragment, &mut out);
        }
    }
    // The order of the schema: tuples, notes, then what is of other namespaces.
    let is_note = |fragment: &&Fragment| !fragment.name.contains(':') && fragment.name == "note";
    let others = || composed.published.iter().flat_map(|presence| &presence.others);
    for note in others().filter(is_note) {
        write(note, &mut out);
    }
    if composed.is_on_the_phone {
        out.push_str(
            "<dm:person id=\"on-the-phone\"><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>\n",
        );
    }
    for other in others().filter(|fragment| !is_note(fragment)) {
        write(other, &mut out);
    }
    out.push_str("</presence>\n");
    out
}

/// What the published documents say in one word: open if one of their tuples is, `None` if no tuple says.
pub fn basic_of<'a>(published: impl Iterator<Item = &'a Presence>) -> Option<Basic> {
    let said: Vec<Basic> =
        published.flat_map(|presence| presence.tuples.iter().filter_map(|tuple| tuple.basic)).collect();
    if said.contains(&Basic::Open) { Some(Basic::Open) } else { said.first().copied() }
}

/// What the root of our documents declares.
const OUR_NAMESPACES: [(&str, &str); 3] = [("xmlns", PIDF), ("xmlns:dm", DATA_MODEL), ("xmlns:rpid", RPID)];

/// Bytes above which nothing more of what was published goes into a document.
const MOST: usize = 32 * 1024;

/// The elements of our own.
const OUR_IDS: [&str; 2] = ["ringback", "on-the-phone"];

/// Elements of one document that are kept.
pub const MAX_ELEMENTS: usize = 16;

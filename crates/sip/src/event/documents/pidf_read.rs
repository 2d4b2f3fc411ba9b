//! Reading a PIDF document.

use super::BadDocument;
use super::pidf::{Basic, DATA_MODEL, Fragment, MAX_ELEMENTS, PIDF, Presence, Tuple};
use super::xml::{Element, Piece, Reader};

/// Reads a document that a peer has published.
pub fn read(bytes: &[u8]) -> Result<Presence, BadDocument> {
    let mut reader = Reader::new(bytes)?;
    let Piece::Start(root) = reader.next()? else { return Err(BadDocument::Root) };
    if !root.is(PIDF, "presence") {
        return Err(BadDocument::Root);
    }
    let namespaces = declared(&root);
    let mut presence = Presence::default();
    loop {
        match reader.next()? {
            Piece::Start(element) => {
                if presence.tuples.len() + presence.others.len() == MAX_ELEMENTS {
                    return Err(BadDocument::TooComplex);
                }
                child(&mut reader, &element, &namespaces, &mut presence)?;
            }
            Piece::Eof => return Ok(presence),
            Piece::End | Piece::Text(_) => {}
        }
    }
}

fn child<'d>(
    reader: &mut Reader<'d>,
    element: &Element<'d>,
    namespaces: &[(String, String)],
    presence: &mut Presence,
) -> Result<(), BadDocument> {
    let is_tuple = element.is(PIDF, "tuple");
    let is_kept = is_tuple
        || element.is(PIDF, "note")
        || element.is(DATA_MODEL, "person")
        || element.is(DATA_MODEL, "device");
    if !is_kept {
        return reader.skip();
    }
    let (basic, inside) = if is_tuple { tuple(reader, element)? } else { whole(reader, element)? };
    let mut attributes: Vec<(String, String)> =
        element.attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    // It stood within the declarations of its root; it will stand within ours.
    for (key, value) in namespaces {
        if !attributes.iter().any(|(own, _)| own == key) {
            attributes.push((key.clone(), value.clone()));
        }
    }
    let fragment = Fragment { name: element.name.to_owned(), attributes, inside: inside.to_owned() };
    if is_tuple {
        presence.tuples.push(Tuple { basic, fragment });
    } else {
        presence.others.push(fragment);
    }
    Ok(())
}

/// What is in a tuple, and what its `status/basic` says.
fn tuple<'d>(
    reader: &mut Reader<'d>,
    element: &Element<'d>,
) -> Result<(Option<Basic>, &'d str), BadDocument> {
    let outside = reader.depth();
    let mut basic = None;
    let mut path = Vec::new();
    let mut word = String::new();
    loop {
        let end = reader.position();
        match reader.next()? {
            Piece::Start(inner) => {
                path.push(inner.is(PIDF, if path.is_empty() { "status" } else { "basic" }));
                word.clear();
            }
            Piece::Text(text) => word.push_str(&text),
            Piece::End if reader.depth() < outside => return Ok((basic, reader.slice(element.inside, end))),
            Piece::End => {
                if path == [true, true] {
                    basic = match word.trim() {
                        "open" => Some(Basic::Open),
                        "closed" => Some(Basic::Closed),
                        _ => basic,
                    };
                }
                path.pop();
            }
            Piece::Eof => return Err(BadDocument::Malformed),
        }
    }
}

/// What is in any other element.
fn whole<'d>(
    reader: &mut Reader<'d>,
    element: &Element<'d>,
) -> Result<(Option<Basic>, &'d str), BadDocument> {
    let outside = reader.depth();
    loop {
        let end = reader.position();
        reader.next()?;
        if reader.depth() < outside {
            return Ok((None, reader.slice(element.inside, end)));
        }
    }
}

/// The namespaces that the root declares, and that it declares no default when it does not.
fn declared(root: &Element<'_>) -> Vec<(String, String)> {
    let mut namespaces: Vec<(String, String)> = root
        .attributes
        .iter()
        .filter(|(key, _)| *key == "xmlns" || key.starts_with("xmlns:"))
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    if !namespaces.iter().any(|(key, _)| key == "xmlns") {
        namespaces.push(("xmlns".to_owned(), String::new()));
    }
    namespaces
}

#[cfg(test)]
mod tests {
    use super::super::pidf::{Composed, basic_of, write};
    use super::*;

    /// The shape that a telephone publishes.
    const PUBLISHED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
  xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@example.org">
<dm:person id='p4159'><r:activities><r:away/></r:activities><dm:note>at &lt;lunch&gt; &#233;</dm:note></dm:person>
<tuple id="t4109"><status><basic> open </basic></status><contact priority="0.8">sip:alice@host</contact></tuple>
<note xml:lang="en">back soon</note><x:y xmlns:x="urn:other"><z xmlns=""/></x:y>
</presence>"#;

    fn composed(presence: &Presence) -> String {
        write(&Composed {
            entity: "sip:alice@example.org",
            basic: Basic::Open,
            is_on_the_phone: true,
            published: vec![presence, presence],
        })
    }

    #[test]
    fn what_was_published_is_written_again_with_its_activities() {
        let presence = read(PUBLISHED.as_bytes()).unwrap();
        assert_eq!(presence.tuples.len(), 1);
        assert_eq!(presence.others.len(), 2, "an element of a namespace that nobody knows is left out");
        assert_eq!(basic_of([&presence].into_iter()), Some(Basic::Open));
        insta::assert_snapshot!(composed(&presence));
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let presence = read(PUBLISHED.as_bytes()).unwrap();
        let again = read(composed(&presence).as_bytes()).unwrap();
        assert_eq!(again.tuples.len(), 3, "ours and two of the same publication");
        let ids: Vec<_> = again.tuples.iter().map(|tuple| tuple.fragment.attributes[0].1.clone()).collect();
        assert_eq!(ids, ["ringback", "t4109", "p1-ringback"]);
        assert!(again.tuples.iter().all(|tuple| tuple.basic == Some(Basic::Open)));
    }

    #[test]
    fn a_prefix_of_its_own_stays_bound() {
        let text = r#"<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:a@b">
            <p:tuple id="1"><p:status><p:basic>closed</p:basic></p:status><own/></p:tuple></p:presence>"#;
        let presence = read(text.as_bytes()).unwrap();
        assert_eq!(presence.tuples[0].basic, Some(Basic::Closed));
        let again = read(composed(&presence).as_bytes()).unwrap();
        assert_eq!(again.tuples[1].basic, Some(Basic::Closed));
        let attributes = &again.tuples[1].fragment.attributes;
        assert!(attributes.contains(&("xmlns".to_owned(), String::new())), "<own/> is in no namespace");
    }

    #[test]
    fn what_is_dangerous_or_no_xml_is_refused() {
        let within = |inside: &str| format!("<presence xmlns=\"{PIDF}\">{inside}</presence>");
        let deep = format!("{}{}", "<tuple>".repeat(40), "</tuple>".repeat(40));
        let many = "<tuple id=\"1\"><status/></tuple>".repeat(17);
        let attributes: String = (0..40).map(|n| format!(" a{n}=\"\"")).collect();
        for (text, expected) in [
            (format!("<!DOCTYPE p [<!ENTITY a \"b\">]>{}", within("")), BadDocument::Forbidden),
            (within("<note>&a;</note>"), BadDocument::Forbidden),
            (within("<?php echo ?>"), BadDocument::Forbidden),
            (within("<tuple id=\"&a;\"/>"), BadDocument::Forbidden),
            (within("<note>&#0;</note>"), BadDocument::Characters),
            (within("<note>\u{1}</note>"), BadDocument::Characters),
            (within("<tuple><status></tuple>"), BadDocument::Malformed),
            (within("<tuple><status/>"), BadDocument::Malformed),
            (within("<x:tuple/>"), BadDocument::Malformed),
            (within("<tuple x:id=\"1\"/>"), BadDocument::Malformed),
            (within("<tuple id=1/>"), BadDocument::Malformed),
            (within("<tuple id=\"<\"/>"), BadDocument::Malformed),
            (within("<tuple id=\"1\" id=\"2\"/>"), BadDocument::Malformed),
            (within("<note>]]></note>"), BadDocument::Malformed),
            (format!("{0}{0}", within("")), BadDocument::Malformed),
            (within(&deep), BadDocument::TooComplex),
            (within(&many), BadDocument::TooComplex),
            (within(&format!("<tuple{attributes}/>")), BadDocument::TooComplex),
            (within(&" ".repeat(20_000)), BadDocument::TooLarge),
            ("<presence/>".to_owned(), BadDocument::Root),
            ("hello".to_owned(), BadDocument::Malformed),
            (String::new(), BadDocument::Malformed),
        ] {
            assert_eq!(read(text.as_bytes()), Err(expected), "{}", &text[..text.len().min(200)]);
        }
        assert_eq!(read(b"<presence>\xff</presence>"), Err(BadDocument::Characters));
        let latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><presence/>";
        assert_eq!(read(latin.as_bytes()), Err(BadDocument::Characters));
    }

    #[test]
    fn who_cannot_be_reached_has_no_open_tuple() {
        let presence = read(PUBLISHED.as_bytes()).unwrap();
        let text = write(&Composed {
            entity: "sip:alice@example.org",
            basic: Basic::Closed,
            is_on_the_phone: false,
            published: vec![&presence],
        });
        assert!(!text.contains("open") && text.contains("away"), "{text}");
    }

    #[test]
    fn an_entity_cannot_break_out_of_its_quotes() {
        let text = write(&Composed {
            entity: "sip:\"><evil/>@\u{1}",
            basic: Basic::Open,
            is_on_the_phone: false,
            published: Vec::new(),
        });
        assert!(read(text.as_bytes()).is_ok(), "{text}");
        assert!(!text.contains("<evil"), "{text}");
    }
}

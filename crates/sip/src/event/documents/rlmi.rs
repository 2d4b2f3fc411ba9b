//! The state of everybody on a list: RLMI in a multipart/related ([RFC 4662 §5], RFC 2387).
//!
//! [RFC 4662 §5]: https://www.rfc-editor.org/rfc/rfc4662#section-5

use super::xml::{DECLARATION, escaped};

/// What is told of one resource of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its URI, as it stands in the list.
    pub uri: String,
    /// What is known of it.
    pub instance: Instance,
}

/// The one instance of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instance {
    /// It is watched; its document comes along, or comes later.
    Active(Option<String>),
    /// There is no such resource here.
    NoResource,
}

/// What a list is written with.
#[derive(Debug)]
pub struct List<'a> {
    /// Its URI.
    pub uri: &'a str,
    /// How many documents came before.
    pub version: u32,
    /// Whether every resource is in it.
    pub is_full: bool,
    /// The type of the documents.
    pub content_type: &'a str,
    /// A text that stands in no document, of letters and digits.
    pub boundary: &'a str,
}

/// Writes the body, and the Content-Type that it goes with.
pub fn write(list: &List<'_>, resources: &[Resource]) -> (String, String) {
    let List { uri, version, is_full, content_type, boundary } = *list;
    let content_type_header = format!(
        "multipart/related;type=\"application/rlmi+xml\";start=\"<list@{boundary}>\";boundary=\"{boundary}\""
    );
    let mut rlmi = format!(
        "{DECLARATION}<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"{}\" version=\"{version}\" fullState=\"{is_full}\">\n",
        escaped(uri),
    );
    let mut parts = String::new();
    for (number, resource) in resources.iter().enumerate() {
        let instance = match &resource.instance {
            Instance::NoResource => {
                "<instance id=\"1\" state=\"terminated\" reason=\"noresource\"/>".to_owned()
            }
            Instance::Active(None) => "<instance id=\"1\" state=\"active\"/>".to_owned(),
            Instance::Active(Some(document)) => {
                parts += &part(boundary, &format!("r{number}"), content_type, document);
                format!("<instance id=\"1\" state=\"active\" cid=\"r{number}@{boundary}\"/>")
            }
        };
        rlmi += &format!("<resource uri=\"{}\">{instance}</resource>\n", escaped(&resource.uri));
    }
    rlmi += "</list>\n";
    let first = part(boundary, "list", "application/rlmi+xml;charset=\"UTF-8\"", &rlmi);
    (format!("{first}{parts}--{boundary}--\r\n"), content_type_header)
}

fn part(boundary: &str, id: &str, content_type: &str, body: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{id}@{boundary}>\r\n\
         Content-Type: {content_type}\r\n\r\n{body}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Builder, Message, Method, Name};

    #[test]
    fn a_list_is_written_so_that_its_parts_can_be_read() {
        let resource = |uri: &str, instance| Resource { uri: uri.to_owned(), instance };
        let resources = [
            resource("sip:bob@example.org", Instance::Active(Some("<presence/>".to_owned()))),
            resource("sip:carol@example.org", Instance::Active(None)),
            resource("sip:x@elsewhere.example", Instance::NoResource),
        ];
        let list = List {
            uri: "sip:friends@example.org",
            version: 0,
            is_full: true,
            content_type: "application/pidf+xml",
            boundary: "b0undary",
        };
        let (body, content_type) = write(&list, &resources);
        insta::assert_snapshot!(format!("{content_type}\n\n{}", body.replace('\r', "")));
        let notify = Builder::request(Method::Notify, b"sip:x")
            .header(Name::CSeq, "1 NOTIFY")
            .body(content_type.as_bytes(), body.as_bytes())
            .finish();
        let notify = Message::parse(Bytes::copy_from_slice(notify.bytes())).unwrap();
        let parts: Vec<_> = notify.parts().map(|part| part.unwrap()).collect();
        assert_eq!(parts.len(), 2);
        assert!(parts[0].is(b"application/rlmi+xml") && parts[1].is(b"application/pidf+xml"));
        assert_eq!(parts[1].body, b"<presence/>");
    }
}

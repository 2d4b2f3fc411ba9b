//! The contacts of an address of record: reginfo ([RFC 3680 §5]).
//!
//! [RFC 3680 §5]: https://www.rfc-editor.org/rfc/rfc3680#section-5

use super::xml::{DECLARATION, escaped};

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Unique among the contacts, and always the same.
    pub id: String,
    /// Its URI.
    pub uri: String,
    /// What happened to it last.
    pub event: ContactEvent,
    /// Seconds until it ends; 0 for one that is over.
    pub expires: u64,
    /// Its preference in thousandths.
    pub q: u16,
}

/// What happened to a contact ([RFC 3680 §4.7.1](https://www.rfc-editor.org/rfc/rfc3680#section-4.7.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactEvent {
    /// It was registered.
    Registered,
    /// It was removed by its device.
    Unregistered,
    /// Its time was over.
    Expired,
}

impl ContactEvent {
    /// Its word in a document.
    const fn word(self) -> &'static str {
        match self {
            ContactEvent::Registered => "registered",
            ContactEvent::Unregistered => "unregistered",
            ContactEvent::Expired => "expired",
        }
    }
}

/// Writes a document with the whole state; contacts that are over since the last document are in it once.
pub fn write(aor: &str, version: u32, contacts: &[Contact]) -> String {
    let is_active = contacts.iter().any(|contact| contact.event == ContactEvent::Registered);
    let state = match (is_active, contacts.is_empty()) {
        (true, _) => "active",
        (false, true) => "init",
        (false, false) => "terminated",
    };
    let aor = escaped(aor);
    let mut out = format!(
        "{DECLARATION}<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"{version}\" state=\"full\">\n\
         <registration aor=\"{aor}\" id=\"{aor}\" state=\"{state}\">\n",
    );
    for contact in contacts {
        let state = if contact.event == ContactEvent::Registered { "active" } else { "terminated" };
        out += &format!(
            "<contact id=\"{}\" state=\"{state}\" event=\"{}\" expires=\"{}\" q=\"{}.{:03}\"><uri>{}</uri></contact>\n",
            escaped(&contact.id),
            contact.event.word(),
            contact.expires,
            contact.q / 1000,
            contact.q % 1000,
            escaped(&contact.uri),
        );
    }
    out += "</registration>\n</reginfo>\n";
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_written_in_the_words_of_the_rfc() {
        let contact = |id: &str, event| Contact {
            id: id.to_owned(),
            uri: "sip:bob@192.0.2.7;a=\"b\"".to_owned(),
            event,
            expires: if event == ContactEvent::Registered { 600 } else { 0 },
            q: 500,
        };
        let contacts = [contact("1", ContactEvent::Registered), contact("2", ContactEvent::Expired)];
        insta::assert_snapshot!(write("sip:bob@example.org", 1, &contacts));
        assert!(write("sip:bob@example.org", 0, &[]).contains("state=\"init\""));
    }
}

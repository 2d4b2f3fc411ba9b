//! The contacts of an address of record: reginfo ([RFC 3680 §5]), with the GRUUs of their devices ([RFC 5628]).
//!
//! [RFC 3680 §5]: https://www.rfc-editor.org/rfc/rfc3680#section-5
//! [RFC 5628]: https://www.rfc-editor.org/rfc/rfc5628

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
    /// The Call-ID and the CSeq number of its last REGISTER.
    pub register: (String, u32),
    /// The device that it is of, when that said so.
    pub device: Option<Device>,
}

/// The device of a contact ([RFC 5628 §5.1](https://www.rfc-editor.org/rfc/rfc5628#section-5.1)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its `+sip.instance`, without quotes.
    pub instance: String,
    /// Its public GRUU.
    pub public: String,
    /// The newest of its temporary GRUUs.
    pub temporary: Option<Temporary>,
}

/// A temporary GRUU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temporary {
    /// The URI.
    pub uri: String,
    /// The CSeq number of the REGISTER from which on those given for the same Call-ID are good.
    pub first_cseq: u32,
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
    let has_device = contacts.iter().any(|contact| contact.device.is_some());
    let gruus = if has_device { " xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\"" } else { "" };
    let mut out = format!(
        "{DECLARATION}<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\"{gruus} version=\"{version}\" state=\"full\">\n\
         <registration aor=\"{aor}\" id=\"{aor}\" state=\"{state}\">\n",
    );
    for contact in contacts {
        write_contact(&mut out, contact);
    }
    out += "</registration>\n</reginfo>\n";
    out
}

fn write_contact(out: &mut String, contact: &Contact) {
    let is_active = contact.event == ContactEvent::Registered;
    let (call_id, cseq) = &contact.register;
    *out += &format!(
        "<contact id=\"{}\" state=\"{}\" event=\"{}\" expires=\"{}\" q=\"{}.{:03}\" callid=\"{}\" cseq=\"{cseq}\">\
         <uri>{}</uri>",
        escaped(&contact.id),
        if is_active { "active" } else { "terminated" },
        contact.event.word(),
        contact.expires,
        contact.q / 1000,
        contact.q % 1000,
        escaped(call_id),
        escaped(&contact.uri),
    );
    if let Some(Device { instance, public, temporary }) = &contact.device {
        *out += &format!(
            "<unknown-param name=\"+sip.instance\">\"{}\"</unknown-param><gr:pub-gruu uri=\"{}\"/>",
            escaped(instance),
            escaped(public),
        );
        if let Some(Temporary { uri, first_cseq }) = temporary {
            let uri = escaped(uri);
            *out += &format!("<gr:temp-gruu uri=\"{uri}\" first-cseq=\"{first_cseq}\"/>");
        }
    }
    *out += "</contact>\n";
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
            register: ("a<b".to_owned(), 7),
            device: (id == "1").then(|| Device {
                instance: "<urn:uuid:1>".to_owned(),
                public: "sip:bob@example.org;gr=urn:uuid:1".to_owned(),
                temporary: Some(Temporary { uri: "sip:tgruu.x@example.org;gr".to_owned(), first_cseq: 3 }),
            }),
        };
        let contacts = [contact("1", ContactEvent::Registered), contact("2", ContactEvent::Expired)];
        insta::assert_snapshot!(write("sip:bob@example.org", 1, &contacts));
        let empty = write("sip:bob@example.org", 0, &[]);
        assert!(empty.contains("state=\"init\"") && !empty.contains("gruu"), "{empty}");
    }
}

//! The calls of somebody: dialog-info ([RFC 4235]).
//!
//! Call-IDs and tags are not told: who knows them could take a call over.
//!
//! [RFC 4235]: https://www.rfc-editor.org/rfc/rfc4235

use super::xml::{DECLARATION, escaped};

/// How far a dialog is ([RFC 4235 §3.7.1](https://www.rfc-editor.org/rfc/rfc4235#section-3.7.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialogState {
    /// An INVITE is on its way.
    Trying,
    /// It was answered provisionally, without a tag.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
    /// It is over.
    Terminated,
}

impl DialogState {
    /// Its word in a document.
    pub const fn word(self) -> &'static str {
        match self {
            DialogState::Trying => "trying",
            DialogState::Proceeding => "proceeding",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
            DialogState::Terminated => "terminated",
        }
    }
}

/// Who began a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The one whose dialogs these are.
    Initiator,
    /// The other side.
    Recipient,
}

/// One dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// Unique among the dialogs of the entity, and always the same.
    pub id: String,
    /// Who began it.
    pub direction: Direction,
    /// How far it is.
    pub state: DialogState,
    /// The URI of the other side, where the watcher may know it.
    pub remote: Option<String>,
}

/// Writes a document: every dialog there is (`is_full`), or those that have changed.
pub fn write(entity: &str, version: u32, is_full: bool, dialogs: &[Dialog]) -> String {
    let state = if is_full { "full" } else { "partial" };
    let mut out = format!(
        "{DECLARATION}<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{state}\" \
         entity=\"{}\">\n",
        escaped(entity),
    );
    for dialog in dialogs {
        let direction = match dialog.direction {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        };
        out += &format!(
            "<dialog id=\"{}\" direction=\"{direction}\"><state>{}</state>",
            escaped(&dialog.id),
            dialog.state.word(),
        );
        if let Some(remote) = &dialog.remote {
            let remote = escaped(remote);
            out += &format!("<remote><identity>{remote}</identity><target uri=\"{remote}\"/></remote>");
        }
        out += "</dialog>\n";
    }
    out += "</dialog-info>\n";
    out
}

/// What has changed between what was told and what is: dialogs that are new or further, and, as terminated, those that
/// are gone.
pub fn changes(told: &[Dialog], present: &[Dialog]) -> Vec<Dialog> {
    let gone = told
        .iter()
        .filter(|old| !present.iter().any(|dialog| dialog.id == old.id))
        .map(|old| Dialog { state: DialogState::Terminated, ..old.clone() });
    present.iter().filter(|dialog| !told.contains(dialog)).cloned().chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(id: &str, state: DialogState) -> Dialog {
        Dialog { id: id.to_owned(), direction: Direction::Recipient, state, remote: None }
    }

    #[test]
    fn a_partial_document_has_what_has_changed_and_what_is_gone() {
        use DialogState::{Confirmed, Early, Terminated};
        let told = [dialog("a", Early), dialog("b", Confirmed), dialog("c", Early)];
        let present = [dialog("a", Confirmed), dialog("b", Confirmed), dialog("d", Early)];
        let changed = changes(&told, &present);
        assert_eq!(changed, [dialog("a", Confirmed), dialog("d", Early), dialog("c", Terminated)]);
        assert!(changes(&present, &present).is_empty());
    }

    #[test]
    fn a_document_is_written_in_the_words_of_the_rfc() {
        let mut talking = dialog("1f", DialogState::Confirmed);
        talking.remote = Some("sip:a&b@example.org".to_owned());
        insta::assert_snapshot!(write(
            "sip:bob@example.org",
            3,
            false,
            &[talking, dialog("2", DialogState::Terminated)]
        ));
    }
}

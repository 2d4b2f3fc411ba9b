//! PATCH of a session: candidates that a client trickles, and attempts to restart ICE ([RFC 9725 §4.3]).
//!
//! [RFC 9725 §4.3]: https://www.rfc-editor.org/rfc/rfc9725#section-4.3

use super::{Reply, RequestId, Stage};
use crate::rooms::names::Token;
use crate::rooms::refusal::Refusal;
use crate::rooms::{Code, Provider, Rooms};

/// A PATCH with a fragment of a session description ([RFC 8840 §9]).
///
/// [RFC 8840 §9]: https://www.rfc-editor.org/rfc/rfc8840#section-9
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The session.
    pub session: Token,
    /// `If-Match`, as it came.
    pub if_match: Option<String>,
    /// The fragment.
    pub fragment: String,
}

impl<P: Provider> Rooms<P> {
    /// A client has more candidates, or wants to restart ICE.
    ///
    /// A lite agent sends no checks, so it has no use for candidates: the client's checks tell us its addresses.
    pub fn handle_patch(&mut self, id: RequestId, patch: &Patch) {
        match self.take_patch(patch) {
            Ok(()) => self.reply(id, Reply::Taken),
            Err(refusal) => self.deny(id, &refusal),
        }
    }

    fn take_patch(&mut self, patch: &Patch) -> Result<(), Refusal> {
        let &leg = self.streams.sessions.get(patch.session.reveal()).ok_or(Code::NoSuchSession)?;
        let attendance = self.streams.attendance(leg).ok_or(Code::NoSuchSession)?;
        let session = attendance.who.session().ok_or(Code::NoSuchSession)?;
        match patch.if_match.as_deref().map(str::trim) {
            None => return Err(Code::NoPrecondition.into()),
            // It is for a restart that any session of ICE will do.
            Some("*") => return Err(Code::NoIceRestart.into()),
            Some(tag) if tag.trim_matches('"') != session.etag.reveal() => {
                return Err(Code::OtherSession.into());
            }
            Some(_) => {}
        }
        let Stage::Agreed(party) = &attendance.stage else { return Err(Code::NoSuchSession.into()) };
        let ice = party.agreed().and_then(|settings| settings.ice);
        let named = patch.fragment.lines().filter_map(|line| line.trim().strip_prefix("a=ice-ufrag:"));
        let is_another = |ufrag: &str| ice.as_ref().is_some_and(|ice| *ice.ufrag != *ufrag);
        if named.clone().any(is_another) {
            return Err(Code::NoIceRestart.into());
        }
        Ok(())
    }
}

//! Whether somebody can be reached: what was published, what is registered, and whether they are in a call.

use ringback_sip::event::documents::pidf::{self, Basic, Composed, Presence};

use crate::call::Signalling;
use crate::exchange::Exchange;

impl Exchange {
    /// The document of a user, who may be nobody: it says the same as that of one who is not signed in.
    pub(super) fn presence_of(&self, user: &str, entity: &str) -> String {
        let published: Vec<&Presence> = self.event_state.publications.documents(user).collect();
        let is_reachable = self.reachable(user).next().is_some();
        let said = pidf::basic_of(published.iter().copied());
        // Who has no contact cannot be reached, whatever a device said before it was switched off.
        let basic = if is_reachable { said.unwrap_or(Basic::Open) } else { Basic::Closed };
        let is_on_the_phone = self.is_on_the_phone(user);
        pidf::write(&Composed { entity, basic, is_on_the_phone, published })
    }

    fn is_on_the_phone(&self, user: &str) -> bool {
        self.legs_of(user).any(|(_, leg)| matches!(leg.signalling, Signalling::Confirmed { .. }))
    }
}

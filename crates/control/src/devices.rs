//! One device of a user: requests to a GRUU ([RFC 5627]), and what is kept in touch when one of its flows is lost
//! ([RFC 5626 §5.3]).
//!
//! A GRUU leads to the device whose it is and to no other contact of its user. What the user has set about being
//! disturbed holds; nothing is forwarded elsewhere, because who dials a device does not mean another one. A temporary
//! GRUU that is void is answered 404, a device that is not there 480 ([RFC 5627 §5.1]).
//!
//! A client that was given a GRUU writes it as its Contact. Within the dialogs that come of it, the client is sent to by
//! the contact that it registered, as the proxy of its domain would have it; clients know themselves by that.
//!
//! [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627
//! [RFC 5627 §5.1]: https://www.rfc-editor.org/rfc/rfc5627#section-5.1
//! [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::Flow;
use ringback_sip::dialog::Dialog;
use ringback_sip::gruu::LeadsNowhere;
use ringback_sip::location::Binding;
use ringback_sip::uri::Uri;

use crate::call::hunt::Target;
use crate::call::refused::CallRefused;
use crate::exchange::Exchange;
use crate::routing::Destination;

/// Whom a Request-URI names.
#[derive(Debug)]
pub(crate) enum Addressee {
    /// A user, at every contact.
    User(String),
    /// A device of a user: its bindings, the newest first; none when it is not there.
    Device {
        /// Whose it is.
        user: String,
        bindings: Vec<Arc<Binding>>,
    },
}

impl Addressee {
    /// The user, or whose the device is.
    pub fn user(&self) -> &str {
        match self {
            Addressee::User(user) | Addressee::Device { user, .. } => user,
        }
    }
}

impl Exchange {
    /// Whom the URI of a domain of ours names.
    pub(crate) fn addressee(&self, uri: &Uri<'_>) -> Result<Addressee, CallRefused> {
        let user = uri.user_unescaped().ok_or(CallRefused::NoUser)?;
        let name = || String::from_utf8_lossy(&user).into_owned();
        match self.settings.gruus.resolve(&self.location, uri, &user) {
            None => Ok(Addressee::User(name())),
            Some(Ok(mut bindings)) => {
                bindings.retain(|binding| self.keepalive.answers(binding.id()));
                let first = bindings.first().map(|binding| binding.aor().as_bytes());
                let user = first.map_or_else(name, |aor| String::from_utf8_lossy(aor).into_owned());
                Ok(Addressee::Device { user, bindings })
            }
            Some(Err(LeadsNowhere::Void)) => Err(CallRefused::NoDevice),
            // A temporary GRUU does not say whose it is; a public one may be of a user that there is not.
            Some(Err(LeadsNowhere::Absent)) => match uri.params.get(b"gr") {
                Some(Some(_)) => Ok(Addressee::Device { user: name(), bindings: Vec::new() }),
                _ => Err(CallRefused::Absent),
            },
        }
    }

    /// Where a call for a device goes.
    pub(crate) fn destination_of_device(
        &self,
        user: String,
        bindings: &[Arc<Binding>],
        caller: &str,
        flow: Flow,
    ) -> Result<Destination, CallRefused> {
        let features = self.features_of(&user);
        if features.do_not_disturb {
            return Err(CallRefused::DoNotDisturb);
        }
        if self.is_busy(&user, features.waiting) {
            return Err(CallRefused::Busy);
        }
        let others = bindings.iter().filter(|binding| user != caller || binding.flow() != flow);
        Ok(match Target::of_device(&user, others.map(|binding| self.way_of(binding))) {
            Some(target) => {
                let groups = [vec![target]].into();
                Destination::Targets { user, groups, steps: Arc::default() }
            }
            None => Destination::Absent { user, is_forwarded: false },
        })
    }

    /// The contacts of a user that a request can be sent to, in the order to try them.
    pub(crate) fn reachable(&self, user: &str) -> impl Iterator<Item = &Arc<Binding>> {
        let bindings = self.location.bindings(user.as_bytes()).iter();
        bindings.filter(|binding| {
            (self.location.is_reachable(binding) || self.is_reached_anew(binding))
                && self.keepalive.answers(binding.id())
        })
    }

    /// The contact that a client has registered over the flow of a dialog, when it has written a GRUU of ours as its
    /// Contact there.
    pub(crate) fn contact_behind_gruu(&self, dialog: &Dialog) -> Option<Bytes> {
        let target = &dialog.remote_target;
        if !target.windows(3).any(|part| part.eq_ignore_ascii_case(b";gr")) {
            return None;
        }
        let uri = Uri::parse(target).ok().filter(|uri| uri.is_sip() && self.is_local(uri, dialog.flow))?;
        let Ok(Addressee::Device { bindings, .. }) = self.addressee(&uri) else { return None };
        // Of another flow it would be somebody else's: nobody is told that by naming its GRUU.
        let own = bindings.iter().find(|binding| binding.flow() == dialog.flow)?;
        Some(Bytes::copy_from_slice(own.uri()))
    }

    /// Whose state a URI names: of a device it is that of its user. Who knows a temporary GRUU alone is to learn nothing
    /// about the user behind it.
    pub(crate) fn user_watched(&self, uri: &Uri<'_>) -> Result<String, CallRefused> {
        let addressee = self.addressee(uri)?;
        let is_temporary = uri.params.get(b"gr") == Some(None);
        if is_temporary { Err(CallRefused::NoDevice) } else { Ok(addressee.user().to_owned()) }
    }

    /// A connection of a device is gone and it has another one: its dialogs go on over that.
    pub(crate) fn fall_back(&mut self, now: Instant, lost: &Binding) {
        let aor = String::from_utf8_lossy(lost.aor().as_bytes()).into_owned();
        let Some(instance) = lost.instance() else { return };
        let same = self.reachable(&aor).filter(|binding| binding.instance() == Some(instance));
        if let Some(to) =
            same.max_by_key(|binding| binding.recency()).map(|binding| self.way_of(binding).flow)
        {
            self.move_dialogs(&aor, &lost.flow(), to);
            self.move_subscriptions(now, &aor, &lost.flow(), to);
        }
    }
}

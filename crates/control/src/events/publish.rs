//! PUBLISH ([RFC 3903 §6]): a device says how its user is, or how a call sounded ([`crate::quality_reports`]).
//!
//! [RFC 3903 §6]: https://www.rfc-editor.org/rfc/rfc3903#section-6

use std::time::Instant;

use ringback_sansio::Flow;
use ringback_sip::event::documents::pidf::{self, Presence};
use ringback_sip::event::documents::vq_report::{self, Report};
use ringback_sip::event::{NotPublished, Package, Publish};
use ringback_sip::header::Event;
use ringback_sip::message::{Message, Name};

use super::refused::EventRefused;
use crate::ask::User;
use crate::exchange::{Exchange, Incoming, unsupported};

impl Exchange {
    /// An authenticated PUBLISH.
    pub(crate) fn publish(&mut self, now: Instant, incoming: Incoming, user: &User) {
        let Incoming { server, flow, message: request } = incoming;
        match self.published(now, &request, flow, &user.name) {
            Ok((etag, seconds)) => {
                self.stats.publications += 1;
                let reply = self
                    .reply(&request, 200)
                    .header(Name::SipETag, etag)
                    .header(Name::Expires, seconds.to_string());
                self.respond(now, server, reply.finish());
            }
            Err(refused) => self.refuse_event(now, server, &request, &refused),
        }
    }

    /// Does what is asked; gives the entity-tag and the seconds that are granted.
    fn published(
        &mut self,
        now: Instant,
        request: &Message,
        flow: Flow,
        user: &str,
    ) -> Result<(String, u32), EventRefused> {
        let uri = self.uri_of_ours(request, flow).map_err(EventRefused::Uri)?;
        if let Some(options) = unsupported(request) {
            return Err(EventRefused::Extension(options));
        }
        let event = Event::parse(request.header(Name::Event).unwrap_or_default())
            .map_err(|_| EventRefused::NotPublishable)?;
        if event.package == vq_report::EVENT.as_bytes() {
            self.take_quality_report(now, user, &report(request)?);
            // Nothing is kept of it that could be refreshed.
            return Ok((self.random_token(), 0));
        }
        // Nobody publishes for somebody else; From is compared when the request is authenticated.
        if uri.user_unescaped().is_none_or(|named| *named != *user.as_bytes()) {
            return Err(EventRefused::NotYours);
        }
        if Package::parse(event.package) != Some(Package::Presence) {
            return Err(EventRefused::NotPublishable);
        }
        let seconds = self.event_state.expiry.grant(request.expires())?;
        let document = document(request)?;
        let etag = self.random_token();
        let publish =
            Publish { if_match: request.header(Name::SipIfMatch), seconds, document, etag: etag.clone() };
        if self.event_state.publications.publish(now, user, publish)? {
            self.event_state.notifier.touch(Package::Presence, user);
        }
        Ok((etag, seconds))
    }

    /// Removes the publications whose time is over.
    pub(crate) fn publications_due(&mut self, now: Instant) {
        for user in self.event_state.publications.handle_timeout(now) {
            self.event_state.notifier.touch(Package::Presence, &user);
        }
    }
}

/// The report that a PUBLISH carries, whoever it is addressed to: each phone has another name for who collects them.
fn report(request: &Message) -> Result<Report<'_>, EventRefused> {
    if request.body().is_empty() && request.header(Name::SipIfMatch).is_some() {
        return Err(EventRefused::NotPublished(NotPublished::NoMatch));
    }
    let part = request.parts().find(vq_report::CONTENT_TYPE.as_bytes());
    let part = part.ok_or(EventRefused::NotAReport)?;
    Report::parse(part.body).map_err(EventRefused::Report)
}

fn document(request: &Message) -> Result<Option<Presence>, EventRefused> {
    if request.body().is_empty() {
        return Ok(None);
    }
    let part = request.parts().find(Package::Presence.content_type().as_bytes());
    let part = part.ok_or(EventRefused::NotPidf)?;
    pidf::read(part.body).map(Some).map_err(EventRefused::Document)
}

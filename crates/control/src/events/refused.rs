//! Why a SUBSCRIBE or a PUBLISH is refused.

use std::time::Instant;

use ringback_sip::dialog::NoDialog;
use ringback_sip::event::documents::vq_report::{self, BadReport};
use ringback_sip::event::documents::{BadDocument, resource_lists};
use ringback_sip::event::{NotPublished, NotSubscribed, Package, TooBrief};
use ringback_sip::message::{Message, Name};
use ringback_sip::transaction::ServerId;

use super::{ALLOW_EVENTS, EVENT_LIST};
use crate::call::refused::CallRefused;
use crate::exchange::{Exchange, warning};
use crate::quality_reports;

/// The packages that can be published, as the value of Allow-Events.
const PUBLISHABLE: &str = "presence, vq-rtcpxr";

/// Why a SUBSCRIBE or a PUBLISH is refused; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EventRefused {
    #[error("{0}")]
    Uri(CallRefused),
    #[error("an option is required that this exchange does not have")]
    Extension(Vec<u8>),
    #[error("this exchange knows the events {ALLOW_EVENTS}")]
    Event,
    #[error("only presence and reports of quality (vq-rtcpxr) can be published")]
    NotPublishable,
    #[error("the documents of this event are of the type {0}")]
    NotAcceptable(&'static str),
    #[error("a list of whom to watch is of the type application/resource-lists+xml")]
    NotAList,
    #[error("a list of whom to watch needs a watcher that supports eventlist")]
    ListUnsupported,
    #[error("only presence and calls can be watched by a list")]
    NotForLists,
    #[error("a document that is published is of the type application/pidf+xml")]
    NotPidf,
    #[error("a report of quality is of the type application/vq-rtcpxr")]
    NotAReport,
    #[error("{0}")]
    Report(BadReport),
    #[error("{0}")]
    Document(BadDocument),
    #[error("this is told to nobody but the user")]
    NotYours,
    #[error("only one event can be watched in one dialog")]
    OtherEvent,
    #[error("{0}")]
    TooBrief(#[from] TooBrief),
    #[error("{0}")]
    TooMany(NotSubscribed),
    #[error("the exchange is shutting down")]
    Draining,
    #[error("{0}")]
    NotPublished(#[from] NotPublished),
    #[error("{0}")]
    NoDialog(#[from] NoDialog),
}

impl From<NotSubscribed> for EventRefused {
    fn from(refused: NotSubscribed) -> Self {
        match refused {
            NotSubscribed::TooBrief(brief) => EventRefused::TooBrief(brief),
            other => EventRefused::TooMany(other),
        }
    }
}

impl EventRefused {
    fn status(&self) -> u16 {
        match self {
            EventRefused::Uri(refused) => refused.status(),
            EventRefused::Extension(_) => 420,
            EventRefused::Event | EventRefused::NotPublishable => 489,
            EventRefused::NotAcceptable(_) => 406,
            EventRefused::NotAList | EventRefused::NotPidf | EventRefused::NotAReport => 415,
            EventRefused::Report(bad) => quality_reports::status_of(*bad),
            EventRefused::ListUnsupported => 421,
            EventRefused::Document(BadDocument::TooLarge) => 413,
            EventRefused::NotYours | EventRefused::OtherEvent | EventRefused::NotForLists => 403,
            EventRefused::TooBrief(_) => 423,
            EventRefused::NotPublished(NotPublished::NoMatch) => 412,
            EventRefused::TooMany(_)
            | EventRefused::Draining
            | EventRefused::NotPublished(NotPublished::TooMany) => 503,
            EventRefused::Document(_) | EventRefused::NotPublished(_) | EventRefused::NoDialog(_) => 400,
        }
    }
}

impl Exchange {
    /// Refuses a SUBSCRIBE or a PUBLISH with what its sender needs to do better.
    pub(super) fn refuse_event(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Message,
        refused: &EventRefused,
    ) {
        let stats = &mut self.stats;
        match refused {
            EventRefused::Uri(uri) => {
                let reply = self.refuse_uri(request, uri).finish();
                return self.respond(now, server, reply);
            }
            EventRefused::Extension(_) => stats.extensions_refused += 1,
            EventRefused::Event | EventRefused::NotPublishable => stats.events_unknown += 1,
            EventRefused::TooBrief(_) => stats.event_times_too_brief += 1,
            EventRefused::TooMany(_)
            | EventRefused::Draining
            | EventRefused::NotPublished(NotPublished::TooMany) => stats.events_overloaded += 1,
            EventRefused::NotPublished(NotPublished::NoMatch) => stats.publications_unmatched += 1,
            EventRefused::NotAReport | EventRefused::Report(_) => stats.quality_reports_refused += 1,
            EventRefused::NotPidf | EventRefused::NotPublished(NotPublished::NoBody) => {
                stats.publications_refused += 1;
            }
            EventRefused::Document(_) if *request.method_ref() == ringback_sip::message::Method::Publish => {
                stats.publications_refused += 1;
            }
            _ => stats.subscriptions_refused += 1,
        }
        let status = refused.status();
        let mut reply = self.reply(request, status).header(Name::Warning, warning(&refused.to_string()));
        reply = match refused {
            EventRefused::Extension(options) => reply.header(Name::Unsupported, options),
            EventRefused::Event => reply.header(Name::AllowEvents, ALLOW_EVENTS),
            EventRefused::NotPublishable => reply.header(Name::AllowEvents, PUBLISHABLE),
            EventRefused::NotAList => reply.header(Name::Accept, resource_lists::CONTENT_TYPE),
            EventRefused::ListUnsupported => reply.header(Name::Require, EVENT_LIST),
            EventRefused::NotAReport => reply.header(Name::Accept, vq_report::CONTENT_TYPE),
            EventRefused::NotPidf => reply.header(Name::Accept, Package::Presence.content_type()),
            EventRefused::TooBrief(TooBrief { min }) => reply.header(Name::MinExpires, min.to_string()),
            _ if status == 503 => reply.header(Name::RetryAfter, self.retry_after()),
            _ => reply,
        };
        self.respond(now, server, reply.finish());
    }
}

//! How a dialog is made: [RFC 3261 §12.1].
//!
//! [RFC 3261 §12.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.1

use bytes::Bytes;
use ringback_sansio::Flow;
use thiserror::Error;

use super::{Dialog, DialogId, State};
use crate::header::{Address, HeaderError};
use crate::message::{Message, Name};

/// Why messages make no dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoDialog {
    /// A header that the dialog is made of is missing or broken.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The Contact is missing, `*`, or no SIP URI.
    #[error("no usable Contact")]
    Contact,
    /// The response is a 100, has no To tag, or is neither 1xx nor 2xx.
    #[error("the response establishes nothing")]
    Response,
}

impl Dialog {
    /// The dialog that we, the server of `request`, make by answering with `local_tag` (§12.1.1).
    ///
    /// It is early until [`Dialog::confirm`].
    pub fn uas(request: &Message, local_tag: &[u8], flow: Flow) -> Result<Self, NoDialog> {
        let (from, to) = (request.from()?, request.to()?);
        Ok(Dialog {
            id: DialogId {
                call_id: copied(request.call_id().ok_or(HeaderError::missing(Name::CallId))?),
                local_tag: copied(local_tag),
                remote_tag: copied(from.tag().unwrap_or_default()),
            },
            state: State::Early,
            local_uri: copied(to.uri),
            local_display: copied(to.display),
            remote_uri: copied(from.uri),
            remote_display: copied(from.display),
            remote_target: contact(request)?.ok_or(NoDialog::Contact)?,
            route_set: record_routes(request)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            secure: is_secure(request, flow),
            flow,
        })
    }

    /// The dialog that a response makes for us, the client of `request` (§12.1.2).
    ///
    /// A 2xx without a To tag makes one too (RFC 2543). Without a Contact in the response the target is the
    /// Request-URI: there is no other place to send an ACK and a BYE to.
    pub fn uac(request: &Message, response: &Message, flow: Flow) -> Result<Self, NoDialog> {
        let (from, to) = (request.from()?, response.to()?);
        let state = match (response.status(), to.tag()) {
            (Some(101..200), Some(_)) => State::Early,
            (Some(200..300), _) => State::Confirmed,
            _ => return Err(NoDialog::Response),
        };
        let mut route_set = record_routes(response)?;
        route_set.reverse();
        Ok(Dialog {
            id: DialogId {
                call_id: copied(request.call_id().ok_or(HeaderError::missing(Name::CallId))?),
                local_tag: copied(from.tag().unwrap_or_default()),
                remote_tag: copied(to.tag().unwrap_or_default()),
            },
            state,
            local_uri: copied(from.uri),
            local_display: copied(from.display),
            remote_uri: copied(to.uri),
            remote_display: copied(to.display),
            remote_target: contact(response)?.unwrap_or_else(|| copied(request.request_uri())),
            route_set,
            local_cseq: request.cseq()?.number,
            remote_cseq: None,
            secure: is_secure(request, flow),
            flow,
        })
    }

    /// Says that we have answered the request that made the dialog with a 2xx.
    pub fn confirm(&mut self) {
        self.state = State::Confirmed;
    }
}

/// The URI of the first Contact, when there is one.
pub(super) fn contact(message: &Message) -> Result<Option<Bytes>, NoDialog> {
    if !message.has(Name::Contact) {
        return Ok(None);
    }
    // Neither `*` nor an empty line is a target.
    let contact = message.contacts().next().ok_or(NoDialog::Contact)?.map_err(|_| NoDialog::Contact)?;
    match contact.parse_uri() {
        Ok(uri) if uri.is_sip() => Ok(Some(copied(contact.uri))),
        _ => Err(NoDialog::Contact),
    }
}

/// The values of Record-Route in the order they stand, each one an address.
pub(super) fn record_routes(message: &Message) -> Result<Vec<Bytes>, HeaderError> {
    message
        .values(Name::RecordRoute)
        .map(|value| {
            let address =
                Address::parse(value).map_err(|error| HeaderError { name: Name::RecordRoute, ..error })?;
            match address.parse_uri() {
                Ok(_) => Ok(copied(value)),
                Err(_) => Err(HeaderError { name: Name::RecordRoute, fault: crate::header::Fault::Uri }),
            }
        })
        .collect()
}

fn is_secure(request: &Message, flow: Flow) -> bool {
    let scheme = request.request_uri().get(..5).unwrap_or_default();
    flow.transport().is_secure() && scheme.eq_ignore_ascii_case(b"sips:")
}

/// A copy of its own: a slice would keep the whole message for as long as the dialog lasts.
fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

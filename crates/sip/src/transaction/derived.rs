//! The two requests that a client makes out of its INVITE: the ACK of a failure and the CANCEL.

use crate::message::{Builder, Message, Method, Name};

/// The ACK of a response 300 to 699 ([RFC 3261 §17.1.1.3]): it belongs to the INVITE's transaction and goes
/// the same way.
///
/// [RFC 3261 §17.1.1.3]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.3
pub(super) fn ack(invite: &Message, response: &Message) -> Message {
    along(invite, Method::Ack, response.header(Name::To)).finish()
}

/// The CANCEL of an INVITE ([RFC 3261 §9.1]), with a Reason ([RFC 3326]) unless it is empty.
///
/// [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1
/// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
pub(super) fn cancel(invite: &Message, reason: &[u8]) -> Message {
    let cancel = along(invite, Method::Cancel, invite.header(Name::To));
    if reason.is_empty() { cancel.finish() } else { cancel.header(Name::Reason, reason).finish() }
}

/// Starts a request with the INVITE's Request-URI, topmost Via, Route, From, Call-ID and CSeq number.
fn along(invite: &Message, method: Method, to: Option<&[u8]>) -> Builder {
    let number = invite.cseq().map_or(0, |cseq| cseq.number);
    let cseq = format!("{number} {method}");
    let mut request = Builder::request(method, invite.request_uri());
    if let Some(via) = invite.values(Name::Via).next() {
        request = request.header(Name::Via, via);
    }
    request = request.header(Name::MaxForwards, "70");
    for route in invite.headers(Name::Route) {
        request = request.header(Name::Route, route);
    }
    let copied = [
        (Name::From, invite.header(Name::From)),
        (Name::To, to),
        (Name::CallId, invite.header(Name::CallId)),
    ];
    for (name, value) in copied {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.header(Name::CSeq, cseq)
}

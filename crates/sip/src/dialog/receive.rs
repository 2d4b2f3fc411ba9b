//! What a dialog makes of messages that come in it: [RFC 3261 §12.2.1.2] and [§12.2.2].
//!
//! [RFC 3261 §12.2.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
//! [§12.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2

use thiserror::Error;

use super::establish::{contact, record_routes};
use super::{Dialog, NoDialog, State};
use crate::header::HeaderError;
use crate::message::{Message, Method};

/// Why a request in the dialog is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reject {
    /// Its CSeq cannot be read.
    #[error("{0}")]
    CSeq(HeaderError),
    /// Its CSeq number is below that of the last request: it was overtaken.
    #[error("CSeq out of order")]
    OutOfOrder,
    /// Its CSeq number is that of the last request, whose transaction is over or has another branch.
    #[error("CSeq repeated")]
    Repeated,
    /// It has a Contact that is no target.
    #[error("no usable Contact")]
    Contact,
}

impl Reject {
    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Reject::CSeq(_) | Reject::Contact => 400,
            Reject::OutOfOrder | Reject::Repeated => 500,
        }
    }
}

/// Whether the dialog goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does.
    Lives,
    /// It is over for us: to be forgotten, after a BYE where the far side may not know.
    Ended,
}

impl Dialog {
    /// Whether a message that we received belongs to the dialog.
    pub fn matches(&self, message: &Message) -> bool {
        self.id.matches(message)
    }

    /// Takes a request of the far side, in order or not; one that may moves the remote target.
    ///
    /// An ACK and a CANCEL have the number of their INVITE and are always in order.
    pub fn handle_request(&mut self, request: &Message) -> Result<(), Reject> {
        let method = request.method_ref();
        if matches!(method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let number = request.cseq().map_err(Reject::CSeq)?.number;
        if let Some(last) = self.remote_cseq {
            if number < last {
                return Err(Reject::OutOfOrder);
            }
            if number == last {
                return Err(Reject::Repeated);
            }
        }
        // The number counts even if the rest is refused: it has been used.
        self.remote_cseq = Some(number);
        if refreshes_target(method)
            && let Some(target) = contact(request).map_err(|_| Reject::Contact)?
        {
            self.remote_target = target;
        }
        Ok(())
    }

    /// Takes a response to a request of ours in the dialog, or to the one that made it.
    ///
    /// A 2xx to the INVITE confirms an early dialog and sets its route set anew (§13.2.2.4); a 2xx to a
    /// target refresh moves the remote target. 408 and 481 end a dialog, as does any final answer to a BYE
    /// and, while it is early, a failure of the INVITE.
    pub fn handle_response(&mut self, response: &Message) -> Result<Fate, NoDialog> {
        let status = response.status().ok_or(NoDialog::Response)?;
        let method = response.method_ref();
        if status < 200 {
            return Ok(Fate::Lives);
        }
        if *method == Method::Bye || matches!(status, 408 | 481) {
            return Ok(Fate::Ended);
        }
        let establishing = self.state == State::Early && *method == Method::Invite;
        if status >= 300 {
            return Ok(if establishing { Fate::Ended } else { Fate::Lives });
        }
        // What can fail is read first, so that a broken response changes nothing.
        let target = if refreshes_target(method) { contact(response)? } else { None };
        if establishing {
            let mut route_set = record_routes(response)?;
            route_set.reverse();
            self.route_set = route_set;
            self.state = State::Confirmed;
        }
        if let Some(target) = target {
            self.remote_target = target;
        }
        Ok(Fate::Lives)
    }
}

/// Whether requests of the method are target refreshes: of an INVITE dialog, or of a subscription.
fn refreshes_target(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify)
}

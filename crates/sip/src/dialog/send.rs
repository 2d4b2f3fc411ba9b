//! Requests of ours in a dialog: [RFC 3261 §12.2.1.1], and the ACK of a 2xx, [§13.2.2.4].
//!
//! [RFC 3261 §12.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
//! [§13.2.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4

use ringback_sansio::Transport;

use super::Dialog;
use crate::message::{Builder, Method, Name};

impl Dialog {
    /// Starts our next request: its line, Via, Max-Forwards, Route, From, To, Call-ID and the next CSeq.
    ///
    /// `sent_by` is what the Via says of us, host and port. The caller adds Contact, credentials and body. An
    /// ACK and a CANCEL take no number of their own: see [`Dialog::ack`] and [`Transactions::cancel`].
    ///
    /// [`Transactions::cancel`]: crate::transaction::Transactions::cancel
    pub fn request(&mut self, method: Method, branch: &[u8], sent_by: &[u8]) -> Builder {
        debug_assert!(!matches!(method, Method::Ack | Method::Cancel), "{method} has its INVITE's number");
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.start(method, self.local_cseq, branch, sent_by)
    }

    /// Starts the ACK of a 2xx to our INVITE with that CSeq number: a request of its own, with a branch of
    /// its own.
    ///
    /// It goes the same way as other requests in the dialog. The caller adds the credentials of the INVITE,
    /// and an answer when the 2xx held the offer.
    pub fn ack(&self, invite_cseq: u32, branch: &[u8], sent_by: &[u8]) -> Builder {
        self.start(Method::Ack, invite_cseq, branch, sent_by)
    }

    fn start(&self, method: Method, number: u32, branch: &[u8], sent_by: &[u8]) -> Builder {
        let way = self.way();
        let cseq = format!("{number} {method}");
        let mut request = Builder::request(method, &way.request_uri)
            .header(Name::Via, self.via(branch, sent_by))
            .header(Name::MaxForwards, "70");
        for route in &way.routes {
            request = request.header(Name::Route, route);
        }
        request
            .header(Name::From, name_addr(&self.local_display, &self.local_uri, &self.id.local_tag))
            .header(Name::To, name_addr(&self.remote_display, &self.remote_uri, &self.id.remote_tag))
            .header(Name::CallId, &self.id.call_id)
            .header(Name::CSeq, cseq)
    }

    fn via(&self, branch: &[u8], sent_by: &[u8]) -> Vec<u8> {
        let transport = self.flow.transport();
        let mut via =
            [b"SIP/2.0/", transport.token().as_bytes(), b" ", sent_by, b";branch=", branch].concat();
        if transport == Transport::Udp {
            // A response over a connection needs no port to come back to.
            via.extend_from_slice(b";rport");
        }
        via
    }
}

fn name_addr(display: &[u8], uri: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(display.len() + uri.len() + tag.len() + 8);
    if !display.is_empty() {
        value.extend_from_slice(display);
        value.push(b' ');
    }
    value.push(b'<');
    value.extend_from_slice(uri);
    value.push(b'>');
    if !tag.is_empty() {
        value.extend_from_slice(b";tag=");
        value.extend_from_slice(tag);
    }
    value
}

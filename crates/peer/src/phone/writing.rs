//! What requests and answers of a phone begin with.

use ringback_sansio::Transport;
use ringback_sip::message::{Builder, Message, Method, Name};

use super::machine::Phone;

impl Phone {
    /// A request outside of a dialog, from a URI with its tag to another one.
    pub(super) fn request(
        &mut self,
        uri: &[u8],
        (from, tag): (&str, &str),
        (to, to_tag): (&str, Option<&str>),
        call_id: &str,
        (cseq, method): (u32, Method),
    ) -> Builder {
        let branch = self.transactions.new_branch();
        let transport = self.flow.transport();
        let rport: &[u8] = if transport == Transport::Udp { b";rport" } else { b"" };
        let head = format!("SIP/2.0/{} {};branch=", transport.token(), self.sent_by());
        let via = [head.as_bytes(), branch.as_bytes(), rport].concat();
        let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let number = format!("{cseq} {method}");
        Builder::request(method, uri)
            .header(Name::Via, via)
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<{from}>;tag={tag}"))
            .header(Name::To, format!("<{to}>{to_tag}"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, number)
            .header(Name::UserAgent, &self.settings.product)
    }

    /// An answer to a request of another one's, which makes a dialog with this tag, or goes on with one.
    pub(super) fn reply(&self, request: &Message, status: u16, tag: &str) -> Builder {
        Builder::reply(request, status)
            .copy(request, Name::RecordRoute)
            .to_tag(tag.as_bytes())
            .header(Name::Contact, format!("<{}>", self.contact_uri()))
            .header(Name::Allow, ALLOW)
            .header_named(b"User-Agent", &self.settings.product)
    }

    /// Our address of record.
    pub(super) fn own_uri(&self) -> String {
        format!("sip:{}@{}", self.settings.user, self.settings.domain)
    }

    /// Where we are reached.
    pub(super) fn contact_uri(&self) -> String {
        let parameter = match self.flow.transport() {
            Transport::Udp | Transport::Dtls => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        format!("sip:{}@{}{parameter}", self.settings.user, self.sent_by())
    }

    /// Host and port of our Vias ([RFC 7118 §5]: over a WebSocket nobody could use them).
    ///
    /// [RFC 7118 §5]: https://www.rfc-editor.org/rfc/rfc7118#section-5
    pub(super) fn sent_by(&self) -> String {
        match self.flow.transport().is_websocket() {
            true => self.host.clone(),
            false => self.flow.local().to_string(),
        }
    }
}

/// What a phone understands.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";

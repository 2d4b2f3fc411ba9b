//! What every message of ours is made with, and how it leaves.

use std::hash::{DefaultHasher, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use ringback_media::session::LegKey;
use ringback_sansio::{Flow, Transport};
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::{ClientId, ServerId};

use super::{Exchange, Use};
use crate::owner::LocalTag;
use crate::routing::advertised;

impl Exchange {
    pub(crate) fn respond(&mut self, now: Instant, server: ServerId, response: Message) {
        self.transactions.respond(now, server, response);
    }

    /// Answers without keeping the transaction: whoever asks again gets the answer again.
    pub(crate) fn reply_stateless(&mut self, server: ServerId, response: Message) {
        self.transactions.respond_statelessly(server, response);
    }

    /// Refuses a request with a sentence in a Warning.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Message,
        status: u16,
        sentence: &str,
    ) {
        self.refuse_with(now, server, request, status, None, sentence);
    }

    /// The same with a reason phrase of its own: what a telephone shows, which shows no Warning.
    pub(crate) fn refuse_with(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Message,
        status: u16,
        phrase: Option<&str>,
        sentence: &str,
    ) {
        let reply = match phrase {
            Some(phrase) => Builder::reply_with_phrase(request, status, phrase)
                .to_tag(self.stateless_tag(request).as_bytes()),
            None => self.reply(request, status),
        };
        let mut reply = reply.header(Name::Warning, warning(sentence));
        if status == 503 {
            reply = reply.header(Name::RetryAfter, self.retry_after());
        }
        self.respond(now, server, reply.finish());
    }

    pub(crate) fn send_request(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Message,
        purpose: Use,
    ) -> ClientId {
        let id = self.transactions.request(now, flow, request.clone());
        self.request_leaves(id, flow, &request);
        self.clients.insert(id, purpose);
        id
    }

    /// The ACK of a 2xx to an INVITE of ours; the transactions repeat it when the 2xx comes again.
    pub(crate) fn acknowledge(&mut self, client: ClientId, dialog: &Dialog, response: &Message) {
        let Ok(cseq) = response.cseq() else { return };
        let branch = self.transactions.new_branch();
        let sent_by = self.sent_by(&dialog.flow);
        let ack = match self.contact_behind_gruu(dialog) {
            Some(remote_target) => Dialog { remote_target, ..dialog.clone() }.ack(
                cseq.number,
                branch.as_bytes(),
                sent_by.as_bytes(),
            ),
            None => dialog.ack(cseq.number, branch.as_bytes(), sent_by.as_bytes()),
        };
        let ack = ack.finish();
        self.transactions.ack_2xx(client, dialog.flow, ack);
    }

    /// A request outside a dialog, with its Via.
    pub(crate) fn request(&mut self, method: Method, uri: &[u8], flow: Flow) -> Builder {
        let branch = self.transactions.new_branch();
        let rport = if flow.transport() == Transport::Udp { ";rport" } else { "" };
        let via = format!("SIP/2.0/{} {};branch={branch}{rport}", flow.transport(), self.sent_by(&flow));
        Builder::request(method, uri).header(Name::Via, via)
    }

    /// The same along the Path of a contact.
    pub(crate) fn request_along(
        &mut self,
        method: Method,
        uri: &[u8],
        routes: &[Bytes],
        flow: Flow,
    ) -> Builder {
        let request = self.request(method, uri, flow);
        routes.iter().fold(request, |request, route| request.header(Name::Route, route))
    }

    /// The next request within a dialog.
    pub(crate) fn dialog_request(&mut self, dialog: &mut Dialog, method: Method) -> Builder {
        let branch = self.transactions.new_branch();
        let sent_by = self.sent_by(&dialog.flow);
        let Some(contact) = self.contact_behind_gruu(dialog) else {
            return dialog.request(method, branch.as_bytes(), sent_by.as_bytes());
        };
        let gruu = std::mem::replace(&mut dialog.remote_target, contact);
        let request = dialog.request(method, branch.as_bytes(), sent_by.as_bytes());
        dialog.remote_target = gruu;
        request
    }

    /// A response with what RFC 3261 §8.2.6 copies from the request. Where the To has no tag it gets one that follows
    /// from the request, so that a stateless answer is the same each time.
    pub(crate) fn reply(&self, request: &Message, status: u16) -> Builder {
        let reply = Builder::reply(request, status);
        if status == 100 { reply } else { reply.to_tag(self.stateless_tag(request).as_bytes()) }
    }

    /// The To tag of a stateless answer.
    pub(crate) fn stateless_tag(&self, request: &Message) -> String {
        format!("{:016x}", self.fingerprint(request))
    }

    /// What Call-ID, From tag and CSeq number come to: the same for a request and for a copy of it that came by another
    /// way.
    pub(crate) fn fingerprint(&self, request: &Message) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.tag_secret);
        let tag = request.from().ok().and_then(|from| from.tag());
        for part in [request.call_id(), tag] {
            let part = part.unwrap_or_default();
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.write_u32(request.cseq().map_or(0, |cseq| cseq.number));
        hasher.finish()
    }

    /// A hash that nobody outside can aim at.
    pub(crate) fn hash_of(&self, text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.tag_secret);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    /// Our Contact towards the far end of a flow.
    pub(crate) fn contact(&self, flow: &Flow) -> String {
        let transport = flow.transport().token().to_ascii_lowercase();
        format!("<sip:ringback@{};transport={transport}>", self.sent_by(flow))
    }

    pub(crate) fn sent_by(&self, flow: &Flow) -> String {
        let address = advertised(&self.settings.public_addresses, flow);
        SocketAddr::new(address, flow.local().port()).to_string()
    }

    /// The host of the addresses that the far end of a flow sees: it is what a phone dials back.
    pub(crate) fn identity_host(&self, flow: &Flow) -> String {
        match (self.settings.domains.first(), advertised(&self.settings.public_addresses, flow)) {
            (Some(domain), _) => domain.clone(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
            (None, address) => address.to_string(),
        }
    }

    pub(crate) fn local_tag(&mut self, leg: LegKey) -> String {
        LocalTag { leg, random: self.random.next_u64() }.to_string()
    }

    /// 128 random bits for a Call-ID or a record.
    pub(crate) fn random_token(&mut self) -> String {
        format!("{:016x}{:016x}", self.random.next_u64(), self.random.next_u64())
    }

    /// Seconds after which to try again, spread so that the callers do not come back all at once.
    pub(crate) fn retry_after(&mut self) -> String {
        (1 + self.random.next_u64() % 10).to_string()
    }
}

/// A Warning header field value with our sentence (RFC 3261 §20.43: 399 is for text of any kind).
pub(crate) fn warning(sentence: &str) -> String {
    warning_of(399, sentence)
}

/// The same with a code of its own.
pub(crate) fn warning_of(code: u16, sentence: &str) -> String {
    format!("{code} ringback \"{}\"", quotable(sentence))
}

/// The text without what would end a quoted string.
pub(crate) fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).map(|c| if matches!(c, '"' | '\\') { '\'' } else { c }).collect()
}

impl Exchange {
    /// The answer to a request that nobody vouches for. The source of a datagram may be forged, and the answer then goes
    /// to somebody who did not ask: what it can do without is left out until it is no more than half as long again as the
    /// request.
    pub(crate) fn without_weight(
        &self,
        now: Instant,
        request: &Message,
        flow: Flow,
        answer: Message,
    ) -> Message {
        let most = request.bytes().len() * 3 / 2;
        if flow.transport() != Transport::Udp || self.admission.knows(now, flow.remote().ip()) {
            return answer;
        }
        let mut light = answer;
        // A 405 must say what is allowed.
        let needs_allow = light.status() == Some(405);
        for name in [Name::Warning, Name::Accept, Name::AllowEvents, Name::Supported, Name::Allow] {
            if light.bytes().len() > most && !(needs_allow && name == Name::Allow) && light.has(name) {
                let mut edit = light.edit();
                edit.remove(name);
                light = edit.finish();
            }
        }
        light
    }

    /// Whether the far end of a flow is our own listener: whoever forges that would have us talk to ourselves.
    pub(crate) fn is_listener_of_ours(&self, flow: &Flow) -> bool {
        let (remote, local) = (flow.remote(), flow.local());
        remote.port() == local.port()
            && (remote.ip() == local.ip() || self.settings.own_addresses.contains(&remote.ip()))
    }
}

/// Whether an address is nobody's: what comes from there is forged, and an answer would go to many or to none.
pub(crate) fn is_nowhere(address: SocketAddr) -> bool {
    let is_no_host = match address.ip() {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
    };
    is_no_host || address.port() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_at_multicast_broadcast_or_port_zero() {
        for text in [
            "224.0.0.1:5060",
            "255.255.255.255:5060",
            "0.0.0.0:5060",
            "192.0.2.1:0",
            "[ff02::1]:5060",
            "[::]:1",
        ] {
            assert!(is_nowhere(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.255:5060", "127.0.0.1:1", "[::1]:5060", "[2001:db8::1]:65535"] {
            assert!(!is_nowhere(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_sentence_stays_in_its_quotes() {
        assert_eq!(warning("a \"b\"\r\nX: \\"), "399 ringback \"a 'b'X: '\"");
        assert_eq!(warning_of(305, "x"), "305 ringback \"x\"");
    }
}

//! One user of a load: where it is reached, and the requests that it begins with.

use ringback_sansio::{Flow, Transport};
use ringback_sip::message::{Builder, Message, Method, Name};

use crate::bench::accounts::Account;

/// A phone that has signed in, or will.
pub(super) struct Phone {
    pub(super) account: Account,
    /// Where its server is; `None` before its connection stands and after it has ended.
    pub(super) flow: Option<Flow>,
    /// Host and port of its Vias.
    pub(super) sent_by: String,
    contact: String,
    /// The CSeq of its last REGISTER.
    cseq: u32,
}

/// How long a registration lasts, in seconds: longer than a load.
const EXPIRES: &str = "7200";

impl Phone {
    pub(super) fn new(account: Account) -> Self {
        Phone { account, flow: None, sent_by: String::new(), contact: String::new(), cseq: 0 }
    }

    /// Gives it a connection, or the socket that all of them share.
    pub(super) fn attach(&mut self, flow: Flow) {
        let name = &self.account.name;
        // RFC 7118 §5: a browser does not know its address.
        self.sent_by = match flow.transport().is_websocket() {
            true => format!("{name}.invalid"),
            false => flow.tuple.local.to_string(),
        };
        let parameter = match flow.transport() {
            Transport::Udp | Transport::Dtls => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        self.contact = format!("<sip:{name}@{}{parameter}>", self.sent_by);
        self.flow = Some(flow);
    }

    /// The next REGISTER of the series that `series` names. Its credentials come last.
    pub(super) fn register(
        &mut self,
        domain: &str,
        series: &str,
        branch: &[u8],
        credentials: Option<(Name, Vec<u8>)>,
    ) -> Message {
        self.cseq = self.cseq.saturating_add(1);
        let user = format!("<sip:{}@{domain}>", self.account.name);
        let call_id = format!("{series}-{}", self.account.name);
        let mut request = Builder::request(Method::Register, format!("sip:{domain}").as_bytes())
            .header(Name::Via, self.via(branch))
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("{user};tag={series}"))
            .header(Name::To, user)
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("{} REGISTER", self.cseq))
            .header(Name::Contact, &self.contact)
            .header(Name::Expires, EXPIRES)
            .header(Name::Supported, "path, gruu, outbound")
            .header(Name::UserAgent, USER_AGENT);
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        request.finish()
    }

    /// The INVITE number `cseq` of the call with that Call-ID and tag.
    pub(super) fn invite(
        &self,
        domain: &str,
        callee: &str,
        (call_id, tag, cseq): (&str, &str, u32),
        branch: &[u8],
        credentials: Option<(Name, Vec<u8>)>,
        offer: &str,
    ) -> Message {
        let target = format!("sip:{callee}@{domain}");
        let mut request = Builder::request(Method::Invite, target.as_bytes())
            .header(Name::Via, self.via(branch))
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<sip:{}@{domain}>;tag={tag}", self.account.name))
            .header(Name::To, format!("<{target}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("{cseq} INVITE"))
            .header(Name::Contact, &self.contact)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, "gruu, outbound")
            .header(Name::UserAgent, USER_AGENT);
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        request.body(b"application/sdp", offer.as_bytes()).finish()
    }

    fn via(&self, branch: &[u8]) -> Vec<u8> {
        let transport = self.flow.map_or(Transport::Udp, |flow| flow.transport());
        let head = format!("SIP/2.0/{} {};branch=", transport.token(), self.sent_by);
        let rport: &[u8] = if transport.is_reliable() { b"" } else { b";rport" };
        [head.as_bytes(), branch, rport].concat()
    }
}

/// What a phone of a load understands.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

const USER_AGENT: &str = "ringback bench";

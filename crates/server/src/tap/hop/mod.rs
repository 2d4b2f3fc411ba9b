//! The tap as a Via hop, between a browser over WebSocket and a server over UDP, TCP or TLS ([RFC 3261 §16.6], [§18]).
//!
//! Between two WebSockets a message passes byte for byte. Here it changes its transport, so the tap is a stateless proxy
//! ([§16.11]) that has one flow on each side, and that flow is all its routing:
//! - A request gets `received` and `rport` in the Via that it came with, and a Via of ours on top, whose branch follows
//!   from the branch that it came with: an ACK and a CANCEL get that of their INVITE. A response loses our Via; one
//!   without it is dropped.
//! - The Contact of the browser, a name under `.invalid`, becomes the address of our socket, which belongs to this
//!   browser alone; a Request-URI and a Contact that the server takes from it are turned back ([`contact`]). That is why
//!   no Record-Route is needed: whatever is sent to the Contact comes back here, and a browser sends everything over its
//!   WebSocket. It holds while the connection lives; a browser that reconnects registers anew.
//! - `outbound` leaves the Supported of a REGISTER: a registrar that sees two Vias and no Path with `ob` must refuse it
//!   with 439 ([RFC 5626 §6]), and without the tag it ignores the reg-id.
//! - Over UDP the tap repeats what is not answered and absorbs what is repeated ([`repeat`]), since a browser does neither
//!   on its reliable transport.
//!
//! Left out: routing by Route or Request-URI (the server is the outbound proxy of everything), a switch to TCP for large
//! requests (the user has chosen the transport), the NAT between the tap and its server.
//!
//! [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6
//! [§16.11]: https://www.rfc-editor.org/rfc/rfc3261#section-16.11
//! [§18]: https://www.rfc-editor.org/rfc/rfc3261#section-18
//! [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6

mod contact;
mod repeat;

pub(super) use repeat::{Repeated, Repeats};

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use ringback_sip::header::Via;
use ringback_sip::message::{Edit, Message, Method, Name};
use thiserror::Error;

use super::{Ends, Side};
use contact::Contacts;

/// What every branch of ours begins with.
const BRANCH: &str = "z9hG4bK-tap-";

/// The Via hop of one browser.
#[derive(Debug)]
pub(super) struct Hop {
    ends: Ends,
    contacts: Contacts,
    /// The key under which branches are made.
    key: RandomState,
}

/// Why a message does not go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum HopError {
    /// No Via that can be read.
    #[error("its Via cannot be read")]
    Via,
    /// A response without our Via.
    #[error("a response to nothing that passed here: our Via is not on top")]
    NotOurs,
    /// Max-Forwards has come to its end.
    #[error("its Max-Forwards is 0")]
    TooManyHops,
}

impl Hop {
    /// The hop between the two ends of a connection.
    pub(super) fn new(ends: Ends) -> Self {
        Hop {
            contacts: Contacts::new(ends.server.local, ends.server.transport),
            ends,
            key: RandomState::new(),
        }
    }

    /// The message as it leaves on the other side.
    pub(super) fn forward(&mut self, from: Side, message: &Message) -> Result<Message, HopError> {
        let stamped = match message.is_request() {
            true => Some(message.with_source(self.came_from(from)).map_err(|_| HopError::Via)?),
            false => None,
        };
        let message = stamped.as_ref().unwrap_or(message);
        let mut edit = message.edit();
        if message.is_request() {
            self.request(from, message, &mut edit)?;
        } else {
            let via = message.via().map_err(|_| HopError::NotOurs)?;
            if !via.branch().is_some_and(|branch| branch.starts_with(BRANCH.as_bytes())) {
                return Err(HopError::NotOurs);
            }
            edit.pop_value(Name::Via);
        }
        match from {
            // The Contact of a redirection is somebody else's.
            Side::Browser if message.status().is_none_or(|status| status < 300) => {
                self.contacts.rewrite(message, &mut edit);
            }
            Side::Browser => {}
            Side::Server => self.contacts.restore(message, &mut edit),
        }
        Ok(edit.finish())
    }

    fn came_from(&self, side: Side) -> SocketAddr {
        match side {
            Side::Browser => self.ends.browser.remote,
            Side::Server => self.ends.server.remote,
        }
    }

    fn request(&self, from: Side, message: &Message, edit: &mut Edit<'_>) -> Result<(), HopError> {
        let via = message.via().map_err(|_| HopError::Via)?;
        let leaves = match from {
            Side::Browser => self.ends.server,
            Side::Server => self.ends.browser,
        };
        let value = self.via(&via, message, leaves.transport.token(), leaves.local);
        edit.push_front(Name::Via, value.as_bytes());
        match message.max_forwards() {
            Ok(Some(0)) => return Err(HopError::TooManyHops),
            Ok(Some(hops)) => {
                edit.replace(Name::MaxForwards, (hops - 1).to_string().as_bytes());
            }
            Ok(None) => {
                edit.push_back(Name::MaxForwards, b"70");
            }
            Err(_) => {}
        }
        if from == Side::Browser && *message.method_ref() == Method::Register {
            without_outbound(message, edit);
        }
        Ok(())
    }

    /// Our Via. Its branch is the same for the same request, and for the ACK and CANCEL of an INVITE.
    fn via(&self, below: &Via<'_>, message: &Message, transport: &str, local: SocketAddr) -> String {
        let number = message.cseq().map_or(0, |cseq| cseq.number);
        // A branch without the cookie is not unique, and then the rest has to tell requests apart.
        let old = below.unique_branch().is_none().then(|| message.header(Name::From));
        let id = (below.branch(), below.sent_by, message.call_id(), number, old);
        format!("SIP/2.0/{transport} {local};rport;branch={BRANCH}{:016x}", self.key.hash_one(id))
    }
}

/// Takes the option tag `outbound` out of every Supported.
fn without_outbound(message: &Message, edit: &mut Edit<'_>) {
    let tags: Vec<&[u8]> = message.values(Name::Supported).collect();
    let kept: Vec<&[u8]> =
        tags.iter().copied().filter(|tag| !tag.eq_ignore_ascii_case(b"outbound")).collect();
    if kept.len() == tags.len() {
        return;
    }
    edit.remove(Name::Supported);
    if !kept.is_empty() {
        edit.push_back(Name::Supported, &kept.join(&b", "[..]));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ringback_sansio::{FiveTuple, Transport};

    use super::*;

    const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
        Via: SIP/2.0/WS df7jal.invalid;branch=z9hG4bK56sdasks\r\n\
        Max-Forwards: 69\r\n\
        From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:ab12@df7jal.invalid;transport=ws;ob>\r\nContent-Length: 0\r\n\r\n";

    fn hop(transport: Transport) -> Hop {
        let tuple = |transport, local: &str, remote: &str| {
            FiveTuple::new(transport, local.parse().unwrap(), remote.parse().unwrap())
        };
        Hop::new(Ends {
            browser: tuple(Transport::Ws, "127.0.0.1:8088", "127.0.0.1:40000"),
            server: tuple(transport, "192.0.2.1:5070", "192.0.2.9:5060"),
        })
    }

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn text(message: &Message) -> String {
        String::from_utf8(message.bytes().to_vec()).unwrap()
    }

    /// The same with the branch of ours written as `OURS`.
    fn masked(text: &str) -> String {
        let (before, after) = text.split_once(BRANCH).unwrap();
        format!("{before}OURS{}", &after[16..])
    }

    #[test]
    fn a_request_of_the_browser_gets_our_via_and_a_contact_that_can_be_reached() {
        for (transport, token, param) in
            [(Transport::Udp, "UDP", "udp"), (Transport::Tcp, "TCP", "tcp"), (Transport::Tls, "TLS", "tls")]
        {
            let sent = hop(transport).forward(Side::Browser, &message(INVITE)).unwrap();
            assert_eq!(Message::parse(sent.bytes().clone()).as_ref(), Ok(&sent));
            assert_eq!(
                masked(&text(&sent)),
                format!(
                    "INVITE sip:bob@example.com SIP/2.0\r\n\
                     Via: SIP/2.0/{token} 192.0.2.1:5070;rport;branch=OURS\r\n\
                     Via: SIP/2.0/WS df7jal.invalid;branch=z9hG4bK56sdasks;received=127.0.0.1\r\n\
                     Max-Forwards: 68\r\n\
                     From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\n\
                     CSeq: 1 INVITE\r\nContact: <sip:ab12@192.0.2.1:5070;ob;transport={param}>\r\n\
                     Content-Length: 0\r\n\r\n"
                )
            );
        }
    }

    #[test]
    fn its_response_loses_our_via_and_the_browser_sees_its_own() {
        let mut hop = hop(Transport::Udp);
        let sent = text(&hop.forward(Side::Browser, &message(INVITE)).unwrap());
        let vias: String =
            sent.lines().filter(|line| line.starts_with("Via")).map(|line| format!("{line}\r\n")).collect();
        let rest = "From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=b\r\nCall-ID: c1\r\n\
            CSeq: 1 INVITE\r\nContact: <sip:bob@192.0.2.9:5060>\r\nContent-Length: 0\r\n\r\n";
        let got = hop.forward(Side::Server, &message(&format!("SIP/2.0 200 OK\r\n{vias}{rest}"))).unwrap();
        assert_eq!(
            text(&got),
            format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/WS df7jal.invalid;branch=z9hG4bK56sdasks;received=127.0.0.1\r\n{rest}"
            )
        );
        let stray =
            message(&format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx\r\n{rest}"));
        assert_eq!(hop.forward(Side::Server, &stray), Err(HopError::NotOurs));
    }

    #[test]
    fn ack_and_cancel_have_the_branch_of_their_invite_and_another_request_has_not() {
        let mut hop = hop(Transport::Udp);
        let mut branch = |text: &str| {
            let sent = hop.forward(Side::Browser, &message(text)).unwrap();
            String::from_utf8(sent.via().unwrap().branch().unwrap().to_vec()).unwrap()
        };
        let invite = branch(INVITE);
        for method in ["ACK", "CANCEL"] {
            assert_eq!(branch(&INVITE.replace("INVITE", method)), invite);
        }
        assert_eq!(branch(INVITE), invite, "a repetition");
        assert_ne!(branch(&INVITE.replace("56sdasks", "other")), invite);
        assert_ne!(branch(&INVITE.replace("1 INVITE", "2 INVITE")), invite);
    }

    #[test]
    fn a_request_of_the_server_finds_the_contact_that_the_browser_gave() {
        let mut hop = hop(Transport::Udp);
        hop.forward(Side::Browser, &message(INVITE)).unwrap();
        let bye = "BYE sip:ab12@192.0.2.1:5070;ob;transport=udp SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKserver\r\nMax-Forwards: 70\r\n\
            From: <sip:bob@example.com>;tag=b\r\nTo: <sip:alice@example.com>;tag=a\r\nCall-ID: c1\r\n\
            CSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n";
        let got = text(&hop.forward(Side::Server, &message(bye)).unwrap());
        assert!(got.starts_with(
            "BYE sip:ab12@df7jal.invalid;transport=ws;ob SIP/2.0\r\nVia: SIP/2.0/WS 127.0.0.1:8088;rport;branch="
        ), "{got}");
        assert!(
            got.contains(
                "\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport=5060;branch=z9hG4bKserver;received=192.0.2.9\r\n"
            ),
            "{got}"
        );
        let vias: String =
            got.lines().filter(|line| line.starts_with("Via")).map(|line| format!("{line}\r\n")).collect();
        let answer = format!(
            "SIP/2.0 200 OK\r\n{vias}From: <sip:bob@example.com>;tag=b\r\nTo: <sip:alice@example.com>;tag=a\r\n\
             Call-ID: c1\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n"
        );
        let sent = hop.forward(Side::Browser, &message(&answer)).unwrap();
        assert_eq!(sent.values(Name::Via).count(), 1);
        assert_eq!(sent.via().unwrap().branch(), Some(&b"z9hG4bKserver"[..]));
    }

    #[test]
    fn the_answer_to_a_register_lists_the_browsers_own_contact() {
        let mut hop = hop(Transport::Udp);
        let register = "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK2\r\n\
            From: <sip:alice@example.com>;tag=a\r\nTo: <sip:alice@example.com>\r\nCall-ID: c2\r\nCSeq: 1 REGISTER\r\n\
            Contact: <sip:ab12@x.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=600\r\n\
            Supported: path,gruu,outbound\r\nContent-Length: 0\r\n\r\n";
        let sent = text(&hop.forward(Side::Browser, &message(register)).unwrap());
        assert!(sent.contains("Contact: <sip:ab12@192.0.2.1:5070;transport=udp>;+sip.instance="), "{sent}");
        assert!(sent.contains("Supported: path, gruu\r\n"), "{sent}");
        assert!(sent.contains("Max-Forwards: 70\r\n"), "{sent}");
        let answer = sent
            .replace("REGISTER sip:example.com SIP/2.0", "SIP/2.0 200 OK")
            .replace("Contact: ", "Contact: <sip:else@192.0.2.77:5060>;expires=5, ");
        let got = text(&hop.forward(Side::Server, &message(&answer)).unwrap());
        assert!(
            got.contains(
                "Contact: <sip:else@192.0.2.77:5060>;expires=5, <sip:ab12@x.invalid;transport=ws>;+sip.instance="
            ),
            "{got}"
        );
    }

    #[test]
    fn a_gruu_and_the_contact_that_it_is_of_are_told_apart() {
        let mut hop = hop(Transport::Udp);
        for contact in ["sip:alice@x.invalid;transport=ws", "sip:alice@example.com;gr=urn:uuid:1"] {
            let invite = INVITE.replace("sip:ab12@df7jal.invalid;transport=ws;ob", contact);
            let sent = hop.forward(Side::Browser, &message(&invite)).unwrap();
            let ours = sent.contacts().next().unwrap().unwrap();
            let bye = INVITE
                .replace("INVITE sip:bob@example.com", &format!("BYE {}", String::from_utf8_lossy(ours.uri)));
            let got = hop.forward(Side::Server, &message(&bye.replace("1 INVITE", "1 BYE"))).unwrap();
            assert_eq!(String::from_utf8_lossy(got.request_uri()), contact);
        }
        let first = message(&INVITE.replace("sip:bob@example.com", "sip:alice@192.0.2.1:5070;transport=udp"));
        let got = hop.forward(Side::Server, &first).unwrap();
        assert_eq!(got.request_uri(), b"sip:alice@x.invalid;transport=ws");
    }

    #[test]
    fn a_request_that_has_come_too_far_ends_here() {
        let far = message(&INVITE.replace("Max-Forwards: 69", "Max-Forwards: 0"));
        assert_eq!(hop(Transport::Udp).forward(Side::Browser, &far), Err(HopError::TooManyHops));
    }
}

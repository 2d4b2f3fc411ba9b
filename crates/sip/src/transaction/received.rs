//! Where a request came from, written into its topmost Via ([RFC 3261 §18.2.1], [RFC 3581 §4]).
//!
//! [RFC 3261 §18.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.1
//! [RFC 3581 §4]: https://www.rfc-editor.org/rfc/rfc3581#section-4

use std::net::SocketAddr;

use crate::header::Via;
use crate::message::Message;

/// The request, whose topmost Via is `via`, with `received`, and `rport` where it was asked for, as `source` says; `None`
/// when it stays as it is, for its Via already says where it came from: an address for sent-by, the same as the source's,
/// and neither parameter.
pub(super) fn stamped(request: &Message, via: &Via<'_>, source: SocketAddr) -> Option<Message> {
    let says_so = via.host.ip() == Some(source.ip()) && via.rport().is_none();
    if says_so && via.params.get(b"received").is_none() {
        return None;
    }
    // The same Via was read above.
    request.with_source(source).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Name;

    fn value_after(via: &str) -> String {
        let text = format!("OPTIONS sip:x SIP/2.0\r\nVia: {via}\r\nContent-Length: 0\r\n\r\n");
        let request = Message::parse(Bytes::from(text)).unwrap();
        let stamped = stamped(&request, &request.via().unwrap(), "203.0.113.7:40001".parse().unwrap());
        String::from_utf8(stamped.unwrap_or(request).header(Name::Via).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn received_is_written_and_rport_is_filled() {
        assert_eq!(
            value_after("SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bK1"),
            "SIP/2.0/UDP 10.0.0.5:5060;rport=40001;branch=z9hG4bK1;received=203.0.113.7"
        );
        assert_eq!(
            value_after("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1"),
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1;received=203.0.113.7"
        );
    }

    #[test]
    fn what_the_sender_wrote_is_overwritten() {
        assert_eq!(
            value_after("SIP/2.0/UDP 203.0.113.7;received=192.0.2.66;branch=z9hG4bK1"),
            "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bK1;received=203.0.113.7"
        );
        assert_eq!(
            value_after("SIP/2.0/UDP 10.0.0.5;rport=9;branch=z9hG4bK1"),
            "SIP/2.0/UDP 10.0.0.5;rport=40001;branch=z9hG4bK1;received=203.0.113.7"
        );
    }

    #[test]
    fn only_the_topmost_value_is_touched() {
        let below = "SIP/2.0/TCP 192.0.2.1;rport;branch=z9hG4bK2";
        let two = format!("SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1, {below}");
        let expected = format!("SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;received=203.0.113.7, {below}");
        assert_eq!(value_after(&two), expected);
    }

    #[test]
    fn a_via_that_tells_the_truth_stays() {
        let via = "SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK1";
        assert_eq!(value_after(via), via);
    }
}

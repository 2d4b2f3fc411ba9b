//! The session description in a message, alone or in a multipart ([RFC 5621]).
//!
//! [RFC 5621]: https://www.rfc-editor.org/rfc/rfc5621

use bytes::Bytes;
use ringback_sip::header::Params;
use ringback_sip::message::{Message, Name};

/// What we take as a session description.
pub(crate) const SDP: &[u8] = b"application/sdp";

/// A body that must be understood and is no session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSdp;

/// The session description of a message; `None` when it has none.
pub(crate) fn session_description(message: &Message) -> Result<Option<Bytes>, NotSdp> {
    if message.body().is_empty() {
        return Ok(None);
    }
    if message.header(Name::ContentEncoding).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(NotSdp);
    }
    if let Some(part) = message.parts().find(SDP) {
        return Ok(Some(message.bytes().slice_ref(part.body)));
    }
    if message.header(Name::ContentDisposition).is_some_and(is_optional) { Ok(None) } else { Err(NotSdp) }
}

/// Whether a body may be passed over by who does not know it (RFC 3261 §20.11).
fn is_optional(disposition: &[u8]) -> bool {
    let start = disposition.iter().position(|&byte| byte == b';').unwrap_or(disposition.len());
    let params = Params::parse(disposition.get(start..).unwrap_or_default());
    params.is_ok_and(|params| {
        params.get(b"handling").flatten().is_some_and(|value| value.eq_ignore_ascii_case(b"optional"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &str, body: &str) -> Result<Option<String>, NotSdp> {
        let text = format!(
            "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        let body = session_description(&message)?;
        Ok(body.map(|body| String::from_utf8(body.to_vec()).unwrap()))
    }

    #[test]
    fn it_is_found_alone_and_in_a_multipart() {
        assert_eq!(read("X: y", ""), Ok(None));
        assert_eq!(read("Content-Type: Application/SDP;charset=utf-8", "v=0"), Ok(Some("v=0".into())));
        let parts = "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--";
        assert_eq!(read("Content-Type: multipart/mixed;boundary=b", parts), Ok(Some("v=0".into())));
    }

    #[test]
    fn what_must_be_understood_is_refused() {
        assert_eq!(read("Content-Type: text/plain", "hi"), Err(NotSdp));
        assert_eq!(read("X: y", "v=0"), Err(NotSdp));
        assert_eq!(read("Content-Type: application/sdp\r\nContent-Encoding: gzip", "v=0"), Err(NotSdp));
        let optional = "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional";
        assert_eq!(read(optional, "hi"), Ok(None));
    }
}

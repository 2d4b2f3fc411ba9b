//! WebSocket frames ([RFC 6455 §5]) as a go-between needs them.
//!
//! The WebSocket layer of the server answers pings and close frames by itself. A tap must not: a browser that is dead has
//! to be dead for its server too, so a pong is the far end's and a close code is passed on as it was said. Messages are
//! put together from their fragments; text is not checked to be UTF-8, which the far end will do. Extensions are not
//! offered, so a reserved bit is an error. Bytes come in, frames go out: who has the stream is `socket.rs`.
//!
//! [RFC 6455 §5]: https://www.rfc-editor.org/rfc/rfc6455#section-5

pub mod fuzz;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// The most that a control frame carries ([RFC 6455 §5.5]).
///
/// [RFC 6455 §5.5]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5
const MAX_CONTROL: usize = 125;

/// What a WebSocket carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message.
    Message(Bytes, Kind),
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong with its payload.
    Pong(Bytes),
    /// A close frame, with the code and reason that it may have.
    Close(Option<Farewell>),
}

/// The two kinds of frames that carry SIP ([RFC 7118 §5]).
///
/// [RFC 7118 §5]: https://www.rfc-editor.org/rfc/rfc7118#section-5
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, which is UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// What a close frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// The code of [RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4).
    pub(crate) code: u16,
    /// The words.
    pub(crate) reason: Bytes,
}

impl Farewell {
    /// A farewell of our own.
    pub(crate) fn new(code: u16, reason: &'static str) -> Self {
        Farewell { code, reason: Bytes::from_static(reason.as_bytes()) }
    }
}

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// We were connected to.
    Server,
    /// We connected.
    Client,
}

/// Why bytes are no frames that can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    /// A message above the limit.
    #[error("a message above the limit of {0} bytes")]
    TooLarge(usize),
    /// Frames that break the rules.
    #[error("{0}, which RFC 6455 forbids")]
    Forbidden(&'static str),
}

/// Puts together what comes over a WebSocket.
pub(crate) struct Reader {
    role: Role,
    limit: usize,
    buffer: BytesMut,
    /// The fragments so far of a message that is not whole.
    partial: Option<(Kind, BytesMut)>,
}

impl Reader {
    /// Takes messages of up to `limit` bytes.
    pub(super) fn new(role: Role, limit: usize) -> Self {
        Reader { role, limit, buffer: BytesMut::new(), partial: None }
    }

    /// Where what has come is put.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Cuts a frame off the buffer; `None` when more has to come for the next one.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        while let Some(head) = Head::read(&self.buffer) {
            if head.is_reserved {
                return Err(FrameError::Forbidden("a reserved bit is set"));
            }
            if head.is_masked != (self.role == Role::Server) {
                return Err(FrameError::Forbidden("a client that does not mask, or a server that does"));
            }
            // It may stand between the fragments of a message, of which it is none.
            let is_control = head.opcode >= 8;
            if is_control && (!head.is_final || head.length > MAX_CONTROL as u64) {
                return Err(FrameError::Forbidden("a control frame in fragments or above 125 bytes"));
            }
            let partial = self.partial.as_ref().filter(|_| !is_control);
            let so_far = partial.map_or(0, |(_, bytes)| bytes.len());
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            if !is_control && length.saturating_add(so_far) > self.limit {
                return Err(FrameError::TooLarge(self.limit));
            }
            let total = head.size + length;
            if self.buffer.len() < total {
                self.buffer.reserve(total - self.buffer.len());
                return Ok(None);
            }
            let mut frame = self.buffer.split_to(total);
            let mut payload = frame.split_off(head.size);
            if head.is_masked {
                let mask = frame.split_off(head.size - 4);
                mask_bytes(&mut payload, &mask);
            }
            if let Some(frame) = self.assemble(head, payload)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn assemble(&mut self, head: Head, payload: BytesMut) -> Result<Option<Frame>, FrameError> {
        let kind = match head.opcode {
            0 => {
                let Some((kind, mut bytes)) = self.partial.take() else {
                    return Err(FrameError::Forbidden("a continuation of nothing"));
                };
                bytes.extend_from_slice(&payload);
                return Ok(self.whole(kind, bytes, head.is_final));
            }
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => return Ok(Some(Frame::Close(farewell(payload.freeze())?))),
            9 => return Ok(Some(Frame::Ping(payload.freeze()))),
            10 => return Ok(Some(Frame::Pong(payload.freeze()))),
            _ => return Err(FrameError::Forbidden("an unknown opcode")),
        };
        if self.partial.is_some() {
            return Err(FrameError::Forbidden("a message within another"));
        }
        Ok(self.whole(kind, payload, head.is_final))
    }

    fn whole(&mut self, kind: Kind, bytes: BytesMut, is_final: bool) -> Option<Frame> {
        if is_final {
            return Some(Frame::Message(bytes.freeze(), kind));
        }
        self.partial = Some((kind, bytes));
        None
    }
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy)]
struct Head {
    opcode: u8,
    is_final: bool,
    is_reserved: bool,
    is_masked: bool,
    /// Bytes before the payload.
    size: usize,
    /// Bytes of the payload.
    length: u64,
}

impl Head {
    /// Reads a head once it is whole.
    fn read(bytes: &[u8]) -> Option<Head> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (size, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            length => (2, u64::from(length)),
        };
        let is_masked = second & 0x80 != 0;
        let size = if is_masked { size + 4 } else { size };
        (bytes.len() >= size).then_some(Head {
            opcode: first & 0x0f,
            is_final: first & 0x80 != 0,
            is_reserved: first & 0x70 != 0,
            is_masked,
            size,
            length,
        })
    }
}

fn farewell(payload: Bytes) -> Result<Option<Farewell>, FrameError> {
    match payload.get(..2).and_then(|code| <[u8; 2]>::try_from(code).ok()) {
        Some(code) => Ok(Some(Farewell { code: u16::from_be_bytes(code), reason: payload.slice(2..) })),
        None if payload.is_empty() => Ok(None),
        None => Err(FrameError::Forbidden("a close frame of one byte")),
    }
}

/// The bytes of a frame, masked where a mask is given.
pub(super) fn encode(frame: &Frame, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut said = Vec::new();
    let (opcode, payload): (u8, &[u8]) = match frame {
        // Somebody's edit may have left what is no text.
        Frame::Message(bytes, Kind::Text) if std::str::from_utf8(bytes).is_ok() => (1, bytes),
        Frame::Message(bytes, _) => (2, bytes),
        Frame::Close(None) => (8, b""),
        Frame::Close(Some(Farewell { code, reason })) => {
            said.extend_from_slice(&code.to_be_bytes());
            said.extend_from_slice(reason.get(..MAX_CONTROL - 2).unwrap_or(reason));
            (8, &said)
        }
        Frame::Ping(payload) => (9, payload),
        Frame::Pong(payload) => (10, payload),
    };
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | opcode);
    let bit = if mask.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(bit | length),
        (_, Ok(length)) => {
            out.push(bit | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(mask.as_ref().map_or(&[][..], |mask| mask));
    let start = out.len();
    out.extend_from_slice(payload);
    if let (Some(mask), Some(masked)) = (mask, out.get_mut(start..)) {
        mask_bytes(masked, &mask);
    }
    out
}

fn mask_bytes(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server that reads `bytes` makes of them.
    fn read(bytes: &[u8]) -> (Vec<Frame>, Option<FrameError>) {
        let mut reader = Reader::new(Role::Server, 100);
        reader.buffer().extend_from_slice(bytes);
        let mut frames = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    #[test]
    fn fragments_make_one_message_and_a_ping_may_stand_between() {
        // The mask is four zero bytes.
        let whole = Frame::Message(Bytes::from_static(b"SIP"), Kind::Text);
        let frames = read(b"\x01\x82\0\0\0\0SI\x89\x80\0\0\0\0\x80\x81\0\0\0\0P");
        assert_eq!(frames, (vec![Frame::Ping(Bytes::new()), whole], None));
    }

    #[test]
    fn a_ping_between_fragments_counts_nothing_towards_the_limit() {
        let bytes = [&b"\x02\xe4\0\0\0\0"[..], &[b'x'; 100], b"\x89\x81\0\0\0\0p\x80\x80\0\0\0\0"].concat();
        let whole = Frame::Message(Bytes::from(vec![b'x'; 100]), Kind::Binary);
        assert_eq!(read(&bytes), (vec![Frame::Ping(Bytes::from_static(b"p")), whole], None));
    }

    #[test]
    fn what_breaks_the_rules_is_an_error() {
        for (bytes, cause) in [
            (&b"\x81\x01x"[..], "does not mask"),
            (b"\xc1\x81\0\0\0\0x", "reserved bit"),
            (b"\x80\x81\0\0\0\0x", "continuation of nothing"),
            (b"\x09\x80\0\0\0\0", "control frame"),
            (b"\x89\xfe\x00\x7e\0\0\0\0", "control frame"),
            (b"\x88\x81\0\0\0\0x", "close frame of one byte"),
            (b"\x83\x81\0\0\0\0x", "unknown opcode"),
            (b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", "within another"),
            (b"\x81\xfe\x01\x00\0\0\0\0", "limit of 100"),
            (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "limit of 100"),
        ] {
            let error = read(bytes).1.unwrap().to_string();
            assert!(error.contains(cause), "{error}: {cause}");
        }
        assert_eq!(read(b"\x81\x85\0\0"), (Vec::new(), None), "more may come");
    }
}

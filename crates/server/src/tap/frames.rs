//! WebSocket frames ([RFC 6455 §5]) as a go-between needs them.
//!
//! The WebSocket layer of the server answers pings and close frames by itself. A tap must not: a browser that is dead has
//! to be dead for its server too, so a pong is the far end's and a close code is passed on as it was said. Messages are
//! put together from their fragments; text is not checked to be UTF-8, which the far end will do. Extensions are not
//! offered, so a reserved bit is an error.
//!
//! [RFC 6455 §5]: https://www.rfc-editor.org/rfc/rfc6455#section-5

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// The bytes of a read buffer.
const READ_BUFFER: usize = 4 << 10;

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
    pub(super) code: u16,
    /// The words.
    pub(super) reason: Bytes,
}

impl Farewell {
    /// A farewell of our own.
    pub(super) fn new(code: u16, reason: &'static str) -> Self {
        Farewell { code, reason: Bytes::from_static(reason.as_bytes()) }
    }
}

/// Why nothing more comes over a WebSocket.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A message above the limit.
    #[error("a message above the limit of {0} bytes")]
    TooLarge(usize),
    /// Frames that break the rules.
    #[error("{0}, which RFC 6455 forbids")]
    Frame(&'static str),
    /// Nothing is read.
    #[error("nothing was read for 10 s")]
    NotReading,
}

impl Broken {
    /// What the peer is told, when there is something to tell.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        match self {
            Broken::TooLarge(_) => Some(Farewell::new(1009, "a message above the limit of the tap")),
            Broken::Frame(_) => Some(Farewell::new(1002, "a frame that RFC 6455 forbids")),
            Broken::Io(_) | Broken::NotReading => None,
        }
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

/// A WebSocket after its opening handshake.
pub(crate) struct Socket<S> {
    stream: S,
    role: Role,
    limit: usize,
    buffer: BytesMut,
    /// The fragments so far of a message that is not whole.
    partial: Option<(Kind, BytesMut)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes messages of up to `limit` bytes from `stream`.
    pub(super) fn new(stream: S, role: Role, limit: usize) -> Self {
        Socket { stream, role, limit, buffer: BytesMut::new(), partial: None }
    }

    /// The next frame; `None` when the peer has ended the stream. Nothing is lost when it is given up while it waits.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_BUFFER);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends one frame, masked as the role asks.
    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), Broken> {
        let mask = (self.role == Role::Client).then(rand::random::<[u8; 4]>);
        let bytes = encode(frame, mask);
        let written = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        match timeout(WRITE_WITHIN, written).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Broken::NotReading),
        }
    }

    /// The stream below.
    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Cuts a frame off the buffer.
    fn cut(&mut self) -> Result<Option<Frame>, Broken> {
        while let Some(head) = Head::read(&self.buffer) {
            if head.is_reserved {
                return Err(Broken::Frame("a reserved bit is set"));
            }
            if head.is_masked != (self.role == Role::Server) {
                return Err(Broken::Frame("a client that does not mask, or a server that does"));
            }
            let so_far = self.partial.as_ref().map_or(0, |(_, bytes)| bytes.len());
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            if length.saturating_add(so_far) > self.limit {
                return Err(Broken::TooLarge(self.limit));
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

    fn assemble(&mut self, head: Head, payload: BytesMut) -> Result<Option<Frame>, Broken> {
        if head.opcode >= 8 && (!head.is_final || payload.len() > MAX_CONTROL) {
            return Err(Broken::Frame("a control frame in fragments or above 125 bytes"));
        }
        let kind = match head.opcode {
            0 => {
                let Some((kind, mut bytes)) = self.partial.take() else {
                    return Err(Broken::Frame("a continuation of nothing"));
                };
                bytes.extend_from_slice(&payload);
                return Ok(self.whole(kind, bytes, head.is_final));
            }
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => return Ok(Some(Frame::Close(farewell(payload.freeze())?))),
            9 => return Ok(Some(Frame::Ping(payload.freeze()))),
            10 => return Ok(Some(Frame::Pong(payload.freeze()))),
            _ => return Err(Broken::Frame("an unknown opcode")),
        };
        if self.partial.is_some() {
            return Err(Broken::Frame("a message within another"));
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

fn farewell(payload: Bytes) -> Result<Option<Farewell>, Broken> {
    match payload.get(..2).and_then(|code| <[u8; 2]>::try_from(code).ok()) {
        Some(code) => Ok(Some(Farewell { code: u16::from_be_bytes(code), reason: payload.slice(2..) })),
        None if payload.is_empty() => Ok(None),
        None => Err(Broken::Frame("a close frame of one byte")),
    }
}

fn encode(frame: &Frame, mask: Option<[u8; 4]>) -> Vec<u8> {
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
    use tokio::io::duplex;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn what_one_end_sends_the_other_reads() {
        run(async {
            let (near, far) = duplex(1 << 20);
            let mut client = Socket::new(near, Role::Client, 70_000);
            let mut server = Socket::new(far, Role::Server, 70_000);
            for frame in [
                Frame::Message(Bytes::from_static(b"OPTIONS"), Kind::Text),
                Frame::Message(Bytes::from(vec![0xff; 300]), Kind::Binary),
                Frame::Message(Bytes::from(vec![b'x'; 70_000]), Kind::Text),
                Frame::Ping(Bytes::from_static(b"a")),
                Frame::Pong(Bytes::new()),
                Frame::Close(Some(Farewell::new(4001, "mine"))),
                Frame::Close(None),
            ] {
                client.send(&frame).await.unwrap();
                assert_eq!(server.next().await.unwrap(), Some(frame.clone()));
                server.send(&frame).await.unwrap();
                assert_eq!(client.next().await.unwrap(), Some(frame));
            }
        });
    }

    /// What a server that reads `bytes` makes of them.
    fn read(bytes: &[u8]) -> Result<Option<Frame>, String> {
        run(async {
            let (mut near, far) = duplex(1 << 20);
            near.write_all(bytes).await.unwrap();
            drop(near);
            Socket::new(far, Role::Server, 100).next().await.map_err(|error| error.to_string())
        })
    }

    #[test]
    fn fragments_make_one_message_and_a_ping_may_stand_between() {
        run(async {
            let (mut near, far) = duplex(1 << 20);
            // The mask is four zero bytes.
            near.write_all(b"\x01\x82\0\0\0\0SI\x89\x80\0\0\0\0\x80\x81\0\0\0\0P").await.unwrap();
            let mut server = Socket::new(far, Role::Server, 100);
            assert_eq!(server.next().await.unwrap(), Some(Frame::Ping(Bytes::new())));
            let whole = Frame::Message(Bytes::from_static(b"SIP"), Kind::Text);
            assert_eq!(server.next().await.unwrap(), Some(whole));
        });
    }

    #[test]
    fn what_breaks_the_rules_is_an_error() {
        for (bytes, cause) in [
            (&b"\x81\x01x"[..], "does not mask"),
            (b"\xc1\x81\0\0\0\0x", "reserved bit"),
            (b"\x80\x81\0\0\0\0x", "continuation of nothing"),
            (b"\x09\x80\0\0\0\0", "control frame"),
            (b"\x88\x81\0\0\0\0x", "close frame of one byte"),
            (b"\x83\x81\0\0\0\0x", "unknown opcode"),
            (b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", "within another"),
            (b"\x81\xfe\x01\x00\0\0\0\0", "limit of 100"),
            (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "limit of 100"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(cause), "{error}: {cause}");
        }
        assert_eq!(read(b"\x81\x85\0\0"), Ok(None), "the end within a frame is an end");
    }
}

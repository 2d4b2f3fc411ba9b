//! A WebSocket: the frames of a stream.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::frames::{Farewell, Frame, FrameError, Reader, Role, encode};

/// How long one write may take: a peer that does not read is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// The bytes of a read buffer.
const READ_BUFFER: usize = 4 << 10;

/// Why nothing more comes over a WebSocket.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is no frame that can be passed on.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// What came over a stream is no SIP.
    #[error("what came cannot be cut into SIP messages by Content-Length")]
    Unframed,
    /// Nothing is read.
    #[error("nothing was read for 10 s")]
    NotReading,
}

impl Broken {
    /// What the peer is told, when there is something to tell.
    pub(crate) fn farewell(&self) -> Option<Farewell> {
        match self {
            Broken::Frame(FrameError::TooLarge(_)) => {
                Some(Farewell::new(1009, "a message above the limit of the tap"))
            }
            Broken::Frame(FrameError::Forbidden(_)) => {
                Some(Farewell::new(1002, "a frame that RFC 6455 forbids"))
            }
            Broken::Io(_) | Broken::Unframed | Broken::NotReading => None,
        }
    }
}

/// A WebSocket after its opening handshake.
pub(crate) struct Socket<S> {
    stream: S,
    role: Role,
    reader: Reader,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes messages of up to `limit` bytes from `stream`.
    pub(crate) fn new(stream: S, role: Role, limit: usize) -> Self {
        Socket { stream, role, reader: Reader::new(role, limit) }
    }

    /// The next frame; `None` when the peer has ended the stream. Nothing is lost when it is given up while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            if let Some(frame) = self.reader.next()? {
                return Ok(Some(frame));
            }
            let buffer = self.reader.buffer();
            buffer.reserve(READ_BUFFER);
            if self.stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends one frame, masked as the role asks.
    pub(crate) async fn send(&mut self, frame: &Frame) -> Result<(), Broken> {
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
    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::duplex;

    use super::super::frames::Kind;
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
}

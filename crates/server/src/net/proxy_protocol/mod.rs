//! The [PROXY protocol] in version 2: what a proxy of `listen.trusted_proxies` writes in front of a client's bytes, to say
//! where the client is.
//!
//! A trusted proxy may leave the header out, and is then taken for the client itself: whether there is one shows in the
//! first twelve bytes, which are looked at and left where they are. From anybody else nothing is looked at here, so a
//! header is what it looks like to SIP, HTTP or TLS: garbage. Version 1, the line of text, is not spoken. Of what a
//! proxy can tell only the client's address is used; a checksum (CRC32c) is not verified, since TCP has one.
//!
//! [PROXY protocol]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

mod header;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::End;
use header::{FIXED, Head, SIGNATURE};

pub use header::Malformed;

/// How long to wait before the beginning of a signature is looked at again. A proxy sends its header in one piece, so
/// this is for a path that cuts it.
const PAUSE: Duration = Duration::from_millis(20);

/// A signature begins with what a SIP client sends as a keep-alive ([RFC 5626 §4.4.1]).
///
/// [RFC 5626 §4.4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
const KEEP_ALIVE: usize = b"\r\n\r\n".len();

/// How many pauses after a keep-alive show that it is one: with them a second.
const PAUSES_AFTER_KEEP_ALIVE: u32 = 50;

/// Why no client came to be known.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The header is none that we take.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The connection ended within it.
    #[error("the connection ended within its PROXY header: {0}")]
    Cut(#[from] io::Error),
}

impl From<Failed> for End {
    fn from(failed: Failed) -> End {
        match failed {
            Failed::Malformed(_) => End::ProxyHeader,
            Failed::Cut(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::ClosedByClient,
            Failed::Cut(_) => End::Broken,
        }
    }
}

/// Takes the header off the beginning of a trusted proxy's connection; where the client is, when it tells. Nothing is
/// read beyond the header, and nothing at all when there is none.
pub async fn take_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Failed> {
    if !begins_with_signature(stream).await {
        return Ok(None);
    }
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let head = Head::parse(&fixed)?;
    let mut rest = vec![0; head.rest];
    stream.read_exact(&mut rest).await?;
    Ok(head.client(&rest)?)
}

/// Waits until the first bytes show whether they are a header. A connection that ends or breaks before has none, and who
/// reads from it finds out.
async fn begins_with_signature(stream: &TcpStream) -> bool {
    let mut first = [0; SIGNATURE.len()];
    let mut pauses = 0;
    loop {
        let Ok(come) = stream.peek(&mut first).await else { return false };
        let is_beginning = first.get(..come).is_some_and(|come| SIGNATURE.starts_with(come));
        if come == 0 || !is_beginning {
            return false;
        }
        if come == SIGNATURE.len() {
            return true;
        }
        if come <= KEEP_ALIVE && pauses >= PAUSES_AFTER_KEEP_ALIVE {
            return false;
        }
        pauses += 1;
        // The bytes that are there would be shown again at once.
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x01\x12\x34\x13\xc4";

    /// What is taken off a connection that brings `pieces` one by one, and what is left on it.
    async fn taken(pieces: &[&[u8]]) -> (Result<Option<String>, End>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        far.set_nodelay(true).unwrap();
        let (mut near, _) = listener.accept().await.unwrap();
        let send = async {
            for piece in pieces {
                far.write_all(piece).await.unwrap();
                sleep(Duration::from_millis(5)).await;
            }
            far.shutdown().await.unwrap();
        };
        let (client, ()) = tokio::join!(take_header(&mut near), send);
        let mut left = Vec::new();
        near.read_to_end(&mut left).await.unwrap();
        (client.map(|client| client.map(|client| client.to_string())).map_err(End::from), left)
    }

    #[tokio::test]
    async fn nothing_is_read_beyond_the_header_however_it_is_cut() {
        let whole = [HEADER, b"\x16\x03\x01"].concat();
        for cut in 0..whole.len() {
            let (client, left) = taken(&[&whole[..cut], &whole[cut..]]).await;
            assert_eq!(client, Ok(Some("203.0.113.9:4660".into())), "cut at {cut}");
            assert_eq!(left, b"\x16\x03\x01", "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_stays_where_it_is() {
        let near_miss = b"\r\n\r\n\0\r\nQUIT\r";
        for bytes in
            [&b""[..], b"O", b"OPTIONS sip:a SIP/2.0\r\n", b"\x16\x03\x01", b"\r\nOPTIONS", near_miss]
        {
            assert_eq!(taken(&[bytes]).await, (Ok(None), bytes.to_vec()));
        }
    }

    #[tokio::test]
    async fn a_keep_alive_after_which_nothing_comes_is_one() {
        assert_eq!(taken(&[b"\r\n\r\n"]).await, (Ok(None), b"\r\n\r\n".to_vec()));
    }

    #[tokio::test]
    async fn a_header_that_is_wrong_or_cut_off_ends_the_connection() {
        let mut version_1 = HEADER.to_vec();
        version_1[12] = 0x11;
        assert_eq!(taken(&[&version_1]).await.0, Err(End::ProxyHeader));
        for length in SIGNATURE.len()..HEADER.len() {
            assert_eq!(taken(&[&HEADER[..length]]).await.0, Err(End::ClosedByClient), "{length}");
        }
    }
}

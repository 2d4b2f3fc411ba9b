//! The [PROXY protocol] in version 2: what a proxy of `listen.proxy_protocol` writes in front of a client's bytes, to say
//! where the client is.
//!
//! Whether there is a header is known before the first byte, by the address that the connection comes from (the
//! specification forbids to guess): there always is from those that are listed, and what begins otherwise is closed;
//! never is from anybody else, to whom a header is what it looks like to SIP, HTTP or TLS: garbage. Version 1, the line
//! of text, is not spoken. Of what a proxy can tell only the client's address is used; a checksum (CRC32c) is not
//! verified, since TCP has one.
//!
//! [PROXY protocol]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

mod header;

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::End;
use header::{FIXED, Head, SIGNATURE};

pub use header::Malformed;

/// Why no client came to be known.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// What came is no header.
    #[error(
        "a connection from an address of `listen.proxy_protocol` began without a PROXY header; have the proxy send one, \
             or take its address out of the list"
    )]
    Missing,
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
            Failed::Missing => End::NoProxyHeader,
            Failed::Malformed(_) => End::ProxyHeader,
            Failed::Cut(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::ClosedByClient,
            Failed::Cut(_) => End::Broken,
        }
    }
}

/// Takes the header off the beginning of a proxy's connection; where the client is, when it tells. Nothing is read
/// beyond the header.
pub async fn take_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Failed> {
    let mut fixed = [0; FIXED];
    let mut come = 0;
    while let Some(rest @ [_, ..]) = fixed.get_mut(come..) {
        match stream.read(rest).await? {
            0 => return Err(Failed::Cut(io::ErrorKind::UnexpectedEof.into())),
            read => come += read,
        }
        // Who sends something else may wait for an answer to it and send no more.
        let is_header = fixed.iter().take(come).zip(&SIGNATURE).all(|(byte, expected)| byte == expected);
        if !is_header {
            return Err(Failed::Missing);
        }
    }
    let head = Head::parse(&fixed)?;
    let mut rest = vec![0; head.rest];
    stream.read_exact(&mut rest).await?;
    Ok(head.client(&rest)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::sleep;

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

    /// By its first byte already, where that shows it: nobody waits for what does not come.
    #[tokio::test]
    async fn what_begins_otherwise_ends_the_connection() {
        let near_miss = b"\r\n\r\n\0\r\nQUIT\r";
        for bytes in [&b"O"[..], b"OPTIONS sip:a SIP/2.0\r\n", b"\x16\x03\x01", b"\r\nOPTIONS", near_miss] {
            assert_eq!(taken(&[bytes]).await.0, Err(End::NoProxyHeader), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_header_that_is_wrong_or_cut_off_ends_the_connection() {
        let mut version_1 = HEADER.to_vec();
        version_1[12] = 0x11;
        assert_eq!(taken(&[&version_1]).await.0, Err(End::ProxyHeader));
        for length in 0..HEADER.len() {
            assert_eq!(taken(&[&HEADER[..length]]).await.0, Err(End::ClosedByClient), "{length}");
        }
    }
}

//! The steps that every connection of a client begins with: TCP, then TLS where the far end is to be verified.
//!
//! Over TLS 1.3 a client is through with the handshake before the server has looked at the certificate that it asked for
//! ([RFC 8446 §2]). Who shows one waits for a moment, so that a refusal is one of the connection and not of the first
//! request on it.
//!
//! [RFC 8446 §2]: https://www.rfc-editor.org/rfc/rfc8446#section-2

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ProtocolVersion};
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::own::Presented;

/// How long a server has to refuse our certificate. Most send a session ticket when they have taken it, and are not
/// waited for any longer.
const REFUSED_WITHIN: Duration = Duration::from_millis(500);

/// A stream in either direction.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// What a server is verified by, and whom we show ourselves as.
pub struct Tls {
    /// Makes the handshake.
    pub connector: TlsConnector,
    /// Whom the certificate must be for.
    pub name: ServerName<'static>,
    /// What is shown to a server that asks who we are; `None` shows nothing to anybody.
    pub presented: Option<Arc<Presented>>,
}

/// Why there is no TLS with a server.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The handshake failed, most often because the server is not trusted.
    #[error("{0}")]
    Handshake(io::Error),
    /// The server has asked who we are, and does not take the answer.
    #[error("{0}")]
    NotTaken(io::Error),
}

/// A connection over TCP, with both its ends.
pub async fn tcp(to: impl ToSocketAddrs) -> io::Result<(TcpStream, SocketAddr, SocketAddr)> {
    let stream = TcpStream::connect(to).await?;
    // Where it fails the connection is broken, and who reads from it finds out.
    let _ = stream.set_nodelay(true);
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    Ok((stream, local, remote))
}

/// The stream that messages are carried over.
pub async fn secured(stream: TcpStream, tls: Option<Tls>) -> Result<Box<dyn Duplex>, TlsError> {
    let Some(Tls { connector, name, presented }) = tls else { return Ok(Box::new(stream)) };
    let was_asked = || presented.as_ref().is_some_and(|presented| presented.was_asked());
    let mut stream = connector.connect(name, stream).await.map_err(|error| {
        if was_asked() && is_about_our_certificate(&error) {
            TlsError::NotTaken(error)
        } else {
            TlsError::Handshake(error)
        }
    })?;
    if was_asked() && stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
        let taken = timeout(REFUSED_WITHIN, poll_fn(|now| poll_taken(&mut stream, now))).await;
        // Who says nothing does not refuse.
        taken.unwrap_or(Ok(())).map_err(TlsError::NotTaken)?;
    }
    Ok(Box::new(stream))
}

/// Whether the server goes on after it has seen our certificate. Nothing of what it says is taken off the stream.
fn poll_taken(stream: &mut TlsStream<TcpStream>, now: &mut Context<'_>) -> Poll<io::Result<()>> {
    match Pin::new(&mut *stream).poll_fill_buf(now).map_ok(<[u8]>::is_empty) {
        Poll::Ready(Ok(true)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        Poll::Ready(result) => Poll::Ready(result.map(drop)),
        Poll::Pending if stream.get_ref().1.tls13_tickets_received() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    }
}

/// Whether a server that was shown our certificate has ended the handshake for that: by an alert ([RFC 8446 §6.2],
/// [RFC 5246 §7.2.2]), or without a word, as some do.
///
/// [RFC 8446 §6.2]: https://www.rfc-editor.org/rfc/rfc8446#section-6.2
/// [RFC 5246 §7.2.2]: https://www.rfc-editor.org/rfc/rfc5246#section-7.2.2
fn is_about_our_certificate(error: &io::Error) -> bool {
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return true;
    };
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::AccessDenied
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRequired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::HandshakeFailure
                | AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
        )
    )
}

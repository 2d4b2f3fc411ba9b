//! The last words of a connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long what a client still sends is read after our last words.
const WITHIN: Duration = Duration::from_secs(1);

/// Ends our side of a stream and throws away what the client has sent meanwhile, for a moment.
///
/// A socket that is closed with something unread in it resets the connection, and the client's system throws away the
/// last words, which it has not read yet.
pub async fn discard_rest<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let discard = async {
        stream.shutdown().await?;
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    // However it ends, the connection is closed after it.
    let _ = timeout(WITHIN, discard).await;
}

//! The command's end of the socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::protocol::{Reply, Request};

/// Asks the server that runs on a data directory; `None` if none runs there.
pub fn ask(data_dir: &Path, request: &Request) -> Result<Option<Reply>, AskError> {
    let path = super::path(data_dir);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(source) => return Err(AskError { path, source }),
    };
    exchange(&stream, request).map(Some).map_err(|source| AskError { path, source })
}

/// Why a running server gave no answer.
#[derive(Debug, Error)]
#[error("cannot talk to the running server by `{}`: {source}; run the command as the server's user", .path.display())]
pub struct AskError {
    /// The socket.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

fn exchange(mut stream: &UnixStream, request: &Request) -> io::Result<Reply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

const PATIENCE: Duration = Duration::from_secs(10);

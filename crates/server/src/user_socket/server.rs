//! The server's end of the socket.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::directory::{AccountChange, Directory};
use super::protocol::{Refusal, Reply, Request};

/// Called on the socket's thread for every change, after it is in the store and before the command is answered.
pub type OnChange = Box<dyn Fn(AccountChange) + Send>;

/// The open socket with its thread; dropping it closes and removes it.
pub struct UserSocket {
    path: PathBuf,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UserSocket {
    /// Opens the socket of a data directory that this process has locked.
    pub fn open(data_dir: &Path, directory: Directory, on_change: OnChange) -> io::Result<UserSocket> {
        let path = super::path(data_dir);
        // The lock says that no other server is alive, so a socket that is there belongs to one that was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let closing = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("ringback-users".to_owned()).spawn({
            let closing = Arc::clone(&closing);
            move || run(&listener, &closing, directory, &on_change)
        })?;
        Ok(UserSocket { path, closing, thread: Some(thread) })
    }
}

impl Drop for UserSocket {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // Connecting wakes the thread out of `accept`; if that fails, the thread stays behind and the process goes on.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket of `ringback user` stays behind");
        }
        if let Some(thread) = self.thread.take().filter(|_| woken)
            && thread.join().is_err()
        {
            tracing::error!("the thread of `ringback user` panicked");
        }
    }
}

impl fmt::Debug for UserSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSocket").field("path", &self.path).finish_non_exhaustive()
    }
}

fn run(listener: &UnixListener, closing: &AtomicBool, mut directory: Directory, on_change: &OnChange) {
    for connection in listener.incoming() {
        if closing.load(Ordering::Acquire) {
            return;
        }
        // One at a time: a command is one line, and a person types it.
        let served = connection.and_then(|stream| serve(&stream, &mut directory, on_change));
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of `ringback user` ended early");
        }
    }
}

fn serve(mut stream: &UnixStream, directory: &mut Directory, on_change: &OnChange) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_REQUEST)).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let (reply, change) = match serde_json::from_str::<Request>(&line) {
        Ok(request) => directory.handle(request),
        Err(error) => (Reply::Refused { refusal: Refusal::Malformed(error.to_string()) }, None),
    };
    if let Some(change) = change {
        on_change(change);
    }
    let mut answer = serde_json::to_vec(&reply)?;
    answer.push(b'\n');
    stream.write_all(&answer)
}

const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_REQUEST: u64 = 64 << 10;

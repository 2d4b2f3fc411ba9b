//! The **trace** phase: every SIP message that came in or goes out, to Homer and into a file.
//!
//! A message is handed to a thread of its own and never waits: when the thread is behind, messages are not traced, and
//! counted. Without a destination there is no thread, and the phase costs one comparison.

pub(crate) mod hep;
pub(crate) mod pcap;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use ringback_sansio::Flow;

use crate::config::Trace;

/// Messages that may wait for the thread.
const QUEUE: usize = 4096;

/// A message on its way.
#[derive(Debug)]
pub struct Traced {
    /// When it passed.
    pub at: SystemTime,
    /// Between whom.
    pub flow: Flow,
    /// Which way.
    pub direction: Direction,
    /// The message.
    pub bytes: Bytes,
    /// What all legs of a call have in common: the Call-ID of the caller's leg.
    pub correlation: Option<Bytes>,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the far end to us.
    Received,
    /// From us to the far end.
    Sent,
}

impl Traced {
    /// Source and destination.
    pub(crate) fn ends(&self) -> (SocketAddr, SocketAddr) {
        match self.direction {
            Direction::Received => (self.flow.remote(), self.flow.local()),
            Direction::Sent => (self.flow.local(), self.flow.remote()),
        }
    }
}

/// How many messages the trace has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Handed to the thread.
    pub traced: u64,
    /// Not traced: the thread was behind.
    pub missed: u64,
    /// Not taken by Homer's address or the file.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    traced: AtomicU64,
    missed: AtomicU64,
    failed: AtomicU64,
}

/// Why there can be no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Homer cannot be addressed.
    #[error("`trace.hep` = {0:?} cannot be used: {1}; write HOST:PORT, such as \"127.0.0.1:9060\"")]
    Hep(String, io::Error),
    /// The file cannot be made.
    #[error("`trace.pcap` = {0:?} cannot be written: {1}")]
    Pcap(PathBuf, io::Error),
    /// No thread.
    #[error("the trace has no thread: {0}")]
    Thread(io::Error),
}

/// The way of a message to the trace.
#[derive(Debug, Clone)]
pub struct Tracer {
    queue: Option<SyncSender<Traced>>,
    counters: Arc<Counters>,
}

impl Tracer {
    /// Opens the destinations and starts the thread; without a destination nothing is traced.
    pub fn start(config: &Trace) -> Result<Tracer, TraceError> {
        let counters = Arc::new(Counters::default());
        let hep = Homer::open(config)?;
        let pcap = Capture::open(config)?;
        if hep.is_none() && pcap.is_none() {
            return Ok(Tracer { queue: None, counters });
        }
        let (queue, messages) = sync_channel(QUEUE);
        let writer = Writer { hep, pcap, counters: Arc::clone(&counters) };
        let thread = thread::Builder::new().name("ringback-trace".to_owned());
        thread.spawn(move || writer.run(&messages)).map_err(TraceError::Thread)?;
        Ok(Tracer { queue: Some(queue), counters })
    }

    /// Whether anything is traced.
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Hands a message over.
    pub fn take(&self, flow: Flow, direction: Direction, bytes: &Bytes, correlation: Option<Bytes>) {
        let Some(queue) = &self.queue else { return };
        let traced = Traced { at: SystemTime::now(), flow, direction, bytes: bytes.clone(), correlation };
        let counter =
            if queue.try_send(traced).is_ok() { &self.counters.traced } else { &self.counters.missed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn counts(&self) -> Counts {
        let Counters { traced, missed, failed } = &*self.counters;
        let [traced, missed, failed] = [traced, missed, failed].map(|count| count.load(Ordering::Relaxed));
        Counts { traced, missed, failed }
    }
}

/// The thread.
struct Writer {
    hep: Option<Homer>,
    pcap: Option<Capture>,
    counters: Arc<Counters>,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Traced>) {
        // A failure is told when it begins, not for each message.
        let mut is_failing = false;
        while let Ok(first) = messages.recv() {
            let mut next = Some(first);
            let mut result = Ok(());
            while let Some(traced) = next {
                if let Err(error) = self.write(&traced) {
                    self.counters.failed.fetch_add(1, Ordering::Relaxed);
                    result = Err(error);
                }
                next = messages.try_recv().ok();
            }
            let result = result.and_then(|()| self.pcap.as_mut().map_or(Ok(()), Capture::flush));
            if let Err(error) = &result
                && !is_failing
            {
                tracing::warn!(%error, "messages could not be traced");
            }
            is_failing = result.is_err();
        }
    }

    fn write(&mut self, traced: &Traced) -> io::Result<()> {
        let hep = self.hep.as_mut().map_or(Ok(()), |hep| hep.send(traced));
        let pcap = self.pcap.as_mut().map_or(Ok(()), |pcap| pcap.write(traced));
        hep.and(pcap)
    }
}

/// Where Homer listens.
struct Homer {
    socket: UdpSocket,
    agent: u32,
    packet: Vec<u8>,
}

impl Homer {
    fn open(config: &Trace) -> Result<Option<Homer>, TraceError> {
        if config.hep.is_empty() {
            return Ok(None);
        }
        let socket = connect(&config.hep).map_err(|error| TraceError::Hep(config.hep.clone(), error))?;
        Ok(Some(Homer { socket, agent: config.hep_id, packet: Vec::new() }))
    }

    fn send(&mut self, traced: &Traced) -> io::Result<()> {
        hep::write(&mut self.packet, self.agent, traced);
        match self.socket.send(&self.packet) {
            Ok(_) => Ok(()),
            // The answer to an earlier packet: nobody listens yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn connect(to: &str) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in to.to_socket_addrs()? {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        match UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The file, and the one before it.
struct Capture {
    path: PathBuf,
    file: BufWriter<File>,
    size: u64,
    most: u64,
}

impl Capture {
    fn open(config: &Trace) -> Result<Option<Capture>, TraceError> {
        if config.pcap.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = config.pcap.clone();
        let file = create(&path).map_err(|error| TraceError::Pcap(path.clone(), error))?;
        let most = u64::from(config.pcap_megabytes) << 20;
        Ok(Some(Capture { path, file, size: 0, most }))
    }

    fn write(&mut self, traced: &Traced) -> io::Result<()> {
        if self.size >= self.most {
            self.file.flush()?;
            self.file = create(&self.path)?;
            self.size = 0;
        }
        let (from, to) = traced.ends();
        self.size += pcap::write_message(&mut self.file, traced.at, from, to, &traced.bytes)?;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Begins a file that only its owner reads: credentials and what people write pass in it. One that is there is kept
/// under another name, in place of the one kept before.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let mut kept = path.as_os_str().to_owned();
    kept.push(".1");
    match fs::rename(path, kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    pcap::write_header(&mut file)?;
    file.flush()?;
    Ok(file)
}

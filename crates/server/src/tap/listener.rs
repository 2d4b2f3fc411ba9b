//! Where browsers connect, and what all connections of a tap share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ringback_sansio::{FiveTuple, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::ladder::{Entry, What};
use super::passage::Moment;
use super::rules::SharedRules;
use super::{Options, TapError, browser, trust};
use crate::net::accept;
use crate::upstream::Connector;

/// Browsers at a time.
const MOST_BROWSERS: usize = 256;

/// How long a TLS handshake may take.
const TLS_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait after an accept that failed for want of descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// How long connections may take to say goodbye.
const END_WITHIN: Duration = Duration::from_secs(3);

/// A tap that listens.
pub(super) struct Listener {
    runtime: Runtime,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    local: SocketAddr,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) rules: SharedRules,
    pub(super) connector: Connector,
    /// When the tap was started.
    started: Instant,
    entries: SyncSender<Entry>,
    /// Entries that found the queue full.
    missed: AtomicU64,
    /// Browsers that have been there.
    numbers: AtomicU32,
    /// Browsers that are there.
    pub(super) open: AtomicUsize,
    /// Whether a signal asked for the end.
    is_ended: AtomicBool,
}

impl Shared {
    /// The present.
    pub(super) fn moment(&self) -> Moment {
        let now = Instant::now();
        Moment { now, at: SystemTime::now(), elapsed: now.duration_since(self.started) }
    }

    /// Hands an entry over, and never waits.
    pub(super) fn enter(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts words about somebody who has not become a browser into the ladder.
    fn tell_of_nobody(&self, words: String) {
        self.enter(self.moment().entry(0, What::Told(words)));
    }

    /// The number of a browser that has come.
    pub(super) fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Listener {
    /// Binds, and takes browsers from here on.
    pub(super) fn start(
        options: &Options,
        rules: SharedRules,
        entries: SyncSender<Entry>,
    ) -> Result<Listener, TapError> {
        let acceptor = options.identity.as_ref().map(trust::acceptor).transpose()?;
        let shared = Arc::new(Shared {
            rules,
            connector: Connector::new(&options.server())?,
            started: Instant::now(),
            entries,
            missed: AtomicU64::new(0),
            numbers: AtomicU32::new(0),
            open: AtomicUsize::new(0),
            is_ended: AtomicBool::new(false),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ringback-tap")
            .enable_all()
            .build()
            .map_err(TapError::Threads)?;
        let refused = |error| TapError::Listen(options.listen, error);
        let socket = accept::bind(options.listen).map_err(refused)?;
        let local = socket.local_addr().map_err(refused)?;
        let (stop, stopped) = watch::channel(false);
        {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(socket).map_err(refused)?;
            runtime.spawn(run(listener, acceptor, shared.clone(), stopped));
            for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
                let mut signal = signal(kind).map_err(TapError::Threads)?;
                let shared = shared.clone();
                runtime.spawn(async move {
                    signal.recv().await;
                    shared.is_ended.store(true, Ordering::Relaxed);
                });
            }
        }
        Ok(Listener { runtime, shared, stop, local })
    }

    /// Where it listens.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Browsers that are there.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Entries that found the queue full.
    pub(super) fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// Whether a signal has asked for the end.
    pub(super) fn is_ended(&self) -> bool {
        self.shared.is_ended.load(Ordering::Relaxed)
    }

    /// Says goodbye to every browser and server.
    pub(super) fn stop(self) {
        // Without receivers there is nobody to say goodbye to.
        let _ = self.stop.send(true);
        let until = Instant::now() + END_WITHIN;
        while self.open() > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        self.runtime.shutdown_background();
    }
}

async fn run(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let bound = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(MOST_BROWSERS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return Ok(()),
        };
        let Ok((stream, remote)) = accepted else {
            // The connection was gone before it was accepted, or descriptors have run out.
            sleep(BREATHER).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            shared.tell_of_nobody(format!("{remote} was turned away: {MOST_BROWSERS} browsers are there"));
            continue;
        };
        // Where these fail the connection is broken, and who reads from it finds out.
        let local = stream.local_addr().unwrap_or(bound);
        let _ = stream.set_nodelay(true);
        let (shared, acceptor, stopped) = (shared.clone(), acceptor.clone(), stopped.clone());
        tokio::spawn(async move {
            serve(shared, acceptor, stream, local, remote, stopped, place).await;
        });
    }
}

async fn serve(
    shared: Arc<Shared>,
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    stopped: watch::Receiver<bool>,
    place: tokio::sync::OwnedSemaphorePermit,
) {
    let Some(acceptor) = acceptor else {
        let tuple = FiveTuple::new(Transport::Ws, local, remote);
        return browser::serve(shared, stream, tuple, stopped, place).await;
    };
    match timeout(TLS_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let tuple = FiveTuple::new(Transport::Wss, local, remote);
            browser::serve(shared, stream, tuple, stopped, place).await;
        }
        Ok(Err(error)) => {
            shared.tell_of_nobody(format!("{remote} was turned away: the TLS handshake failed ({error})"));
        }
        Err(_) => shared.tell_of_nobody(format!("{remote} was turned away: no TLS handshake within 5 s")),
    }
}

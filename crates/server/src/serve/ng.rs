//! The ng protocol: beside everything else, and alone (`ringback ng`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use rand::Rng;
use ringback_control::Epoch;
use ringback_control::ng::{Address, Engine, Interface, Settings};
use ringback_sansio::Transport;

use super::listeners::{bind_ng, bind_ng_http, bind_webrtc};
use super::media::{Media, With};
use super::stop::{self, Machine};
use super::{allow_files, announce, host_name, log, read_sounds, recording};
use crate::config::{self, Config, Warning};
use crate::http::{self, Hosts, Readiness};
use crate::inbox::{Inbox, Input};
use crate::interfaces;
use crate::media_thread::{MediaInbox, News};
use crate::net::accept::{self, FirstBytes};
use crate::net::datagram::DatagramSocket;
use crate::net::wake::Waker;
use crate::net::{Bounds, Doorkeeper, End};
use crate::ng_thread::{NgThread, Surroundings};
use crate::sounds::Sounds;
use crate::telemetry::{LogLimit, Telemetry};

/// The thread of the ng protocol before it starts: what the media workers have to know of it first.
pub struct Ng {
    sockets: Vec<DatagramSocket>,
    waker: Waker,
    inbox: Inbox,
    inputs: Receiver<Input>,
}

impl Ng {
    /// The thread for these sockets; `None` without any.
    pub fn new(sockets: Vec<DatagramSocket>) -> anyhow::Result<Option<Self>> {
        if sockets.is_empty() {
            return Ok(None);
        }
        let waker = Waker::new().context("the thread of the ng protocol cannot be woken")?;
        let (inbox, inputs) = Inbox::new(waker.clone());
        Ok(Some(Ng { sockets, waker, inbox, inputs }))
    }

    /// The way into the thread.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Starts it.
    pub fn start(
        self,
        config: &Config,
        epoch: Epoch,
        workers: Vec<MediaInbox>,
        telemetry: &Arc<Telemetry>,
    ) -> anyhow::Result<Machine> {
        let Ng { sockets, waker, inbox, inputs } = self;
        let engine = Engine::new(settings(config, epoch)?);
        let telemetry = telemetry.clone();
        let thread = NgThread::new(engine, Surroundings { sockets, inputs, waker, workers, telemetry })
            .context("the thread of the ng protocol cannot wait for its sockets")?;
        let thread = thread::Builder::new().name("ringback-ng".to_owned()).spawn(move || thread.run())?;
        Ok(Machine { name: "the thread of the ng protocol", inbox, thread })
    }
}

/// Runs the media engine for a SIP proxy until it is told to stop: no SIP, no pages, no users, no store.
pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let log_limit = Arc::new(LogLimit::default());
    log::start(&config.log, log_limit.clone())?;
    allow_files();
    let (sockets, webrtc, http) = (bind_ng(config)?, bind_webrtc(config)?, bind_ng_http(config)?);
    let bound = |sockets: &[DatagramSocket]| sockets.iter().map(DatagramSocket::bound).collect::<Vec<_>>();
    let (ng_at, webrtc_at) =
        (bound(&sockets), webrtc.iter().flat_map(|shared| bound(shared)).collect::<Vec<_>>());
    let epoch = Epoch { instant: Instant::now(), time: SystemTime::now() };
    let readiness = Arc::new(Readiness::default());
    warn(config);
    let bounds = Bounds { connections: LOOKING, per_source: LOOKING / 4, per_shared_source: LOOKING };
    let doorkeeper = Doorkeeper::new(bounds, config.listen.clone());
    let telemetry = Arc::new(Telemetry::new(doorkeeper.clone(), None, log_limit));
    let ng = Ng::new(sockets)?.ok_or_else(|| anyhow!("`ng.listen` is empty; give it an address"))?;
    let news = News { exchange: None, ng: Some(ng.inbox()), rooms: None };
    let sounds = Arc::new(Sounds::without_music(&config.media, &config.data_dir));
    let with = With {
        config,
        data_dir: &config.data_dir,
        sounds: sounds.clone(),
        epoch,
        telemetry: telemetry.clone(),
        readiness: readiness.clone(),
    };
    let (media, _) = Media::start(with, webrtc, &news, None)?;
    let (workers, threads) = media.split();
    read_sounds(sounds, Some(ng.inbox()))?;
    let machine = ng.start(config, epoch, workers, &telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("signals cannot be waited for")?;
    runtime.block_on(async {
        let signals = stop::Signals::listen()?;
        let http_at = http.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let tells = http::Engine {
            limits: config.limits.clone(),
            hosts: Hosts::new(host_name()),
            readiness: readiness.clone(),
            telemetry: telemetry.clone(),
        };
        tell(http, &doorkeeper, Arc::new(tells))?;
        let text = announcement(config, &ng_at, &http_at, &webrtc_at)?;
        announce::announce(&mut io::stdout().lock(), &text, &readiness)?;
        stop::wait(signals, config, &readiness, vec![machine]).await
    })?;
    threads.join();
    Ok(ExitCode::SUCCESS)
}

/// Connections of those who look how it is.
const LOOKING: u32 = 64;

/// Answers those who look how it is.
fn tell(
    listeners: Vec<TcpListener>,
    doorkeeper: &Arc<Doorkeeper>,
    engine: Arc<http::Engine>,
) -> anyhow::Result<()> {
    let first = FirstBytes {
        transport: Transport::Tcp,
        within: engine.limits.first_request(),
        late: End::FirstRequestLate,
    };
    for listener in listeners {
        let listener =
            tokio::net::TcpListener::from_std(listener).context("a listener cannot be waited for")?;
        let (engine, telemetry) = (engine.clone(), engine.telemetry.clone());
        let serve = move |peer, stream, place| engine.clone().serve(peer, stream, place);
        tokio::spawn(accept::accept(listener, doorkeeper.clone(), telemetry, first, serve));
    }
    Ok(())
}

/// Says what of the warnings of a server is about media and the ng protocol.
fn warn(config: &Config) {
    let Ok(surroundings) = config::Surroundings::read(&config.data_dir) else { return };
    for warning in config.warnings(&surroundings) {
        let is_ours = match warning {
            Warning::SmallReceiveBuffer { .. } | Warning::NgOffLoopback => true,
            Warning::NoPublicAddress => config.ng.interfaces.is_empty(),
            Warning::LocalCertificate
            | Warning::FewFiles { .. }
            | Warning::HttpOffLoopback
            | Warning::DataDirOpen { .. } => false,
        };
        if is_ours {
            tracing::warn!("{warning}");
        }
    }
}

/// What the operator reads when it is up.
fn announcement(
    config: &Config,
    ng: &[SocketAddr],
    http: &[SocketAddr],
    webrtc: &[SocketAddr],
) -> anyhow::Result<String> {
    let list =
        |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("  ");
    let mut lines = vec![format!("  ng        {}  (media for a SIP proxy; no SIP, no pages)", list(ng))];
    lines.extend(http.iter().map(|at| format!("  metrics   http://{at}/metrics")));
    for Interface { name, addresses } in interfaces_of(config)? {
        let addresses: Vec<String> = addresses.iter().map(shown).collect();
        let name = String::from_utf8_lossy(&name).into_owned();
        lines.push(format!("  interface {name}  {}", addresses.join("  ")));
    }
    let ports = config.media.rtp_ports;
    lines.push(format!("  WebRTC    {}", list(webrtc)));
    lines.push(format!("  RTP       UDP ports {} to {}", ports.first, ports.last));
    lines.push(format!("  data      {}  (recordings, sounds)", config.data_dir.display()));
    Ok(lines.join("\n"))
}

fn shown(address: &Address) -> String {
    match address.advertised.filter(|advertised| *advertised != address.local) {
        Some(advertised) => format!("{} as {advertised}", address.local),
        None => address.local.to_string(),
    }
}

fn settings(config: &Config, epoch: Epoch) -> anyhow::Result<Settings> {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let interfaces = interfaces_of(config)?;
    let first = interfaces.iter().flat_map(|interface| &interface.addresses).next();
    let first = first.ok_or_else(|| anyhow!("this machine has no address"))?.local;
    Ok(Settings {
        workers: config.media.workers,
        interfaces,
        max_calls: config.limits.calls as usize,
        delete_delay: Duration::from_secs(config.ng.delete_delay_seconds.into()),
        recording: recording(config),
        video: config.media.video,
        max_recordings: config.ng.recordings as usize,
        ..Settings::new(epoch, first, seed)
    })
}

/// The interfaces of the configuration; without any, one with the addresses that others reach this machine at, and
/// those of loopback behind them.
fn interfaces_of(config: &Config) -> anyhow::Result<Vec<Interface>> {
    let interfaces = config.ng.interfaces();
    if !interfaces.is_empty() {
        return Ok(interfaces);
    }
    let all = interfaces::addresses().context("the addresses of this machine cannot be read")?;
    let loopback = all.iter().filter(|entry| entry.loopback).map(|entry| entry.address);
    let addresses = interfaces::reachable_addresses().into_iter().chain(loopback).map(Address::from);
    Ok(vec![Interface { name: "default".into(), addresses: addresses.collect() }])
}

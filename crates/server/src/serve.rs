//! `ringback serve`: from a checked configuration to a running exchange.
//!
//! Everything that can fail at the start fails before the first thread runs: the data directory, the store, every
//! listener. Then the threads start, the announcement is printed, and `ready` after it.

mod announce;
mod listeners;
mod log;
pub mod media;
pub mod ng;
mod rooms;
mod stop;
mod turn;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use rand::Rng;
use ringback_control::rooms::RoomRecord;
use ringback_control::{Epoch, Exchange, Features, HeaderTables, Recording, Settings, User};
use ringback_sip::digest::{Algorithm, Ha1};
use ringback_sip::gruu::Gruus;

use crate::config::{Config, FileFormat, Limits, Peer, Surroundings};
use crate::control_thread::{self, ControlThread};
use crate::first_start::{self, Account, Opened, Prepared};
use crate::http::{Hosts, IceServers, Readiness, Server, SignIn};
use crate::inbox::{ConnectionNumbers, Inbox, Input};
use crate::interfaces;
use crate::media_thread::News;
use crate::net::client::trust::Trust;
use crate::net::client::{Client, Dialler};
use crate::net::turn_dtls::{self, Associations};
use crate::net::wake::Waker;
use crate::net::{Bounds, Certificates, Doorkeeper, Freshness};
use crate::rooms_thread::Known;
use crate::rooms_thread::TICKETS;
use crate::sounds::Sounds;
use crate::store::{Credentials, Recovery};
use crate::telemetry::{LogLimit, NOBODY, Telemetry, limited};
use crate::trace::Tracer;
use crate::turn_thread::Guests;
use crate::user_socket::{AccountChange, Directory, UserSocket};
use announce::announce;
use listeners::{Datagrams, Listeners};
use media::{Media, With};
use ng::Ng;
use rooms::Rooms;
use stop::Machine;
use turn::Turn;

/// Runs the exchange until it is told to stop.
pub fn run(config: Config, recovery: Recovery) -> anyhow::Result<ExitCode> {
    let log_limit = Arc::new(LogLimit::default());
    log::start(&config.log, log_limit.clone())?;
    allow_files();
    let config = Arc::new(config);
    let prepared = first_start::prepare(&config, recovery)?;
    let listeners = Listeners::bind(&config)?;
    let warnings = warnings(&config);
    let epoch = Epoch { instant: Instant::now(), time: SystemTime::now() };

    let waker = Waker::new().context("the control thread cannot be woken")?;
    let (inbox, inputs) = Inbox::new(waker.clone());
    let rooms = Rooms::new()?;
    let (settled, of_rooms) = (inbox.clone(), rooms.inbox());
    let written = Written(log_limit.clone());
    let (writer, writer_thread) = prepared.store.start_writer(Box::new(move |results| {
        let results = results.into_iter().map(|(ticket, result)| (ticket, written.is(result)));
        let (rooms, exchange): (Vec<_>, Vec<_>) = results.partition(|(ticket, _)| ticket & TICKETS != 0);
        // A thread that is gone waits for no answers.
        if !exchange.is_empty() {
            let _ = settled.send(Input::Persisted(exchange));
        }
        if !rooms.is_empty() {
            let _ = of_rooms.send(Input::Persisted(rooms));
        }
    }))?;
    let read = inbox.clone();
    let reader = prepared.store.start_reader(Box::new(move |ticket, rows| {
        let _ = read.send(Input::Messages(ticket, rows));
    }))?;
    let limits = &config.limits;
    let bounds = Bounds {
        connections: limits.connections,
        per_source: limits.unauthenticated_per_source,
        per_shared_source: Limits::UNAUTHENTICATED_PER_SHARED_SOURCE,
    };
    let doorkeeper = Doorkeeper::new(bounds, config.listen.clone());
    let telemetry = Arc::new(Telemetry::new(doorkeeper.clone(), writer.clone(), log_limit));
    let readiness = Arc::new(Readiness::default());
    readiness.warn(warnings);

    let opened = listeners.opened();
    let sounds = Arc::new(
        Sounds::prepare(&config.media, prepared.data_dir.path()).context("what is to be played cannot be")?,
    );
    let settings = Settings {
        hold_music: sounds.has_music(),
        sounds: sounds.names(),
        ..settings(&config, prepared.gruu_secret, &opened, epoch)?
    };
    let mut exchange = Exchange::new(settings)?;
    restore(&mut exchange, &prepared, epoch)?;
    for (name, features) in features(&config, &prepared)? {
        exchange.set_features(&name, features);
    }

    let (Datagrams { sip, webrtc, ng, turn, turn_dtls: over_dtls }, streams) = listeners.split();
    let ng = Ng::new(ng)?;
    let turn = Turn::new(&config, turn)?;
    let relayed = turn.as_ref().map(Turn::inbox);
    let credentials = turn::credentials(&config, prepared.turn_secret);
    let guests = Guests::default();
    read_sounds(sounds.clone(), ng.as_ref().map(Ng::inbox))?;
    let news =
        News { exchange: Some(inbox.clone()), ng: ng.as_ref().map(Ng::inbox), rooms: Some(rooms.inbox()) };
    let with = With {
        config: &config,
        data_dir: prepared.data_dir.path(),
        sounds,
        epoch,
        telemetry: telemetry.clone(),
        readiness: readiness.clone(),
    };
    let (media, our_media) = Media::start(with, webrtc, &news, relayed.as_ref())?;
    drop(news);
    let ng = ng.map(|ng| ng.start(&config, epoch, media.others(), &telemetry)).transpose()?;
    let of_streams = media.others();
    let (workers, threads) = media.split();

    let certificates = Arc::new(Certificates::read(config.tls.clone(), prepared.identity.clone())?);
    let trust = Trust::new(config.tls.trust(), certificates.clone(), config.domain.names().to_vec())
        .context("tls.trust")?;
    let (dialler, orders) = Dialler::new();
    let tracer = Tracer::start(&config.trace)?;
    let control = ControlThread::new(
        exchange,
        control_thread::Surroundings {
            sockets: sip,
            inputs,
            waker,
            workers,
            writer: writer.clone(),
            reader,
            dialler,
            users: prepared.accounts.iter().map(user).collect(),
            readiness: readiness.clone(),
            telemetry: telemetry.clone(),
            tracer,
            epoch,
        },
    )
    .context("the control thread cannot wait for its sockets")?;
    let control = thread::Builder::new().name("ringback-control".to_owned()).spawn(move || control.run())?;
    let control = Machine { name: "the control thread", inbox: inbox.clone(), thread: control };
    let accounts = prepared.accounts.iter().map(user);
    let turn = turn
        .map(|turn| {
            turn.start(
                &config,
                our_media,
                (credentials.clone(), guests.clone()),
                accounts,
                &telemetry,
                &readiness,
            )
        })
        .transpose()?;
    let sign_in = Arc::new(SignIn::new(config.realm()));
    prepared.accounts.iter().map(user).for_each(|user| sign_in.set(&user.name, Some(&user)));
    let ice_servers = Arc::new(IceServers::new(&config, &opened, credentials));
    let visited = rooms.inbox();
    let rooms = rooms.start(rooms::With {
        config: &config,
        epoch,
        writer,
        telemetry: &telemetry,
        known: Known::new(sign_in.clone(), ice_servers.clone(), guests.clone()),
        guests,
        turn: relayed.clone(),
        workers: of_streams,
        kept: kept_rooms(&prepared)?,
    })?;
    let machines: Vec<Machine> = [Some(control), ng, turn, Some(rooms)].into_iter().flatten().collect();
    let inboxes = std::iter::once(inbox.clone()).chain(relayed.clone()).collect();
    let _user_socket = open_user_socket(&config, &prepared, inboxes, sign_in.clone())?;

    let server = Server {
        config: config.clone(),
        inbox: inbox.clone(),
        rooms: visited,
        numbers: Arc::new(ConnectionNumbers::default()),
        hosts: Arc::new(Hosts::new(config.domain.names().iter().cloned().chain(host_name()))),
        sign_in,
        ice_servers,
        readiness: readiness.clone(),
        telemetry,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("ringback-net")
        .enable_all()
        .build()
        .context("the network threads cannot start")?;
    runtime.block_on(async {
        let signals = stop::Signals::listen()?;
        let freshness = Freshness::listen().context("SIGHUP cannot be waited for")?;
        tokio::spawn(freshness.keep(certificates.clone()));
        let turn = relayed.map(|inbox| Server { inbox, ..server.clone() });
        streams.start(&server, turn.as_ref(), &doorkeeper, &certificates)?;
        let associations = Associations::default();
        if let Some(turn) = &turn {
            turn_dtls::start(turn, over_dtls, &doorkeeper, &certificates, &associations)
                .context("the sockets of TURN over DTLS cannot be waited for")?;
        }
        let client = Client::new(server.clone(), doorkeeper.clone(), opened.clone(), trust);
        tokio::spawn(client.serve(orders));
        let out = io::stdout();
        let text = prepared.announcement(&opened, &interfaces::reachable_addresses(), out.is_terminal());
        announce(&mut out.lock(), &text, &readiness)?;
        let stopped = stop::wait(signals, &config, &readiness, machines).await;
        associations.ended().await;
        stopped
    })?;
    runtime.shutdown_background();
    // Whoever commands the media workers has ended, and with it the command queues of the media workers.
    threads.join();
    writer_thread.stop();
    Ok(ExitCode::SUCCESS)
}

fn settings(
    config: &Config,
    gruu_secret: [u8; 32],
    opened: &Opened,
    epoch: Epoch,
) -> anyhow::Result<Settings> {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let seconds = |seconds: u32| std::time::Duration::from_secs(seconds.into());
    let limits = ringback_control::Limits {
        calls: config.limits.calls as usize,
        ring: config.limits.ring(),
        fork: config.limits.fork(),
        expires: (seconds(config.limits.min_expires), seconds(config.limits.max_expires)),
        ping: config.limits.nat_ping(),
        events: config.limits.events(),
        messages: config.limits.messages(),
        ..ringback_control::Limits::default()
    };
    let interfaces = interfaces::addresses().context("the addresses of this machine cannot be read")?;
    Ok(Settings {
        domains: config.domain.names().to_vec(),
        realm: config.realm().to_owned(),
        digest: config.digest.iter().map(|algorithm| algorithm.0).collect(),
        public_addresses: config.public_address.iter().map(|address| address.ip()).collect(),
        own_addresses: interfaces.iter().map(|interface| interface.address).collect(),
        listeners: opened.all().collect(),
        workers: config.media.workers,
        bypass: config.media.bypass.into(),
        transcoding: config.media.transcode.into(),
        video: config.media.video,
        srtp: config.media.srtp.into(),
        recording: recording(config),
        hold_music: false,
        sounds: Vec::new(),
        worker: 0,
        headers: header_tables(config)?,
        limits,
        epoch,
        gruus: Gruus::new(gruu_secret),
        seed,
    })
}

/// Reads what can be played by a thread of its own, and tells that of the ng protocol.
fn read_sounds(sounds: Arc<Sounds>, ng: Option<Inbox>) -> io::Result<()> {
    let thread = thread::Builder::new().name("ringback-sounds".to_owned());
    thread.spawn(move || {
        sounds.read_files();
        if let Some(ng) = ng {
            // One that has stopped plays nothing.
            let _ = ng.send(Input::Sounds(sounds.lengths()));
        }
    })?;
    Ok(())
}

fn recording(config: &Config) -> Recording {
    Recording {
        calls: config.recording.calls.into(),
        extension: config.recording.format.extension(),
        keeps_packets: config.recording.format == FileFormat::Pcap,
        beep: config.recording.beep,
    }
}

fn header_tables(config: &Config) -> anyhow::Result<HeaderTables> {
    let mut tables = HeaderTables::default();
    for headers in &config.headers {
        let table = headers.table().map_err(|words| anyhow::anyhow!("`headers`: {words}"))?;
        match headers.peer {
            Peer::Users => tables.users = Arc::new(table),
        }
    }
    Ok(tables)
}

/// What users have set, the groups of the configuration over those of the store.
fn features(config: &Config, prepared: &Prepared) -> anyhow::Result<BTreeMap<String, Features>> {
    let mut features: BTreeMap<String, Features> = prepared.store.all_features()?.into_iter().collect();
    for user in &config.users {
        features.entry(user.name.to_string()).or_default().group = user.group();
    }
    Ok(features)
}

/// Takes the registrations of the process before this one.
fn restore(exchange: &mut Exchange, prepared: &Prepared, epoch: Epoch) -> anyhow::Result<()> {
    let Prepared { store, accounts, .. } = prepared;
    let now = first_start::unix_milliseconds(epoch.time);
    store.remove_expired_bindings(now)?;
    for row in store.bindings(now)? {
        if !accounts.iter().any(|account| account.name == row.aor) {
            tracing::info!(aor = row.aor, "a registration of a user that is no more is left out");
            continue;
        }
        let Some(record) = control_thread::binding_record(&row) else {
            tracing::warn!(aor = row.aor, "a registration in the store cannot be read and is left out");
            continue;
        };
        if let Err(error) = exchange.restore(&record) {
            tracing::warn!(aor = row.aor, %error, "a registration in the store is left out");
        }
    }
    store.remove_expired_messages(now)?;
    for (user, count) in store.waiting_messages()? {
        exchange.restore_waiting(&user, count);
    }
    Ok(())
}

/// The rooms of the process before this one.
fn kept_rooms(prepared: &Prepared) -> anyhow::Result<Vec<RoomRecord>> {
    let (rooms, unreadable) = prepared.store.rooms()?;
    for room in unreadable {
        tracing::warn!(room, "a room in the store cannot be read and is left out");
    }
    Ok(rooms)
}

fn user(account: &Account) -> User {
    User {
        name: account.name.clone(),
        display: Some(account.display.clone()).filter(|display| !display.is_empty()),
        ha1: ha1(&account.credentials),
    }
}

fn ha1(credentials: &Credentials) -> Vec<Ha1> {
    let hashes: [(Algorithm, &[u8]); 3] = [
        (Algorithm::Md5, &credentials.ha1_md5),
        (Algorithm::Sha256, &credentials.ha1_sha256),
        (Algorithm::Sha512_256, &credentials.ha1_sha512_256),
    ];
    hashes.into_iter().filter_map(|(algorithm, hash)| Ha1::from_bytes(algorithm, hash)).collect()
}

/// `inboxes` are those of the threads that know users.
fn open_user_socket(
    config: &Config,
    prepared: &Prepared,
    inboxes: Vec<Inbox>,
    sign_in: Arc<SignIn>,
) -> anyhow::Result<UserSocket> {
    let directory = Directory::new(&prepared.store, config)?;
    let on_change = Box::new(move |change: AccountChange| {
        match &change {
            AccountChange::Put(account) => sign_in.set(&account.name, Some(&user(account))),
            AccountChange::Removed { name } => sign_in.set(name, None),
            AccountChange::Features { .. } => {}
        }
        let input = || match &change {
            AccountChange::Put(account) => {
                Input::UserChanged(account.name.clone(), Some(Box::new(user(account))))
            }
            AccountChange::Removed { name } => Input::UserChanged(name.clone(), None),
            AccountChange::Features { name, features } => {
                Input::FeaturesChanged(name.clone(), features.clone())
            }
        };
        for inbox in &inboxes {
            if let Err(refused) = inbox.send_patiently(&input) {
                tracing::error!(%refused, "a change of a user takes effect at the next start");
            }
        }
    });
    UserSocket::open(prepared.data_dir.path(), directory, on_change).with_context(|| {
        format!("the socket for `ringback user` in {} cannot be opened", prepared.data_dir.path().display())
    })
}

/// Tells the log that the store has not written something.
struct Written(Arc<LogLimit>);

impl Written {
    fn is(&self, result: Result<(), crate::store::StoreError>) -> bool {
        if let Err(error) = &result {
            // A full disk fails every registration, and the log may be on it.
            limited!(self.0, ERROR, NOBODY, "store", %error, "the store took no write");
        }
        result.is_ok()
    }
}

fn warnings(config: &Config) -> Vec<String> {
    match Surroundings::read(&config.data_dir) {
        Ok(surroundings) => {
            let warnings = config.warnings(&surroundings);
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            warnings.iter().map(ToString::to_string).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "the machine could not be looked at");
            Vec::new()
        }
    }
}

/// Raises the number of files that may be open to what the system allows: every connection and every call has some.
pub(crate) fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files could not be raised");
    }
}

/// A quarter of the files that may be open: what only saves time has no more, since connections and calls come first.
pub(crate) fn spare_files() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(most.unwrap_or(u64::MAX) / 4).unwrap_or(usize::MAX)
}

pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

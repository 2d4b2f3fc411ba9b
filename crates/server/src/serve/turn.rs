//! The thread of TURN: what it is made of, and its start.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::Rng;
use rand::seq::SliceRandom;
use ringback_control::User;
use ringback_nat::turn::{Limits, PasswordAlgorithm, Quotas, Secret, Server, Settings, TimeLimited};
use ringback_sansio::Seeded;

use super::stop::Machine;
use crate::config::Config;
use crate::http::Readiness;
use crate::inbox::Inbox;
use crate::net::datagram::DatagramSocket;
use crate::net::wake::Waker;
use crate::telemetry::Telemetry;
use crate::turn_thread::{Accounts, Guests, OurMedia, Reach, Relays, Surroundings, TurnThread, unix_time};

/// What makes credentials for a time, and knows them: by the secret of the configuration, else by one of our own.
///
/// One that another service has made is good for a day at most.
pub fn credentials(config: &Config, own: [u8; 32]) -> TimeLimited {
    let secret = config.turn.secret.as_ref().map_or(&own[..], |secret| secret.expose().as_bytes());
    TimeLimited::new([secret.into()], Duration::from_secs(24 * 3600))
}

/// The thread before it starts: who changes users and who accepts connections has to know of it first.
pub struct Turn {
    clients: Vec<DatagramSocket>,
    waker: Waker,
    inbox: Inbox,
    inputs: Receiver<crate::inbox::Input>,
}

impl Turn {
    /// The thread for these sockets of clients, and for connections; `None` where nothing listens for either.
    pub fn new(config: &Config, clients: Vec<DatagramSocket>) -> anyhow::Result<Option<Self>> {
        if !config.has_turn() {
            return Ok(None);
        }
        let waker = Waker::new().context("the thread of TURN cannot be woken")?;
        let (inbox, inputs) = Inbox::new(waker.clone());
        Ok(Some(Turn { clients, waker, inbox, inputs }))
    }

    /// The way into the thread.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Starts it.
    pub fn start(
        self,
        config: &Config,
        media: OurMedia,
        others: (TimeLimited, Guests),
        users: impl Iterator<Item = User>,
        telemetry: &Arc<Telemetry>,
        readiness: &Arc<Readiness>,
    ) -> anyhow::Result<Machine> {
        let Turn { clients, waker, inbox, inputs } = self;
        let mut random = rand::rng();
        let (mut secret, mut seed) = ([0; 32], [0; 16]);
        random.fill_bytes(&mut secret);
        random.fill_bytes(&mut seed);
        let reach = Reach {
            public: config.public_address.iter().map(|address| address.ip()).collect(),
            allowed: config.turn.allow_peers.clone(),
            media: media.bound(),
        };
        let found = reach.look().context("the addresses of this machine cannot be read")?;
        let ports = config.turn.relay_ports;
        let relays =
            Relays::new(ports, found.addresses, Seeded::new(seed), |ports| ports.shuffle(&mut random));
        // Each has a socket, and calls come first.
        let most = (usize::from(ports.last - ports.first) + 1).min(super::spare_files()).max(1);
        let settings = Settings {
            realm: config.realm().to_owned(),
            password_algorithms: vec![PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5],
            secret: Secret::new(secret),
            families: relays.families(),
            limits: Limits::default(),
            quotas: Quotas::new(most, config.turn.quota as usize),
            policy: found.policy,
            alternates: config.turn.alternate_servers.clone(),
            unix_time: unix_time(),
        };
        let mut accounts = Accounts::new(config.realm());
        users.for_each(|user| accounts.set(&user.name, Some(&user)));
        let server =
            Server::new(Instant::now(), (accounts, others), settings).context("TURN cannot start")?;
        let surroundings = Surroundings {
            clients,
            relays,
            inputs,
            waker,
            io_uring: config.media.io_uring,
            reach,
            media,
            telemetry: telemetry.clone(),
            readiness: readiness.clone(),
        };
        let thread = TurnThread::new(server, surroundings)
            .context("the thread of TURN cannot wait for its sockets")?;
        let thread = thread::Builder::new().name("ringback-turn".to_owned()).spawn(move || thread.run())?;
        Ok(Machine { name: "the thread of TURN", inbox, thread })
    }
}

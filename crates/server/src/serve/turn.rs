//! The thread of TURN: what it is made of, and its start.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use rand::Rng;
use rand::seq::SliceRandom;
use ringback_control::User;
use ringback_nat::turn::{Limits, PasswordAlgorithm, PeerPolicy, Quotas, Secret, Server, Settings};

use super::stop::Machine;
use crate::config::Config;
use crate::inbox::Inbox;
use crate::interfaces;
use crate::net::datagram::DatagramSocket;
use crate::net::wake::Waker;
use crate::telemetry::Telemetry;
use crate::turn_thread::{Accounts, Address, Relays, Surroundings, TurnThread, unix_time};

/// The thread before it starts: who changes users and who accepts connections has to know of it first.
pub struct Turn {
    clients: Vec<DatagramSocket>,
    waker: Waker,
    inbox: Inbox,
    inputs: Receiver<crate::inbox::Input>,
}

impl Turn {
    /// The thread for these sockets of clients; connections may come besides.
    pub fn new(clients: Vec<DatagramSocket>) -> anyhow::Result<Self> {
        let waker = Waker::new().context("the thread of TURN cannot be woken")?;
        let (inbox, inputs) = Inbox::new(waker.clone());
        Ok(Turn { clients, waker, inbox, inputs })
    }

    /// The way into the thread.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Starts it.
    pub fn start(
        self,
        config: &Config,
        users: impl Iterator<Item = User>,
        telemetry: &Arc<Telemetry>,
    ) -> anyhow::Result<Machine> {
        let Turn { clients, waker, inbox, inputs } = self;
        let mut random = rand::rng();
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        let interfaces = interfaces::addresses().context("the addresses of this machine cannot be read")?;
        let own: Vec<IpAddr> = interfaces.iter().map(|interface| interface.address).collect();
        let public: Vec<IpAddr> = config.public_address.iter().map(|address| address.ip()).collect();
        let ports = config.turn.relay_ports;
        let relays = Relays::new(ports, addresses(&public, &own), |ports| ports.shuffle(&mut random));
        let most = usize::from(ports.last - ports.first) + 1;
        let settings = Settings {
            realm: config.realm().to_owned(),
            password_algorithms: vec![PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5],
            secret: Secret::new(secret),
            families: relays.families(),
            limits: Limits::default(),
            quotas: Quotas::new(most, config.turn.quota as usize),
            policy: PeerPolicy {
                allowed: config.turn.allow_peers.clone(),
                own: own.iter().chain(&public).copied().collect(),
                ..PeerPolicy::default()
            },
            unix_time: unix_time(),
        };
        let mut accounts = Accounts::new(config.realm());
        users.for_each(|user| accounts.set(&user.name, Some(&user)));
        let server = Server::new(Instant::now(), accounts, settings).context("TURN cannot start")?;
        let surroundings = Surroundings {
            clients,
            relays,
            inputs,
            waker,
            io_uring: config.media.io_uring,
            telemetry: telemetry.clone(),
        };
        let thread = TurnThread::new(server, surroundings)
            .context("the thread of TURN cannot wait for its sockets")?;
        let thread = thread::Builder::new().name("ringback-turn".to_owned()).spawn(move || thread.run())?;
        Ok(Machine { name: "the thread of TURN", inbox, thread })
    }
}

/// At which address of each family peers see allocations: a public one, else that which others reach this machine at, else
/// loopback on a machine that has nothing else.
fn addresses(public: &[IpAddr], own: &[IpAddr]) -> Vec<Address> {
    let reachable = interfaces::reachable_addresses();
    let candidates: Vec<IpAddr> = public.iter().chain(&reachable).chain(own).copied().collect();
    [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6]
        .into_iter()
        .filter_map(|is_family| candidates.iter().find(|address| is_family(address)).copied())
        .map(|seen| Address { seen, local: own.contains(&seen).then_some(seen) })
        .collect()
}

//! What we look up and connect to for the exchange: names in the DNS, proxies, telephones.
//!
//! The control thread hands in orders and hears of them by its inbox. A connection that is made is served as one that was
//! accepted; it ends when nothing was received over it for [`IDLE`]. How many orders are carried out at the same time is
//! bounded: what comes above is answered at once.

mod connect;
mod dns;
mod identity;
mod own;
pub mod stream;
pub mod trust;
pub mod web_socket;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringback_control::NotConnected;
use ringback_sansio::Transport;
use ringback_sip::resolve::{Answer, Question, Target};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};

use crate::first_start::Opened;
use crate::http::Server;
use crate::inbox::{Input, Owed};
use crate::net::Doorkeeper;
use dns::Dns;
pub use identity::Verifier;
use trust::Trust;

/// How long a connection of our own stays on which nothing is received.
pub const IDLE: Duration = Duration::from_secs(600);

/// Orders that may wait to be taken up.
const ORDERS: usize = 1024;

/// Questions that wait for the DNS at the same time.
const LOOK_UPS: usize = 256;

/// Connections that are being made at the same time.
const CONNECTS: usize = 128;

/// Something to find out or to make; the number comes back with the result.
#[derive(Debug)]
pub enum Order {
    /// A question for the DNS.
    LookUp(u64, Question),
    /// A connection.
    Connect(u64, Target),
}

/// Takes orders; they are carried out by [`Client::serve`].
#[derive(Debug)]
pub struct Dialler(mpsc::Sender<Order>);

/// What carries out orders.
pub struct Client {
    server: Server,
    doorkeeper: Arc<Doorkeeper>,
    opened: Opened,
    dns: Dns,
    trust: Trust,
}

impl Dialler {
    /// One, and where its orders come out.
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(ORDERS);
        (Dialler(sender), orders)
    }

    /// Hands in an order, and gives it back when there are too many.
    pub fn order(&self, order: Order) -> Result<(), Order> {
        self.0.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(order) | mpsc::error::TrySendError::Closed(order) => order,
        })
    }
}

impl Client {
    /// What connects for `server`, whose listeners the far ends of its connections are told.
    pub fn new(server: Server, doorkeeper: Arc<Doorkeeper>, opened: Opened, trust: Trust) -> Self {
        let dns = Dns::new(server.config.dns.servers.as_slice());
        Client { server, doorkeeper, opened, dns, trust }
    }

    /// Carries out orders as long as some may come.
    pub async fn serve(self, mut orders: mpsc::Receiver<Order>) {
        let client = Arc::new(self);
        let (look_ups, connects) = (Arc::new(Semaphore::new(LOOK_UPS)), Arc::new(Semaphore::new(CONNECTS)));
        while let Some(order) = orders.recv().await {
            let client = client.clone();
            match order {
                Order::LookUp(number, question) => match look_ups.clone().try_acquire_owned() {
                    Ok(permit) => {
                        tokio::spawn(async move {
                            let failed = Input::LookedUp(number, Answer::Failed);
                            let owed = Owed::new(&client.server.inbox, failed);
                            let answer = client.dns.look_up(&question).await;
                            drop(permit);
                            owed.say(Input::LookedUp(number, answer)).await;
                        });
                    }
                    Err(_) => client.tell(Input::LookedUp(number, Answer::Failed)).await,
                },
                Order::Connect(number, target) => match connects.clone().try_acquire_owned() {
                    Ok(permit) => {
                        tokio::spawn(async move {
                            client.connect(number, target, permit).await;
                        });
                    }
                    Err(_) => client.tell(Input::Connected(number, Err(NotConnected::TooMany))).await,
                },
            }
        }
    }

    /// Tells the control thread. It waits for the answer, so it is not given up when its inbox is full.
    async fn tell(&self, input: Input) {
        self.server.inbox.send_surely(input).await;
    }

    /// Our address that the far end of a connection can connect to: that of the listener of the transport. Without one it
    /// is the address of the connection itself.
    fn listening(&self, transport: Transport, local: SocketAddr) -> SocketAddr {
        let Opened { https, http, sip_udp, sip_tcp, sip_tls, .. } = &self.opened;
        let listeners = match transport {
            Transport::Udp | Transport::Dtls => sip_udp,
            Transport::Tcp => sip_tcp,
            Transport::Tls => sip_tls,
            Transport::Ws => http,
            Transport::Wss => https,
        };
        let ip = local.ip().to_canonical();
        let is_there = |listener: &&SocketAddr| {
            listener.ip() == ip || listener.ip().is_unspecified() && listener.is_ipv4() == ip.is_ipv4()
        };
        let port = listeners.iter().find(is_there).map_or(local.port(), SocketAddr::port);
        SocketAddr::new(ip, port)
    }
}

/// The address of ours that packets to `remote` leave from. Nothing is sent.
async fn source_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(remote).await?;
    Ok(socket.local_addr()?.ip())
}

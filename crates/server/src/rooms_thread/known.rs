//! What rooms are told: who the users are, and which ICE servers there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_control::rooms::{IceServers, Provider, RoomName};

use crate::http::{self, SignIn};
use crate::turn_thread::{Guests, unix_time};

/// The users, and where media can be relayed.
#[derive(Debug)]
pub struct Known {
    sign_in: Arc<SignIn>,
    ice_servers: Arc<http::IceServers>,
    guests: Guests,
}

impl Known {
    /// What requests over HTTP are told as well, and who TURN is told to be members.
    pub fn new(sign_in: Arc<SignIn>, ice_servers: Arc<http::IceServers>, guests: Guests) -> Self {
        Known { sign_in, ice_servers, guests }
    }
}

impl Provider for Known {
    fn is_user(&self, user: &str, password: &str) -> bool {
        self.sign_in.is_user(user, password)
    }

    fn ice_servers(&self, _now: Instant, host: &str, room: &RoomName, member: u32) -> IceServers {
        // What it is told may be used at once.
        self.guests.open(room);
        let account = Guests::account(room, member);
        let servers = self.ice_servers.of(unix_time(), host, &account, LIFETIME);
        let has_credentials = servers.iter().any(|server| server.credential.is_some());
        IceServers { servers, expires_in: has_credentials.then_some(LIFETIME) }
    }
}

/// How long a member's credentials of TURN are good for a new allocation.
const LIFETIME: Duration = Duration::from_secs(600);

//! `ringback tap`: between a browser phone and its SIP server, to see and to alter what they say.
//!
//! A browser connects to the tap by WebSocket ([`browser`]), and for each the tap makes one connection to the server
//! ([`upstream`](crate::upstream)). A message passes a [`passage`], which knows the [`rules`] and, where the server is not reached by
//! WebSocket, makes the tap a Via [`hop`]; it has no socket and no clock. What it did becomes an entry of the
//! [`ladder`], which the [`screen`] shows, [`plain`] writes as lines, and [`save`] writes into files.
//!
//! Assumptions and what is left out:
//! - Between two WebSockets everything passes as it came, what is no SIP included: pings, pongs, close codes, the end of a
//!   stream without a close frame. permessage-deflate is not negotiated, so every frame can be read.
//! - The entries go over a bounded queue and never wait: when the screen or the reader of standard output is behind,
//!   entries are missed and counted, and the traffic flows on.
//! - Times, sizes and numbers of connections are bounded by the constants of [`listener`]; the tap is a tool for somebody who
//!   watches it, not an edge that faces the internet.

mod browser;
mod error;
mod hop;
mod ladder;
mod listener;
mod passage;
mod plain;
mod rules;
mod save;
mod screen;
mod trust;

pub use error::TapError;
pub use rules::{Origin, Rule, RuleError, Rules, RulesError};
pub use save::Form;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use ringback_sansio::FiveTuple;

use crate::config::Identity;
use crate::net::client::web_socket;
use crate::upstream::{Server, Target};
use ladder::Ladder;
use listener::Listener;
use rules::SharedRules;

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// Where browsers connect.
    pub listen: SocketAddr,
    /// The certificate for wss; without one it is ws.
    pub identity: Option<Identity>,
    /// Where the server is.
    pub to: Target,
    /// The Host that the server is told; without one, that of `to`.
    pub host: Option<String>,
    /// The Origin that the server is told; without one, that of the browser.
    pub origin: Option<String>,
    /// Certificates of authorities to trust, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Whether the server's certificate is not looked at.
    pub is_insecure: bool,
    /// The file of rules.
    pub rules_file: Option<PathBuf>,
    /// Every rule.
    pub rules: Rules,
    /// Whether the ladder is written as lines.
    pub is_plain: bool,
    /// How many messages are kept.
    pub keep: usize,
    /// Where what is kept is written at the end.
    pub save: Option<PathBuf>,
}

impl Options {
    /// The server that it leads to.
    fn server(&self) -> Server<'_> {
        Server {
            target: &self.to,
            host: self.host.as_deref(),
            origin: self.origin.as_deref(),
            authorities: self.authorities.as_deref(),
            is_insecure: self.is_insecure,
            protocol: web_socket::SIP,
        }
    }
}

/// Who has sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// The phone.
    Browser,
    /// Its SIP server.
    Server,
}

impl Side {
    /// Who gets it.
    fn other(self) -> Side {
        match self {
            Side::Browser => Side::Server,
            Side::Server => Side::Browser,
        }
    }

    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Side::Browser => "browser",
            Side::Server => "server",
        }
    }
}

/// The addresses of the two connections of one browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    browser: FiveTuple,
    server: FiveTuple,
}

/// Entries that may wait for the screen.
const QUEUE: usize = 4096;

/// Runs a tap until it is ended by a key or a signal.
pub fn run(options: Options) -> Result<(), TapError> {
    let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if options.is_insecure {
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "ringback tap: --insecure: the certificate of {} is NOT verified; whoever is on the way can read and alter \
             everything, passwords included",
            options.to
        );
    }
    let rules = SharedRules::new(options.rules.clone());
    let (entries, queue) = sync_channel(QUEUE);
    let listener = Listener::start(&options, rules.clone(), entries)?;
    let ladder = Ladder::new(options.keep);
    let ladder = if options.is_plain || !has_terminal {
        plain::run(&listener, &options, &queue, ladder)
    } else {
        screen::run(&listener, &options, rules, &queue, ladder)
    };
    listener.stop();
    let ladder = ladder.map_err(TapError::Terminal)?;
    match &options.save {
        Some(path) => save::write(path, ladder.entries()).map_err(TapError::Save),
        None => Ok(()),
    }
}

//! `ringback bench sip`, `ringback bench wss`, `ringback bench media` and `ringback bench turn`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::failure::Failure;
use crate::bench::{BenchError, Options, Work, media, turn};
use crate::upstream::Target;

/// What `--help` says at its end.
const EXAMPLES: &str = r#"The password file has a line NAME:PASSWORD for each user, and only its owner may read it.
The exit code is 1 when anything has failed.

Examples:
  ringback bench sip --to udp://127.0.0.1:5060 --password-file users --rate 500 --seconds 10 register
  ringback bench sip --to tls://127.0.0.1:5061 --ca ca.pem --password-file users --pid 4711 call
  ringback bench wss --to wss://127.0.0.1:8443/ws --insecure --password-file users --seconds 25 idle"#;

/// What `bench media --help` says at its end.
const MEDIA_EXAMPLES: &str = r#"The engine is rtpengine, `ringback ng`, or whatever else speaks rtpengine's ng protocol. The exit code is 1 when a call
was not set up or no packet came through.

Examples:
  ringback bench media --to 127.0.0.1:22222 --calls 100 --pid 4711 plain
  ringback bench media --to 127.0.0.1:22222 --calls 500 --seconds 20 --warm-up 2 --json webrtc"#;

/// What `bench turn --help` says at its end.
const TURN_EXAMPLES: &str = r#"Our own server relays to no address of its own machine: run it in another network namespace, or on another machine. The
exit code is 1 when an allocation was not made or no packet came through.

Examples:
  ringback bench turn --to 10.0.0.1:3478 --from 10.0.0.2 --password-file users --allocations 1000 --rate 0
  ringback bench turn --to 10.0.0.1:3478 --from 10.0.0.2 --password-file users --rate 40000 --pid 4711 --json"#;

/// What `bench` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Phones over UDP, TCP or TLS
    #[command(after_help = EXAMPLES)]
    Sip(Phones),
    /// Browsers over WebSocket, plain or under TLS
    #[command(after_help = EXAMPLES)]
    Wss(Phones),
    /// RTP through a media engine that speaks rtpengine's ng protocol
    #[command(after_help = MEDIA_EXAMPLES)]
    Media(Calls),
    /// Allocations of a TURN server, and packets through them
    #[command(after_help = TURN_EXAMPLES)]
    Turn(Allocations),
}

/// The server that is loaded, and how it is told of.
#[derive(Debug, Args)]
struct Watching {
    /// The ids of the server's processes on this machine, to read their CPU and memory
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,
    /// The server is yours although it has a public address
    #[arg(long)]
    i_operate_this_server: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The calls and their engine.
#[derive(Debug, Args)]
struct Calls {
    /// What the callers are; the callees have plain RTP with PCMU
    #[arg(value_enum)]
    kind: media::Kind,
    /// Where the engine listens for the ng protocol, over UDP
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// How many calls stand
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    calls: u32,
    /// How long packets count
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// The same load for so long before it counts
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    warm_up: u32,
    /// The address of callers and callees
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    #[command(flatten)]
    watching: Watching,
}

/// The allocations and their server.
#[derive(Debug, Args)]
struct Allocations {
    /// The server, over UDP
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// Users and their passwords: allocations are made in the name of each in turn
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// How many allocations stand
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    allocations: u32,
    /// Packets a second, in both directions together; 0 only allocates
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    rate: u32,
    /// The bytes of data in each packet
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u16).range(16..=1400))]
    size: u16,
    /// How long packets count
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// The same load for so long before it counts
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    warm_up: u32,
    /// The addresses of clients, which have them in turn, and of peers, which have the first: most servers answer one address only
    /// so often in a second
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "127.0.0.1")]
    from: Vec<IpAddr>,
    #[command(flatten)]
    watching: Watching,
}

/// The phones and their server.
#[derive(Debug, Args)]
struct Phones {
    /// What they do
    #[arg(value_enum)]
    work: Work,
    /// The server: udp://HOST:PORT, tcp://… or tls://…; of browsers ws://HOST:PORT/PATH or wss://…
    #[arg(long, value_name = "URL")]
    to: Target,
    /// Users and their passwords
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// Use the first so many users of the file, instead of all
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: Option<u32>,
    /// The host of the users' addresses, instead of that of --to
    #[arg(long, value_name = "HOST")]
    domain: Option<String>,
    /// How many registrations or calls begin within a second
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long they begin; how long idle phones stand before each look at the memory
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// The same load for so long before it counts
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=600))]
    warm_up: u32,
    /// How long a call stands
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    talk: u32,
    /// What takes longer has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=120))]
    within: u32,
    /// Idle phones only connect, and do not sign in
    #[arg(long)]
    anonymous: bool,
    /// Trust this authority too when the server is verified
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    #[command(flatten)]
    watching: Watching,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (phones, is_websocket) = match arguments.kind {
        Kind::Sip(phones) => (phones, false),
        Kind::Wss(phones) => (phones, true),
        Kind::Media(calls) => return run_media(calls),
        Kind::Turn(allocations) => return run_turn(allocations),
    };
    if phones.to.transport.is_websocket() != is_websocket {
        let (this, other) = if is_websocket { ("wss", "sip") } else { ("sip", "wss") };
        let sentence = format!(
            "`ringback bench {this}` cannot load {}; that is what `ringback bench {other}` is for",
            phones.to
        );
        return Err(Failure::Usage(sentence));
    }
    if phones.anonymous && phones.work != Work::Idle {
        return Err(Failure::Usage(
            "--anonymous is for idle phones; leave it out, or end with `idle`".into(),
        ));
    }
    let options = Options {
        work: phones.work,
        to: phones.to,
        domain: phones.domain,
        accounts: phones.password_file,
        users: phones.users.map(|users| users as usize),
        rate: phones.rate,
        seconds: phones.seconds,
        warm_up: phones.warm_up,
        talk: Duration::from_millis(phones.talk.into()),
        within: Duration::from_secs(phones.within.into()),
        is_anonymous: phones.anonymous,
        authorities: phones.ca,
        is_insecure: phones.insecure,
        pids: phones.watching.pid,
        is_consented: phones.watching.i_operate_this_server,
        is_json: phones.watching.json,
    };
    crate::bench::run(&options).map_err(failure)
}

fn run_media(calls: Calls) -> Result<ExitCode, Failure> {
    let options = media::Options {
        kind: calls.kind,
        to: calls.to,
        calls: calls.calls,
        seconds: calls.seconds,
        warm_up: calls.warm_up,
        from: calls.from,
        pids: calls.watching.pid,
        is_consented: calls.watching.i_operate_this_server,
        is_json: calls.watching.json,
    };
    media::run(&options).map_err(failure)
}

fn run_turn(allocations: Allocations) -> Result<ExitCode, Failure> {
    let options = turn::Options {
        to: allocations.to,
        accounts: allocations.password_file,
        allocations: allocations.allocations,
        rate: allocations.rate,
        size: allocations.size,
        seconds: allocations.seconds,
        warm_up: allocations.warm_up,
        from: allocations.from,
        pids: allocations.watching.pid,
        is_consented: allocations.watching.i_operate_this_server,
        is_json: allocations.watching.json,
    };
    turn::run(&options).map_err(failure)
}

fn failure(error: BenchError) -> Failure {
    match error.is_usage() {
        true => Failure::Usage(error.to_string()),
        false => Failure::running(error.into()),
    }
}

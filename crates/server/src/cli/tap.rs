//! `ringback tap`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;

use super::failure::Failure;
use crate::config::Identity;
use crate::tap::{Form, Options, Origin, Rule, Rules, RulesError, TapError};
use crate::upstream::Target;

/// What `--help` says of rules.
const RULES: &str = r#"Rules, one on a line; # begins a comment. All are tried in their order on each message:
  drop WHICH
  delay WHICH by TIME                           500ms, 2s
  duplicate WHICH
  answer WHICH with CODE ["PHRASE"]             a request goes no further
  set HEADER to "VALUE" in WHICH
  remove HEADER in WHICH
  replace "OLD" by "NEW" in the SDP of WHICH

WHICH is, in this order:
  INVITE or 180 or 4xx or requests or responses or everything      `or` joins several
  to METHOD                                     of responses, what they answer
  from browser, from browser 2, from server
  where HEADER contains "TEXT"

`once` or `3 times` at the end of a rule limits how often it is carried out.

Examples:
  ringback tap --to ws://127.0.0.1:8080/ws
  ringback tap --to udp://pbx.example.com:5060 --rule 'answer INVITE from browser with 486'"#;

/// What `tap` takes.
#[derive(Debug, Args)]
#[command(after_help = RULES)]
pub(super) struct Arguments {
    /// Where browsers connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8088")]
    listen: SocketAddr,
    /// The SIP server: ws://HOST:PORT/PATH, wss://…, udp://HOST:PORT, tcp://… or tls://…
    #[arg(long, value_name = "URL")]
    to: Target,
    /// The Host header that a WebSocket server is told, instead of that of --to
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The Origin header that a WebSocket server is told, instead of the browser's
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Take browsers over wss with this certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Trust this authority too when a server is verified
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate: whoever is on the way can then read and alter everything
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// Read rules from this file
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Add a rule, after those of the file
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Write the ladder as lines; without a terminal it is always so
    #[arg(long)]
    plain: bool,
    /// Keep this many messages
    #[arg(long, value_name = "MESSAGES", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keep: u32,
    /// At the end, write what is kept into this new file: NAME.pcap, NAME.hep or NAME.txt
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let identity = match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::load(certificate, key, SystemTime::now());
            Some(identity.map_err(|error| Failure::Usage(format!("--certificate and --key: {error}")))?)
        }
        _ => None,
    };
    let mut rules = match &arguments.rules {
        Some(path) => Rules::read(path).map_err(|error: RulesError| Failure::Usage(error.to_string()))?,
        None => Rules::default(),
    };
    for text in &arguments.rule {
        let rule = Rule::parse(text, Origin::Option);
        rule.and_then(|rule| rules.push(rule)).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    if let Some(path) = arguments.save.as_ref().filter(|path| Form::of(path).is_none()) {
        let sentence = format!("--save {}: end the name in .pcap, .hep or .txt", path.display());
        return Err(Failure::Usage(sentence));
    }
    let options = Options {
        listen: arguments.listen,
        identity,
        to: arguments.to,
        host: arguments.host,
        origin: arguments.origin,
        authorities: arguments.ca,
        is_insecure: arguments.insecure,
        rules_file: arguments.rules,
        rules,
        is_plain: arguments.plain,
        keep: arguments.keep as usize,
        save: arguments.save,
    };
    crate::tap::run(options).map_err(|error| match error {
        TapError::Server(error) if error.is_usage() => Failure::Usage(error.to_string()),
        error => Failure::running(error.into()),
    })?;
    Ok(ExitCode::SUCCESS)
}

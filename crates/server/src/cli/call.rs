//! `ringback call`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ringback_peer::audio::Digit;
use ringback_sansio::Transport;
use ringback_sip::uri::{Scheme, Uri};

use super::failure::Failure;
use super::sound::SoundArguments;
use crate::call::{Kind, Options};
use crate::upstream::Target;

/// What `--help` says at its end.
const EXAMPLES: &str = r#"The password stands in a file that only its owner may read, in a line NAME:PASSWORD, or in the variable
RINGBACK_PASSWORD; never on the command line, where every process of the machine can read it.

The call ends after --for SECONDS, or when the file was played, or when either side hangs up; Ctrl-C hangs up.

Exit codes: 0 both have talked, or Ctrl-C; 1 no call was possible (connection, password, file, media); 2 the command line is wrong;
3 the other side has not taken the call (busy, declined, unknown, no answer), or nobody has called.

Examples:
  ringback call sip:echo@127.0.0.1 --user alice --password-file alice --play hello.wav --record echo.wav
  ringback call sip:bob@127.0.0.1:5061 --via tls://127.0.0.1:5061 --ca ringback-data/ringback-ca.pem \
      --user alice --password-file alice --media sdes --dtmf 123# --for 10
  ringback call --answer --via wss://127.0.0.1:8443/ws --insecure --user bob --password-file bob --record heard.ogg"#;

/// What `call` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Whom to call: sip:NAME@HOST, or only NAME with --via
    #[arg(value_name = "URI", required_unless_present = "answer")]
    callee: Option<String>,
    /// Wait for a call instead, and take it
    #[arg(long, conflicts_with = "callee", requires = "via")]
    answer: bool,
    /// The server, instead of the host of the URI: udp://HOST:PORT, tcp://…, tls://…, ws://HOST:PORT/PATH or wss://…
    #[arg(long, value_name = "URL")]
    via: Option<Target>,
    /// Who calls, as NAME or NAME@DOMAIN
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file with the line NAME:PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Sign in before the call is made
    #[arg(long)]
    register: bool,
    /// How the media travels [default: webrtc over ws and wss, else plain; with --answer as it is offered]
    #[arg(long, value_enum)]
    media: Option<Kind>,
    /// Play this file (WAV, or Opus in Ogg; ten minutes at the most) to the other side
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Play it again and again
    #[arg(long = "loop", requires = "play")]
    is_looped: bool,
    /// Record what the other side says, as .wav, .ogg or .opus
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    sound: SoundArguments,
    /// Press these keys once the call stands: 0 to 9, *, #, A to D
    #[arg(long, value_name = "KEYS", value_parser = keys)]
    dtmf: Option<Keys>,
    /// Hang up after so long
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    length: Option<u32>,
    /// How long an answer, or with --answer a call, is waited for [default: 60 for an answer, no limit for a call]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    within: Option<u32>,
    /// Trust this authority too when the server is verified
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// Keys to press.
#[derive(Debug, Clone)]
struct Keys(Vec<Digit>);

fn keys(text: &str) -> Result<Keys, String> {
    let key = |key| {
        Digit::from_char(key).ok_or_else(|| format!("`{key}` is no key; there are 0 to 9, *, # and A to D"))
    };
    let keys: Vec<Digit> = text.chars().map(key).collect::<Result<_, _>>()?;
    match keys.len() {
        1..=MOST_KEYS => Ok(Keys(keys)),
        count => Err(format!("{count} keys; press 1 to {MOST_KEYS}")),
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let options = options(arguments).map_err(Failure::Usage)?;
    crate::call::run(&options).map_err(|error| match error.is_usage() {
        true => Failure::Usage(error.to_string()),
        false => Failure::running(error.into()),
    })
}

fn options(arguments: Arguments) -> Result<Options, String> {
    let Arguments { callee, via, user, .. } = arguments;
    let user = user.map(|user| match user.split_once('@') {
        Some((name, domain)) => (name.to_owned(), domain.to_owned()),
        None => (user, String::new()),
    });
    if let Some((name, _)) = user.as_ref().filter(|(name, domain)| !is_word(name) || !is_host(domain)) {
        return Err(format!("`{name}` is no name; --user takes NAME or NAME@DOMAIN"));
    }
    let is_uri = |callee: &str| {
        ["sip:", "sips:"]
            .iter()
            .any(|scheme| callee.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    };
    let (callee, via) = match (callee, via) {
        (Some(callee), via) if is_uri(&callee) => {
            let target = target(&callee)?;
            (Some(callee), via.unwrap_or(target))
        }
        (Some(callee), Some(via)) => {
            let domain = user.as_ref().map(|(_, domain)| domain).filter(|domain| !domain.is_empty());
            let host = if via.host.contains(':') { format!("[{}]", via.host) } else { via.host.clone() };
            let callee = match callee.contains('@') {
                true => format!("sip:{callee}"),
                false => format!("sip:{callee}@{}", domain.unwrap_or(&host)),
            };
            target(&callee)?;
            (Some(callee), via)
        }
        (Some(callee), None) => {
            return Err(format!(
                "`{callee}` says not where it is; write sip:{callee}@HOST, or give the server with --via"
            ));
        }
        (None, Some(via)) => (None, via),
        (None, None) => return Err("a call comes by a server; give it with --via".into()),
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let is_calling = callee.is_some();
    let sound = arguments.sound.wanted(arguments.play.is_some(), arguments.record.is_some());
    Ok(Options {
        callee,
        via,
        user,
        password_file: arguments.password_file,
        registers: arguments.register,
        kind: arguments.media,
        play: arguments.play,
        is_looped: arguments.is_looped,
        record: arguments.record,
        sound,
        keys: arguments.dtmf.map(|keys| keys.0).unwrap_or_default(),
        length: arguments.length.map(seconds),
        within: arguments.within.map(seconds).or(is_calling.then_some(PATIENCE)),
        authorities: arguments.ca,
        is_insecure: arguments.insecure,
    })
}

/// Where a URI leads to: its host, by the transport that it names.
fn target(callee: &str) -> Result<Target, String> {
    let unusable =
        |why: &str| format!("`{callee}` is no address to call: {why}; write it as in sip:bob@127.0.0.1:5060");
    let uri = Uri::parse(callee.as_bytes()).map_err(|error| unusable(&error.to_string()))?;
    if uri.user.is_none_or(<[u8]>::is_empty) {
        return Err(unusable("it names nobody"));
    }
    let named = uri.transport().map(|token| String::from_utf8_lossy(token).to_ascii_lowercase());
    let transport = match (named.as_deref(), uri.scheme) {
        (None | Some("tcp"), Scheme::Sips) => Transport::Tls,
        (None | Some("udp"), _) => Transport::Udp,
        (Some("tcp"), _) => Transport::Tcp,
        (Some("tls"), _) => Transport::Tls,
        (Some("ws"), Scheme::Sips) | (Some("wss"), _) => Transport::Wss,
        (Some("ws"), _) => Transport::Ws,
        (Some(_), _) => return Err(unusable("its transport is none of udp, tcp, tls, ws and wss")),
    };
    let host = match uri.host.ip() {
        Some(address) => address.to_string(),
        None => String::from_utf8_lossy(uri.host.name().unwrap_or_default()).into_owned(),
    };
    let port = uri.port.unwrap_or(match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls | Transport::Dtls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    });
    let path = transport.is_websocket().then(|| "/ws".to_owned());
    Ok(Target { transport, host, port, path })
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()+&=$%".contains(c))
}

fn is_host(domain: &str) -> bool {
    domain.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
}

/// Keys that wait to be pressed at the most.
const MOST_KEYS: usize = 60;

/// How long somebody may let it ring.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        let line = ["ringback", "call"].iter().chain(arguments);
        match Cli::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Some(Command::Call(arguments)) => options(*arguments),
            command => panic!("{command:?}"),
        }
    }

    #[test]
    fn a_uri_says_where_it_leads_unless_a_server_is_given() {
        for (uri, via) in [
            ("sip:bob@127.0.0.1", "udp://127.0.0.1:5060"),
            ("sip:bob@pbx:5080;transport=tcp", "tcp://pbx:5080"),
            ("sips:bob@pbx", "tls://pbx:5061"),
            ("sip:bob@[::1];transport=wss", "wss://[::1]:443/ws"),
        ] {
            assert_eq!(parsed(&[uri]).unwrap().via.to_string(), via, "{uri}");
        }
        let options = parsed(&["sip:bob@example.com", "--via", "ws://127.0.0.1:8080/ws"]).unwrap();
        assert_eq!(options.via.to_string(), "ws://127.0.0.1:8080/ws");
        assert_eq!(options.callee.as_deref(), Some("sip:bob@example.com"));
    }

    #[test]
    fn a_name_is_one_of_the_server_or_of_the_users_domain() {
        let via = ["--via", "udp://127.0.0.1:5060"];
        let callee = |more: &[&str]| parsed(&[&["echo"][..], &via, more].concat()).unwrap().callee.unwrap();
        assert_eq!(callee(&[]), "sip:echo@127.0.0.1");
        assert_eq!(callee(&["--user", "alice@example.com"]), "sip:echo@example.com");
        assert!(parsed(&["echo"]).unwrap_err().contains("--via"));
    }

    #[test]
    fn what_is_typed_wrong_is_told_with_the_mend() {
        for (arguments, cause) in [
            (&["sip:127.0.0.1"][..], "it names nobody"),
            (&["sip:bob@a;transport=sctp"], "none of udp"),
            (&["sip:bob@a", "--dtmf", "12x"], "`x` is no key"),
            (&["sip:bob@a", "--user", "a b"], "is no name"),
            (&["--answer"], "--via"),
            (&["sip:bob@a", "--loop"], "--play"),
            (&[], "URI"),
        ] {
            let error = parsed(arguments).unwrap_err();
            assert!(error.contains(cause), "{arguments:?}: {error}");
        }
    }
}

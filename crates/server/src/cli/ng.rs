//! `ringback ng`: the media engine alone, driven by a SIP proxy.

use std::process::ExitCode;

use clap::Args;

use super::ConfigArguments;
use super::failure::Failure;

/// What `ng` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Speak the ng protocol at this UDP address; may be given several times [default: 127.0.0.1:2223]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// Answer /metrics, /healthz and /readyz over HTTP at this address; may be given several times [default: none]
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Vec<String>,
    /// Use this address of this machine, under a name that the proxy's `direction` may say; may be given several times
    #[arg(long, value_name = "NAME/ADDRESS!ADVERTISED")]
    interface: Vec<String>,
    /// Take WebRTC media at this UDP address [default: listen.webrtc]
    #[arg(long, value_name = "ADDRESS:PORT")]
    webrtc: Vec<String>,
    /// Take plain RTP at these UDP ports [default: media.rtp_ports]
    #[arg(long, value_name = "FIRST-LAST")]
    rtp_ports: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = source(arguments).load()?;
    if !config.ng.listen.as_slice().is_empty() {
        return crate::serve::ng::run(&config).map_err(Failure::running);
    }
    let mut arguments = source(arguments);
    arguments.set.push(format!("ng.listen={DEFAULT_LISTEN:?}"));
    crate::serve::ng::run(&arguments.load()?).map_err(Failure::running)
}

/// The configuration: what was typed for this command stands for the keys of the file. What an engine that stands alone does
/// not listen at, no address of it can stand in the way of.
fn source(arguments: &Arguments) -> crate::config::Source {
    let mut source = arguments.config.source();
    source.set.extend(NOT_OURS.iter().map(|key| format!("listen.{key}=[]")));
    let lists = [
        ("ng.listen", &arguments.listen),
        ("ng.http", &arguments.http),
        ("ng.interfaces", &arguments.interface),
        ("listen.webrtc", &arguments.webrtc),
    ];
    for (key, texts) in lists.into_iter().filter(|(_, texts)| !texts.is_empty()) {
        source.set.push(format!("{key}={}", toml::Value::from(texts.clone())));
    }
    source.set.extend(arguments.rtp_ports.iter().map(|ports| format!("media.rtp_ports={ports:?}")));
    source
}

/// Keys of `listen` that are the rest of the server's.
const NOT_OURS: [&str; 7] = ["http", "https", "sip_udp", "sip_tcp", "sip_tls", "turn", "turn_tls"];

/// Where the configuration that comes with Kamailio expects rtpengine.
const DEFAULT_LISTEN: &str = "127.0.0.1:2223";

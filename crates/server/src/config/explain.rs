//! The effective configuration in words and as a file.

use super::Config;
use super::addresses::Addresses;
use super::recording::{Calls, Recording};

/// Comments say what follows from the values; the values themselves are TOML that can be used again, but for the
/// passwords.
pub(super) fn explain(config: &Config) -> Result<String, toml::ser::Error> {
    let comments: String = consequences(config).iter().map(|line| format!("# {line}\n")).collect();
    Ok(format!("{comments}\n{}", toml::to_string(config)?))
}

fn consequences(config: &Config) -> Vec<String> {
    let listen = &config.listen;
    let mut lines = vec![
        match config.domain.names() {
            [] => "Requests for any host are taken as local.".to_owned(),
            names => format!("Local are {} and the addresses of this machine.", names.join(", ")),
        },
        format!("Passwords belong to the realm `{}`.", config.realm()),
        match config.tls.certificate.as_os_str().is_empty() {
            true => format!("TLS uses the local certificate in `{}`.", config.data_dir.display()),
            false => format!("TLS uses the certificate `{}`.", config.tls.certificate.display()),
        },
        match config.tls.client_ca.as_os_str().is_empty() {
            true => "SIP over TLS takes clients without a certificate.".to_owned(),
            false => format!(
                "SIP over TLS takes only clients with a certificate of `{}`.",
                config.tls.client_ca.display()
            ),
        },
        match config.public_address.as_slice() {
            [] => "Media is offered at the addresses of this machine's interfaces.".to_owned(),
            several => format!(
                "Media is offered at {}.",
                several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        },
    ];
    if config.recording.calls != Calls::None {
        let whose =
            if config.recording.calls == Calls::All { "All calls" } else { "Calls whose parties ask for it" };
        lines.push(format!(
            "{whose} are recorded in `{}`.",
            config.data_dir.join(Recording::DIRECTORY).display()
        ));
    }
    for (what, addresses) in [
        ("SIP over UDP", &listen.sip_udp),
        ("SIP over TCP", &listen.sip_tcp),
        ("SIP over TLS", &listen.sip_tls),
        ("HTTPS and WSS", &listen.https),
        ("HTTP and WS", &listen.http),
        ("WebRTC media over UDP", &listen.webrtc),
        ("STUN and TURN over UDP and TCP", &listen.turn),
        ("TURN over TLS and DTLS", &listen.turn_tls),
    ] {
        lines.push(format!("{what}: {}", where_to(addresses)));
    }
    if !config.ng.listen.as_slice().is_empty() {
        lines.push(format!("ng control protocol over UDP: {}", where_to(&config.ng.listen)));
    }
    if !config.ng.http.as_slice().is_empty() {
        let at = where_to(&config.ng.http);
        lines.push(format!("/metrics, /healthz and /readyz of `ringback ng` over HTTP: {at}"));
    }
    let ports = config.media.rtp_ports;
    lines.push(format!("RTP over UDP: ports {} to {}", ports.first, ports.last));
    let ports = config.turn.relay_ports;
    lines.push(format!("TURN allocations over UDP: ports {} to {}", ports.first, ports.last));
    lines
}

fn where_to(addresses: &Addresses) -> String {
    match addresses.as_slice() {
        [] => "off".to_owned(),
        several => several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

//! What the operator reads when the server is up.

use std::net::{IpAddr, SocketAddr};

use super::{Prepared, admin, demo_users};

/// The addresses that the listeners got, wildcards and free ports resolved or not.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// HTTPS and WSS.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP and WebSocket.
    pub http: Vec<SocketAddr>,
    /// SIP over UDP.
    pub sip_udp: Vec<SocketAddr>,
    /// SIP over TCP.
    pub sip_tcp: Vec<SocketAddr>,
    /// SIP over TLS.
    pub sip_tls: Vec<SocketAddr>,
}

pub(super) fn announcement(prepared: &Prepared, opened: &Opened, show_passwords: bool) -> String {
    let data_dir = prepared.data_dir.path();
    let mut lines = Vec::new();
    let http = opened.http.iter().map(|address| format!("http://{}/", reachable(*address)));
    let https = opened.https.iter().map(|address| format!("https://{}/", reachable(*address)));
    let pages: Vec<String> = http.chain(https).collect();
    if !pages.is_empty() {
        lines.push(format!("  phone     {}", pages.join("  ")));
    }
    for (addresses, transport) in
        [(&opened.sip_udp, "UDP"), (&opened.sip_tcp, "TCP"), (&opened.sip_tls, "TLS")]
    {
        for address in addresses {
            lines.push(format!("  SIP {transport}   {}", reachable(*address)));
        }
    }
    let file = data_dir.join(demo_users::FILE);
    for user in prepared.demo_users.iter().filter(|_| show_passwords) {
        lines.push(format!("  user      {}  password {}", user.name, user.password.expose()));
    }
    if file.exists() {
        lines.push(format!("  first passwords of alice and bob: {}", file.display()));
    }
    if prepared.admin_password_made {
        lines.push(format!("  admin password: {}", data_dir.join(admin::FILE).display()));
    }
    if let Some(authority) = &prepared.local_authority {
        lines.push(format!(
            "  the certificate is a local one; trust {} to be rid of warnings",
            authority.display()
        ));
    }
    lines.push("  dial      echo (or *43) hears you back; a user's name rings that user".to_owned());
    lines.join("\n")
}

/// The address in the form to type: a wildcard is named by the loopback address of its family.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

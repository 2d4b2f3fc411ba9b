//! What the operator reads when the server is up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Prepared, admin, demo_users};

/// The addresses that the listeners got, free ports resolved.
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
    /// STUN and TURN over UDP.
    pub turn: Vec<SocketAddr>,
    /// TURN over TCP.
    pub turn_tcp: Vec<SocketAddr>,
    /// TURN over TLS.
    pub turn_tls: Vec<SocketAddr>,
    /// TURN over DTLS.
    pub turn_dtls: Vec<SocketAddr>,
    /// The ng protocol.
    pub ng: Vec<SocketAddr>,
}

impl Opened {
    /// Every listener.
    pub fn all(&self) -> impl Iterator<Item = SocketAddr> {
        let Opened { https, http, sip_udp, sip_tcp, sip_tls, turn, turn_tcp, turn_tls, turn_dtls, ng } = self;
        let sip = [sip_udp, sip_tcp, sip_tls];
        [https, http]
            .into_iter()
            .chain(sip)
            .chain([turn, turn_tcp, turn_tls, turn_dtls, ng])
            .flatten()
            .copied()
    }
}

/// `interfaces` are the addresses that others reach this machine at, the likeliest first.
pub(super) fn announcement(
    prepared: &Prepared,
    opened: &Opened,
    interfaces: &[IpAddr],
    show_passwords: bool,
) -> String {
    let data_dir = prepared.data_dir.path();
    let mut lines = Vec::new();
    let reachable = |address: &SocketAddr| reachable(*address, interfaces);
    let pages =
        [("http", &opened.http), ("https", &opened.https)].into_iter().flat_map(|(scheme, addresses)| {
            addresses.iter().flat_map(reachable).map(move |address| format!("{scheme}://{address}/"))
        });
    let pages: Vec<String> = pages.collect();
    if !pages.is_empty() {
        lines.push(format!("  phone     {}", pages.join("  ")));
    }
    for (addresses, transport) in
        [(&opened.sip_udp, "UDP"), (&opened.sip_tcp, "TCP"), (&opened.sip_tls, "TLS")]
    {
        for address in addresses {
            let addresses: Vec<String> = reachable(address).iter().map(ToString::to_string).collect();
            lines.push(format!("  SIP {transport}   {}", addresses.join("  ")));
        }
    }
    for (addresses, transport) in [
        (&opened.turn, "UDP"),
        (&opened.turn_tcp, "TCP"),
        (&opened.turn_tls, "TLS"),
        (&opened.turn_dtls, "DTLS"),
    ] {
        for address in addresses {
            let addresses: Vec<String> = reachable(address).iter().map(ToString::to_string).collect();
            lines.push(format!("  TURN {transport:<4} {}", addresses.join("  ")));
        }
    }
    for address in &opened.ng {
        lines.push(format!("  ng        {address}  (media for a SIP proxy)"));
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

/// The addresses in the form to type. A wildcard stands for those of the interfaces of its family, which a telephone
/// needs, and for the loopback one, with which a browser on this machine needs no certificate.
fn reachable(address: SocketAddr, interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return vec![address],
    };
    let of_family = interfaces.iter().filter(|ip| ip.is_ipv4() == address.is_ipv4()).take(MOST_INTERFACES);
    of_family.copied().chain([loopback]).map(|ip| SocketAddr::new(ip, address.port())).collect()
}

/// A machine with containers has a dozen addresses, and nobody reads a dozen.
const MOST_INTERFACES: usize = 2;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::first_start::prepare;
    use crate::store::Recovery;

    fn prepared(data_dir: &Path) -> Prepared {
        let config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
        prepare(&config, Recovery::Refuse).unwrap()
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn defaults() -> Opened {
        Opened {
            https: addresses(&["0.0.0.0:8443"]),
            http: addresses(&["127.0.0.1:8080"]),
            sip_udp: addresses(&["0.0.0.0:5060", "[::]:5060"]),
            sip_tcp: addresses(&["0.0.0.0:5060"]),
            sip_tls: addresses(&["198.51.100.9:5061"]),
            turn: addresses(&["0.0.0.0:3478"]),
            turn_tcp: addresses(&["0.0.0.0:3478"]),
            turn_tls: addresses(&["0.0.0.0:5349"]),
            turn_dtls: addresses(&["0.0.0.0:5349"]),
            ng: Vec::new(),
        }
    }

    fn interfaces() -> Vec<IpAddr> {
        ["192.0.2.7", "2001:db8::7", "10.0.0.7", "172.17.0.1"].map(|text| text.parse().unwrap()).to_vec()
    }

    #[test]
    fn the_first_start_says_on_a_terminal_what_to_open_what_to_type_and_what_to_dial() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        let prepared = prepared(&data_dir);
        let [alice, bob] = &prepared.demo_users[..] else { panic!("two users") };
        let expected = format!(
            "  phone     http://127.0.0.1:8080/  https://192.0.2.7:8443/  https://10.0.0.7:8443/  https://127.0.0.1:8443/
  SIP UDP   192.0.2.7:5060  10.0.0.7:5060  127.0.0.1:5060
  SIP UDP   [2001:db8::7]:5060  [::1]:5060
  SIP TCP   192.0.2.7:5060  10.0.0.7:5060  127.0.0.1:5060
  SIP TLS   198.51.100.9:5061
  TURN UDP  192.0.2.7:3478  10.0.0.7:3478  127.0.0.1:3478
  TURN TCP  192.0.2.7:3478  10.0.0.7:3478  127.0.0.1:3478
  TURN TLS  192.0.2.7:5349  10.0.0.7:5349  127.0.0.1:5349
  TURN DTLS 192.0.2.7:5349  10.0.0.7:5349  127.0.0.1:5349
  user      alice  password {}
  user      bob  password {}
  first passwords of alice and bob: {data}/demo-users
  admin password: {data}/admin-password
  the certificate is a local one; trust {data}/ringback-ca.pem to be rid of warnings
  dial      echo (or *43) hears you back; a user's name rings that user",
            alice.password.expose(),
            bob.password.expose(),
            data = data_dir.display(),
        );
        assert_eq!(announcement(&prepared, &defaults(), &interfaces(), true), expected);
    }

    #[test]
    fn a_pipe_which_may_end_in_a_log_gets_no_password() {
        let directory = tempfile::tempdir().unwrap();
        let prepared = prepared(directory.path());
        let text = announcement(&prepared, &defaults(), &interfaces(), false);
        assert_eq!(prepared.demo_users.len(), 2);
        for user in &prepared.demo_users {
            assert!(!text.contains(user.password.expose()), "{text}");
        }
        assert!(text.contains("demo-users"), "{text}");
    }

    #[test]
    fn a_later_start_has_no_passwords_to_tell() {
        let directory = tempfile::tempdir().unwrap();
        drop(prepared(directory.path()));
        std::fs::remove_file(directory.path().join(demo_users::FILE)).unwrap();
        let text = announcement(&prepared(directory.path()), &defaults(), &[], true);
        assert!(!text.contains("password"), "{text}");
        assert!(text.contains("SIP UDP   127.0.0.1:5060\n"), "a machine without a network: {text}");
    }
}

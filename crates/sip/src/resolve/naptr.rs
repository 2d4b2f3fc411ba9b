//! Which NAPTR records are followed ([RFC 3263 §4.1]).
//!
//! [RFC 3263 §4.1]: https://www.rfc-editor.org/rfc/rfc3263#section-4.1

use ringback_sansio::Transport;

use super::destination::DnsName;
use super::question::Naptr;

/// What a NAPTR record leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    /// SRV records (`s`).
    Srv(Transport, DnsName),
    /// Addresses with the default port (`a`).
    Address(Transport, DnsName),
    /// More NAPTR records (no flag).
    Naptr(DnsName),
}

/// The leads of the records that we can use, the best first; all of one order.
///
/// `secure` keeps those for TLS only; `transports` are ours, the preferred one first.
pub(super) fn leads(records: &[Naptr], secure: bool, transports: &[Transport]) -> Vec<Lead> {
    let mut usable: Vec<_> = records
        .iter()
        .filter_map(|record| {
            let lead = lead(record)?;
            // What comes behind a record without a flag is judged when it comes.
            let place = match &lead {
                Lead::Naptr(_) => transports.len(),
                Lead::Srv(transport, _) | Lead::Address(transport, _) => {
                    transports.iter().position(|ours| ours == transport && (!secure || ours.is_secure()))?
                }
            };
            Some(((record.order, record.preference, place, record.replacement.clone()), lead))
        })
        .collect();
    usable.sort_by(|(one, _), (other, _)| one.cmp(other));
    let Some(order) = usable.first().map(|(key, _)| key.0) else { return Vec::new() };
    usable.into_iter().filter(|(key, _)| key.0 == order).map(|(_, lead)| lead).collect()
}

fn lead(record: &Naptr) -> Option<Lead> {
    if !record.regexp.is_empty() {
        return None;
    }
    let name = DnsName::parse(record.replacement.as_bytes())?;
    let (_, transport) =
        SERVICES.iter().find(|(service, _)| service.eq_ignore_ascii_case(record.service.trim()))?;
    match record.flags.as_bytes() {
        [b's' | b'S'] => Some(Lead::Srv(*transport, name)),
        [b'a' | b'A'] => Some(Lead::Address(*transport, name)),
        [] => Some(Lead::Naptr(name)),
        _ => None,
    }
}

/// The services of RFC 3263 §4.1 and RFC 7118 §10.
const SERVICES: [(&str, Transport); 5] = [
    ("SIP+D2U", Transport::Udp),
    ("SIP+D2T", Transport::Tcp),
    ("SIPS+D2T", Transport::Tls),
    ("SIP+D2W", Transport::Ws),
    ("SIPS+D2W", Transport::Wss),
];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transport; 5] =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    fn record(order: u16, preference: u16, flags: &str, service: &str, replacement: &str) -> Naptr {
        Naptr {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            regexp: String::new(),
            replacement: replacement.into(),
        }
    }

    /// The example of RFC 3263 §4.1.
    fn example() -> Vec<Naptr> {
        vec![
            record(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com."),
            record(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com."),
            record(100, 50, "s", "SIP+D2U", "_sip._udp.example.com."),
        ]
    }

    fn srv(transport: Transport, name: &str) -> Lead {
        Lead::Srv(transport, DnsName::parse(name.as_bytes()).unwrap())
    }

    #[test]
    fn the_example_of_the_rfc() {
        let tcp_and_udp = [Transport::Udp, Transport::Tcp];
        assert_eq!(leads(&example(), false, &tcp_and_udp), [srv(Transport::Tcp, "_sip._tcp.example.com")]);
        assert_eq!(leads(&example(), false, &ALL), [srv(Transport::Tls, "_sips._tcp.example.com")]);
        assert_eq!(
            leads(&example(), false, &[Transport::Udp]),
            [srv(Transport::Udp, "_sip._udp.example.com")]
        );
        assert_eq!(leads(&example(), true, &ALL), [srv(Transport::Tls, "_sips._tcp.example.com")]);
        assert_eq!(leads(&example(), true, &tcp_and_udp), []);
    }

    #[test]
    fn preference_counts_within_an_order_and_our_own_within_a_preference() {
        let records = [
            record(10, 20, "S", "sip+d2u", "u.example"),
            record(10, 10, "s", "SIP+D2W", "w.example"),
            record(10, 10, "s", "SIP+D2T", "t.example"),
            record(20, 1, "s", "SIPS+D2T", "later.example"),
        ];
        assert_eq!(
            leads(&records, false, &ALL),
            [
                srv(Transport::Tcp, "t.example"),
                srv(Transport::Ws, "w.example"),
                srv(Transport::Udp, "u.example")
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let mut with_regexp = record(1, 1, "u", "SIP+D2U", ".");
        with_regexp.regexp = "!^.*$!sip:info@example.com!".into();
        let records = [
            with_regexp,
            record(2, 1, "u", "SIP+D2U", "a.example"),
            record(3, 1, "s", "SIP+D2S", "a.example"),
            record(4, 1, "s", "E2U+sip", "a.example"),
            record(5, 1, "s", "SIP+D2U", "not a name"),
            record(6, 1, "a", "SIP+D2U", "host.example"),
            record(6, 2, "", "SIP+D2U", "more.example"),
        ];
        let name = |text: &str| DnsName::parse(text.as_bytes()).unwrap();
        assert_eq!(
            leads(&records, false, &ALL),
            [Lead::Address(Transport::Udp, name("host.example")), Lead::Naptr(name("more.example"))]
        );
    }
}

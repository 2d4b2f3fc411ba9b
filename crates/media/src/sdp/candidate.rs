//! `a=candidate`: an address at which an ICE agent may be reached.

use std::fmt;
use std::net::SocketAddr;

use super::Host;
use super::attributes::is_token;

/// A candidate as it stands in a description ([RFC 8839 §5.1]); extensions after its type are not kept.
///
/// [RFC 8839 §5.1]: https://www.rfc-editor.org/rfc/rfc8839#section-5.1
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates of one type, base address and protocol.
    pub foundation: String,
    /// 1 for RTP (and RTCP with rtcp-mux), 2 for RTCP.
    pub component: u16,
    /// `UDP` or `TCP`, as it was written.
    pub transport: String,
    /// The priority; the highest is tried first.
    pub priority: u32,
    /// The address, or the name that hides it.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Where the candidate comes from.
    pub kind: CandidateType,
}

/// Where a candidate comes from ([RFC 8445 §5.1.1]).
///
/// [RFC 8445 §5.1.1]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// An address of the agent itself.
    Host,
    /// An address that a STUN server saw.
    ServerReflexive,
    /// An address that a peer saw.
    PeerReflexive,
    /// An address of a TURN allocation.
    Relayed,
}

impl Candidate {
    /// The host candidates of a lite agent, best first: component 1 over UDP.
    ///
    /// Priorities follow [RFC 8445 §5.1.2.1] with a local preference that falls by one from candidate to candidate.
    ///
    /// [RFC 8445 §5.1.2.1]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.1
    pub fn hosts(addresses: &[SocketAddr]) -> Vec<Candidate> {
        let same_base = |address: &SocketAddr| {
            addresses
                .iter()
                .take_while(|other| other.ip().to_canonical() != address.ip().to_canonical())
                .count()
        };
        addresses
            .iter()
            .zip((0..=MAX_LOCAL_PREFERENCE).rev())
            .map(|(address, local_preference)| Candidate {
                foundation: (same_base(address) + 1).to_string(),
                component: RTP_COMPONENT,
                transport: "UDP".to_owned(),
                priority: (HOST_PREFERENCE << 24)
                    | (local_preference << 8)
                    | (256 - u32::from(RTP_COMPONENT)),
                host: Host::Address(address.ip().to_canonical()),
                port: address.port(),
                kind: CandidateType::Host,
            })
            .collect()
    }

    /// Reads the value of `a=candidate`; `None` when a field is missing or of a kind that is not known.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let foundation = fields.next().filter(|foundation| is_token(foundation, MAX_FOUNDATION_LEN))?;
        let component = fields.next()?.parse().ok()?;
        let transport = fields.next().filter(|transport| is_token(transport, MAX_FOUNDATION_LEN))?;
        let priority = fields.next()?.parse().ok()?;
        let host = Host::parse(fields.next()?)?;
        let port = fields.next()?.parse().ok()?;
        let kind = match (fields.next()?, fields.next()?) {
            ("typ", kind) => CandidateType::from_value(kind)?,
            _ => return None,
        };
        let (foundation, transport) = (foundation.to_owned(), transport.to_owned());
        Some(Candidate { foundation, component, transport, priority, host, port, kind })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { foundation, component, transport, priority, host, port, kind } = self;
        write!(f, "{foundation} {component} {transport} {priority} {host} {port} typ {}", kind.value())
    }
}

impl CandidateType {
    /// The value as it is written.
    pub const fn value(self) -> &'static str {
        match self {
            CandidateType::Host => "host",
            CandidateType::ServerReflexive => "srflx",
            CandidateType::PeerReflexive => "prflx",
            CandidateType::Relayed => "relay",
        }
    }

    fn from_value(value: &str) -> Option<Self> {
        use CandidateType::*;
        [Host, ServerReflexive, PeerReflexive, Relayed].into_iter().find(|kind| kind.value() == value)
    }
}

/// With rtcp-mux RTP and RTCP share component 1.
const RTP_COMPONENT: u16 = 1;
/// The type preference of a host candidate.
const HOST_PREFERENCE: u32 = 126;
/// The local preference of the best candidate.
const MAX_LOCAL_PREFERENCE: u32 = 65535;
/// A foundation is up to 32 characters long.
const MAX_FOUNDATION_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_candidates_fall_in_priority_and_share_the_foundation_of_their_address() {
        let addresses =
            ["192.0.2.1:8443", "[2001:db8::1]:8443", "192.0.2.1:8444"].map(|a| a.parse().unwrap());
        let written: Vec<_> = Candidate::hosts(&addresses).iter().map(Candidate::to_string).collect();
        assert_eq!(
            written,
            [
                "1 1 UDP 2130706431 192.0.2.1 8443 typ host",
                "2 1 UDP 2130706175 2001:db8::1 8443 typ host",
                "1 1 UDP 2130705919 192.0.2.1 8444 typ host",
            ],
        );
    }

    #[test]
    fn candidates_of_browsers_are_read() {
        let hidden = "2817205443 1 udp 2113937151 0f6c2b9e-4c8c-4f4e.local 51234 typ host generation 0 network-cost 999";
        let candidate = Candidate::parse(hidden).unwrap();
        assert_eq!(candidate.host, Host::Name("0f6c2b9e-4c8c-4f4e.local".into()));
        let reflexive =
            "842163049 1 udp 1677729535 203.0.113.7 51234 typ srflx raddr 0.0.0.0 rport 0 generation 0";
        assert_eq!(Candidate::parse(reflexive).unwrap().kind, CandidateType::ServerReflexive);
        let tcp = "1 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active";
        assert_eq!(Candidate::parse(tcp).unwrap().to_string(), "1 1 tcp 1518280447 192.0.2.7 9 typ host");
    }

    #[test]
    fn broken_candidates_are_no_candidates() {
        for value in [
            "",
            "1 1 udp",
            "1 1 udp 1 192.0.2.1 1",
            "1 1 udp 1 192.0.2.1 1 typ new",
            "1 1 udp -1 a 1 typ host",
        ] {
            assert_eq!(Candidate::parse(value), None, "{value}");
        }
    }
}

//! What is asked of the DNS, and what it may answer.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::destination::DnsName;

/// The number of a question within its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub(super) u32);

/// A question for the DNS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The NAPTR records of a domain: which transports it has.
    Naptr(DnsName),
    /// The SRV records of a service, such as `_sip._udp.example.com`.
    Srv(DnsName),
    /// The IPv4 addresses of a host.
    A(DnsName),
    /// The IPv6 addresses of a host.
    Aaaa(DnsName),
}

impl Question {
    /// The name that is asked for.
    pub fn name(&self) -> &DnsName {
        match self {
            Question::Naptr(name) | Question::Srv(name) | Question::A(name) | Question::Aaaa(name) => name,
        }
    }

    /// The same question about another name.
    pub(super) fn about(&self, name: DnsName) -> Self {
        match self {
            Question::Naptr(_) => Question::Naptr(name),
            Question::Srv(_) => Question::Srv(name),
            Question::A(_) => Question::A(name),
            Question::Aaaa(_) => Question::Aaaa(name),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Question::Naptr(_) => "NAPTR",
            Question::Srv(_) => "SRV",
            Question::A(_) => "A",
            Question::Aaaa(_) => "AAAA",
        };
        write!(f, "{kind} {}", self.name())
    }
}

/// What the DNS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Records; those that do not fit the question are passed over.
    Records(Vec<Record>),
    /// The name does not exist or has no such records ([RFC 2308]); how long that holds, when it is known.
    ///
    /// [RFC 2308]: https://www.rfc-editor.org/rfc/rfc2308
    Nothing {
        /// How long the absence may be remembered.
        ttl: Option<Duration>,
    },
    /// No answer: a time-out, or a server that cannot answer now.
    Failed,
}

/// One resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How many seconds it may be used for.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// NAPTR ([RFC 3403](https://www.rfc-editor.org/rfc/rfc3403)).
    Naptr(Naptr),
    /// SRV ([RFC 2782](https://www.rfc-editor.org/rfc/rfc2782)).
    Srv(Srv),
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME: the name that the asked one stands for.
    Alias(String),
}

/// The fields of a NAPTR record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// The lower, the earlier; records of another order than the first usable one are not used.
    pub order: u16,
    /// The lower, the earlier, among records of one order.
    pub preference: u16,
    /// `s`, `a`, or nothing.
    pub flags: String,
    /// Protocol and resolution service, such as `SIP+D2U`.
    pub service: String,
    /// A regular expression; a record with one is passed over.
    pub regexp: String,
    /// The name to go on with.
    pub replacement: String,
}

/// The fields of an SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The lower, the earlier.
    pub priority: u16,
    /// The share of requests among records of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that there is decidedly no such service.
    pub target: String,
}

//! The DNS, by the resolver that the machine is set up with and by its file of hosts.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use ringback_sip::resolve::{Answer, Data, Naptr, Question, Record, Srv};
use tokio::time::timeout;

/// How long a question may take, with everything that is tried for it.
const WITHIN: Duration = Duration::from_secs(4);

/// How long one name server is waited for, and how often it is asked.
const ATTEMPT: (Duration, usize) = (Duration::from_millis(1500), 2);

/// Answers that are remembered.
const CACHE: u64 = 1024;

/// The longest that an answer, and that an absence, is remembered.
const LONGEST: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(300));

/// What asks the DNS; `None` when the machine says of no name server.
pub(super) struct Dns(Option<TokioResolver>);

impl Dns {
    /// Asks these name servers; without any, those of the machine.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            (options.timeout, options.attempts) = ATTEMPT;
            options.cache_size = CACHE;
            options.use_hosts_file = ResolveHosts::Always;
            options.positive_max_ttl = Some(LONGEST.0);
            options.negative_max_ttl = Some(LONGEST.1);
            builder.build()
        });
        Dns(resolver
            .inspect_err(|error| {
                let words = "no names are looked up: the name servers of this machine cannot be read; mend \
                             /etc/resolv.conf or set `dns.servers`";
                tracing::warn!(%error, "{words}");
            })
            .ok())
    }

    /// Asks a question, for so long.
    pub(super) async fn look_up(&self, question: &Question) -> Answer {
        let (Some(resolver), Some(name)) = (&self.0, name_of(question)) else { return Answer::Failed };
        let kind = match question {
            Question::Naptr(_) => RecordType::NAPTR,
            Question::Srv(_) => RecordType::SRV,
            Question::A(_) => RecordType::A,
            Question::Aaaa(_) => RecordType::AAAA,
        };
        match timeout(WITHIN, resolver.lookup(name, kind)).await {
            Ok(Ok(lookup)) => Answer::Records(
                lookup
                    .answers()
                    .iter()
                    .filter_map(|record| Some(Record { ttl: record.ttl, data: data(&record.data)? }))
                    .collect(),
            ),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
                Answer::Nothing { ttl: none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into())) }
            }
            Ok(Err(error)) => {
                tracing::debug!(%question, %error, "the DNS did not answer");
                Answer::Failed
            }
            Err(_) => Answer::Failed,
        }
    }
}

/// A name with a dot is whole; one without is looked for in the domains of the machine, as every program does.
fn name_of(question: &Question) -> Option<Name> {
    let name = question.name().as_str();
    let mut whole = Name::from_ascii(name).ok()?;
    whole.set_fqdn(name.contains('.'));
    Some(whole)
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

fn data(data: &RData) -> Option<Data> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match data {
        RData::A(address) => Data::Address(address.0.into()),
        RData::AAAA(address) => Data::Address(address.0.into()),
        RData::CNAME(name) => Data::Alias(name.0.to_ascii()),
        RData::SRV(srv) => Data::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        RData::NAPTR(naptr) => Data::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => return None,
    })
}

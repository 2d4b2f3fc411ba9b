//! What holds of a resolution whatever the DNS answers; a fuzz target and a test call it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ringback_sansio::Transport;

use super::{
    Abilities, Answer, Data, Destination, FailedTargets, Failover, Failure, Families, Naptr, Record,
    Resolution, Srv, is_usable,
};
use crate::header::Via;
use crate::uri::Uri;

/// Locates the URI or Via of the first line with the answers that the rest makes: the work is bounded, something comes of
/// it, and each target is one that a request may go to and is tried once. Gives the number of targets.
pub fn resolution(bytes: &[u8], now: Instant) -> usize {
    let (line, rest) = crate::grammar::split_once(bytes, b'\n').unwrap_or((bytes, b""));
    let destinations = [
        Uri::parse(line).ok().and_then(|uri| Destination::of_uri(&uri).ok()),
        Via::parse(line).ok().and_then(|via| Destination::of_response(&via).ok()),
    ];
    let ours = Abilities {
        transports: vec![Transport::Udp, Transport::Tls, Transport::Tcp, Transport::Ws],
        families: Families::V6First,
    };
    let mut count = 0;
    for destination in destinations.into_iter().flatten() {
        let mut input = Input(rest);
        let Ok(mut resolution) = Resolution::new(now, &destination, &ours, u64::from(input.byte())) else {
            continue;
        };
        let mut questions = 0;
        while let Some((id, question)) = resolution.poll_ask() {
            questions += 1;
            assert!(questions <= 64, "the work is bounded");
            assert!(question.name().as_str().len() <= 253);
            resolution.handle_answer(now, id, input.answer());
        }
        let outcome = resolution.outcome();
        assert!(outcome.is_some(), "no question is open and nothing came of it");
        if let Some(Ok(targets)) = outcome {
            assert!((1..=32).contains(&targets.as_slice().len()));
            assert!(targets.as_slice().iter().all(|target| is_usable(target.address.ip())));
            assert!(targets.valid_until() > now);
            let mut failed = FailedTargets::new(4);
            let mut tries = 1;
            if let Some(mut failover) = Failover::new(now, targets, &failed) {
                while failover.handle_failure(now, Failure::Timeout, &mut failed).is_some() {
                    tries += 1;
                }
            }
            assert_eq!(tries, targets.as_slice().len(), "each target is tried once");
            assert!(failed.len() <= 4);
            count += tries;
        }
    }
    count
}

/// Bytes that are read as numbers and names; zeros and short names when they are over.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// One of a few names, so that they meet again, or the bytes up to the next line.
    fn name(&mut self) -> String {
        match self.byte() {
            choice @ 0..=199 => format!("n{}.example", choice % 5),
            200..=219 => ".".into(),
            _ => {
                let (line, rest) = crate::grammar::split_once(self.0, b'\n').unwrap_or((self.0, b""));
                self.0 = rest;
                String::from_utf8_lossy(line).into_owned()
            }
        }
    }

    fn answer(&mut self) -> Answer {
        match self.byte() % 8 {
            0 => Answer::Nothing { ttl: None },
            1 => Answer::Nothing { ttl: Some(Duration::from_secs(u64::from(self.number()))) },
            2 => Answer::Failed,
            _ => {
                let count = self.byte() % 40;
                Answer::Records((0..count).map(|_| self.record()).collect())
            }
        }
    }

    fn record(&mut self) -> Record {
        let ttl = u32::from(self.byte());
        let data = match self.byte() % 5 {
            0 => Data::Alias(self.name()),
            1 => Data::Address(IpAddr::V4(Ipv4Addr::from([
                self.byte(),
                self.byte(),
                self.byte(),
                self.byte(),
            ]))),
            2 => Data::Address(IpAddr::V6(Ipv6Addr::from([self.byte(); 16]))),
            3 => Data::Srv(Srv {
                priority: self.number(),
                weight: self.number(),
                port: self.number(),
                target: self.name(),
            }),
            _ => Data::Naptr(Naptr {
                order: u16::from(self.byte() % 4),
                preference: u16::from(self.byte()),
                flags: ["s", "a", "", "u"][usize::from(self.byte() % 4)].into(),
                service: ["SIP+D2U", "SIPS+D2T", "SIP+D2T", "SIP+D2W"][usize::from(self.byte() % 4)].into(),
                regexp: String::new(),
                replacement: self.name(),
            }),
        };
        Record { ttl, data }
    }
}

//! Fuzz targets of this module: plain functions that must return for every input.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::record::{HANDSHAKE_HEADER, RECORD_HEADER};
use super::{
    Association, Change, Cookies, Endpoint, Event, Greeting, Identity, MAX_TRANSMIT, Role, ServerIdentity,
};

/// Gives a server and a client the datagrams in `data`, each behind two bytes of length, and lets time pass.
///
/// Nothing in them can be authentic, so neither may connect, and a server stays as good as new for its deadline.
pub fn dtls(data: &[u8], identity: &Arc<Identity>, now: Instant) {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(identity, role, now);
        endpoint.expect(vec![identity.fingerprint()]);
        let mut out = [0; MAX_TRANSMIT];
        for (clock, datagram) in datagrams(data, now) {
            let _ = endpoint.handle_datagram(clock, datagram);
            if endpoint.poll_timeout().is_some_and(|at| at <= clock) {
                endpoint.handle_timeout(clock);
            }
            while let Some(len) = endpoint.poll_transmit(&mut out) {
                assert!(len <= MAX_TRANSMIT);
            }
            match endpoint.poll_event() {
                None | Some(Event::Failed(_)) => {}
                Some(other) => unreachable!("out of nothing: {other:?}"),
            }
        }
    }
}

/// Gives a server of strangers the datagrams in `data`, each behind two bytes of length, and lets time pass: a hello that is
/// asked for its cookie brings it back, and begins an association that the others go to.
///
/// Nothing in them can be authentic, so none may connect.
pub fn association(data: &[u8], identity: &ServerIdentity, now: Instant) {
    let cookies = Cookies::new(&[7; 32], now);
    let [local, remote] = [5349, 4000].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
    let mut association: Option<Association> = None;
    for (clock, datagram) in datagrams(data, now) {
        if let Ok(Greeting::Asked(answer)) = cookies.greet(clock, local, remote, datagram) {
            assert!(answer.len() < datagram.len(), "nothing amplifies");
            let (_, cookie) = answer.split_at(answer.len() - 32);
            let second = bring_back(datagram, cookie).unwrap_or_default();
            match cookies.greet(clock, local, remote, &second) {
                Ok(Greeting::Verified(hello)) => {
                    association = Some(Association::accept(identity, &hello, clock, WITHIN));
                }
                // A hello that gets too long with it, or had another number.
                Ok(Greeting::Asked(_)) => unreachable!("it has a cookie"),
                Err(_) => {}
            }
        }
        let Some(association) = &mut association else { continue };
        let _ = association.handle_datagram(clock, datagram);
        if association.poll_timeout().is_some_and(|at| at <= clock) {
            association.handle_timeout(clock);
        }
        while association.poll_transmit().is_some() {}
        assert!(association.poll_data().is_none() && !association.is_connected(), "out of nothing");
        match association.poll_change() {
            None | Some(Change::Failed(_)) => {}
            Some(other) => unreachable!("out of nothing: {other:?}"),
        }
    }
}

/// The datagrams in `data`, each behind two bytes of length, and when each comes: the second byte is how many milliseconds
/// after the one before.
fn datagrams(data: &[u8], now: Instant) -> impl Iterator<Item = (Instant, &[u8])> {
    let (mut clock, mut rest) = (now, data);
    std::iter::from_fn(move || {
        let (&[high, low], behind) = rest.split_first_chunk()?;
        let (datagram, behind) =
            behind.split_at(usize::from(u16::from_be_bytes([high, low])).min(behind.len()));
        rest = behind;
        clock += Duration::from_millis(u64::from(low));
        Some((clock, datagram))
    })
}

/// How long a handshake may take.
const WITHIN: Duration = Duration::from_secs(5);

/// The hello that answers a HelloVerifyRequest, with message number 1.
fn bring_back(hello: &[u8], cookie: &[u8]) -> Option<Vec<u8>> {
    const SESSION: usize = RECORD_HEADER + HANDSHAKE_HEADER + 2 + 32;
    let record = RECORD_HEADER + usize::from(u16::from_be_bytes(*hello.get(11..)?.first_chunk()?));
    let at = SESSION + 1 + usize::from(*hello.get(SESSION)?);
    let mut second = hello.get(..record)?.to_vec();
    second.splice(at..=at, std::iter::once(cookie.len() as u8).chain(cookie.iter().copied()));
    let body = u32::try_from(second.len() - RECORD_HEADER - HANDSHAKE_HEADER).ok()?.to_be_bytes();
    let record = u16::try_from(second.len() - RECORD_HEADER).ok()?.to_be_bytes();
    second.get_mut(11..13)?.copy_from_slice(&record);
    for length in [14..17, 22..25] {
        second.get_mut(length)?.copy_from_slice(body.get(1..)?);
    }
    *second.get_mut(18)? = 1;
    Some(second)
}

//! Fuzz target of this module: a plain function that must return for every input.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Endpoint, Event, Identity, MAX_TRANSMIT, Role};

/// Gives a server and a client the datagrams in `data`, each behind two bytes of length, and lets time pass.
///
/// Nothing in them can be authentic, so neither may connect, and a server stays as good as new for its deadline.
pub fn dtls(data: &[u8], identity: &Arc<Identity>, now: Instant) {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(identity, role, now);
        endpoint.expect(vec![identity.fingerprint()]);
        let mut out = [0; MAX_TRANSMIT];
        let mut clock = now;
        let mut rest = data;
        while let Some((&[high, low], behind)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
            let (datagram, behind) = behind.split_at(len);
            rest = behind;
            clock += Duration::from_millis(u64::from(low));
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

//! Flow tokens ([RFC 5626 §5.2]).
//!
//! [RFC 5626 §5.2]: https://www.rfc-editor.org/rfc/rfc5626#section-5.2

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ringback_sansio::{Flow, Transport};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::packed;

/// Writes flows as tokens that nobody else can make, and reads them back.
///
/// A token names the flow and the worker that owns it; it stands in the user part of a URI of ours, so that a request
/// that comes back along a Route finds its flow. An HMAC keeps others from having requests sent wherever they like.
#[derive(Clone)]
pub struct FlowTokens {
    mac: Hmac<Sha256>,
    run: u64,
}

/// A flow token: characters that need no escape in the user part of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowToken(String);

/// The text is not a token of ours: another's, of an earlier run, or tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a flow token of ours")]
pub struct InvalidToken;

impl FlowTokens {
    /// Tokens under a secret. `run` differs from one start of the process to the next: a token of a connection dies with
    /// the process, because the numbers of connections start again, while one of a datagram flow lasts as long as the
    /// secret.
    pub fn new(secret: [u8; 32], run: u64) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(secret).for_each(|(to, from)| *to = from);
        FlowTokens { mac: Hmac::new(&block), run }
    }

    /// Writes the flow and the number of the worker that owns it.
    pub fn encode(&self, owner: u16, flow: &Flow) -> FlowToken {
        let mut plain = Vec::with_capacity(OWNER + packed::size(flow) + TAG);
        plain.extend_from_slice(&owner.to_be_bytes());
        packed::pack(flow, &mut plain);
        let tag = self.tag(&plain, flow.transport());
        plain.extend_from_slice(&tag);
        FlowToken(URL_SAFE_NO_PAD.encode(plain))
    }

    /// Reads a token: the worker that owns the flow, and the flow.
    pub fn decode(&self, token: &[u8]) -> Result<(u16, Flow), InvalidToken> {
        if token.len() > LONGEST {
            return Err(InvalidToken);
        }
        let plain = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
        let (body, tag) = plain.split_last_chunk::<TAG>().ok_or(InvalidToken)?;
        let (owner, packed) = body.split_first_chunk::<OWNER>().ok_or(InvalidToken)?;
        let (flow, []) = packed::unpack(packed).ok_or(InvalidToken)? else { return Err(InvalidToken) };
        if !bool::from(self.tag(body, flow.transport()).ct_eq(tag)) {
            return Err(InvalidToken);
        }
        Ok((u16::from_be_bytes(*owner), flow))
    }

    fn tag(&self, body: &[u8], transport: Transport) -> [u8; TAG] {
        let mut mac = self.mac.clone();
        if transport != Transport::Udp {
            mac.update(&self.run.to_be_bytes());
        }
        mac.update(body);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; TAG];
        tag.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        tag
    }
}

impl fmt::Debug for FlowTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowTokens").finish_non_exhaustive()
    }
}

impl FlowToken {
    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for FlowToken {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for FlowToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const OWNER: usize = 2;
/// 96 bits: RFC 5626's example has 80, which is the least that RFC 2104 §5 allows.
const TAG: usize = 12;
/// A connection flow with two IPv6 addresses: 59 bytes.
const LONGEST: usize = 79;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringback_sansio::{ConnectionId, FiveTuple};

    use super::super::packed::tests::any_flow;
    use super::*;

    fn tokens() -> FlowTokens {
        FlowTokens::new([3; 32], 1)
    }

    fn wss(connection: u64) -> Flow {
        let tuple = FiveTuple::new(
            Transport::Wss,
            "[2001:db8::1]:8443".parse().unwrap(),
            "[2001:db8::2]:50000".parse().unwrap(),
        );
        Flow { tuple, connection: ConnectionId(connection) }
    }

    #[test]
    fn the_longest_token_is_within_the_limit() {
        assert_eq!(tokens().encode(u16::MAX, &wss(u64::MAX)).as_str().len(), LONGEST);
    }

    #[test]
    fn a_connection_does_not_outlive_its_run_and_a_datagram_flow_does() {
        let next_run = FlowTokens::new([3; 32], 2);
        let datagram = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:40000".parse().unwrap());
        let token = tokens().encode(4, &datagram);
        assert_eq!(next_run.decode(token.as_ref()), Ok((4, datagram)));
        let token = tokens().encode(4, &wss(1));
        assert_eq!(tokens().decode(token.as_ref()), Ok((4, wss(1))));
        assert_eq!(next_run.decode(token.as_ref()), Err(InvalidToken));
    }

    #[test]
    fn another_secret_reads_nothing() {
        let token = tokens().encode(4, &wss(1));
        assert_eq!(FlowTokens::new([4; 32], 1).decode(token.as_ref()), Err(InvalidToken));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", tokens()), "FlowTokens { .. }");
    }

    proptest! {
        #[test]
        fn every_flow_comes_back_and_needs_no_escape(owner: u16, flow in any_flow()) {
            let token = tokens().encode(owner, &flow);
            prop_assert!(token.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(tokens().decode(token.as_ref()), Ok((owner, flow)));
        }

        #[test]
        fn a_changed_token_is_refused(flow in any_flow(), at: prop::sample::Index, bit in 0u8..8) {
            let token = tokens().encode(1, &flow);
            let mut changed = token.as_str().as_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert_eq!(tokens().decode(&changed), Err(InvalidToken));
            prop_assert_eq!(tokens().decode(&token.as_str().as_bytes()[..at]), Err(InvalidToken));
        }

        #[test]
        fn any_text_is_refused(text in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(tokens().decode(&text), Err(InvalidToken));
        }
    }
}

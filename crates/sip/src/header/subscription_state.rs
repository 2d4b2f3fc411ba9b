//! Subscription-State ([RFC 6665 §8.2.3]).
//!
//! [RFC 6665 §8.2.3]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.3

use super::{Fault, HeaderError, Params, delta_seconds};
use crate::grammar;
use crate::message::Name;

/// What a NOTIFY says of its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated` or another word.
    pub state: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// Reads the value of a Subscription-State header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (state, params) = grammar::take_while(grammar::trim(value), grammar::is_token_byte);
        if state.is_empty() {
            return Err(HeaderError::new(Name::SubscriptionState, Fault::Malformed));
        }
        let params =
            Params::parse(params).map_err(|fault| HeaderError::new(Name::SubscriptionState, fault))?;
        Ok(SubscriptionState { state, params })
    }

    /// Whether the subscription is over.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case(b"terminated")
    }

    /// Seconds that the subscription still lives.
    pub fn expires(&self) -> Option<u32> {
        self.params.get(b"expires").flatten().and_then(delta_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_expires() {
        let state = SubscriptionState::parse(b"active;expires=600").unwrap();
        assert_eq!((state.state, state.expires(), state.is_terminated()), (&b"active"[..], Some(600), false));
        assert!(SubscriptionState::parse(b"Terminated;reason=noresource").unwrap().is_terminated());
        assert!(SubscriptionState::parse(b"").is_err());
    }
}

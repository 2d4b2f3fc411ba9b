//! Header values, read on demand: one file per header field.
//!
//! Every reader takes the bytes of one value, borrows from them and gives a [`HeaderError`] that names the field. A fold
//! inside a value is white space to all of them. What a list of values is cut into is [`Values`]; parameters are
//! [`Params`]; names with an address are [`Address`].
//!
//! Readers are liberal where the wire is (bytes of unquoted parameter values, IPv6 addresses without brackets in
//! `received`) and strict where a guess could reach another meaning than the next element's: unbalanced quotes, spaces
//! in URIs, a `?` outside angle brackets.

mod address;
mod challenge;
mod credentials;
mod cseq;
mod date;
mod event;
mod params;
mod rack;
mod reason;
mod refer_to;
mod replaces;
mod retry_after;
mod session_expires;
mod subscription_state;
mod values;
mod via;

pub use address::Address;
pub use challenge::Challenge;
pub use credentials::Credentials;
pub use cseq::CSeq;
pub use date::Date;
pub use event::Event;
pub use params::{Param, Params};
pub use rack::Rack;
pub use reason::Reason;
pub use refer_to::ReferTo;
pub use replaces::{Join, NamedDialog, Replaces};
pub use retry_after::RetryAfter;
pub use session_expires::{Refresher, SessionExpires};
pub use subscription_state::SubscriptionState;
pub use values::Values;
pub use via::Via;

use thiserror::Error;

use crate::grammar::{self, NumberError};
use crate::message::Name;

/// A header field that cannot be read, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{} {fault}", .name.as_str())]
pub struct HeaderError {
    /// The header field.
    pub name: Name,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Error)]
pub enum Fault {
    /// There is no such header.
    #[error("missing")]
    Missing,
    /// There is no value.
    #[error("empty")]
    Empty,
    /// The value does not follow the grammar.
    #[error("malformed")]
    Malformed,
    /// A quoted string or an angle bracket does not end.
    #[error("unbalanced")]
    Unbalanced,
    /// A number above what the field can hold.
    #[error("out of range")]
    TooLarge,
    /// A parameter without a name or with a broken value.
    #[error("parameters malformed")]
    Params,
    /// More parameters than the limit.
    #[error("has too many parameters")]
    TooManyParams,
    /// A URI that cannot be read.
    #[error("URI malformed")]
    Uri,
}

impl HeaderError {
    /// An error of that header field.
    pub const fn new(name: Name, fault: Fault) -> Self {
        HeaderError { name, fault }
    }

    /// The header field is absent.
    pub const fn missing(name: Name) -> Self {
        HeaderError::new(name, Fault::Missing)
    }

    /// The same fault, found in that header field.
    pub const fn of(self, name: Name) -> Self {
        HeaderError::new(name, self.fault)
    }

    /// A number that is none.
    pub(crate) const fn number(name: Name, error: NumberError) -> Self {
        HeaderError::new(
            name,
            match error {
                NumberError::NotDigits => Fault::Malformed,
                NumberError::TooLarge => Fault::TooLarge,
            },
        )
    }

    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        400
    }
}

/// Seconds as Expires and its parameter write them: a number above 32 bits is the largest ([RFC 3261 §20.19]), what is
/// no number is as if absent.
///
/// [RFC 3261 §20.19]: https://www.rfc-editor.org/rfc/rfc3261#section-20.19
pub(crate) fn delta_seconds(value: &[u8]) -> Option<u32> {
    match grammar::number(grammar::trim(value)) {
        Ok(seconds) => Some(seconds),
        Err(NumberError::TooLarge) => Some(u32::MAX),
        Err(NumberError::NotDigits) => None,
    }
}

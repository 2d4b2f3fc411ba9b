//! Why a REGISTER is refused.

use crate::header::{Fault, HeaderError};
use crate::location::{InvalidBinding, MAX_CONTACTS, Refused};
use crate::message::{Builder, Message, Name};

/// Why a REGISTER is refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header field cannot be read.
    #[error("{0}")]
    Malformed(#[from] HeaderError),
    /// `*` stands beside other contacts.
    #[error("Contact * stands alone")]
    WildcardWithContacts,
    /// `*` without `Expires: 0`.
    #[error("Contact * needs Expires: 0")]
    WildcardWithoutZero,
    /// A contact with another scheme than `sip:` or `sips:`.
    #[error("Contact is no SIP URI")]
    ContactScheme,
    /// A contact that is a GRUU of the address of record itself.
    #[error("Contact is a GRUU of the address it is registered for")]
    ContactIsGruu,
    /// A `reg-id` out of range.
    #[error("reg-id out of range")]
    InvalidRegId,
    /// A REGISTER of the same Call-ID with an equal or higher CSeq is already done.
    #[error("CSeq out of order")]
    OutOfOrder,
    /// What a binding keeps would be too long.
    #[error("{0}")]
    InvalidBinding(InvalidBinding),
    /// The address of record has as many contacts as it may have.
    #[error("more than {MAX_CONTACTS} contacts")]
    TooManyContacts,
    /// An option that we do not have is required.
    #[error("Bad Extension")]
    BadExtension {
        /// The options, separated by commas.
        unsupported: Vec<u8>,
    },
    /// A registration time below the shortest.
    #[error("Interval Too Brief")]
    IntervalTooBrief {
        /// The shortest.
        min: u32,
    },
    /// The client asks for outbound and the proxy that it is connected to does not have it.
    #[error("First Hop Lacks Outbound Support")]
    FirstHopLacksOutbound,
}

impl Rejection {
    /// The status code of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Rejection::Malformed(_)
            | Rejection::WildcardWithContacts
            | Rejection::WildcardWithoutZero
            | Rejection::ContactScheme
            | Rejection::InvalidRegId
            | Rejection::OutOfOrder
            | Rejection::InvalidBinding(_) => 400,
            Rejection::TooManyContacts | Rejection::ContactIsGruu => 403,
            Rejection::BadExtension { .. } => 420,
            Rejection::IntervalTooBrief { .. } => 423,
            Rejection::FirstHopLacksOutbound => 439,
        }
    }

    /// The answer; its reason phrase is the reason.
    pub fn answer(&self, request: &Message) -> Builder {
        let answer = Builder::reply_with_phrase(request, self.status(), &self.to_string());
        match self {
            Rejection::BadExtension { unsupported } => answer.header(Name::Unsupported, unsupported),
            Rejection::IntervalTooBrief { min } => answer.header(Name::MinExpires, min.to_string()),
            _ => answer,
        }
    }
}

/// A fault of a Contact, which is the header field that is read value by value here.
impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Rejection::Malformed(HeaderError::new(Name::Contact, fault))
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooManyContacts => Rejection::TooManyContacts,
            Refused::Invalid(invalid) => Rejection::InvalidBinding(invalid),
        }
    }
}

//! One binding.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};

use super::aor::Aor;
use crate::outbound::packed;
use crate::uri::Uri;

/// A contact of an address of record, as its last REGISTER gave it ([RFC 3261 §10]).
///
/// A value: a refresh makes a new one with the same [`BindingId`]. All its texts stand in one allocation, because an
/// exchange holds very many bindings and reads few of them.
///
/// [RFC 3261 §10]: https://www.rfc-editor.org/rfc/rfc3261#section-10
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    aor: Aor,
    /// The packed flow, contact, Call-ID, User-Agent and Path, one after the other.
    text: Box<[u8]>,
    expires: Instant,
    id: BindingId,
    recency: u64,
    cseq: u32,
    first_cseq: u32,
    reg_id: Option<NonZeroU32>,
    q: u16,
    contact_end: u16,
    call_id_end: u16,
    user_agent_end: u16,
    /// Where the URI and the instance stand in the contact.
    uri: (u16, u16),
    instance: (u16, u16),
}

/// The number of a binding: the same through every refresh, never used again, and the key of its row in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingId(pub u64);

/// What a binding is made from, apart from what the location service gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) contact: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) instance: Option<&'a [u8]>,
    pub(crate) reg_id: Option<NonZeroU32>,
    pub(crate) q: u16,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: u32,
    /// Of the first REGISTER with that Call-ID, as far as it is known.
    pub(crate) first_cseq: u32,
    pub(crate) path: &'a [u8],
    pub(crate) user_agent: &'a [u8],
    pub(crate) flow: Flow,
    pub(crate) expires: Instant,
}

/// Why a binding cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBinding {
    /// The texts are longer together than is kept.
    #[error("contact, Call-ID and Path are longer than {MAX_TEXT} bytes")]
    TooLong,
    /// The URI or the instance is not in the contact.
    #[error("the URI or the instance does not stand in the contact")]
    Torn,
}

/// By what a REGISTER names a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// The device and which of its flows ([RFC 5626 §6](https://www.rfc-editor.org/rfc/rfc5626#section-6)).
    Outbound { instance: &'a [u8], reg_id: NonZeroU32, uri: &'a [u8] },
    /// The Contact URI.
    Contact { uri: &'a [u8] },
}

impl Binding {
    pub(super) fn new(
        aor: Aor,
        id: BindingId,
        recency: u64,
        draft: &Draft<'_>,
    ) -> Result<Arc<Self>, InvalidBinding> {
        let user_agent = draft.user_agent.get(..MAX_USER_AGENT).unwrap_or(draft.user_agent);
        let lengths = [draft.contact.len(), draft.call_id.len(), draft.path.len()];
        if lengths.iter().any(|&length| length > MAX_TEXT) || lengths.iter().sum::<usize>() > MAX_TEXT {
            return Err(InvalidBinding::TooLong);
        }
        // Everything is below `MAX_TEXT` plus the flow and the User-Agent, which fits 16 bits.
        let length = packed::size(&draft.flow) + lengths.iter().sum::<usize>() + user_agent.len();
        let mut text = Vec::with_capacity(length);
        packed::pack(&draft.flow, &mut text);
        let mut append = |part: &[u8]| {
            text.extend_from_slice(part);
            text.len() as u16
        };
        let contact_end = append(draft.contact);
        let call_id_end = append(draft.call_id);
        let user_agent_end = append(user_agent);
        append(draft.path);
        let within = |part: &[u8]| match find(draft.contact, part) {
            Some(start) => Ok((start as u16, (start + part.len()) as u16)),
            None => Err(InvalidBinding::Torn),
        };
        Ok(Arc::new(Binding {
            aor,
            text: text.into_boxed_slice(),
            expires: draft.expires,
            id,
            recency,
            cseq: draft.cseq,
            first_cseq: draft.first_cseq,
            reg_id: draft.reg_id.filter(|_| draft.instance.is_some()),
            q: draft.q.min(Self::HIGHEST_Q),
            contact_end,
            call_id_end,
            user_agent_end,
            uri: within(draft.uri)?,
            instance: draft.instance.map_or(Ok((0, 0)), within)?,
        }))
    }

    /// The highest preference, that of a Contact without `q`.
    pub const HIGHEST_Q: u16 = 1000;

    /// The address of record.
    pub fn aor(&self) -> &Aor {
        &self.aor
    }

    /// The number.
    pub fn id(&self) -> BindingId {
        self.id
    }

    /// The Contact value as it was registered, without its `expires` parameter.
    pub fn contact(&self) -> &[u8] {
        let start = packed::length(&self.text);
        self.text.get(start..usize::from(self.contact_end)).unwrap_or_default()
    }

    /// The Contact URI, which is the Request-URI of requests to it.
    pub fn uri(&self) -> &[u8] {
        self.within_contact(self.uri)
    }

    /// The device ([RFC 5626 §4.1](https://www.rfc-editor.org/rfc/rfc5626#section-4.1)), as it stands in the quotes of
    /// `+sip.instance`.
    pub fn instance(&self) -> Option<&[u8]> {
        Some(self.within_contact(self.instance)).filter(|instance| !instance.is_empty())
    }

    /// Which of the flows of the device, when it uses outbound.
    pub fn reg_id(&self) -> Option<NonZeroU32> {
        self.reg_id
    }

    /// The preference, in thousandths.
    pub fn q(&self) -> u16 {
        self.q
    }

    /// When it ends, unless refreshed.
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// Higher for what was registered or refreshed later.
    pub fn recency(&self) -> u64 {
        self.recency
    }

    /// The Call-ID of the last REGISTER.
    pub fn call_id(&self) -> &[u8] {
        self.part(self.contact_end, self.call_id_end)
    }

    /// The CSeq number of the last REGISTER.
    pub fn cseq(&self) -> u32 {
        self.cseq
    }

    /// The CSeq number of the first REGISTER with the Call-ID of the last one: the temporary GRUUs that were given
    /// since are good. Not kept by the store; after a restart it is that of the last REGISTER before it.
    pub fn first_cseq(&self) -> u32 {
        self.first_cseq
    }

    /// What the device calls itself, at most 128 bytes of it. For eyes only: never an input to a decision.
    pub fn user_agent(&self) -> Option<&[u8]> {
        Some(self.part(self.call_id_end, self.user_agent_end)).filter(|text| !text.is_empty())
    }

    /// The Path values, separated by commas: the Route of requests to it ([RFC 3327]).
    ///
    /// [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327
    pub fn path(&self) -> Option<&[u8]> {
        Some(self.text.get(usize::from(self.user_agent_end)..).unwrap_or_default())
            .filter(|path| !path.is_empty())
    }

    /// The flow that the last REGISTER came over.
    pub fn flow(&self) -> Flow {
        // `new` packed it; the other value stands for bytes that cannot be.
        packed::unpack(&self.text).map_or(UNREACHABLE, |(flow, _)| flow)
    }

    /// Whether `key` names this binding.
    ///
    /// A contact with a key for outbound also names a binding of the same URI that has none: the same device, before it
    /// was told to use outbound.
    pub(crate) fn is_named_by(&self, key: &Key<'_>) -> bool {
        match *key {
            Key::Outbound { instance, reg_id, uri } => match self.reg_id {
                Some(own) => own == reg_id && self.instance() == Some(instance),
                None => same_uri(self.uri(), uri),
            },
            Key::Contact { uri } => same_uri(self.uri(), uri),
        }
    }

    /// The key that names exactly this binding.
    pub(crate) fn key(&self) -> Key<'_> {
        match (self.reg_id, self.instance()) {
            (Some(reg_id), Some(instance)) => Key::Outbound { instance, reg_id, uri: self.uri() },
            _ => Key::Contact { uri: self.uri() },
        }
    }

    /// The order in which contacts are tried: by preference, then the latest first.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse((self.q, self.recency)), self.id)
    }

    fn part(&self, start: u16, end: u16) -> &[u8] {
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    fn within_contact(&self, (start, end): (u16, u16)) -> &[u8] {
        self.contact().get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("id", &self.id.0)
            .field("aor", &format_args!("{}", self.aor))
            .field("contact", &format_args!("{}", self.contact().escape_ascii()))
            .field("q", &self.q)
            .field("flow", &format_args!("{}", self.flow()))
            .finish_non_exhaustive()
    }
}

/// Whether the URIs are equal ([RFC 3261 §19.1.4]); URIs that we cannot read are equal when their bytes are.
///
/// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
fn same_uri(one: &[u8], other: &[u8]) -> bool {
    one == other
        || match (Uri::parse(one), Uri::parse(other)) {
            (Ok(one), Ok(other)) => one.equals(&other),
            _ => false,
        }
}

/// Where `part` stands in `whole`. Both are short and `part` is near the start: a search that prepares itself takes
/// longer than one that does not.
fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    let Some(&first) = part.first() else { return Some(0) };
    memchr::memchr_iter(first, whole).find(|&at| whole.get(at..).is_some_and(|rest| rest.starts_with(part)))
}

/// What is kept of one binding, in bytes of Contact, Call-ID and Path.
pub const MAX_TEXT: usize = 4096;

/// What is kept of a User-Agent.
pub const MAX_USER_AGENT: usize = 128;

const UNREACHABLE: Flow = Flow {
    tuple: FiveTuple {
        transport: Transport::Tcp,
        local: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        remote: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    },
    connection: ConnectionId::NONE,
};

//! A binding as a row of the store.

use std::num::NonZeroU32;

use ringback_sansio::FiveTuple;

use super::binding::{Binding, BindingId};

/// A [`Binding`] in plain data, borrowed from it or from a row of the store.
///
/// The key is `id` within `aor`. The connection of a flow is not in it: it does not outlive the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingRecord<'a> {
    /// The number of the binding.
    pub id: BindingId,
    /// The address of record.
    pub aor: &'a [u8],
    /// The Contact value, without its `expires` parameter.
    pub contact: &'a [u8],
    /// The URI of the contact.
    pub uri: &'a [u8],
    /// The `+sip.instance` of the contact, without quotes.
    pub instance: Option<&'a [u8]>,
    /// The `reg-id` of the contact.
    pub reg_id: Option<NonZeroU32>,
    /// The preference, in thousandths.
    pub q: u16,
    /// When it ends, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// The order among the bindings of the address of record: the higher, the later.
    pub recency: u64,
    /// The Call-ID of the last REGISTER.
    pub call_id: &'a [u8],
    /// The CSeq number of the last REGISTER.
    pub cseq: u32,
    /// The Path values, separated by commas.
    pub path: Option<&'a [u8]>,
    /// Transport and addresses of the flow.
    pub flow: FiveTuple,
    /// What the device calls itself.
    pub user_agent: Option<&'a [u8]>,
}

impl Binding {
    /// The binding as a row; the caller says when it ends by the clock on the wall.
    pub fn record(&self, expires_unix_ms: u64) -> BindingRecord<'_> {
        BindingRecord {
            id: self.id(),
            aor: self.aor().as_bytes(),
            contact: self.contact(),
            uri: self.uri(),
            instance: self.instance(),
            reg_id: self.reg_id(),
            q: self.q(),
            expires_unix_ms,
            recency: self.recency(),
            call_id: self.call_id(),
            cseq: self.cseq(),
            path: self.path(),
            flow: self.flow().tuple,
            user_agent: self.user_agent(),
        }
    }
}

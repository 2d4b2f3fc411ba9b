//! Whether the first hop of a registration keeps its flow.

use crate::header::Address;
use crate::message::{Message, Name};

/// Whether the first proxy that a REGISTER passed, or we when it passed none, supports outbound ([RFC 5626 §6]).
///
/// A proxy says so by `ob` in the URI of its Path, which is the last one, each later proxy having put its own before.
///
/// [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6
pub fn first_hop_supports_outbound(request: &Message) -> bool {
    match request.values(Name::Path).last() {
        Some(first_proxy) => Address::parse(first_proxy)
            .ok()
            .and_then(|address| address.parse_uri().ok())
            .is_some_and(|uri| uri.params.has(b"ob")),
        None => request.values(Name::Via).count() == 1,
    }
}

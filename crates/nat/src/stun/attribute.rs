//! Attribute types ([RFC 8489 §18.3], [RFC 8445 §16.1], [RFC 8656 §18], [RFC 8016 §3.3]).
//!
//! [RFC 8489 §18.3]: https://www.rfc-editor.org/rfc/rfc8489#section-18.3
//! [RFC 8445 §16.1]: https://www.rfc-editor.org/rfc/rfc8445#section-16.1
//! [RFC 8656 §18]: https://www.rfc-editor.org/rfc/rfc8656#section-18
//! [RFC 8016 §3.3]: https://www.rfc-editor.org/rfc/rfc8016#section-3.3

pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(crate) const ERROR_CODE: u16 = 0x0009;
pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
pub(crate) const LIFETIME: u16 = 0x000d;
pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
pub(crate) const DATA: u16 = 0x0013;
pub(crate) const REALM: u16 = 0x0014;
pub(crate) const NONCE: u16 = 0x0015;
pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
pub(crate) const EVEN_PORT: u16 = 0x0018;
pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
pub(crate) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
pub(crate) const PASSWORD_ALGORITHM: u16 = 0x001d;
pub(crate) const USERHASH: u16 = 0x001e;
pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(crate) const RESERVATION_TOKEN: u16 = 0x0022;
pub(crate) const PRIORITY: u16 = 0x0024;
pub(crate) const USE_CANDIDATE: u16 = 0x0025;
pub(crate) const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
pub(crate) const ADDRESS_ERROR_CODE: u16 = 0x8001;
pub(crate) const PASSWORD_ALGORITHMS: u16 = 0x8002;
pub(crate) const ALTERNATE_SERVER: u16 = 0x8023;
pub(crate) const MOBILITY_TICKET: u16 = 0x8030;
pub(crate) const FINGERPRINT: u16 = 0x8028;
pub(crate) const ICE_CONTROLLED: u16 = 0x8029;
pub(crate) const ICE_CONTROLLING: u16 = 0x802a;

/// Whether a request or an indication with this attribute has to be refused: it would have to be understood and is not.
///
/// DONT-FRAGMENT is none that is understood: which datagrams may be cut in pieces is a matter of the socket, not of one
/// packet ([RFC 8656 §7.2]).
///
/// [RFC 8656 §7.2]: https://www.rfc-editor.org/rfc/rfc8656#section-7.2
pub(super) fn is_unknown(kind: u16, is_binding: bool) -> bool {
    const UNDERSTOOD: [u16; 13] = [
        MAPPED_ADDRESS,
        USERNAME,
        MESSAGE_INTEGRITY,
        ERROR_CODE,
        UNKNOWN_ATTRIBUTES,
        REALM,
        NONCE,
        MESSAGE_INTEGRITY_SHA256,
        PASSWORD_ALGORITHM,
        USERHASH,
        XOR_MAPPED_ADDRESS,
        PRIORITY,
        USE_CANDIDATE,
    ];
    const UNDERSTOOD_BY_TURN: [u16; 9] = [
        CHANNEL_NUMBER,
        LIFETIME,
        XOR_PEER_ADDRESS,
        DATA,
        XOR_RELAYED_ADDRESS,
        REQUESTED_ADDRESS_FAMILY,
        EVEN_PORT,
        REQUESTED_TRANSPORT,
        RESERVATION_TOKEN,
    ];
    let is_understood = UNDERSTOOD.contains(&kind) || !is_binding && UNDERSTOOD_BY_TURN.contains(&kind);
    kind < 0x8000 && !is_understood
}

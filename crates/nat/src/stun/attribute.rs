//! Attribute types ([RFC 8489 §18.3], [RFC 8445 §16.1]).
//!
//! [RFC 8489 §18.3]: https://www.rfc-editor.org/rfc/rfc8489#section-18.3
//! [RFC 8445 §16.1]: https://www.rfc-editor.org/rfc/rfc8445#section-16.1

pub(super) const MAPPED_ADDRESS: u16 = 0x0001;
pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub(super) const REALM: u16 = 0x0014;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
pub(super) const PASSWORD_ALGORITHM: u16 = 0x001d;
pub(super) const USERHASH: u16 = 0x001e;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

/// Whether a Binding request with this attribute must be refused with 420: it has to be understood and is not.
pub(super) fn is_unknown(kind: u16) -> bool {
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
    kind < 0x8000 && !UNDERSTOOD.contains(&kind)
}

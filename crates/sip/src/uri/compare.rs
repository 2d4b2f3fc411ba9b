//! Equality of URIs ([RFC 3261 §19.1.4], RFC 3966 §4).
//!
//! [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4

use super::{Scheme, Uri, escape, is_separator, unescape};
use crate::header::{Param, Params};

pub(super) fn equal(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    match (one.scheme, two.scheme) {
        (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => sip(one, two),
        (Scheme::Tel, Scheme::Tel) => tel(one, two),
        (Scheme::Other(_), Scheme::Other(_)) => one.raw == two.raw,
        _ => false,
    }
}

/// A component that is absent is never equal to its default: `sip:x` is not `sip:x:5060`.
fn sip(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    same_text(one.user, two.user, case_sensitive)
        && same_text(one.password, two.password, case_sensitive)
        && one.host == two.host
        && one.port == two.port
        && params(&one.params, &two.params)
        && headers(one, two)
}

fn tel(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    let digits = |uri: &Uri<'_>| -> Vec<u8> {
        let number = uri.user.unwrap_or_default();
        number.iter().filter(|byte| !is_separator(**byte)).map(u8::to_ascii_lowercase).collect()
    };
    let all_in = |one: &Params<'_>, two: &Params<'_>| {
        one.iter().all(|param| find(two, &param).is_some_and(|same| same))
    };
    digits(one) == digits(two) && all_in(&one.params, &two.params) && all_in(&two.params, &one.params)
}

/// A parameter in both must match; `user`, `ttl`, `method`, `maddr` and `transport` in one only is a mismatch; another
/// in one only is ignored.
fn params(one: &Params<'_>, two: &Params<'_>) -> bool {
    let half = |one: &Params<'_>, two: &Params<'_>| {
        one.iter().all(|param| find(two, &param).unwrap_or_else(|| !must_be_in_both(param.name)))
    };
    half(one, two) && half(two, one)
}

fn must_be_in_both(name: &[u8]) -> bool {
    // RFC 3261 names the first five (§19.1.4); `transport` differs from its absence by the same section's example.
    [&b"user"[..], b"ttl", b"method", b"maddr", b"transport"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the other has the parameter with the same value; `None` when it does not have it at all.
fn find(params: &Params<'_>, wanted: &Param<'_>) -> Option<bool> {
    params
        .iter()
        .filter(|param| same(param.name, wanted.name, case_insensitive))
        .map(|param| same_text(param.value, wanted.value, case_insensitive))
        .reduce(|one, another| one || another)
}

/// Every header of one must be in the other with the same value, in any order.
fn headers(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    let half = |one: &Uri<'_>, two: &Uri<'_>| {
        one.header_pairs().all(|(name, value)| {
            two.header_pairs().any(|(other_name, other_value)| {
                same(name, other_name, case_insensitive) && unescape(value) == unescape(other_value)
            })
        })
    };
    half(one, two) && half(two, one)
}

fn same_text(one: Option<&[u8]>, two: Option<&[u8]>, equal: fn(u8, u8) -> bool) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same(one, two, equal),
        (None, None) => true,
        _ => false,
    }
}

/// Compares with escapes undone on the fly.
///
/// An escaped reserved byte is taken for the byte itself. The RFC calls `%40` and `@` different, but a user part cannot
/// hold a bare `@`, so nothing that differs becomes the same.
fn same(mut one: &[u8], mut two: &[u8], equal: fn(u8, u8) -> bool) -> bool {
    loop {
        match (escape::take(one), escape::take(two)) {
            (None, None) => return true,
            (Some((a, rest_one)), Some((b, rest_two))) if equal(a, b) => (one, two) = (rest_one, rest_two),
            _ => return false,
        }
    }
}

fn case_sensitive(a: u8, b: u8) -> bool {
    a == b
}

fn case_insensitive(a: u8, b: u8) -> bool {
    a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(one: &str, two: &str) -> bool {
        let (one, two) = (Uri::parse(one.as_bytes()).unwrap(), Uri::parse(two.as_bytes()).unwrap());
        assert_eq!(one.equals(&two), two.equals(&one), "equality is symmetric");
        one.equals(&two)
    }

    /// The examples of RFC 3261 §19.1.4.
    #[test]
    fn equivalent() {
        for (one, two) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("sip:x;a=1;a=2", "sip:x;a=1;a=2"),
        ] {
            assert!(equal(one, two), "{one} {two}");
        }
    }

    /// The examples of RFC 3261 §19.1.4.
    #[test]
    fn not_equivalent() {
        for (one, two) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@x", "sips:a@x"),
            ("sip:a:p@x", "sip:a@x"),
            ("tel:+12015550123", "tel:12015550123"),
            ("tel:123;ext=1", "tel:123"),
            ("urn:a", "urn:A"),
        ] {
            assert!(!equal(one, two), "{one} {two}");
        }
    }
}

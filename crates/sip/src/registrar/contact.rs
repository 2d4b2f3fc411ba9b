//! The Contact of a REGISTER.

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::grammar;
use crate::gruu;
use crate::header::{Address, Fault};
use crate::location::Key;
use crate::uri::Uri;

use super::Rejection;

/// One Contact value, and the text of it that is kept.
#[derive(Debug)]
pub(super) struct Contact<'m> {
    address: Address<'m>,
    text: Cow<'m, [u8]>,
}

impl<'m> Contact<'m> {
    pub(super) fn parse(value: &'m [u8]) -> Result<Self, Rejection> {
        let value = grammar::trim(value);
        let address = Address::parse(value).map_err(|error| error.fault)?;
        match address.parse_uri() {
            Ok(uri) if uri.is_sip() => Ok(Contact { address, text: without_expires(value, &address) }),
            Ok(_) => Err(Rejection::ContactScheme),
            Err(_) => Err(Fault::Uri.into()),
        }
    }

    /// The value as it stands, without its `expires`.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn uri(&self) -> &'m [u8] {
        self.address.uri
    }

    /// The `+sip.instance`, as it stands in its quotes.
    pub(super) fn instance(&self) -> Option<&'m [u8]> {
        let value = self.address.params.get(b"+sip.instance").flatten()?;
        let inner = match value {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        Some(inner).filter(|inner| !inner.is_empty())
    }

    /// Whether it is a GRUU of the address of record, which it cannot be reached by.
    pub(super) fn is_gruu_of(&self, aor: &[u8]) -> bool {
        match (self.address.parse_uri(), Uri::parse(aor)) {
            (Ok(contact), Ok(aor)) => gruu::is_gruu_of(&contact, &aor),
            _ => false,
        }
    }

    /// The `expires` parameter in seconds; one that is no number asks for an hour ([RFC 3261 §10.2.1.1]).
    ///
    /// [RFC 3261 §10.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.1.1
    pub(super) fn expires(&self) -> Option<u32> {
        self.address.params.get(b"expires").map(|_| self.address.expires().unwrap_or(3600))
    }

    pub(super) fn q(&self) -> u16 {
        self.address.q()
    }

    /// Device and `reg-id`; a `reg-id` without a device means nothing ([RFC 5626 §6]).
    ///
    /// [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6
    pub(super) fn outbound(&self) -> Result<Option<(&'m [u8], NonZeroU32)>, Rejection> {
        let (Some(instance), Some(reg_id)) = (self.instance(), self.address.params.get(b"reg-id")) else {
            return Ok(None);
        };
        let number = reg_id.and_then(|digits| grammar::number(digits).ok()).and_then(NonZeroU32::new);
        match number {
            Some(number) if number.get() <= MAX_REG_ID => Ok(Some((instance, number))),
            _ => Err(Rejection::InvalidRegId),
        }
    }

    /// By what it names a binding.
    pub(super) fn key(&self, outbound: Option<(&'m [u8], NonZeroU32)>) -> Key<'m> {
        let uri = self.uri();
        match outbound {
            Some((instance, reg_id)) => Key::Outbound { instance, reg_id, uri },
            None => Key::Contact { uri },
        }
    }
}

/// The value without its `expires`, which is ours to say; byte for byte when it has none.
fn without_expires<'m>(value: &'m [u8], address: &Address<'m>) -> Cow<'m, [u8]> {
    let is_expires = |name: &[u8]| name.eq_ignore_ascii_case(b"expires");
    if !address.params.iter().any(|param| is_expires(param.name)) {
        return Cow::Borrowed(value);
    }
    let head = value.len().saturating_sub(address.params.as_bytes().len());
    let mut text = Vec::with_capacity(value.len());
    text.extend_from_slice(grammar::trim_end(value.get(..head).unwrap_or(value)));
    for param in address.params.iter().filter(|param| !is_expires(param.name)) {
        text.extend_from_slice(param.raw);
    }
    Cow::Owned(text)
}

/// RFC 5626 §4.2 says that a reg-id is between 1 and 2³¹ - 1.
const MAX_REG_ID: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kept_byte_for_byte_without_expires() {
        for (value, kept) in [
            ("<sip:a@x;transport=ws>;+sip.ice;reg-id=1", "<sip:a@x;transport=ws>;+sip.ice;reg-id=1"),
            ("\"A, B\"  <sip:a@x> ; q=0.5", "\"A, B\"  <sip:a@x> ; q=0.5"),
            ("<sip:a@x;expires=9>;expires=600", "<sip:a@x;expires=9>"),
            ("<sip:a@x>;Expires=600;q=0.5", "<sip:a@x>;q=0.5"),
            ("<sip:a@x>;q=0.5;expires=\"600\";+b=\";expires=1\"", "<sip:a@x>;q=0.5;+b=\";expires=1\""),
            ("sip:a@x;expires=60;x", "sip:a@x;x"),
        ] {
            let contact = Contact::parse(value.as_bytes()).unwrap();
            assert_eq!(contact.text().escape_ascii().to_string(), kept.as_bytes().escape_ascii().to_string());
            assert_eq!(contact.uri(), Contact::parse(kept.as_bytes()).unwrap().uri());
        }
    }

    #[test]
    fn expires_that_is_no_number_is_an_hour() {
        let expires = |value: &str| Contact::parse(value.as_bytes()).unwrap().expires();
        assert_eq!(expires("<sip:a@x>"), None);
        assert_eq!(expires("<sip:a@x>;expires=60"), Some(60));
        assert_eq!(expires("<sip:a@x>;expires=soon"), Some(3600));
        assert_eq!(expires("<sip:a@x>;expires=-5"), Some(3600));
        assert_eq!(expires("<sip:a@x>;expires"), Some(3600));
        assert_eq!(expires("<sip:a@x>;expires=99999999999"), Some(u32::MAX));
    }

    #[test]
    fn reg_id_needs_a_device_and_a_range() {
        let outbound = |params: &str| {
            let value = format!("<sip:a@x>{params}");
            Contact::parse(value.as_bytes())
                .unwrap()
                .outbound()
                .map(|key| key.map(|(_, reg_id)| reg_id.get()))
        };
        let device = ";+sip.instance=\"<urn:uuid:1>\"";
        assert_eq!(outbound(";reg-id=1"), Ok(None));
        assert_eq!(outbound(device), Ok(None));
        assert_eq!(outbound(&format!("{device};reg-id=7")), Ok(Some(7)));
        for reg_id in [";reg-id=0", ";reg-id", ";reg-id=x", ";reg-id=2147483648"] {
            assert_eq!(outbound(&format!("{device}{reg_id}")), Err(Rejection::InvalidRegId), "{reg_id}");
        }
    }

    #[test]
    fn only_sip_contacts_can_be_reached() {
        assert_eq!(Contact::parse(b"<tel:+123>").unwrap_err(), Rejection::ContactScheme);
        assert_eq!(Contact::parse(b"<mailto:a@x>").unwrap_err(), Rejection::ContactScheme);
        assert!(matches!(Contact::parse(b"<sip:>").unwrap_err(), Rejection::Malformed(_)));
        assert!(Contact::parse(b"<sips:a@x>").is_ok());
    }
}

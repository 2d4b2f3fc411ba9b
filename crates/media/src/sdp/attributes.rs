//! Reading `a=` lines by name.

use sdp_types::Attribute;

/// The values of the attributes of a name, in any case of letters, without blanks at their ends.
pub(super) fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute.trim_ascii().eq_ignore_ascii_case(name))
        .map(|attribute| attribute.value.as_deref().unwrap_or_default().trim_ascii())
}

/// The first of the values.
pub(super) fn value<'a>(attributes: &'a [Attribute], name: &'a str) -> Option<&'a str> {
    values(attributes, name).next()
}

/// Whether an attribute of the name is there, with or without a value.
pub(super) fn has(attributes: &[Attribute], name: &str) -> bool {
    value(attributes, name).is_some()
}

/// Whether the text is a token ([RFC 8866 §9]), so that it can stand in a line and in a sentence about it.
///
/// [RFC 8866 §9]: https://www.rfc-editor.org/rfc/rfc8866#section-9
pub(super) fn is_token(text: &str, max_len: usize) -> bool {
    !text.is_empty()
        && text.len() <= max_len
        && text.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'{'..=b'~')
        })
}

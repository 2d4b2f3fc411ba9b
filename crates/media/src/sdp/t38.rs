//! The attributes of a fax ([ITU-T T.38] annex D), which only its two ends understand.
//!
//! [ITU-T T.38]: https://www.itu.int/rec/T-REC-T.38

use sdp_types::Attribute;

use super::attributes::is_token;

/// An attribute whose name begins with `T38`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct T38 {
    /// Its name, such as `T38FaxMaxDatagram`.
    pub name: String,
    /// Its value; `T38FaxFillBitRemoval` and its like may have none.
    pub value: Option<String>,
}

impl T38 {
    /// Those of a section, in their order. What could not stand in a line of ours is left out.
    pub(super) fn parse_all(attributes: &[Attribute]) -> Vec<T38> {
        attributes.iter().filter_map(T38::from_attribute).take(MAX_ATTRIBUTES).collect()
    }

    pub(super) fn to_attribute(&self) -> Attribute {
        match &self.value {
            Some(value) => Attribute::with_value(&self.name, value),
            None => Attribute::new(&self.name),
        }
    }

    fn from_attribute(attribute: &Attribute) -> Option<T38> {
        let name = attribute.attribute.trim_ascii();
        let is_of_fax = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if !is_of_fax || !is_token(name, MAX_NAME_LEN) {
            return None;
        }
        let value = attribute.value.as_deref().map(str::trim_ascii).filter(|value| !value.is_empty());
        let is_plain = |value: &str| {
            value.len() <= MAX_VALUE_LEN && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        value.is_none_or(is_plain).then(|| T38 { name: name.to_owned(), value: value.map(str::to_owned) })
    }
}

/// What the names begin with.
const PREFIX: &str = "T38";
/// The most attributes that are kept; T.38 has 13.
const MAX_ATTRIBUTES: usize = 32;
/// The longest name that is kept.
const MAX_NAME_LEN: usize = 64;
/// The longest value that is kept.
const MAX_VALUE_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_a_fax_or_cannot_be_written_is_left_out() {
        let long = "9".repeat(MAX_VALUE_LEN + 1);
        let attributes = [
            Attribute::with_value("T38FaxVersion", "0"),
            Attribute::with_value("t38faxudpec", " t38UDPRedundancy "),
            Attribute::new("T38FaxFillBitRemoval"),
            Attribute::with_value("T38FaxTranscodingMMR", ""),
            Attribute::with_value("T38VendorInfo", "181 0 37"),
            Attribute::with_value("T38VendorInfo", "a\u{7}b"),
            Attribute::with_value("T38FaxMaxBuffer", &long),
            Attribute::with_value("T38 FaxMaxBuffer", "1"),
            Attribute::with_value("ptime", "20"),
            Attribute::new("é"),
        ];
        let kept = T38::parse_all(&attributes);
        let said: Vec<_> = kept.iter().map(|it| (it.name.as_str(), it.value.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("T38FaxVersion", Some("0")),
                ("t38faxudpec", Some("t38UDPRedundancy")),
                ("T38FaxFillBitRemoval", None),
                ("T38FaxTranscodingMMR", None),
                ("T38VendorInfo", Some("181 0 37")),
            ],
        );
        let again: Vec<Attribute> = kept.iter().map(T38::to_attribute).collect();
        assert_eq!(T38::parse_all(&again), kept);
        let many = vec![Attribute::with_value("T38FaxVersion", "0"); 2 * MAX_ATTRIBUTES];
        assert_eq!(T38::parse_all(&many).len(), MAX_ATTRIBUTES);
    }
}

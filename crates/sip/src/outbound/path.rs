//! The Path of a registration ([RFC 3327]).
//!
//! [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327

use crate::header::{Address, Fault, HeaderError};
use crate::message::{Message, Name};

/// The Path values of a request, separated by commas, as they stand; empty when there are none.
///
/// Each must be a SIP URI, for it becomes a Route of later requests.
pub fn path(request: &Message) -> Result<Vec<u8>, HeaderError> {
    let mut path = Vec::new();
    for value in request.values(Name::Path) {
        let address = Address::parse(value).map_err(|error| error.of(Name::Path))?;
        if !address.parse_uri().is_ok_and(|uri| uri.is_sip()) {
            return Err(HeaderError::new(Name::Path, Fault::Uri));
        }
        if !path.is_empty() {
            path.extend_from_slice(b", ");
        }
        path.extend_from_slice(value);
    }
    Ok(path)
}

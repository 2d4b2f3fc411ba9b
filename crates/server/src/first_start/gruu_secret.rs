//! The secret of temporary GRUUs ([RFC 5627 §3.3]). It is in the database, so that they outlive the process as long as
//! the registrations do that they lead to.
//!
//! [RFC 5627 §3.3]: https://www.rfc-editor.org/rfc/rfc5627#section-3.3

use rand::Rng;

use crate::store::{Store, StoreError};

/// The secret, made when there is none. One of another length is none of ours.
pub(super) fn prepare(store: &Store) -> Result<[u8; 32], StoreError> {
    if let Some(secret) = store.setting(SETTING)?.and_then(|secret| <[u8; 32]>::try_from(secret).ok()) {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    store.put_setting(SETTING, &secret)?;
    Ok(secret)
}

const SETTING: &str = "gruu_secret";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[test]
    fn the_secret_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| Store::open(&directory.path().join(name), Options::default()).unwrap();
        let first = prepare(&open("t.db")).unwrap();
        assert_eq!(prepare(&open("t.db")).unwrap(), first);
        assert_ne!(prepare(&open("other.db")).unwrap(), first);
    }
}

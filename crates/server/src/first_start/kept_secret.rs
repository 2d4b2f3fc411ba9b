//! Secrets in the database: what is made with them outlives the process.

use rand::Rng;

use crate::store::{Store, StoreError};

/// What temporary GRUUs are sealed with ([RFC 5627 §3.3]): they stand as long as the registrations do that they lead to.
///
/// [RFC 5627 §3.3]: https://www.rfc-editor.org/rfc/rfc5627#section-3.3
pub(super) const GRUU: &str = "gruu_secret";

/// What credentials of TURN are made with where the configuration has no `turn.secret`: a call goes on over a restart.
pub(super) const TURN: &str = "turn_secret";

/// The secret of this name, made when there is none. One of another length is none of ours.
pub(super) fn prepare(store: &Store, name: &str) -> Result<[u8; 32], StoreError> {
    if let Some(secret) = store.setting(name)?.and_then(|secret| <[u8; 32]>::try_from(secret).ok()) {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    store.put_setting(name, &secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[test]
    fn each_secret_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| Store::open(&directory.path().join(name), Options::default()).unwrap();
        let first = prepare(&open("t.db"), GRUU).unwrap();
        assert_eq!(prepare(&open("t.db"), GRUU).unwrap(), first);
        assert_ne!(prepare(&open("t.db"), TURN).unwrap(), first);
        assert_ne!(prepare(&open("other.db"), GRUU).unwrap(), first);
    }
}

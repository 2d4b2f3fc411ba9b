//! The schema, as the steps that lead to it.
//!
//! A step that has been released never changes; a change of the schema is a new step. `user_version` of the file counts
//! the steps it has taken.

use rusqlite::{Connection, TransactionBehavior};

/// Every step, in order.
const STEPS: &[&str] = &[
    include_str!("0001_users.sql"),
    include_str!("0002_devices.sql"),
    include_str!("0003_bindings.sql"),
    include_str!("0004_cdrs.sql"),
    include_str!("0005_settings.sql"),
    include_str!("0006_messages.sql"),
    include_str!("0007_features.sql"),
    include_str!("0008_quality.sql"),
    include_str!("0009_recordings.sql"),
    include_str!("0010_reported.sql"),
    include_str!("0011_video.sql"),
    include_str!("0012_rooms.sql"),
];

/// How many steps this build knows.
pub(super) const LATEST: i64 = STEPS.len() as i64;

/// Takes the steps that the file has not taken, up to `target`, all in one transaction or none.
pub(super) fn migrate(connection: &mut Connection, target: i64) -> rusqlite::Result<()> {
    let version = version(connection)?;
    if version >= target {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (number, step) in (1i64..).zip(STEPS) {
        if number > version && number <= target {
            transaction.execute_batch(step)?;
        }
    }
    transaction.pragma_update(None, "user_version", target)?;
    transaction.commit()
}

/// How many steps the file has taken.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_becomes_the_same_schema() {
        let schema = |start: i64| {
            let mut connection = Connection::open_in_memory().unwrap();
            migrate(&mut connection, start).unwrap();
            assert_eq!(version(&connection).unwrap(), start);
            migrate(&mut connection, LATEST).unwrap();
            let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
            let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
            rows.map(|row| row.unwrap()).collect::<Vec<_>>()
        };
        let fresh = schema(0);
        assert!(fresh.len() >= STEPS.len());
        for start in 1..=LATEST {
            assert_eq!(schema(start), fresh, "from version {start}");
        }
    }

    #[test]
    fn what_an_older_version_held_is_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 1).unwrap();
        let insert =
            "INSERT INTO users VALUES ('alice', 'ringback', zeroblob(16), zeroblob(32), zeroblob(32), '', 7)";
        connection.execute(insert, []).unwrap();
        migrate(&mut connection, LATEST).unwrap();
        let created: i64 = connection.query_row("SELECT created FROM users", [], |row| row.get(0)).unwrap();
        assert_eq!(created, 7);
    }
}

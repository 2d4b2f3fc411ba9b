//! The tables of rooms and of who is in them.

use ringback_control::rooms::{InvalidWord, MemberName, MemberRecord, Pin, RoomName, RoomRecord, Token};
use rusqlite::{Connection, Row, params};

use super::StoreError;

/// Every room that can be read, by name; and the names of those that cannot.
pub(super) fn all(connection: &Connection) -> Result<(Vec<RoomRecord>, Vec<String>), StoreError> {
    let mut rooms = connection.prepare_cached(
        "SELECT name, owner, expires, pin, locked, knock, host, last_member FROM rooms ORDER BY name",
    )?;
    let mut members =
        connection.prepare_cached("SELECT id, name, token FROM room_members WHERE room = ?1 ORDER BY id")?;
    let (mut read, mut unreadable) = (Vec::new(), Vec::new());
    let mut rows = rooms.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get("name")?;
        let members = members.query_map([&name], member)?.collect::<rusqlite::Result<Vec<_>>>()?;
        match room(row)? {
            Ok(room) => match members.into_iter().collect() {
                Ok(members) => read.push(RoomRecord { members, ..room }),
                Err(_) => unreadable.push(name),
            },
            Err(_) => unreadable.push(name),
        }
    }
    Ok((read, unreadable))
}

/// Keeps a room with its members in place of what was kept under its name.
pub(super) fn put(connection: &Connection, room: &RoomRecord) -> Result<(), StoreError> {
    remove(connection, room.name.as_str())?;
    connection
        .prepare_cached(
            "INSERT INTO rooms (name, owner, expires, pin, locked, knock, host, last_member)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            room.name.as_str(),
            room.owner.reveal(),
            i64::try_from(room.expires).unwrap_or(i64::MAX),
            room.pin.as_ref().map(Pin::reveal),
            room.locked,
            room.knock,
            room.host,
            room.last_member,
        ])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO room_members (room, id, name, token) VALUES (?1, ?2, ?3, ?4)")?;
    for MemberRecord { id, name, token } in &room.members {
        insert.execute(params![room.name.as_str(), id, name.as_str(), token.reveal()])?;
    }
    Ok(())
}

/// Removes a room; there need not be one.
pub(super) fn remove(connection: &Connection, name: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM rooms WHERE name = ?1")?.execute([name])?;
    Ok(())
}

fn room(row: &Row<'_>) -> rusqlite::Result<Result<RoomRecord, InvalidWord>> {
    let (name, owner): (String, String) = (row.get("name")?, row.get("owner")?);
    let pin: Option<String> = row.get("pin")?;
    let expires: i64 = row.get("expires")?;
    let (locked, knock, host, last_member) =
        (row.get("locked")?, row.get("knock")?, row.get("host")?, row.get("last_member")?);
    Ok((|| {
        Ok(RoomRecord {
            name: RoomName::try_from(name)?,
            owner: Token::try_from(owner)?,
            expires: u64::try_from(expires).unwrap_or_default(),
            pin: pin.map(Pin::try_from).transpose()?,
            locked,
            knock,
            host,
            last_member,
            members: Vec::new(),
        })
    })())
}

fn member(row: &Row<'_>) -> rusqlite::Result<Result<MemberRecord, InvalidWord>> {
    let id = row.get("id")?;
    let (name, token): (String, String) = (row.get("name")?, row.get("token")?);
    Ok((|| Ok(MemberRecord { id, name: MemberName::try_from(name)?, token: Token::try_from(token)? }))())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store, open_connection};

    fn record(name: &str, members: u32) -> RoomRecord {
        let token = |id: u32| Token::try_from(format!("{id:a>30}")).unwrap();
        let member = |id| MemberRecord {
            id,
            name: MemberName::try_from(format!("<b>{id}")).unwrap(),
            token: token(id),
        };
        RoomRecord {
            name: RoomName::try_from(name.to_owned()).unwrap(),
            owner: token(1),
            expires: 1_700_000_000_000,
            pin: Some(Pin::try_from("123456".to_owned()).unwrap()),
            locked: true,
            knock: false,
            host: Some(1),
            last_member: 9,
            members: (1..=members).map(member).collect(),
        }
    }

    #[test]
    fn what_is_kept_is_read_again_and_the_last_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        Store::open(&path, Options::default()).unwrap();
        let connection = open_connection(&path, &Options::default()).unwrap();
        for room in [record("one", 3), record("two", 0), record("one", 2)] {
            put(&connection, &room).unwrap();
        }
        assert_eq!(all(&connection).unwrap(), (vec![record("one", 2), record("two", 0)], vec![]));
        connection.execute("UPDATE rooms SET owner = 'no token' WHERE name = 'two'", []).unwrap();
        assert_eq!(all(&connection).unwrap(), (vec![record("one", 2)], vec!["two".to_owned()]));
        remove(&connection, "one").unwrap();
        remove(&connection, "two").unwrap();
        remove(&connection, "three").unwrap();
        assert_eq!(all(&connection).unwrap(), (vec![], vec![]));
        let left: u32 =
            connection.query_row("SELECT count(*) FROM room_members", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}

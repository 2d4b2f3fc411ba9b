//! Messages that wait for their users, in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc;

use ringback_server::store::{MessageRow, Options, Recovery, Store, Write};

fn message(user: &str, body: &str, expires: i64) -> MessageRow {
    MessageRow {
        number: 0,
        user: user.to_owned(),
        sender: "alice".to_owned(),
        display: "Alice".to_owned(),
        headers: b"Subject: \xff\r\n".to_vec(),
        content_type: b"text/plain;charset=utf-8".to_vec(),
        body: body.as_bytes().to_vec(),
        sent: 1_000,
        expires,
    }
}

/// Writes each as a job of its own and waits until all are on the disk.
fn write(store: &Store, writes: Vec<Write>) {
    let (sender, settled) = mpsc::channel();
    let (writer, thread) = store.start_writer(Box::new(move |batch| sender.send(batch).unwrap())).unwrap();
    for (ticket, write) in (0u64..).zip(writes) {
        writer.submit(ticket, vec![write]).unwrap();
    }
    thread.stop();
    assert!(settled.iter().flatten().all(|(_, outcome)| outcome.is_ok()));
}

fn add(row: MessageRow) -> Write {
    Write::AddMessage(Box::new(row))
}

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

#[test]
fn messages_wait_in_the_order_they_came_and_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let store = open(&path);
    let texts: Vec<String> = (0..40).map(|number| format!("text {number}")).collect();
    write(&store, texts.iter().map(|text| add(message("bob", text, 9_000))).collect());
    write(&store, vec![add(message("carol", "hi", 9_000))]);
    drop(store);

    let store = open(&path);
    assert_eq!(store.waiting_messages().unwrap(), [("bob".to_owned(), 40), ("carol".to_owned(), 1)]);
    let mut read: Vec<MessageRow> = Vec::new();
    loop {
        let next = store.messages("bob", read.last().map_or(0, |row| row.number)).unwrap();
        assert!(next.len() <= 32, "a bounded number at once");
        if next.is_empty() {
            break;
        }
        read.extend(next);
    }
    assert_eq!(
        read.iter().map(|row| String::from_utf8(row.body.clone()).unwrap()).collect::<Vec<_>>(),
        texts
    );
    let expected = MessageRow { number: read[0].number, ..message("bob", "text 0", 9_000) };
    assert_eq!(read[0], expected, "what came from the wire is kept as it came");

    let first = read[0].number;
    let delivered = |user: &str| Write::RemoveMessage { user: user.to_owned(), number: first };
    write(&store, vec![delivered("eve")]);
    assert_eq!(store.messages("bob", 0).unwrap()[0].number, first, "it is not hers");
    write(&store, vec![delivered("bob"), delivered("bob")]);
    assert_eq!(store.messages("bob", 0).unwrap()[0].number, read[1].number);
    write(&store, vec![Write::RemoveMessages { user: "bob".to_owned() }]);
    assert_eq!(store.waiting_messages().unwrap(), [("carol".to_owned(), 1)]);
}

#[test]
fn a_number_is_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("t.db"));
    write(&store, vec![add(message("bob", "one", 9_000))]);
    let first = store.messages("bob", 0).unwrap()[0].number;
    write(&store, vec![Write::RemoveMessage { user: "bob".to_owned(), number: first }]);
    write(&store, vec![add(message("bob", "two", 9_000))]);
    assert!(store.messages("bob", 0).unwrap()[0].number > first);
}

#[test]
fn what_is_of_no_use_any_more_is_removed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("t.db"));
    write(&store, vec![add(message("bob", "old", 2_000)), add(message("bob", "new", 9_000))]);
    assert_eq!(store.remove_expired_messages(2_000).unwrap(), 1);
    assert_eq!(store.messages("bob", 0).unwrap()[0].body, b"new");
}

/// What the exchange asks for comes from a thread of its own.
#[test]
fn the_reader_answers_with_its_ticket() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("t.db"));
    write(&store, vec![add(message("bob", "one", 9_000))]);
    let (sender, answers) = mpsc::channel();
    let answer = Box::new(move |ticket, rows| sender.send((ticket, rows)).unwrap());
    let reader = store.start_reader(answer).unwrap();
    reader.messages(7, "bob".to_owned(), 0).unwrap();
    reader.messages(8, "nobody".to_owned(), 0).unwrap();
    let (ticket, rows): (u64, Vec<MessageRow>) = answers.recv().unwrap();
    assert_eq!((ticket, rows.len()), (7, 1));
    assert_eq!(answers.recv().unwrap(), (8, Vec::new()));
    drop(reader);
    assert!(answers.recv().is_err(), "the thread ends with its handle");
}

#[test]
fn a_damaged_database_gives_its_messages_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let store = open(&path);
    write(&store, vec![add(message("bob", "one", 9_000))]);
    drop(store);
    // Break the page of an index, which the check notices and a copy of the rows does not need.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let query = "SELECT rootpage FROM sqlite_schema WHERE name = 'messages_of_user'";
    let page: u64 = connection.query_row(query, [], |row| row.get::<_, u32>(0)).unwrap().into();
    let size: u64 =
        connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap().into();
    drop(connection);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_at(&[0xff; 64], (page - 1) * size).unwrap();
    drop(file);
    assert!(Store::open(&path, Options::default()).is_err(), "it is damaged");
    let options = Options { recovery: Recovery::Salvage, ..Options::default() };
    let store = Store::open(&path, options).unwrap();
    assert_eq!(store.messages("bob", 0).unwrap()[0].body, b"one");
}

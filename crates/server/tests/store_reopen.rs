//! What a store holds is there again when it is opened again: rows, older schemas, damaged files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use ringback_sansio::Transport;
use ringback_server::secret::Secret;
use ringback_server::store::{
    BindingRow, CdrLegRow, CdrRow, Credentials, DeviceRow, Hundredths, Options, QualityRow, Recovery,
    ReportedRow, Store, UserRow, VideoRow, Write,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

fn user(name: &str) -> UserRow {
    let credentials = Credentials::derive(name, "ringback", &Secret::new("secret"));
    UserRow { name: name.to_owned(), credentials, display: format!("{name}'s name"), created: 42 }
}

fn binding(user: &str, key: &[u8], expires: i64) -> BindingRow {
    BindingRow {
        aor: format!("sip:{user}@example.com"),
        key: key.to_vec(),
        contact: b"<sip:8rnd@x.invalid;transport=ws>;reg-id=1".to_vec(),
        uri: b"sip:8rnd@x.invalid;transport=ws".to_vec(),
        instance: Some(b"<urn:uuid:0b2>".to_vec()),
        reg_id: Some(1),
        expires,
        q: 700,
        recency: 9,
        path: Vec::new(),
        call_id: b"\xff\xfe not text".to_vec(),
        cseq: u32::MAX,
        transport: Transport::Wss,
        local: "[2001:db8::1]:8443".parse().unwrap(),
        remote: "192.0.2.7:50123".parse().unwrap(),
        user_agent: b"JsSIP 3.13.8".to_vec(),
    }
}

fn cdr(call: &str, started: i64) -> CdrRow {
    let leg = CdrLegRow {
        party: "alice".to_owned(),
        call_id: "abc".to_owned(),
        transport: "WSS".to_owned(),
        remote: "192.0.2.7:50123".to_owned(),
        media_profile: "WebRTC".to_owned(),
        codec: Some("PCMU/8000".to_owned()),
        packets_received: 500,
        octets_received: 80_000,
        packets_sent: 499,
        octets_sent: 79_840,
        packets_lost: 1,
        packets_dropped: 0,
        quality: QualityRow {
            mos_received: Some(Hundredths(441)),
            mos_received_worst: Some(Hundredths(129)),
            mos_sent: None,
            loss_received: Some(Hundredths(25)),
            round_trip: Some(Hundredths(1999)),
            packets_late: 3,
            packets_duplicate: 4,
            audio_missing: 20,
            ice_after: Some(0),
            sent_after: Some(u64::from(u32::MAX)),
            ..QualityRow::default()
        },
        reported: ReportedRow {
            loss: Some(Hundredths(525)),
            round_trip: Some(Hundredths(20_000)),
            mos_cq: Some(Hundredths(402)),
            ..ReportedRow::default()
        },
        silent_because: Some("only_silence".to_owned()),
        verdict: Some("alice's browser is not heard.".to_owned()),
        video: Some(VideoRow {
            packets_received: 900,
            octets_received: 810_000,
            packets_sent: 901,
            octets_sent: 820_000,
            packets_lost: 5,
            packets_dropped: 6,
            packets_repeated: 7,
            nacks_received: 8,
            nacks_sent: 9,
            picture_requests_received: 10,
            picture_requests_sent: u64::from(u32::MAX),
        }),
    };
    CdrRow {
        call: call.to_owned(),
        started,
        answered: Some(started + 5),
        ended: started + 10_000,
        caller: "sip:alice@example.com".to_owned(),
        callee: "bob".to_owned(),
        answered_by: Some("sip:bob@example.com".to_owned()),
        status: 200,
        reason: "hung up".to_owned(),
        ended_by: "callee".to_owned(),
        recordings: Some("one.wav two.wav".to_owned()),
        legs: vec![leg.clone(), CdrLegRow { codec: None, party: "bob".to_owned(), video: None, ..leg }],
    }
}

/// The records of calls in the file, the newest first, with their legs.
fn cdrs(path: &Path) -> Vec<CdrRow> {
    let connection = Connection::open(path).unwrap();
    let mut calls = connection
        .prepare(
            "SELECT call, started, answered, ended, caller, callee, answered_by, status, reason, ended_by, recordings
         FROM cdrs ORDER BY started DESC",
        )
        .unwrap();
    let mut legs = connection.prepare(
        "SELECT party, call_id, transport, remote, media_profile, codec, packets_received, octets_received,
                packets_sent, octets_sent, packets_lost, packets_dropped, mos_received, mos_received_worst, mos_sent,
                mos_sent_worst, loss_received, loss_sent, jitter_received, jitter_sent, round_trip, round_trip_longest,
                packets_late, packets_duplicate, audio_missing, ice_after, dtls_after, received_after, sent_after,
                silent_because, verdict, reported_loss, reported_discarded, reported_jitter, reported_round_trip,
                reported_mos_lq, reported_mos_cq
         FROM cdr_legs WHERE call = ?1 ORDER BY leg",
    ).unwrap();
    let mut videos = connection.prepare("SELECT * FROM cdr_videos WHERE call = ?1 AND leg = ?2").unwrap();
    let mut found: Vec<CdrRow> = calls.query_map([], read).unwrap().map(Result::unwrap).collect();
    for cdr in &mut found {
        cdr.legs = legs.query_map([&cdr.call], read_leg).unwrap().map(Result::unwrap).collect();
        for (number, leg) in cdr.legs.iter_mut().enumerate() {
            leg.video = videos.query_row(params![cdr.call, number as i64], read_video).optional().unwrap();
        }
    }
    found
}

fn read(row: &Row<'_>) -> rusqlite::Result<CdrRow> {
    Ok(CdrRow {
        call: row.get("call")?,
        started: row.get("started")?,
        answered: row.get("answered")?,
        ended: row.get("ended")?,
        caller: row.get("caller")?,
        callee: row.get("callee")?,
        answered_by: row.get("answered_by")?,
        status: row.get("status")?,
        reason: row.get("reason")?,
        ended_by: row.get("ended_by")?,
        recordings: row.get("recordings")?,
        legs: Vec::new(),
    })
}

fn read_leg(row: &Row<'_>) -> rusqlite::Result<CdrLegRow> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(i64::unsigned_abs));
    Ok(CdrLegRow {
        party: row.get("party")?,
        call_id: row.get("call_id")?,
        transport: row.get("transport")?,
        remote: row.get("remote")?,
        media_profile: row.get("media_profile")?,
        codec: row.get("codec")?,
        packets_received: count("packets_received")?,
        octets_received: count("octets_received")?,
        packets_sent: count("packets_sent")?,
        octets_sent: count("octets_sent")?,
        packets_lost: count("packets_lost")?,
        packets_dropped: count("packets_dropped")?,
        quality: QualityRow {
            mos_received: row.get("mos_received")?,
            mos_received_worst: row.get("mos_received_worst")?,
            mos_sent: row.get("mos_sent")?,
            mos_sent_worst: row.get("mos_sent_worst")?,
            loss_received: row.get("loss_received")?,
            loss_sent: row.get("loss_sent")?,
            jitter_received: row.get("jitter_received")?,
            jitter_sent: row.get("jitter_sent")?,
            round_trip: row.get("round_trip")?,
            round_trip_longest: row.get("round_trip_longest")?,
            packets_late: count("packets_late")?,
            packets_duplicate: count("packets_duplicate")?,
            audio_missing: count("audio_missing")?,
            ice_after: time("ice_after")?,
            dtls_after: time("dtls_after")?,
            received_after: time("received_after")?,
            sent_after: time("sent_after")?,
        },
        reported: ReportedRow {
            loss: row.get("reported_loss")?,
            discarded: row.get("reported_discarded")?,
            jitter: row.get("reported_jitter")?,
            round_trip: row.get("reported_round_trip")?,
            mos_lq: row.get("reported_mos_lq")?,
            mos_cq: row.get("reported_mos_cq")?,
        },
        silent_because: row.get("silent_because")?,
        verdict: row.get("verdict")?,
        video: None,
    })
}

fn read_video(row: &Row<'_>) -> rusqlite::Result<VideoRow> {
    let count = |name| row.get::<_, i64>(name).map(i64::unsigned_abs);
    Ok(VideoRow {
        packets_received: count("packets_received")?,
        octets_received: count("octets_received")?,
        packets_sent: count("packets_sent")?,
        octets_sent: count("octets_sent")?,
        packets_lost: count("packets_lost")?,
        packets_dropped: count("packets_dropped")?,
        packets_repeated: count("packets_repeated")?,
        nacks_received: count("nacks_received")?,
        nacks_sent: count("nacks_sent")?,
        picture_requests_received: count("picture_requests_received")?,
        picture_requests_sent: count("picture_requests_sent")?,
    })
}

/// Submits each write as a job of its own and waits until all are settled.
fn write(store: &Store, writes: Vec<Write>) {
    let (sender, settled) = mpsc::channel();
    let (writer, thread) = store.start_writer(Box::new(move |batch| sender.send(batch).unwrap())).unwrap();
    for (ticket, write) in (0u64..).zip(writes) {
        writer.submit(ticket, vec![write]).unwrap();
    }
    thread.stop();
    for (ticket, outcome) in settled.iter().flatten() {
        outcome.unwrap_or_else(|error| panic!("{ticket}: {error}"));
    }
}

#[test]
fn every_kind_of_row_comes_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let store = open(&path);
    store.put_user(&user("alice")).unwrap();
    let device = DeviceRow {
        authorization_user: "alice-desk".to_owned(),
        user: "alice".to_owned(),
        label: "desk".to_owned(),
        credentials: Credentials::derive("alice-desk", "ringback", &Secret::new("device")),
        created: 43,
        revoked: None,
    };
    store.add_device(&device).unwrap();
    store.put_setting("nonce", b"\x00\x01").unwrap();
    let (first, second) = (binding("alice", b"a", 2000), binding("alice", b"b", 3000));
    write(
        &store,
        vec![
            Write::UpsertBinding(BindingRow { cseq: 1, ..first.clone() }),
            Write::UpsertBinding(first.clone()),
            Write::UpsertBinding(second.clone()),
            Write::UpsertBinding(binding("bob", b"a", 3000)),
            Write::UpsertBinding(binding("carol", b"a", 3000)),
            Write::RemoveBinding { aor: "sip:bob@example.com".to_owned(), key: b"a".to_vec() },
            Write::RemoveAor { aor: "sip:carol@example.com".to_owned() },
            Write::Cdr(Box::new(cdr("one", 100))),
            Write::Cdr(Box::new(cdr("two", 200))),
            // The same record again, as after a commit whose acknowledgement was lost.
            Write::Cdr(Box::new(cdr("two", 200))),
        ],
    );
    drop(store);

    let store = open(&path);
    assert_eq!(store.users().unwrap(), [user("alice")]);
    assert_eq!(store.devices().unwrap(), [device]);
    assert_eq!(store.setting("nonce").unwrap().as_deref(), Some(&b"\x00\x01"[..]));
    assert_eq!(store.bindings(1999).unwrap(), [first, second.clone()]);
    assert_eq!(store.bindings(2000).unwrap(), [second]);
    assert_eq!(store.remove_expired_bindings(2000).unwrap(), 1);
    assert_eq!(cdrs(&path), [cdr("two", 200), cdr("one", 100)]);
}

#[test]
fn what_a_phone_says_after_the_call_replaces_what_its_leg_has_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let store = open(&path);
    let reported = ReportedRow {
        loss: Some(Hundredths(0)),
        discarded: Some(Hundredths(10_000)),
        jitter: Some(Hundredths(6_553_500)),
        round_trip: None,
        mos_lq: Some(Hundredths(500)),
        mos_cq: Some(Hundredths(100)),
    };
    let amend = Write::AmendCdr { call: "one".to_owned(), leg: 1, reported: Box::new(reported.clone()) };
    let records = ["one", "two"].map(|call| Write::Cdr(Box::new(cdr(call, 100))));
    write(&store, records.into_iter().chain([amend]).collect());
    let mut expected = cdr("one", 100);
    expected.legs[1].reported = reported;
    let kept = cdrs(&path);
    assert!(kept.contains(&expected) && kept.contains(&cdr("two", 100)), "{kept:#?}");
}

#[test]
fn a_user_keeps_its_devices_through_a_new_password_and_takes_them_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("t.db"));
    let device = |user: &str| DeviceRow {
        authorization_user: format!("{user}-desk"),
        user: user.to_owned(),
        label: "desk".to_owned(),
        credentials: Credentials::derive("x", "ringback", &Secret::new("x")),
        created: 1,
        revoked: None,
    };
    store.put_user(&user("alice")).unwrap();
    store.add_device(&device("alice")).unwrap();
    store.put_user(&UserRow { display: "new".to_owned(), ..user("alice") }).unwrap();
    assert_eq!(store.devices().unwrap().len(), 1);
    assert!(store.revoke_device("alice-desk", 9).unwrap());
    assert!(!store.revoke_device("alice-desk", 10).unwrap());
    assert_eq!(store.devices().unwrap()[0].revoked, Some(9));
    store.add_device(&device("nobody")).unwrap_err();
    assert!(store.remove_user("alice").unwrap());
    assert!(store.devices().unwrap().is_empty());
    assert!(!store.remove_user("alice").unwrap());
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date_with_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../src/store/migrations/0001_users.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x7267626b; PRAGMA user_version = 1").unwrap();
    old.execute(
        "INSERT INTO users VALUES ('alice', 'ringback', zeroblob(16), zeroblob(32), zeroblob(32), 'Alice', 7)",
        [],
    )
    .unwrap();
    drop(old);
    let store = open(&path);
    assert_eq!(store.users().unwrap()[0].created, 7);
    write(&store, vec![Write::Cdr(Box::new(cdr("one", 100)))]);
    assert_eq!(cdrs(&path), [cdr("one", 100)]);
}

#[test]
fn a_database_of_a_later_version_or_of_another_program_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later.db");
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    let known: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refusal = Store::open(&path, Options::default()).unwrap_err().to_string();
    let expected = format!("was written by a later version (schema 99, this version knows {known})");
    assert!(known > 0 && refusal.contains(&expected), "{refusal}");

    let path = directory.path().join("foreign.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let refusal = Store::open(&path, Options::default()).unwrap_err().to_string();
    assert!(refusal.contains("is the database of another program"), "{refusal}");
}

/// A database with many users, damaged in the middle of the table.
fn damaged(path: &Path) -> usize {
    let store = open(path);
    let names: Vec<String> = (0..2000).map(|number| format!("user{number:04}")).collect();
    for name in &names {
        store.put_user(&user(name)).unwrap();
    }
    store.put_setting("kept", b"yes").unwrap();
    drop(store);
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"user1000").expect("the row is in the file");
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    fs::write(path, bytes).unwrap();
    names.len()
}

#[test]
fn a_damaged_database_is_refused_and_recover_keeps_what_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let total = damaged(&path);
    let before = fs::read(&path).unwrap();
    let refusal = Store::open(&path, Options::default()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged") && refusal.contains("--recover"), "{refusal}");

    let store = Store::open(&path, Options { recovery: Recovery::Salvage, ..Options::default() }).unwrap();
    let salvage = store.salvage().expect("it had to be saved");
    assert_eq!(salvage.incomplete, ["users"]);
    assert_eq!(fs::read(&salvage.kept).unwrap(), before, "the damaged file is kept as it was");
    let saved = store.users().unwrap();
    // One page of some forty rows is lost; both sides of it are there.
    assert!(saved.len() < total && saved.len() > total - 200, "{} of {total}", saved.len());
    assert_eq!(saved.first().unwrap().name, "user0000");
    assert_eq!(saved.last().unwrap().name, "user1999");
    assert_eq!(store.setting("kept").unwrap().as_deref(), Some(&b"yes"[..]));
    drop(store);
    assert!(open(&path).salvage().is_none(), "the saved file is sound");
}

#[test]
fn a_file_that_is_no_database_is_damaged_and_recover_starts_afresh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    fs::write(&path, "no database at all, but long enough to have a header of one: ".repeat(100)).unwrap();
    let refusal = Store::open(&path, Options::default()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged"), "{refusal}");
    let store = Store::open(&path, Options { recovery: Recovery::Salvage, ..Options::default() }).unwrap();
    assert!(store.users().unwrap().is_empty());
    assert!(store.salvage().unwrap().kept.exists());
}

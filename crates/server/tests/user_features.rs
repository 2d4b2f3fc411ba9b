//! `ringback user forward`, `dnd`, `waiting`, `group` and `show`: what is set about the calls of a user.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;

use ringback_control::Features;
use ringback_server::config::{Config, User};
use ringback_server::first_start::prepare;
use ringback_server::secret::Secret;
use ringback_server::store::{Options, Recovery, Store, Synchronous, Write};
use ringback_server::user_socket::{AccountChange, Directory, UserSocket};

fn user(data_dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringback"))
        .arg("user")
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .unwrap()
}

fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stderr.clone()).unwrap().trim_end().to_owned()
}

fn features(data_dir: &Path, name: &str) -> Features {
    Store::open_reader(&data_dir.join("ringback.db")).unwrap().features(name).unwrap()
}

#[test]
fn every_command_sets_its_own_and_show_tells_it() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    shown(&user(&data_dir, &["add", "carol"]));
    shown(&user(&data_dir, &["forward", "carol", "--busy", "dave", "--no-answer", "*43", "--ring", "15"]));
    shown(&user(&data_dir, &["dnd", "carol", "on"]));
    shown(&user(&data_dir, &["waiting", "carol", "1"]));
    shown(&user(&data_dir, &["group", "carol", "sales"]));
    let expected = Features {
        always: None,
        busy: Some("dave".to_owned()),
        no_answer: Some("*43".to_owned()),
        ring_seconds: Some(15),
        do_not_disturb: true,
        waiting: Some(1),
        group: Some("sales".to_owned()),
    };
    assert_eq!(features(&data_dir, "carol"), expected);
    let text = shown(&user(&data_dir, &["show", "carol"]));
    for line in ["forward busy       dave\n", "ring seconds       15\n", "do not disturb     on\n"] {
        assert!(text.contains(line), "{text}");
    }
    shown(&user(&data_dir, &["forward", "carol", "--off", "--ring", "off"]));
    for (command, value) in [("dnd", "off"), ("waiting", "off"), ("group", "off")] {
        shown(&user(&data_dir, &[command, "carol", value]));
    }
    assert_eq!(features(&data_dir, "carol"), Features::default());
    shown(&user(&data_dir, &["dnd", "carol", "on"]));
    shown(&user(&data_dir, &["remove", "carol"]));
    assert_eq!(features(&data_dir, "carol"), Features::default(), "it goes with the user");
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    shown(&user(&data_dir, &["add", "carol"]));
    for (arguments, code, words) in [
        (&["forward", "carol", "--always", "*72x"][..], 1, "calls cannot be forwarded to `*72x`"),
        (&["forward", "carol", "--always", "+1@example.net"], 1, "calls cannot be forwarded to"),
        (&["forward", "carol", "--ring", "0"], 1, "0 is out of range; choose 1 to 600"),
        (&["forward", "carol", "--ring", "long"], 2, "write a number or `off`"),
        (&["forward", "carol"], 2, "say where calls go"),
        (&["waiting", "carol", "0"], 1, "0 is out of range"),
        (&["dnd", "nobody", "on"], 1, "there is no user `nobody`"),
    ] {
        let sentence = refused(&user(&data_dir, arguments), code);
        assert!(sentence.contains(words), "{sentence}");
    }
    assert_eq!(features(&data_dir, "carol"), Features::default());
}

#[test]
fn a_running_server_hears_of_it_and_the_group_of_the_configuration_stays() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    let erin = User {
        name: "erin".parse().unwrap(),
        password: Secret::new("x"),
        display: String::new(),
        group: "sales".to_owned(),
    };
    let config = Config { data_dir: data_dir.clone(), users: vec![erin], ..Config::default() };
    let prepared = prepare(&config, Recovery::Refuse).unwrap();
    let (sender, changes) = mpsc::channel();
    let on_change = Box::new(move |change| sender.send(change).unwrap());
    let directory = Directory::new(&prepared.store, &config).unwrap();
    let _socket = UserSocket::open(&data_dir, directory, on_change).unwrap();
    shown(&user(&data_dir, &["forward", "erin", "--always", "frank"]));
    let expected =
        Features { always: Some("frank".to_owned()), group: Some("sales".to_owned()), ..Features::default() };
    let change = changes.try_recv().expect("the server heard before the command was answered");
    assert_eq!(
        change,
        AccountChange::Features { name: "erin".to_owned(), features: Box::new(expected.clone()) }
    );
    let configured = refused(&user(&data_dir, &["group", "erin", "support"]), 1);
    assert!(configured.contains("the group of `erin` stands in the configuration"), "{configured}");
    assert!(shown(&user(&data_dir, &["show", "erin"])).contains("pickup group       sales"));
}

/// What a phone sets goes through the writer, and a reopened store has it.
#[test]
fn what_a_phone_sets_is_there_after_a_restart() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("t.db");
    let options = Options { synchronous: Synchronous::Full, ..Options::default() };
    let store = Store::open(&path, options).unwrap();
    let (sender, settled) = mpsc::channel();
    let (writer, thread) = store
        .start_writer(Box::new(move |results| results.into_iter().for_each(|one| sender.send(one).unwrap())))
        .unwrap();
    let set = Features { always: Some("carol".to_owned()), ..Features::default() };
    let write = Write::PutFeatures { user: "bob".to_owned(), features: Box::new(set.clone()) };
    writer.submit(7, vec![write]).unwrap();
    let (ticket, result) = settled.recv().unwrap();
    assert!(ticket == 7 && result.is_ok());
    thread.stop();
    drop(store);
    let store = Store::open(&path, Options::default()).unwrap();
    assert_eq!(store.all_features().unwrap(), [("bob".to_owned(), set)]);
}

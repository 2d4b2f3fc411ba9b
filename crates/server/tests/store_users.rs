//! `ringback user`, against the store itself and against a running server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use ringback_server::config::{Config, User};
use ringback_server::first_start::{DataDir, prepare};
use ringback_server::secret::Secret;
use ringback_server::store::{Credentials, Options, Recovery, Store};
use ringback_server::user_socket::{AccountChange, Directory, UserSocket};

fn user(data_dir: &Path, arguments: &[&str], password: Option<&str>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringback"))
        .arg("user")
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Some(password) = password {
        writeln!(stdin, "{password}").unwrap();
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap().trim_end().to_owned()
}

fn credentials(data_dir: &Path, name: &str) -> Credentials {
    let store = Store::open_reader(&data_dir.join("ringback.db")).unwrap();
    store.user(name).unwrap().expect("the user is there").credentials
}

#[test]
fn without_a_server_the_store_is_changed_directly() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");

    let added = shown(&user(&data_dir, &["add", "carol", "--display", "Carol"], None));
    let password = added.lines().find_map(|line| line.strip_prefix("password: ")).expect("shown once");
    assert_eq!(
        credentials(&data_dir, "carol"),
        Credentials::derive("carol", "ringback", &Secret::new(password))
    );
    let mode = |name: &str| fs::metadata(data_dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("ringback.db"), 0o600);

    let changed = shown(&user(&data_dir, &["passwd", "carol", "--password-stdin"], Some("orange-7")));
    assert!(!changed.contains("password:"), "a given password is not repeated: {changed}");
    assert_eq!(
        credentials(&data_dir, "carol"),
        Credentials::derive("carol", "ringback", &Secret::new("orange-7"))
    );

    let list = shown(&user(&data_dir, &["list"], None));
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), ["carol", "Carol", "ringback"]);

    let again = refused(&user(&data_dir, &["add", "carol"], None));
    assert!(again.starts_with("ringback: there is a user `carol` already"), "{again}");
    shown(&user(&data_dir, &["remove", "carol"], None));
    let gone = refused(&user(&data_dir, &["remove", "carol"], None));
    assert!(gone.starts_with("ringback: there is no user `carol`"), "{gone}");
    let empty = user(&data_dir, &["add", "dave", "--password-stdin"], Some(""));
    assert_eq!(empty.status.code(), Some(2));
}

#[test]
fn a_running_server_hears_of_every_change_and_keeps_the_users_of_its_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    let erin = User {
        name: "erin".parse().unwrap(),
        password: Secret::new("x"),
        display: "Erin".to_owned(),
        group: String::new(),
    };
    let config = Config {
        data_dir: data_dir.clone(),
        realm: "example.com".to_owned(),
        users: vec![erin],
        ..Config::default()
    };
    let prepared = prepare(&config, Recovery::Refuse).unwrap();
    assert!(prepared.demo_users.is_empty());
    let (sender, changes) = mpsc::channel();
    let on_change = Box::new(move |change| sender.send(change).unwrap());
    let socket =
        UserSocket::open(&data_dir, Directory::new(&prepared.store, &config).unwrap(), on_change).unwrap();
    let mode = fs::metadata(data_dir.join("users.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The command is given no realm: the server's counts.
    shown(&user(&data_dir, &["add", "carol", "--password-stdin"], Some("orange-7")));
    let expected = Credentials::derive("carol", "example.com", &Secret::new("orange-7"));
    assert_eq!(credentials(&data_dir, "carol"), expected);
    match changes.try_recv().expect("the server heard before the command was answered") {
        AccountChange::Put(account) => {
            assert_eq!((account.name.as_str(), account.credentials), ("carol", expected))
        }
        other => panic!("{other:?}"),
    }
    let configured = refused(&user(&data_dir, &["passwd", "erin"], None));
    assert!(configured.contains("stands in the configuration"), "{configured}");
    let list = shown(&user(&data_dir, &["list"], None));
    assert!(list.contains("(configuration)") && list.contains("carol"), "{list}");
    shown(&user(&data_dir, &["remove", "carol"], None));
    assert_eq!(changes.try_recv().unwrap(), AccountChange::Removed { name: "carol".to_owned() });

    drop(socket);
    assert!(!data_dir.join("users.sock").exists());
    // The data directory is still locked, so that nobody changes the store behind the server.
    let locked = refused(&user(&data_dir, &["list"], None));
    assert!(locked.contains("another ringback already uses"), "{locked}");
    drop(prepared);
    shown(&user(&data_dir, &["list"], None));
}

#[test]
fn a_socket_left_by_a_killed_server_is_no_server() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    let config = Config { data_dir: data_dir.clone(), ..Config::default() };
    let lock = DataDir::lock(&data_dir).unwrap();
    drop(std::os::unix::net::UnixListener::bind(data_dir.join("users.sock")).unwrap());
    drop(lock);
    shown(&user(&data_dir, &["add", "carol"], None));
    let lock = DataDir::lock(&data_dir).unwrap();
    let store = Store::open(&config.store_file(), Options::default()).unwrap();
    let _socket =
        UserSocket::open(&data_dir, Directory::new(&store, &config).unwrap(), Box::new(drop)).unwrap();
    assert!(shown(&user(&data_dir, &["list"], None)).contains("carol"));
    drop(lock);
}

//! What a server finds in its data directory decides whether it starts: one sentence that names the file and the mend,
//! and after the mend it starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// `ringback serve` on a data directory, every listener on a free port of loopback.
fn serve(data_dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command.arg("serve").arg("--data-dir").arg(data_dir).args(more).args(["--set", "log.level=error"]);
    for listener in ["http", "https", "sip_udp", "sip_tcp", "sip_tls", "webrtc", "turn", "turn_tls"] {
        command.args(["--set", &format!("listen.{listener}=127.0.0.1:0")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that runs; it is killed when it is dropped.
struct Server(Child);

impl Server {
    /// Starts one and waits for the line `ready`.
    fn start(data_dir: &Path, more: &[&str]) -> Server {
        let mut server = Server(serve(data_dir, more).stderr(Stdio::null()).spawn().unwrap());
        let stdout = BufReader::new(server.0.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // It goes on reading until the server ends, so that the pipe never fills.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        loop {
            match lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line == "ready" => return server,
                Ok(_) => {}
                Err(error) => panic!("no line `ready`: {error}; {:?}", server.0.try_wait()),
            }
        }
    }

    /// Ends it as an operator does, so that the database is whole.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A data directory in which a server has started before.
fn used() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    Server::start(&data_dir, &[]).stop();
    (parent, data_dir)
}

/// The one sentence with which a server does not start.
fn refusal(data_dir: &Path, more: &[&str], code: i32) -> String {
    let output = serve(data_dir, more).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("ready"));
    let sentences: Vec<&str> = text.lines().collect();
    let [sentence] = sentences[..] else { panic!("one sentence: {text}") };
    sentence.strip_prefix("ringback: ").unwrap().to_owned()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_secret_that_others_can_read_is_refused_until_it_is_private() {
    let (_parent, data_dir) = used();
    for (name, holds) in [
        ("tls/ca.key", "a private key"),
        ("tls/server.key", "a private key"),
        ("demo-users", "passwords"),
        ("admin-password", "a password"),
        ("ringback.db", "what passwords are checked against"),
    ] {
        let path = data_dir.join(name);
        let before = fs::read(&path).unwrap();
        chmod(&path, 0o644);
        let shown = path.display();
        assert_eq!(
            refusal(&data_dir, &[], 2),
            format!("others can read `{shown}` (mode 644) and it holds {holds}; run `chmod 600 {shown}`")
        );
        assert_eq!(fs::read(&path).unwrap(), before, "{name} is left as it was");
        chmod(&path, 0o600);
    }
    Server::start(&data_dir, &[]);
}

#[test]
fn a_data_directory_that_others_can_write_to_is_refused_and_one_that_they_can_look_into_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let data_dir = parent.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    chmod(&data_dir, 0o777);
    let shown = data_dir.display();
    assert_eq!(
        refusal(&data_dir, &[], 2),
        format!("others can write to the data directory `{shown}` (mode 777); run `chmod 700 {shown}`")
    );
    chmod(&data_dir, 0o755);
    Server::start(&data_dir, &[]).stop();
    let check = |data_dir: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(["check", "--data-dir"])
            .arg(data_dir)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let warning = format!("# warning: the data directory `{shown}` is open to others (mode 755)");
    assert!(check(&data_dir).contains(&warning), "{}", check(&data_dir));
    chmod(&data_dir, 0o700);
    assert!(!check(&data_dir).contains("data directory `"));
}

#[test]
fn passwords_of_another_realm_are_refused_with_the_key_that_takes_them() {
    let (_parent, data_dir) = used();
    assert_eq!(
        refusal(&data_dir, &["--set", "realm=office"], 2),
        "the passwords of `alice`, `bob` belong to the realm `ringback` and this server has `office`; set `realm = \
         \"ringback\"`, or give each a new password with `ringback user passwd`"
    );
    // The domain is the realm when none is set.
    let sentence = refusal(&data_dir, &["--set", "domain=example.com"], 2);
    assert!(sentence.contains("this server has `example.com`; set `realm = \"ringback\"`"), "{sentence}");
    Server::start(&data_dir, &["--set", "domain=example.com", "--set", "realm=ringback"]);
}

#[test]
fn a_damaged_database_is_refused_and_recover_starts_with_what_can_be_read() {
    let (_parent, data_dir) = used();
    let database = data_dir.join("ringback.db");
    let mut bytes = fs::read(&database).unwrap();
    let second_page = 4096;
    assert!(bytes.len() > 4 * second_page);
    bytes[second_page..].fill(0xa5);
    fs::write(&database, &bytes).unwrap();
    let sentence = refusal(&data_dir, &[], 1);
    assert!(
        sentence.starts_with(&format!("the database `{}` is damaged (", database.display())),
        "{sentence}"
    );
    assert!(sentence.ends_with("start once with --recover to keep what can be read"), "{sentence}");
    assert_eq!(fs::read(&database).unwrap(), bytes, "nothing is changed without being asked");

    Server::start(&data_dir, &["--recover"]).stop();
    let kept = fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> =
        kept.filter(|path| *path != database && fs::read(path).ok() == Some(bytes.clone())).collect();
    assert_eq!(kept.len(), 1, "the damaged file is kept");
    Server::start(&data_dir, &[]);
}

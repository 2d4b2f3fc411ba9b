//! What is acknowledged is on the disk: a killed process loses nothing, the fsync comes before the acknowledgement, and
//! writes that come together share it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringback_server::config::StoreSettings;
use ringback_server::store::{Options, Recovery, Refused, Store, Write};

/// Where the child of the other tests writes; on its own the child's test uses a directory of its own.
const DIRECTORY: &str = "RINGBACK_TEST_STORE_DIRECTORY";
/// How many writes the child makes before it ends.
const COUNT: &str = "RINGBACK_TEST_STORE_COUNT";

fn put(number: u64) -> Write {
    Write::PutSetting { key: format!("k{number}"), value: number.to_be_bytes().to_vec() }
}

fn holds(store: &Store, number: u64) -> bool {
    store.setting(&format!("k{number}")).unwrap().as_deref() == Some(&number.to_be_bytes()[..])
}

/// Writes, and finds every write when it opens the store again. The other tests run it as a process of its own, to kill
/// or to trace: then it says `ack N` for each write when it is acknowledged.
#[test]
fn acknowledged_writes_are_there_after_reopening() {
    let own = tempfile::tempdir().unwrap();
    let given = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let watched = given.is_some();
    let directory = given.unwrap_or_else(|| own.path().to_owned());
    let count: u64 = std::env::var(COUNT).map_or(50, |count| count.parse().unwrap());
    let path = directory.join("t.db");
    let options = Options::new(&StoreSettings::default(), Recovery::Refuse);
    let store = Store::open(&path, options).unwrap();
    let (sender, settled) = mpsc::channel();
    let report = Box::new(move |batch: Vec<(u64, Result<(), _>)>| {
        for (ticket, outcome) in &batch {
            outcome.as_ref().unwrap();
            if watched {
                // One write(2), on the thread that has just committed.
                std::io::stderr().write_all(format!("ack {ticket}\n").as_bytes()).unwrap();
            }
        }
        sender.send(batch.len()).unwrap();
    });
    let (writer, thread) = store.start_writer(report).unwrap();
    let mut acknowledged = 0;
    for number in 0..count {
        writer.submit(number, vec![put(number)]).unwrap();
        // A few writes ahead, so that some share a commit and some do not.
        while acknowledged + 5 < number as usize {
            acknowledged += settled.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }
    thread.stop();
    drop(store);
    let store = Store::open(&path, Options::default()).unwrap();
    for number in 0..count {
        assert!(holds(&store, number), "write {number}");
    }
}

/// This test binary, told to run the test above only.
fn child(mut command: Command, directory: &Path, count: u64) -> Command {
    command
        .arg("acknowledged_writes_are_there_after_reopening")
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(COUNT, count.to_string())
        .env_remove(SYNCHRONOUS)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

const SYNCHRONOUS: &str = "RINGBACK_TEST_SQLITE_SYNCHRONOUS";

fn acknowledgements(stderr: ChildStderr) -> impl Iterator<Item = u64> {
    let lines = BufReader::new(stderr).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("ack ")?.parse().ok())
}

#[test]
fn a_process_killed_in_a_run_of_writes_loses_none_that_was_acknowledged() {
    for after in [1, 40, 300] {
        let directory = tempfile::tempdir().unwrap();
        let command = Command::new(std::env::current_exe().unwrap());
        let mut child = child(command, directory.path(), 1_000_000).spawn().unwrap();
        let mut seen = Vec::new();
        for number in acknowledgements(child.stderr.take().unwrap()) {
            seen.push(number);
            if seen.len() == after {
                child.kill().unwrap();
            }
        }
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it was killed, it did not end");
        assert!(seen.len() >= after);
        let started = Instant::now();
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        assert!(started.elapsed() < Duration::from_millis(500), "up again after {:?}", started.elapsed());
        for number in seen {
            assert!(holds(&store, number), "acknowledged write {number} is lost");
        }
    }
}

/// What a trace of system calls says about acknowledgements.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    /// Acknowledgements with everything written to the log before them on the disk.
    safe: usize,
    /// Acknowledgements while something written to the log was not.
    unsafe_ones: usize,
}

/// Runs the child under strace and reads the calls of the thread that acknowledges.
fn trace(synchronous: Option<&str>) -> Order {
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-ff", "-y", "-s", "64", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o"]).arg(&prefix);
    strace.arg(std::env::current_exe().unwrap());
    let mut command = child(strace, directory.path(), 60);
    if let Some(synchronous) = synchronous {
        command.env(SYNCHRONOUS, synchronous);
    }
    let output = command.output().expect("strace is installed (Debian: apt-get install strace)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut order = Order::default();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("trace.") {
            continue;
        }
        let mut unsynced = true;
        for line in fs::read_to_string(path).unwrap().lines() {
            if line.starts_with("pwrite64(") && line.contains("t.db-wal>") {
                unsynced = true;
            } else if (line.starts_with("fdatasync(") || line.starts_with("fsync("))
                && line.contains("t.db-wal>")
                && line.ends_with("= 0")
            {
                unsynced = false;
            } else if line.starts_with("write(2<") && line.contains("\"ack ") {
                match unsynced {
                    true => order.unsafe_ones += 1,
                    false => order.safe += 1,
                }
            }
        }
    }
    order
}

#[test]
fn the_fsync_of_a_commit_comes_before_its_acknowledgements() {
    assert_eq!(trace(None), Order { safe: 60, unsafe_ones: 0 });
}

#[test]
fn without_synchronous_full_the_trace_shows_acknowledgements_that_are_not_on_the_disk() {
    let order = trace(Some("OFF"));
    assert!(order.unsafe_ones > 0, "the test above could not fail: {order:?}");
}

#[test]
fn writes_that_come_together_share_a_commit_and_are_acknowledged_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
    let (sender, settled) = mpsc::channel();
    let (writer, thread) = store.start_writer(Box::new(move |batch| sender.send(batch).unwrap())).unwrap();
    for number in 0..500 {
        writer.submit(number, vec![put(number)]).unwrap();
    }
    thread.stop();
    let tickets: Vec<u64> =
        settled.iter().flatten().map(|(ticket, outcome)| (ticket, outcome.unwrap()).0).collect();
    assert_eq!(tickets, (0..500).collect::<Vec<_>>());
    assert_eq!(writer.stats().writes.load(Ordering::Relaxed), 500);
    let transactions = writer.stats().transactions.load(Ordering::Relaxed);
    assert!(transactions < 100, "{transactions} transactions for 500 writes");
    assert_eq!(writer.submit(500, vec![put(500)]), Err(Refused::Closed));
}

#[test]
fn an_idle_store_commits_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
    let (sender, settled) = mpsc::channel();
    let (writer, thread) = store.start_writer(Box::new(move |batch| sender.send(batch).unwrap())).unwrap();
    for number in 0..5 {
        writer.submit(number, vec![put(number)]).unwrap();
        assert_eq!(settled.recv_timeout(Duration::from_secs(20)).unwrap(), [(number, Ok(()))]);
        // Longer than a commit waits for company.
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(writer.stats().transactions.load(Ordering::Relaxed), 5);
    thread.stop();
}

#[test]
fn a_full_queue_refuses_and_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Store::open(&directory.path().join("t.db"), Options { queue: 4, ..Options::default() }).unwrap();
    let (release, held) = mpsc::channel::<()>();
    // The writer is held in its first acknowledgement, as by a slow disk.
    let (writer, thread) = store.start_writer(Box::new(move |_| held.recv().unwrap_or_default())).unwrap();
    let mut refused = 0;
    for number in 0..2000 {
        match writer.submit(number, vec![put(number)]) {
            Ok(()) => {}
            Err(Refused::Full) => refused += 1,
            Err(Refused::Closed) => panic!("the writer has ended"),
        }
    }
    assert!(refused > 900, "{refused}");
    drop(release);
    thread.stop();
}

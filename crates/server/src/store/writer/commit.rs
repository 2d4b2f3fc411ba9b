//! One batch, one transaction.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, TransactionBehavior};

use super::super::{StoreError, bindings, cdrs, features, messages, rooms, settings};
use super::{Job, Write, WriterStats};

/// Writes batches, and keeps the call records that a failing disk did not take.
pub(super) struct Committer {
    connection: Connection,
    /// Call records of failed transactions, oldest first. They go into the next transaction before anything else.
    waiting: VecDeque<Job>,
    most_waiting: usize,
    stats: Arc<WriterStats>,
}

impl Committer {
    pub(super) fn new(connection: Connection, most_waiting: usize, stats: Arc<WriterStats>) -> Self {
        Committer { connection, waiting: VecDeque::new(), most_waiting, stats }
    }

    /// Whether call records wait for the disk.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what waits and the batch in one transaction, and says what became of each job. A job that is missing in
    /// the answer is a call record that waits.
    pub(super) fn commit(&mut self, batch: &mut Vec<Job>) -> Vec<(u64, Result<(), StoreError>)> {
        let jobs: Vec<Job> = self.waiting.drain(..).chain(batch.drain(..)).collect();
        if jobs.is_empty() {
            return Vec::new();
        }
        let settled = match self.write(&jobs) {
            Ok(outcomes) => {
                let written: usize = jobs
                    .iter()
                    .zip(&outcomes)
                    .filter(|(_, outcome)| outcome.is_ok())
                    .map(|(job, _)| job.writes.len())
                    .sum();
                self.stats.writes.fetch_add(written as u64, Ordering::Relaxed);
                self.stats.transactions.fetch_add(1, Ordering::Relaxed);
                if self.stats.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the store takes writes again");
                }
                jobs.iter().map(|job| job.ticket).zip(outcomes).collect()
            }
            Err(error) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                // There may be hundreds in a second, and the log may be on the same full disk.
                if !self.stats.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, jobs = jobs.len(), "a transaction of the store failed");
                }
                self.settle_failed(jobs, &error)
            }
        };
        self.stats.waiting_cdrs.store(self.waiting.len() as u64, Ordering::Relaxed);
        settled
    }

    /// Gives up what still waits, because the server ends.
    pub(super) fn give_up(&mut self) -> Vec<(u64, Result<(), StoreError>)> {
        let lost = self.waiting.len();
        if lost > 0 {
            tracing::error!(lost, "call records are lost: the disk took no writes until the end");
            self.stats.lost_cdrs.fetch_add(lost as u64, Ordering::Relaxed);
            self.stats.waiting_cdrs.store(0, Ordering::Relaxed);
        }
        self.waiting.drain(..).map(|job| (job.ticket, Err(StoreError::Closed))).collect()
    }

    /// Runs every job in one transaction. A job that breaks a rule of the schema fails alone; any other error is one of
    /// the disk or the file and fails all of them.
    fn write(&mut self, jobs: &[Job]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        // Dropped on an error, the transaction rolls back.
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            let outcome = match job.writes.as_slice() {
                // SQLite undoes a single statement that fails; only several need a savepoint of their own.
                [
                    write @ (Write::UpsertBinding(_)
                    | Write::RemoveBinding { .. }
                    | Write::RemoveAor { .. }
                    | Write::AmendCdr { .. }
                    | Write::AddMessage(_)
                    | Write::RemoveMessage { .. }
                    | Write::RemoveMessages { .. }
                    | Write::PutFeatures { .. }
                    | Write::RemoveRoom { .. }
                    | Write::PutSetting { .. }),
                ] => apply(&transaction, write),
                several => {
                    let savepoint = transaction.savepoint()?;
                    match several.iter().try_for_each(|write| apply(&savepoint, write)) {
                        Ok(()) => Ok(savepoint.commit()?),
                        // A full disk has rolled back the whole transaction, and the savepoint with it.
                        Err(error) if !is_of_the_job(&error) => return Err(error),
                        Err(error) => {
                            savepoint.finish()?;
                            Err(error)
                        }
                    }
                }
            };
            match outcome {
                Err(error) if !is_of_the_job(&error) => return Err(error),
                outcome => outcomes.push(outcome),
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// After a failed transaction: call records wait if the failure may pass, the rest fails.
    fn settle_failed(&mut self, jobs: Vec<Job>, error: &StoreError) -> Vec<(u64, Result<(), StoreError>)> {
        let mut settled = Vec::new();
        for job in jobs {
            let is_record = job.writes.iter().all(|write| matches!(write, Write::Cdr(_)));
            if !(is_record && error.is_passing()) {
                settled.push((job.ticket, Err(error.clone())));
                continue;
            }
            if self.waiting.len() == self.most_waiting
                && let Some(oldest) = self.waiting.pop_front()
            {
                self.stats.lost_cdrs.fetch_add(1, Ordering::Relaxed);
                settled.push((oldest.ticket, Err(StoreError::TooManyWaiting)));
            }
            self.waiting.push_back(job);
        }
        settled
    }
}

/// Whether an error is the fault of one job, so that the others of its batch can go on.
fn is_of_the_job(error: &StoreError) -> bool {
    matches!(error, StoreError::Rule(_) | StoreError::NoRecord | StoreError::Refused(_))
}

fn apply(connection: &Connection, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::UpsertBinding(binding) => bindings::upsert(connection, binding),
        Write::RemoveBinding { aor, key } => bindings::remove(connection, aor, key),
        Write::RemoveAor { aor } => bindings::remove_aor(connection, aor),
        Write::Cdr(cdr) => cdrs::add(connection, cdr),
        Write::AmendCdr { call, leg, reported } => cdrs::amend(connection, call, *leg, reported),
        Write::AddMessage(message) => messages::add(connection, message),
        Write::RemoveMessage { user, number } => messages::remove(connection, user, *number),
        Write::RemoveMessages { user } => messages::remove_of_user(connection, user),
        Write::PutFeatures { user, features } => features::put(connection, user, features),
        Write::PutRoom(room) => rooms::put(connection, room),
        Write::RemoveRoom { name } => rooms::remove(connection, name),
        Write::PutSetting { key, value } => settings::write(connection, key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CdrRow, Options, ReportedRow, Store};

    fn cdr(ticket: u64) -> Job {
        let row = CdrRow {
            call: format!("call-{ticket}"),
            started: 1,
            answered: None,
            ended: 2,
            caller: "alice".to_owned(),
            callee: "bob".to_owned(),
            answered_by: None,
            status: 486,
            // Long enough that a few of them need a new page.
            reason: "Busy Here ".repeat(100),
            ended_by: "callee".to_owned(),
            recordings: None,
            legs: Vec::new(),
        };
        Job { ticket, writes: vec![Write::Cdr(Box::new(row))] }
    }

    fn setting(ticket: u64, value: &[u8]) -> Job {
        Job { ticket, writes: vec![Write::PutSetting { key: "k".to_owned(), value: value.to_vec() }] }
    }

    fn committer(directory: &tempfile::TempDir, most_waiting: usize) -> Committer {
        let path = directory.path().join("t.db");
        Store::open(&path, Options::default()).unwrap();
        let connection = crate::store::open_connection(&path, &Options::default()).unwrap();
        Committer::new(connection, most_waiting, Arc::new(WriterStats::default()))
    }

    /// Lets the file grow no further than it is, as a full disk does.
    fn fill_disk(committer: &Committer) {
        let connection = &committer.connection;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }

    fn free_disk(committer: &Committer) {
        committer.connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
    }

    #[test]
    fn on_a_full_disk_writes_fail_and_call_records_wait_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut committer = committer(&directory, 100);
        fill_disk(&committer);

        let mut batch: Vec<Job> = (0..20).map(cdr).collect();
        batch.push(setting(20, &[7; 100_000]));
        let settled = committer.commit(&mut batch);
        assert_eq!(settled, [(20, Err(StoreError::DiskFull))]);
        assert!(committer.has_waiting() && !committer.stats.is_healthy());
        assert_eq!(committer.stats.waiting_cdrs.load(Ordering::Relaxed), 20);

        free_disk(&committer);
        let settled = committer.commit(&mut Vec::new());
        let expected: Vec<_> = (0..20).map(|ticket| (ticket, Ok(()))).collect();
        assert_eq!(settled, expected);
        assert!(!committer.has_waiting() && committer.stats.is_healthy());
        let cdrs =
            committer.connection.query_row("SELECT count(*) FROM cdrs", [], |row| row.get::<_, i64>(0));
        assert_eq!(cdrs.unwrap(), 20);
    }

    #[test]
    fn what_is_added_to_a_record_that_is_not_there_fails_alone_and_waits_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut committer = committer(&directory, 100);
        let amend = |ticket| {
            let reported = Box::new(ReportedRow::default());
            Job { ticket, writes: vec![Write::AmendCdr { call: "call-1".to_owned(), leg: 0, reported }] }
        };
        assert!(amend(0).is_patient());
        let settled = committer.commit(&mut vec![amend(0), setting(2, &[7])]);
        assert_eq!(settled, [(0, Err(StoreError::NoRecord)), (2, Ok(()))]);

        fill_disk(&committer);
        let mut batch: Vec<Job> = (0..20).map(cdr).collect();
        batch.push(amend(20));
        let settled = committer.commit(&mut batch);
        assert_eq!(settled, [(20, Err(StoreError::DiskFull))], "the records alone wait");
    }

    #[test]
    fn the_oldest_record_gives_way_when_too_many_wait_and_its_ticket_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut committer = committer(&directory, 10);
        fill_disk(&committer);
        let settled = committer.commit(&mut (0..12).map(cdr).collect());
        assert_eq!(settled, [(0, Err(StoreError::TooManyWaiting)), (1, Err(StoreError::TooManyWaiting))]);
        assert_eq!(committer.stats.lost_cdrs.load(Ordering::Relaxed), 2);
        let given_up = committer.give_up();
        assert_eq!(given_up.len(), 10);
        assert!(given_up.iter().all(|(_, outcome)| *outcome == Err(StoreError::Closed)));
    }

    #[test]
    fn a_job_that_breaks_a_rule_fails_alone_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut committer = committer(&directory, 10);
        committer
            .connection
            .execute_batch("CREATE TRIGGER refuse BEFORE INSERT ON settings WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
            .unwrap();
        let put = |key: &str| Write::PutSetting { key: key.to_owned(), value: vec![1] };
        let mut batch = vec![
            Job { ticket: 1, writes: vec![put("first")] },
            Job { ticket: 2, writes: vec![put("half"), put("bad")] },
            Job { ticket: 3, writes: vec![put("last")] },
        ];
        let settled = committer.commit(&mut batch);
        let outcomes: Vec<_> = settled.iter().map(|(ticket, outcome)| (*ticket, outcome.is_ok())).collect();
        assert_eq!(outcomes, [(1, true), (2, false), (3, true)]);
        let read = |key| settings::read(&committer.connection, key).unwrap();
        assert!(read("first").is_some() && read("last").is_some());
        assert_eq!(read("half"), None, "a job is made whole or not at all");
    }
}

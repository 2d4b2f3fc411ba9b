//! The files that are sent and taken: each is open as long as its transfer goes on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ringback_peer::rooms::file_name;

/// Which transfer: with whom, and its number, which is that of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transfer {
    pub(super) member: u32,
    pub(super) id: u64,
}

/// One file.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) done: u64,
    /// What one of theirs is called by whoever types: the ids of different members may be the same.
    number: Option<u64>,
    /// Of theirs: none until it is taken.
    file: Option<File>,
    /// Where one of theirs goes.
    made: Option<PathBuf>,
}

/// Every file.
#[derive(Debug)]
pub(super) struct Transfers {
    folder: PathBuf,
    /// How many of theirs were offered.
    offers: u64,
    open: BTreeMap<Transfer, Open>,
}

impl Transfers {
    /// Files of others go into a folder.
    pub(super) fn new(folder: &Path) -> Self {
        Transfers { folder: folder.to_owned(), offers: 0, open: BTreeMap::new() }
    }

    /// Notes a file of ours that is offered.
    pub(super) fn sending(&mut self, transfer: Transfer, path: &Path, size: u64) -> io::Result<()> {
        let file = File::open(path)?;
        let name = name_of(path);
        let open = Open { name, size, done: 0, number: None, file: Some(file), made: None };
        self.open.insert(transfer, open);
        Ok(())
    }

    /// Notes a file of theirs that is offered; gives the number that it is accepted or refused by.
    pub(super) fn offered(&mut self, transfer: Transfer, name: &str, size: u64) -> u64 {
        self.offers += 1;
        let (name, number) = (file_name(name), Some(self.offers));
        self.open.insert(transfer, Open { name, size, done: 0, number, file: None, made: None });
        self.offers
    }

    /// The file of theirs that a number means, among those that wait; without a number the only one.
    pub(super) fn waiting(&self, number: Option<u64>) -> Option<Transfer> {
        let waits = |(_, open): &(&Transfer, &Open)| open.file.is_none();
        let mut waiting = self.open.iter().filter(waits);
        let found = match number {
            Some(number) => waiting.find(|(_, open)| open.number == Some(number)),
            None => waiting.next().filter(|_| waiting.next().is_none()),
        };
        found.map(|(transfer, _)| *transfer)
    }

    /// Makes the file that one of theirs goes into: a new one, whatever is there.
    pub(super) fn take(&mut self, transfer: Transfer) -> io::Result<()> {
        let Some(open) = self.open.get_mut(&transfer) else { return Ok(()) };
        for number in 0..MOST_NAMES {
            let name = if number == 0 { open.name.clone() } else { format!("{number}-{}", open.name) };
            let path = self.folder.join(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    (open.file, open.made) = (Some(file), Some(path));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Reads a piece of a file of ours; an empty one is its end.
    pub(super) fn read(&mut self, transfer: Transfer, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let Some(Open { file: Some(file), .. }) = self.open.get_mut(&transfer) else {
            return Ok(Vec::new());
        };
        let mut piece = vec![0; len];
        file.seek(SeekFrom::Start(at))?;
        let len = file.read(&mut piece)?;
        piece.truncate(len);
        Ok(piece)
    }

    /// Puts bytes of a file of theirs away.
    pub(super) fn write(&mut self, transfer: Transfer, data: &[u8]) -> io::Result<()> {
        let open = self.open.get_mut(&transfer);
        let Some(Open { file: Some(file), done, .. }) = open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        file.write_all(data)?;
        *done += data.len() as u64;
        Ok(())
    }

    /// What there is of a transfer.
    pub(super) fn get(&mut self, transfer: Transfer) -> Option<&mut Open> {
        self.open.get_mut(&transfer)
    }

    /// Ends one that is whole; of theirs it gives where it is.
    pub(super) fn finish(&mut self, transfer: Transfer) -> Option<(Open, Option<PathBuf>)> {
        let mut open = self.open.remove(&transfer)?;
        let made = open.made.take();
        Some((open, made))
    }

    /// Ends one that is not, and throws away what came of it.
    pub(super) fn abandon(&mut self, transfer: Transfer) -> Option<Open> {
        let mut open = self.open.remove(&transfer)?;
        if let Some(path) = open.made.take() {
            // What cannot be removed is a part of a file that somebody finds.
            let _ = std::fs::remove_file(path);
        }
        Some(open)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "file".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Files of one name.
const MOST_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: Transfer = Transfer { member: 1, id: 1 };

    #[test]
    fn a_file_that_is_taken_writes_over_nothing_and_is_thrown_away_if_it_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plan"), "old").unwrap();
        let mut transfers = Transfers::new(folder.path());
        transfers.offered(THEIRS, "../plan", 3);
        assert_eq!(transfers.waiting(None), Some(THEIRS));
        transfers.take(THEIRS).unwrap();
        assert_eq!(transfers.waiting(None), None);
        transfers.write(THEIRS, b"new").unwrap();
        let (open, path) = transfers.finish(THEIRS).unwrap();
        assert_eq!((open.done, path.unwrap().file_name().unwrap().to_str()), (3, Some("1-plan")));
        assert_eq!(std::fs::read(folder.path().join("plan")).unwrap(), b"old");

        transfers.offered(THEIRS, "part", 3);
        transfers.take(THEIRS).unwrap();
        transfers.write(THEIRS, b"x").unwrap();
        assert!(transfers.abandon(THEIRS).is_some());
        assert!(!folder.path().join("part").exists());
        assert!(transfers.write(THEIRS, b"x").is_err());
    }

    #[test]
    fn one_of_several_is_named_by_its_number() {
        let mut transfers = Transfers::new(Path::new("."));
        // Two members may offer under the same id.
        let other = Transfer { member: 2, ..THEIRS };
        let numbers =
            [(other, "b"), (THEIRS, "a")].map(|(transfer, name)| transfers.offered(transfer, name, 1));
        assert_eq!(numbers, [1, 2]);
        assert_eq!(numbers.map(|number| transfers.waiting(Some(number))), [Some(other), Some(THEIRS)]);
        assert_eq!((transfers.waiting(None), transfers.waiting(Some(3))), (None, None));
        transfers.abandon(other);
        assert_eq!(transfers.waiting(Some(1)), None, "a number is not given again");
        assert_eq!(transfers.waiting(None), Some(THEIRS));
    }
}

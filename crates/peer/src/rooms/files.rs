//! Files over the channel `file` of two members: offered, accepted, sent with back-pressure (docs/reference/rooms.md).
//!
//! A [`Files`] is the machine of one channel, for both directions. It opens no files: what is to be sent is asked for by
//! [`Files::wanted`] and given by [`Files::supply`]; what came is given by [`FileEvent::Bytes`], and has been put away when
//! [`Files::taken`] says so.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Whose numbers files have that we send: each side has its own, so that one number is one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Those of the member with the smaller id of the two.
    Odd,
    /// Those of the other.
    Even,
}

/// The transfers of one channel.
#[derive(Debug)]
pub struct Files {
    /// The longest file that is taken or offered, in bytes.
    most: u64,
    numbers: Numbers,
    /// The number of our next one.
    next: u64,
    outgoing: BTreeMap<u64, Outgoing>,
    incoming: BTreeMap<u64, Incoming>,
    /// Which of theirs the bytes belong to that come.
    current: Option<u64>,
    out: VecDeque<Parcel>,
    events: VecDeque<FileEvent>,
    /// Messages that are not understood, and bytes of nothing.
    dropped: u64,
}

/// A file of ours.
#[derive(Debug)]
struct Outgoing {
    size: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Until then the other side may accept it.
    Offered(Instant),
    /// Others are sent before.
    Accepted,
    /// So much was sent, and so much has arrived.
    Sending { sent: u64, have: u64 },
}

/// A file of theirs.
#[derive(Debug)]
struct Incoming {
    size: u64,
    is_accepted: bool,
    /// Bytes that came, that were put away, and that they were told of.
    came: u64,
    taken: u64,
    told: u64,
}

/// A message for the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    /// JSON.
    Text(String),
    /// The next bytes of a file.
    Bytes(Vec<u8>),
}

/// What happens to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEvent {
    /// The other side offers one: [`Files::accept`] or [`Files::refuse`] it.
    Offered {
        /// Its number.
        id: u64,
        /// Its name, which is text: see [`file_name`].
        name: String,
        /// Its bytes.
        size: u64,
    },
    /// The other side takes one of ours.
    Accepted(u64),
    /// So much of one of ours has arrived; all of it, when that is its size.
    Arrived {
        /// Its number.
        id: u64,
        /// How much.
        bytes: u64,
    },
    /// The next bytes of one of theirs.
    Bytes {
        /// Its number.
        id: u64,
        /// They.
        data: Vec<u8>,
    },
    /// One of theirs is whole.
    Whole(u64),
    /// A transfer has ended before its end.
    Stopped {
        /// Its number.
        id: u64,
        /// Why.
        says: String,
    },
}

/// Why a file is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// It is too long.
    #[error("the file has {0} bytes, more than {1}: send it in parts, or by other means")]
    TooLong(u64, u64),
    /// Too many wait.
    #[error("{MOST_OFFERS} files wait already: wait until one has gone")]
    TooMany,
    /// Every number has had its file.
    #[error("no more files can be sent over this connection: join the room again")]
    NoNumber,
}

/// What stands on the channel as text. Members that are not known are ignored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<Offer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refuse: Option<Words>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    have: Option<Have>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Words>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    id: u64,
    name: String,
    size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Number {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Words {
    id: u64,
    #[serde(default)]
    says: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Have {
    id: u64,
    bytes: u64,
}

impl Files {
    /// The machine of a channel on which files of at most so many bytes are taken and offered; ours have these numbers.
    pub fn new(most: u64, numbers: Numbers) -> Self {
        Files {
            most,
            numbers,
            next: match numbers {
                Numbers::Odd => 1,
                Numbers::Even => 2,
            },
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            current: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Offers a file; gives its number.
    pub fn offer(&mut self, now: Instant, name: &str, size: u64) -> Result<u64, NotOffered> {
        if size > self.most {
            return Err(NotOffered::TooLong(size, self.most));
        }
        if self.outgoing.len() >= MOST_OFFERS {
            return Err(NotOffered::TooMany);
        }
        if self.next > GREATEST {
            return Err(NotOffered::NoNumber);
        }
        let id = self.next;
        self.next += 2;
        self.outgoing.insert(id, Outgoing { size, stage: Stage::Offered(now + PATIENCE) });
        let name = shortened(name, LONGEST_NAME);
        self.write(Note { offer: Some(Offer { id, name, size }), ..Note::default() });
        Ok(id)
    }

    /// Takes a file that is offered.
    pub fn accept(&mut self, id: u64) {
        if let Some(file) = self.incoming.get_mut(&id).filter(|file| !file.is_accepted) {
            file.is_accepted = true;
            self.write(Note { accept: Some(Number { id }), ..Note::default() });
        }
    }

    /// Does not take a file that is offered.
    pub fn refuse(&mut self, id: u64, says: &str) {
        if self.incoming.remove(&id).is_some() {
            self.write(Note { refuse: Some(Words { id, says: says.to_owned() }), ..Note::default() });
        }
    }

    /// Ends a transfer, of ours or of theirs.
    pub fn stop(&mut self, id: u64, says: &str) {
        if self.remove(id) {
            self.write(Note { stop: Some(Words { id, says: says.to_owned() }), ..Note::default() });
        }
    }

    /// The piece of a file of ours that is to be supplied next: its number, where it begins, and how long it is at the
    /// most. `buffered` is what waits on the channel.
    pub fn wanted(&mut self, buffered: usize) -> Option<(u64, u64, usize)> {
        if buffered > MOST_BUFFERED || !self.out.is_empty() {
            return None;
        }
        let is_sending =
            |file: &Outgoing| matches!(file.stage, Stage::Sending { sent, .. } if sent < file.size);
        let is_under_way = self.outgoing.values().any(is_sending);
        if !is_under_way
            && let Some((id, file)) = self.outgoing.iter_mut().find(|(_, file)| file.stage == Stage::Accepted)
        {
            file.stage = Stage::Sending { sent: 0, have: 0 };
            let id = *id;
            self.write(Note { start: Some(Number { id }), ..Note::default() });
            return None;
        }
        let (id, file) = self.outgoing.iter().find(|(_, file)| is_sending(file))?;
        let Stage::Sending { sent, have } = file.stage else { return None };
        let ahead = sent - have.min(sent);
        let room = usize::try_from(MOST_AHEAD.saturating_sub(ahead).min(file.size - sent)).ok()?;
        (room > 0).then_some((*id, sent, room.min(PIECE)))
    }

    /// Gives the piece that is wanted. An empty one says that the file ends before its size.
    pub fn supply(&mut self, id: u64, piece: &[u8]) {
        if piece.is_empty() {
            return self.end_ours(id, "the file has become shorter");
        }
        let Some(Outgoing { stage: Stage::Sending { sent, .. }, .. }) = self.outgoing.get_mut(&id) else {
            return;
        };
        *sent += piece.len() as u64;
        self.out.push_back(Parcel::Bytes(piece.to_vec()));
    }

    /// So many more bytes of a file of theirs were put away.
    pub fn taken(&mut self, id: u64, bytes: u64) {
        let Some(file) = self.incoming.get_mut(&id) else { return };
        file.taken += bytes;
        let is_whole = file.taken == file.size;
        if !is_whole && file.taken - file.told < TELL_EVERY {
            return;
        }
        file.told = file.taken;
        let bytes = file.taken;
        self.write(Note { have: Some(Have { id, bytes }), ..Note::default() });
        if is_whole {
            self.incoming.remove(&id);
            self.current.take_if(|current| *current == id);
            self.events.push_back(FileEvent::Whole(id));
        }
    }

    /// Takes a text message of the channel.
    pub fn handle_text(&mut self, text: &[u8]) {
        let note = if text.len() <= LONGEST { serde_json::from_slice::<Note>(text).ok() } else { None };
        match note {
            Some(Note { offer: Some(offer), .. }) => self.offered(offer),
            Some(Note { accept: Some(Number { id }), .. }) => {
                if let Some(file) = self.outgoing.get_mut(&id)
                    && matches!(file.stage, Stage::Offered(_))
                {
                    file.stage = Stage::Accepted;
                    self.events.push_back(FileEvent::Accepted(id));
                }
            }
            Some(Note { refuse: Some(Words { id, says }), .. }) if self.is_ours(id) => self.ended(id, &says),
            Some(Note { start: Some(Number { id }), .. }) => self.started(id),
            Some(Note { have: Some(Have { id, bytes }), .. }) => self.arrived(id, bytes),
            Some(Note { stop: Some(Words { id, says }), .. }) => self.ended(id, &says),
            Some(_) | None => self.dropped += 1,
        }
    }

    /// Takes a binary message of the channel.
    pub fn handle_bytes(&mut self, data: Vec<u8>) {
        let file = self.current.and_then(|id| Some((id, self.incoming.get_mut(&id)?)));
        let Some((id, file)) = file.filter(|_| data.len() <= LONGEST) else {
            self.dropped += 1;
            return;
        };
        file.came += data.len() as u64;
        if file.came > file.size {
            let says = format!("more than the {} bytes have come that were offered", file.size);
            self.current = None;
            self.stop(id, &says);
            return self.events.push_back(FileEvent::Stopped { id, says });
        }
        self.events.push_back(FileEvent::Bytes { id, data });
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_late = |(id, file): (&u64, &Outgoing)| match file.stage {
            Stage::Offered(until) if until <= now => Some(*id),
            _ => None,
        };
        let late: Vec<u64> = self.outgoing.iter().filter_map(is_late).collect();
        for id in late {
            self.end_ours(id, "nobody has taken it for 10 minutes");
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let until = |file: &Outgoing| match file.stage {
            Stage::Offered(until) => Some(until),
            _ => None,
        };
        self.outgoing.values().filter_map(until).min()
    }

    /// The next message for the channel. One that finds it full is given back by [`Files::put_back`].
    pub fn poll_send(&mut self) -> Option<Parcel> {
        self.out.pop_front()
    }

    /// Takes back a message that found the channel full.
    pub fn put_back(&mut self, parcel: Parcel) {
        self.out.push_front(parcel);
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<FileEvent> {
        self.events.pop_front()
    }

    /// The channel has closed: every transfer ends.
    pub fn close(&mut self) {
        let ours = std::mem::take(&mut self.outgoing).into_keys();
        let theirs = std::mem::take(&mut self.incoming).into_keys();
        let stopped = |id| FileEvent::Stopped { id, says: "the connection has ended".to_owned() };
        self.events.extend(ours.chain(theirs).map(stopped));
        self.out.clear();
    }

    /// Messages that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn offered(&mut self, Offer { id, name, size }: Offer) {
        let is_theirs = (1..=GREATEST).contains(&id) && !self.is_ours(id) && !self.incoming.contains_key(&id);
        // Who offers and reads no refusals is not told of more of them.
        let is_deaf = self.out.len() > MOST_WAITING;
        if !is_theirs || is_deaf || name.is_empty() || name.len() > LONGEST_NAME {
            self.dropped += 1;
            return;
        }
        let file = Incoming { size, is_accepted: false, came: 0, taken: 0, told: 0 };
        self.incoming.insert(id, file);
        let too_many = self.incoming.len() > MOST_OFFERS;
        if size > self.most || too_many {
            let says = match too_many {
                true => format!("{MOST_OFFERS} files are offered already; wait until one has gone"),
                false => format!("the file has {size} bytes, and at most {} are taken here", self.most),
            };
            return self.refuse(id, &says);
        }
        self.events.push_back(FileEvent::Offered { id, name, size });
    }

    fn started(&mut self, id: u64) {
        self.current = self.incoming.get(&id).filter(|file| file.is_accepted).map(|_| id);
        match self.current {
            // A file without bytes is whole at once.
            Some(id) if self.incoming.get(&id).is_some_and(|file| file.size == 0) => self.taken(id, 0),
            Some(_) => {}
            None => self.dropped += 1,
        }
    }

    fn arrived(&mut self, id: u64, bytes: u64) {
        let Some(file) = self.outgoing.get_mut(&id) else { return };
        let Stage::Sending { sent, have } = &mut file.stage else { return };
        // Nobody has what was not sent.
        *have = bytes.min(*sent).max(*have);
        let (bytes, is_whole) = (*have, *have == file.size);
        if is_whole {
            self.outgoing.remove(&id);
        }
        self.events.push_back(FileEvent::Arrived { id, bytes });
    }

    fn end_ours(&mut self, id: u64, says: &str) {
        self.stop(id, says);
        self.events.push_back(FileEvent::Stopped { id, says: says.to_owned() });
    }

    /// The other side has ended a transfer.
    fn ended(&mut self, id: u64, says: &str) {
        if !self.remove(id) {
            self.dropped += 1;
            return;
        }
        let says = shortened(says, LONGEST_WORDS);
        self.events.push_back(FileEvent::Stopped { id, says });
    }

    /// Forgets a transfer; whether there was one.
    fn remove(&mut self, id: u64) -> bool {
        self.outgoing.remove(&id).is_some() || self.incoming.remove(&id).is_some()
    }

    fn is_ours(&self, id: u64) -> bool {
        match self.numbers {
            Numbers::Odd => id % 2 == 1,
            Numbers::Even => id.is_multiple_of(2),
        }
    }

    fn write(&mut self, note: Note) {
        // What it is made of can be written.
        let text = serde_json::to_string(&note).unwrap_or_default();
        self.out.push_back(Parcel::Text(text));
    }
}

/// What a file that is called so by another one may be called here: without anything that leads elsewhere or is not seen.
pub fn file_name(name: &str) -> String {
    let is_kept = |c: &char| {
        !c.is_control() && !matches!(c, '/' | '\\' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let kept: String = name.chars().filter(is_kept).collect();
    // White space before a dot would leave a file that is hidden.
    match kept.trim_matches(|c: char| c == '.' || c.is_whitespace()) {
        "" => "file".to_owned(),
        name => name.to_owned(),
    }
}

/// The beginning of a text, of at most so many bytes.
fn shortened(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// Offers that are open at one time, of either side.
const MOST_OFFERS: usize = 8;
/// Messages that wait for the channel before offers are dropped.
const MOST_WAITING: usize = 64;
/// The greatest number of a file.
const GREATEST: u64 = 1 << 31;
/// The longest message.
const LONGEST: usize = 16_384;
/// The bytes of a file in one message.
const PIECE: usize = 16_384;
/// How far the sender may be ahead of what has arrived.
const MOST_AHEAD: u64 = 1 << 20;
/// What may wait on the channel before no more is read of a file.
const MOST_BUFFERED: usize = 256 << 10;
/// After how many bytes the sender is told what has arrived.
const TELL_EVERY: u64 = 65_536;
/// How long an offer is open.
const PATIENCE: Duration = Duration::from_secs(600);
const LONGEST_NAME: usize = 255;
const LONGEST_WORDS: usize = 400;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    struct Pair {
        clock: Clock,
        ends: [Files; 2],
        file: Vec<u8>,
        got: Vec<u8>,
        events: [Vec<FileEvent>; 2],
        ahead: u64,
    }

    impl Pair {
        fn new(size: usize) -> Pair {
            let ends = [Numbers::Odd, Numbers::Even].map(|numbers| Files::new(10 << 20, numbers));
            let file = (0..size).map(|at| (at / 7) as u8).collect();
            let (clock, got, events) = (Clock::new(), Vec::new(), Default::default());
            Pair { clock, ends, file, got, events, ahead: 0 }
        }

        /// Carries everything until nothing moves; the second end accepts what it is offered.
        fn run(&mut self) {
            loop {
                let mut moved = false;
                let wanted = self.ends[0].wanted(0);
                if let Some((id, at, len)) = wanted {
                    let piece = self.file[at as usize..][..len].to_vec();
                    self.ends[0].supply(id, &piece);
                    self.ahead = self.ahead.max(at + len as u64 - self.got.len() as u64);
                    moved = true;
                }
                for own in [0, 1] {
                    while let Some(parcel) = self.ends[own].poll_send() {
                        moved = true;
                        match parcel {
                            Parcel::Text(text) => self.ends[1 - own].handle_text(text.as_bytes()),
                            Parcel::Bytes(bytes) => self.ends[1 - own].handle_bytes(bytes),
                        }
                    }
                    while let Some(event) = self.ends[own].poll_event() {
                        moved = true;
                        match &event {
                            FileEvent::Offered { id, .. } => self.ends[own].accept(*id),
                            FileEvent::Bytes { id, data } => {
                                self.got.extend(data);
                                self.ends[own].taken(*id, data.len() as u64);
                            }
                            _ => self.events[own].push(event),
                        }
                    }
                }
                if !moved {
                    return;
                }
            }
        }
    }

    #[test]
    fn a_file_arrives_whole_whatever_its_length() {
        for size in [0, 1, PIECE, 3_000_000] {
            let mut pair = Pair::new(size);
            let id = pair.ends[0].offer(pair.clock.now(), "a file", size as u64).unwrap();
            pair.run();
            assert!(pair.got == pair.file, "{size}");
            assert_eq!(pair.events[1], [FileEvent::Whole(id)], "{size}");
            let arrived = FileEvent::Arrived { id, bytes: size as u64 };
            assert_eq!(pair.events[0].last(), Some(&arrived), "{size}");
            assert!(pair.ahead <= MOST_AHEAD && pair.ends.iter().all(|end| end.dropped() == 0));
        }
    }

    #[test]
    fn what_is_too_long_is_refused_by_either_side() {
        let mut files = Files::new(100, Numbers::Even);
        let now = Clock::new().now();
        assert_eq!(files.offer(now, "a", 101), Err(NotOffered::TooLong(101, 100)));
        files.handle_text(br#"{"offer":{"id":1,"name":"big","size":2000000000}}"#);
        assert_eq!(files.poll_event(), None);
        let Some(Parcel::Text(text)) = files.poll_send() else { panic!("it is refused") };
        assert!(text.contains("refuse") && text.contains("at most 100"), "{text}");
    }

    #[test]
    fn more_bytes_than_were_offered_end_the_transfer() {
        let mut files = Files::new(100, Numbers::Even);
        files.handle_text(br#"{"offer":{"id":1,"name":"a","size":10}}"#);
        files.accept(1);
        files.handle_text(br#"{"start":{"id":1}}"#);
        files.handle_bytes(vec![0; 8]);
        files.handle_bytes(vec![0; 8]);
        let events: Vec<FileEvent> = std::iter::from_fn(|| files.poll_event()).collect();
        assert!(matches!(events.last(), Some(FileEvent::Stopped { id: 1, .. })), "{events:?}");
        files.handle_bytes(vec![0; 8]);
        assert_eq!((files.poll_event(), files.dropped()), (None, 1), "what still comes is dropped");
    }

    #[test]
    fn one_number_is_one_file_and_a_stop_ends_that() {
        let mut files = Files::new(100, Numbers::Odd);
        let now = Clock::new().now();
        assert_eq!([(); 2].map(|()| files.offer(now, "a", 10).unwrap()), [1, 3]);
        for taken in [1, 4_294_967_298_u64, 0] {
            files.handle_text(format!(r#"{{"offer":{{"id":{taken},"name":"b","size":10}}}}"#).as_bytes());
        }
        assert_eq!((files.poll_event(), files.dropped()), (None, 3), "these are no numbers of theirs");
        files.handle_text(br#"{"offer":{"id":2,"name":"b","size":10}}"#);
        assert!(matches!(files.poll_event(), Some(FileEvent::Offered { id: 2, .. })));
        for id in [2, 3] {
            files.handle_text(format!(r#"{{"stop":{{"id":{id},"says":"no"}}}}"#).as_bytes());
            assert_eq!(files.poll_event(), Some(FileEvent::Stopped { id, says: "no".into() }));
        }
        files.handle_text(br#"{"accept":{"id":1}}"#);
        assert_eq!(files.poll_event(), Some(FileEvent::Accepted(1)), "this one goes on");
    }

    #[test]
    fn bytes_of_a_file_that_nobody_wanted_are_dropped() {
        let mut files = Files::new(100, Numbers::Even);
        files.handle_text(br#"{"offer":{"id":1,"name":"a","size":10}}"#);
        files.handle_text(br#"{"start":{"id":1}}"#);
        files.handle_bytes(vec![0; 8]);
        files.handle_text(b"no JSON");
        files.handle_text(br#"{"unknown":1}"#);
        assert_eq!(files.dropped(), 4);
    }

    #[test]
    fn an_offer_that_nobody_takes_ends_and_so_does_what_the_channel_carried() {
        let mut clock = Clock::new();
        let mut files = Files::new(100, Numbers::Even);
        let id = files.offer(clock.now(), "a", 1).unwrap();
        clock.advance_to(files.poll_timeout().unwrap());
        files.handle_timeout(clock.now());
        assert!(matches!(files.poll_event(), Some(FileEvent::Stopped { id: ended, .. }) if ended == id));
        for _ in 0..MOST_OFFERS {
            files.offer(clock.now(), "a", 1).unwrap();
        }
        assert_eq!(files.offer(clock.now(), "a", 1), Err(NotOffered::TooMany));
        files.close();
        assert_eq!(std::iter::from_fn(|| files.poll_event()).count(), MOST_OFFERS);
    }

    #[test]
    fn offers_of_who_reads_nothing_are_dropped() {
        let mut files = Files::new(100, Numbers::Even);
        for id in (1..1000).step_by(2) {
            files.handle_text(format!(r#"{{"offer":{{"id":{id},"name":"a","size":101}}}}"#).as_bytes());
        }
        let waiting = MOST_WAITING as u64 + 1;
        assert_eq!((files.out.len() as u64, files.dropped()), (waiting, 500 - waiting));
        while files.poll_send().is_some() {}
        files.handle_text(br#"{"offer":{"id":1001,"name":"a","size":1}}"#);
        assert!(matches!(files.poll_event(), Some(FileEvent::Offered { id: 1001, .. })));
    }

    #[test]
    fn the_name_of_a_file_leads_nowhere_else() {
        for (given, name) in [
            ("plan.pdf", "plan.pdf"),
            ("../../etc/passwd", "etcpasswd"),
            (".bashrc", "bashrc"),
            (" .bashrc", "bashrc"),
            (". .bashrc", "bashrc"),
            ("\u{a0}.x", "x"),
            ("plan. ", "plan"),
            ("a\u{202e}fdp.exe", "afdp.exe"),
            ("\\\\host\\share", "hostshare"),
            ("..", "file"),
            ("a\nb", "ab"),
        ] {
            assert_eq!(file_name(given), name);
        }
    }
}

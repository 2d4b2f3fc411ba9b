//! Limiting what others can make us write: one line a second for each source and reason.
//!
//! Whoever needs no credentials to cause a line could fill the disk with it. Such a line is written by [`limited!`]; what
//! comes too often is counted, and the next line of its kind says how many it stands for. The table has a fixed size:
//! while it is full of sources that were heard of within the second, the lines of further ones are counted only, so that
//! a flood from everywhere is bounded as well.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ringback_sansio::source_prefix;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long one line keeps others of its kind away.
const EVERY: Duration = Duration::from_secs(1);

/// Kinds of lines, each a source with a reason, that are told apart within a second.
const KINDS: usize = 256;

/// The bytes of one field that came from the network.
const LONGEST_FIELD: usize = 256;

/// Who the lines are counted to that no source can be named for.
pub const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Logs a line that somebody without credentials can cause, unless one of its kind was logged within the second.
///
/// The line has the fields `source` and, when others were left out before it, `suppressed`.
macro_rules! limited {
    ($limit:expr, $level:ident, $source:expr, $reason:expr, $($line:tt)+) => {
        // A line that the level leaves out takes no place in the table.
        if tracing::enabled!(tracing::Level::$level)
            && let Some(suppressed) = $limit.admit($source, $reason)
        {
            let suppressed = Some(suppressed).filter(|&suppressed| suppressed > 0);
            tracing::event!(tracing::Level::$level, source = %$source, suppressed, $($line)+);
        }
    };
}
pub(crate) use limited;

/// Which lines were written within the last second.
#[derive(Debug, Default)]
pub struct LogLimit {
    kinds: Mutex<HashMap<(IpAddr, &'static str), Kind>>,
    suppressed: AtomicU64,
}

/// The lines of one source for one reason.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// Until when others are left out.
    until: Instant,
    /// How many were left out since the last one that was written.
    suppressed: u64,
}

impl LogLimit {
    /// Whether a line of this kind may be written; if so, how many were left out before it.
    pub fn admit(&self, source: IpAddr, reason: &'static str) -> Option<u64> {
        self.admit_at(Instant::now(), source, reason)
    }

    fn admit_at(&self, now: Instant, source: IpAddr, reason: &'static str) -> Option<u64> {
        let key = (source_prefix(source), reason);
        // A poisoned lock means that another task panicked over it; what it holds is still true.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = kinds.get_mut(&key) {
            if now < kind.until {
                kind.suppressed += 1;
                self.suppressed.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            kind.until = now + EVERY;
            return Some(std::mem::take(&mut kind.suppressed));
        }
        if kinds.len() >= KINDS {
            kinds.retain(|_, kind| now < kind.until);
        }
        if kinds.len() >= KINDS {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        kinds.insert(key, Kind { until: now + EVERY, suppressed: 0 });
        Some(0)
    }

    /// Lines that were left out.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

/// What came from the network, as a field of a line: control characters escaped, and cut at 256 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Shown<T>(pub T);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut field = Field { out: f, room: LONGEST_FIELD, is_cut: false };
        // The only error of its own is the end of the room.
        match write!(field, "{}", self.0) {
            Err(fmt::Error) if field.is_cut => f.write_str("…"),
            written => written,
        }
    }
}

struct Field<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    room: usize,
    is_cut: bool,
}

impl Write for Field<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let is_plain = !character.is_control() && !is_invisible(character);
            let length = if is_plain { character.len_utf8() } else { character.escape_unicode().len() };
            self.is_cut = length > self.room;
            if self.is_cut {
                return Err(fmt::Error);
            }
            self.room -= length;
            if is_plain {
                self.out.write_char(character)?;
            } else {
                write!(self.out, "{}", character.escape_unicode())?;
            }
        }
        Ok(())
    }
}

/// Whether a character changes how its neighbours are shown: line separators and marks of writing direction.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A layer that limits in the same way what other people's crates write of their own accord.
///
/// They warn of every malformed packet. Their DEBUG and TRACE come only to who has asked for them by name
/// (`log.level`), and whoever did wants all of it.
#[derive(Debug)]
pub struct LimitOthers(pub std::sync::Arc<LogLimit>);

impl<S: Subscriber> Layer<S> for LimitOthers {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        metadata.target().starts_with("ringback")
            || *metadata.level() > Level::INFO
            || self.0.admit(NOBODY, metadata.name()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    #[test]
    fn a_line_a_second_for_each_source_and_reason_and_the_next_one_tells_of_the_others() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let admit =
            |after: u64, source, reason| limit.admit_at(start + Duration::from_millis(after), source, reason);
        assert_eq!(admit(0, address(1), "a"), Some(0));
        assert_eq!(admit(1, address(1), "a"), None);
        assert_eq!(admit(1, address(1), "b"), Some(0), "another reason");
        assert_eq!(admit(1, address(2), "a"), Some(0), "another source");
        assert_eq!(admit(999, address(1), "a"), None);
        assert_eq!(admit(1000, address(1), "a"), Some(2));
        assert_eq!(admit(1001, address(1), "a"), None);
        assert_eq!(admit(2000, address(1), "a"), Some(1));
        assert_eq!(limit.suppressed(), 3);
    }

    #[test]
    fn the_addresses_of_one_ipv6_customer_are_one_source() {
        let limit = LogLimit::default();
        let now = Instant::now();
        assert!(limit.admit_at(now, "2001:db8:1:2::3".parse().unwrap(), "a").is_some());
        assert!(limit.admit_at(now, "2001:db8:1:2:f::4".parse().unwrap(), "a").is_none());
        assert!(limit.admit_at(now, "2001:db8:1:3::3".parse().unwrap(), "a").is_some());
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_and_ends_with_its_second() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let sources = || (0..20_000u32).map(|i| IpAddr::from((0x0a00_0000 + i).to_be_bytes()));
        let written = sources().filter(|&source| limit.admit_at(start, source, "a").is_some()).count();
        assert_eq!(written, KINDS);
        assert_eq!(limit.suppressed(), 20_000 - KINDS as u64);
        assert!(limit.kinds.lock().unwrap().len() <= KINDS);
        assert!(limit.admit_at(start + EVERY, address(1), "a").is_some(), "a second later there is room");
    }

    #[test]
    fn a_field_is_cut_and_shows_its_control_characters() {
        assert_eq!(Shown("phone.example.com").to_string(), "phone.example.com");
        assert_eq!(Shown("a\r\nb\x1b[31m\u{202e}é").to_string(), "a\\u{d}\\u{a}b\\u{1b}[31m\\u{202e}é");
        let long = Shown("x".repeat(10_000)).to_string();
        assert_eq!(long, format!("{}…", "x".repeat(LONGEST_FIELD)));
        let exact = "x".repeat(LONGEST_FIELD);
        assert_eq!(Shown(&exact).to_string(), exact);
        assert!(Shown("\n".repeat(10_000)).to_string().len() <= LONGEST_FIELD + '…'.len_utf8());
    }

    /// The lines that `body` logs at DEBUG.
    fn lines(limit: Arc<LogLimit>, body: impl FnOnce()) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish()
            .with(LimitOthers(limit));
        tracing::subscriber::with_default(subscriber, body);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_limited_line_names_its_source() {
        let limit = Arc::new(LogLimit::default());
        let host = "evil.example\nWARN a line of its own";
        let found = lines(limit.clone(), || {
            for _ in 0..1000 {
                limited!(limit, WARN, address(1), "unknown_host", host = %Shown(host), "refused");
            }
            limited!(limit, TRACE, address(2), "too_fine", "never written");
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("source=198.51.100.1"), "{found:?}");
        assert!(found[0].contains("evil.example\\u{a}WARN"), "{found:?}");
        assert!(!found[0].contains("suppressed"), "{found:?}");
        assert_eq!(limit.suppressed(), 999, "what the level leaves out is not counted");
    }

    #[test]
    fn other_crates_warn_once_a_second_and_are_heard_whole_below_it() {
        let limit = Arc::new(LogLimit::default());
        let found = lines(limit.clone(), || {
            for number in 0..100 {
                tracing::warn!(target: "stun_types", number, "a malformed packet");
                tracing::debug!(target: "stun_types", number, "asked for by name");
                tracing::warn!(target: "ringback_server", number, "our own");
            }
        });
        let count = |text: &str| found.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("a malformed packet"), 1);
        assert_eq!((count("asked for by name"), count("our own")), (100, 100));
        assert_eq!(limit.suppressed(), 99);
    }
}

//! Saying that the server is up.

use std::io::Write;

use anyhow::anyhow;

use crate::http::Readiness;

/// Prints what to open and dial, and `ready` as the last line: whoever has read it finds `/readyz` at 200.
pub fn announce(out: &mut impl Write, announcement: &str, readiness: &Readiness) -> anyhow::Result<()> {
    writeln!(out, "Ringback {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "{announcement}")?;
    readiness.is_ready();
    writeln!(out, "ready")?;
    out.flush().map_err(|error| anyhow!("standard output is closed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Remembers whether calls were taken when each line was written.
    struct Terminal<'a> {
        readiness: &'a Readiness,
        text: String,
        ready_at: Option<bool>,
    }

    impl Write for Terminal<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.text.push_str(&String::from_utf8_lossy(bytes));
            if self.text.contains("\nready") && self.ready_at.is_none() {
                self.ready_at = Some(self.readiness.takes_calls());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_reads_ready_finds_it_so() {
        let readiness = Readiness::default();
        let mut terminal = Terminal { readiness: &readiness, text: String::new(), ready_at: None };
        announce(&mut terminal, "  dial      echo", &readiness).unwrap();
        assert_eq!(terminal.ready_at, Some(true));
        assert!(terminal.text.ends_with("  dial      echo\nready\n"), "{}", terminal.text);
    }
}

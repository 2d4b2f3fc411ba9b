//! What `call`, `chat` and `room` tell whoever has typed them: lines, in which the text of others is text.

use std::io::{self, Write};

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", printable(text))?;
    out.flush()
}

/// Writes a line to standard error.
pub(crate) fn warn(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "ringback: {}", printable(text));
}

/// Text of others without what a terminal would take for a command, or that turns the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let is_harmful =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| match c {
            '\n' => '\u{23ce}',
            c if is_harmful(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_cannot_command_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\r\nb\u{202e}c"), "a\u{fffd}[2J\u{fffd}\u{23ce}b\u{fffd}c");
    }
}

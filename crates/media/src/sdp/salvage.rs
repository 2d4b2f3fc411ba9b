//! A second reading of a description that the strict one refused.

/// Keeps the lines that a call needs, so that a broken `s=`, `b=`, `o=` or free text refuses nothing.
///
/// `v=`, `c=`, `m=` and `a=` stay, without blanks at their ends and, for `m=`, without doubled blanks between fields.
/// Every other line becomes empty rather than going away: the parser skips empty lines and counts them, so that an
/// error names the line of the original text.
pub(super) fn salvage(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.split('\n') {
        let line = line.trim_ascii();
        match line.as_bytes() {
            [b'v' | b'c' | b'm' | b'a', b'=', ..] if line.bytes().any(|b| b == b'\r' || b == 0) => {}
            [b'm', b'=', ..] => {
                for (index, field) in line.split_ascii_whitespace().enumerate() {
                    if index > 0 {
                        kept.push(' ');
                    }
                    kept.push_str(field);
                }
            }
            [b'v' | b'c' | b'a', b'=', ..] => kept.push_str(line),
            _ => {}
        }
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::salvage;

    #[test]
    fn keeps_line_numbers_and_drops_what_no_call_needs() {
        let text = "v=0 \r\no=broken\r\ns=a\0b\r\nrubbish\r\nm=audio  4000 RTP/AVP  0 \r\na=sendrecv\r\n";
        assert_eq!(salvage(text), "v=0\n\n\n\nm=audio 4000 RTP/AVP 0\na=sendrecv\n\n");
    }
}

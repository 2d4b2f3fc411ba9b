//! What waits in a mailbox: simple-message-summary ([RFC 3842 §5]).
//!
//! [RFC 3842 §5]: https://www.rfc-editor.org/rfc/rfc3842#section-5

/// The counts of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Voice messages, new and old.
    pub voice: (u32, u32),
    /// Instant messages that are still to be delivered.
    pub pager: u32,
}

/// Writes the body. The class of voice is always there, for phones look for nothing else.
pub fn write(account: &str, summary: &Summary) -> String {
    let Summary { voice: (new, old), pager } = *summary;
    let waiting = if new > 0 || pager > 0 { "yes" } else { "no" };
    let account: String = account.chars().filter(|c| !c.is_control()).collect();
    let mut out = format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old}\r\n"
    );
    if pager > 0 {
        out += &format!("Pager-Message: {pager}/0\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_follows_what_is_new() {
        let text = write("sip:bob@example.org", &Summary::default());
        assert_eq!(
            text,
            "Messages-Waiting: no\r\nMessage-Account: sip:bob@example.org\r\nVoice-Message: 0/0\r\n"
        );
        let text = write("sip:bob@example.org\r\nX: y", &Summary { voice: (0, 4), pager: 2 });
        assert_eq!(
            text,
            "Messages-Waiting: yes\r\nMessage-Account: sip:bob@example.orgX: y\r\nVoice-Message: 0/4\r\nPager-Message: 2/0\r\n"
        );
    }
}

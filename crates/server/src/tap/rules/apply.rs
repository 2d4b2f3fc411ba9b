//! Carrying rules out.

use std::time::Duration;

use ringback_sip::message::{Message, Method, Name};

use super::{Action, Rules};
use crate::tap::Side;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tap) struct Outcome {
    /// The message, altered or as it came.
    pub(in crate::tap) message: Message,
    pub(in crate::tap) fate: Fate,
    /// How long it waits.
    pub(in crate::tap) delay: Duration,
    /// How often it is sent.
    pub(in crate::tap) copies: usize,
    /// What was done, for people: the number of the rule and its first words.
    pub(in crate::tap) notes: Vec<String>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tap) enum Fate {
    /// On.
    Passes,
    /// Nowhere.
    Dropped,
    /// Nowhere; its sender gets this response.
    Answered { status: u16, phrase: Option<String> },
}

/// Copies of one message, however many rules double it.
const MOST_COPIES: usize = 16;

impl Rules {
    /// Carries out every rule that fits a message.
    pub(in crate::tap) fn apply(&self, from: Side, browser: u32, message: Message) -> Outcome {
        let mut outcome =
            Outcome { message, fate: Fate::Passes, delay: Duration::ZERO, copies: 1, notes: Vec::new() };
        for (number, rule) in (1..).zip(&self.0) {
            if !rule.which.fits(from, browser, &outcome.message) {
                continue;
            }
            let Some(effect) = rule.action.effect(&outcome.message) else { continue };
            if !rule.take_turn() {
                continue;
            }
            outcome.notes.push(format!("rule {number}: {}", rule.action.words()));
            match effect {
                Effect::Altered(message) => outcome.message = *message,
                Effect::Delayed(delay) => outcome.delay += delay,
                Effect::Doubled => outcome.copies = (outcome.copies * 2).min(MOST_COPIES),
                Effect::Ended(fate) => {
                    outcome.fate = fate;
                    break;
                }
            }
        }
        outcome
    }
}

/// What an action does to one message.
enum Effect {
    Altered(Box<Message>),
    Delayed(Duration),
    Doubled,
    Ended(Fate),
}

impl Action {
    /// `None` when it does nothing to this message.
    fn effect(&self, message: &Message) -> Option<Effect> {
        Some(match self {
            Action::Drop => Effect::Ended(Fate::Dropped),
            Action::Delay(time) => Effect::Delayed(*time),
            Action::Duplicate => Effect::Doubled,
            Action::Answer { .. } if !message.is_request() || *message.method_ref() == Method::Ack => {
                return None;
            }
            Action::Answer { status, .. } if *status < 300 && *message.method_ref() == Method::Invite => {
                return None;
            }
            Action::Answer { status, phrase } => {
                Effect::Ended(Fate::Answered { status: *status, phrase: phrase.clone() })
            }
            Action::Set { header, value } => {
                Effect::Altered(Box::new(set(message, header.as_bytes(), value.as_bytes())?))
            }
            Action::Remove { header } => {
                message.header_named(header.as_bytes())?;
                let mut edit = message.edit();
                edit.remove_named(header.as_bytes());
                Effect::Altered(Box::new(edit.finish()))
            }
            Action::Replace { old, new } => Effect::Altered(Box::new(replace(message, old, new)?)),
        })
    }

    /// What it does, in a few words.
    fn words(&self) -> String {
        match self {
            Action::Drop => "drop".to_owned(),
            Action::Delay(time) => format!("delay {} ms", time.as_millis()),
            Action::Duplicate => "duplicate".to_owned(),
            Action::Answer { status, .. } => format!("answer {status}"),
            Action::Set { header, .. } => format!("set {header}"),
            Action::Remove { header } => format!("remove {header}"),
            Action::Replace { .. } => "replace in the SDP".to_owned(),
        }
    }
}

/// A message with exactly one line of that header.
fn set(message: &Message, header: &[u8], value: &[u8]) -> Option<Message> {
    let name = Name::parse(header);
    let of_name = |name: Name| message.headers(name).count();
    if message.header_named(header) == Some(value) && (name == Name::Other || of_name(name) == 1) {
        return None;
    }
    let mut edit = message.edit();
    if name != Name::Other && of_name(name) == 1 {
        edit.replace(name, value);
    } else {
        edit.remove_named(header).push_named(header, value);
    }
    Some(edit.finish())
}

/// A message whose session description has every `old` replaced.
fn replace(message: &Message, old: &str, new: &str) -> Option<Message> {
    let content_type = message.header(Name::ContentType)?;
    let kind = content_type.split(|&byte| byte == b';').next()?;
    if !kind.trim_ascii().eq_ignore_ascii_case(b"application/sdp") {
        return None;
    }
    let body = std::str::from_utf8(message.body()).ok()?;
    if !body.contains(old) {
        return None;
    }
    let mut edit = message.edit();
    edit.set_body(content_type, body.replace(old, new).as_bytes());
    Some(edit.finish())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\n\
        From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
        User-Agent: JsSIP\r\nX-Own: one\r\nx-own: two\r\nContent-Type: application/sdp\r\nContent-Length: 29\r\n\r\n\
        v=0\r\na=sendrecv\r\na=ice-lite\r\n";

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn apply(rules: &str, from: Side, message: &Message) -> Outcome {
        Rules::parse(rules).unwrap().apply(from, 1, message.clone())
    }

    /// The lines that a rule took from the INVITE and those that it put there.
    fn changed(rule: &str) -> Vec<String> {
        let outcome = apply(rule, Side::Browser, &message(INVITE));
        assert_eq!(
            Message::parse(outcome.message.bytes().clone()).as_ref(),
            Ok(&outcome.message),
            "it is whole"
        );
        let after = String::from_utf8(outcome.message.bytes().to_vec()).unwrap();
        let gone = INVITE.lines().filter(|line| !after.lines().any(|other| other == *line));
        let new = after.lines().filter(|line| !INVITE.lines().any(|other| other == *line));
        gone.map(|line| format!("-{line}")).chain(new.map(|line| format!("+{line}"))).collect()
    }

    #[test]
    fn a_header_is_set_and_removed() {
        assert_eq!(changed(r#"set user-agent to "x" in INVITE"#), ["-User-Agent: JsSIP", "+User-Agent: x"]);
        assert_eq!(changed(r#"set X-New to "x" in INVITE"#), ["+X-New: x"]);
        assert_eq!(changed(r#"set X-Own to "x" in INVITE"#), ["-X-Own: one", "-x-own: two", "+X-Own: x"]);
        assert_eq!(changed("remove x-OWN in INVITE"), ["-X-Own: one", "-x-own: two"]);
        assert_eq!(changed("remove X-Other in INVITE"), Vec::<String>::new());
    }

    #[test]
    fn the_sdp_is_replaced_with_its_length() {
        assert_eq!(
            changed(r#"replace "sendrecv" by "inactive!" in the SDP of INVITE"#),
            ["-Content-Length: 29", "-a=sendrecv", "+Content-Length: 30", "+a=inactive!"]
        );
        assert_eq!(
            changed(r#"replace "a=ice-lite\r\n" by "" in the SDP of INVITE"#),
            ["-Content-Length: 29", "-a=ice-lite", "+Content-Length: 17"]
        );
    }

    #[test]
    fn a_rule_is_about_the_messages_that_it_names() {
        let invite = message(INVITE);
        let ringing = message(
            "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=a\r\n\
             To: <sip:b@b>;tag=b\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        );
        for (rule, is_invite, is_ringing) in [
            ("drop everything", true, true),
            ("drop requests", true, false),
            ("drop responses", false, true),
            ("drop INVITE", true, false),
            ("drop 180", false, true),
            ("drop 1xx", false, true),
            ("drop 2xx", false, false),
            ("drop 180 to INVITE", false, true),
            ("drop 180 to UPDATE or INVITE", false, true),
            ("drop 180 to REGISTER", false, false),
            ("drop INVITE or 180", true, true),
            ("drop everything from browser", true, false),
            ("drop everything from browser 1", true, false),
            ("drop everything from browser 2", false, false),
            ("drop everything from server", false, true),
            (r#"drop everything where Call-ID contains "c1""#, true, true),
            (r#"drop everything where i contains "c""#, true, true),
            (r#"drop everything where x-own contains "two""#, true, false),
            (r#"drop everything where Call-ID contains "c2""#, false, false),
        ] {
            let dropped = |from, message| apply(rule, from, message).fate == Fate::Dropped;
            let got = (dropped(Side::Browser, &invite), dropped(Side::Server, &ringing));
            assert_eq!(got, (is_invite, is_ringing), "{rule}");
        }
    }

    #[test]
    fn rules_add_up_in_their_order_until_one_ends_it() {
        let rules = "delay INVITE by 100ms\ndelay INVITE by 1s\nduplicate INVITE\nset A to \"b\" in INVITE\n\
                     answer INVITE with 486\ndrop INVITE";
        let outcome = apply(rules, Side::Browser, &message(INVITE));
        assert_eq!((outcome.delay, outcome.copies), (Duration::from_millis(1100), 2));
        assert_eq!(outcome.fate, Fate::Answered { status: 486, phrase: None });
        assert_eq!(
            outcome.notes,
            [
                "rule 1: delay 100 ms",
                "rule 2: delay 1000 ms",
                "rule 3: duplicate",
                "rule 4: set A",
                "rule 5: answer 486"
            ]
        );
    }

    #[test]
    fn once_is_once_and_a_rule_that_is_off_does_nothing() {
        let rules = Rules::parse("drop INVITE 2 times").unwrap();
        let is_dropped = || rules.apply(Side::Browser, 1, message(INVITE)).fate == Fate::Dropped;
        assert_eq!([is_dropped(), is_dropped(), is_dropped()], [true, true, false]);
        let rules = Rules::parse("drop INVITE").unwrap();
        let is_dropped = || rules.apply(Side::Browser, 1, message(INVITE)).fate == Fate::Dropped;
        rules.get(0).unwrap().switch();
        assert!(!is_dropped());
        rules.get(0).unwrap().switch();
        assert!(is_dropped());
        assert_eq!(rules.get(0).unwrap().carried_out(), 1);
    }
}

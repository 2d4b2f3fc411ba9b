//! The rule language: one sentence a line.
//!
//! ```text
//! rule   = action [once | N times]
//! action = drop WHICH
//!        | delay WHICH by TIME                    500ms, 2s
//!        | duplicate WHICH
//!        | answer WHICH with CODE ["PHRASE"]
//!        | set HEADER to "VALUE" in WHICH
//!        | remove HEADER in WHICH
//!        | replace "OLD" by "NEW" in the SDP of WHICH
//! WHICH  = WHAT {or WHAT} [to METHOD {or METHOD}] [from browser [N] | from server] [where HEADER contains "TEXT"]
//! WHAT   = METHOD | CODE | 1xx … 6xx | requests | responses | everything
//! ```
//!
//! In a text between quotes `\"`, `\\`, `\r` and `\n` stand for what they do elsewhere.

use std::time::Duration;

use ringback_sip::message::{Method, Name, Token};
use thiserror::Error;

use super::which::{What, Which};
use super::{Action, Origin, Rule, Rules};
use crate::tap::Side;

/// The longest delay: nothing in SIP waits longer than this for an answer.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// Why a line is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{cause}; {mend}", Place(*.origin))]
pub struct RuleError {
    origin: Origin,
    cause: String,
    mend: String,
}

impl RuleError {
    /// There are more rules than can be tried.
    pub(super) fn too_many() -> Self {
        let mend = format!("keep to {} rules", Rules::MOST);
        RuleError { origin: Origin::Typed, cause: "there are too many rules".to_owned(), mend }
    }
}

/// How a sentence about a rule begins.
struct Place(Origin);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Origin::File(line) => write!(f, "line {line}: "),
            Origin::Option => f.write_str("--rule: "),
            Origin::Typed => Ok(()),
        }
    }
}

/// Reads a line.
pub(super) fn rule(text: &str, origin: Origin) -> Result<Rule, RuleError> {
    let error = |(cause, mend): Wrong| RuleError { origin, cause, mend };
    let words = words(text).map_err(error)?;
    let mut reader = Reader { words: &words };
    let (which, action, most) = reader.sentence().map_err(error)?;
    Ok(Rule {
        text: text.trim().to_owned(),
        origin,
        which,
        action,
        most,
        carried_out: Default::default(),
        is_off: Default::default(),
    })
}

/// A cause and its mend.
type Wrong = (String, String);

fn wrong<T>(cause: impl Into<String>, mend: impl Into<String>) -> Result<T, Wrong> {
    Err((cause.into(), mend.into()))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Plain(String),
    Quoted(String),
}

impl Word {
    fn shown(&self) -> String {
        match self {
            Word::Plain(word) => format!("`{word}`"),
            Word::Quoted(text) => format!("{text:?}"),
        }
    }
}

fn words(text: &str) -> Result<Vec<Word>, Wrong> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        if next.is_whitespace() {
            chars.next();
        } else if next == '"' {
            chars.next();
            words.push(Word::Quoted(quoted(&mut chars)?));
        } else {
            let mut word = String::new();
            while let Some(&next) = chars.peek() {
                if next.is_whitespace() || next == '"' {
                    break;
                }
                word.push(next);
                chars.next();
            }
            words.push(Word::Plain(word));
        }
    }
    Ok(words)
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Result<String, Wrong> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('"') => return Ok(text),
            Some('\\') => match chars.next() {
                Some('r') => text.push('\r'),
                Some('n') => text.push('\n'),
                Some(other @ ('"' | '\\')) => text.push(other),
                Some(other) => {
                    return wrong(
                        format!("`\\{other}` stands for nothing"),
                        "write \\\\ for a backslash; there are \\\", \\\\, \\r and \\n",
                    );
                }
                None => return wrong("a text has no closing quote", "end it with \""),
            },
            Some(other) => text.push(other),
            None => return wrong("a text has no closing quote", "end it with \""),
        }
    }
}

const ACTIONS: &str = "write drop, delay, duplicate, answer, set, remove or replace";
const WHATS: &str =
    "write a method such as INVITE, a code such as 180 or 4xx, requests, responses or everything";

struct Reader<'w> {
    words: &'w [Word],
}

impl Reader<'_> {
    fn sentence(&mut self) -> Result<(Which, Action, Option<u32>), Wrong> {
        let Some(Word::Plain(verb)) = self.next() else {
            return wrong("it does not begin with an action", ACTIONS);
        };
        let (which, action) = match verb.as_str() {
            "drop" => (self.which()?, Action::Drop),
            "duplicate" => (self.which()?, Action::Duplicate),
            "delay" => {
                let which = self.which()?;
                self.expect("by", "say for how long, as in `delay 180 from server by 500ms`")?;
                (which, Action::Delay(self.time()?))
            }
            "answer" => {
                let which = self.which()?;
                self.expect("with", "say with what, as in `answer INVITE from browser with 486`")?;
                let action = self.answer(&which)?;
                (which, action)
            }
            "set" => {
                let header = self.header()?;
                self.expect("to", "say to what, as in `set User-Agent to \"me\" in INVITE`")?;
                let value = self.text("a value between quotes")?;
                if value.contains(['\r', '\n']) {
                    return wrong("a value of a header holds an end of line", "leave \\r and \\n out");
                }
                self.expect("in", "say where, as in `set User-Agent to \"me\" in INVITE`")?;
                (self.which()?, Action::Set { header, value })
            }
            "remove" => {
                let header = self.header()?;
                self.expect("in", "say where, as in `remove Supported in REGISTER`")?;
                (self.which()?, Action::Remove { header })
            }
            "replace" => {
                let mend = "write it as in `replace \"a=sendrecv\" by \"a=inactive\" in the SDP of INVITE`";
                let old = self.text("the text to look for between quotes")?;
                if old.is_empty() {
                    return wrong("the text to look for is empty", mend);
                }
                self.expect("by", mend)?;
                let new = self.text("the new text between quotes")?;
                for word in ["in", "the", "SDP", "of"] {
                    self.expect(word, mend)?;
                }
                (self.which()?, Action::Replace { old, new })
            }
            other => return wrong(format!("`{other}` is no action"), ACTIONS),
        };
        let most = self.turns()?;
        match self.next() {
            None => Ok((which, action, most)),
            Some(word) => {
                let mend = "leave it out, or see `ringback tap --help` for what may stand there";
                wrong(format!("{} does not belong at the end", word.shown()), mend)
            }
        }
    }

    fn which(&mut self) -> Result<Which, Wrong> {
        let mut which = Which { whats: vec![self.what()?], ..Which::default() };
        while self.take("or") {
            which.whats.push(self.what()?);
        }
        if self.take("to") {
            which.to.push(self.method()?);
            while self.take("or") {
                which.to.push(self.method()?);
            }
        }
        if self.take("from") {
            which.from = Some(if self.take("browser") {
                which.browser = self.number();
                Side::Browser
            } else if self.take("server") {
                Side::Server
            } else {
                return wrong(
                    "`from` is followed by nobody",
                    "write `from browser`, `from browser 2` or `from server`",
                );
            });
        }
        if self.take("where") {
            let header = self.header()?;
            self.expect("contains", "write it as in `where Call-ID contains \"abc\"`")?;
            which.contains = Some((header, self.text("the text to look for between quotes")?));
        }
        Ok(which)
    }

    fn what(&mut self) -> Result<What, Wrong> {
        let word = match self.next() {
            Some(Word::Plain(word)) => word.as_str(),
            Some(text) => return wrong(format!("{} is no kind of message", text.shown()), WHATS),
            None => return wrong("it does not say which messages", WHATS),
        };
        match word {
            "everything" => return Ok(What::Message),
            "requests" => return Ok(What::Request),
            "responses" => return Ok(What::Response),
            _ => {}
        }
        if let Some(status) = status(word) {
            return Ok(What::Status(status, status));
        }
        if let Some(class @ 1..=6) = word.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok()) {
            return Ok(What::Status(class * 100, class * 100 + 99));
        }
        match as_method(word) {
            Some(method) => Ok(What::Method(method)),
            None => wrong(format!("`{word}` is no kind of message"), WHATS),
        }
    }

    fn method(&mut self) -> Result<Method, Wrong> {
        let mend = "write a method such as INVITE, in capitals";
        match self.next() {
            Some(Word::Plain(word)) => {
                as_method(word).ok_or_else(|| (format!("`{word}` is no method"), mend.to_owned()))
            }
            Some(text) => wrong(format!("{} is no method", text.shown()), mend),
            None => wrong("a method is missing at the end", mend),
        }
    }

    fn answer(&mut self, which: &Which) -> Result<Action, Wrong> {
        let mend = "write a code from 200 to 699, as in `answer INVITE from browser with 486`";
        let status = match self.next() {
            Some(Word::Plain(word)) => match status(word) {
                Some(status @ 200..=699) => status,
                _ => return wrong(format!("`{word}` is no final status"), mend),
            },
            _ => return wrong("the status is missing", mend),
        };
        for what in &which.whats {
            match what {
                What::Request => {}
                What::Method(Method::Ack) => return wrong("an ACK has no answer", "drop it instead"),
                What::Method(Method::Invite) if status < 300 => {
                    return wrong(
                        "a call that the tap accepts has nobody at its other end",
                        "answer an INVITE with a code from 300 to 699",
                    );
                }
                What::Method(_) => {}
                What::Message | What::Response | What::Status(..) => {
                    return wrong("a response has no answer", "name requests or a method such as INVITE");
                }
            }
        }
        let phrase = match self.words.first() {
            Some(Word::Quoted(phrase)) => {
                self.next();
                Some(phrase.clone())
            }
            _ => None,
        };
        Ok(Action::Answer { status, phrase })
    }

    fn time(&mut self) -> Result<Duration, Wrong> {
        let mend = "write a time such as 500ms or 2s, ten minutes at the longest";
        let Some(Word::Plain(word)) = self.next() else {
            return wrong("the time is missing", mend);
        };
        let time = match (word.strip_suffix("ms"), word.strip_suffix('s')) {
            (Some(number), _) => number.parse().ok().map(Duration::from_millis),
            (None, Some(number)) => number.parse().ok().map(Duration::from_secs),
            (None, None) => None,
        };
        match time.filter(|time| *time <= LONGEST_DELAY) {
            Some(time) => Ok(time),
            None => wrong(format!("`{word}` is no time"), mend),
        }
    }

    fn header(&mut self) -> Result<String, Wrong> {
        let mend = "write the name of a header such as User-Agent";
        let Some(Word::Plain(word)) = self.next() else {
            return wrong("the name of a header is missing", mend);
        };
        if Token::parse(word.as_bytes()).is_none() {
            return wrong(format!("`{word}` is no name of a header"), mend);
        }
        if Name::parse(word.as_bytes()) == Name::ContentLength {
            return wrong(
                "Content-Length follows from the body and is nobody's to choose",
                "name another header",
            );
        }
        Ok(word.clone())
    }

    fn text(&mut self, what: &str) -> Result<String, Wrong> {
        match self.next() {
            Some(Word::Quoted(text)) => Ok(text.clone()),
            Some(word) => {
                wrong(format!("{} stands where {what} is due", word.shown()), "put it into \"quotes\"")
            }
            None => wrong(format!("{what} is missing at the end"), "add it"),
        }
    }

    /// `once` or `N times`.
    fn turns(&mut self) -> Result<Option<u32>, Wrong> {
        if self.take("once") {
            return Ok(Some(1));
        }
        let Some(number) = self.number() else { return Ok(None) };
        self.expect("times", "write `once` or, say, `3 times`")?;
        if number == 0 {
            return wrong("a rule of 0 times does nothing", "leave it out, or write `once`");
        }
        Ok(Some(number))
    }

    /// A number, when one comes next and is not a word of something else.
    fn number(&mut self) -> Option<u32> {
        let Some(Word::Plain(word)) = self.words.first() else { return None };
        let number = word.parse().ok()?;
        self.next();
        Some(number)
    }

    fn expect(&mut self, expected: &str, mend: &str) -> Result<(), Wrong> {
        match self.next() {
            Some(Word::Plain(word)) if word == expected => Ok(()),
            Some(word) => wrong(format!("{} stands where `{expected}` is due", word.shown()), mend),
            None => wrong(format!("`{expected}` is missing at the end"), mend),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let comes = matches!(self.words.first(), Some(Word::Plain(next)) if next == word);
        if comes {
            self.next();
        }
        comes
    }

    fn next(&mut self) -> Option<&Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

/// Three digits from 100 to 699.
fn status(word: &str) -> Option<u16> {
    let is_code = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let status = word.parse().ok().filter(|_| is_code)?;
    (100..=699).contains(&status).then_some(status)
}

/// Methods are written in capitals, so that a misspelt word of the language is not taken for one.
fn as_method(word: &str) -> Option<Method> {
    let is_capitals =
        word.chars().any(|c| c.is_ascii_uppercase()) && !word.chars().any(|c| c.is_ascii_lowercase());
    Method::parse(word.as_bytes()).filter(|_| is_capitals)
}

#[cfg(test)]
mod tests;

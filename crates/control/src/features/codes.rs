//! Feature codes: what a phone dials to change what its user has set, and to pick up a call.
//!
//! They are those of the North American vertical services that desk phones and other exchanges have too. A `#` at the
//! end, which some phones send, says nothing.

use super::Features;

/// The longest name that can be forwarded to, that of the longest user name.
const MAX_NUMBER: usize = 64;

/// What a code asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    /// `*72` and `*73`: every call goes elsewhere, or not any more.
    Always(Option<String>),
    /// `*90` and `*91`: when busy.
    Busy(Option<String>),
    /// `*92` and `*93`: when nobody answers.
    NoAnswer(Option<String>),
    /// `*78` and `*79`.
    DoNotDisturb(bool),
    /// `*8` and a name: the call that rings there; alone, one that rings in the group.
    PickUp(Option<String>),
    /// `*68` and a name: where a call is transferred to be parked for that user; alone, for who transfers it.
    Park(Option<String>),
    /// A code that needs a number has none, or none that can be.
    Incomplete,
}

/// A code that takes a number.
type WithNumber = fn(Option<String>) -> Code;

impl Code {
    /// The code that was dialled, if it is one.
    pub fn parse(dialled: &str) -> Option<Code> {
        let dialled = dialled.strip_suffix('#').unwrap_or(dialled);
        let number = |rest: &str, code: WithNumber| {
            if is_number(rest) { code(Some(rest.to_owned())) } else { Code::Incomplete }
        };
        match dialled {
            "*73" => return Some(Code::Always(None)),
            "*91" => return Some(Code::Busy(None)),
            "*93" => return Some(Code::NoAnswer(None)),
            "*78" => return Some(Code::DoNotDisturb(true)),
            "*79" => return Some(Code::DoNotDisturb(false)),
            "*8" => return Some(Code::PickUp(None)),
            "*68" => return Some(Code::Park(None)),
            _ => {}
        }
        let codes: [(&str, WithNumber); 5] = [
            ("*72", Code::Always),
            ("*90", Code::Busy),
            ("*92", Code::NoAnswer),
            ("*68", Code::Park),
            ("*8", Code::PickUp),
        ];
        codes.into_iter().find_map(|(prefix, code)| Some(number(dialled.strip_prefix(prefix)?, code)))
    }

    /// Writes a change into what is set; a pickup and parking change nothing.
    pub fn apply(self, features: &mut Features) {
        match self {
            Code::Always(to) => features.always = to,
            Code::Busy(to) => features.busy = to,
            Code::NoAnswer(to) => features.no_answer = to,
            Code::DoNotDisturb(on) => features.do_not_disturb = on,
            Code::PickUp(_) | Code::Park(_) | Code::Incomplete => {}
        }
    }
}

/// Whether a call can be forwarded there: a user name, or the echo. Other codes are for who dials them.
pub(super) fn is_number(text: &str) -> bool {
    text == "*43"
        || !text.is_empty()
            && text.len() <= MAX_NUMBER
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read() {
        let to = |name: &str| Some(name.to_owned());
        for (dialled, code) in [
            ("*72carol", Code::Always(to("carol"))),
            ("*72+4930123#", Code::Always(to("+4930123"))),
            ("*72*43", Code::Always(to("*43"))),
            ("*73", Code::Always(None)),
            ("*90100", Code::Busy(to("100"))),
            ("*91", Code::Busy(None)),
            ("*92carol", Code::NoAnswer(to("carol"))),
            ("*93#", Code::NoAnswer(None)),
            ("*78", Code::DoNotDisturb(true)),
            ("*79", Code::DoNotDisturb(false)),
            ("*8", Code::PickUp(None)),
            ("*8bob", Code::PickUp(to("bob"))),
            ("*68", Code::Park(None)),
            ("*68carol", Code::Park(to("carol"))),
            ("*72", Code::Incomplete),
            ("*90*72x", Code::Incomplete),
            ("*8a@b", Code::Incomplete),
        ] {
            assert_eq!(Code::parse(dialled), Some(code), "{dialled}");
        }
        for dialled in ["*43", "echo", "bob", "72", "*7", "", "#", "*9"] {
            assert_eq!(Code::parse(dialled), None, "{dialled}");
        }
    }

    #[test]
    fn a_code_changes_its_own_setting_only() {
        let mut features = Features { busy: Some("x".to_owned()), ..Features::default() };
        Code::Always(Some("carol".to_owned())).apply(&mut features);
        Code::DoNotDisturb(true).apply(&mut features);
        Code::PickUp(None).apply(&mut features);
        let expected = Features {
            always: Some("carol".to_owned()),
            busy: Some("x".to_owned()),
            do_not_disturb: true,
            ..Features::default()
        };
        assert_eq!(features, expected);
        Code::Always(None).apply(&mut features);
        assert_eq!(features.always, None);
    }
}

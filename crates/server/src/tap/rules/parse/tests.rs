use super::*;

fn read(text: &str) -> Rule {
    rule(text, Origin::Typed).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_form_is_read() {
    let invite = || What::Method(Method::Invite);
    for (text, action) in [
        ("drop INVITE", Action::Drop),
        ("duplicate INVITE", Action::Duplicate),
        ("delay INVITE by 500ms", Action::Delay(Duration::from_millis(500))),
        ("delay INVITE by 2s", Action::Delay(Duration::from_secs(2))),
        ("answer INVITE with 486", Action::Answer { status: 486, phrase: None }),
        (
            r#"answer INVITE with 503 "Not \"now\"""#,
            Action::Answer { status: 503, phrase: Some("Not \"now\"".into()) },
        ),
        (r#"set X-Mine to "a, b" in INVITE"#, Action::Set { header: "X-Mine".into(), value: "a, b".into() }),
        ("remove Supported in INVITE", Action::Remove { header: "Supported".into() }),
        (
            r#"replace "a=ice-lite\r\n" by "" in the SDP of INVITE"#,
            Action::Replace { old: "a=ice-lite\r\n".into(), new: String::new() },
        ),
    ] {
        let rule = read(text);
        assert_eq!((&rule.action, &rule.which.whats[..]), (&action, &[invite()][..]), "{text}");
        assert_eq!(rule.most, None);
    }
}

#[test]
fn every_part_of_which_is_read() {
    let rule =
        read(r#"drop 180 or 4xx to INVITE or UPDATE from browser 2 where Call-ID contains "abc" 3 times"#);
    assert_eq!(rule.most, Some(3));
    assert_eq!(
        rule.which,
        Which {
            whats: vec![What::Status(180, 180), What::Status(400, 499)],
            to: vec![Method::Invite, Method::Update],
            from: Some(Side::Browser),
            browser: Some(2),
            contains: Some(("Call-ID".into(), "abc".into())),
        }
    );
    assert_eq!(read("drop everything from server once").most, Some(1));
    assert_eq!(read("drop requests or responses").which.whats, [What::Request, What::Response]);
}

#[test]
fn what_is_no_rule_is_one_sentence_with_place_cause_and_mend() {
    for (text, sentence) in [
        (
            "drip 180",
            "line 3: `drip` is no action; write drop, delay, duplicate, answer, set, remove or replace",
        ),
        (
            "drop",
            "line 3: it does not say which messages; write a method such as INVITE, a code such as 180 or 4xx, requests, responses or everything",
        ),
        (
            "drop invite",
            "line 3: `invite` is no kind of message; write a method such as INVITE, a code such as 180 or 4xx, requests, responses or everything",
        ),
        (
            "drop INVITE from alice",
            "line 3: `from` is followed by nobody; write `from browser`, `from browser 2` or `from server`",
        ),
        (
            "delay 180",
            "line 3: `by` is missing at the end; say for how long, as in `delay 180 from server by 500ms`",
        ),
        (
            "delay 180 by soon",
            "line 3: `soon` is no time; write a time such as 500ms or 2s, ten minutes at the longest",
        ),
        ("answer 180 with 200", "line 3: a response has no answer; name requests or a method such as INVITE"),
        ("answer ACK with 200", "line 3: an ACK has no answer; drop it instead"),
        (
            "answer INVITE with 200",
            "line 3: a call that the tap accepts has nobody at its other end; answer an INVITE with a code from 300 to 699",
        ),
        (
            "answer INVITE with 99",
            "line 3: `99` is no final status; write a code from 200 to 699, as in `answer INVITE from browser with 486`",
        ),
        (
            "set User-Agent to me in INVITE",
            "line 3: `me` stands where a value between quotes is due; put it into \"quotes\"",
        ),
        (
            "set Content-Length to \"3\" in INVITE",
            "line 3: Content-Length follows from the body and is nobody's to choose; name another header",
        ),
        (
            "set X to \"a\\r\\nB: c\" in INVITE",
            "line 3: a value of a header holds an end of line; leave \\r and \\n out",
        ),
        (
            "remove Supported from INVITE",
            "line 3: `from` stands where `in` is due; say where, as in `remove Supported in REGISTER`",
        ),
        (
            "replace \"a\" by \"b\" in INVITE",
            "line 3: `INVITE` stands where `the` is due; write it as in `replace \"a=sendrecv\" by \"a=inactive\" in the SDP of INVITE`",
        ),
        ("drop INVITE \"x", "line 3: a text has no closing quote; end it with \""),
        (
            "drop INVITE always",
            "line 3: `always` does not belong at the end; leave it out, or see `ringback tap --help` for what may stand there",
        ),
    ] {
        let error = Rules::parse(&format!("# none\n\n{text}\n")).unwrap_err().to_string();
        assert_eq!(error, sentence);
    }
}

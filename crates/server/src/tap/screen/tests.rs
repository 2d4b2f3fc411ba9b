use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::tap::Side;
use crate::tap::ladder::tests::{entry, message};
use crate::tap::ladder::{Way, What};
use crate::tap::rules::Rules;

/// A screen that has seen a registration and the call of two browsers.
fn screen(rules: &str) -> Screen {
    let facts = Facts {
        way: "ws://127.0.0.1:8088 → ws://127.0.0.1:8080/ws".to_owned(),
        is_insecure: false,
        rules_file: None,
        browsers: 0,
        missed: 0,
    };
    let mut screen = Screen::new(Ladder::new(12), SharedRules::new(Rules::parse(rules).unwrap()), facts);
    let message = |start: &str, call, cseq, more| message(start, call, cseq, more);
    let register = |more| message("REGISTER sip:example.com SIP/2.0", "r1", "1 REGISTER", more);
    let told = entry(1, 100, Side::Browser, &register(""), Way::Through, &[]);
    screen.push(Entry { what: What::Told("127.0.0.1:40000 opened".to_owned()), ..told });
    let invite = message("INVITE sip:bob@example.com SIP/2.0", "c1", "1 INVITE", "User-Agent: JsSIP\r\n");
    let answer = |status: &str, call, cseq| message(&format!("SIP/2.0 {status}"), call, cseq, "");
    for (browser, at, from, text, way, notes) in [
        (1, 200, Side::Browser, register(""), Way::Through, &[][..]),
        (1, 210, Side::Server, answer("401 Unauthorized", "r1", "1 REGISTER"), Way::Through, &[]),
        (1, 250, Side::Browser, register("Authorization: Digest x\r\n"), Way::Through, &[]),
        (1, 260, Side::Server, answer("200 OK", "r1", "1 REGISTER"), Way::Through, &[]),
        (1, 1000, Side::Browser, invite.clone(), Way::Through, &["rule 1: set User-Agent"]),
        (2, 1010, Side::Server, invite, Way::Through, &[]),
        (2, 1100, Side::Browser, answer("180 Ringing", "c1", "1 INVITE"), Way::Through, &[]),
        (1, 1110, Side::Server, answer("180 Ringing", "c1", "1 INVITE"), Way::ToTap, &["rule 2: drop"]),
    ] {
        screen.push(entry(browser, at, from, &text, way, notes));
    }
    screen.set_counts(2, 0);
    screen
}

fn press(screen: &mut Screen, keys: &str) {
    for key in keys.split(' ') {
        let code = match key {
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "esc" => KeyCode::Esc,
            "enter" => KeyCode::Enter,
            "space" => KeyCode::Char(' '),
            key => KeyCode::Char(key.chars().next().unwrap()),
        };
        assert_eq!(screen.handle_key(KeyEvent::new(code, KeyModifiers::NONE)), Wish::GoOn);
    }
}

fn write(screen: &mut Screen, text: &str) {
    for c in text.chars() {
        screen.handle_key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
}

fn picture(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(screen, frame)).unwrap();
    terminal.backend().to_string()
}

fn chosen(screen: &Screen) -> Option<u128> {
    Some(screen.ladder.get(screen.chosen?)?.elapsed.as_millis())
}

#[test]
fn a_call_between_two_browsers_is_one_ladder() {
    insta::assert_snapshot!(picture(&screen(""), 120, 28));
}

#[test]
fn a_small_terminal_has_one_lane() {
    insta::assert_snapshot!(picture(&screen(""), 76, 20));
}

#[test]
fn on_a_wide_terminal_the_message_stands_beside_the_ladder() {
    let mut screen = screen("");
    press(&mut screen, "up up");
    insta::assert_snapshot!(picture(&screen, 180, 16));
}

#[test]
fn the_difference_to_the_previous_message_is_what_is_new_in_it() {
    let mut screen = screen("");
    press(&mut screen, "home down down down d");
    assert_eq!(chosen(&screen), Some(250));
    insta::assert_snapshot!(picture(&screen, 110, 26));
}

#[test]
fn rules_are_switched_removed_and_typed() {
    let mut screen = screen("drop 180 from server\nduplicate BYE");
    press(&mut screen, "r space down x a");
    write(&mut screen, "answer INVITE with 200");
    press(&mut screen, "enter");
    insta::assert_snapshot!("a_rule_that_is_wrong", picture(&screen, 110, 12));
    let code = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
    screen.handle_key(code);
    write(&mut screen, "answer INVITE with 603");
    press(&mut screen, "enter");
    insta::assert_snapshot!("the_rules", picture(&screen, 110, 12));
    let rules = screen.rules.current();
    let shown: Vec<_> = rules.iter().map(|rule| (rule.text(), rule.is_off())).collect();
    assert_eq!(shown, [("drop 180 from server", true), ("answer INVITE with 603", false)]);
}

#[test]
fn a_filter_shows_what_fits_and_keeps_what_is_chosen() {
    let mut screen = screen("");
    press(&mut screen, "/");
    write(&mut screen, "180 #2");
    press(&mut screen, "enter");
    assert_eq!((screen.visible.len(), chosen(&screen)), (1, Some(1100)));
    press(&mut screen, "esc");
    assert_eq!((screen.visible.len(), chosen(&screen)), (9, Some(1110)));
    // Only the call of what is chosen, and everything again.
    press(&mut screen, "home down f");
    assert_eq!((screen.visible.len(), chosen(&screen)), (4, Some(200)));
    press(&mut screen, "f");
    assert_eq!((screen.visible.len(), chosen(&screen)), (9, Some(200)));
}

#[test]
fn the_newest_is_followed_until_another_is_chosen() {
    let mut screen = screen("");
    let bye =
        |at| entry(1, at, Side::Browser, &message("BYE sip:x SIP/2.0", "c1", "2 BYE", ""), Way::Through, &[]);
    screen.push(bye(2000));
    assert_eq!(chosen(&screen), Some(2000));
    press(&mut screen, "home");
    screen.push(bye(2001));
    assert_eq!(chosen(&screen), Some(100));
    // What was chosen is given up for newer ones: the oldest that is left takes its place.
    for at in 2002..2005 {
        screen.push(bye(at));
    }
    assert_eq!(chosen(&screen), Some(210));
    press(&mut screen, "end");
    screen.push(bye(2005));
    assert_eq!(chosen(&screen), Some(2005));
}

#[test]
fn no_picture_is_too_small() {
    let mut screen = screen("drop BYE");
    for keys in ["d", "d", "r", "esc", "?", "x", "/"] {
        press(&mut screen, keys);
        for (width, height) in [(1, 1), (10, 3), (20, 5), (43, 8), (300, 4)] {
            picture(&screen, width, height);
        }
    }
}

#[test]
fn q_and_control_c_end_it() {
    let key = |code, modifiers| screen("").handle_key(KeyEvent::new(code, modifiers));
    assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Wish::End);
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Wish::End);
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), Wish::GoOn);
}

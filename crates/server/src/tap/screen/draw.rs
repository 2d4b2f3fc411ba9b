//! The picture of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};

use super::difference::{self, difference};
use super::state::{Pane, Prompt, Screen, View};
use crate::tap::ladder::{Entry, Lanes, Seen, Way, clean, heading, row};

/// From this width on the message stands beside the ladder.
const WIDE: u16 = 170;

/// What the time, the number and the text beside the arrows take.
const ROOM_BESIDE: usize = 14 + 36;

/// The shortest and the longest arrows.
const LEAST_LANE: usize = 18;
const MOST_LANE: usize = 46;

/// What every key does.
const HELP: &str = " ↑ ↓  PgUp PgDn     choose a message; the text below is that message
 Home  End          the oldest; the newest, and follow what comes
 j k  (or → ←)      scroll the text
 d  (or Tab)        the text: as it came, the difference to the previous such message, what changed on its way
 /                  filter: every word must stand in the message; #2 is browser 2; Esc takes it away
 f                  only the call of the chosen message; again: everything
 a                  add a rule, such as: answer INVITE from browser with 486
 r                  the rules: ↑ ↓ choose, space switches on and off, x removes
 R                  read the file of rules again
 s                  save what is kept: NAME.pcap, NAME.hep or NAME.txt
 q                  end the tap; browsers and servers are told

 Rules:  drop WHICH · delay WHICH by 500ms · duplicate WHICH · answer WHICH with 486 [\"PHRASE\"]
         set HEADER to \"VALUE\" in WHICH · remove HEADER in WHICH · replace \"OLD\" by \"NEW\" in the SDP of WHICH
 WHICH:  INVITE or 180 or 4xx or requests or responses or everything  [to METHOD]
         [from browser | from browser 2 | from server]  [where HEADER contains \"TEXT\"]      [once | 3 times]

 Any key goes back.";

/// Draws everything.
pub(super) fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(4),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [title, middle, told, keys] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(title_line(screen)), title);
    match screen.pane {
        Pane::Ladder => draw_ladder(screen, frame, middle),
        Pane::Rules => draw_rules(screen, frame, middle),
        Pane::Help => {
            let block = Block::new().borders(Borders::TOP).title(" keys ");
            frame.render_widget(Paragraph::new(HELP).block(block), middle);
        }
    }
    frame.render_widget(Paragraph::new(told_line(screen, told.width)), told);
    frame.render_widget(Paragraph::new(keys_line(screen.pane)).style(dim()), keys);
    if let Some((prompt, typed)) = &screen.typing {
        let before = prompt_words(*prompt).chars().count() + shown_end(typed, told.width).chars().count();
        let x = told.x + u16::try_from(before).unwrap_or(u16::MAX).min(told.width.saturating_sub(1));
        frame.set_cursor_position((x, if screen.told.is_empty() { told.y } else { keys.y }));
        if !screen.told.is_empty() {
            // The sentence says what is wrong with what stands below it.
            frame.render_widget(Clear, keys);
            frame.render_widget(Paragraph::new(prompt_line(*prompt, typed, keys.width)), keys);
        }
    }
}

fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

fn title_line(screen: &Screen) -> Line<'static> {
    let facts = &screen.facts;
    let rules = screen.rules.current();
    let mut spans = vec![
        Span::styled(" ringback tap ", Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(format!(" {}", facts.way)),
    ];
    if facts.is_insecure {
        let style = Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD);
        spans.push(Span::raw(" "));
        spans.push(Span::styled(" SERVER NOT VERIFIED ", style));
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    spans.push(Span::styled(
        format!(
            "   {} browser{}  {} message{}  {} rule{}",
            facts.browsers,
            plural(facts.browsers),
            screen.ladder.numbered().len(),
            plural(screen.ladder.numbered().len()),
            rules.len(),
            plural(rules.len())
        ),
        Style::new().fg(Color::Cyan),
    ));
    for (count, words) in [(screen.ladder.gone(), "given up"), (facts.missed, "missed")] {
        if count > 0 {
            spans.push(Span::styled(format!("  {count} {words}"), Style::new().fg(Color::Yellow)));
        }
    }
    Line::from(spans)
}

fn prompt_words(prompt: Prompt) -> &'static str {
    match prompt {
        Prompt::Filter => " filter: ",
        Prompt::Rule => " rule: ",
        Prompt::Save => " save as (.pcap, .hep, .txt): ",
    }
}

/// The end of what is typed, when the line is too short for it.
fn shown_end(typed: &str, width: u16) -> String {
    let room = usize::from(width).saturating_sub(34);
    let skipped = typed.chars().count().saturating_sub(room);
    typed.chars().skip(skipped).collect()
}

fn prompt_line(prompt: Prompt, typed: &str, width: u16) -> Line<'static> {
    let style = Style::new().add_modifier(Modifier::BOLD);
    Line::from(vec![Span::styled(prompt_words(prompt), style), Span::raw(shown_end(typed, width))])
}

fn told_line(screen: &Screen, width: u16) -> Line<'static> {
    if !screen.told.is_empty() {
        return Line::styled(format!(" {}", screen.told), Style::new().fg(Color::Yellow));
    }
    if let Some((prompt, typed)) = &screen.typing {
        return prompt_line(*prompt, typed, width);
    }
    if !screen.filter.is_empty() {
        let words = format!(" filter: {}   {} fit; Esc takes it away", screen.filter, screen.visible.len());
        return Line::styled(words, Style::new().fg(Color::Cyan));
    }
    Line::default()
}

fn keys_line(pane: Pane) -> &'static str {
    match pane {
        Pane::Ladder => {
            " ↑↓ choose  j k scroll  d difference  / filter  f this call  a add rule  r rules  s save  ? help  q end"
        }
        Pane::Rules => " ↑↓ choose  space on/off  x remove  a add  R read the file again  r back  q end",
        Pane::Help => " any key goes back",
    }
}

fn draw_ladder(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let (direction, parts) = match area.width >= WIDE {
        true => (Direction::Horizontal, [Constraint::Length(100), Constraint::Min(20)]),
        false => (Direction::Vertical, [Constraint::Percentage(55), Constraint::Percentage(45)]),
    };
    let [above, below] = Layout::new(direction, parts).areas(area);
    let (lanes, left, right) = lanes(screen, usize::from(above.width));
    let height = usize::from(above.height.saturating_sub(1));
    let at = screen.visible.partition_point(|number| Some(*number) < screen.chosen);
    // The chosen one stays away from the edges as far as there is something beyond it.
    let last_top = screen.visible.len().saturating_sub(height);
    let top = (at + height / 4 + 1).saturating_sub(height).min(last_top);
    let head = heading(lanes, &left, &right);
    let mut lines = vec![Line::styled(format!("{}{} {}", head.place, head.lane, head.about), dim())];
    for number in screen.visible.iter().skip(top).take(height) {
        if let Some(entry) = screen.ladder.get(*number) {
            lines.push(ladder_line(entry, lanes, above.width, screen.chosen == Some(*number)));
        }
    }
    if screen.ladder.numbered().len() == 0 {
        lines.push(Line::default());
        lines.push(Line::raw("  Nothing has passed yet: have the page connect to the first address above."));
    }
    frame.render_widget(Paragraph::new(lines), above);
    draw_message(screen, frame, below);
}

/// The lanes that fit, and what stands on their left and right. Browsers of odd and of even numbers get a lane each when
/// there are both.
fn lanes(screen: &Screen, width: usize) -> (Lanes, String, String) {
    let names = |is_odd: bool| {
        let numbers = screen.browsers.iter().filter(|number| (**number % 2 == 1) == is_odd);
        let numbers: Vec<String> = numbers.map(u32::to_string).collect();
        match &numbers[..] {
            [] => None,
            [one] => Some(format!("browser {one}")),
            [first, .., last] if numbers.len() > 2 => Some(format!("browsers {first} … {last}")),
            several => Some(format!("browsers {}", several.join(", "))),
        }
    };
    let room = width.saturating_sub(ROOM_BESIDE);
    match (names(true), names(false)) {
        (Some(odd), Some(even)) if room >= 2 * LEAST_LANE => {
            (Lanes::Two((room / 2).min(MOST_LANE)), odd, even)
        }
        _ => (Lanes::One((room * 3 / 4).clamp(LEAST_LANE, MOST_LANE)), "browser".to_owned(), String::new()),
    }
}

fn ladder_line(entry: &Entry, lanes: Lanes, width: u16, is_chosen: bool) -> Line<'static> {
    let row = row(entry, lanes);
    let number = Style::new().fg(of_browser(entry.browser));
    let (arrow, about) = match entry.seen() {
        None => (dim(), dim()),
        Some(seen) => (of_message(seen), if seen.notes.is_empty() { Style::new() } else { altered() }),
    };
    let used = row.place.chars().count() + row.lane.chars().count() + 1 + row.about.chars().count();
    let rest = " ".repeat(usize::from(width).saturating_sub(used));
    let line = Line::from(vec![
        Span::styled(row.place, number),
        Span::styled(row.lane, arrow),
        Span::styled(format!(" {}{rest}", row.about), about),
    ]);
    if is_chosen { line.patch_style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}

fn altered() -> Style {
    Style::new().fg(Color::Magenta)
}

/// Each browser has a colour, so that the two of a call can be told apart.
fn of_browser(browser: u32) -> Color {
    match browser % 4 {
        1 => Color::Cyan,
        2 => Color::Yellow,
        3 => Color::Green,
        _ => Color::Blue,
    }
}

fn of_message(seen: &Seen) -> Style {
    if seen.way != Way::Through {
        return Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    }
    let class = seen.summary.start.bytes().next();
    match (seen.summary.is_request, class) {
        (true, _) => Style::new().add_modifier(Modifier::BOLD),
        (false, Some(b'1')) => Style::new().fg(Color::Cyan),
        (false, Some(b'2')) => Style::new().fg(Color::Green),
        (false, Some(b'3')) => Style::new().fg(Color::Yellow),
        (false, _) => Style::new().fg(Color::Red),
    }
}

fn draw_message(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let chosen = screen.chosen.and_then(|number| Some((number, screen.ladder.get(number)?)));
    let previous = chosen.and_then(|(number, _)| screen.ladder.previous(number));
    let tab = |view: View, words: String| {
        let style = if screen.view == view { Style::new().add_modifier(Modifier::REVERSED) } else { dim() };
        Span::styled(format!(" {words} "), style)
    };
    let named =
        |entry: &Entry, seen: &Seen| format!("{} at {:.3}", seen.summary.start, entry.elapsed.as_secs_f64());
    let against = match previous {
        Some((entry, seen)) => format!("difference to {}", named(entry, seen)),
        None => "no such message before".to_owned(),
    };
    let name = chosen.and_then(|(_, entry)| Some(format!(" {} ", named(entry, entry.seen()?))));
    let name = name.unwrap_or_default();
    let title = Line::from(vec![
        Span::raw(name),
        tab(View::Came, "as it came".to_owned()),
        tab(View::Previous, against),
        tab(View::Left, "what changed on its way".to_owned()),
    ]);
    // Beside the ladder it begins at the top, and a line has to part them.
    let is_beside = frame.area().width >= WIDE;
    let borders = if is_beside { Borders::TOP | Borders::LEFT } else { Borders::TOP };
    let block = Block::new().borders(borders).title(title);
    let lines = match chosen.and_then(|(_, entry)| entry.seen()) {
        None => Vec::new(),
        Some(seen) => match screen.view {
            View::Came => message_lines(&seen.came),
            View::Previous => match previous {
                Some((_, before)) => difference_lines(&before.came, &seen.came),
                None => message_lines(&seen.came),
            },
            View::Left => match &seen.left {
                None => vec![Line::styled("It went no further than the tap.", altered())],
                Some(left) if seen.way == Way::FromTap => difference_lines(b"", left),
                Some(left) if *left == seen.came => vec![Line::styled("It left as it came.", dim())],
                Some(left) => difference_lines(&seen.came, left),
            },
        },
    };
    // One can scroll until the last line is at the top.
    let most = u16::try_from(lines.len().saturating_sub(1)).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(lines).block(block).scroll((screen.scroll.min(most), 0)), area);
}

fn message_lines(message: &[u8]) -> Vec<Line<'static>> {
    let text = String::from_utf8_lossy(message);
    let mut is_body = false;
    let lines = text.lines().enumerate().map(|(at, line)| {
        let line_shown = clean(line.as_bytes());
        is_body |= line.is_empty();
        match line_shown.split_once(':') {
            _ if at == 0 => Line::styled(line_shown, Style::new().add_modifier(Modifier::BOLD)),
            Some((name, value)) if !is_body => Line::from(vec![
                Span::styled(format!("{name}:"), Style::new().fg(Color::Cyan)),
                Span::raw(value.to_owned()),
            ]),
            _ => Line::raw(line_shown),
        }
    });
    lines.collect()
}

fn difference_lines(before: &[u8], after: &[u8]) -> Vec<Line<'static>> {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let lines = difference(&before, &after);
    let lines = lines.into_iter().map(|line| match line {
        difference::Line::Same(line) => Line::styled(format!("  {}", clean(line.as_bytes())), dim()),
        difference::Line::Gone(line) => {
            Line::styled(format!("- {}", clean(line.as_bytes())), Style::new().fg(Color::Red))
        }
        difference::Line::New(line) => {
            Line::styled(format!("+ {}", clean(line.as_bytes())), Style::new().fg(Color::Green))
        }
    });
    lines.collect()
}

fn draw_rules(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let rules = screen.rules.current();
    let mut lines = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let state = if rule.is_off() { "off" } else { "on" };
        let text = format!(" {:>3}  {state:<3}  {:>5} times  {rule}", at + 1, rule.carried_out());
        let style = if rule.is_off() { dim() } else { Style::new() };
        let line = Line::styled(text, style);
        let is_chosen = at == screen.rule;
        lines.push(if is_chosen {
            line.patch_style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            line
        });
    }
    if lines.is_empty() {
        lines.push(Line::raw("  No rules: everything passes as it is. Press a and type one, such as"));
        for example in [
            "answer INVITE from browser with 486",
            "drop 180 from server",
            "delay 200 to INVITE from server by 2s",
            "replace \"a=sendrecv\" by \"a=recvonly\" in the SDP of INVITE from browser",
        ] {
            lines.push(Line::styled(format!("      {example}"), Style::new().fg(Color::Cyan)));
        }
    }
    let height = usize::from(area.height.saturating_sub(1));
    let top = u16::try_from((screen.rule + 1).saturating_sub(height)).unwrap_or(u16::MAX);
    let block = Block::new().borders(Borders::TOP).title(" rules, tried in this order ");
    frame.render_widget(Paragraph::new(lines).block(block).scroll((top, 0)), area);
}

//! What is shown, and what a key does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tap::ladder::{Entry, Ladder};
use crate::tap::rules::{Origin, Rule, RuleError, Rules, SharedRules};
use crate::tap::save;

/// What may be typed in one line.
const MOST_TYPED: usize = 1000;

/// Browsers that are told apart in the heading.
const MOST_NAMED: usize = 64;

/// How many rows a page is.
const PAGE: isize = 10;

/// What does not change with the traffic, and what is counted elsewhere.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) way: String,
    pub(super) is_insecure: bool,
    pub(super) rules_file: Option<PathBuf>,
    pub(super) browsers: usize,
    pub(super) missed: u64,
}

/// What the lower pane shows of the chosen message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Came,
    Previous,
    Left,
}

/// What the screen is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Ladder,
    Rules,
    Help,
}

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    Filter,
    Rule,
    Save,
}

/// What a key asks of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    GoOn,
    End,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) ladder: Ladder,
    pub(super) rules: SharedRules,
    pub(super) facts: Facts,
    pub(super) filter: String,
    words: Vec<String>,
    /// The numbers of the entries that the filter lets through.
    pub(super) visible: Vec<u64>,
    /// The number of the chosen entry.
    pub(super) chosen: Option<u64>,
    /// Whether the newest entry is the chosen one.
    pub(super) follows: bool,
    pub(super) view: View,
    pub(super) scroll: u16,
    pub(super) pane: Pane,
    /// The chosen rule.
    pub(super) rule: usize,
    pub(super) typing: Option<(Prompt, String)>,
    /// What the last key came to.
    pub(super) told: String,
    /// The numbers of the browsers whose entries are visible, as far as they are few.
    pub(super) browsers: BTreeSet<u32>,
}

impl Screen {
    /// A screen that shows nothing yet.
    pub(super) fn new(ladder: Ladder, rules: SharedRules, facts: Facts) -> Self {
        Screen {
            ladder,
            rules,
            facts,
            filter: String::new(),
            words: Vec::new(),
            visible: Vec::new(),
            chosen: None,
            follows: true,
            view: View::Came,
            scroll: 0,
            pane: Pane::Ladder,
            rule: 0,
            typing: None,
            told: String::new(),
            browsers: BTreeSet::new(),
        }
    }

    /// Gives back what is kept.
    pub(super) fn into_ladder(self) -> Ladder {
        self.ladder
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: Entry) {
        let fits = entry.has_words(&self.words);
        if fits && self.browsers.len() < MOST_NAMED {
            self.browsers.insert(entry.browser);
        }
        self.ladder.push(entry);
        let oldest = self.ladder.gone() + 1;
        let gone = self.visible.partition_point(|number| *number < oldest);
        self.visible.drain(..gone);
        if let Some((newest, _)) = self.ladder.numbered().next_back()
            && fits
        {
            self.visible.push(newest);
        }
        if self.follows || self.chosen.is_some_and(|chosen| chosen < oldest) {
            self.choose(if self.follows { usize::MAX } else { 0 });
        }
    }

    /// Takes over what is counted elsewhere; says whether it has changed.
    pub(super) fn set_counts(&mut self, browsers: usize, missed: u64) -> bool {
        let is_new = (self.facts.browsers, self.facts.missed) != (browsers, missed);
        (self.facts.browsers, self.facts.missed) = (browsers, missed);
        is_new
    }

    /// Text that was pasted goes where text is typed.
    pub(super) fn handle_paste(&mut self, text: &str) {
        if let Some((_, typed)) = &mut self.typing {
            typed.extend(text.chars().filter(|c| !c.is_control()).take(MOST_TYPED));
        }
    }

    /// A key.
    pub(super) fn handle_key(&mut self, key: KeyEvent) -> Wish {
        self.told.clear();
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::End;
        }
        if let Some((prompt, typed)) = self.typing.take() {
            self.type_key(prompt, typed, key);
            return Wish::GoOn;
        }
        match (key.code, self.pane) {
            (KeyCode::Char('q'), _) => return Wish::End,
            (KeyCode::Char('a'), _) => self.typing = Some((Prompt::Rule, String::new())),
            (KeyCode::Char('R'), _) => self.read_rules(),
            (KeyCode::Char('?') | KeyCode::F(1), _) => self.pane = Pane::Help,
            (KeyCode::Char('r'), Pane::Ladder | Pane::Help) => self.pane = Pane::Rules,
            (KeyCode::Esc | KeyCode::Char('r'), Pane::Rules) | (_, Pane::Help) => self.pane = Pane::Ladder,
            (code, Pane::Rules) => self.rules_key(code),
            (code, Pane::Ladder) => self.ladder_key(code),
        }
        Wish::GoOn
    }

    fn ladder_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            KeyCode::PageUp => self.step(-PAGE),
            KeyCode::PageDown => self.step(PAGE),
            KeyCode::Home => {
                self.follows = false;
                self.choose(0);
            }
            KeyCode::End => self.follow(),
            KeyCode::Char('j') | KeyCode::Right => self.scroll = self.scroll.saturating_add(3),
            KeyCode::Char('k') | KeyCode::Left => self.scroll = self.scroll.saturating_sub(3),
            KeyCode::Char('d') | KeyCode::Tab => {
                self.scroll = 0;
                self.view = match self.view {
                    View::Came => View::Previous,
                    View::Previous => View::Left,
                    View::Left => View::Came,
                };
            }
            KeyCode::Char('/') => self.typing = Some((Prompt::Filter, self.filter.clone())),
            KeyCode::Char('f') => self.filter_by_call(),
            KeyCode::Char('s') => self.typing = Some((Prompt::Save, "tap.pcap".to_owned())),
            KeyCode::Esc if !self.filter.is_empty() => self.set_filter(String::new()),
            _ => {}
        }
    }

    fn rules_key(&mut self, code: KeyCode) {
        let rules = self.rules.current();
        let last = rules.len().saturating_sub(1);
        match code {
            KeyCode::Up => self.rule = self.rule.saturating_sub(1),
            KeyCode::Down => self.rule = (self.rule + 1).min(last),
            KeyCode::Char(' ') => {
                if let Some(rule) = rules.get(self.rule) {
                    rule.switch();
                }
            }
            KeyCode::Char('x') | KeyCode::Delete => {
                let _: Result<(), RuleError> = self.rules.change(|rules| {
                    rules.remove(self.rule);
                    Ok(())
                });
                self.rule = self.rule.min(last.saturating_sub(1));
            }
            _ => {}
        }
    }

    fn type_key(&mut self, prompt: Prompt, mut typed: String, key: KeyEvent) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => return self.enter(prompt, typed),
            KeyCode::Backspace => {
                typed.pop();
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => typed.clear(),
            KeyCode::Char(c) if typed.len() < MOST_TYPED => typed.push(c),
            _ => {}
        }
        if prompt == Prompt::Filter {
            self.set_filter(typed.clone());
        }
        self.typing = Some((prompt, typed));
    }

    fn enter(&mut self, prompt: Prompt, typed: String) {
        match prompt {
            Prompt::Filter => self.set_filter(typed),
            Prompt::Rule if typed.trim().is_empty() => {}
            Prompt::Rule => {
                let added = Rule::parse(&typed, Origin::Typed)
                    .and_then(|rule| self.rules.change(|rules| rules.push(rule)));
                match added {
                    Ok(()) => self.told = format!("rule {} holds from here on", self.rules.current().len()),
                    Err(error) => {
                        // What is wrong is told while it can be mended.
                        self.told = error.to_string();
                        self.typing = Some((Prompt::Rule, typed));
                    }
                }
            }
            Prompt::Save => {
                let path = Path::new(typed.trim());
                self.told = match save::write(path, self.ladder.entries()) {
                    Ok(()) => format!(
                        "{} messages and events are in {}",
                        self.ladder.numbered().len(),
                        path.display()
                    ),
                    Err(error) => error.to_string(),
                };
            }
        }
    }

    fn read_rules(&mut self) {
        let Some(path) = &self.facts.rules_file else {
            self.told = "there is no file of rules; start the tap with --rules FILE".to_owned();
            return;
        };
        self.told = match Rules::read(path) {
            Ok(file) => {
                let count = file.len();
                let _: Result<(), RuleError> = self.rules.change(|rules| {
                    rules.replace_file(file);
                    Ok(())
                });
                format!("{count} rules were read from {}", path.display())
            }
            Err(error) => error.to_string(),
        };
    }

    fn filter_by_call(&mut self) {
        let call = self.chosen.and_then(|chosen| self.ladder.get(chosen)).and_then(Entry::seen);
        match call.map(|seen| seen.summary.call_id.clone()).filter(|call_id| !call_id.is_empty()) {
            Some(call_id) if self.filter != call_id => self.set_filter(call_id),
            Some(_) => self.set_filter(String::new()),
            None => self.told = "choose a message, and f shows its call alone".to_owned(),
        }
    }

    fn set_filter(&mut self, filter: String) {
        self.words = filter.split_whitespace().map(str::to_lowercase).collect();
        self.filter = filter;
        let fitting = self.ladder.numbered().filter(|(_, entry)| entry.has_words(&self.words));
        self.visible = fitting.map(|(number, _)| number).collect();
        let visible = self.visible.iter().filter_map(|number| self.ladder.get(*number));
        self.browsers = visible.map(|entry| entry.browser).take(MOST_NAMED).collect();
        // The chosen entry stays when it can.
        let at = self.visible.partition_point(|number| Some(*number) < self.chosen);
        self.choose(if self.follows { usize::MAX } else { at });
    }

    fn follow(&mut self) {
        self.follows = true;
        self.choose(usize::MAX);
    }

    fn step(&mut self, by: isize) {
        let at = self.visible.partition_point(|number| Some(*number) < self.chosen);
        let to = at.saturating_add_signed(by);
        self.follows = by > 0 && to + 1 >= self.visible.len();
        self.choose(to);
    }

    /// Chooses the entry at a place of the visible ones, or the last.
    fn choose(&mut self, at: usize) {
        let at = at.min(self.visible.len().saturating_sub(1));
        let chosen = self.visible.get(at).copied();
        if chosen != self.chosen {
            (self.chosen, self.scroll) = (chosen, 0);
        }
    }
}

//! Rules: what a tap alters of the traffic that passes it.
//!
//! A rule is one line that reads as a sentence ([`parse`]). All rules are tried on each message in their order
//! ([`apply`]): what alters a header or the SDP adds up, and the first that drops or answers ends it. They look at a
//! message as it came, before the tap as a Via hop does its own part.

mod apply;
mod parse;
mod which;

pub(super) use apply::Fate;
pub use parse::RuleError;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use which::Which;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The line as it was written.
    text: String,
    origin: Origin,
    which: Which,
    action: Action,
    /// How often it is carried out at most.
    most: Option<u32>,
    carried_out: AtomicU32,
    is_off: AtomicBool,
}

/// Where a rule was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the file, on this line.
    File(usize),
    /// On the command line.
    Option,
    /// On the screen.
    Typed,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Drop,
    Delay(Duration),
    Duplicate,
    Answer { status: u16, phrase: Option<String> },
    Set { header: String, value: String },
    Remove { header: String },
    Replace { old: String, new: String },
}

impl Rule {
    /// Reads a line.
    pub fn parse(text: &str, origin: Origin) -> Result<Rule, RuleError> {
        parse::rule(text, origin)
    }

    /// The line as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How often it was carried out.
    pub fn carried_out(&self) -> u32 {
        self.carried_out.load(Ordering::Relaxed)
    }

    /// Whether it is switched off.
    pub fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    /// Switches it on or off.
    pub fn switch(&self) {
        self.is_off.fetch_xor(true, Ordering::Relaxed);
    }

    /// Counts one time more, unless it is off or was carried out as often as it may.
    fn take_turn(&self) -> bool {
        if self.is_off() {
            return false;
        }
        let most = self.most.unwrap_or(u32::MAX);
        let turn = |count| (count < most).then_some(count + 1);
        self.carried_out.fetch_update(Ordering::Relaxed, Ordering::Relaxed, turn).is_ok()
            || self.most.is_none()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Every rule in its order.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Arc<Rule>>);

impl Rules {
    /// The most rules that there may be: each is tried on each message.
    pub const MOST: usize = 1000;

    /// Reads a text of lines; empty lines and those that begin with `#` are no rules.
    pub fn parse(text: &str) -> Result<Rules, RuleError> {
        let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let rules = lines.map(|(number, line)| Rule::parse(line, Origin::File(number)).map(Arc::new));
        let rules = rules.take(Rules::MOST + 1).collect::<Result<Vec<_>, _>>()?;
        if rules.len() > Rules::MOST {
            return Err(RuleError::too_many());
        }
        Ok(Rules(rules))
    }

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Rules, RulesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| RulesError::Unreadable(path.display().to_string(), error))?;
        Rules::parse(&text).map_err(|error| RulesError::Rule(path.display().to_string(), error))
    }

    /// Every rule.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Rule>> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule at a place.
    pub fn get(&self, at: usize) -> Option<&Arc<Rule>> {
        self.0.get(at)
    }

    /// Adds a rule as the last one.
    pub fn push(&mut self, rule: Rule) -> Result<(), RuleError> {
        if self.0.len() >= Rules::MOST {
            return Err(RuleError::too_many());
        }
        self.0.push(Arc::new(rule));
        Ok(())
    }

    /// Removes the rule at a place.
    pub fn remove(&mut self, at: usize) {
        if at < self.0.len() {
            self.0.remove(at);
        }
    }

    /// Puts the rules of a file, read anew, before those that do not come from it.
    pub fn replace_file(&mut self, file: Rules) {
        let others = self.0.drain(..).filter(|rule| !matches!(rule.origin, Origin::File(_)));
        let rules = file.0.into_iter().chain(others).take(Rules::MOST);
        self.0 = rules.collect();
    }
}

/// Why a file of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("the rules `{0}` cannot be read: {1}; give a file of rules with --rules")]
    Unreadable(String, std::io::Error),
    /// A line is no rule.
    #[error("`{0}`, {1}")]
    Rule(String, RuleError),
}

/// The rules as every connection sees them; a clone is the same rules.
#[derive(Debug, Clone, Default)]
pub struct SharedRules(Arc<RwLock<Arc<Rules>>>);

impl SharedRules {
    /// Shares rules.
    pub fn new(rules: Rules) -> Self {
        SharedRules(Arc::new(RwLock::new(Arc::new(rules))))
    }

    /// The rules as they are.
    pub fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes them for every message from here on.
    pub fn change<E>(&self, change: impl FnOnce(&mut Rules) -> Result<(), E>) -> Result<(), E> {
        let mut rules = Rules::clone(&self.current());
        change(&mut rules)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        Ok(())
    }
}

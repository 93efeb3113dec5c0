//! One story.

use crate::diagnosis::{Rule, rules};
use pilothouse_core::code;

/// What there is to know about a code beyond its meaning in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// The code.
    pub code: &'static str,
    /// How it shows, and what exactly it means.
    pub shows: &'static str,
    /// What usually causes it.
    pub usually: &'static str,
    /// What to do, each a command or an edit.
    pub todo: &'static [&'static str],
}

impl Story {
    /// What the code means, in one line.
    pub fn meaning(&self) -> &'static str {
        code::ALL.iter().find(|(code, _)| *code == self.code).map_or("", |(_, meaning)| meaning)
    }

    /// When a cause with this code is certain and ends a wait, and when it is given its time. Empty for codes that are found before
    /// anything is changed only.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let code = self.code;
        rules().iter().filter(move |rule| rule.code == code)
    }
}

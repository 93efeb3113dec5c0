//! The longer story of each code, for `pilothouse explain`.

mod before;
mod cluster;
mod helm;
mod pods;

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

/// All stories, in no particular order.
fn all() -> impl Iterator<Item = &'static Story> {
    [pods::STORIES, cluster::STORIES, helm::STORIES, before::STORIES].into_iter().flatten()
}

/// The story of a code; letter case does not matter, and `-` may stand for `_`.
pub fn explain(code: &str) -> Option<&'static Story> {
    let code = code.trim().to_ascii_uppercase().replace('-', "_");
    all().find(|story| story.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_code_has_one_story() {
        let mut told: Vec<&str> = all().map(|story| story.code).collect();
        told.sort_unstable();
        let mut codes: Vec<&str> = code::ALL.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        assert_eq!(told, codes);
    }

    #[test]
    fn every_story_says_something() {
        let complete = |story: &&Story| {
            let sentences = [story.shows, story.usually].iter().all(|text| text.ends_with('.') && text.len() > 20);
            sentences && !story.todo.is_empty() && !story.meaning().is_empty()
        };
        let incomplete: Vec<&str> = all().filter(|story| !complete(story)).map(|story| story.code).collect();
        assert_eq!(incomplete, Vec::<&str>::new());
    }

    #[rstest]
    #[case("IMAGE_NOT_FOUND", true)]
    #[case("image-not-found", true)]
    #[case("IMAGE", false)]
    #[case("", false)]
    fn codes_as_people_write_them(#[case] code: &str, #[case] known: bool) {
        assert_eq!(explain(code).is_some(), known);
    }
}

//! All stories, by code.

use super::story::Story;
use super::{before, cluster, helm, pods};

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
    use pilothouse_core::code;
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

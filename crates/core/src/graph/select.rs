//! Which releases of a stack a command is about.

use super::release_graph::ReleaseGraph;
use crate::ids::ReleaseKey;
use crate::release::ChartInfo;
use crate::text::nearest;
use glob::{MatchOptions, Pattern};
use std::collections::BTreeMap;
use std::fmt;

/// What to choose. With nothing said, everything is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The release fits one of these; empty means that any does.
    pub only: Vec<ReleasePattern>,
    /// And its labels fit all of these.
    pub labels: Vec<LabelTerm>,
    /// And all that those need, directly or through others.
    pub with_needs: bool,
    /// And all that need those, directly or through others.
    pub with_dependants: bool,
}

impl Selection {
    /// Which releases are chosen: one entry per release of the graph. `infos` are the same releases in the same order.
    ///
    /// # Errors
    /// When one of the patterns fits no release, or no release is chosen at all: a slip of the pen must not look like
    /// work well done.
    pub fn apply(&self, graph: &ReleaseGraph, infos: &[&ChartInfo]) -> Result<Vec<bool>, SelectionError> {
        if let Some(pattern) = self.only.iter().find(|pattern| !infos.iter().any(|info| pattern.fits(&info.key()))) {
            return Err(SelectionError::no_release(pattern, infos));
        }
        let fits = |info: &&ChartInfo| {
            (self.only.is_empty() || self.only.iter().any(|pattern| pattern.fits(&info.key())))
                && self.labels.iter().all(|term| term.fits(&info.labels))
        };
        let mut chosen: Vec<bool> = infos.iter().map(fits).collect();
        if !self.labels.is_empty() && !chosen.contains(&true) {
            let terms: Vec<String> = self.labels.iter().map(ToString::to_string).collect();
            return Err(SelectionError::NoLabels { terms: terms.join(","), among_only: !self.only.is_empty() });
        }
        // Each is about what was chosen by name and label: what else hangs on a need does not come along.
        let named = chosen.clone();
        for (wanted, more) in
            [(self.with_needs, graph.with_needs(&named)), (self.with_dependants, graph.with_dependants(&named))]
        {
            if wanted {
                chosen.iter_mut().zip(more).for_each(|(chosen, more)| *chosen |= more);
            }
        }
        Ok(chosen)
    }
}

/// A name with the wildcards `*`, `?` and `[...]`: without a `/` for the release's name, with one for `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePattern(Pattern);

impl ReleasePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let wrong = |why: &str| SelectionError::Pattern { pattern: text.to_owned(), why: why.to_owned() };
        if text.is_empty() || text.matches('/').count() > 1 {
            return Err(wrong("it must be a name or namespace/name"));
        }
        Pattern::new(text).map(Self).map_err(|error| wrong(error.msg))
    }

    fn has_namespace(&self) -> bool {
        self.0.as_str().contains('/')
    }

    fn fits(&self, key: &ReleaseKey) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        if self.has_namespace() {
            self.0.matches_with(&key.to_string(), options)
        } else {
            self.0.matches_with(&key.name, options)
        }
    }
}

/// One condition on labels, as in kubectl's `-l`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelTerm {
    /// `key=value` or `key==value`: it has the label with this value.
    Is(String, String),
    /// `key!=value`: it has not, or has no such label at all.
    IsNot(String, String),
    /// `key`: it has the label.
    Has(String),
    /// `!key`: it has not.
    HasNot(String),
}

impl LabelTerm {
    /// Reads conditions separated by commas, by kubectl's rules for equality: `team=x,tier!=db,canary,!old`.
    ///
    /// # Errors
    /// When one of them is not a condition. Sets (`tier in (a, b)`) are not understood.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, SelectionError> {
        text.split(',').map(|term| Self::parse(term.trim(), text)).collect()
    }

    fn parse(term: &str, selector: &str) -> Result<Self, SelectionError> {
        let wrong = |why: &'static str| SelectionError::Selector { selector: selector.to_owned(), why };
        let part = |text: &str| {
            let text = text.trim();
            if text.contains(['(', ')']) || text.contains(char::is_whitespace) {
                return Err(wrong("sets are not understood, only key=value, key!=value, key and !key"));
            }
            if text.contains(['=', '!']) {
                return Err(wrong("a condition is key=value, key!=value, key or !key"));
            }
            Ok(text.to_owned())
        };
        let key =
            |text: &str| part(text).and_then(|key| if key.is_empty() { Err(wrong("a key is empty")) } else { Ok(key) });
        if let Some((name, value)) = term.split_once("!=") {
            Ok(Self::IsNot(key(name)?, part(value)?))
        } else if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            Ok(Self::Is(key(name)?, part(value)?))
        } else if let Some(name) = term.strip_prefix('!') {
            Ok(Self::HasNot(key(name)?))
        } else {
            Ok(Self::Has(key(term)?))
        }
    }

    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Is(key, value) => labels.get(key) == Some(value),
            Self::IsNot(key, value) => labels.get(key) != Some(value),
            Self::Has(key) => labels.contains_key(key),
            Self::HasNot(key) => !labels.contains_key(key),
        }
    }
}

impl fmt::Display for LabelTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(key, value) => write!(f, "{key}={value}"),
            Self::IsNot(key, value) => write!(f, "{key}!={value}"),
            Self::Has(key) => f.write_str(key),
            Self::HasNot(key) => write!(f, "!{key}"),
        }
    }
}

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A pattern that is none.
    #[error("`{pattern}` is not a pattern for releases: {why}")]
    Pattern {
        /// What was written.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A selector that is none.
    #[error("`{selector}` is not a selector for labels: {why}")]
    Selector {
        /// What was written.
        selector: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No release is called so.
    #[error("no release of the stack fits `{pattern}`")]
    NoRelease {
        /// What was asked for.
        pattern: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// No release has these labels.
    #[error("no release{} has labels that fit `{terms}`", if *among_only { " of those named" } else { " of the stack" })]
    NoLabels {
        /// What was asked for.
        terms: String,
        /// Whether only releases that were named too were looked at.
        among_only: bool,
    },
}

impl SelectionError {
    fn no_release(pattern: &ReleasePattern, infos: &[&ChartInfo]) -> Self {
        let names: Vec<String> = if pattern.has_namespace() {
            infos.iter().map(|info| info.key().to_string()).collect()
        } else {
            infos.iter().map(|info| info.name.clone()).collect()
        };
        let nearest = nearest(names.iter().map(String::as_str), pattern.0.as_str()).map(str::to_owned);
        Self::NoRelease { pattern: pattern.0.as_str().to_owned(), nearest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphNode;
    use crate::release::{Namespace, Need};
    use rstest::rstest;

    /// db <- api <- web, cache; in the namespaces data, data, shop, shop.
    fn stack() -> Vec<ChartInfo> {
        let info = |namespace: &str, name: &str, labels: &[(&str, &str)], needs: &[&str]| ChartInfo {
            name: name.to_owned(),
            namespace: Namespace::from(namespace),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            needs: needs.iter().map(|need| Need::from(*need)).collect(),
            ..ChartInfo::default()
        };
        vec![
            info("shop", "web", &[("team", "front"), ("tier", "web")], &["api"]),
            info("data", "api", &[("team", "back"), ("canary", "")], &["db"]),
            info("data", "db", &[("team", "back"), ("tier", "db")], &[]),
            info("shop", "cache", &[], &[]),
        ]
    }

    fn selection(only: &[&str], labels: &[&str]) -> Result<Selection, SelectionError> {
        let only = only.iter().map(|pattern| ReleasePattern::parse(pattern)).collect::<Result<_, _>>()?;
        let labels: Vec<Vec<LabelTerm>> =
            labels.iter().map(|text| LabelTerm::parse_all(text)).collect::<Result<_, _>>()?;
        Ok(Selection { only, labels: labels.concat(), ..Selection::default() })
    }

    fn chosen(selection: &Selection) -> Result<Vec<String>, SelectionError> {
        let stack = stack();
        let infos: Vec<&ChartInfo> = stack.iter().collect();
        let graph = ReleaseGraph::new(infos.iter().map(|info| GraphNode::from(*info))).unwrap();
        let chosen = selection.apply(&graph, &infos)?;
        Ok(infos.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(info, _)| info.name.clone()).collect())
    }

    #[rstest]
    #[case::everything(&[], &[], &["web", "api", "db", "cache"])]
    #[case::name(&["db"], &[], &["db"])]
    #[case::namespace_and_name(&["data/db"], &[], &["db"])]
    #[case::glob(&["*a*"], &[], &["api", "cache"])]
    #[case::glob_of_a_namespace(&["shop/*"], &[], &["web", "cache"])]
    #[case::glob_of_namespaces(&["*/api"], &[], &["api"])]
    #[case::one_character(&["d?"], &[], &["db"])]
    #[case::several_are_or(&["db", "web"], &[], &["web", "db"])]
    #[case::label(&[], &["team=back"], &["api", "db"])]
    #[case::label_with_two_signs(&[], &["team==back"], &["api", "db"])]
    #[case::not_fits_what_has_no_such_label(&[], &["tier!=db"], &["web", "api", "cache"])]
    #[case::has(&[], &["tier"], &["web", "db"])]
    #[case::has_an_empty_one(&[], &["canary"], &["api"])]
    #[case::is_empty(&[], &["canary="], &["api"])]
    #[case::has_not(&[], &["!team"], &["cache"])]
    #[case::comma_is_and(&[], &["team=back , !tier"], &["api"])]
    #[case::repeated_is_and(&[], &["team=back", "tier"], &["db"])]
    #[case::names_and_labels_are_and(&["data/*", "web"], &["tier"], &["web", "db"])]
    fn by_name_and_label(#[case] only: &[&str], #[case] labels: &[&str], #[case] expected: &[&str]) {
        assert_eq!(chosen(&selection(only, labels).unwrap()).unwrap(), expected);
    }

    #[rstest]
    #[case(true, false, &["api", "db"])]
    #[case(false, true, &["web", "api"])]
    #[case(true, true, &["web", "api", "db"])]
    fn along_the_graph(#[case] with_needs: bool, #[case] with_dependants: bool, #[case] expected: &[&str]) {
        let api = Selection { with_needs, with_dependants, ..selection(&["api"], &[]).unwrap() };
        assert_eq!(chosen(&api).unwrap(), expected);
    }

    #[rstest]
    #[case::no_release(&["db", "cahce"], &[], "no release of the stack fits `cahce`", Some("cache"))]
    #[case::no_release_in_the_namespace(&["data/web"], &[], "no release of the stack fits `data/web`", Some("data/db"))]
    #[case::nothing_like_it(&["zzz*"], &[], "no release of the stack fits `zzz*`", None)]
    #[case::no_labels(&[], &["team=x", "!old"], "no release of the stack has labels that fit `team=x,!old`", None)]
    #[case::no_labels_of_those_named(&["cache"], &["team"], "no release of those named has labels that fit `team`", None)]
    #[case::bad_pattern(&["a[b"], &[], "`a[b` is not a pattern for releases: invalid range pattern", None)]
    #[case::empty_pattern(&[""], &[], "`` is not a pattern for releases: it must be a name or namespace/name", None)]
    #[case::three_parts(&["a/b/c"], &[], "`a/b/c` is not a pattern for releases: it must be a name or namespace/name", None)]
    #[case::set(
        &[],
        &["tier in (a)"],
        "`tier in (a)` is not a selector for labels: sets are not understood, only key=value, key!=value, key and !key",
        None
    )]
    #[case::empty_selector(&[], &[""], "`` is not a selector for labels: a key is empty", None)]
    #[case::no_key(&[], &["=a"], "`=a` is not a selector for labels: a key is empty", None)]
    #[case::two_values(
        &[],
        &["a=b=c"],
        "`a=b=c` is not a selector for labels: a condition is key=value, key!=value, key or !key",
        None
    )]
    fn mistakes(#[case] only: &[&str], #[case] labels: &[&str], #[case] expected: &str, #[case] meant: Option<&str>) {
        let error = selection(only, labels).and_then(|selection| chosen(&selection)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let nearest = if let SelectionError::NoRelease { nearest, .. } = &error { nearest.as_deref() } else { None };
        assert_eq!(nearest, meant);
    }
}

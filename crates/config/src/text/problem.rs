//! What is wrong with a stack file, and where.

use super::credentials::{credentials, credentials_of_lines};
use super::tree::parse;
use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use pilothouse_core::{Redactor, is_telling};
use pilothouse_yaml::Span;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt;

/// A second place that belongs to a problem (the first of two duplicates).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub span: Span,
    /// What is to be seen there.
    pub label: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not mean what was meant.
    Warning,
}

/// One thing that is wrong with a stack file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the file from being used.
    pub level: Level,
    /// A stable code for people and machines, such as `UNKNOWN_KEY`.
    pub code: &'static str,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What is to be seen there.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Place>,
    /// The line of `span`, from 1.
    pub line: usize,
    /// The column of `span` in characters, from 1.
    pub column: usize,
}

impl Problem {
    /// An error at a place, for [`crate::SourceMap::problems`]; lines and columns are told there.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            code,
            message: message.into(),
            span,
            label: "here".to_owned(),
            help: None,
            related: Vec::new(),
            line: 1,
            column: 1,
        }
    }

    pub(crate) fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, span, message) }
    }

    /// Says what is to be seen at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds another place that belongs to it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Place { span, label: label.into(), line: 1, column: 1 });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.level {
            Level::Error => Severity::Error,
            Level::Warning => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = LabeledSpan::new_primary_with_span(Some(self.label.clone()), (self.span.offset, self.span.len));
        let others = self
            .related
            .iter()
            .map(|place| LabeledSpan::new_with_span(Some(place.label.clone()), (place.span.offset, place.span.len)));
        Some(Box::new(std::iter::once(primary).chain(others)))
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct At<'a> {
            line: usize,
            column: usize,
            label: &'a str,
        }
        let related: Vec<At<'_>> =
            self.related.iter().map(|p| At { line: p.line, column: p.column, label: &p.label }).collect();
        let mut out = serializer.serialize_struct("Problem", 8)?;
        out.serialize_field("level", &self.level)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("column", &self.column)?;
        out.serialize_field("label", &self.label)?;
        out.serialize_field("help", &self.help)?;
        out.serialize_field("related", &related)?;
        out.end()
    }
}

/// From here on a line is too long to be shown, in bytes.
const LONG: usize = 4000;

/// The problems of one stack file, in the order of the file. As a [`Diagnostic`] it carries the text and has every
/// problem as a related diagnostic, so that a report handler shows all of them with their lines. As JSON it is
/// `{"file": …, "problems": [{"level", "code", "message", "line", "column", "label", "help", "related"}]}`.
#[derive(Debug)]
pub struct Problems {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems and tells their lines. `masked` are parts of the text that must not be shown, besides those that look like
    /// credentials.
    pub(crate) fn new(name: &str, text: &str, mut problems: Vec<Problem>, masked: &[Span]) -> Self {
        let lines = Lines::new(text);
        for problem in &mut problems {
            problem.span = problem.span.clamp(text);
            (problem.line, problem.column) = lines.position(problem.span.offset);
            for place in &mut problem.related {
                place.span = place.span.clamp(text);
                (place.line, place.column) = lines.position(place.span.offset);
            }
        }
        problems.sort_by_key(|problem| (problem.span.offset, problem.span.len));
        problems.dedup();
        let shown = if problems.is_empty() { text.to_owned() } else { hide(text, masked, &mut problems) };
        Self { source: NamedSource::new(name, shown).with_language("yaml"), problems }
    }

    /// The problems, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The name of the file, as it was given to [`crate::load`].
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Whether the text has a line that is too long to be shown beside what is wrong with it.
    pub fn has_long_lines(&self) -> bool {
        self.source.inner().lines().any(|line| line.len() > LONG)
    }

    /// Whether any of them stops the file from being used.
    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "1 problem in {}", self.source.name()),
            count => write!(f, "{count} problems in {}", self.source.name()),
        }
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn severity(&self) -> Option<Severity> {
        Some(if self.has_errors() { Severity::Error } else { Severity::Warning })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problems", 2)?;
        out.serialize_field("file", self.source.name())?;
        out.serialize_field("problems", &self.problems)?;
        out.end()
    }
}

/// Tells lines and columns without reading the whole text for each.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The line and the column (in characters) of a byte offset, both from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// The text as it may be shown around these problems, whose own words lose what is hidden in it.
fn hide(text: &str, masked: &[Span], problems: &mut [Problem]) -> String {
    let (found, is_yaml) = match parse(text) {
        Ok(parsed) => (credentials(text, &parsed.documents), true),
        Err(wrong) => (credentials_of_lines(text, wrong.span), false),
    };
    let hidden: Vec<Span> = masked.iter().copied().chain(found).map(|span| span.clamp(text)).collect();
    let values = hidden.iter().map(|span| text[span.offset..span.offset + span.len].trim().trim_matches(['"', '\'']));
    // A word would be hidden wherever a problem says it. Nothing that is called by a name is told of a text that is no YAML.
    let redactor = Redactor::new(values.filter(|value| if is_yaml { is_telling(value) } else { value.len() >= 4 }));
    let clean = |said: &mut String| *said = redactor.clean(said).into_string();
    for problem in problems {
        clean(&mut problem.message);
        clean(&mut problem.label);
        problem.help.iter_mut().for_each(clean);
        problem.related.iter_mut().for_each(|place| clean(&mut place.label));
    }
    mask(text, hidden)
}

/// The text with stars in place of what must not be shown; of the same length in bytes, so that spans stay right.
fn mask(text: &str, mut masked: Vec<Span>) -> String {
    masked.sort_by_key(|span| span.offset);
    let mut out = String::with_capacity(text.len());
    let (mut next, mut hidden_to) = (masked.into_iter().peekable(), 0);
    for (at, c) in text.char_indices() {
        while let Some(span) = next.next_if(|span| span.offset <= at) {
            hidden_to = hidden_to.max(span.offset + span.len);
        }
        if at < hidden_to && !c.is_whitespace() {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let lines = Lines::new("a\nüb");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(1), (1, 2));
        assert_eq!(lines.position(4), (2, 2));
        assert_eq!(lines.position(5), (2, 3));
        assert_eq!(Lines::new("").position(0), (1, 1));
    }

    #[test]
    fn a_masked_text_keeps_its_length() {
        let text = "a: gehéim\nb: x";
        let masked = mask(text, vec![Span { offset: 3, len: 7 }]);
        assert_eq!(masked, "a: *******\nb: x");
        assert_eq!(masked.len(), text.len());
    }
}

//! What the list of keys is made of.

/// A mapping of the file.
pub(crate) struct Table {
    /// Its name in messages, in the schema (`$defs`) and in the reference.
    pub(crate) name: &'static str,
    /// What it is, in one sentence.
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
    /// Exactly one of these keys is given; empty when there is no such rule.
    pub(crate) exactly_one: &'static [&'static str],
}

/// A key of a mapping.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    pub(crate) doc: &'static str,
    /// A value, in YAML's flow form.
    pub(crate) example: &'static str,
    /// Other keys that an example needs beside it, in YAML's flow form.
    pub(crate) beside: &'static str,
}

/// Whether a key must be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// It need not; the text is what holds then, for the reference.
    Default(&'static str),
}

/// What a key takes.
pub(crate) enum Kind {
    /// The format version: the number 1.
    FormatVersion,
    /// Text.
    Text,
    /// Text, or a number or boolean taken as the text it was written as.
    Words,
    /// `true` or `false`.
    Flag,
    /// `true`, `false`, or a CEL expression that gives one of them.
    Condition,
    /// Whole seconds, 1 to a week.
    Seconds,
    /// A whole number from 0.
    Count,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or a mapping of one of these tables: the first one when that has a key of it.
    ChoiceOr(&'static [&'static str], &'static [&'static Table]),
    /// A whole number from 1 to 10.
    Retries,
    /// A list of texts.
    Texts,
    /// A list of texts, or of mappings that say more.
    TextsOr(&'static Table),
    /// A list of texts, at least one, of which some may be empty: a program and its arguments.
    Arguments,
    /// A list of `kind/name`.
    Objects,
    /// A list of those and of the words for what is no object.
    Consents,
    /// A mapping from text to text.
    TextMap,
    /// Anything.
    Anything,
    /// A YAML mapping, or text that holds YAML.
    Document,
    /// A list of those.
    Documents,
    /// Another mapping.
    Mapping(&'static Table),
    /// A list of mappings.
    List(&'static Table),
    /// An object as `kind/name`.
    Object,
    /// A CEL expression.
    Expression,
    /// An HTTP status, `2xx`, or a list of them.
    Statuses,
    /// A list of steps that only look.
    ReadOnlySteps,
    /// Those of them that may be run before anything is changed.
    PrerequisiteSteps,
    /// A list of steps.
    Steps,
}

/// The most seconds a timeout may have: a week. More is a mistake, and could not be added to a clock safely.
pub(crate) const MAX_SECONDS: u64 = 7 * 24 * 60 * 60;

pub(crate) const fn key(
    name: &'static str,
    kind: Kind,
    need: Need,
    example: &'static str,
    beside: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, need, doc, example, beside }
}

impl Table {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

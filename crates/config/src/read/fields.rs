//! Reading one mapping of the file: each helper reports what is wrong at its place and gives what can be used.

use super::suggest::special_help;
use crate::keys::{Key, MAX_SECONDS, Need, Table};
use crate::text::{Content, Entry, Node, Problem, Scalar};
use pilothouse_core::{ConsentTo, InvalidName, ObjectRef, ReleaseKey, nearest};
use pilothouse_yaml::Meaning;
use pilothouse_yaml::Span;
use std::collections::BTreeMap;

/// Collects what is wrong.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) problems: Vec<Problem>,
    /// Parts of the text that must not be shown.
    pub(crate) masked: Vec<Span>,
    /// Variables that are not set, of which something is left out in the release that is being read.
    pub(crate) unset: Vec<String>,
    /// The same of the releases that were read.
    pub(crate) left_out: Vec<(ReleaseKey, String)>,
}

impl Sink {
    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

/// The keys of a mapping that is described by a table.
pub(crate) struct Fields<'t> {
    pub(crate) span: Span,
    table: &'static Table,
    /// What it is for messages, such as `release \`web\``.
    what: String,
    entries: &'t [Entry],
}

impl<'t> Fields<'t> {
    /// Opens a mapping; reports unknown and missing keys. `None` when it is no mapping.
    pub(crate) fn open(node: &'t Node, table: &'static Table, what: String, out: &mut Sink) -> Option<Self> {
        let Content::Mapping(entries) = &node.content else {
            wrong_type(node, &what, "a mapping", None, out);
            return None;
        };
        let fields = Self { span: node.span, table, what, entries };
        let meant = fields.report_unknown(out);
        for key in table.keys.iter().filter(|key| key.need == Need::Required) {
            if fields.entry(key.name).is_none() && !meant.contains(&key.name) {
                out.push(
                    Problem::error("MISSING_KEY", fields.head(), format!("{} has no `{}`", fields.what, key.name))
                        .label(format!("`{}` is missing", key.name))
                        .help(format!("for example `{}: {}`", key.name, key.example)),
                );
            }
        }
        fields.report_exactly_one(&meant, out);
        Some(fields)
    }

    /// Gives the keys that were meant, as far as it can tell: they are not missing too.
    fn report_unknown(&self, out: &mut Sink) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for entry in self.entries.iter().filter(|entry| !self.table.has(&entry.key)) {
            let help = match special_help(self.table, &entry.key) {
                Some(help) => help.to_owned(),
                None => match nearest(self.table.keys.iter().map(|key| key.name), &entry.key) {
                    Some(known) => {
                        meant.push(known);
                        format!("did you mean `{known}`?")
                    }
                    None => format!("the keys are {}", list(self.table.keys.iter().map(|key| key.name), "and")),
                },
            };
            out.push(
                Problem::error("UNKNOWN_KEY", entry.key_span, format!("{} has no key `{}`", self.what, entry.key))
                    .label("unknown key")
                    .help(help),
            );
        }
        meant
    }

    fn report_exactly_one(&self, meant: &[&'static str], out: &mut Sink) {
        let mut given = self.entries.iter().filter(|entry| self.table.exactly_one.contains(&entry.key.as_str()));
        match (given.next(), given.next()) {
            (None, _)
                if !self.table.exactly_one.is_empty()
                    && !self.table.exactly_one.iter().any(|key| meant.contains(key)) =>
            {
                out.push(
                    Problem::error(
                        "MISSING_KEY",
                        self.head(),
                        format!("{} needs one of {}", self.what, list(self.table.exactly_one.iter().copied(), "or")),
                    )
                    .label("none of them is given"),
                );
            }
            (Some(first), Some(second)) => out.push(
                Problem::error(
                    "CONFLICTING_KEYS",
                    second.key_span,
                    format!("{} has both `{}` and `{}`", self.what, first.key, second.key),
                )
                .label("this one too")
                .also(first.key_span, "one of them")
                .help(format!("give one of {}", list(self.table.exactly_one.iter().copied(), "or"))),
            ),
            _ => {}
        }
    }

    /// The first line of the mapping, or its name: a place to say what is missing from it.
    fn head(&self) -> Span {
        self.entries.first().map_or(self.span, |entry| entry.key_span)
    }

    fn entry(&self, name: &str) -> Option<&'t Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        self.table.keys.iter().find(|key| key.name == name)
    }

    /// The place of a key.
    pub(crate) fn key_span(&self, name: &str) -> Option<Span> {
        self.entry(name).map(|entry| entry.key_span)
    }

    /// The value of a key that is given, whatever it is.
    pub(crate) fn node(&self, name: &str) -> Option<&'t Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// What a value is, for messages.
    fn title(&self, name: &str) -> String {
        format!("`{name}` of {}", self.what)
    }

    /// Reports that a value is not what its key takes, and shows an example of what is.
    pub(crate) fn wrong_type(&self, name: &str, expected: &str, help: Option<String>, out: &mut Sink) {
        if let Some(node) = self.node(name) {
            let example = self.key(name).map(|key| format!("for example `{name}: {}`", key.example));
            wrong_type(node, &self.title(name), expected, help.or(example), out);
        }
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, name: &str, out: &mut Sink) -> Option<&'t str> {
        let node = self.node(name)?;
        match node.scalar() {
            Some(scalar) if *scalar.meaning() == Meaning::Text => {
                if scalar.text().trim().is_empty() {
                    out.push(
                        Problem::error("EMPTY", node.span, format!("{} is empty", self.title(name)))
                            .label("empty text"),
                    );
                    return None;
                }
                Some(scalar.text())
            }
            Some(scalar) if !scalar.is_null() => {
                let help = format!("write it in quotes: `{name}: \"{}\"`", scalar.text());
                self.wrong_type(name, "text", Some(help), out);
                None
            }
            _ => {
                self.wrong_type(name, "text", None, out);
                None
            }
        }
    }

    /// Text, or a number or boolean as the text it was written as.
    pub(crate) fn words(&self, name: &str, out: &mut Sink) -> Option<&'t str> {
        match self.node(name)?.scalar() {
            Some(scalar) if !scalar.is_null() && !scalar.text().trim().is_empty() => Some(scalar.text()),
            _ => {
                self.wrong_type(name, "text", None, out);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str, out: &mut Sink) -> Option<bool> {
        if let Some(Meaning::Bool(value)) = self.node(name)?.meaning() {
            return Some(*value);
        }
        self.wrong_type(name, "true or false", Some("write `true` or `false`, without quotes".to_owned()), out);
        None
    }

    /// Whole seconds from 1 to a week.
    pub(crate) fn seconds(&self, name: &str, out: &mut Sink) -> Option<u64> {
        let node = self.node(name)?;
        let Some(Meaning::Integer(number)) = node.meaning() else {
            let written = node.scalar().map_or("", Scalar::text);
            let help = seconds_of(written).map(|seconds| format!("{written} is `{name}: {seconds}`"));
            self.wrong_type(name, "a whole number of seconds", help, out);
            return None;
        };
        match number.as_u64() {
            Some(seconds) if (1..=MAX_SECONDS).contains(&seconds) => Some(seconds),
            _ => {
                out.push(
                    Problem::error(
                        "OUT_OF_RANGE",
                        node.span,
                        format!("{} must be 1 to {MAX_SECONDS} seconds", self.title(name)),
                    )
                    .label("not in this range"),
                );
                None
            }
        }
    }

    /// A whole number from 0.
    pub(crate) fn count(&self, name: &str, out: &mut Sink) -> Option<u32> {
        let node = self.node(name)?;
        let Some(Meaning::Integer(number)) = node.meaning() else {
            self.wrong_type(name, "a whole number", None, out);
            return None;
        };
        let count = number.as_u64().and_then(|number| u32::try_from(number).ok());
        if count.is_none() {
            out.push(
                Problem::error("OUT_OF_RANGE", node.span, format!("{} must be 0 to {}", self.title(name), u32::MAX))
                    .label("not in this range"),
            );
        }
        count
    }

    /// One of the words of the key, each with what it stands for.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&'static str, T)], out: &mut Sink) -> Option<T> {
        let node = self.node(name)?;
        let words = || list(choices.iter().map(|(word, _)| *word), "or");
        let Some(scalar) = node.scalar().filter(|scalar| !scalar.is_null()) else {
            self.wrong_type(name, &format!("one of {}", words()), None, out);
            return None;
        };
        let found = choices.iter().find(|(word, _)| *word == scalar.text()).map(|(_, value)| *value);
        if found.is_none() {
            let help = match nearest(choices.iter().map(|(word, _)| *word), scalar.text()) {
                Some(word) => format!("did you mean `{word}`? It can be {}", words()),
                None => format!("it can be {}", words()),
            };
            out.push(
                Problem::error(
                    "UNKNOWN_VALUE",
                    node.span,
                    format!("{} cannot be `{}`", self.title(name), scalar.text()),
                )
                .label("unknown value")
                .help(help),
            );
        }
        found
    }

    /// The items of a list.
    pub(crate) fn items(&self, name: &str, out: &mut Sink) -> &'t [Node] {
        match self.node(name).map(|node| &node.content) {
            None => &[],
            Some(Content::List(items)) => items,
            Some(Content::Scalar(_) | Content::Mapping(_)) => {
                self.wrong_type(name, "a list", None, out);
                &[]
            }
        }
    }

    /// A list of texts, each with its place.
    pub(crate) fn texts(&self, name: &str, out: &mut Sink) -> Vec<(&'t str, Span)> {
        let mut texts = Vec::new();
        for item in self.items(name, out) {
            match item.scalar() {
                Some(scalar) if !scalar.is_null() && !scalar.text().trim().is_empty() => {
                    texts.push((scalar.text(), item.span));
                }
                _ => wrong_type(item, &format!("an item of {}", self.title(name)), "text", None, out),
            }
        }
        texts
    }

    /// A list of objects; at least one when the key is given.
    pub(crate) fn objects(&self, name: &str, out: &mut Sink) -> Vec<(ObjectRef, Span)> {
        self.named(name, out, ObjectRef::parse)
    }

    /// A list of what is consented to; at least one when the key is given.
    pub(crate) fn consents(&self, name: &str, out: &mut Sink) -> Vec<(ConsentTo, Span)> {
        self.named(name, out, ConsentTo::parse)
    }

    fn named<T>(&self, name: &str, out: &mut Sink, parse: fn(&str) -> Result<T, InvalidName>) -> Vec<(T, Span)> {
        let mut objects = Vec::new();
        for (text, span) in self.texts(name, out) {
            match parse(text) {
                Ok(object) => objects.push((object, span)),
                Err(error) => out.push(
                    Problem::error("OBJECT_INVALID", span, error.to_string())
                        .label("not an object")
                        .help("for example `deployment/web`, or `certificates.cert-manager.io/ns/name`"),
                ),
            }
        }
        self.report_empty_list(name, out);
        objects
    }

    /// Reports a list that is given but has nothing in it.
    pub(crate) fn report_empty_list(&self, name: &str, out: &mut Sink) {
        if let Some(Node { content: Content::List(items), span }) = self.node(name)
            && items.is_empty()
        {
            out.push(Problem::error("EMPTY", *span, format!("{} is empty", self.title(name))).label("nothing in it"));
        }
    }

    /// A mapping from text to text.
    pub(crate) fn text_map(&self, name: &str, out: &mut Sink) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        match self.node(name).map(|node| &node.content) {
            None => {}
            Some(Content::Mapping(entries)) => {
                for entry in entries {
                    match entry.value.scalar() {
                        Some(scalar) if !scalar.is_null() => {
                            map.insert(entry.key.clone(), scalar.text().to_owned());
                        }
                        _ => wrong_type(
                            &entry.value,
                            &format!("`{}` in {}", entry.key, self.title(name)),
                            "text",
                            None,
                            out,
                        ),
                    }
                }
            }
            Some(Content::Scalar(_) | Content::List(_)) => {
                self.wrong_type(name, "a mapping of text to text", None, out);
            }
        }
        map
    }
}

/// Reports that `what` must be `expected`.
pub(crate) fn wrong_type(node: &Node, what: &str, expected: &str, help: Option<String>, out: &mut Sink) {
    let span = match &node.content {
        Content::Scalar(_) => node.span,
        Content::List(_) => first_child(node.span, None),
        Content::Mapping(entries) => first_child(node.span, entries.first()),
    };
    out.push(
        Problem::error("WRONG_TYPE", span, format!("{what} must be {expected}, not {}", node.describe()))
            .label(format!("this is {}", node.describe()))
            .maybe_help(help),
    );
}

/// The beginning of a collection, so that a snippet does not show all of it.
fn first_child(span: Span, first: Option<&Entry>) -> Span {
    first.map_or(Span { offset: span.offset, len: span.len.min(1) }, |entry| entry.key_span)
}

/// `a`, `b` or `c`; the last two joined by `conjunction`.
fn list(words: impl Iterator<Item = &'static str>, conjunction: &str) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {conjunction} {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// The seconds of `90`, `90s`, `10m`, `1h`, `1h30m`, as other tools write them.
fn seconds_of(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    if !number.is_empty() {
        total = total.checked_add(number.parse().ok()?)?;
    }
    (total > 0).then_some(total)
}

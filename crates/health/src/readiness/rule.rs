//! A rule for one kind, ready to be asked.

use super::cel_object::Asked;
use cel::{IdedExpr, Value as CelValue};
use pilothouse_core::{Otherwise, Readiness, ReadinessRule};
use pilothouse_expression::{ExpressionError, parse};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;
use thiserror::Error;

/// The most loops in each other: the conditions of each parent of a route.
const MAX_LOOPS: usize = 2;

/// A rule that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule {number} (`{kind}`): `{key}` cannot be used")]
pub struct RuleError {
    /// Which rule of those given, from 0.
    pub number: usize,
    /// Its kind, as written.
    pub kind: String,
    /// The key whose value is wrong.
    pub key: &'static str,
    /// What is wrong with it.
    #[source]
    pub error: ExpressionError,
}

/// What is wrong with the expressions of a rule, by the keys they stand at.
pub fn check_rule(rule: &ReadinessRule) -> Vec<(&'static str, ExpressionError)> {
    let texts = Case::ALL.map(|case| (case.key(), case.of(rule)));
    let texts = texts.into_iter().chain([("message", rule.message.as_deref())]);
    texts.filter_map(|(key, text)| Some((key, Program::new(text?).err()?))).collect()
}

/// An expression with what it asks for.
#[derive(Debug)]
struct Program {
    expression: IdedExpr,
    asked: Asked,
}

impl Program {
    fn new(source: &str) -> Result<Self, ExpressionError> {
        let expression = parse(source, MAX_LOOPS)?;
        let asked = Asked::of(&expression)?;
        Ok(Self { expression, asked })
    }

    /// What it gives; `None` where it cannot be evaluated, as with a field that is not there.
    fn of(&self, object: &Value) -> Option<CelValue> {
        self.asked.context(object).resolve(&self.expression).ok()
    }
}

/// A rule whose expressions are parsed.
#[derive(Debug)]
pub(super) struct Rule {
    /// The conditions in the order in which they are asked.
    cases: Vec<(Case, Program)>,
    otherwise: Otherwise,
    message: Option<Program>,
}

/// What a condition of a rule stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Failed,
    Suspended,
    InProgress,
    Current,
    Unknown,
}

impl Case {
    /// In the order in which they are asked.
    const ALL: [Self; 5] = [Self::Failed, Self::Suspended, Self::InProgress, Self::Current, Self::Unknown];

    fn of(self, rule: &ReadinessRule) -> Option<&str> {
        let text = match self {
            Self::Failed => &rule.failed,
            Self::Suspended => &rule.suspended,
            Self::InProgress => &rule.in_progress,
            Self::Current => &rule.current,
            Self::Unknown => &rule.unknown,
        };
        text.as_deref()
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Suspended => "suspended",
            Self::InProgress => "in_progress",
            Self::Current => "current",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn readiness(self) -> Readiness {
        match self {
            Self::Failed => Readiness::Failed,
            Self::Suspended | Self::InProgress => Readiness::InProgress,
            Self::Current => Readiness::Current,
            Self::Unknown => Readiness::Unknown,
        }
    }
}

impl Rule {
    /// Parses the expressions of rule `number`.
    ///
    /// # Errors
    /// When one is no expression, or beyond the bounds.
    pub(super) fn new(number: usize, source: &ReadinessRule) -> Result<Self, RuleError> {
        let program = |key: &'static str, source_text: &str| {
            Program::new(source_text).map_err(|error| RuleError { number, kind: source.kind.clone(), key, error })
        };
        let given = Case::ALL.into_iter().filter_map(|case| Some((case, case.of(source)?)));
        let cases = given.map(|(case, text)| Ok((case, program(case.key(), text)?))).collect::<Result<_, _>>()?;
        let message = source.message.as_ref().map(|text| program("message", text)).transpose()?;
        let usual = if source.current.is_some() { Otherwise::InProgress } else { Otherwise::General };
        Ok(Self { cases, otherwise: source.otherwise.unwrap_or(usual), message })
    }

    /// The first of its conditions that holds. `None` when none does and the rule leaves such objects to other rules.
    pub(super) fn judge(&self, object: &Value) -> Option<(Readiness, Option<Case>)> {
        let holds = |program: &Program| program.of(object) == Some(CelValue::Bool(true));
        if let Some((case, _)) = self.cases.iter().find(|(_, program)| holds(program)) {
            return Some((case.readiness(), Some(*case)));
        }
        (self.otherwise == Otherwise::InProgress).then_some((Readiness::InProgress, None))
    }

    /// The text its `message` gives, if it gives text.
    pub(super) fn message(&self, object: &Value) -> Option<String> {
        match self.message.as_ref()?.of(object)? {
            CelValue::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        }
    }
}

/// Which kinds a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KindPattern {
    /// `None` for any kind.
    pub(super) kind: Option<String>,
    group: String,
    /// Whether `group` is only the end of the group.
    ends: bool,
}

impl KindPattern {
    /// From `Kind.group`, `Kind` (of the core group), `*.group`, `Kind.*.group`.
    pub(super) fn new(text: &str) -> Self {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        let (group, ends) = group.strip_prefix("*.").map_or((group, false), |rest| (rest, true));
        Self { kind: (kind != "*").then(|| kind.to_owned()), group: group.to_owned(), ends }
    }

    pub(super) fn is_for(&self, kind: &str, group: &str) -> bool {
        if self.kind.as_deref().is_some_and(|one| one != kind) {
            return false;
        }
        if self.ends {
            group.strip_suffix(self.group.as_str()).is_some_and(|before| before.ends_with('.'))
        } else {
            group == self.group
        }
    }
}

/// Rules by kind. A rule is parsed when the first object of its kind comes.
#[derive(Debug, Default)]
pub(super) struct RuleSet {
    by_kind: HashMap<String, Vec<Entry>>,
    /// For any kind of a group.
    by_group: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    pattern: KindPattern,
    number: usize,
    source: ReadinessRule,
    rule: OnceLock<Option<Rule>>,
}

impl RuleSet {
    pub(super) fn new(sources: Vec<ReadinessRule>) -> Self {
        let mut set = Self::default();
        for (number, source) in sources.into_iter().enumerate() {
            let pattern = KindPattern::new(&source.kind);
            let kind = pattern.kind.clone();
            let entry = Entry { pattern, number, source, rule: OnceLock::new() };
            match kind {
                Some(kind) => set.by_kind.entry(kind).or_default().push(entry),
                None => set.by_group.push(entry),
            }
        }
        set
    }

    /// The rule for a kind and its name as written: the last one given for the kind itself, else for its group.
    pub(super) fn rule(&self, kind: &str, group: &str) -> Option<(&Rule, &str)> {
        let mut of_kind = self.by_kind.get(kind).into_iter().flatten();
        let fits = |entry: &&Entry| entry.pattern.is_for(kind, group);
        let entry = of_kind.rfind(fits).or_else(|| self.by_group.iter().rfind(fits))?;
        // Rules that cannot be parsed were refused where they came in.
        let rule = entry.rule.get_or_init(|| Rule::new(entry.number, &entry.source).ok()).as_ref()?;
        Some((rule, &entry.source.kind))
    }

    /// The kinds it has rules for, as written, in the order given.
    pub(super) fn kinds(&self) -> Vec<&str> {
        let mut entries: Vec<&Entry> = self.by_kind.values().flatten().chain(&self.by_group).collect();
        entries.sort_by_key(|entry| entry.number);
        entries.into_iter().map(|entry| entry.source.kind.as_str()).collect()
    }
}

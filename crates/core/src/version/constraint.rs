//! Version constraints by the rules of Masterminds/semver 3.5, which Helm uses.
//!
//! They differ from Cargo's and npm's: a bare `1.2.3` is exact, space and comma both mean "and", `||` means "or", and a
//! version with a pre-release part fits a group of conditions only if some condition of that group has one too
//! (`constraints.go` of v3.5.0).

use super::version_text::{VersionText, scan_version};
use semver::{Prerelease, Version};
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// Longer texts are refused, as by Masterminds.
const MAX_LENGTH: usize = 512;

/// More groups are refused, as by Masterminds.
const MAX_GROUPS: usize = 32;

/// A parsed constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionConstraint {
    text: String,
    groups: Vec<Group>,
}

/// A text that is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version constraint: {why}")]
pub struct ConstraintError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Conditions of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    conditions: Vec<Condition>,
    /// Whether any of them has a pre-release part; without one, no pre-release version fits.
    prerelease: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    version: Version,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// Which part of a condition's version was left out or is a wildcard; the parts after it are open too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Major,
}

/// How operators are written. A longer one comes before one it begins with.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

impl VersionConstraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// When Masterminds/semver would refuse it. The empty text is refused too.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let error = |why: String| ConstraintError { text: text.to_owned(), why };
        if text.len() > MAX_LENGTH {
            return Err(error(format!("it is longer than {MAX_LENGTH} bytes")));
        }
        let rewritten = rewrite_ranges(text);
        let parts: Vec<&str> = rewritten.split("||").collect();
        if parts.len() > MAX_GROUPS {
            return Err(error(format!("it has more than {MAX_GROUPS} alternatives")));
        }
        let groups = parts.into_iter().map(parse_group).collect::<Result<_, _>>().map_err(error)?;
        Ok(Self { text: text.to_owned(), groups })
    }

    /// Whether a version fits.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.matches(version))
    }
}

impl fmt::Display for VersionConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a version as leniently as Masterminds' `NewVersion`: `v1.2`, `1`, `1.02.3-rc.1+meta`.
pub fn lenient_version(text: &str) -> Option<Version> {
    let (version, length) = scan_version(text)?;
    if length < text.len() { None } else { version.exact() }
}

/// Where helm gets the Kubernetes version from that it compares with a chart's `kubeVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeVersionFrom {
    /// From the cluster (`install`, `upgrade`): the whole of it counts, so that `v1.30.4-eks-a737599` is a pre-release
    /// and does not fit `>=1.28.0`, only `>=1.28.0-0`. Seen with 3.21.4 and 4.2.4: both fill the version in from
    /// discovery without normalising it (`pkg/action/action.go`, `getCapabilities`).
    Cluster,
    /// From `--kube-version` (`template`): everything after the numbers is dropped first (3.21.4 and 4.2.4,
    /// `ParseKubeVersion`), so `template` can accept what `upgrade --install` will refuse.
    Flag,
}

/// Whether a chart's `kubeVersion` allows a Kubernetes version (`v1.36.2`). As in Helm, a constraint or version that
/// cannot be read means no (`chartutil.IsCompatibleRange`).
pub fn kube_version_fits(constraint: &str, git_version: &str, from: KubeVersionFrom) -> bool {
    let version = match from {
        KubeVersionFrom::Cluster => git_version,
        KubeVersionFrom::Flag => {
            let text = git_version.trim_start();
            let digits = text.strip_prefix('v').unwrap_or(text);
            let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
            digits[..end].trim_end_matches('.')
        }
    };
    match (lenient_version(version), VersionConstraint::parse(constraint)) {
        (Some(version), Ok(constraint)) => constraint.matches(&version),
        (None, _) | (_, Err(_)) => false,
    }
}

/// The suffix of a cluster's version (`-eks-3025e55` of `v1.36.2-eks-3025e55`) when it alone is why a chart's `kubeVersion` does
/// not allow it: Helm takes it for that of a pre-release.
pub fn suffix_that_counts<'v>(constraint: &str, git_version: &'v str) -> Option<&'v str> {
    let suffix = &git_version[git_version.find('-')?..];
    let allows = |version| kube_version_fits(constraint, version, KubeVersionFrom::Cluster);
    (!allows(git_version) && allows(git_version.strip_suffix(suffix)?)).then_some(suffix)
}

/// Turns every `a - b` into two conditions. Done on the text, since Masterminds does so too and what it then refuses
/// (`>1 - 2`) should be refused here.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((low, high, length)) = range_at(rest) {
            let _ = write!(out, ">= {low}, <= {high} ");
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// A range `a - b` at the beginning of the text, with the white space around it, and its length in bytes.
fn range_at(text: &str) -> Option<(&str, &str, usize)> {
    let start = skip_space(text, 0);
    let low_end = start + scan_version(&text[start..])?.1;
    let dash = skip_space(text, low_end);
    let after = text[dash..].strip_prefix('-').map(|_| dash + 1)?;
    let high = skip_space(text, after);
    if dash == low_end || high == after {
        return None;
    }
    let high_end = high + scan_version(&text[high..])?.1;
    Some((&text[start..low_end], &text[high..high_end], skip_space(text, high_end)))
}

fn skip_space(text: &str, from: usize) -> usize {
    text[from..].find(|c: char| !is_space(c)).map_or(text.len(), |n| from + n)
}

/// What `\s` means in Go's regular expressions.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

fn parse_group(text: &str) -> Result<Group, String> {
    let mut conditions = Vec::new();
    let mut at = skip_space(text, 0);
    loop {
        let rest = &text[at..];
        let (sign, operator) =
            OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign)).unwrap_or(("", Operator::Equal));
        let start = skip_space(text, at + sign.len());
        let Some((version, length)) = scan_version(&text[start..]) else {
            return Err(match text[start..].chars().next() {
                Some(found) => format!("there should be a version where `{found}` is"),
                None => "a version is missing at its end".to_owned(),
            });
        };
        let end = start + length;
        conditions.push(
            Condition::new(operator, &version).ok_or_else(|| format!("`{}` is not a version", &text[start..end]))?,
        );
        let next = skip_space(text, end);
        if next == text.len() {
            break;
        }
        at = match text[next..].strip_prefix(',') {
            Some(_) => skip_space(text, next + 1),
            None if next > end => next,
            None => return Err(format!("`{}` should end there", &text[start..end])),
        };
    }
    let prerelease = conditions.iter().any(|condition| !condition.version.pre.is_empty());
    Ok(Group { conditions, prerelease })
}

impl Group {
    fn matches(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && !self.prerelease {
            return false;
        }
        self.conditions.iter().all(|condition| condition.matches(version))
    }
}

impl Condition {
    fn new(operator: Operator, text: &VersionText<'_>) -> Option<Self> {
        let number = |part: Option<&str>| part.map_or(Some(0), |part| part.parse::<u64>().ok());
        let (open, major, minor, patch) = if text.is_wild(text.major) {
            (Open::Major, None, None, None)
        } else if text.minor.is_none_or(|minor| text.is_wild(minor)) {
            (Open::Minor, Some(text.major), None, None)
        } else if text.patch.is_none_or(|patch| text.is_wild(patch)) {
            (Open::Patch, Some(text.major), text.minor, None)
        } else {
            (Open::Nothing, Some(text.major), text.minor, text.patch)
        };
        let mut version = Version::new(number(major)?, number(minor)?, number(patch)?);
        version.pre = Prerelease::new(text.pre).ok()?;
        Some(Self { operator, version, open })
    }

    /// The names below are those of the table in Masterminds' documentation; the odd cases (`!=*`, `<=*`, `~0.0.0`)
    /// are as its code has them.
    fn matches(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(version, order),
            Operator::NotEqual => self.not_equal(version, order),
            Operator::Greater => self.greater(version, order),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual => self.less_or_equal(version, order),
            Operator::Caret => self.caret(version, order),
        }
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let zero = (self.version.major, self.version.minor, self.version.patch) == (0, 0, 0);
        if order == Ordering::Less {
            return false;
        }
        if zero && matches!(self.open, Open::Nothing | Open::Major) {
            return true;
        }
        version.major == self.version.major && (version.minor == self.version.minor || self.open == Open::Minor)
    }

    fn not_equal(&self, version: &Version, order: Ordering) -> bool {
        let other_major = version.major != self.version.major;
        let other_minor = version.minor != self.version.minor;
        match self.open {
            Open::Nothing | Open::Major => order != Ordering::Equal,
            Open::Minor => other_major,
            Open::Patch => other_major || other_minor || version.pre != self.version.pre,
        }
    }

    fn greater(&self, version: &Version, order: Ordering) -> bool {
        match self.open {
            Open::Nothing | Open::Major => order == Ordering::Greater,
            Open::Minor => version.major > self.version.major,
            Open::Patch => (version.major, version.minor) > (self.version.major, self.version.minor),
        }
    }

    fn less_or_equal(&self, version: &Version, order: Ordering) -> bool {
        match self.open {
            Open::Nothing => order != Ordering::Greater,
            Open::Minor => version.major <= self.version.major,
            Open::Patch | Open::Major => (version.major, version.minor) <= (self.version.major, self.version.minor),
        }
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let wanted = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if wanted.major > 0 || self.open == Open::Minor {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.open == Open::Patch {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}

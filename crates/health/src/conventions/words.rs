//! What the words controllers write into `phase`, `state` or a reason mean.

/// What a word or a few tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sense {
    /// It is as it should be.
    Good,
    /// It is on its way.
    Moving,
    /// Its controller cannot tell.
    Unknown,
    /// What it stands for does not exist.
    Missing,
    /// It was told to stop.
    Paused,
    /// It went wrong.
    Bad,
}

const GOOD: [&str; 53] = [
    "accepted",
    "active",
    "admitted",
    "applied",
    "assigned",
    "attached",
    "available",
    "bound",
    "built",
    "complete",
    "completed",
    "compliant",
    "configured",
    "connected",
    "created",
    "deployed",
    "done",
    "enabled",
    "established",
    "exists",
    "finished",
    "fulfilled",
    "green",
    "healthy",
    "installed",
    "issued",
    "joined",
    "listening",
    "live",
    "normal",
    "ok",
    "okay",
    "online",
    "open",
    "operational",
    "passed",
    "programmed",
    "provisioned",
    "published",
    "ready",
    "reconciled",
    "registered",
    "resolved",
    "running",
    "serving",
    "stable",
    "succeeded",
    "success",
    "successful",
    "successfully",
    "synced",
    "synchronized",
    "valid",
];
const MOVING: [&str; 23] = [
    "initial",
    "new",
    "none",
    "pending",
    "progress",
    "queued",
    "requested",
    "retry",
    "scheduled",
    "started",
    "starting",
    "submitted",
    "unavailable",
    "uninitialized",
    "unready",
    "unreconciled",
    "unscheduled",
    "unset",
    "unsynced",
    "upgrade",
    "wait",
    "waiting",
    "yellow",
];
/// Beginnings of words that say that something is wrong.
const BAD: [&str; 36] = [
    "abort",
    "backoff",
    "broken",
    "cannot",
    "conflict",
    "corrupt",
    "crash",
    "degrad",
    "denied",
    "deny",
    "err",
    "exceed",
    "fail",
    "fault",
    "forbidden",
    "halted",
    "illegal",
    "incompatible",
    "insufficient",
    "invalid",
    "malformed",
    "misconfig",
    "mismatch",
    "missing",
    "orphan",
    "reject",
    "stalled",
    "stuck",
    "terminal",
    "timeout",
    "unable",
    "unauthorized",
    "unhealthy",
    "unreachable",
    "unsupported",
    "violat",
];
/// Words that are only bad when nothing stands beside them or behind them.
const BAD_WHOLE: [&str; 9] =
    ["red", "lost", "warning", "health warn", "warn", "timed out", "critical", "noncompliant", "down"];
/// What is refused or impossible when it stands behind `not`.
const NOT_POSSIBLE: [&str; 8] =
    ["accepted", "allowed", "authorized", "compliant", "permitted", "possible", "supported", "valid"];
const PAUSED: [&str; 6] = ["hibernated", "hibernating", "hibernation", "paused", "suspended", "suspending"];
/// Words in `-ing` that are no doing.
const NOT_DOING: [&str; 17] = [
    "according",
    "binding",
    "during",
    "everything",
    "existing",
    "following",
    "listening",
    "missing",
    "monitoring",
    "nothing",
    "running",
    "serving",
    "streaming",
    "string",
    "tracking",
    "warning",
    "watching",
];
/// Words in `-ed` that say nothing good when they hold.
const NOT_GOOD: [&str; 22] = [
    "blocked",
    "canceled",
    "cancelled",
    "changed",
    "cordoned",
    "deleted",
    "deprecated",
    "disabled",
    "drained",
    "drifted",
    "evicted",
    "expired",
    "ignored",
    "limited",
    "modified",
    "outdated",
    "preempted",
    "restarted",
    "skipped",
    "tainted",
    "terminated",
    "throttled",
];
/// Parts of sentences that say what is wrong. Too common in names to be looked for in single words.
const COMPLAINTS: [&str; 27] = [
    "at least one error",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "denied",
    "does not match",
    "error:",
    "error ",
    "exceeded",
    "fail",
    "forbidden",
    "invalid",
    "missing",
    "no key",
    "no such",
    "not allowed",
    "not exist",
    "not found",
    "refused",
    "rejected",
    "timed out",
    "unable",
    "unauthorized",
    "unexpected",
    "unknown field",
    "unreachable",
];
/// Beginnings and parts of sentences that say that it goes on.
const GOES_ON: [&str; 5] = ["waiting", "not yet", "in progress", "will be retried", "pending"];
/// Parts of sentences that name errors and tell of none.
const NO_ERROR: [&str; 3] = ["no error", "0 error", "without error"];
/// A label of at least as many words is a sentence.
const SENTENCE: usize = 3;
/// Of a long message only the beginning counts.
const MOST_OF_A_MESSAGE: usize = 400;

/// Whether a message says that something is wrong.
pub(crate) fn complains(message: &str) -> bool {
    let lower = beginning(message);
    has_any(&lower, &COMPLAINTS) && !has_any(&lower, &GOES_ON) && !has_any(&lower, &NO_ERROR)
}

/// Whether a message says that something goes on.
pub(crate) fn is_patient(message: &str) -> bool {
    let lower = beginning(message);
    has_any(&lower, &GOES_ON) || has_any(&lower, &NO_ERROR)
}

/// The sense of a state that is told in a sentence; `None` for a label, and where its words tell as much as a label's.
pub(crate) fn sense_of_sentence(text: &str) -> Option<Sense> {
    if text.split_whitespace().count() < SENTENCE {
        return None;
    }
    if complains(text) {
        return Some(Sense::Bad);
    }
    (has_any(&beginning(text), &GOES_ON) || is_part_of_all(text)).then_some(Sense::Moving)
}

/// Whether a sentence tells of fewer than all: `2/3 shards online`, `2 of 3 members are ready`.
fn is_part_of_all(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_less = |few: &str, all: &str| match (few.parse::<u32>(), all.parse::<u32>()) {
        (Ok(few), Ok(all)) => few < all,
        _ => false,
    };
    let fraction = |word: &&str| word.split_once('/').is_some_and(|(few, all)| is_less(few, all));
    words.iter().any(fraction) || words.windows(3).any(|three| three[1] == "of" && is_less(three[0], three[2]))
}

fn beginning(message: &str) -> String {
    let end = (0..=message.len().min(MOST_OF_A_MESSAGE)).rev().find(|at| message.is_char_boundary(*at));
    message[..end.unwrap_or_default()].to_lowercase()
}

fn has_any(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

/// The words of a label in lower case with spaces between them: `StatefulSetNotReady` is `stateful set not ready`.
pub(crate) fn plain(label: &str) -> String {
    let mut plain = String::with_capacity(label.len() + 8);
    let mut before = ' ';
    let mut letters = label.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_alphanumeric() {
            if before != ' ' && !plain.is_empty() {
                plain.push(' ');
            }
            before = ' ';
            continue;
        }
        let next_is_small = letters.peek().is_some_and(|next| next.is_lowercase());
        // `OSDsRunning` begins a word at `R`, `HTTPRoute` at the second `R`.
        let begins = letter.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_small));
        if begins && !plain.ends_with(' ') {
            plain.push(' ');
        }
        plain.extend(letter.to_lowercase());
        before = letter;
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// The sense of a label; `None` when nothing in it is known.
pub(crate) fn sense(label: &str) -> Option<Sense> {
    if label.is_empty() { None } else { sense_of_plain(&plain(label)) }
}

/// As [`sense`], for a label that is already [`plain`].
pub(crate) fn sense_of_plain(plain: &str) -> Option<Sense> {
    match plain {
        "up" => return Some(Sense::Good),
        "unknown" => return Some(Sense::Unknown),
        "not found" | "notfound" => return Some(Sense::Missing),
        _ if BAD_WHOLE.contains(&plain) => return Some(Sense::Bad),
        _ => {}
    }
    let mut whole = None;
    let mut negated = false;
    let mut waits = false;
    for word in plain.split(' ') {
        if matches!(word, "not" | "no" | "non" | "without" | "never") {
            negated = true;
            continue;
        }
        let Some(sense) = of_word(word, negated) else { continue };
        negated = false;
        waits |= matches!(word, "waiting" | "wait" | "pending");
        // Between being done and being at it, the later word tells: `ScalingComplete`, `ReadyUpdating`.
        whole = match whole {
            Some(Sense::Good | Sense::Moving) if sense <= Sense::Moving => Some(sense),
            _ => whole.max(Some(sense)),
        };
    }
    if waits && whole == Some(Sense::Good) { Some(Sense::Moving) } else { whole }
}

/// The sense of one word, perhaps behind a `not`.
fn of_word(word: &str, negated: bool) -> Option<Sense> {
    if negated && NOT_POSSIBLE.binary_search(&word).is_ok() {
        return Some(Sense::Bad);
    }
    if negated && matches!(word, "found" | "exist" | "exists") {
        return Some(Sense::Missing);
    }
    if GOOD.binary_search(&word).is_ok() {
        return Some(if negated { Sense::Moving } else { Sense::Good });
    }
    // `NoErrors`, `NotFailed`, `NoPause`.
    let sense = if BAD.iter().any(|beginning| word.starts_with(beginning)) {
        Sense::Bad
    } else if PAUSED.contains(&word) {
        Sense::Paused
    } else if MOVING.binary_search(&word).is_ok() || is_doing(word) {
        Sense::Moving
    } else {
        return None;
    };
    Some(if negated { Sense::Good } else { sense })
}

/// Whether a word says that something is being done (`creating`).
pub(crate) fn is_doing(word: &str) -> bool {
    word.len() > 5 && word.ends_with("ing") && !NOT_DOING.contains(&word)
        || matches!(word, "inprogress" | "notready" | "notreconciled")
}

/// Whether a word says that something has come to its end as it should (`deployed`, `ready`).
pub(crate) fn is_done(word: &str) -> bool {
    GOOD.binary_search(&word).is_ok()
}

/// Whether a word tells of something achieved or possible (`adopted`, `reachable`).
pub(crate) fn is_achieved(word: &str) -> bool {
    let achieved = word.len() > 4 && word.ends_with("ed") && !NOT_GOOD.contains(&word);
    let possible = word.len() > 5 && word.ends_with("able") && !word.starts_with("un") && !word.starts_with("in");
    achieved || possible
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn lists_that_are_searched_are_sorted() {
        assert!(GOOD.is_sorted() && MOVING.is_sorted() && NOT_POSSIBLE.is_sorted());
    }

    #[rstest]
    #[case("StatefulSetNotReady", "stateful set not ready")]
    #[case("DEPLOYED_NOT_READY", "deployed not ready")]
    #[case("OSDsRunning", "os ds running")]
    #[case("HTTPRouteAccepted", "http route accepted")]
    #[case("  in progress. ", "in progress")]
    #[case("", "")]
    fn plain_labels(#[case] label: &str, #[case] expected: &str) {
        assert_eq!(plain(label), expected);
    }

    #[rstest]
    #[case("Ready", Some(Sense::Good))]
    #[case("RUNNING", Some(Sense::Good))]
    #[case("ClusterRunning", Some(Sense::Good))]
    #[case("Cluster in healthy state", Some(Sense::Good))]
    #[case("ScalingComplete", Some(Sense::Good))]
    #[case("NoErrors", Some(Sense::Good))]
    #[case("UpgradePending", Some(Sense::Moving))]
    #[case("WaitingForReady", Some(Sense::Moving))]
    #[case("Setting up primary", Some(Sense::Moving))]
    #[case("in progress", Some(Sense::Moving))]
    #[case("NotAllPodsReady", Some(Sense::Moving))]
    #[case("Unready", Some(Sense::Moving))]
    #[case("ConfigError", Some(Sense::Bad))]
    #[case("ProgressDeadlineExceeded", Some(Sense::Bad))]
    #[case("NotAllowed", Some(Sense::Bad))]
    #[case("red", Some(Sense::Bad))]
    #[case("HEALTH_WARN", Some(Sense::Bad))]
    #[case("suspended", Some(Sense::Paused))]
    #[case("DEPLOYED_NOT_READY", Some(Sense::Moving))]
    #[case("Unknown", Some(Sense::Unknown))]
    #[case("NotFound", Some(Sense::Missing))]
    #[case("", None)]
    #[case("Purple", None)]
    fn senses(#[case] text: &str, #[case] expected: Option<Sense>) {
        assert_eq!(sense(text), expected);
    }

    #[rstest]
    #[case("could not find the secret", true)]
    #[case("Error making the request", true)]
    #[case("waiting for a pod that failed", false)]
    #[case("reconciled without errors", false)]
    #[case("all is well", false)]
    #[case("", false)]
    fn complaints(#[case] message: &str, #[case] expected: bool) {
        assert_eq!(complains(message), expected);
    }
}

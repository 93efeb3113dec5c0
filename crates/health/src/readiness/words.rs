//! What the words controllers write into `phase`, `state` or a reason mean.

/// What one word tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sense {
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

const GOOD: [&str; 30] = [
    "ready",
    "running",
    "healthy",
    "active",
    "bound",
    "succeeded",
    "success",
    "successful",
    "completed",
    "complete",
    "deployed",
    "available",
    "established",
    "green",
    "online",
    "exists",
    "installed",
    "synced",
    "published",
    "valid",
    "accepted",
    "enabled",
    "stable",
    "created",
    "ok",
    "finished",
    "done",
    "passed",
    "compliant",
    "open",
];
const MOVING: [&str; 8] = ["pending", "yellow", "queued", "scheduled", "unready", "new", "submitted", "inprogress"];
const BAD: [&str; 12] = [
    "fail",
    "error",
    "invalid",
    "degraded",
    "unhealthy",
    "crash",
    "denied",
    "unauthorized",
    "forbidden",
    "rejected",
    "conflict",
    "exceeded",
];
const PAUSED: [&str; 3] = ["paused", "suspended", "hibernated"];

/// Parts of sentences that say what is wrong. Too common in names to be looked for in single words.
const COMPLAINTS: [&str; 10] = [
    "cannot",
    "could not",
    "couldn't",
    "unable",
    "not found",
    "not exist",
    "refused",
    "timed out",
    "no key",
    "missing",
];

/// Whether a sentence complains.
pub(super) fn complains(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    sense(sentence) == Some(Sense::Bad) || COMPLAINTS.iter().any(|part| lower.contains(part))
}

/// The sense of a word or of a few; `None` when nothing in it is known.
pub(super) fn sense(text: &str) -> Option<Sense> {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let letters: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if has(&BAD) || matches!(letters.as_str(), "red" | "lost" | "noncompliant" | "warning" | "healthwarn") {
        Some(Sense::Bad)
    } else if letters == "unknown" {
        Some(Sense::Unknown)
    } else if letters == "notfound" {
        Some(Sense::Missing)
    } else if has(&PAUSED) {
        Some(Sense::Paused)
    } else if GOOD.contains(&letters.as_str()) || letters.ends_with("running") || letters.contains("healthystate") {
        Some(Sense::Good)
    } else if MOVING.contains(&letters.as_str())
        || has(&["progress", "pending", "waiting", "notready", "not_ready", "notreconciled"])
        || is_ongoing(&lower)
    {
        Some(Sense::Moving)
    } else {
        None
    }
}

/// Whether a word says that something is being done (`Creating`, `Setting up primary`, `ClusterRollingUpgrading`).
fn is_ongoing(lower: &str) -> bool {
    lower.split(|c: char| !c.is_ascii_alphabetic()).any(|word| word.len() > 5 && word.ends_with("ing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Ready", Some(Sense::Good))]
    #[case("RUNNING", Some(Sense::Good))]
    #[case("ClusterRunning", Some(Sense::Good))]
    #[case("Cluster in healthy state", Some(Sense::Good))]
    #[case("UpgradePending", Some(Sense::Moving))]
    #[case("Setting up primary", Some(Sense::Moving))]
    #[case("in progress", Some(Sense::Moving))]
    #[case("ConfigError", Some(Sense::Bad))]
    #[case("red", Some(Sense::Bad))]
    #[case("suspended", Some(Sense::Paused))]
    #[case("HEALTH_WARN", Some(Sense::Bad))]
    #[case("DEPLOYED_NOT_READY", Some(Sense::Moving))]
    #[case("Unknown", Some(Sense::Unknown))]
    #[case("NotFound", Some(Sense::Missing))]
    #[case("", None)]
    #[case("Purple", None)]
    fn senses(#[case] text: &str, #[case] expected: Option<Sense>) {
        assert_eq!(sense(text), expected);
    }
}

//! The failure policy of a release.

use super::fields::{Fields, Sink};
use crate::keys::{ON_FAILURE_EACH, RETRY};
use crate::text::{Content, Node, Problem};
use pilothouse_core::{FailurePolicy, OnFailure, Remedy};

const WORDS: [(&str, Remedy); 3] =
    [("leave", Remedy::Leave), ("rollback", Remedy::Rollback), ("uninstall", Remedy::Uninstall)];

/// Reads `on_failure`; what is not given stays.
pub(crate) fn read_on_failure(fields: &Fields<'_>, on_failure: &mut OnFailure, out: &mut Sink) {
    const KEY: &str = "on_failure";
    let Some(node) = fields.node(KEY) else { return };
    if !matches!(node.content, Content::Mapping(_)) || is_retry(node) {
        if let Some(policy) = read_policy(fields, KEY, &WORDS, out) {
            *on_failure = policy.into();
        }
        return;
    }
    let Some(each) = Fields::open(node, &ON_FAILURE_EACH, format!("`{KEY}`"), out) else { return };
    let [leave, rollback, uninstall] = WORDS;
    on_failure.install = read_policy(&each, "install", &[leave, uninstall], out).unwrap_or(on_failure.install);
    on_failure.upgrade = read_policy(&each, "upgrade", &[leave, rollback], out).unwrap_or(on_failure.upgrade);
}

fn is_retry(node: &Node) -> bool {
    RETRY.keys.iter().any(|key| node.get(key.name).is_some())
}

/// Reads a word, or retries that end in one of these words.
fn read_policy(
    fields: &Fields<'_>,
    name: &str,
    words: &[(&'static str, Remedy)],
    out: &mut Sink,
) -> Option<FailurePolicy> {
    let node = fields.node(name)?;
    if matches!(node.content, Content::Mapping(_)) {
        let retry = Fields::open(node, &RETRY, format!("`{name}`"), out)?;
        let default = FailurePolicy::default();
        return Some(FailurePolicy {
            retries: read_retries(&retry, out).unwrap_or(default.retries),
            backoff_in_seconds: retry.seconds("backoff_in_seconds", out).unwrap_or(default.backoff_in_seconds),
            then: retry.choice("then", words, out).unwrap_or(default.then),
        });
    }
    fields.choice(name, words, out).map(FailurePolicy::from)
}

fn read_retries(retry: &Fields<'_>, out: &mut Sink) -> Option<u32> {
    const KEY: &str = "retry";
    let count = retry.count(KEY, out)?;
    if (1..=FailurePolicy::MAX_RETRIES).contains(&count) {
        return Some(count);
    }
    let span = retry.node(KEY)?.span;
    out.push(
        Problem::error("OUT_OF_RANGE", span, format!("`{KEY}` must be 1 to {}", FailurePolicy::MAX_RETRIES))
            .label("not in this range"),
    );
    None
}

//! The rules by which objects of single kinds are judged.

use super::fields::{Fields, Sink};
use crate::keys::READINESS;
use crate::text::{Node, Problem};
use pilothouse_core::{Otherwise, ReadinessRule};
use pilothouse_health::check_rule;

/// Reads one of `readiness`; `number` counts from 1.
pub(crate) fn read_rule(node: &Node, number: usize, out: &mut Sink) -> Option<ReadinessRule> {
    let rule = Fields::open(node, &READINESS, format!("readiness rule {number}"), out)?;
    let kind = rule.text("kind", out)?.to_owned();
    let mut text = |key: &str| rule.words(key, out).map(str::to_owned);
    let read = ReadinessRule {
        kind,
        failed: text("failed"),
        suspended: text("suspended"),
        in_progress: text("in_progress"),
        current: text("current"),
        unknown: text("unknown"),
        otherwise: None,
        message: text("message"),
    };
    let ways = [("in_progress", Otherwise::InProgress), ("general", Otherwise::General)];
    let read = ReadinessRule { otherwise: rule.choice("otherwise", &ways, out), ..read };
    for (key, error) in check_rule(&read) {
        let Some(node) = rule.node(key) else { continue };
        let message = format!("the expression cannot be used: {}", error.message);
        out.push(
            Problem::error("EXPRESSION_INVALID", node.span, message).label("this expression").maybe_help(error.help),
        );
    }
    if [&read.failed, &read.suspended, &read.in_progress, &read.current, &read.unknown].iter().all(|one| one.is_none())
    {
        out.push(
            Problem::error("MISSING_KEY", rule.key_span("kind")?, format!("readiness rule {number} has no condition"))
                .label("when is it ready?")
                .help("for example `current: conditions.Ready.status == 'True'`"),
        );
    }
    Some(read)
}

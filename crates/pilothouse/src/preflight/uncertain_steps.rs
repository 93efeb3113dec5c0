//! Continuing what an earlier run has begun: what is not known of it, and what is kept for the next one.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::StepVerdict;
use crate::context::Wanted;
use crate::render;
use jiff::Timestamp;
use pilothouse_core::{Class, Decision, Finding, HelmAction, Payload, Phase, Redactor, RunId, code, only_colours};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a step may leave for later ones in the journal, in bytes of JSON.
const LARGEST_OUTPUT: usize = 64 * 1024;

/// Steps that an earlier run has begun, that must not be repeated, and whose end nobody knows: only the user can tell.
pub(crate) async fn uncertain_step_findings(
    ctx: &Context,
    run: &ReleaseRun,
    wanted: &Wanted,
    decision: &Decision,
) -> Vec<Finding> {
    let mut ledger = run.ledger.clone();
    let mut payload = wanted.payload.clone();
    let mut findings = Vec::new();
    for phase in [Phase::CheckPrerequisites, Phase::PreExec, Phase::Exec, Phase::PostExec, Phase::Validate] {
        if phase == Phase::Exec && !exec_counts(ctx, run, wanted, decision, &payload).await {
            ledger.done_again(phase);
        }
        for (index, step) in run.steps.of(phase).iter().enumerate() {
            let description = step.describe();
            match ledger.step(phase, index, &run.given(step.as_ref()).await, description.repeatable) {
                StepVerdict::Run => ledger.done_again(phase),
                StepVerdict::Done { output } => {
                    for (key, value) in output {
                        payload.put_value(key, value);
                    }
                }
                StepVerdict::Untrusted { run } => {
                    findings.push(untrusted(ctx, phase, index, &description.text, run));
                }
                StepVerdict::Uncertain { run, since, ended } => {
                    findings.push(uncertain_step(ctx, phase, index, &description.text, (run, since, ended)));
                }
            }
        }
    }
    findings
}

/// A step that an earlier run has done, whose output anybody may have written.
pub(crate) fn untrusted(ctx: &Context, phase: Phase, index: usize, description: &str, run: RunId) -> Finding {
    let subject = format!("{}:{phase}:{}", ctx.release(), index + 1);
    let (run, what) = (run.short(), ctx.redactor().clean(description));
    let message = format!(
        "run {run} has done `{what}`, later steps or values need what it has put out, and nothing proves that the journal in the \
         cluster was not changed since"
    );
    Finding::new(Class::Unsafe, code::STEP_OUTPUT_UNTRUSTED, subject, message)
}

/// A step that an earlier run has begun, of which only the user can tell what became of it.
pub(crate) fn uncertain_step(
    ctx: &Context,
    phase: Phase,
    index: usize,
    description: &str,
    (run, since, ended): (RunId, Timestamp, bool),
) -> Finding {
    let subject = format!("{}:{phase}:{}", ctx.release(), index + 1);
    let (run, what) = (run.short(), ctx.redactor().redact(description));
    let message = if ended {
        format!(
            "run {run} has done `{what}` at {since:.0}, an earlier version wrote that down in a form that does not tell whether \
             it was given the same, and it must not be repeated"
        )
    } else {
        format!("run {run} has begun `{what}` at {since:.0}, its end is not known, and it must not be repeated")
    };
    Finding::new(Class::Unsafe, code::STEP_UNCERTAIN, subject, message)
}

/// Whether what helm did in the earlier run is still what is wanted.
async fn exec_counts(ctx: &Context, run: &ReleaseRun, wanted: &Wanted, decision: &Decision, payload: &Payload) -> bool {
    if ctx.info().action == HelmAction::Destroy {
        return run.ledger.exec_ended_well() || matches!(decision, Decision::Keep { .. });
    }
    let Some(helm) = run.ledger.helm() else { return false };
    match &wanted.chart {
        Some(chart) => render::given_of_deploy(ctx, run, chart, payload).await.is(&helm.digest),
        None => false,
    }
}

/// What a step has put into the payload, to be kept for a run that continues this one; `None` when it cannot be kept: it
/// holds a secret, or is too large.
pub(crate) fn step_output(
    phase: Phase,
    before: &Payload,
    after: &Payload,
    redactor: &Redactor,
) -> Option<BTreeMap<String, Value>> {
    if phase == Phase::CheckPrerequisites {
        // What checks put there is not handed on.
        return Some(BTreeMap::new());
    }
    let new = |(key, value): &(&String, &Value)| before.value(key) != Some(value);
    let output: BTreeMap<String, Value> =
        after.entries().iter().filter(new).map(|(key, value)| (key.clone(), value.clone())).collect();
    let bytes = serde_json::to_vec(&output).map_or(usize::MAX, |bytes| bytes.len());
    let open = output.iter().all(|(key, value)| is_open(key, redactor) && holds_no_secret(value, redactor));
    (bytes <= LARGEST_OUTPUT && open).then_some(output)
}

fn holds_no_secret(value: &Value, redactor: &Redactor) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => is_open(&number.to_string(), redactor),
        Value::String(text) => is_open(text, redactor),
        Value::Array(items) => items.iter().all(|item| holds_no_secret(item, redactor)),
        Value::Object(entries) => {
            entries.iter().all(|(key, value)| is_open(key, redactor) && holds_no_secret(value, redactor))
        }
    }
}

/// Whether nothing of it has to be hidden; control sequences make no secret.
fn is_open(text: &str, redactor: &Redactor) -> bool {
    redactor.redact(text) == only_colours(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_kept_unless_it_is_large_or_secret() {
        let redactor = Redactor::new(["hunter22", "a\"quoted\\secret"]);
        let mut before = Payload::default();
        before.put_value("old", Value::from(1));
        let with = |value: &str| {
            let mut after = before.clone();
            after.put_value("new", Value::from(value));
            step_output(Phase::PreExec, &before, &after, &redactor)
        };
        assert_eq!(with("plain"), Some(BTreeMap::from([("new".to_owned(), Value::from("plain"))])));
        assert_eq!(with("it is hunter22"), None);
        assert_eq!(with("a\"quoted\\secret"), None, "JSON writes it in another way");
        assert_eq!(with(&"x".repeat(LARGEST_OUTPUT)), None);
        assert_eq!(step_output(Phase::PreExec, &before, &before, &redactor), Some(BTreeMap::new()));
    }
}

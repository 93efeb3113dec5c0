//! One line for people about what was decided or done.

use pilothouse_core::{
    Change, CheckComparison, CheckReport, Decision, Evidence, FieldChange, NextStep, ObjectRef, ReinstallReason,
    Remaining,
};
use pilothouse_kube::{Ended, NotReady, Progress};
use serde_json::Value;

/// What is going to be done, as a verb phrase.
pub(crate) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Keep { why } => format!("do nothing: {why}"),
        Decision::Refuse { .. } => "stop".to_owned(),
        Decision::Finish { remaining: Remaining::Validation, why } => format!("validate only: {why}"),
        Decision::Finish { remaining: Remaining::Steps, why } => format!("run the steps without helm: {why}"),
        Decision::Change(Change::Install) => "install".to_owned(),
        Decision::Change(Change::Upgrade { .. }) => "upgrade".to_owned(),
        Decision::Change(Change::Reinstall(ReinstallReason::HalfDone)) => {
            "uninstall what an earlier operation has left, then install".to_owned()
        }
        Decision::Change(Change::Reinstall(ReinstallReason::Breaking { deployed, breaking })) => {
            format!("uninstall {deployed} and install again, since {breaking} is a breaking version")
        }
        Decision::Change(Change::Uninstall) => "uninstall".to_owned(),
    }
}

/// What a change has done, as a participle.
pub(crate) fn changed(change: &Change) -> String {
    match change {
        Change::Install => "installed".to_owned(),
        Change::Upgrade { .. } => "upgraded".to_owned(),
        Change::Reinstall(ReinstallReason::HalfDone) => "uninstalled what was left and installed".to_owned(),
        Change::Reinstall(ReinstallReason::Breaking { deployed, .. }) => {
            format!("uninstalled {deployed} and installed")
        }
        Change::Uninstall => "uninstalled".to_owned(),
    }
}

/// What others have changed, the first few fields by name.
pub(crate) fn fields(fields: &[FieldChange]) -> String {
    const NAMED: usize = 3;
    let shown = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let field = |change: &FieldChange| {
        let by = change.written_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        format!("{}: {} -> {}{by}", change.path, shown(&change.old), shown(&change.new))
    };
    let mut told: Vec<String> = fields.iter().take(NAMED).map(field).collect();
    if fields.len() > NAMED {
        told.push(format!("{} more fields", fields.len() - NAMED));
    }
    told.join("; ")
}

/// What was done after a failure.
pub(crate) fn next_step(next: &NextStep) -> String {
    match next {
        NextStep::Left { why } => format!("left as it is: {why}"),
        NextStep::RolledBack { to_revision } => format!("rolled back to revision {to_revision}"),
        NextStep::Uninstalled => "uninstalled".to_owned(),
        NextStep::RemediationFailed { tried, error } => format!("{tried} failed too: {error}"),
    }
}

/// Why a check does not let the release pass, with what was asked and what came back.
pub(crate) fn check(report: &CheckReport) -> String {
    let CheckReport { why, comparison, evidence: Evidence { asked, got }, attempts, elapsed_ms, .. } = report;
    let broken = match comparison {
        Some(CheckComparison::Broken) => "the change broke it, before it held: ",
        Some(CheckComparison::StillHolds | CheckComparison::Fixed | CheckComparison::WasBroken) | None => "",
    };
    let tried = match attempts {
        0 | 1 => String::new(),
        n => format!(" ({n} attempts in {} s)", elapsed_ms / 1000),
    };
    let lines = |name: &str, lines: &[String]| lines.iter().map(|line| format!("\n{name}: {line}")).collect::<String>();
    format!("{broken}{why}{tried}{}{}", lines("asked", asked), lines("got", got))
}

/// How far a wait is, and what it waits for first.
pub(crate) fn progress(progress: &Progress) -> String {
    let counted = format!("{} of {}", progress.done(), progress.total);
    match progress.pending.first() {
        Some((object, status)) => format!("{counted}, waiting for {object}: {}", status.message),
        None => counted,
    }
}

/// Why a wait ended, without the objects: they are told one by one.
pub(crate) fn not_ready(not_ready: &NotReady) -> String {
    let count = match not_ready.objects.len() {
        1 => "1 object is not as it should be".to_owned(),
        n => format!("{n} objects are not as they should be"),
    };
    match not_ready.ended {
        Ended::Deadline => format!("{count} and the time is up"),
        Ended::Failed => format!("{count} and will not get there"),
        Ended::Cancelled => format!("the wait was stopped while {count}"),
    }
}

/// Objects in one line: the first few by name, the rest counted.
pub(crate) fn listed(objects: &[ObjectRef]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = objects.iter().take(SHOWN).map(ToString::to_string).collect();
    if objects.len() > SHOWN {
        names.push(format!("{} more", objects.len() - SHOWN));
    }
    names.join(", ")
}

//! Jobs and hooks that fail.

use super::draft::Draft;
use super::evidence::Evidence;
use super::line::Line;
use super::read::{condition, events, kubectl_name, name, number, one_line, text};
use pilothouse_core::{Certainty, code};
use serde_json::Value;

/// The annotation that makes an object a hook, with the events it is for.
const HOOK: &str = "helm.sh/hook";

/// The events an object is a hook for; `None` when it is none.
pub(super) fn hook(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations")?.get(HOOK)?.as_str()
}

/// Whether the Job has failed for good.
fn failed(job: &Value) -> Option<&Value> {
    let holds = |kind| condition(job, kind).filter(|condition| text(condition, "/status") == "True");
    holds("Failed").or_else(|| holds("FailureTarget"))
}

/// Makes the causes of its pods those of the Job or hook: what ended there has made the Job fail, and what keeps its pods from
/// starting stays what it is.
pub(super) fn of_object(evidence: &Evidence, drafts: Vec<Draft>) -> Vec<Draft> {
    let Some(job) = evidence.live.as_deref() else { return drafts };
    let (kind, hook) = (text(job, "/kind"), hook(job));
    if kind != "Job" && hook.is_none() {
        return drafts;
    }
    let failure = failed(job);
    let is_over = failure.is_some() || (kind == "Pod" && text(job, "/status/phase") == "Failed");
    let line = match (hook.is_some(), is_over) {
        (true, true) => Line::HookFailed,
        (true, false) => Line::HookFailing,
        (false, true) => Line::JobFailed,
        (false, false) => Line::JobFailing,
    };
    let what = hook.map_or_else(|| "the Job".to_owned(), |events| format!("the hook ({})", one_line(events)));
    let end = failure.map(|failed| {
        format!("{kind} {}: {}: {}", name(job), text(failed, "/reason"), one_line(text(failed, "/message")))
    });
    let mut drafts: Vec<Draft> = drafts
        .into_iter()
        .map(|mut draft| {
            let rule = draft.line.rule();
            // Nobody tries again.
            draft.before &= !is_over;
            draft.settled |= is_over;
            if rule.code == code::CRASH_LOOP && draft.line != Line::CannotStart {
                draft.line = line;
                draft.why = format!("{what} fails: {}", draft.why);
                draft.root = evidence.object.to_string();
            } else if !is_over && draft.line == Line::InitFailing {
                // Only the pod is never started again: the Job makes another one.
                draft.line = Line::InitFailingFew;
            } else if is_over {
                draft.line = for_good(draft.line);
                if draft.line.rule().certainty == Certainty::Passing {
                    // Its time is over before what could have passed has.
                    draft.line = line;
                    draft.why = format!("{what} ran out of time: {}", draft.why);
                    draft.root = evidence.object.to_string();
                }
            }
            draft.all_seen(end.clone())
        })
        .collect();
    if drafts.is_empty() && is_over {
        let why = match failure.map(|failed| (text(failed, "/reason"), one_line(text(failed, "/message")))) {
            Some(("DeadlineExceeded", message)) => format!("{what} ran out of time: {message}"),
            Some((_, message)) => format!("{what} failed: {message}"),
            None => format!("{what} failed"),
        };
        let backoff = number(job, "/spec/backoffLimit");
        let draft = Draft::new(line, evidence.object.to_string(), why).all_seen(end);
        let warnings = events(evidence).filter(|seen| text(seen.event, "/type") == "Warning").map(|seen| seen.says());
        let draft = draft.all_seen(warnings).seen(format!("its pods are gone or say nothing; backoffLimit {backoff}"));
        drafts.push(draft.next(format!("kubectl describe {}", kubectl_name(&evidence.object))));
    }
    drafts
}

/// What may pass while a Job tries again does not once it has failed.
fn for_good(line: Line) -> Line {
    match line {
        Line::OomFew => Line::Oom,
        Line::InitFailingFew => Line::InitFailing,
        Line::ImageAbsentOnce => Line::ImageAbsent,
        Line::PullDeniedOnce => Line::PullDenied,
        Line::PullSecretMissingYet => Line::PullSecretMissing,
        Line::SecretMissingYet => Line::SecretMissing,
        Line::SecretKeyMissingYet => Line::SecretKeyMissing,
        Line::ConfigMapMissingYet => Line::ConfigMapMissing,
        Line::ConfigMapKeyMissingYet => Line::ConfigMapKeyMissing,
        other => other,
    }
}

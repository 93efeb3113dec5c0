//! What an object says of itself: its reason, its phase, its conditions.

use super::draft::Draft;
use super::evidence::Evidence;
use super::line::Line;
use super::read::{kubectl_name, one_line, text};
use crate::readiness::{BY_ITS_RULE, JUST_STARTED, RESTARTED, Rules, unmet};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use serde_json::Value;

/// What a custom resource or any other object says of itself: the reason and words of its own status.
pub(super) fn told(evidence: &Evidence) -> Option<Draft> {
    let why = says(&evidence.status, evidence.live.as_deref())?;
    let draft = Draft::new(Line::ConditionNotMet, evidence.object.to_string(), why);
    Some(draft.next(look_at(&evidence.object)))
}

/// What to do about an object whose controller says what is wrong.
pub(super) fn look_at(object: &ObjectRef) -> String {
    format!("kubectl describe {}, and look at the log of its controller", kubectl_name(object))
}

/// Why an object that has failed has done so, in its own words; `None` for one that is merely on its way.
pub(super) fn failure(object: &Value, now: Timestamp) -> Option<String> {
    let status = Rules::default().judge(object, now).status;
    says(&status, Some(object)).filter(|_| status.readiness == Readiness::Failed)
}

fn says(status: &ObjectStatus, live: Option<&Value>) -> Option<String> {
    let message = one_line(&status.message);
    let condition = live.filter(|live| !has_pods(live)).and_then(unmet);
    let of_condition = condition.map(|one| {
        let message = one_line(one.message);
        match one.reason {
            "" => format!("{} is {}: {message}", one.kind, one.status),
            reason => format!("{reason}: {message}"),
        }
    });
    // What has only just started says nothing of its own.
    let reason = status.reason.as_deref().filter(|reason| !matches!(*reason, "" | JUST_STARTED | RESTARTED));
    match reason {
        // That nobody can tell says less than a condition that does not hold.
        Some(_) if status.readiness == Readiness::Unknown && of_condition.is_some() => of_condition,
        Some(reason) => Some(format!("{reason}: {message}")),
        None if status.readiness == Readiness::Failed && !message.ends_with(BY_ITS_RULE) => {
            let same = condition.is_some_and(|one| one_line(one.message) == message);
            let message = Some(message).filter(|_| live.is_some_and(|live| !has_pods(live)));
            if same { of_condition } else { message }
        }
        None => of_condition,
    }
}

/// Whether it is told of by its pods, and what it says itself only follows from them.
fn has_pods(object: &Value) -> bool {
    matches!(text(object, "/apiVersion"), "apps/v1" | "batch/v1") || text(object, "/kind") == "Pod"
}

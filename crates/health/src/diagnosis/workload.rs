//! Workloads whose controller cannot make pods, or whose rollout has stopped.

use super::admission::{self, Tries};
use super::draft::Draft;
use super::evidence::{Evidence, Want, Whereabouts};
use super::line::Line;
use super::read::{
    Seen, condition, events_about, family, kubectl_name, name, namespace, one_line, quoted, seconds_since, text, time,
};
use super::reasons::{self, Means};
use super::revisions::newest_set;
use super::webhooks::{self, Around};
use jiff::Timestamp;
use pilothouse_core::code;
use serde_json::Value;

/// A message of a controller that cannot make something, with how often, since when, and when it was last told.
struct Failure {
    message: String,
    tries: Tries,
    last: Option<Timestamp>,
    line: String,
}

/// Why the controllers of the object cannot make its pods.
pub(super) fn refused(evidence: &Evidence, now: Timestamp) -> Vec<Draft> {
    let around = Around { objects: &evidence.around, read: &evidence.read, unanswered: &evidence.unanswered };
    let of = |failure: Failure| {
        let draft = admission::refusal(&failure.message, in_namespace(evidence), failure.tries, around);
        let draft = draft.unwrap_or_else(|| {
            let message = one_line(&failure.message);
            let line = if message.contains(" is invalid: ") { Line::ObjectInvalid } else { Line::Unknown };
            Draft::new(line, evidence.object.to_string(), message)
        });
        let draft = now_there(evidence, draft.last_seen(failure.last, evidence), &failure.message).seen(failure.line);
        when_put_right(evidence, draft)
    };
    failures(evidence, now).into_iter().map(of).collect()
}

/// What has a controller try at once: one that was refused tries again after as long as it has tried already, at most 16 minutes,
/// and nothing but a new version makes it try before.
fn restart(evidence: &Evidence) -> Option<String> {
    let is_restartable = matches!(evidence.object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
    is_restartable.then(|| format!("kubectl rollout restart {}", kubectl_name(&evidence.object)))
}

/// A refusal that something else than other values may put right, with what is to be done then.
fn when_put_right(evidence: &Evidence, draft: Draft) -> Draft {
    let in_cluster = [
        code::WEBHOOK_UNREACHABLE,
        code::WEBHOOK_DENIED,
        code::POLICY_DENIED,
        code::QUOTA_EXCEEDED,
        code::LIMIT_RANGE,
        code::POD_SECURITY,
    ];
    match restart(evidence).filter(|_| in_cluster.contains(&draft.line.rule().code)) {
        Some(restart) => {
            draft.next(format!("once it is put right without other values: {restart} has it tried at once"))
        }
        None => draft,
    }
}

/// A refusal for want of something, with what is known of that by now.
fn now_there(evidence: &Evidence, mut draft: Draft, message: &str) -> Draft {
    let Some(missing) = admission::missing(message, in_namespace(evidence)) else { return draft };
    let found = evidence.referred.iter().find(|referred| referred.object == missing);
    let restart = restart(evidence);
    match found.map(|found| &found.whereabouts) {
        Some(Whereabouts::There { .. }) => {
            draft.before = true;
            draft.why = format!("{} is there now, and its controller has not tried again yet", draft.root);
            draft.next = restart.map(|restart| format!("{restart} has it tried at once")).into_iter().collect();
            draft
        }
        found => {
            // It is missing, whenever that was told.
            draft.before &= found != Some(&Whereabouts::Missing);
            let make = (missing.kind == "ServiceAccount").then(|| format!("kubectl create {}", kubectl_name(&missing)));
            match make.zip(restart) {
                Some((make, restart)) => {
                    draft.next(format!("or make it: {make}; then {restart}, to have it tried at once"))
                }
                None => draft,
            }
        }
    }
}

fn in_namespace(evidence: &Evidence) -> &str {
    evidence.object.namespace.as_deref().unwrap_or_default()
}

/// What controllers say they cannot make, newest last: their events, and the condition a Deployment or ReplicaSet has of it.
fn failures(evidence: &Evidence, now: Timestamp) -> Vec<Failure> {
    let is_refusal = |seen: &Seen<'_>| reasons::means(seen.reason) == Means::Refusal;
    // What could be made since is no failure any more.
    let made = |seen: &Seen<'_>| seen.reason == "SuccessfulCreate";
    // An old ReplicaSet tells what was wrong with an earlier version.
    let newest = newest_set(evidence);
    let counts = |object: &Value| match text(object, "/kind") {
        "Pod" => false,
        "ReplicaSet" => newest.is_none_or(|uid| text(object, "/metadata/uid") == uid),
        _ => true,
    };
    let mut failures: Vec<Failure> = Vec::new();
    for object in family(evidence).filter(|object| counts(object)) {
        let events = events_about(evidence, object);
        let last_made = events.iter().filter(|seen| made(seen)).filter_map(Seen::last).max();
        for seen in events.iter().filter(|seen| is_refusal(seen)) {
            if last_made.is_some_and(|made| seen.last().is_some_and(|last| last <= made)) {
                continue;
            }
            add(&mut failures, seen, now);
        }
        let condition = condition(object, "ReplicaFailure").filter(|condition| text(condition, "/status") == "True");
        if let Some(condition) = condition.filter(|_| failures.is_empty()) {
            failures.push(Failure {
                message: text(condition, "/message").to_owned(),
                tries: Tries {
                    count: 1,
                    seconds: seconds_since(time(condition, "/lastTransitionTime"), now),
                    over: false,
                },
                last: time(condition, "/lastTransitionTime"),
                line: format!(
                    "{} {}: ReplicaFailure: {}",
                    text(object, "/kind"),
                    name(object),
                    one_line(text(condition, "/message"))
                ),
            });
        }
    }
    failures
}

/// Adds an event; one that says the same as another counts for it.
fn add(failures: &mut Vec<Failure>, seen: &Seen<'_>, now: Timestamp) {
    let (count, seconds) = (seen.count(), seconds_since(seen.first(), now));
    // The names of pods that could not be made differ each time.
    let stripped = |message: &str| match quoted(message, "pods ") {
        Some(pod) => message.replace(pod, ""),
        None => message.to_owned(),
    };
    match failures.iter_mut().find(|failure| stripped(&failure.message) == stripped(seen.message)) {
        Some(known) => {
            known.tries.count += count;
            known.tries.seconds = known.tries.seconds.max(seconds);
            known.last = known.last.max(seen.last());
            seen.message.clone_into(&mut known.message);
        }
        None => failures.push(Failure {
            message: seen.message.to_owned(),
            tries: Tries { count, seconds, over: false },
            last: seen.last(),
            line: seen.says(),
        }),
    }
}

/// A Deployment past its progress deadline.
pub(super) fn stuck(evidence: &Evidence) -> Option<Draft> {
    let live = evidence.live.as_deref().filter(|live| text(live, "/kind") == "Deployment")?;
    let progressing = condition(live, "Progressing")?;
    let past = text(progressing, "/status") == "False" && text(progressing, "/reason") == "ProgressDeadlineExceeded";
    past.then(|| {
        let why = format!("its rollout makes no progress: {}", one_line(text(progressing, "/message")));
        let draft = Draft::new(Line::RolloutStuck, evidence.object.to_string(), why);
        let describe = format!("kubectl describe deployment -n {} {}", namespace(live), name(live));
        draft.last_seen(time(progressing, "/lastUpdateTime"), evidence).next(describe)
    })
}

/// What tells more about webhooks that refuse pods.
pub(super) fn wanted(evidence: &Evidence, now: Timestamp) -> Vec<Want> {
    let around = Around { objects: &evidence.around, read: &evidence.read, unanswered: &evidence.unanswered };
    let failures: Vec<Failure> = failures(evidence, now);
    let mut wants: Vec<Want> = failures.iter().flat_map(|failure| webhooks::wanted(&failure.message, around)).collect();
    wants.extend(
        failures
            .iter()
            .filter_map(|failure| admission::missing(&failure.message, in_namespace(evidence)))
            .map(Want::Keys),
    );
    if failures.iter().any(|failure: &Failure| failure.message.contains("is being terminated"))
        && let Some(namespace) = evidence.object.namespace.as_deref()
    {
        wants.push(super::namespace::wanted(namespace));
    }
    wants
}

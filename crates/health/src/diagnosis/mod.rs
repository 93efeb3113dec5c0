//! From evidence to causes.
//!
//! Each family of causes has its file: it reads what Kubernetes says, finds the decisive fact, and names what is to blame. Whether a
//! cause is certain is decided by the table in `line.rs`.

mod admission;
mod api_services;
mod containers;
mod definitions;
mod draft;
mod events;
mod evidence;
mod helm;
mod helm_objects;
mod helm_words;
mod images;
mod jobs;
mod line;
mod namespace;
mod network;
mod pods;
mod read;
mod reasons;
mod references;
mod rejected;
mod revisions;
mod runtime;
mod said;
mod scheduler_words;
mod scheduling;
mod storage;
mod surroundings;
mod traces;
mod unmoved;
mod webhooks;
mod workload;

#[cfg(test)]
mod tests;

pub use events::Events;
pub use evidence::{Evidence, HelmEvidence, LockSeen, LogTail, OtherRelease, Referred, Want, Whereabouts};
pub use helm::{helm_causes, helm_wanted};
pub use line::{Rule, rules};
pub use reasons::{mount_warnings, sandbox_warnings};
pub use rejected::rejection_reasons;
pub use scheduling::tolerates_taints;
pub use surroundings::{AtWork, Family};

use draft::{Draft, merged};
use jiff::Timestamp;
use line::Line;
use pilothouse_core::{Cause, CauseClass, Certainty};
use read::Seen;

/// What should be read besides what the evidence has already, so that its cause becomes certain. Asked again after each
/// round of reading, until it wants nothing more.
pub fn wanted(evidence: &Evidence, now: Timestamp) -> Vec<Want> {
    let mut wants = pods::wanted(evidence, now);
    wants.extend(revisions::wanted(evidence));
    wants.extend(storage::wanted(evidence));
    wants.extend(workload::wanted(evidence, now));
    wants.extend(unmoved::wanted(evidence, now));
    wants.extend(api_services::wanted(evidence));
    wants.extend(webhooks::wanted_to_read(evidence));
    let mut new: Vec<Want> = Vec::new();
    for want in wants {
        if !evidence.read.contains(&want) && !new.contains(&want) {
            new.push(want);
        }
    }
    new
}

/// How often each container of the object's pods was started again, by the pod's UID and the container's name.
pub fn starts(evidence: &Evidence) -> Vec<((String, String), i64)> {
    let pods = read::family(evidence).filter(|object| read::text(object, "/kind") == "Pod");
    let containers = pods.flat_map(|pod| containers::Container::all(pod));
    containers
        .map(|container| {
            let uid = read::text(container.pod, "/metadata/uid").to_owned();
            ((uid, container.name().to_owned()), container.restarts())
        })
        .collect()
}

/// Why the object is not ready, the decisive cause first. Never empty for an object that is not ready: what is not
/// understood has the code `UNKNOWN`.
pub fn causes(evidence: &Evidence, now: Timestamp) -> Vec<Cause> {
    let told = drafts(evidence, now).into_iter().map(|draft| {
        let draft = draft.all_seen(evidence.unreadable.iter().map(|line| format!("not read: {line}")));
        draft.cause(Some(evidence.object.clone()), Some(evidence.status.clone()), &evidence.redactor)
    });
    told.collect()
}

/// The causes before they are masked.
fn drafts(evidence: &Evidence, now: Timestamp) -> Vec<Draft> {
    if evidence.status.is_ready() {
        return Vec::new();
    }
    if let Some(terminating) = namespace::causes(evidence) {
        return vec![terminating];
    }
    if let Some(going) = namespace::going(evidence) {
        return vec![going];
    }
    let of_pods =
        pods::alike(revisions::suspects(evidence, now)).into_iter().flat_map(|pod| pods::causes(evidence, pod, now));
    let mut drafts = jobs::of_object(evidence, of_pods.collect());
    // Those of pods were weighed where they were found: a Job that has failed for good is helped by nothing.
    let mut others = workload::refused(evidence, now);
    others.extend(revisions::blocked(evidence, now));
    if drafts.is_empty() && others.is_empty() {
        others.extend(storage::unbound(evidence, now));
    }
    others.extend(definitions::causes(evidence));
    others.extend(api_services::causes(evidence, now));
    others.extend(webhooks::unreadable(evidence));
    others.extend(unmoved::suspended(evidence));
    others.extend(network::causes(evidence, now));
    drafts.extend(others.into_iter().map(|draft| draft.weighed(evidence)));
    let stuck = workload::stuck(evidence).map(|draft| draft.weighed(evidence));
    let mut drafts = merged(drafts);
    // What is understood makes what is not superfluous.
    if drafts.iter().any(|draft| draft.line != Line::Unknown) {
        drafts.retain(|draft| draft.line != Line::Unknown);
    }
    drafts.sort_by_key(rank);
    match stuck {
        Some(stuck) if drafts.is_empty() => drafts.push(stuck),
        Some(stuck) => drafts.iter_mut().for_each(|draft| draft.see(stuck.why.clone())),
        None => {}
    }
    if drafts.iter().all(|draft| draft.line == Line::Unknown) {
        let known = unmoved::waiting(evidence, now).or_else(|| said::told(evidence));
        let draft = match (known, drafts.pop()) {
            // What a controller or the scheduler has said and is not understood comes first.
            (known, Some(unknown)) => unknown.all_seen(known.map(|known| known.why)),
            (Some(known), None) => known,
            (None, None) => unknown(evidence),
        };
        drafts.push(draft.all_seen(unmoved::chain(evidence, now)));
    }
    drafts
}

/// What is certain comes first, then what is known; each in the order it was found.
fn rank(draft: &Draft) -> (Certainty, bool) {
    (draft.certainty(), draft.line.rule().class == CauseClass::Unknown)
}

/// What is not understood.
fn unknown(evidence: &Evidence) -> Draft {
    let describe = format!("kubectl describe {}", read::kubectl_name(&evidence.object));
    Draft::new(Line::Unknown, evidence.object.to_string(), &evidence.status.message).next(describe)
}
